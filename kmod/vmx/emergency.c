// SPDX-License-Identifier: GPL-2.0-only
/*
 * VMX off when the host crashes: INIT is blocked in VMX operation and CR4.VMXE cannot be
 * cleared, so a crash kernel would not start.  The kernel has one slot for a function that
 * does this on every CPU, and warns if it is asked for twice.  KVM's function switches VMX
 * off whoever switched it on; so where kvm_intel is loaded, the slot is left to it.
 */
#include "vmcs.h"

#include <linux/kobject.h>

#include <asm/reboot.h>

#define OTHER_USER	"kvm_intel"

static DEFINE_MUTEX(emergency_mutex);	/* all below */
static unsigned int users;
static bool registered;
static bool other_loaded;

static void update(void)
{
	bool wanted = users && !other_loaded;

	lockdep_assert_held(&emergency_mutex);
	if (wanted == registered)
		return;
	if (wanted)
		cpu_emergency_register_virt_callback(vmx_cpu_emergency_disable);
	else
		cpu_emergency_unregister_virt_callback(vmx_cpu_emergency_disable);
	registered = wanted;
}

static void count_users(int more)
{
	mutex_lock(&emergency_mutex);
	users += more;
	update();
	mutex_unlock(&emergency_mutex);
}

void vmx_users_get(void)
{
	count_users(1);
}

void vmx_users_put(void)
{
	count_users(-1);
}

static void set_other_loaded(bool loaded)
{
	mutex_lock(&emergency_mutex);
	other_loaded = loaded;
	update();
	mutex_unlock(&emergency_mutex);
}

/* COMING is before the other module's init function, GOING after its exit function. */
static int module_event(struct notifier_block *block, unsigned long event, void *data)
{
	const struct module *module = data;

	if (strcmp(module->name, OTHER_USER))
		return NOTIFY_DONE;
	if (event == MODULE_STATE_COMING)
		set_other_loaded(true);
	else if (event == MODULE_STATE_GOING)
		set_other_loaded(false);
	return NOTIFY_OK;
}

static struct notifier_block module_block = { .notifier_call = module_event };

int vmx_emergency_setup(void)
{
	struct kobject *other;
	int error = register_module_notifier(&module_block);

	if (error)
		return error;
	other = kset_find_obj(THIS_MODULE->mkobj.kobj.kset, OTHER_USER);
	set_other_loaded(other);
	kobject_put(other);
	return 0;
}

void vmx_emergency_teardown(void)
{
	unregister_module_notifier(&module_block);
}
