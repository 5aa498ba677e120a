#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Guests in the background, and the verbs that reach them: responder.c is the guest.
. /selftests/tap.sh
guest=/selftests/responder.elf

start()
{
	name=$1
	shift
	mica run --detach --name "$name" --kernel "$guest" --memory 4M "$@"
}

# Sends the letters to the guest and waits for a line in what comes back, which is /tmp/answer,
# or for the end of the console.
ask()
{
	: >/tmp/answer
	printf %s "$2" | mica console --backlog 0 "$1" >/tmp/answer 2>/dev/null &
	asker=$!
	soon has_answered "$3"
	kill $asker 2>/dev/null
	wait $asker 2>/dev/null
	sed -n "1,5p" /tmp/answer
	echo
	grep -q "$3" /tmp/answer
}

has_answered()
{
	grep -q "$1" /tmp/answer || ! kill -0 $asker 2>/dev/null
}

member()
{
	mica ps --json | jsonget "\$[$1].$2"
}

# ---------------------------------------------------------------- starting

starts()
{
	[ "$(start one)" = one ] && [ "$(start two --cpus 2)" = two ]
}

lists()
{
	mica ps
	[ "$(mica ps | wc -l)" -eq 3 ] &&
		[ "$(member 0 name) $(member 0 state) $(member 0 memory)" = '"one" "running" 4194304' ] &&
		[ "$(member 1 name) $(member 1 cpus)" = '"two" 2' ] &&
		[ "$(member 0 console.kind)" = '"socket"' ] &&
		[ "$(cat /proc/"$(member 0 pid)"/comm)" = mica ]
}

# ---------------------------------------------------------------- the console

prints_backlog()
{
	mica console one </dev/null >/tmp/backlog &
	reader=$!
	soon grep -q '^ready' /tmp/backlog
	status=$?
	kill $reader
	wait $reader
	cat /tmp/backlog
	return $status
}

# The second one has shown the backlog, so it is there when the guest answers.
two_readers()
{
	mica console one </dev/null >/tmp/reader &
	reader=$!
	soon grep -q '^ready' /tmp/reader && ask one t '^time' && soon grep -q '^time' /tmp/reader
	status=$?
	kill $reader
	wait $reader
	return $status
}

# Nobody reads what the flood sends: the guest must not wait, and the reader is cut off.
slow_reader()
{
	start flood || return 1
	mkfifo /tmp/unread
	mica console --backlog 0 flood </dev/null >/tmp/unread 2>/tmp/slow &
	exec 4</tmp/unread
	ask flood f flood >/dev/null || return 1
	before=$(entries flood)
	soon flood_entries_above $((before + 1000)) || return 1
	mica kill flood
	exec 4<&-
	wait
}

entries()
{
	mica stats --json "$1" | jsonget '$.vcpus[0].counters.entries'
}

flood_entries_above()
{
	[ "$(entries flood)" -gt "$1" ]
}

# ---------------------------------------------------------------- pause

stands_still()
{
	mica pause one && [ "$(member 0 state)" = '"paused"' ] || return 1
	before=$(entries one)
	mica pause one || return 1
	sleep 1
	[ "$(entries one)" = "$before" ] &&
		says 4 "resume it first" mica stop one &&
		mica resume one && mica resume one &&
		[ "$(member 0 state)" = '"running"' ] && ask one a '^alive'
}

# "TSC in ms" "PM timer in ms" of the guest.
guest_times()
{
	ask one t '^time .* ........' >/dev/null || return 1
	set -- $(sed -n 's/^time \(................\) \(........\).*/\1 \2/p' /tmp/answer)
	echo "$((0x$1 / khz)) $((0x$2 * 1000 / 3579545))"
}

# Both of the guest's clocks stand still for as long as it is paused, and agree afterwards.
time_stands_still()
{
	khz=$(mica info | sed -n 's/^tsc *\([0-9]*\) kHz/\1/p')
	start=$(host_ms)
	guest_times >/tmp/before && read -r tsc pm </tmp/before && mica pause one || return 1
	paused=$(host_ms)
	sleep 2
	resumed=$(host_ms)
	mica resume one && guest_times >/tmp/after && read -r tsc_after pm_after </tmp/after || return 1
	host=$(($(host_ms) - start))
	tsc=$((tsc_after - tsc))
	pm=$((pm_after - pm))
	echo "host $host ms, paused for $((resumed - paused)) ms; guest: TSC $tsc ms, PM timer $pm ms"
	[ $tsc -gt 0 ] && [ $tsc -le $((host - (resumed - paused) + 20)) ] &&
		[ $((tsc - pm)) -lt 100 ] && [ $((pm - tsc)) -lt 100 ]
}

