#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# rules.sh HOST: no rule of confinement is unused.  What mica can do for a guest is done once more
# under a tracer (sandbox-trace.c) that knows the rules: by the other scripts, /selftests/scripts/,
# whose verdicts are theirs, and by cases of its own for what happens rarely.  Then each rule has
# been met, or says in its table why no guest here meets it; and no call was without one.
. /selftests/tap.sh
. /selftests/drivers.sh
host=$1
tiny=/selftests/responder.elf
work=/tmp/rules
report=$work/report
real=$(command -v mica)
clocks=/sys/devices/system/clocksource/clocksource0

# A program `mica` that traces what runs a guest, and notes it in the report $1.
trace_into()
{
	cat >/selftests/rules/mica <<-END
		#!/bin/sh
		[ "\$1" != run ] || exec /selftests/sandbox-trace $1 $real "\$@"
		exec $real "\$@"
	END
	chmod +x /selftests/rules/mica
}

soon()
{
	for _ in $(seq 300); do
		"$@" && return 0
		sleep 0.2
	done
	echo "never: $*"
	return 1
}

# What another script does; a failure there is not one here, but there is something to see.
script()
{
	name=$1
	shift
	sh "/selftests/scripts/$name.sh" "$@" >"$work/$name.out" 2>&1
	echo "$name: $?"
	grep -E '^(not )?ok|^1\.\.' "$work/$name.out"
	rm -rf "/tmp/$name"
	grep -q '^ok' "$work/$name.out"
}

# Without io_uring disks are read and written by the devices' threads.
disk_without_ring()
{
	before=$(cat /proc/sys/kernel/io_uring_disabled)
	echo 2 >/proc/sys/kernel/io_uring_disabled && script disk "$host"
	status=$?
	echo "$before" >/proc/sys/kernel/io_uring_disabled
	return $status
}

start()
{
	name=$1
	shift
	mica run -d --name "$name" --kernel $tiny --memory 4M "$@"
}

# Sends a letter and waits for the answer, or for the end of that life.
ask()
{
	: >$work/answer
	printf %s "$2" | mica console --backlog 0 "$1" >$work/answer 2>/dev/null &
	asker=$!
	soon has_answered "$3"
	kill $asker 2>/dev/null
	wait $asker 2>/dev/null
	grep -q "$3" $work/answer
}

has_answered()
{
	grep -q "$1" $work/answer || ! kill -0 $asker 2>/dev/null
}

is_gone()
{
	! mica ps | grep -q "^$1 "
}

# Where the C library cannot read the clock without a call.
slow_clock()
{
	before=$(cat $clocks/current_clocksource)
	echo acpi_pm >$clocks/current_clocksource && start clock --disk $work/disk &&
		ask clock a alive && ask clock t time && mica kill clock && script net "$host"
	status=$?
	echo "$before" >$clocks/current_clocksource
	return $status
}

vectors()
{
	start sse && ask sse s vector && mica kill sse
}

# The vCPU's thread tells the log.
crashes()
{
	start crash && ask crash c never
	soon is_gone crash && grep -q 'vCPU 0: ' /tmp/messages
}

# The next life has the card of the last one, and the kernel's threads for it.
lives_by_vhost()
{
	modprobe vhost_net
	guest -d --name vhost --net tap=tap0,vhost=on --console "file:$work/console" -- "sh /drivers.sh
		ifconfig eth0 10.9.8.2 netmask 255.255.255.0 up
		ping -c 2 10.9.8.1; echo life is good; read key" || return 1
	soon grep -q 'life is good' $work/console && mica reset vhost || return 1
	soon grep -q 'life is good' $work/console && soon grep -q '2 packets received' $work/console
	status=$?
	cat $work/console
	mica kill vhost && return $status
}

# virtiofsd is given the memory of the next life; then it has ended, which the main thread says.
lives_with_share()
{
	mkdir -p $work/dir
	start share --share "$work/dir,tag=t" || return 1
	ask share r never
	ask share a alive || return 1
	killall virtiofsd
	mica reset share
	soon is_gone share && grep -q 'serves it has ended' /tmp/messages
}

# The guest's console is a terminal that has a size.
on_terminal()
{
	onpty 100 30 mica run --name size --kernel $tiny --memory 4M --console-device virtio \
		--control $work/size.sock &
	soon mica pause --control $work/size.sock && mica resume --control $work/size.sock &&
		mica kill --control $work/size.sock
	status=$?
	wait $!
	return $status
}

# What a thread does that ends the process, which gives the terminal back.  The call that it may
# not make is no news.
dies()
{
	trace_into $work/dying
	LD_PRELOAD=/selftests/forbid.so FORBID=$1 onpty 100 30 mica run --control none --kernel $tiny --memory 4M \
		--disk $work/disk
	echo "status $?"
	trace_into $report
	grep -v '^forbidden' $work/dying >>$report
	grep -q "^used .* ${1%:*}" $work/dying
}

all_are_used()
{
	/selftests/sandbox-trace --check $report
}

set_up()
{
	mkdir -p $work /selftests/rules
	export PATH="/selftests/rules:$PATH:/selftests" XDG_RUNTIME_DIR=$work
	truncate -s 8M $work/disk
	trace_into $report
	syslogd -O /tmp/messages
	modprobe tun
	[ -c /dev/net/tun ] || { mkdir -p /dev/net && mknod /dev/net/tun c 10 200; }
}

set_up
for name in console balloon vsock net disk; do
	case_is "rules: $name" script $name "$host"
done
case_is "rules: disk without io_uring" disk_without_ring
case_is "rules: control" script control
case_is "rules: hotplug" script hotplug "$host" 3
for name in nbd user share; do
	[ ! -e /selftests/scripts/$name.sh ] || case_is "rules: $name" script $name "$host"
done
make_drivers virtio_pci virtio_net
case_is "rules: vector registers" vectors
case_is "rules: a crash" crashes
tunctl -t tap0 >/dev/null && ifconfig tap0 10.9.8.1 netmask 255.255.255.0 up
case_is "rules: lives by vhost-net" lives_by_vhost
[ ! -e /selftests/scripts/share.sh ] || case_is "rules: lives with a share" lives_with_share
case_is "rules: a terminal with a size" on_terminal
case_is "rules: a clock that needs a call" slow_clock
for thread in main vcpu io; do
	case_is "rules: $thread thread ends the process" dies $thread:execve
	case_is "rules: $thread thread aborts" dies $thread:abort
done
# With what the test of confinement meets, which traces for itself.
PATH=${PATH#/selftests/rules:} sh /selftests/scripts/sandbox.sh "$host" >$work/sandbox.out 2>&1
grep -E '^(not )?ok' $work/sandbox.out
cat /tmp/sandbox/report >>$report
case_is "rules: all are used" all_are_used
cases_end
