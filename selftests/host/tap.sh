# SPDX-License-Identifier: GPL-2.0-or-later
# Sourced by the scripts that run in a lab host: cases in TAP.
#   case_is NAME COMMAND...   one case: passes if the command does; its output goes behind #
#   cases_end                 the plan; the script's status
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