# ---------------------------------------------------------------- stats

# Two vCPUs that spin would only slow down what is between.
pauses_two()
{
	mica pause two && [ "$(member 0 state) $(member 1 state)" = '"running" "paused"' ]
}

counts()
{
	mica resume two || return 1
	mica stats two
	mica stats --json two >/tmp/stats || return 1
	[ "$(jsonget '$.vcpus[*].id' </tmp/stats | tr '\n' ' ')" = '0 1 ' ] &&
		[ "$(jsonget '$.vcpus[0].counters.entries' </tmp/stats)" -gt 0 ] &&
		[ "$(jsonget '$.memory.size' </tmp/stats)" -eq 4194304 ] &&
		[ "$(jsonget '$.memory.resident' </tmp/stats)" -gt 0 ]
}

tops()
{
	mica top
	[ "$(mica top | wc -l)" -eq 3 ] && mica top | grep -q '^one  *[0-9]* running '
}

# ---------------------------------------------------------------- ends

resets()
{
	pid=$(member 0 pid)
	mica reset one && soon ask one a '^alive' && [ "$(member 0 pid)" = "$pid" ]
}

guest_resets()
{
	pid=$(member 0 pid)
	ask one r '^never' >/dev/null
	soon ask one a '^alive' && [ "$(member 0 pid)" = "$pid" ]
}

gone()
{
	! mica ps | grep -q "^$1 " && [ ! -e "/run/mica/$1.sock" ]
}

stops()
{
	mica stop one && gone one
}

does_not_stop()
{
	ask two i '^ignored' && says 4 "has not powered off in 2 seconds" mica stop two --timeout 2 &&
		ask two a '^alive'
}

kills()
{
	mica kill two && gone two
}

kills_silent()
{
	start silent || return 1
	kill -STOP "$(member 0 pid)"
	mica ps
	[ "$(member 0 state)" = '"silent"' ] && mica kill silent && soon gone silent
}

cleans_up()
{
	start stale || return 1
	kill -9 "$(member 0 pid)"
	soon gone stale || return 1
	start stale && kill -9 "$(member 0 pid)" && start stale && mica kill stale
}

names_itself()
{
	name=$(mica run -d --kernel $guest --memory 4M)
	echo "$name"
	[ "$name" = "mica-$(member 0 pid)" ] && mica kill "$name"
}

other_folder()
{
	[ "$(su -s /bin/sh mica -c "XDG_RUNTIME_DIR=/tmp mica run -d --name own --kernel $guest --memory 4M")" = own ] &&
		su -s /bin/sh mica -c "XDG_RUNTIME_DIR=/tmp mica ps" | grep -q '^own ' &&
		says 4 "ermission denied" su -s /bin/sh nobody -c "mica kill --control /tmp/mica/own.sock" &&
		mica kill --control /tmp/mica/own.sock
}

none_left()
{
	! pidof mica
}

# What guests in the background have to say goes to the system's log, which comes last.
export PATH="$PATH:/selftests"
syslogd -O /tmp/messages
case_is "control: guests start in the background" starts
case_is "control: a name is taken" says 4 "a guest named 'one' runs already (process" start one
case_is "control: what cannot start says so" says 4 "/nowhere" \
	mica run --detach --kernel /nowhere
case_is "control: no folder for a socket" says 4 "XDG_RUNTIME_DIR is not set" \
	su -s /bin/sh mica -c "mica run -d --kernel $guest"
case_is "control: ps" lists
case_is "control: pause one of two" pauses_two
case_is "control: the console's backlog" prints_backlog
case_is "control: the console answers" ask one a '^alive'
case_is "control: a second reader" two_readers
case_is "control: a reader that does not read" slow_reader
case_is "control: pause and resume" stands_still
case_is "control: time stands still" time_stands_still
case_is "control: stats" counts
case_is "control: top" tops
case_is "control: reset" resets
case_is "control: the guest resets itself" guest_resets
case_is "control: stop" stops
case_is "control: stop without an answer" does_not_stop
case_is "control: kill" kills
case_is "control: kill a process that is stopped" kills_silent
case_is "control: what dead guests leave" cleans_up
case_is "control: names" names_itself
case_is "control: folders of users" other_folder
case_is "control: no guest is left" none_left
sed -n '/ mica\[/s/^/# /p' /tmp/messages
cases_end
