#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# net.sh HOST: a guest with a virtio network card on a tap interface.  Packets of all sizes
# come back, and streams in both directions arrive as they were sent: by the VMM's thread, and
# by the host's kernel (vhost-net).
. /selftests/tap.sh
. /selftests/drivers.sh
host=$1
work=/tmp/net
here=10.9.8.1
there=10.9.8.2

set_up()
{
	modprobe tun
	[ -c /dev/net/tun ] || { mkdir -p /dev/net && mknod /dev/net/tun c 10 200; }
	tunctl -t tap0 >/dev/null && ifconfig tap0 $here netmask 255.255.255.0 up
}

# answers [OPTION]: of the card.
answers()
{
	head -c 3000000 /dev/urandom >$work/down
	httpd -p 7001 -h $work
	printf '#!/bin/sh\ncat >%s/got\n' $work >$work/take
	chmod +x $work/take
	nc -l -p 7002 -e $work/take &
	guest --net tap=tap0,mac=02:00:00:00:00:99$1 -- "sh /drivers.sh
		ifconfig eth0 $there netmask 255.255.255.0 up
		cat /sys/class/net/eth0/address
		echo packed \$(cut -c35 /sys/class/net/eth0/device/features)
		ping -c 3 -i 0.2 -s 56 $here | tail -2
		ping -c 3 -i 0.2 -s 9000 $here | tail -2
		wget -q -O - http://$here:7001/down | sha256sum
		head -c 2000000 /dev/urandom >/tmp/up
		sha256sum /tmp/up
		nc $here 7002 </tmp/up
		grep -c virtio0-input /proc/interrupts" >$work/out || return 1
	cat $work/out
	wait
	grep -q '^02:00:00:00:00:99$' $work/out || return 1
	[ "$(grep -c ' 3 packets received, 0% packet loss' $work/out)" -eq 2 ] || return 1
	grep -q "^$(sha256sum <$work/down | cut -c1-64)  -" $work/out || return 1
	grep -q "^$(sha256sum <$work/got | cut -c1-64)  /tmp/up" $work/out
}

# The card offers no packed ring (bit 34) then, and does not complain.
by_the_kernel()
{
	modprobe vhost_net
	answers ,vhost=on && grep -q '^packed 0$' $work/out &&
		! grep -q 'moves the frames itself' $work/out
}

by_the_thread()
{
	answers && grep -q '^packed 1$' $work/out
}

# Several queues, at a bridge: the tap is made, and is gone afterwards.
several_queues()
{
	modprobe bridge
	brctl addbr br0 && ifconfig br0 10.9.7.1 netmask 255.255.255.0 up || return 1
	httpd -p 7003 -h $work
	guest --cpus 2 --net bridge=br0,queues=2,mtu=1400 -- "sh /drivers.sh
		ifconfig eth0 10.9.7.2 netmask 255.255.255.0 up
		echo QUEUES /sys/class/net/eth0/queues/* MTU \$(cat /sys/class/net/eth0/mtu)
		grep -c virtio0-output /proc/interrupts
		wget -q -O - http://10.9.7.1:7003/down | sha256sum >/tmp/1 &
		wget -q -O - http://10.9.7.1:7003/down | sha256sum
		wait
		cat /tmp/1" >$work/out || return 1
	cat $work/out
	grep -q '^QUEUES .*/rx-1 .*/tx-1 MTU 1400$' $work/out || return 1
	grep -q '^2$' $work/out || return 1
	[ "$(grep -c "^$(sha256sum <$work/down | cut -c1-64)  -" $work/out)" -eq 2 ] || return 1
	[ ! -e /sys/class/net/mica0 ]
}

refuses()
{
	mica run --kernel /guests/12/vmlinuz --net bridge=nobr && return 1
	mica run --kernel /guests/12/vmlinuz --net tap=tap0,queues=2,vhost=on && return 1
	mica run --kernel /guests/12/vmlinuz --net tap=tap0,queues=2 && return 1
	mica run --kernel /guests/12/vmlinuz --net tap=averyveryverylongname && return 1
	! mica run --kernel /guests/12/vmlinuz --net tap=lo 2>/tmp/said && cat /tmp/said &&
		grep -q 'tap lo: that interface is no tap$' /tmp/said || return 1
	! mica run --kernel /guests/12/vmlinuz --net tap=a/b 2>/tmp/said && cat /tmp/said &&
		grep -q 'is not the name of an interface' /tmp/said || return 1
	mica run --kernel /guests/12/vmlinuz --net mac=02:00:00:00:00:99 && return 1
	mica run --kernel /guests/12/vmlinuz --net tap=tap0,mac=01:00:00:00:00:99
	[ $? -eq 2 ]
}

set -o pipefail
set_up
make_drivers virtio_pci virtio_net
case_is "net: host $host, packets and streams" by_the_thread
case_is "net: host $host, the same by vhost-net" by_the_kernel
case_is "net: host $host, several queues at a bridge" several_queues
case_is "net: wrong options are refused" refuses
cases_end
