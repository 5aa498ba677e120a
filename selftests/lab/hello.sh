#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# The smallest script for the lab: says where it runs.

uname -a
echo "on an emulated $(sed -n 's/^model name.*: //p;T;q' /proc/cpuinfo), by $LAB_EMULATOR"
if [ -d /sys/module/mica ]; then
	echo "mica.ko is inserted"
else
	echo "mica.ko is not inserted"
fi
