# SPDX-License-Identifier: GPL-2.0-or-later
# Sourced by sandbox.sh: a Linux guest that has all devices, under the tracer.  It uses them, gets more
# while it runs, is reset with its drivers at work, and uses them again.
# $missing names what the build machine lacks for that.
missing=
uid=$(id -u mica)
console=$work/linux
disks="vdb vdc"		# those that come later, as the guest names them
card=eth2
linux=none		# its process
linux_options="--disk $work/disk --net tap=tap0,queues=2 --net tap=tap1,vhost=on --rng --balloon"
linux_options="$linux_options --vsock cid=77,path=$work/vsock --port name=echo,socket=$work/port"
linux_options="$linux_options --port name=full,file=/dev/full"

# What the host has for the guest: taps, one of two queues, one for vhost-net, one for later; a
# loop device for later.
set_up_host()
{
	modprobe tun && modprobe vhost_net && modprobe loop || return 1
	[ -c /dev/net/tun ] || { mkdir -p /dev/net && mknod /dev/net/tun c 10 200; }
	chmod 666 /dev/net/tun /dev/vhost-net
	/selftests/sandbox-tool tap tap0 "$uid" && tunctl -t tap1 && tunctl -t tap2 &&
		ifconfig tap0 192.168.77.1 netmask 255.255.255.0 up &&
		ifconfig tap1 192.168.78.1 netmask 255.255.255.0 up && ifconfig tap2 up || return 1
	truncate -s 4M $work/hot $work/looped
	chown mica $work/hot
	loop=$(losetup -f) && losetup "$loop" $work/looped && chmod 666 "$loop"
}

# Sockets of root's programs are the user's: who serves must not be who is served.
serve_share()
{
	for virtiofsd in /usr/libexec/virtiofsd /usr/lib/qemu/virtiofsd none; do
		[ -x $virtiofsd ] && break
	done
	[ $virtiofsd != none ] || { missing="$missing virtiofsd"; return 0; }
	mkdir -p $work/shared
	$virtiofsd --socket-path=$work/fs -o source=$work/shared >$work/virtiofsd.out 2>&1 &
	soon [ -S $work/fs ] && chown mica $work/fs || return 1
	linux_options="$linux_options --share socket=$work/fs,tag=home"
}

serve_nbd()
{
	command -v qemu-nbd >/dev/null || { missing="$missing qemu-nbd"; return 0; }
	mkdir -p /var/lock /var/tmp
	truncate -s 4M $work/exported
	qemu-nbd --fork --pid-file=$work/nbd.pid -f raw --discard=unmap -k $work/nbd $work/exported &&
		chown mica $work/nbd || return 1
	linux_options="$linux_options --disk nbd:unix:$work/nbd,id=far"
	disks="vdc vdd"
}

# passt asks the host for its own way to the network.
serve_user()
{
	command -v passt >/dev/null || { missing="$missing passt"; return 0; }
	ifconfig lo 127.0.0.1 up && route add default gw 192.168.77.254 || return 1
	linux_options="$linux_options --net user"
	card=eth3
}

set_up_linux()
{
	set_up_host && serve_share && serve_nbd && serve_user
}

