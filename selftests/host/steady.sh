#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# steady.sh SECONDS WINDOW: two busy guests of two CPUs each, beside each other; steady.c tells what
# is looked at.
work=/tmp/steady
mkdir -p $work
(cd /selftests && echo steady | cpio -o -H newc) >$work/steady.cpio 2>/dev/null

run="exec mica run --memory 128M --cpus 2 --kernel /guests/12/vmlinuz --initrd /guests/initrd \
	--initrd $work/steady.cpio --append 'console=ttyS0 quiet mica.exec=\"/steady guest\"' 2>&1"
exec /selftests/steady host "$1" "$2" "$run" "$run"
