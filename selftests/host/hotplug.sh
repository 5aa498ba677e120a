#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# hotplug.sh HOST TIMES: a disk and a network card come and go under I/O, TIMES times (3 or more), while the
# guest runs; then disks that change their size, and what is refused.  The VMM has the same
# descriptors, threads and mappings before and after.
. /selftests/tap.sh
patience=600
. /selftests/drivers.sh
host=$1
times=$2
work=/tmp/hotplug
here=10.9.8.1
there=10.9.8.2
log=$work/console

set_up()
{
	modprobe tun
	[ -c /dev/net/tun ] || { mkdir -p /dev/net && mknod /dev/net/tun c 10 200; }
	tunctl -t tap0 >/dev/null && ifconfig tap0 $here netmask 255.255.255.0 up &&
		head -c 4194304 /dev/urandom >$work/disk.img
}

# The guest uses what it finds and says so, until the disk or the card goes.  Both loops end by
# themselves when the device has gone: a read fails, an address has no interface.
write_job()
{
	cat >$work/initrd/job.sh <<-END
		sh /drivers.sh
		echo GUEST is up
		disk() {
			while :; do
				while [ ! -b /dev/vda ]; do sleep 0.1; done
				echo DISK \$(cat /sys/block/vda/serial) \$(sha256sum /dev/vda | cut -c1-64)
				while dd if=/dev/vda of=/dev/null bs=65536 count=16 iflag=direct 2>/dev/null; do
					sleep 0.1
				done
				echo DISK is gone
			done
		}
		size() {
			while sleep 0.2; do
				[ -b /dev/vda ] && read new </sys/block/vda/size || continue
				[ "\$new" = "\$old" ] || echo SIZE \$new
				old=\$new
			done
		}
		disk &
		size &
		while :; do
			while [ ! -e /sys/class/net/eth0 ]; do sleep 0.1; done
			ifconfig eth0 $there netmask 255.255.255.0 up
			ping -c 3 -i 0.2 -s 1000 $here >/dev/null && echo CARD \$(cat /sys/class/net/eth0/address)
			while [ -e /sys/class/net/eth0 ]; do
				ping -c 2 -i 0.1 -W 1 -s 1400 $here >/dev/null 2>&1
			done
			echo CARD is gone
		done
	END
}

# At least so many lines like this on the guest's console.
printed()
{
	[ "$(tr -d '\r' <$log | grep -c "$2")" -ge "$1" ]
}

start()
{
	write_job
	(cd $work/initrd && find . | cpio -o -H newc) >$work/drivers.cpio 2>/dev/null
	mica run --detach --name hot --memory 256M --kernel "/guests/$host/vmlinuz" \
		--initrd /guests/initrd --initrd $work/drivers.cpio --rng --console file:$log \
		--append "console=ttyS0 quiet mica.exec=\"sh /job.sh\"" && soon printed 1 '^GUEST is up' || return 1
	pid=$(mica ps --json | jsonget '$[0].pid')
}

