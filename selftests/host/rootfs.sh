#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# rootfs.sh HOST ROOT [short|qcow2]: Debian 12 with systemd, four vCPUs, two disks and a network
# card.  Somebody logs in at its serial console and works.  ROOT is the disk with the root file
# system; the disk after it is for fio.  The guest gets its drivers from the host's modules: both
# run the same kernel.
#	short	the boot only
#	qcow2	ROOT has a qcow2 image, and qemu-nbd serves it; the network is passt's, else a tap
. /selftests/tap.sh
. /selftests/drivers.sh
host=$1
root=$2
how=$3
work=/tmp/rootfs
here=10.9.8.1		# the host, for the guest
log=$work/console

# passt changes its root, which it cannot where that is the first file system of a Linux: so all of
# this goes on where that is mounted once more, over itself.
if [ "$how" = qcow2 ] && [ -z "$ROOTFS_SH_MOVED" ]; then
	mkdir -p /moved
	mount --rbind / /moved && cd /moved && mount --move . / || exit 1
	ROOTFS_SH_MOVED=1 exec chroot . /bin/sh "$0" "$@"
fi

set_up()
{
	modprobe virtio_pci
	modprobe virtio_blk
	modprobe ata_piix
	modprobe sd_mod
	modprobe ext4
	modprobe tun
	[ -c /dev/net/tun ] || { mkdir -p /dev/net && mknod /dev/net/tun c 10 200; }
	until [ -b "$root" ] && [ -b "$spare" ]; do sleep 0.2; done
	name_disks
	tunctl -t tap0 && ifconfig tap0 $here netmask 255.255.255.0 up || return 1
	[ "$how" != qcow2 ] || prepare_passt
}

# The kernel looks at several channels of IDE at once, and names disks as it finds them; their
# addresses are in order.  The first disk is the host's own.
name_disks()
{
	case $root in
	/dev/sd*)
		set -- /sys/class/scsi_device/*/device/block/*
		root=/dev/${2##*/}
		spare=/dev/${3##*/} ;;
	esac
	root_disk=$root
	lent=$root
}

# passt gives its guest the address of the host's card, here that of the tap.  So the guest needs
# another one for the host.
prepare_passt()
{
	route add default gw 10.9.8.254
	here=10.7.7.7
	ifconfig lo 127.0.0.1 up && ifconfig lo:1 $here netmask 255.255.255.255 up
	echo "0 2147483647" >/proc/sys/net/ipv4/ping_group_range
	net=user
	net_option=user
}

servers_end()
{
	while pidof qemu-nbd; do sleep 0.2; done
}

# The host looks into the image first, as a client of its own.
lend_image()
{
	mkdir -p /var/tmp /var/lock
	modprobe nbd
	until [ -b /dev/nbd0 ]; do sleep 0.2; done
	qemu-nbd -r -f qcow2 -c /dev/nbd0 "$root" || return 1
	until [ "$(cat /sys/block/nbd0/size)" -gt 0 ]; do sleep 0.2; done
	lent=/dev/nbd0
}

serve_image()
{
	qemu-nbd -d /dev/nbd0 && servers_end || return 1
	qemu-nbd --fork -f qcow2 --discard=unmap -k $work/root.sock "$root" || return 1
	root_disk=nbd:unix:$work/root.sock
}

# The other end of the streams is the guest's own program, with its libraries.
serve_streams()
{
	mkdir -p $work/lent $work/iperf
	[ "$how" != qcow2 ] || lend_image || return 1
	mount -t ext4 -o ro,noload "$lent" $work/lent || return 1
	cp $work/lent/usr/bin/iperf3 $work/iperf/ || return 1
	for name in ld-linux-x86-64.so.2 libiperf.so.0 libsctp.so.1 libssl.so.3 libcrypto.so.3 \
			libm.so.6 libc.so.6; do
		cp -L "$work/lent/usr/lib/x86_64-linux-gnu/$name" $work/iperf/ || return 1
	done
	umount $work/lent && { [ "$how" != qcow2 ] || serve_image; } || return 1
	$work/iperf/ld-linux-x86-64.so.2 --library-path $work/iperf $work/iperf/iperf3 -s >$work/served 2>&1 &
}

# Linux takes the initrd's /init; ours leaves it for the disk's systemd.
make_initrd()
{
	make_drivers virtio_pci virtio_blk virtio_net virtio_rng ext4
	cp /selftests/rootfs-guest.sh $work/initrd/case
	cat >$work/initrd/enter <<-'END'
		#!/bin/sh
		export PATH=/usr/sbin:/usr/bin:/sbin:/bin
		mount -t proc proc /proc
		mount -t sysfs sysfs /sys
		mount -t devtmpfs dev /dev
		sh /drivers.sh vdb
		mount -t ext4 /dev/vda /mnt
		mount -t tmpfs -o mode=755 tmpfs /mnt/run
		cp /case /mnt/run/case
		umount /proc /sys
		mount --move /dev /mnt/dev
		exec switch_root /mnt /sbin/init
	END
	chmod 755 $work/initrd/enter
	(cd $work/initrd && find . | cpio -o -H newc) >$work/drivers.cpio 2>/dev/null
}

