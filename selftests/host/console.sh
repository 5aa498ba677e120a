#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# console.sh HOST: a guest with hvc0 as its console and with named ports, whose clients come,
# go, come again, and do not read.
. /selftests/tap.sh
. /selftests/drivers.sh
export PATH="$PATH:/selftests"
export XDG_RUNTIME_DIR=/tmp/console
host=$1
work=/tmp/console
ports="--port name=echo,socket=$work/echo --port name=flood,socket=$work/flood"
ports="$ports --port name=log,file=$work/log"
control=/run/mica/guest.sock

# Passes when the command does, within 200 of the host's seconds.
soon()
{
	for turn in $(seq 400); do
		"$@" && return 0
		sleep 0.5
	done
	return 1
}

has()
{
	tr -d '\r' <$work/out | grep -q "$1"
}

# What the guest has besides its drivers; reading it waits for the console.
make_tools()
{
	cat >$work/initrd/tools.sh <<-'END'
		# The device of a port, by its name, which comes some time after the driver.
		find_port()
		{
			for entry in /sys/class/virtio-ports/*; do
				[ "$(cat $entry/name 2>/dev/null)" = "$1" ] && echo /dev/${entry##*/}
			done
		}

		port()
		{
			until path=$(find_port "$1"); [ "$path" ]; do sleep 0.1; done
			echo $path
		}

		until [ -c /dev/hvc0 ]; do sleep 0.1; done

		# The terminal's size, when it has one.
		size()
		{
			until size=$(stty -F /dev/hvc0 size) && [ "$size" != "0 0" ]; do sleep 0.2; done
			echo "size $size"
		}
	END
}

# For Linux a port whose other end nobody has is at its end of file.
starts()
{
	mkfifo $work/keys
	keys=$work/keys
	guest --name guest --console-device virtio $ports -- ". /drivers.sh; . /tools.sh
		stty -F /dev/hvc0 raw -echo
		head -c 300000 /dev/urandom >/log; sha256sum </log
		cat /log >\$(port log); echo logged
		(exec 5<>\$(port echo); while :; do cat <&5 >&5; sleep 0.1; done) &
		(head -c 5000000 /dev/zero; echo the end) >\$(port flood) &
		exec 6<>/dev/hvc0
		echo 'hvc0 speaks' >&6
		while read -r line <&6; do
			[ \"\$line\" = end ] && break
			echo \"typed \$line\"
		done
		size" >$work/out &
	exec 3>$work/keys
	soon has '^logged' && soon has '^hvc0 speaks'
	status=$?
	cat $work/out
	return $status
}

writes_file()
{
	ls -l $work/log
	has "^$(sha256sum <$work/log | cut -c1-64)  -"
}

# Not in the words that are typed: the guest puts them together.
types()
{
	echo 'some words' >&3
	soon has '^typed some words'
}

echoes()
{
	head -c "$1" /dev/urandom >$work/sent
	timeout 300 portcat $work/echo "$1"b <$work/sent >$work/back || return 1
	cmp $work/sent $work/back
}

comes_again()
{
	echoes 10 && echoes 3000 && echoes 1
}

# A second client is turned away and the first one stays.
turns_away()
{
	mkfifo $work/hold
	portcat $work/echo 6b <$work/hold >$work/first &
	first=$!
	exec 4>$work/hold
	printf one >&4
	soon grep -q one $work/first
	timeout 100 portcat $work/echo 1b </dev/null
	[ $? -eq 1 ] || return 1
	printf two >&4
	exec 4>&-
	wait $first && grep -q '^onetwo$' $work/first
}

# The guest has nobody to write to; then somebody who does not read at first.  What else it has to
# do goes on.
slow()
{
	timeout 300 portcat $work/flood 5000008b 5 </dev/null >$work/flooded &
	slow=$!
	echo 'while it floods' >&3
	soon has '^typed while it floods' && wait $slow
	status=$?
	ls -l $work/flooded
	[ $status -eq 0 ] && tail -c 8 $work/flooded | grep -q 'the end'
}

# portcat prints the greeting and the answer.
asks()
{
	printf '%s\n' "$1" | timeout 60 portcat $control 2l | sed -n 2p
}

lists()
{
	asks '{"id":1,"command":"ports"}' >$work/answer
	cat $work/answer
	[ "$(jsonget '$.result.ports[0].name' <$work/answer)" = '"echo"' ] &&
		[ "$(jsonget '$.result.ports[0].guest' <$work/answer)" = true ] &&
		[ "$(jsonget '$.result.ports[0].host' <$work/answer)" = false ] &&
		[ "$(jsonget '$.result.ports[2].host' <$work/answer)" = true ]
}

resizes()
{
	asks '{"id":1,"command":"console-size","arguments":{"columns":132,"rows":43}}'
	echo end >&3
	wait
	tail -n 3 $work/out
	has "$1"
}

leaves_nothing()
{
	! ls $work/echo $work/flood
}

# A console alone: its size is in the configuration space.
alone()
{
	rm $work/keys
	mkfifo $work/keys
	guest --name guest --console-device virtio -- ". /drivers.sh; . /tools.sh
		stty -F /dev/hvc0 raw -echo; echo alone >/dev/hvc0; read key </dev/hvc0; size" >$work/out &
	exec 3>$work/keys
	soon has '^alone' && resizes '^size 43 132$'
}

# The size of the terminal at which the console is attached to, and another one later.  Linux
# forgets it when nobody has hvc0 open.
follows()
{
	guest -d --name tty --console-device virtio -- ". /drivers.sh; . /tools.sh
		exec 6<>/dev/hvc0
		while :; do
			size=\$(stty -F /dev/hvc0 size)
			[ \"\$size\" = \"\$last\" ] || echo \"now \$size\"
			last=\$size
			sleep 0.2
		done" || return 1
	onpty 100 30 mica console tty >$work/out &
	onpty=$!
	soon has '^now 30 100$' && kill -USR1 $onpty && soon has '^now 31 100$'
	status=$?
	cat $work/out
	mica kill tty
	wait $onpty
	return $status
}

refuses()
{
	for option in "--port name=x" "--port pty" "--port name=x,pty,socket=$work/x" \
			"--port name=x/y,pty" "--port name=x,pty --port name=x,pty" \
			"--console-device uart"; do
		# shellcheck disable=SC2086 # options are words
		mica run --kernel /guests/12/vmlinuz $option
		[ $? -eq 2 ] || return 1
	done
	mica run --kernel /guests/12/vmlinuz --port name=x,socket=/nowhere/x
	[ $? -eq 4 ]
}

set -o pipefail
make_drivers virtio_pci virtio_console
make_tools
case_is "console: host $host, hvc0 and ports are there" starts
case_is "console: host $host, a port to a file" writes_file
case_is "console: host $host, what is typed" types
case_is "console: host $host, 300 KB through a socket and back" echoes 300000
case_is "console: host $host, clients come again" comes_again
case_is "console: host $host, one client at a time" turns_away
case_is "console: host $host, a client that does not read" slow
case_is "console: host $host, the list of ports" lists
case_is "console: host $host, another size, with ports" resizes '^size 43 132$'
case_is "console: host $host, no socket is left" leaves_nothing
case_is "console: host $host, another size, without ports" alone
case_is "console: host $host, it follows the terminal's size" follows
case_is "console: wrong options are refused" refuses
cases_end
