#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# pci.sh GUEST...: what a stock guest finds of the PCI bus, and that it has no complaint.
. /selftests/tap.sh

# The devices, one to a line, after a word that nothing else prints.
list='cd /sys/bus/pci/devices; for d in *; do read v <$d/vendor; read i <$d/device; read c <$d/class;'
list="$list"' echo FOUND $d $v $i $c; done; cd ../slots; echo SLOTS *; grep -c pciehp /proc/interrupts'

boot()
{
	mica run --memory 256M --kernel "/guests/$1/vmlinuz" --initrd /guests/initrd \
		--append "console=ttyS0 loglevel=7 mica.end=poweroff mica.exec=\"$list\"" \
		</dev/null 2>&1 | tr -d '\r' >/tmp/boot.log
}

finds()
{
	for line do
		grep -q "$line" /tmp/boot.log || { echo "no line: $line"; return 1; }
	done
}

bridge_and_ports()
{
	finds '^FOUND 0000:00:00.0 0x1b36 0x0008 0x060000$' \
		'^FOUND 0000:00:01.0 0x1b36 0x000c 0x060400$' \
		'^FOUND 0000:00:04.0 0x1b36 0x000c 0x060400$' '^SLOTS 1 2 3 4$' '^4$' &&
		[ "$(grep -c ^FOUND /tmp/boot.log)" -eq 5 ]
}

# Native hot-plug is granted, the ECAM is used, and no window had to be made or moved.
as_announced()
{
	finds 'PCI: .*\[mem 0xf8000000-0xf84fffff\]' 'OS now controls \[PCIeHotplug PCIeCapability\]' \
		'bridge window \[io  0x8000-0x8fff\]' &&
		! grep -iE 'pci.*(assigned|no space|failed to assign|reassign)' /tmp/boot.log
}

# The line left out is advice that every kernel gives.
no_complaint()
{
	! grep -v 'if necessary, use "pci=nocrs" and report a bug' /tmp/boot.log |
		grep -iE '(pci|acpi|mmconfig|pnp).*(fail|error|bug|conflict|invalid|can.t|not reserved|overlap)' &&
		! grep -E 'WARNING: CPU|Call Trace' /tmp/boot.log
}

for guest; do
	case_is "pci: guest $guest boots" boot "$guest"
	case_is "pci: guest $guest finds bridge and ports" bridge_and_ports
	case_is "pci: guest $guest takes what ACPI says" as_announced
	case_is "pci: guest $guest has no complaint" no_complaint
done
cases_end
