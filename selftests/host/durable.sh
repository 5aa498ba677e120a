#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# durable.sh HOST DISK ROUNDS [SEED [ROUND]]: a guest writes blocks with checksums and says what
# it has flushed (durable.c); `mica` is killed at a random moment; what the guest had flushed must
# be there, for the host at once, and for the next guest.  All random numbers come from SEED,
# which the first line shows; ROUND is the first one.
#
# In places whose name begins with `cut' the host's disk loses power as well, and first: nbdkit
# keeps what was not flushed in its own memory, and is killed.  DISK is a disk of the lab, 8 MiB.
. /selftests/tap.sh
. /selftests/drivers.sh
host=$1
disk=$2
rounds=$3
seed=${4:-$(head -c 4 /dev/urandom | od -An -tu4 | tr -d ' ')}
first=${5:-1}
work=/tmp/durable
size=8M

# PLACE CACHE MODE WRITERS.  `through': O_DIRECT, and the guest asks for a write-through cache.
modes()
{
	cat <<-END
		cut-server auto direct 4
		disk none direct 4
		cut-disk none buffered 3
		tmpfs host buffered 2
		cut-ext4 none direct 4
		ext4 none direct 1
		cut-server auto through 4
		cut-disk host direct 8
		disk none through 2
		cut-ext4 host buffered 4
		cut-disk none through 4
		cut-disk none direct 1
		ext4 host buffered 4
		cut-server auto buffered 1
		cut-ext4 none through 4
	END
}

# ---------------------------------------------------------------- places

# await COMMAND...: until it succeeds, for 20 seconds.
await()
{
	tries=400
	until "$@"; do
		tries=$((tries - 1))
		[ $tries -gt 0 ] || { echo "in vain: $*"; return 1; }
		sleep 0.05
	done
}

has_size()
{
	[ "$(cat /sys/block/$1/size)" -gt 0 ]
}

# A disk with a volatile cache: $work/$place.img has what was flushed, and nothing else.
start_server()
{
	truncate -s "$1" $work/$place.img
	rm -f $work/server $work/server.pid
	nbdkit -f -U $work/server -P $work/server.pid --filter=cache file $work/$place.img \
		cache=writeback >>$work/nbdkit.out 2>&1 &
	server_pid=$!
	await [ -s $work/server.pid ]
}

# The same as a block device, a new one each time: the kernel is slow to let go of a dead one.
start_device()
{
	start_server "$1" || return 1
	device=/dev/nbd$devices
	devices=$((devices + 1))
	qemu-nbd --fork --pid-file=$work/client.pid -c $device -f raw \
		"nbd+unix:///?socket=$work/server" || return 1
	await has_size ${device#/dev/}
}

make_ext4()
{
	[ -e $work/$place.img ] && return
	truncate -s 32M $work/$place.img
	/selftests/mke2fs -q -t ext4 -E lazy_itable_init=0 $work/$place.img
}

mount_ext4()
{
	mkdir -p $work/$place
	mount -t ext4 "$1" $work/$place && truncate -s $size $work/$place/disk.img && sync
	path=$work/$place/disk.img
}

set_up()
{
	case $place in
	disk)
		path=$disk ;;
	tmpfs)
		path=$work/tmpfs.img
		truncate -s $size $path ;;
	ext4)
		make_ext4 && mount_ext4 "$(losetup -f && losetup -f $work/ext4.img)" ;;
	cut-server)
		start_server $size
		path=nbd:unix:$work/server ;;
	cut-disk)
		start_device $size
		path=$device ;;
	cut-ext4)
		make_ext4 && start_device 32M && mount_ext4 $device ;;
	esac
}

cut_power()
{
	case $place in
	cut-*)
		kill -9 $server_pid
		wait $server_pid ;;
	esac
}

# Checks what is left, on the medium.
check()
{
	case $place in
	cut-server | cut-disk) /selftests/durable check $work/$place.img $seed $work/$place.log ;;
	cut-ext4)
		umount -l $work/$place
		mount -t ext4 -o loop $work/$place.img $work/look &&
			/selftests/durable check $work/look/disk.img $seed $work/$place.log
		status=$?
		umount $work/look
		return $status ;;
	*) /selftests/durable check $path $seed $work/$place.log ;;
	esac
}

