// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ioctl interface: three tables of {number, handler, what it needs} and one dispatcher.
 * The dispatcher copies arguments in and out, takes locks, loads the vCPU and undoes all of
 * it; handlers see checked sizes and zeroed padding is theirs to check.  No handler takes a
 * lock, so none can leak one.
 */
#include "device.h"

#include "apic.h"
#include "backend.h"
#include "irqfd.h"
#include "ports.h"
#include "run.h"
#include "state.h"
#include "stats.h"
#include "vcpu.h"
#include "vm.h"

/* What a handler needs. */
#define NEEDS_VM_LOCK	BIT(0)	/* vm->lock held */
#define NEEDS_VCPU	BIT(1)	/* vcpu->mutex held; EBUSY if the vCPU runs */
#define NEEDS_LOADED	BIT(2)	/* with NEEDS_VCPU: loaded, pending answers completed */
#define NEEDS_FRESH	BIT(3)	/* with NEEDS_VCPU: it has not run yet; EBUSY otherwise */

struct call {
	struct mica_vm *vm;
	struct mica_vcpu *vcpu;
	void *arg;
};

struct ioctl_row {
	unsigned int cmd;
	unsigned int needs;
	long (*handler)(struct call *call);
};

/* ------------------------------------------------------------ dispatcher */

#define SMALL_ARG	64
#define BIG_ARG		sizeof(struct mica_xsave)

static const struct ioctl_row *find_row(const struct ioctl_row *rows, unsigned int count,
					unsigned int cmd)
{
	unsigned int i, same = _IOC(_IOC_DIRMASK, _IOC_TYPEMASK, _IOC_NRMASK, 0);

	for (i = 0; i < count; i++)
		if (!((rows[i].cmd ^ cmd) & same))
			return &rows[i];
	return NULL;
}

/* A shorter structure is extended with zeros, the excess of a longer one must be zero. */
static int copy_in(void *arg, size_t known, const void __user *from, size_t size)
{
	int zeroed;

	if (size > known) {
		zeroed = check_zeroed_user(from + known, size - known);
		if (zeroed <= 0)
			return zeroed ? : -E2BIG;
	}
	return copy_from_user(arg, from, min(size, known)) ? -EFAULT : 0;
}

static int copy_out(void __user *to, size_t size, const void *arg, size_t known)
{
	if (copy_to_user(to, arg, min(size, known)))
		return -EFAULT;
	if (size > known && clear_user(to + known, size - known))
		return -EFAULT;
	return 0;
}

static long call_loaded(const struct ioctl_row *row, struct call *call)
{
	long result = mica_vcpu_load(call->vcpu);

	if (result)
		return result;
	mica_run_complete(call->vcpu);
	result = row->handler(call);
	mica_vcpu_put(call->vcpu);
	return result;
}

static long call_locked(const struct ioctl_row *row, struct call *call)
{
	struct mica_vcpu *vcpu = call->vcpu;
	long result;

	if (row->needs & NEEDS_VM_LOCK) {
		/* It may be held for long: by a copy to memory that user space provides late. */
		if (mutex_lock_killable(&call->vm->lock))
			return -EINTR;
		result = row->handler(call);
		mutex_unlock(&call->vm->lock);
		return result;
	}
	if (!(row->needs & NEEDS_VCPU))
		return row->handler(call);
	if (!mutex_trylock(&vcpu->mutex))
		return -EBUSY;
	if ((row->needs & NEEDS_FRESH) && vcpu->has_run)
		result = -EBUSY;
	else if (row->needs & NEEDS_LOADED)
		result = call_loaded(row, call);
	else
		result = row->handler(call);
	mutex_unlock(&vcpu->mutex);
	return result;
}

static long call_with_argument(const struct ioctl_row *row, struct call *call,
			       unsigned int cmd, void __user *user)
{
	size_t known = _IOC_SIZE(row->cmd), size = _IOC_SIZE(cmd);
	long result = 0;

	if (_IOC_DIR(cmd) & _IOC_WRITE)
		result = copy_in(call->arg, known, user, size);
	if (!result)
		result = call_locked(row, call);
	if (result >= 0 && (_IOC_DIR(cmd) & _IOC_READ) && copy_out(user, size, call->arg, known))
		result = -EFAULT;
	return result;
}

