// SPDX-License-Identifier: GPL-2.0-only
/*
 * The table of bound ports: one binary search finds an access.  See ports.h.
 *
 * Entries are in the order of `key`, which has the first port above the data.  Ranges are
 * disjoint, or equal with different data; one with data begins where each access to it
 * does, as it is as long as the access.  So if anything takes an access, it is the last entry
 * whose key is not above (port, value).
 *
 * What is unbound stays in the table without a target until the next binding makes a new one:
 * a guest decides how often its devices are unbound, so that takes neither memory nor a wait.
 */
#include "ports.h"

#include "vcpu.h"

#define PORTS		0x10000u

struct port_target {
	struct rcu_head rcu;
	struct eventfd_ctx *eventfd;	/* NULL: nobody's */
};

struct bound_ports {
	u64 key;			/* first port << 32 | data */
	u32 end;			/* behind the last port */
	u8 size;			/* of the access; 0: any */
	bool has_data;
	struct port_target __rcu *target;	/* NULL: unbound */
};

struct mica_ports {
	struct rcu_head rcu;
	unsigned int count;
	struct bound_ports range[];
};

static u64 key_of(u32 port, u32 data)
{
	return (u64)port << 32 | data;
}

static u32 first_port(const struct bound_ports *range)
{
	return range->key >> 32;
}

/* ------------------------------------------------------------ the guest's side */

