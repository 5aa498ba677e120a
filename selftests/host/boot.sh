#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# boot.sh HOST GUEST...: each guest kernel boots to a shell, answers a command that is typed at
# its prompt and powers off in order.  Then, on the hosts with Debian 12 and one CPU, the other ways
# in which a guest can end.
. /selftests/tap.sh
host=$1
shift

guest()
{
	mica run --memory 256M --kernel "/guests/$1/vmlinuz" --initrd /guests/initrd \
		--append "console=ttyS0 quiet $2" 2>&1 | tr -d '\r'
}

wait_for()
{
	until grep -qs "$1" /tmp/boot.log; do
		kill -0 "$2" 2>/dev/null || return 1
		sleep 0.2
	done
}

# Types once the prompt is there.  The word is put together by the guest's shell, so the echo
# of what was typed is no answer.
boots()
{
	rm -f /tmp/keys /tmp/boot.log
	mkfifo /tmp/keys
	guest "$1" mica.shell </tmp/keys >/tmp/boot.log &
	pid=$!
	exec 3>/tmp/keys
	wait_for '^/ # ' $pid && printf 'echo an"swer" $((6 * 7)); uname -r\nexec poweroff -f\n' >&3
	wait $pid
	status=$?
	exec 3>&-
	cat /tmp/boot.log
	echo "status $status"
	[ "$status" -eq 0 ] && grep -q '^answer 42$' /tmp/boot.log
}

ends_with()
{
	guest 12 "$2" >/dev/null
	status=$?
	echo "status $status, expected $1"
	[ "$status" -eq "$1" ]
}

set -o pipefail
for kernel; do
	case_is "boot: host $host, guest $kernel" boots "$kernel"
done
if [ "$host" = 12 ] && [ "$(nproc)" -eq 1 ]; then
	# Accesses to the APIC's page: user space decodes them where the CPU does not help.
	case_is "boot: xAPIC" ends_with 0 nox2apic
	case_is "end: a reboot is status 8" ends_with 8 mica.end=reboot
	case_is "end: a triple fault is status 6" ends_with 6 "mica.end=reboot reboot=t"
fi
cases_end