descriptors()
{
	set -- /proc/"$pid"/fd/*
	echo $#
}

threads()
{
	set -- /proc/"$pid"/task/*
	echo $#
}

mappings()
{
	wc -l <"/proc/$pid/maps"
}

# KiB of anonymous memory but the guest's, which is in one large mapping and grows as it is touched.
private()
{
	awk '/^Size:/ { size = $2 } /^Anonymous:/ && size < 200000 { sum += $2 } END { print sum }' \
		"/proc/$pid/smaps"
}

devices()
{
	mica ps --json | jsonget '$[0].devices[*].id' | tr '\n' ' '
}

# One round, the $1th.
comes_and_goes()
{
	[ "$(mica attach hot --disk $work/disk.img,id=data,serial=abc)" = data ] || return 1
	[ "$(mica attach hot --net tap=tap0,mac=02:00:00:00:00:99)" = net0 ] || return 1
	[ "$(devices)" = '"rng0" "data" "net0" ' ] || { devices; return 1; }
	soon printed "$1" "^DISK abc $(sha256sum <$work/disk.img | cut -c1-64)" || return 1
	soon printed "$1" '^CARD 02:00:00:00:00:99' || return 1
	mica detach hot net0 --timeout 60 &
	card=$!
	mica detach hot data --timeout 60 && wait $card || return 1
	soon printed "$1" '^DISK is gone' && soon printed "$1" '^CARD is gone' || return 1
	[ "$(devices)" = '"rng0" ' ]
}

# The first two rounds fill what is kept for the next ones: libuv's and malloc's.
rounds()
{
	round=0
	while [ $round -lt "$times" ]; do
		round=$((round + 1))
		comes_and_goes $round || { echo "in round $round"; return 1; }
		[ $round -ne 2 ] || before="$(descriptors) $(threads) $(mappings) $(private)"
		after="$(descriptors) $(threads) $(mappings) $(private)"
	done
	echo "descriptors, threads, mappings, KiB: $before after 2 rounds, $after after $round"
	[ "${before% *}" = "${after% *}" ] && [ "${after##* }" -le $((${before##* } + 512)) ]
}

resizes()
{
	truncate -s 4M $work/small.img
	mica attach hot --disk $work/small.img,id=small || return 1
	soon printed 1 '^SIZE 8192' || return 1
	[ "$(mica resize hot small 6M)" = 6291456 ] && soon printed 1 '^SIZE 12288' || return 1
	[ "$(stat -c %s $work/small.img)" -eq 6291456 ] || return 1
	truncate -s 10M $work/small.img
	[ "$(mica resize hot small)" = 10485760 ] && soon printed 1 '^SIZE 20480' || return 1
	says 4 "cut off the disk's last" mica resize hot small 5M || return 1
	[ "$(mica resize hot small 5M --shrink)" = 5242880 ] && soon printed 1 '^SIZE 10240'
}

# Under the guest's I/O, which gets errors; the guest lives on.
forced()
{
	was=$(tr -d '\r' <$log | grep -c '^DISK is gone')
	mica detach hot small --force && soon printed $((was + 1)) '^DISK is gone' &&
		[ "$(devices)" = '"rng0" ' ]
}

refuses()
{
	says 4 "there is no device 'nothing'" mica detach hot nothing &&
		says 4 "was there when the guest was started" mica detach hot rng0 &&
		says 4 "is no disk" mica resize hot rng0 &&
		says 4 "No such file" mica attach hot --disk $work/missing.img &&
		says 4 "a device with the id 'rng0' already" mica attach hot --disk $work/disk.img,id=rng0 &&
		says 4 "neither a file nor a block device" mica attach hot --disk /dev/null &&
		says 2 "is not an id" mica attach hot --disk $work/disk.img,id=a/b &&
		says 2 "one device at a time" mica attach hot --disk a --net user &&
		says 2 "too few words" mica detach hot
}

full()
{
	for i in 1 2 3 4; do
		truncate -s 1M $work/$i.img
		mica attach hot --disk $work/$i.img || return 1
	done
	says 4 "none of the guest's 4 hot-plug slots is free" mica attach hot --disk $work/disk.img
}

# A guest that stands still lets go of nothing; its devices can be taken all the same.
paused()
{
	soon in_use || return 1
	mica pause hot && says 4 "is paused" mica detach hot disk0 &&
		mica detach hot disk0 --force && mica resume hot
}

in_use()
{
	[ "$(mica ps --json | jsonget '$[0].devices[1].in_use')" = true ]
}

# It knows no hot-plug slots: what is in one that it has not turned on goes at once.
no_driver()
{
	mica run --detach --name deaf --memory 4M --kernel /selftests/responder.elf &&
		mica attach deaf --disk $work/disk.img &&
		mica detach deaf disk0 && mica kill deaf
}

no_complaint()
{
	! tr -d '\r' <$log | grep -E 'WARNING: CPU|Call Trace|BUG:|Oops|pciehp.*(fail|error|Timeout)'
}

export PATH="$PATH:/selftests"
mkdir -p $work
syslogd -O /tmp/messages
set_up
make_drivers virtio_pci virtio_blk virtio_net virtio_rng
case_is "hotplug: host $host, the guest starts" start
[ "$tap_failed" -eq 0 ] || { tail -n 20 $log | tr -d '\r' | sed 's/^/# /'; cases_end; exit 1; }
case_is "hotplug: host $host, a disk and a card, $times times" rounds
case_is "hotplug: host $host, a disk's size" resizes
case_is "hotplug: host $host, a disk is taken away" forced
case_is "hotplug: what cannot be is refused" refuses
case_is "hotplug: slots are full" full
case_is "hotplug: host $host, a paused guest" paused
case_is "hotplug: a guest without hot-plug" no_driver
case_is "hotplug: host $host, the guest has no complaint" no_complaint
mica kill hot
tail -n 20 $log | tr -d '\r' | sed 's/^/# /'
sed -n '/ mica\[/s/^/# /p' /tmp/messages
cases_end
