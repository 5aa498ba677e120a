/* SPDX-License-Identifier: GPL-2.0-or-later */
/* In place of the kernel's header: all of it is in kernel_stub_policy.h. */