/* How many entries have a key that is not above. */
static unsigned int entries_up_to(const struct mica_ports *ports, u64 key)
{
	unsigned int low = 0, high = ports->count, middle;

	while (low < high) {
		middle = (low + high) / 2;
		if (ports->range[middle].key <= key)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static const struct port_target *find(const struct mica_ports *ports, u16 port, u8 size, u32 value)
{
	u64 key = key_of(port, value);
	const struct bound_ports *range;
	unsigned int count;

	count = ports ? entries_up_to(ports, key) : 0;
	if (!count)
		return NULL;
	range = &ports->range[count - 1];
	if (port + size > range->end || (range->size && range->size != size) ||
	    (range->has_data && range->key != key))
		return NULL;
	return rcu_dereference_sched(range->target);
}

/*
 * A loaded vCPU has preemption off, and a grace period waits for it: no rcu_read_lock().
 * Signalling takes the eventfd's lock, which everybody takes with interrupts off, and wakes
 * who waits; that never sleeps, nor does it come back here.
 */
bool mica_ports_write(struct mica_vcpu *vcpu, u16 port, u8 size, u32 value)
{
	const struct port_target *target;

	target = find(rcu_dereference_sched(vcpu->vm->ports), port, size, value);
	if (!target)
		return false;
	if (target->eventfd) {
		mica_eventfd_signal(target->eventfd);
		vcpu->count.port_signals++;
	} else {
		vcpu->count.port_ignored++;
	}
	return true;
}

bool mica_ports_ignore_read(struct mica_vcpu *vcpu, u16 port, u8 size)
{
	const struct port_target *target;

	target = find(rcu_dereference_sched(vcpu->vm->ports), port, size, 0);
	if (!target || target->eventfd)
		return false;
	vcpu->count.port_ignored++;
	return true;
}

/* ------------------------------------------------------------ what user space asks for */

static int check_signal(const struct mica_io_binding *args)
{
	if (args->size && args->size != 1 && args->size != 2 && args->size != 4)
		return -EINVAL;
	if (!(args->flags & MICA_BIND_DATA))
		return args->data ? -EINVAL : 0;
	if (!args->size || args->length != args->size)
		return -EINVAL;
	return args->data >> (8 * args->size) ? -EINVAL : 0;
}

static int check_ignore(const struct mica_io_binding *args)
{
	return args->flags != MICA_BIND_IGNORE || args->size || args->data || args->fd != -1 ?
	       -EINVAL : 0;
}

static int range_from_user(struct bound_ports *range, const struct mica_io_binding *args)
{
	if (args->pad || (args->flags & ~(MICA_BIND_DATA | MICA_BIND_IGNORE | MICA_BIND_MMIO)))
		return -EINVAL;
	if (args->flags & MICA_BIND_MMIO)
		return -EOPNOTSUPP;
	if (args->address >= PORTS || !args->length || args->length > PORTS - args->address ||
	    args->length < args->size)
		return -EINVAL;
	if (args->flags & MICA_BIND_IGNORE ? check_ignore(args) : check_signal(args))
		return -EINVAL;
	*range = (struct bound_ports) {
		.key = key_of(args->address, args->data),
		.end = args->address + args->length,
		.size = args->size,
		.has_data = args->flags & MICA_BIND_DATA,
	};
	return 0;
}

static bool same_shape(const struct bound_ports *a, const struct bound_ports *b)
{
	return first_port(a) == first_port(b) && a->end == b->end && a->size == b->size &&
	       a->has_data == b->has_data;
}

static bool conflict(const struct bound_ports *a, const struct bound_ports *b)
{
	if (a->end <= first_port(b) || b->end <= first_port(a))
		return false;
	return !same_shape(a, b) || a->key == b->key;
}

/* ------------------------------------------------------------ changes of the table */

static struct mica_ports *current_ports(struct mica_vm *vm)
{
	return rcu_dereference_protected(vm->ports, lockdep_is_held(&vm->lock));
}

static bool is_bound(const struct bound_ports *range)
{
	return rcu_access_pointer(range->target);
}

/* How many there are, or -EEXIST. */
static int count_bound(const struct mica_ports *ports, const struct bound_ports *range)
{
	unsigned int i, count = 0;

	for (i = 0; ports && i < ports->count; i++) {
		if (!is_bound(&ports->range[i]))
			continue;
		if (conflict(&ports->range[i], range))
			return -EEXIST;
		count++;
	}
	return count;
}

/* Those of `old` that are still bound, and one more in its place. */
static void fill(struct mica_ports *ports, const struct mica_ports *old,
		 const struct bound_ports *range)
{
	unsigned int i, place = old ? entries_up_to(old, range->key) : 0;

	ports->count = 0;
	for (i = 0; i < place; i++)
		if (is_bound(&old->range[i]))
			ports->range[ports->count++] = old->range[i];
	ports->range[ports->count++] = *range;
	for (i = place; old && i < old->count; i++)
		if (is_bound(&old->range[i]))
			ports->range[ports->count++] = old->range[i];
}

static struct port_target *target_new(struct eventfd_ctx *eventfd)
{
	struct port_target *target = kmalloc(sizeof(*target), GFP_KERNEL_ACCOUNT);

	if (target)
		target->eventfd = eventfd;
	return target;
}

static int insert(struct mica_vm *vm, struct bound_ports *range, struct eventfd_ctx *eventfd)
{
	struct mica_ports *ports, *old = current_ports(vm);
	int count = count_bound(old, range);
	struct port_target *target;

	if (count < 0)
		return count;
	if (count >= MICA_MAX_IO_BINDINGS)
		return -ENOSPC;
	target = target_new(eventfd);
	if (!target)
		return -ENOMEM;
	ports = kvmalloc(struct_size(ports, range, count + 1), GFP_KERNEL_ACCOUNT);
	if (!ports) {
		kfree(target);
		return -ENOMEM;
	}
	RCU_INIT_POINTER(range->target, target);
	fill(ports, old, range);
	rcu_assign_pointer(vm->ports, ports);
	kvfree_rcu(old, rcu);
	return 0;
}

int mica_ports_bind(struct mica_vm *vm, const struct mica_io_binding *args)
{
	struct eventfd_ctx *eventfd;
	struct bound_ports range;
	int error = range_from_user(&range, args);

	lockdep_assert_held(&vm->lock);
	if (error)
		return error;
	if (args->flags & MICA_BIND_IGNORE)
		return insert(vm, &range, NULL);
	/* The lock of an eventfd sleeps there, and guests are left with interrupts off. */
	if (IS_ENABLED(CONFIG_PREEMPT_RT))
		return -EOPNOTSUPP;
	eventfd = eventfd_ctx_fdget(args->fd);
	if (IS_ERR(eventfd))
		return PTR_ERR(eventfd);
	error = insert(vm, &range, eventfd);
	if (error)
		eventfd_ctx_put(eventfd);
	return error;
}

static struct port_target *target_of(struct mica_vm *vm, const struct bound_ports *range)
{
	return rcu_dereference_protected(range->target, lockdep_is_held(&vm->lock));
}

/* The entry that was bound so, or NULL. */
static struct bound_ports *find_bound(struct mica_vm *vm, const struct bound_ports *range,
				      bool ignore)
{
	struct mica_ports *ports = current_ports(vm);
	unsigned int place = ports ? entries_up_to(ports, range->key) : 0;
	const struct port_target *target;
	struct bound_ports *found;

	if (!place)
		return NULL;
	found = &ports->range[place - 1];
	target = target_of(vm, found);
	if (found->key != range->key || !same_shape(found, range) || !target ||
	    !target->eventfd != ignore)
		return NULL;
	return found;
}

static void target_free(struct port_target *target)
{
	if (target->eventfd)
		eventfd_ctx_put(target->eventfd);
	kfree(target);
}

static void target_free_rcu(struct rcu_head *rcu)
{
	target_free(container_of(rcu, struct port_target, rcu));
}

int mica_ports_unbind(struct mica_vm *vm, const struct mica_io_binding *args)
{
	struct bound_ports range, *found;
	struct port_target *target;
	int error = range_from_user(&range, args);

	if (error)
		return error;
	if (args->fd != -1)
		return -EINVAL;
	found = find_bound(vm, &range, args->flags & MICA_BIND_IGNORE);
	if (!found)
		return -ENOENT;
	target = target_of(vm, found);
	RCU_INIT_POINTER(found->target, NULL);
	call_rcu(&target->rcu, target_free_rcu);
	return 0;
}

void mica_ports_destroy(struct mica_vm *vm)
{
	struct mica_ports *ports = rcu_dereference_protected(vm->ports, true);
	struct port_target *target;
	unsigned int i;

	for (i = 0; ports && i < ports->count; i++) {
		target = rcu_dereference_protected(ports->range[i].target, true);
		if (target)
			target_free(target);
	}
	kvfree(ports);
	RCU_INIT_POINTER(vm->ports, NULL);
}

void mica_ports_exit(void)
{
	rcu_barrier();
}
