#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# nbd.sh HOST [long]: a guest whose disk is an NBD server's: qemu-nbd with qcow2 over a UNIX socket,
# nbdkit over TCP.  What it writes is what the server then has; read-only servers; servers that
# die, come back, and, with `long', fall silent: the guest gets errors and need not wait for them.
. /selftests/tap.sh
. /selftests/drivers.sh
host=$1
length=$2
work=/tmp/nbd
port=10809

# await COMMAND...: until it succeeds, for 20 seconds.
await()
{
	tries=200
	until "$@"; do
		tries=$((tries - 1))
		[ $tries -gt 0 ] || { echo "in vain: $*"; return 1; }
		sleep 0.1
	done
}

# nbdkit in the background.
kit()
{
	rm -f $work/kit.pid
	nbdkit -f -P $work/kit.pid "$@" >>$work/kit.out 2>&1 &
	kit_pid=$!
	await [ -s $work/kit.pid ] || { cat $work/kit.out; return 1; }
}

stop_kit()
{
	kill "${1:--TERM}" $kit_pid
	wait $kit_pid
}

sum_of()
{
	sha256sum <"$1" | cut -c1-64
}

# What the guest does with a disk of 8 MiB that holds the pattern: all that a disk can do.
changes="sh /drivers.sh vda
	look() { dd if=/dev/vda bs=64k iflag=direct 2>/dev/null | sha256sum; }
	echo before \$(look)
	dd if=/dev/urandom of=/dev/vda bs=4096 seek=100 count=500 conv=fsync 2>/dev/null
	dd if=/dev/urandom of=/dev/vda bs=512 seek=10001 count=3 oflag=direct 2>/dev/null
	dd if=/dev/urandom of=/tmp/big bs=65536 count=24 2>/dev/null
	dd if=/tmp/big of=/dev/vda bs=1572864 seek=2 oflag=direct 2>/dev/null
	blkdiscard -o 6291456 -l 1048576 /dev/vda && echo discarded
	dd if=/dev/vda bs=65536 skip=48 count=24 iflag=direct 2>/dev/null | cmp - /tmp/big && echo same
	sync
	echo after \$(look)"

# guest_changes DISK: checks what the guest says of itself, and leaves its sum in $after.
guest_changes()
{
	guest --disk "$1" -- "$changes" >$work/out || return 1
	cat $work/out
	grep -q "^before $(sum_of $work/pattern)" $work/out || return 1
	grep -q '^discarded$' $work/out && grep -q '^same$' $work/out || return 1
	after=$(sed -n 's/^after \([0-9a-f]*\).*/\1/p' $work/out)
	[ -n "$after" ]
}

qcow2()
{
	qemu-img convert -f raw -O qcow2 $work/pattern $work/a.qcow2 || return 1
	qemu-nbd --fork --pid-file=$work/qemu.pid -f qcow2 --discard=unmap -k $work/qemu.sock \
		$work/a.qcow2 || return 1
	guest_changes nbd:unix:$work/qemu.sock || return 1
	await [ ! -d "/proc/$(cat $work/qemu.pid)" ] || return 1	# it ends with its client
	qemu-img convert -f qcow2 -O raw $work/a.qcow2 $work/a.raw || return 1
	[ "$(sum_of $work/a.raw)" = "$after" ]
}

tcp()
{
	cp $work/pattern $work/b.img
	before=$(du -k $work/b.img | cut -f1)
	kit -i 127.0.0.1 -p $port file $work/b.img || return 1
	guest_changes nbd://127.0.0.1:$port/ || return 1
	stop_kit
	[ "$(sum_of $work/b.img)" = "$after" ] || return 1
	echo "$before KiB before, $(du -k $work/b.img | cut -f1) after"
	[ "$(du -k $work/b.img | cut -f1)" -le $((before - 1024)) ]
}

