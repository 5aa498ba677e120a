// SPDX-License-Identifier: GPL-2.0-only
/*
 * Eventfds that raise interrupts: each binding is an entry in the eventfd's wait queue.
 *
 * Lifetime.  A binding holds the eventfd (not a file, so no circle of files can arise) and
 * is freed with vm->lock held or by the end of the VM, in both cases after it has left the
 * wait queue: the queue's lock is held while signalled() runs, so no call is in progress then.
 * signalled() frees nothing.  When the last file of the eventfd is closed it asks the VM's
 * reaper to do it; the end of the VM waits for that, so the work needs no reference.
 *
 * Locks: vm->lock, then the wait queue's, which is taken with interrupts off.  Under it only
 * mica_apic_deliver(), which takes none but those of a wake-up.
 */
#include "irqfd.h"

#include "vcpu.h"

struct irqfd {
	struct list_head link;		/* [m] */
	struct mica_vm *vm;		/* [c] */
	struct eventfd_ctx *eventfd;	/* [c] */
	wait_queue_head_t *queue;	/* [c] the eventfd's */
	wait_queue_entry_t wait;
	struct mica_irq irq;		/* queue->lock */
	bool masked;			/* queue->lock */
	bool closed;			/* [a] nobody has a descriptor any more */
};

/* ------------------------------------------------------------ signals */

/* [queue->lock, interrupts off]  The counter is read as user space would, or it would fill
 * up and block who writes. */
static void deliver(struct irqfd *irqfd)
{
	u64 count;

	eventfd_ctx_do_read(irqfd->eventfd, &count);
	mica_apic_deliver(irqfd->vm, NULL, &irqfd->irq);
}

/* [queue->lock, interrupts off] */
static int signalled(wait_queue_entry_t *wait, unsigned int mode, int sync, void *key)
{
	struct irqfd *irqfd = container_of(wait, struct irqfd, wait);
	__poll_t events = key_to_poll(key);

	if ((events & EPOLLIN) && !irqfd->masked)
		deliver(irqfd);
	if (events & EPOLLHUP) {
		WRITE_ONCE(irqfd->closed, true);
		schedule_work(&irqfd->vm->irqfds.reaper);
	}
	return 0;
}

/* What came while it was masked is delivered now. */
static void set_message(struct irqfd *irqfd, const struct mica_irq *irq, bool masked)
{
	u64 count = 0;

	spin_lock_irq(&irqfd->queue->lock);
	irqfd->irq = *irq;
	irqfd->masked = masked;
	if (!masked)
		eventfd_ctx_do_read(irqfd->eventfd, &count);
	if (count) {
		mica_apic_deliver(irqfd->vm, NULL, irq);
		/* There is room for writers again. */
		wake_up_locked_poll(irqfd->queue, EPOLLOUT);
	}
	spin_unlock_irq(&irqfd->queue->lock);
}

/* ------------------------------------------------------------ lifetime */

/* Caller holds vm->lock, or is the last one who has the VM. */
static void destroy(struct irqfd *irqfd)
{
	list_del(&irqfd->link);
	irqfd->vm->irqfds.count--;
	remove_wait_queue(irqfd->queue, &irqfd->wait);
	eventfd_ctx_put(irqfd->eventfd);
	kfree(irqfd);
}

static void destroy_closed(struct mica_vm *vm)
{
	struct irqfd *irqfd, *next;

	list_for_each_entry_safe(irqfd, next, &vm->irqfds.list, link)
		if (READ_ONCE(irqfd->closed))
			destroy(irqfd);
}

static void reap(struct work_struct *work)
{
	struct mica_vm *vm = container_of(work, struct mica_vm, irqfds.reaper);

	mutex_lock(&vm->lock);
	destroy_closed(vm);
	mutex_unlock(&vm->lock);
}

void mica_irqfds_init(struct mica_vm *vm)
{
	INIT_LIST_HEAD(&vm->irqfds.list);
	INIT_WORK(&vm->irqfds.reaper, reap);
}

void mica_irqfds_destroy(struct mica_vm *vm)
{
	struct irqfd *irqfd, *next;

	/* The reaper may be at work, and is asked for as long as there is a binding. */
	mutex_lock(&vm->lock);
	list_for_each_entry_safe(irqfd, next, &vm->irqfds.list, link)
		destroy(irqfd);
	mutex_unlock(&vm->lock);
	cancel_work_sync(&vm->irqfds.reaper);
}