static long dispatch(const struct ioctl_row *rows, unsigned int count, struct call *call,
		     unsigned int cmd, unsigned long user)
{
	const struct ioctl_row *row = find_row(rows, count, cmd);
	u64 small[SMALL_ARG / sizeof(u64)];
	size_t known;
	long result;

	if (!row)
		return -ENOTTY;
	if (call->vm && unlikely(current->mm != call->vm->mm))
		return -EIO;
	known = _IOC_SIZE(row->cmd);
	if (!known)
		return _IOC_SIZE(cmd) ? -EINVAL : call_locked(row, call);
	if (!_IOC_SIZE(cmd))
		return -EINVAL;
	if (known <= SMALL_ARG) {
		memset(small, 0, sizeof(small));
		call->arg = small;
		return call_with_argument(row, call, cmd, (void __user *)user);
	}
	call->arg = kvzalloc(known, GFP_KERNEL_ACCOUNT);
	if (!call->arg)
		return -ENOMEM;
	result = call_with_argument(row, call, cmd, (void __user *)user);
	kvfree(call->arg);
	return result;
}

/* ------------------------------------------------------------ vCPU fd */

static long vcpu_run(struct call *call)
{
	return mica_vcpu_run(call->vcpu);
}

static long vcpu_get_state(struct call *call)
{
	struct mica_get_set_state *args = call->arg;

	if (args->groups & ~(u64)MICA_STATE_ALL)
		return -EINVAL;
	memset(&args->state, 0, sizeof(args->state));
	mica_state_get(call->vcpu, args->groups, &args->state);
	return 0;
}

static long vcpu_set_state(struct call *call)
{
	struct mica_get_set_state *args = call->arg;

	return mica_state_set(call->vcpu, args->groups, &args->state) ? -EINVAL : 0;
}

static long vcpu_get_xsave(struct call *call)
{
	return mica_fpu_get(call->vcpu, call->arg);
}

static long vcpu_set_xsave(struct call *call)
{
	struct mica_xsave *args = call->arg;

	return args->pad ? -EINVAL : mica_fpu_set(call->vcpu, args);
}

static long vcpu_get_apic(struct call *call)
{
	mica_apic_get_state(&call->vcpu->apic, call->arg);
	return 0;
}

static long vcpu_set_apic(struct call *call)
{
	struct mica_apic_state *args = call->arg;

	return args->pad ? -EINVAL : mica_apic_set_state(&call->vcpu->apic, args);
}

static long vcpu_apic_access(struct call *call)
{
	struct mica_apic *apic = &call->vcpu->apic;
	struct mica_apic_access *args = call->arg;

	if (args->pad || args->write > 1 || args->offset >= 0x400 || (args->offset & 15))
		return -EINVAL;
	if (!mica_apic_enabled(apic) || mica_apic_is_x2(apic))
		return -ENXIO;
	if (args->write)
		mica_apic_write(apic, args->offset, args->value);
	else
		args->value = mica_apic_read(apic, args->offset);
	return 0;
}

static long vcpu_set_cpuid(struct call *call)
{
	struct mica_cpuid *args = call->arg;
	int error;

	if (args->pad)
		return -EINVAL;
	error = mica_cpuid_set(call->vcpu, args);
	if (!error) {
		preempt_disable();
		mica_backend->cpuid_changed(call->vcpu);
		preempt_enable();
	}
	return error;
}

static long vcpu_set_pin(struct call *call)
{
	struct mica_pin *args = call->arg;

	if (args->pin > MICA_PIN_INIT || args->level > 1)
		return -EINVAL;
	mica_apic_set_pin(call->vcpu, args->pin, args->level);
	return 0;
}

static long vcpu_get_stats(struct call *call)
{
	mica_stats_get(call->vcpu, call->arg);
	return 0;
}

static long vcpu_move_tsc(struct call *call)
{
	const struct mica_move_tsc *args = call->arg;

	mica_vcpu_move_tsc(call->vcpu, args->delta);
	return 0;
}