read_only()
{
	kit -r -U $work/ro.sock file $work/pattern || return 1
	mica run --kernel /guests/$host/vmlinuz --disk "nbd+unix:///?socket=$work/ro.sock" \
		>$work/refused 2>&1 && return 1
	cat $work/refused
	grep -q 'use it with `ro`' $work/refused || return 1
	guest --disk "nbd+unix:///?socket=$work/ro.sock,ro" -- "sh /drivers.sh vda
		cat /sys/block/vda/ro
		dd if=/dev/zero of=/dev/vda bs=512 count=1 && echo written
		sha256sum /dev/vda" >$work/out || return 1
	cat $work/out
	stop_kit
	grep -q '^1$' $work/out && ! grep -q '^written$' $work/out || return 1
	grep -q "^$(sum_of $work/pattern)  /dev/vda" $work/out
}

refuses()
{
	mica run --kernel /guests/12/vmlinuz --disk nbd:unix:$work/nobody && return 1
	mica run --kernel /guests/12/vmlinuz --disk nbd://127.0.0.1:1/ && return 1
	mica run --kernel /guests/12/vmlinuz --disk nbd:unix:$work/nobody,cache=none
	[ $? -eq 2 ]
}

# A guest that goes on writing until that fails, and then tries everything once more.
suffers="sh /drivers.sh vda
	dd if=/dev/zero of=/tmp/block bs=65536 count=4 2>/dev/null
	echo writing
	while dd if=/tmp/block of=/dev/vda bs=65536 seek=8 oflag=direct conv=fsync 2>/dev/null; do :; done
	echo stopped
	dd if=/dev/vda of=/dev/null bs=4096 count=1 iflag=direct 2>/dev/null && echo read
	dd if=/tmp/block of=/dev/vda bs=65536 oflag=direct 2>/dev/null && echo written
	dd if=/tmp/block of=/dev/vda bs=65536 conv=fsync 2>/dev/null && echo flushed
	blkdiscard -l 1048576 /dev/vda 2>/dev/null && echo discarded
	echo lived"

# suffer SIGNAL SECONDS: what happens to the server while the guest writes; it ends in SECONDS.
suffer()
{
	truncate -s 8M $work/c.img
	kit -U $work/c.sock file $work/c.img || return 1
	guest --disk nbd:unix:$work/c.sock -- "$suffers" >$work/out &
	guest_pid=$!
	await grep -q '^writing' $work/out || return 1
	sleep 0.5
	kill "$1" $kit_pid
	[ "$1" = -STOP ] || wait $kit_pid
	# Another one in its place is no help: this guest has lost what was not flushed.
	rm -f $work/c.sock
	lost=$kit_pid
	kit -U $work/c.sock file $work/c.img || return 1
	tries=$(($2 * 2))
	while kill -0 $guest_pid 2>/dev/null && [ $tries -gt 0 ]; do
		tries=$((tries - 1))
		sleep 0.5
	done
	cat $work/out
	stop_kit
	kill -9 $lost 2>/dev/null
	[ $tries -gt 0 ] || return 1
	wait $guest_pid || return 1
	grep -q 'the server is gone' $work/out && grep -q '^lived' $work/out || return 1
	! grep -E '^(read|written|flushed|discarded)' $work/out
}

# Whoever starts anew finds the new server.
returns()
{
	rm -f $work/c.sock
	cp $work/pattern $work/c.img
	kit -U $work/c.sock file $work/c.img || return 1
	guest_changes nbd:unix:$work/c.sock || return 1
	stop_kit
	[ "$(sum_of $work/c.img)" = "$after" ]
}

mkdir -p $work /var/tmp /var/lock
ifconfig lo 127.0.0.1 up
set -o pipefail
head -c 8388608 /dev/urandom >$work/pattern
make_drivers virtio_pci virtio_blk
case_is "nbd: host $host, qcow2 by qemu-nbd, a UNIX socket" qcow2
case_is "nbd: host $host, nbdkit, TCP" tcp
case_is "nbd: host $host, a server that lets nobody write" read_only
case_is "nbd: servers that are not there" refuses
case_is "nbd: host $host, the server is killed" suffer -KILL 30
case_is "nbd: host $host, the server has come back" returns
[ "$length" != long ] || case_is "nbd: host $host, the server falls silent" suffer -STOP 90
cases_end
