#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# balloon.sh HOST: a guest gives memory back when it is asked to, takes it again, tells what it
# has, and reports its free pages.  The guest waits for words that are typed at its console.
. /selftests/tap.sh
. /selftests/drivers.sh
export PATH="$PATH:/selftests"
host=$1
work=/tmp/balloon
MiB=1048576

value()
{
	mica balloon guest --json | jsonget "\$.$1"
}

resident()
{
	mica stats guest --json | jsonget '$.memory.resident'
}

# Passes when the command does, within 200 of the host's seconds.
soon()
{
	for turn in $(seq 400); do
		"$@" && return 0
		sleep 0.5
	done
	return 1
}

is_up()
{
	grep -q '^up$' $work/out
}

starts()
{
	mkfifo $work/keys
	keys=$work/keys
	guest --name guest --balloon target=250M,deflate-on-oom=off -- "sh /drivers.sh
		dd if=/dev/zero of=/full bs=1M count=100; echo up
		read key; rm /full; echo free; read key" >$work/out &
	exec 3>$work/keys
	soon is_up
	cat $work/out
	is_up
}

is_at()
{
	now=$(value current)
	[ "$now" -ge $(($1 * MiB - MiB)) ] && [ "$now" -le $(($1 * MiB + MiB)) ]
}

begins()
{
	[ "$(value target)" -eq $((250 * MiB)) ] && soon is_at 250
}

# What the guest gives away it does not count as its own.
shrinks()
{
	total=$(value guest.total)
	mica balloon guest 200M && soon is_at 200
	status=$?
	mica balloon guest
	echo "the guest's memory was $total"
	[ $status -eq 0 ] && [ "$(value guest.total)" -lt $((total - 45 * MiB)) ]
}

grows()
{
	mica balloon guest 250M && soon is_at 250
}

tells()
{
	mica stats guest --json
	[ "$(mica stats guest --json | jsonget '$.balloon.target')" -eq $((250 * MiB)) ] &&
		[ "$(value guest.free)" -gt $((10 * MiB)) ] &&
		[ "$(value guest.age_ms)" -lt 60000 ]
}

has_shrunk()
{
	[ "$(resident)" -lt $((before - 90 * MiB)) ]
}

# 100 MiB that the guest has written are in the process until the guest frees them.
reports()
{
	before=$(resident)
	told=$(value reported)
	echo go >&3
	soon has_shrunk
	status=$?
	mica balloon guest
	echo "resident $before, then $(resident); reported $told"
	[ $status -eq 0 ] && [ "$(value reported)" -ge $((told + 90 * MiB)) ]
}

says()
{
	"$@" >/tmp/said 2>&1
	status=$?
	cat /tmp/said
	[ $status -ne 0 ]
}

refuses()
{
	says mica balloon guest 257M && grep -q '256 MiB of memory, not more' /tmp/said &&
		says mica balloon guest 1M && says mica balloon guest much &&
		says mica balloon nobody 128M &&
		says mica run --kernel /guests/12/vmlinuz --balloon target=600M
}

ends()
{
	echo go >&3
	wait
	tail -n 3 $work/out
	! pidof mica
}

# Registers and configuration space of drivers before virtio 1.0.
legacy()
{
	guest --name guest --balloon target=200M -- "sh /drivers.sh '' force_legacy=1
		echo up; read key" >$work/out &
	exec 3>$work/keys
	soon is_up && soon is_at 200
	status=$?
	mica balloon guest
	echo go >&3
	wait
	return $status
}

set -o pipefail
make_drivers virtio_pci virtio_balloon
case_is "balloon: host $host, the guest starts" starts
case_is "balloon: host $host, it goes to its first target" begins
case_is "balloon: host $host, it shrinks" shrinks
case_is "balloon: host $host, it grows" grows
case_is "balloon: host $host, statistics" tells
case_is "balloon: host $host, free pages are reported" reports
case_is "balloon: what cannot be is refused" refuses
case_is "balloon: host $host, it ends" ends
case_is "balloon: host $host, a legacy driver" legacy
cases_end