/* ------------------------------------------------------------ binding */

static struct irqfd *find(struct mica_vm *vm, const struct eventfd_ctx *eventfd)
{
	struct irqfd *irqfd;

	list_for_each_entry(irqfd, &vm->irqfds.list, link)
		if (irqfd->eventfd == eventfd)
			return irqfd;
	return NULL;
}

struct enqueue {
	poll_table table;
	struct irqfd *irqfd;
};

/* An eventfd has one wait queue and asks for it once. */
static void enqueue(struct file *file, wait_queue_head_t *queue, poll_table *table)
{
	struct irqfd *irqfd = container_of(table, struct enqueue, table)->irqfd;

	irqfd->queue = queue;
	add_wait_queue(queue, &irqfd->wait);
}

/* Masked at first: signals wait in the counter until set_message() looks at it. */
static int create(struct mica_vm *vm, struct file *file, struct eventfd_ctx *eventfd,
		  const struct mica_irq *irq, bool masked)
{
	struct enqueue poll;
	struct irqfd *irqfd;

	/* The reaper may not have come yet. */
	if (vm->irqfds.count >= MICA_MAX_IRQ_BINDINGS)
		destroy_closed(vm);
	if (vm->irqfds.count >= MICA_MAX_IRQ_BINDINGS)
		return -ENOSPC;
	irqfd = kzalloc(sizeof(*irqfd), GFP_KERNEL_ACCOUNT);
	if (!irqfd)
		return -ENOMEM;
	irqfd->vm = vm;
	irqfd->masked = true;
	irqfd->eventfd = eventfd;
	init_waitqueue_func_entry(&irqfd->wait, signalled);
	poll.irqfd = irqfd;
	init_poll_funcptr(&poll.table, enqueue);
	vfs_poll(file, &poll.table);
	list_add(&irqfd->link, &vm->irqfds.list);
	vm->irqfds.count++;
	set_message(irqfd, irq, masked);
	return 0;
}

static int update(struct irqfd *irqfd, const struct mica_irq *irq, bool masked)
{
	if (!irqfd)
		return -ENOENT;
	set_message(irqfd, irq, masked);
	return 0;
}

static int message_from_user(const struct mica_irq_binding *args, struct mica_irq *irq)
{
	if (args->pad || (args->flags & ~(MICA_BIND_UPDATE | MICA_BIND_MASKED)))
		return -EINVAL;
	if ((args->flags & MICA_BIND_MASKED) && !args->address && !args->data) {
		memset(irq, 0, sizeof(*irq));
		return 0;
	}
	return mica_apic_decode_msi(args->address, args->data, irq);
}

/* One look at the descriptor: the file that is polled is the one whose eventfd is held. */
int mica_irqfd_bind(struct mica_vm *vm, const struct mica_irq_binding *args)
{
	bool masked = args->flags & MICA_BIND_MASKED;
	struct eventfd_ctx *eventfd;
	struct irqfd *irqfd;
	struct mica_irq irq;
	struct file *file;
	int error;

	lockdep_assert_held(&vm->lock);
	error = message_from_user(args, &irq);
	if (error)
		return error;
	file = eventfd_fget(args->fd);
	if (IS_ERR(file))
		return PTR_ERR(file);
	eventfd = eventfd_ctx_fileget(file);
	irqfd = find(vm, eventfd);
	if (args->flags & MICA_BIND_UPDATE)
		error = update(irqfd, &irq, masked);
	else
		error = irqfd ? -EEXIST : create(vm, file, eventfd, &irq, masked);
	if (error || irqfd)
		eventfd_ctx_put(eventfd);
	fput(file);
	return error;
}

int mica_irqfd_unbind(struct mica_vm *vm, const struct mica_irq_binding *args)
{
	struct eventfd_ctx *eventfd;
	struct irqfd *irqfd;

	lockdep_assert_held(&vm->lock);
	if (args->address || args->data || args->flags || args->pad)
		return -EINVAL;
	eventfd = eventfd_ctx_fdget(args->fd);
	if (IS_ERR(eventfd))
		return PTR_ERR(eventfd);
	irqfd = find(vm, eventfd);
	if (irqfd)
		destroy(irqfd);
	eventfd_ctx_put(eventfd);
	return irqfd ? 0 : -ENOENT;
}
