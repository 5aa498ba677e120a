#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# All guest tests, or those named, where the CPU delivers interrupts by itself; TAP as they write it.
rmmod mica && insmod /lab/mica.ko virtual_interrupts=1 || { echo "Bail out! the module"; exit 2; }
mica info | grep -q interrupt-delivery || { echo "Bail out! this CPU cannot do it"; exit 2; }
exec /selftests/guest-tests "$@"
