// SPDX-License-Identifier: GPL-2.0-only
/*
 * Virtualization off when the host crashes: a CPU in VMX operation blocks INIT, one with GIF
 * clear blocks everything, so a crash kernel would not start.  The kernel has one slot for a
 * function that does this on every CPU, and warns if it is asked for twice.  KVM's function
 * switches off whoever switched it on; so where that module is loaded, the slot is left to it.
 */
#include <linux/kobject.h>

#include <asm/reboot.h>

#include "backend.h"
#include "emergency.h"

static DEFINE_MUTEX(emergency_mutex);	/* all below */
static bool in_use;
static bool registered;
static bool rival_loaded;

static void update(void)
{
	bool wanted = in_use && !rival_loaded;

	lockdep_assert_held(&emergency_mutex);
	if (wanted == registered)
		return;
	if (wanted)
		cpu_emergency_register_virt_callback(mica_backend->cpu_emergency_disable);
	else
		cpu_emergency_unregister_virt_callback(mica_backend->cpu_emergency_disable);
	registered = wanted;
}

void mica_emergency_in_use(bool use)
{
	mutex_lock(&emergency_mutex);
	in_use = use;
	update();
	mutex_unlock(&emergency_mutex);
}

static void set_rival_loaded(bool loaded)
{
	mutex_lock(&emergency_mutex);
	rival_loaded = loaded;
	update();
	mutex_unlock(&emergency_mutex);
}

/* COMING is before the other module's init function, GOING after its exit function. */
static int module_event(struct notifier_block *block, unsigned long event, void *data)
{
	const struct module *module = data;

	if (strcmp(module->name, mica_backend->rival))
		return NOTIFY_DONE;
	if (event == MODULE_STATE_COMING)
		set_rival_loaded(true);
	else if (event == MODULE_STATE_GOING)
		set_rival_loaded(false);
	return NOTIFY_OK;
}

static struct notifier_block module_block = { .notifier_call = module_event };

int mica_emergency_init(void)
{
	struct kobject *rival;
	int error = register_module_notifier(&module_block);

	if (error)
		return error;
	rival = kset_find_obj(THIS_MODULE->mkobj.kobj.kset, mica_backend->rival);
	set_rival_loaded(rival);
	kobject_put(rival);
	return 0;
}

void mica_emergency_exit(void)
{
	unregister_module_notifier(&module_block);
}
