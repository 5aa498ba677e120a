// SPDX-License-Identifier: GPL-2.0-only
/*
 * The table of bound ports: one binary search finds an access.  See ports.h.
 *
 * Entries are in the order of `key`, which has the first port above the data.  Ranges are
 * disjoint, or equal with different data; one with data begins where each access to it
 * does, as it is as long as the access.  So if anything takes an access, it is the last entry
 * whose key is not above (port, value).
 */
#include "ports.h"

#include "vcpu.h"

#define PORTS		0x10000u

struct bound_ports {
	u64 key;			/* first port << 32 | data */
	u32 end;			/* behind the last port */
	u8 size;			/* of the access; 0: any */
	bool has_data;
	struct eventfd_ctx *eventfd;	/* NULL: nobody's */
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

static const struct bound_ports *find(const struct mica_ports *ports, u16 port, u8 size, u32 value)
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
	return range;
}

/*
 * A loaded vCPU has preemption off, and a grace period waits for it: no rcu_read_lock().
 * Signalling takes the eventfd's lock, which everybody takes with interrupts off, and wakes
 * who waits; that never sleeps, nor does it come back here.
 */
bool mica_ports_write(struct mica_vcpu *vcpu, u16 port, u8 size, u32 value)
{
	const struct bound_ports *range;

	range = find(rcu_dereference_sched(vcpu->vm->ports), port, size, value);
	if (!range)
		return false;
	if (range->eventfd) {
		mica_eventfd_signal(range->eventfd);
		vcpu->count.port_signals++;
	} else {
		vcpu->count.port_ignored++;
	}
	return true;
}

bool mica_ports_ignore_read(struct mica_vcpu *vcpu, u16 port, u8 size)
{
	const struct bound_ports *range;

	range = find(rcu_dereference_sched(vcpu->vm->ports), port, size, 0);
	if (!range || range->eventfd)
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

static struct mica_ports *alloc_ports(unsigned int count)
{
	struct mica_ports *ports;

	ports = kvmalloc(struct_size(ports, range, count), GFP_KERNEL_ACCOUNT);
	if (ports)
		ports->count = count;
	return ports;
}

static int check_room(const struct mica_ports *ports, const struct bound_ports *range)
{
	unsigned int i;

	if (!ports)
		return 0;
	for (i = 0; i < ports->count; i++)
		if (conflict(&ports->range[i], range))
			return -EEXIST;
	return ports->count < MICA_MAX_IO_BINDINGS ? 0 : -ENOSPC;
}

static int insert(struct mica_vm *vm, const struct bound_ports *range)
{
	struct mica_ports *ports, *old = current_ports(vm);
	unsigned int i, place, count = old ? old->count : 0;

	ports = alloc_ports(count + 1);
	if (!ports)
		return -ENOMEM;
	place = old ? entries_up_to(old, range->key) : 0;
	for (i = 0; i < count; i++)
		ports->range[i + (i >= place)] = old->range[i];
	ports->range[place] = *range;
	rcu_assign_pointer(vm->ports, ports);
	kvfree_rcu(old, rcu);
	return 0;
}

int mica_ports_bind(struct mica_vm *vm, const struct mica_io_binding *args)
{
	struct bound_ports range;
	int error = range_from_user(&range, args);

	lockdep_assert_held(&vm->lock);
	if (!error)
		error = check_room(current_ports(vm), &range);
	if (error)
		return error;
	if (args->flags & MICA_BIND_IGNORE)
		return insert(vm, &range);
	/* The lock of an eventfd sleeps there, and guests are left with interrupts off. */
	if (IS_ENABLED(CONFIG_PREEMPT_RT))
		return -EOPNOTSUPP;
	range.eventfd = eventfd_ctx_fdget(args->fd);
	if (IS_ERR(range.eventfd))
		return PTR_ERR(range.eventfd);
	error = insert(vm, &range);
	if (error)
		eventfd_ctx_put(range.eventfd);
	return error;
}

/* The index of the entry that was bound so, or -ENOENT. */
static int find_bound(const struct mica_ports *ports, const struct bound_ports *range, bool ignore)
{
	unsigned int place = ports ? entries_up_to(ports, range->key) : 0;
	const struct bound_ports *found;

	if (!place)
		return -ENOENT;
	found = &ports->range[place - 1];
	if (found->key != range->key || !same_shape(found, range) || !found->eventfd != ignore)
		return -ENOENT;
	return place - 1;
}

int mica_ports_unbind(struct mica_vm *vm, const struct mica_io_binding *args)
{
	struct mica_ports *ports, *old = current_ports(vm);
	struct eventfd_ctx *eventfd;
	struct bound_ports range;
	int i, place, error = range_from_user(&range, args);

	if (error)
		return error;
	if (args->fd != -1)
		return -EINVAL;
	place = find_bound(old, &range, args->flags & MICA_BIND_IGNORE);
	if (place < 0)
		return place;
	eventfd = old->range[place].eventfd;
	ports = alloc_ports(old->count - 1);
	if (!ports)
		return -ENOMEM;
	for (i = 0; i < ports->count; i++)
		ports->range[i] = old->range[i + (i >= place)];
	rcu_assign_pointer(vm->ports, ports);
	/* Expedited: a device that is reset unbinds queue by queue while its guest waits. */
	synchronize_rcu_expedited();
	if (eventfd)
		eventfd_ctx_put(eventfd);
	kvfree(old);
	return 0;
}

void mica_ports_destroy(struct mica_vm *vm)
{
	struct mica_ports *ports = rcu_dereference_protected(vm->ports, true);
	unsigned int i;

	for (i = 0; ports && i < ports->count; i++)
		if (ports->range[i].eventfd)
			eventfd_ctx_put(ports->range[i].eventfd);
	kvfree(ports);
	RCU_INIT_POINTER(vm->ports, NULL);
}