static const struct ioctl_row vcpu_ioctls[] = {
	{ MICA_VCPU_RUN,	 NEEDS_VCPU,				 vcpu_run },
	{ MICA_VCPU_GET_STATE,	 NEEDS_VCPU | NEEDS_LOADED,		 vcpu_get_state },
	{ MICA_VCPU_SET_STATE,	 NEEDS_VCPU | NEEDS_LOADED,		 vcpu_set_state },
	{ MICA_VCPU_GET_XSAVE,	 NEEDS_VCPU,				 vcpu_get_xsave },
	{ MICA_VCPU_SET_XSAVE,	 NEEDS_VCPU,				 vcpu_set_xsave },
	{ MICA_VCPU_GET_APIC,	 NEEDS_VCPU | NEEDS_LOADED,		 vcpu_get_apic },
	{ MICA_VCPU_SET_APIC,	 NEEDS_VCPU | NEEDS_LOADED,		 vcpu_set_apic },
	{ MICA_VCPU_APIC_ACCESS, NEEDS_VCPU | NEEDS_LOADED,		 vcpu_apic_access },
	{ MICA_VCPU_SET_CPUID,	 NEEDS_VCPU | NEEDS_LOADED | NEEDS_FRESH, vcpu_set_cpuid },
	{ MICA_VCPU_SET_PIN,	 0,					 vcpu_set_pin },
	{ MICA_VCPU_GET_STATS,	 0,					 vcpu_get_stats },
	{ MICA_VCPU_MOVE_TSC,	 NEEDS_VCPU | NEEDS_LOADED,		 vcpu_move_tsc },
};

static long vcpu_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct mica_vcpu *vcpu = file->private_data;
	struct call call = { .vm = vcpu->vm, .vcpu = vcpu };

	return dispatch(vcpu_ioctls, ARRAY_SIZE(vcpu_ioctls), &call, cmd, arg);
}

static vm_fault_t run_page_fault(struct vm_fault *fault)
{
	struct mica_vcpu *vcpu = fault->vma->vm_file->private_data;

	if (fault->pgoff)
		return VM_FAULT_SIGBUS;
	get_page(vcpu->run_page);
	fault->page = vcpu->run_page;
	return 0;
}

static const struct vm_operations_struct run_page_ops = { .fault = run_page_fault };

static int vcpu_mmap(struct file *file, struct vm_area_struct *vma)
{
	if (vma->vm_pgoff || vma->vm_end - vma->vm_start != PAGE_SIZE ||
	    !(vma->vm_flags & VM_SHARED) || (vma->vm_flags & VM_EXEC))
		return -EINVAL;
	vma->vm_ops = &run_page_ops;
	return 0;
}

static int vcpu_release(struct inode *inode, struct file *file)
{
	struct mica_vcpu *vcpu = file->private_data;

	mica_vm_put(vcpu->vm);
	return 0;
}

static const struct file_operations vcpu_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = vcpu_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.mmap = vcpu_mmap,
	.release = vcpu_release,
	.llseek = noop_llseek,
};

/* ------------------------------------------------------------ VM fd */