tear_down()
{
	case $place in
	ext4) umount $work/$place ;;
	cut-disk | cut-ext4) kill -9 "$(cat $work/client.pid)" ;;
	esac
}

# ---------------------------------------------------------------- a round

# What the guest is to find: of each writer in each run the last line is enough.
known()
{
	touch $work/$place.log
	tr -d '\r' <$work/$place.log | awk '
		function tell() { for (w in last) print last[w]; delete last }
		/^started/ { tell(); print }
		/^flushed/ { last[$3] = $0 }
		END { tell() }'
}

make_initrd()
{
	known >$work/initrd/known
	cat >$work/initrd/job.sh <<-END
		sh /drivers.sh vda
		[ $mode != through ] || echo "write through" >/sys/block/vda/cache_type
		cat /sys/block/vda/cache_type
		/durable check /dev/vda $seed /known &&
			/durable write /dev/vda $seed $round $writers $([ $mode = buffered ] && echo buffered || echo direct)
		sleep 1000
	END
	(cd $work/initrd && find . | cpio -o -H newc) >$work/drivers.cpio 2>/dev/null
}

# Waits until the guest of this round has started to write.
wait_for_start()
{
	tries=600
	until grep -q "^started $round " $work/out; do
		tries=$((tries - 1))
		if [ $tries -eq 0 ] || grep -q '^DATA LOST' $work/out || ! kill -0 $guest_pid; then
			tail -n 20 $work/out
			return 1
		fi
		sleep 0.3
	done
}

# Milliseconds of this round: until the kill, and from the power cut to it.
chance()
{
	awk -v seed=$((seed + round * 7919)) 'BEGIN {
		srand(seed); print int(rand() * 1500), int(rand() * 200) }'
}

seconds()
{
	echo "$(($1 / 1000)).$(printf %03d $(($1 % 1000)))"
}

run_and_kill()
{
	extra=
	[ $cache = auto ] || extra=,cache=$cache
	mica run --memory 128M --kernel /guests/$host/vmlinuz --initrd /guests/initrd \
		--initrd $work/drivers.cpio --disk "$path$extra" \
		--append "console=ttyS0 quiet mica.exec=\"sh /job.sh\"" </dev/null >$work/out 2>&1 &
	guest_pid=$!
	wait_for_start
	started=$?
	sleep "$(seconds ${1})"
	cut_power
	sleep "$(seconds ${2})"
	kill -9 $guest_pid
	wait $guest_pid
	grep -E '^(started|flushed) ' $work/out >>$work/$place.log
	flushes=$(grep -c "^flushed $round " $work/out)
	total=$((total + flushes))
	grep -E 'write (back|through)|^checked|^mica:|^stopped' $work/out
	echo "killed after $1 ms, $flushes flushes"
	return $started
}

round()
{
	set_up || return 1
	make_initrd
	# shellcheck disable=SC2046 # two words
	run_and_kill $(chance) || failed=1
	check || failed=1
	tear_down
	return $failed
}

insert()
{
	modprobe nbd nbds_max=128
	for name in loop ext4 virtio_pci virtio_blk ata_piix sd_mod; do modprobe $name; done
	await [ -b $disk ] && await [ -b /dev/nbd0 ] || return 1
	mkdir -p $work/initrd $work/look /var/tmp /var/lock
	make_drivers virtio_pci virtio_blk
	cp /selftests/durable $work/initrd/durable
}

echo "# seed $seed"
mkdir -p $work
insert
devices=0
total=0
round=$first
while [ $round -lt $((first + rounds)) ]; do
	at=$(((round - 1) % $(modes | wc -l) + 1))
	# shellcheck disable=SC2046 # four words
	set -- $(modes | sed -n ${at}p)
	place=$1 cache=$2 mode=$3 writers=$4 failed=0
	case_is "durable: round $round, $place, cache $cache, $mode, $writers at once" round
	round=$((round + 1))
done
case_is "durable: $total flushes in $rounds rounds" [ $total -ge $rounds ]
cases_end
