#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# vsock.sh HOST: a guest with stream sockets to the host.  Programs of both sides connect, and
# streams in both directions at once arrive as they were sent.  Needs /selftests/vsocktalk,
# static: the guest runs it too.
. /selftests/tap.sh
. /selftests/drivers.sh
host=$1
work=/tmp/vsock
talk=/selftests/vsocktalk

# The guest connects to port 5000 of the host; then the host to port 6000 of the guest.  It tries
# until the guest listens; before that it is refused.
talks()
{
	head -c 3000000 /dev/urandom >$work/down
	head -c 1000000 /dev/urandom >$work/again
	$talk serve $work/s_5000 <$work/down >$work/up &
	{
		until [ -e $work/first ]; do sleep 0.2; done
		until $talk dial $work/s 6000 <$work/again >$work/echo; do sleep 0.2; done
	} &
	guest --vsock cid=77,path=$work/s -- "sh /drivers.sh
		head -c 2000000 /dev/urandom >/tmp/up
		sha256sum /tmp/up
		/vsocktalk connect 2 5001 </tmp/up
		/vsocktalk connect 99 5000 </tmp/up
		/vsocktalk connect 2 5000 </tmp/up | sha256sum
		echo first
		/vsocktalk listen 6000 </tmp/up | sha256sum" |
	while read -r line; do
		echo "$line"
		[ "$line" != first ] || touch $work/first
	done >$work/out || return 1
	cat $work/out
	wait
	[ "$(grep -c '^vsocktalk: connect: Connection reset by peer' $work/out)" -eq 2 ] || return 1
	grep -q "^$(sha256sum <$work/down | cut -c1-64)  -" $work/out || return 1
	grep -q "^$(sha256sum <$work/up | cut -c1-64)  /tmp/up" $work/out || return 1
	grep -q "^$(sha256sum <$work/again | cut -c1-64)  -" $work/out || return 1
	grep -q "^$(sha256sum <$work/echo | cut -c1-64)  /tmp/up" $work/out || return 1
	[ ! -e $work/s ]
}

refuses()
{
	mica run --kernel /guests/12/vmlinuz --vsock path=/missing/s && return 1
	mica run --kernel /guests/12/vmlinuz --vsock path=$work/s,cid=2 && return 1
	mica run --kernel /guests/12/vmlinuz --vsock cid=3
	[ $? -eq 2 ]
}

set -o pipefail
make_drivers virtio_pci vmw_vsock_virtio_transport
cp $talk $work/initrd/vsocktalk
case_is "vsock: host $host, streams in both directions" talks
case_is "vsock: wrong options are refused" refuses
cases_end