/* The vCPU stays with the VM even if no fd can be had: its id is taken then. */
static long vm_create_vcpu(struct call *call)
{
	struct mica_create_vcpu *args = call->arg;
	struct mica_vcpu *vcpu;
	int fd;

	if (args->pad)
		return -EINVAL;
	vcpu = mica_vcpu_create(call->vm, args->id);
	if (IS_ERR(vcpu))
		return PTR_ERR(vcpu);
	mica_vm_get(call->vm);
	fd = anon_inode_getfd("mica-vcpu", &vcpu_fops, vcpu, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		mica_vm_put(call->vm);
	return fd;
}

static long vm_set_memory(struct call *call)
{
	return mica_memory_set(call->vm, call->arg);
}

static long vm_signal_msi(struct call *call)
{
	struct mica_msi *args = call->arg;
	struct mica_irq irq;

	if (args->pad || mica_apic_decode_msi(args->address, args->data, &irq))
		return -EINVAL;
	return mica_apic_deliver(call->vm, NULL, &irq) ? 0 : -ESRCH;
}

static long vm_bind_io(struct call *call)
{
	return mica_ports_bind(call->vm, call->arg);
}

static long vm_unbind_io(struct call *call)
{
	return mica_ports_unbind(call->vm, call->arg);
}

static long vm_bind_irq(struct call *call)
{
	return mica_irqfd_bind(call->vm, call->arg);
}

static long vm_unbind_irq(struct call *call)
{
	return mica_irqfd_unbind(call->vm, call->arg);
}

static long vm_track_dirty(struct call *call)
{
	return mica_dirty_track(call->vm, call->arg);
}

static long vm_take_dirty(struct call *call)
{
	return mica_dirty_take(call->vm, call->arg);
}

static const struct ioctl_row vm_ioctls[] = {
	{ MICA_VM_CREATE_VCPU,	NEEDS_VM_LOCK,	vm_create_vcpu },
	{ MICA_VM_SET_MEMORY,	NEEDS_VM_LOCK,	vm_set_memory },
	{ MICA_VM_SIGNAL_MSI,	0,		vm_signal_msi },
	{ MICA_VM_BIND_IO,	NEEDS_VM_LOCK,	vm_bind_io },
	{ MICA_VM_UNBIND_IO,	NEEDS_VM_LOCK,	vm_unbind_io },
	{ MICA_VM_BIND_IRQ,	NEEDS_VM_LOCK,	vm_bind_irq },
	{ MICA_VM_UNBIND_IRQ,	NEEDS_VM_LOCK,	vm_unbind_irq },
	{ MICA_VM_TRACK_DIRTY,	NEEDS_VM_LOCK,	vm_track_dirty },
	{ MICA_VM_TAKE_DIRTY,	NEEDS_VM_LOCK,	vm_take_dirty },
};

static long vm_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct call call = { .vm = file->private_data };

	return dispatch(vm_ioctls, ARRAY_SIZE(vm_ioctls), &call, cmd, arg);
}

static int vm_release(struct inode *inode, struct file *file)
{
	mica_vm_put(file->private_data);
	return 0;
}

static const struct file_operations vm_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = vm_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.release = vm_release,
	.llseek = noop_llseek,
};

/* ------------------------------------------------------------ /dev/mica */

static long dev_get_info(struct call *call)
{
	struct mica_info *info = call->arg;

	info->api_version = MICA_API_VERSION;
	info->caps = mica_backend->caps;
	strscpy(info->backend, mica_backend->name, sizeof(info->backend));
	info->max_vcpus = MICA_MAX_VCPUS;
	info->max_slots = MICA_MAX_SLOTS;
	info->phys_bits = mica_memory_phys_bits();
	info->tsc_khz = tsc_khz;
	info->xcr0 = mica_fpu_xcr0();
	info->xss = mica_backend->xss;
	info->xsave_size = mica_fpu_size();
	return 0;
}

static long dev_get_cpuid(struct call *call)
{
	return mica_cpuid_supported(call->arg);
}

static long dev_create_vm(struct call *call)
{
	struct mica_create_vm *args = call->arg;
	struct mica_vm *vm;
	int fd;

	if (args->flags & ~(MICA_VM_CHECK_HOST | MICA_VM_HALT_POLL))
		return -EINVAL;
	if (args->halt_poll_us > (args->flags & MICA_VM_HALT_POLL ? MICA_HALT_POLL_MAX_US : 0))
		return -EINVAL;
	vm = mica_vm_create(args->flags, args->halt_poll_us);
	if (IS_ERR(vm))
		return PTR_ERR(vm);
	fd = anon_inode_getfd("mica-vm", &vm_fops, vm, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		mica_vm_put(vm);
	return fd;
}

static const struct ioctl_row dev_ioctls[] = {
	{ MICA_GET_INFO,	0,	dev_get_info },
	{ MICA_GET_CPUID,	0,	dev_get_cpuid },
	{ MICA_CREATE_VM,	0,	dev_create_vm },
};

static long dev_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct call call = { };

	return dispatch(dev_ioctls, ARRAY_SIZE(dev_ioctls), &call, cmd, arg);
}

static const struct file_operations dev_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = dev_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.llseek = noop_llseek,
};

static struct miscdevice mica_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "mica",
	.fops = &dev_fops,
	.mode = 0660,
};

int mica_device_register(void)
{
	return misc_register(&mica_device);
}

void mica_device_unregister(void)
{
	misc_deregister(&mica_device);
}
