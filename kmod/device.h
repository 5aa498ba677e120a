/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef MICA_DEVICE_H
#define MICA_DEVICE_H

/* /dev/mica and the file descriptors that come out of it. */
int mica_device_register(void);
void mica_device_unregister(void);

#endif
