#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# disk.sh HOST: a guest with virtio disks and entropy.  What the host wrote is what the guest
# reads, and the other way round; serial numbers, read-only disks, discard and write-zeroes
# arrive.  The guest gets its drivers from the host's modules: both run the same kernel.
. /selftests/tap.sh
. /selftests/drivers.sh
host=$1
work=/tmp/disk

pattern()
{
	head -c "$2" /dev/urandom >"$1"
}

reads()
{
	pattern $work/a.img 4194304
	pattern $work/b.img 1000000		# not a multiple of a sector
	guest --disk $work/a.img,serial=first-one --disk $work/b.img,ro --rng --stats -- "sh /drivers.sh vdb
		cat /sys/block/vda/serial; echo; cat /sys/block/vda/ro /sys/block/vdb/ro
		cat /sys/block/vda/size /sys/block/vdb/size
		sha256sum /dev/vda /dev/vdb
		cut -c33-35 /sys/bus/virtio/devices/virtio0/features
		head -c 100 /dev/hwrng | wc -c
		dd if=/dev/zero of=/dev/vdb bs=512 count=1 2>&1 | tail -1" >$work/out || return 1
	cat $work/out
	head -c 999936 $work/b.img >$work/b.cut
	grep -q '^first-one$' $work/out || return 1
	grep -q '^101$' $work/out || return 1		# VERSION_1 and packed rings
	grep -q "^$(sha256sum <$work/a.img | cut -c1-64)  /dev/vda" $work/out || return 1
	grep -q "^$(sha256sum <$work/b.cut | cut -c1-64)  /dev/vdb" $work/out || return 1
	grep -q '^100$' $work/out
}

writes()
{
	truncate -s 64M $work/c.img
	guest --disk $work/c.img -- "sh /drivers.sh vda
		dd if=/dev/urandom of=/dev/vda bs=4096 seek=100 count=500 conv=fsync 2>/dev/null
		dd if=/dev/urandom of=/dev/vda bs=512 seek=100001 count=3 oflag=direct 2>/dev/null
		sha256sum /dev/vda" >$work/out || return 1
	cat $work/out
	grep -q "^$(sha256sum <$work/c.img | cut -c1-64)  /dev/vda" $work/out
}

# The rings of old kernels, by the old registers.
legacy()
{
	pattern $work/e.img 4194304
	guest --disk $work/e.img,ro -- "sh /drivers.sh vda force_legacy=1
		cut -c33-35 /sys/bus/virtio/devices/virtio0/features
		sha256sum /dev/vda" >$work/out || return 1
	cat $work/out
	grep -q '^000$' $work/out || return 1
	grep -q "^$(sha256sum <$work/e.img | cut -c1-64)  /dev/vda" $work/out
}

holes()
{
	pattern $work/d.img 8388608
	guest --disk $work/d.img -- "sh /drivers.sh vda
		cat /sys/block/vda/queue/discard_max_bytes /sys/block/vda/queue/write_zeroes_max_bytes
		blkdiscard -o 1048576 -l 2097152 /dev/vda && echo discarded" >$work/out || return 1
	cat $work/out
	grep -q '^discarded$' $work/out || return 1
	[ "$(du -k $work/d.img | cut -f1)" -le 6144 ]
}

refuses()
{
	echo x >$work/small.img
	mica run --kernel /guests/12/vmlinuz --disk $work/small.img && return 1
	mica run --kernel /guests/12/vmlinuz --disk /dev/null && return 1
	mica run --kernel /guests/12/vmlinuz --disk $work/missing.img && return 1
	mica run --kernel /guests/12/vmlinuz --disk $work/c.img,shiny
	[ $? -eq 2 ]
}

set -o pipefail
make_drivers virtio_pci virtio_blk virtio_rng
case_is "disk: host $host, the guest reads what the host wrote" reads
case_is "disk: host $host, the host reads what the guest wrote" writes
case_is "disk: host $host, a legacy driver reads" legacy
case_is "disk: host $host, discard makes holes" holes
case_is "disk: wrong images are refused" refuses
cases_end
