#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# host-state.sh BILLIONS: a process hammers its registers on the CPU where guests run, until so
# many billions of instructions have gone by; the guests run with the module's own comparison
# of all host registers around every series of entries.
. /selftests/tap.sh

# Linux guests one after the other, each checked, until told to stop.
guests()
{
	while [ ! -e /tmp/stop ]; do
		mica run --check-host --memory 128M --kernel /guests/12/vmlinuz --initrd /guests/initrd \
			--append "console=ttyS0 quiet" >/tmp/guest.log 2>&1 </dev/null
		status=$?
		echo "$status" >>/tmp/statuses
		[ "$status" -eq 0 ] || { cat /tmp/guest.log; break; }
	done
}

guests >/tmp/guests.log &
guests_pid=$!
/selftests/hammer "$1" >/tmp/hammer.tap
status=$?
touch /tmp/stop
wait "$guests_pid"
grep -v '^1\.\.' /tmp/hammer.tap
sed 's/^/# /' /tmp/guests.log
count=$(grep -c '^0$' /tmp/statuses)
number=$(grep -c 'ok ' /tmp/hammer.tap)
number=$((number + 1))
if grep -qv '^0$' /tmp/statuses; then
	echo "not ok $number - host state: a checked guest ended with $(grep -v '^0$' /tmp/statuses)"
	status=1
else
	echo "ok $number - host state: $count Linux guests, no register differed"
fi
echo "ok $((number + 1)) - host state: perf NMIs # SKIP the emulated CPU has no performance counters"
echo "1..$((number + 1))"
exit "$status"
