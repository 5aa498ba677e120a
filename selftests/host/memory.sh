#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# memory.sh HOST: the private memory of the process of a 256 MiB guest whose disk and network
# card are busy, without the guest's own RAM.
. /selftests/tap.sh
. /selftests/drivers.sh
host=$1
work=/tmp/memory
limit_kb=5120

set_up()
{
	modprobe tun
	[ -c /dev/net/tun ] || { mkdir -p /dev/net && mknod /dev/net/tun c 10 200; }
	tunctl -t tap0 >/dev/null && ifconfig tap0 10.9.8.1 netmask 255.255.255.0 up
	truncate -s 256M $work/disk.img
}

# Private_Clean + Private_Dirty of all mappings in kB: the guest's RAM, which is not in core dumps
# ("dd" in VmFlags) and has 256 MiB, and the rest by name.
private()
{
	awk '/^[0-9a-f]+-[0-9a-f]+ / { name = $6 ? $6 : "anonymous" }
		/^Size:/ { size = $2 }
		/^Private_(Clean|Dirty):/ { kb += $2 }
		/^VmFlags:/ {
			if ($0 ~ / dd( |$)/ && size >= 262144)
				ram += kb
			else if (kb) {
				by[name] += kb
				total += kb
			}
			kb = 0
		}
		END {
			for (name in by)
				print by[name], name
			print "ram", ram + 0
			print "total", total + 0
		}' "/proc/$1/smaps"
}

# The guest reads and writes its disk and pings the host, says so, and does it again and again.
busy()
{
	: >$work/out
	guest --disk $work/disk.img --net tap=tap0 -- "sh /drivers.sh vda
		ifconfig eth0 10.9.8.2 netmask 255.255.255.0 up
		while :; do
			dd if=/dev/zero of=/dev/vda bs=1M count=4 conv=fsync 2>&1
			dd if=/dev/vda of=/dev/null bs=4k skip=4096 count=300 2>&1
			ping -c 3 -i 0.1 -s 1400 10.9.8.1
			echo guest-is-busy
		done" >$work/out &
	until [ "$(grep -c guest-is-busy $work/out)" -ge 1 ]; do
		sleep 0.2
		kill -0 $! || return 1
	done
	pid=$(pidof mica)
	private "$pid" | sort -rn | head -40
	ram=$(private "$pid" | sed -n 's/^ram //p')
	total=$(private "$pid" | sed -n 's/^total //p')
	kill -9 "$pid"
	wait
	grep -q '3 packets received' $work/out && [ "$ram" -ge 16384 ] && [ "$total" -le $limit_kb ]
}

make_drivers virtio_pci virtio_blk virtio_net
set_up
case_is "memory: host $host, at most $limit_kb kB besides the guest's RAM" busy
cases_end
