# SPDX-License-Identifier: GPL-2.0-or-later
# Sourced by the scripts that run in a lab host: cases in TAP.
#   case_is NAME COMMAND...   one case: passes if the command does; its output goes behind #
#   cases_end                 the plan; the script's status
#   host_ms                   the host's uptime in milliseconds
#   soon COMMAND...           passes when the command does, within $patience seconds (60)
#   says STATUS WORDS COMMAND...  passes if the command ends so and prints that; /tmp/said has it all
tap_number=0
tap_failed=0

case_is()
{
	tap_name=$1
	shift
	tap_number=$((tap_number + 1))
	if "$@" >/tmp/tap.out 2>&1; then
		echo "ok $tap_number - $tap_name"
	else
		echo "not ok $tap_number - $tap_name"
		tap_failed=$((tap_failed + 1))
	fi
	# awk ends the last line too where the output does not: the next case begins a line.
	tail -n 40 /tmp/tap.out | awk '{ print "#   " $0 }'
}

cases_end()
{
	echo "1..$tap_number"
	[ "$tap_failed" -eq 0 ]
}

host_ms()
{
	read -r up rest </proc/uptime
	echo "${up%.*}${up#*.}0"
}

soon()
{
	deadline=$(($(host_ms) + ${patience:-60} * 1000))
	until "$@"; do
		[ "$(host_ms)" -lt "$deadline" ] || { echo "never: $*"; return 1; }
		sleep 0.2
	done
}

says()
{
	expected=$1
	words=$2
	shift 2
	"$@" >/tmp/said 2>&1
	status=$?
	cat /tmp/said
	echo "status $status, expected $expected"
	[ $status -eq "$expected" ] && grep -qF -e "$words" /tmp/said
}
