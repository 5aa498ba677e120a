#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# user.sh HOST: a guest on the host's network by passt: DHCP, pings, streams in both
# directions, a forwarded port.  Needs passt in the host (--copy).
. /selftests/tap.sh
. /selftests/drivers.sh
host=$1
work=/tmp/user
here=10.9.8.1		# the host's own address, which passt gives the guest as well
gate=10.9.8.254		# the host's gateway: for the guest it is the host
other=10.7.7.7		# another address of the host

command -v passt >/dev/null || {
	echo "1..0 # SKIP no passt on the build machine: it is in the package of that name"
	exit 0
}

# passt changes its root, which cannot be done from the first file system of a Linux: so the
# script goes on where that is mounted once more, over itself.
if [ -z "$USER_SH_MOVED" ]; then
	mkdir -p /moved
	mount --rbind / /moved && cd /moved && mount --move . / || exit 1
	USER_SH_MOVED=1 exec chroot . /bin/sh "$0" "$@"
fi

set_up()
{
	modprobe tun
	[ -c /dev/net/tun ] || { mkdir -p /dev/net && mknod /dev/net/tun c 10 200; }
	tunctl -t tap0 && ifconfig tap0 $here netmask 255.255.255.0 up
	route add default gw $gate
	ifconfig lo 127.0.0.1 up
	ifconfig lo:1 $other netmask 255.255.255.255 up
	echo "0 2147483647" >/proc/sys/net/ipv4/ping_group_range
}

answers()
{
	mkdir -p $work
	head -c 1000000 /dev/urandom >$work/down
	httpd -p 127.0.0.1:7001 -h $work
	cat >$work/initrd/lease.sh <<-'END'
		#!/bin/sh
		[ "$1" = bound ] || exit 0
		ifconfig $interface $ip netmask $subnet up
		route add default gw $router
		echo "lease $ip $router"
	END
	chmod +x $work/initrd/lease.sh
	{ guest --net user,mac=02:00:00:00:00:99,forward=tcp:7003:7004 -- "sh /drivers.sh
		ifconfig eth0 up
		udhcpc -i eth0 -n -q -s /lease.sh 2>&1
		ping -c 3 -i 0.2 $other | tail -2
		wget -q -O - http://$gate:7001/down | sha256sum
		head -c 300000 /dev/urandom >/tmp/up
		sha256sum /tmp/up
		nc -l -p 7004 -e cat /tmp/up"
	echo "ended: $?"; } >$work/out &
	# Before the guest listens, connections end without a byte.
	until [ -s $work/got ] || grep -q '^ended' $work/out; do
		sleep 2
		timeout 60 nc 127.0.0.1 7003 </dev/null >$work/got
	done
	wait $!
	cat $work/out
	ls -l $work/got
	grep -q "^lease $here $gate" $work/out || return 1
	grep -q ' 3 packets received, 0% packet loss' $work/out || return 1
	grep -q "^$(sha256sum <$work/down | cut -c1-64)  -" $work/out || return 1
	grep -q "^$(sha256sum <$work/got | cut -c1-64)  /tmp/up" $work/out
}

# passt has gone with its guest, or is about to.
is_gone()
{
	for wait in 1 2 3 4 5 6 7 8 9 10; do
		pidof passt || return 0
		sleep 0.5
	done
	return 1
}

# One line, of which passt says of itself nothing.
explains()
{
	route del default
	mica run --control none --kernel /guests/12/vmlinuz --net user >$work/said 2>&1 && return 1
	cat $work/said
	[ "$(wc -l <$work/said)" -eq 1 ] && grep -q 'passt does not start: .*interface' $work/said &&
		! grep -q -e syslog -e AVX2 $work/said
}

refuses()
{
	mica run --kernel /guests/12/vmlinuz --net user,tap=tap0 && return 1
	mica run --kernel /guests/12/vmlinuz --net user,forward=tcp:22 && return 1
	mica run --kernel /guests/12/vmlinuz --net tap=tap0,forward=tcp:22:22
	[ $? -eq 2 ]
}

set -o pipefail
set_up >/dev/null
make_drivers virtio_pci virtio_net
case_is "user network: host $host, lease, pings, streams, a forwarded port" answers
case_is "user network: host $host, passt ends with the guest" is_gone
case_is "user network: a host without a route" explains
case_is "user network: wrong options are refused" refuses
cases_end
