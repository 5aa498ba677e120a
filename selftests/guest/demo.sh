#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Runs in the lab host: one Debian guest with its console on the terminal.
set -u
debian=${1:-12}

echo "demo: [4/4] running a guest in the emulated host; its console follows"
echo "host:  $(uname -a)"
echo "host:  mica run --kernel /guests/$debian/vmlinuz --initrd /guests/initrd"
mica run --memory 256M --kernel "/guests/$debian/vmlinuz" --initrd /guests/initrd \
	--append "console=ttyS0 quiet"
status=$?
echo "host:  mica run has ended with status $status (0 is an orderly power-off)"
exit $status
