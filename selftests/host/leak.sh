#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# leak.sh TINY LINUX RELOADS: starts TINY guests of the smallest kernel and LINUX guests of
# Debian's in one host boot and looks whether the kernel's memory is where it was; then takes
# the module out and puts it in again RELOADS times, and does not while a guest runs.  On a host
# with two CPUs the second one is taken offline and online again below a guest.
. /selftests/tap.sh
tiny=$1
linux=$2
reloads=$3

run_tiny()
{
	mica run --memory 16M --kernel /selftests/tiny.elf --console file:/dev/null
}

run_linux()
{
	mica run --memory 128M --kernel /guests/12/vmlinuz --initrd /guests/initrd \
		--append quiet --console file:/dev/null
}

repeat()
{
	count=$1
	shift
	while [ "$count" -gt 0 ]; do
		"$@" || { echo "$*: status $? with $count to go"; return 1; }
		count=$((count - 1))
	done
}

# Objects in use by cache, once caches have given their spare slabs back.
look_at_objects()
{
	sync
	echo 3 >/proc/sys/vm/drop_caches
	for cache in /sys/kernel/slab/*/shrink; do
		echo 1 2>/dev/null >"$cache"
	done
	sed 1,2d /proc/slabinfo | awk '{ print $1, $2 }'
}

# The least of some looks: a slab that a CPU has to itself counts as in use, all of it, and each
# look finds other ones.  Address space of vmalloc() is given back late, but before the kernel
# changes the rights of pages, as for a module.
count_objects()
{
	modprobe loop
	modprobe -r loop
	for look in 1 2 3 4 5; do
		look_at_objects
	done | awk '!($1 in least) || $2 < least[$1] { least[$1] = $2 }
		END { for (cache in least) print cache, least[cache] }' | sort
}

# Free pages, those among them that a CPU keeps for itself: huge ones make a difference.
free_pages()
{
	awk '/nr_free_pages/ || $1 == "count:" { free += $2 } END { print free }' /proc/zoneinfo
}

# A leak of one object at every other start shows as growth by half of the starts; what the
# host itself takes and gives is below 40.
grown()
{
	awk -v limit="$((tiny > 80 ? tiny / 2 : 40))" '
		NR == FNR { before[$1] = $2; next }
		$2 - before[$1] >= limit { print $1 ": " before[$1] " -> " $2; bad = 1 }
		END { exit !bad }' "$1" "$2"
}

# What the host itself keeps can look like growth, once.  A leak goes on: all is done once more,
# and what has grown both times is one.
no_growth()
{
	grown /tmp/before /tmp/after >/tmp/grown || return 0
	cat /tmp/grown
	repeat "$tiny" run_tiny && repeat "$linux" run_linux || return 1
	count_objects >/tmp/again
	grown /tmp/after /tmp/again >/tmp/grown-again || return 0
	awk 'NR == FNR { first[$1] = 1; next } $1 in first { print "again, " $0; bad = 1 }
		END { exit bad }' /tmp/grown /tmp/grown-again
}

# Pages: less than one for each start and CPU, which has lists of its own.  What the last guest had may be freed a little later
# than it ended (RCU, the huge zero page), so the look is repeated, ten times at most.
no_lost_pages()
{
	for try in 1 2 3 4 5 6 7 8 9 10; do
		echo 3 >/proc/sys/vm/drop_caches
		pages_after=$(free_pages)
		echo "free pages: $pages_before -> $pages_after after $((tiny + linux)) starts"
		[ "$((pages_before - pages_after))" -lt "$((tiny * $(nproc)))" ] && return
		sleep 1
	done
	return 1
}

refused_while_running()
{
	mica run --detach --name held --kernel /selftests/responder.elf --memory 4M || return 1
	rmmod mica && return 1
	mica stop held
}

# The last CPU that programs may use, and nothing where that is the only one.
last_of_several()
{
	cpus=$(awk '/^Cpus_allowed_list:/ { print $2 }' /proc/self/status)
	[ "$(nproc)" -gt 1 ] && echo "${cpus##*[-,]}"
}

# run_on PID MASK: the threads of a process move to these CPUs.
run_on()
{
	for task in "/proc/$1/task/"*; do
		taskset -p "$2" "${task##*/}" >/dev/null 2>&1
	done
}

# A guest runs on, though the CPU that it runs on goes, and ends in order.
unplugged_while_running()
{
	mica run --memory 128M --kernel /guests/12/vmlinuz --initrd /guests/initrd \
		--append "console=ttyS0 quiet" </dev/null >/tmp/unplug.log &
	pid=$!
	rounds=0
	while kill -0 "$pid" 2>/dev/null; do
		run_on "$pid" "$(printf %x $((1 << last)))"
		sleep 0.3
		run_on "$pid" "$(awk '/^Cpus_allowed:/ { print $2 }' /proc/self/status)"
		echo 0 >"/sys/devices/system/cpu/cpu$last/online" || return 1
		sleep 0.3
		echo 1 >"/sys/devices/system/cpu/cpu$last/online" || return 1
		rounds=$((rounds + 1))
	done
	wait "$pid"
	status=$?
	echo "CPU $last went and came $rounds times; the guest ended with status $status"
	[ "$status" -eq 0 ] && [ "$rounds" -gt 1 ] && grep -q '^Linux ' /tmp/unplug.log
}

reload()
{
	rmmod mica && insmod /lab/mica.ko && [ -c /dev/mica ] && run_tiny
}

case_is "start: 10 tiny guests to warm up" repeat 10 run_tiny
case_is "start: a Linux guest to warm up" run_linux
count_objects >/tmp/before
pages_before=$(free_pages)
case_is "start: $tiny tiny guests" repeat "$tiny" run_tiny
case_is "start: $linux Linux guests" repeat "$linux" run_linux
count_objects >/tmp/after
case_is "leak: no cache of the kernel has grown" no_growth
case_is "leak: no pages are lost" no_lost_pages
case_is "module: not removable while a guest runs" refused_while_running
last=$(last_of_several)
if [ -n "$last" ]; then
	case_is "module: a CPU goes and comes while a guest runs" unplugged_while_running
fi
case_is "module: removed and inserted $reloads times" repeat "$reloads" reload
cases_end
