/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * In the place of vmm/virtio/iothread.c: threads whose work is done when a target says so, by
 * the target itself, so that a run depends on its input alone.
 */
#ifndef MICA_FUZZ_VIRTIO_IOTHREAD_H
#define MICA_FUZZ_VIRTIO_IOTHREAD_H

#include "../../../vmm/virtio/iothread.h"

/* One call of the work, if the thread runs.  Somebody wants it to pause when the work has asked
 * for that often enough: a guest can give a device more to do for ever. */
void fuzz_iothread_work(struct iothread *thread);
/* For all that there are. */
void fuzz_iothread_work_all(void);

#endif