# What the guest does.  "write through" has a vCPU flush a disk.  The host says which life it is.  At
# the end of the first one all devices are at work, but for vsock, whose driver goes while a
# connection is open.
write_job()
{
	cp /selftests/sandbox-tool /selftests/vsocktalk "$work/initrd/"
	echo "disks='$disks' card=$card" >"$work/initrd/job.sh"
	cat >>"$work/initrd/job.sh" <<-'END'
		comes() {
			until [ -e /sys/$1 ]; do sleep 0.1; done
		}
		disk() {
			dd if=/dev/urandom of=/dev/$1 bs=64k count=8 conv=fsync &&
				dd if=/dev/$1 of=/dev/null bs=64k count=8 iflag=direct &&
				blkdiscard -o 1048576 -l 1048576 /dev/$1 && /sandbox-tool zero /dev/$1 65536 &&
				echo "write through" >/sys/block/$1/cache_type && echo "DISK $1 is good"
		}
		sh /drivers.sh vda
		ip addr add 192.168.77.2/24 dev eth0; ip link set eth0 up
		ip addr add 192.168.78.2/24 dev eth1; ip link set eth1 up
		ping -c 3 192.168.77.1 && ping -c 3 192.168.78.1 && echo CARDS are good
		[ $card = eth2 ] || { ip link set eth2 up; udhcpc -i eth2 -n -q -t 5 -s /bin/true; }
		echo RANDOM $(head -c 16 /dev/hwrng | wc -c)
		mount -t virtiofs home /mnt && echo shared >/mnt/note && cat /mnt/note
		disk vda
		[ "$disks" = "vdb vdc" ] || disk vdb
		comes class/virtio-ports/vport*p1/name
		echo hello >/dev/$(cd /sys/class/virtio-ports; echo vport*p1)
		comes class/virtio-ports/vport*p2/name
		echo lost >/dev/$(cd /sys/class/virtio-ports; echo vport*p2)
		life=$(echo to the host | /vsocktalk connect 2 5000)
		echo LIFE $life
		[ "$life" = first ] || exit 0
		for next in $disks; do
			comes block/$next/mq && disk $next
		done
		comes class/net/$card && echo CARD is there
		echo to the host | /vsocktalk listen 6000
		(sleep 1000 | /vsocktalk connect 2 5001 >/tmp/held) &
		until [ -s /tmp/held ]; do sleep 0.2; done
		driver=/sys/bus/virtio/drivers/vmw_vsock_virtio_transport
		for device in $driver/virtio*; do
			echo ${device##*/} >$driver/unbind
		done
		echo ALL is done
		while dd if=/dev/vda of=/dev/null bs=64k count=8 iflag=direct 2>/dev/null; do sleep 1; done
	END
	(cd "$work/initrd" && find . | cpio -o -H newc) >"$work/drivers.cpio" 2>/dev/null
}

# For 10 minutes, and as long as the guest runs.
awaits()
{
	deadline=$(($(cut -d. -f1 /proc/uptime) + 600))
	until tr -d '\r' <$console | grep "$1"; do
		[ -d /proc/"$linux" ] && [ "$(cut -d. -f1 /proc/uptime)" -lt $deadline ] ||
			{ echo "in vain: $1"; return 1; }
		sleep 0.2
	done
}

# One that the guest connects to, and who reads its port.
listens()
{
	rm -f $work/vsock_5000
	as_mica "echo $1 | vsocktalk serve $work/vsock_5000" >$work/heard &
	# The reset ends its first connection.
	until timeout 600 portcat $work/port 6b </dev/null >$work/port.out || [ $? -ne 1 ]; do
		sleep 0.2
	done 2>/dev/null &
}

linux_starts()
{
	write_job
	listens first
	as_mica "mica run -d --name linux --memory 256M --cpus 2 --kernel /guests/$host/vmlinuz \
		--initrd /guests/initrd --initrd $work/drivers.cpio $linux_options --console file:$console \
		--append 'console=ttyS0 quiet no_timer_check mica.exec=\"sh /job.sh\"'" || return 1
	linux=$(as_mica "mica ps --json" | jsonget '$[0].pid')
	awaits '^LIFE first'
}

linux_works()
{
	cat $console
	tr -d '\r' <$console >$work/printed
	soon grep '^to the host' $work/heard && soon grep '^hello' $work/port.out &&
		grep '^CARDS are good' $work/printed && grep '^RANDOM 16' $work/printed &&
		grep '^DISK vda is good' $work/printed
}

# Disks, one of them a block device, and a card, which go again: one by force.
linux_grows()
{
	[ -d /proc/"$linux" ] || return 1
	as_mica mica attach linux --disk $work/hot,id=hot && awaits "^DISK ${disks% *} is good" &&
		as_mica mica attach linux --disk "$loop",id=loop && awaits "^DISK ${disks#* } is good" &&
		as_mica mica attach linux --net tap=tap2,id=card && awaits '^CARD is there' &&
		as_mica mica detach linux card && as_mica mica detach linux hot --force &&
		as_mica mica detach linux loop || return 1
	until echo hi | as_mica "vsocktalk dial $work/vsock 6000"; do
		[ -d /proc/"$linux" ] || return 1
		sleep 0.2
	done
	as_mica "{ echo held; sleep 1000; } | vsocktalk serve $work/vsock_5001" &
	awaits '^ALL is done'
}

linux_again()
{
	[ -d /proc/"$linux" ] || return 1
	listens again
	as_mica mica reset linux && awaits '^LIFE again' && linux_works ||
		{ cat $work/virtiofsd.out; return 1; }
	soon [ ! -d /proc/"$linux" ]
}