# What the console says, as comments, while it says it; without the numbers of the flood.
follow()
{
	while read -r line; do
		case $line in
		10[0-4][0-9][0-9][0-9]*) ;;
		*) echo "#   ${line%"$cr"}" ;;
		esac
	done
}

# QEMU's TSC is the same on all CPUs and never stops, but its CPU cannot say so (no invariant TSC),
# nor does CPUID name its frequency, which then is measured by the PIT.  Linux without a TSC reads
# the PM timer all the time, an exit to user space each.
tsc_words()
{
	[ "$LAB_EMULATOR" = qemu ] || return
	echo tsc=reliable
	dmesg | sed -n 's/.*tsc: Detected \([0-9]*\)\.\([0-9]*\) MHz.*/tsc_early_khz=\1\2/p' | tail -n 1
}

start()
{
	mkfifo $work/keys
	mica run --memory 512M --cpus 4 --kernel "/guests/$host/vmlinuz" --initrd /guests/initrd \
		--initrd $work/drivers.cpio --disk "$root_disk" --disk "$spare" --rng \
		--net $net_option --stats \
		--append "console=ttyS0 rdinit=/enter root=/dev/vda net.ifnames=0 $(tsc_words | tr '\n' ' ')" \
		<$work/keys >$log 2>&1 &
	guest_pid=$!
	exec 3>$work/keys
	tail -f $log | follow >&4 &
	follow_pid=$!
}

# wait_for EXPRESSION SECONDS: it stands in what the console has said since `mark'.
mark()
{
	marked=$(wc -c <$log)
}

# Without what is only for terminals: bash says before each prompt that it wants pastes marked.
since_mark()
{
	tail -c "+$((marked + 1))" $log | tr -d '\r' | sed "s/$esc\\[[?0-9;]*[A-Za-z]//g"
}

wait_for()
{
	tries=$2
	until since_mark | grep -q "$1"; do
		tries=$((tries - 1))
		if [ $tries -eq 0 ] || ! kill -0 $guest_pid 2>/dev/null; then
			kill -0 $guest_pid || echo "mica has ended"
			echo "no '$1' in $2 seconds"
			return 1
		fi
		sleep 1
	done
}

boots()
{
	marked=0
	start
	wait_for ' login: *$' 900 || return 1
	mark
	echo root >&3
	wait_for '^root@.*# *$' 300
}

# inside CASE SECONDS: the guest does it; what it says goes where all that it says goes.
inside()
{
	mark
	echo "sh /run/case $1 $here $net" >&3
	wait_for "^case $1 ended: " "$2" && since_mark | grep -q "^case $1 ended: 0\$"
}

network()
{
	inside network 120 && since_mark | grep -q ' 20 received, 0% packet loss'
}

flood()
{
	inside flood 600 || return 1
	since_mark | grep -E '^10[0-4][0-9]{3}$' >$work/flood
	seq 100001 104000 | diff - $work/flood || ! since_mark | grep -n -v -E '^10[0-4][0-9]{3}$'
}

# What the guest has written is in the image, whose own tables are right.
image_is_whole()
{
	servers_end
	qemu-img check -f qcow2 "$root"
}

powers_off()
{
	mark
	echo 'systemctl poweroff' >&3
	wait_for 'reboot: Power down' 300 || return 1
	wait $guest_pid
	status=$?
	echo "status $status"
	[ $status -eq 0 ]
}

works()
{
	case_is "rootfs: ping" network
	case_is "rootfs: streams both ways" inside streams 300
	case_is "rootfs: fio verifies what it wrote" inside verify 600
	case_is "rootfs: stress of CPUs, memory and timers" inside stress 300
	case_is "rootfs: a flood of output arrives whole" flood
}

set -o pipefail
exec 4>&1
cr=$(printf '\r')
esc=$(printf '\033')
trap '' PIPE		# of a guest that has ended; the case fails
case $root in
*a) spare=${root%a}b ;;
*b) spare=${root%b}c ;;
esac
net=tap
net_option=tap=tap0
mkdir -p $work
case_is "rootfs: host $host, disks and network are there" set_up
[ "$how" = short ] || case_is "rootfs: a server for streams" serve_streams
make_initrd
case_is "rootfs: login" boots
if [ "$tap_failed" -eq 0 ]; then	# else there is nobody to work
	case_is "rootfs: services" inside services 600
	[ "$how" = short ] || works
	case_is "rootfs: nothing bad in the log" inside quiet 60
	case_is "rootfs: power-off" powers_off
	[ "$how" != qcow2 ] || case_is "rootfs: the image is whole" image_is_whole
fi
kill $guest_pid 2>/dev/null
kill $follow_pid
cases_end
