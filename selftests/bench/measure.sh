#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Runs in the lab host: the same guests first on KVM, then on Mica.  Each figure is a line
# "VMM NAME INSTRUCTIONS"; anything else that is printed is for people.
#	measure.sh exits	what single operations cost, by the kernel in kernel/
#	measure.sh boot		a Debian guest, from the VMM's start to its end
#	measure.sh checkpoint	a guest of 256 MiB that does nothing, into a file and on from it
#	measure.sh devices	a disk's reads, a network card's frames, IPIs, timer ticks, by the
#				kernel too; KVM's in several configurations of QEMU
# shellcheck disable=SC2086 # $qemu and $kvm_module are words
set -u
what=$1
work=/tmp/bench
failed=0
qemu="qemu-system-x86_64 -nodefaults -display none -monitor none -machine pc,accel=kvm -cpu host"
# Without QEMU's helper for Windows XP, which makes a TPR access an exit to user space.
qemu="$qemu -global kvm-apic.vapic=off -no-reboot -serial stdio"
qemu="$qemu -device isa-debug-exit,iobase=0xf4,iosize=4"

# With APIC virtualization KVM's guests do not get through on Bochs.
case $LAB_CPU in
svm) kvm_module="kvm_amd" ;;
*) kvm_module="kvm_intel enable_apicv=0" ;;
esac
mkdir -p $work

fail()
{
	echo "measure.sh: $1"
	failed=1
}

# run VMM NAME WANTED-STATUS COMMAND...: counts it; its output is in $work/out
run()
{
	vmm=$1 name=$2 wanted=$3
	shift 3
	count-instructions $work/count "$@" >$work/out 2>$work/err
	status=$?
	if [ $status -ne "$wanted" ]; then
		fail "$vmm $name ended with status $status, not $wanted:"
		tail -n 5 $work/out $work/err
		return 1
	fi
	[ -z "$name" ] || echo "$vmm $name $(cat $work/count)"
}

exits()
{
	vmm=$1
	shift
	run "$vmm" "" 1 "$@" || return
	tr -d '\r' <$work/out | grep -E '^[a-z0-9-]+ [0-9]+$' | sed "s/^/$vmm /"
}

# Ports that the kernel answers: no VMM beside it.
kernel_ports()
{
	port-costs "$1" >$work/out 2>&1 || { fail "$1, port-costs: $(cat $work/out)"; return; }
	sed "s/^/$1 /" $work/out
}

# The second of two runs: the first brings the program's pages into memory.
start_and_end()
{
	vmm=$1
	shift
	run "$vmm" "" 1 "$@" && run "$vmm" start-and-end 1 "$@"
}

# A disk that completes its reads later, by a softirq, and a wire to a program that answers.
set_up_devices()
{
	modprobe null_blk gb=1 irqmode=1 no_sched=1 || fail "no null_blk"
	modprobe tun
	modprobe vhost_net
	echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6
	[ -c /dev/net/tun ] || { mkdir -p /dev/net && mknod /dev/net/tun c 10 200; }
	tunctl -t tap0 >/dev/null && ifconfig tap0 up || fail "no tap0"
	net-answer tap0 &
	answerer=$!
}

# device VMM VARIANT COMMAND...
device()
{
	vmm=$1
	echo "# $vmm: $2"
	shift 2
	exits "$vmm" "$@"
}

devices_on_kvm()
{
	guest="$qemu -m 128 -kernel /bench/kernel"
	for aio in native io_uring; do
		for poll in 0 32768; do
			device kvm "disk, aio=$aio, poll-max-ns=$poll" $guest -append disk \
				-object iothread,id=io,poll-max-ns=$poll \
				-drive if=none,id=d,file=/dev/nullb0,format=raw,cache=none,aio=$aio \
				-device virtio-blk-pci,drive=d,iothread=io
		done
	done
	for vhost in on off; do
		device kvm "net, vhost=$vhost" $guest -append net \
			-netdev tap,id=n,ifname=tap0,script=no,downscript=no,vhost=$vhost \
			-device virtio-net-pci,netdev=n,romfile=
	done
	device kvm "two CPUs" $guest -append ipi -smp 2
	device kvm "tick" $guest -append tick
}

devices_on_mica()
{
	guest="mica run --memory 128M --kernel /bench/kernel"
	device mica "disk" $guest --append disk --disk /dev/nullb0
	device mica "net" $guest --append net --net tap=tap0,vhost=on
	device mica "two CPUs" $guest --append ipi --cpus 2
	device mica "tick" $guest --append tick
}

boot()
{
	vmm=$1 wanted=$2
	shift 2
	run "$vmm" boot "$wanted" "$@" || return
	grep -q '^Linux ' $work/out || fail "$vmm: the guest has not come to its uname"
}

# count VMM NAME COMMAND...: what it costs; no output is looked at but by --until.
count()
{
	vmm=$1 name=$2
	shift 2
	if count-instructions $work/count "$@" >$work/out 2>$work/err; then
		echo "$vmm $name $(cat $work/count)"
	else
		fail "$vmm $name failed:"
		tail -n 5 $work/out $work/err
	fi
}

# background WORD COMMAND...: a guest that has said that word twenty times: it is at rest.
background()
{
	word=$1
	shift
	rm -f $work/console
	"$@" </dev/null >$work/console 2>&1 &
	until [ "$(grep -c "$word" $work/console 2>/dev/null)" -ge 20 ] 2>/dev/null; do
		sleep 0.1
	done
}

# Nothing limits the stream.  QEMU tells the downtime in milliseconds, of a million instructions
# each, and ends when the file is complete.
checkpoint_on_kvm()
{
	mkfifo $work/monitor.in $work/monitor.out
	guest="$qemu -m 256 -kernel /guests/12/vmlinuz -initrd /guests/initrd"
	background idle $guest -append "$idle" -chardev pipe,id=m,path=$work/monitor -mon chardev=m
	exec 3>$work/monitor.in
	cat >$work/script <<-END
		migrate_set_parameter max-bandwidth 100G
		migrate "exec:cat >$work/checkpoint"
		info migrate
		quit
	END
	count kvm save sh -c "cat $work/script >&3; cat $work/monitor.out >$work/monitor.log"
	exec 3>&-
	awk '/^downtime:/ { print "kvm pause " $2 * 1000000 }' $work/monitor.log
	echo "# QEMU's file: $(stat -c %s $work/checkpoint) bytes"
	count kvm restore --until idle $guest -append "$idle" -incoming "exec:cat $work/checkpoint"
	rm $work/checkpoint
}

# What `mica save --live` says of the pause, in instructions: a nanosecond is one.
checkpoint_on_mica()
{
	background idle mica run --name idle --memory 256M --kernel /guests/12/vmlinuz \
		--initrd /guests/initrd --append "$idle"
	count mica save mica save idle $work/checkpoint
	echo "# Mica's file: $(du -k $work/checkpoint)"
	count mica restore --until idle mica restore $work/checkpoint
	rm $work/checkpoint
	for size in 64 4096; do
		background chatter mica run --name chatter --memory ${size}M --kernel /bench/kernel \
			--append chatter
		mica save chatter $work/checkpoint || fail "no checkpoint of the guest of $size MiB"
		count mica first-$size --until chatter mica restore $work/checkpoint
		count mica first-$size --until chatter mica restore $work/checkpoint
	done
}

on_kvm()
{
	modprobe $kvm_module || { fail "no $kvm_module"; return; }
	case $what in
	exits)
		exits kvm $qemu -m 128 -kernel /bench/kernel
		kernel_ports kvm
		start_and_end kvm $qemu -m 128 -kernel /bench/kernel -append quick ;;
	boot)
		boot kvm 0 $qemu -m 256 -kernel /guests/12/vmlinuz -initrd /guests/initrd \
			-append "$guest" ;;
	checkpoint)
		checkpoint_on_kvm ;;
	devices)
		devices_on_kvm ;;
	esac
	modprobe -r "${kvm_module%% *}"
}

on_mica()
{
	case $what in
	exits)
		exits mica mica run --memory 128M --kernel /bench/kernel
		kernel_ports mica
		start_and_end mica mica run --memory 128M --kernel /bench/kernel --append quick ;;
	boot)
		boot mica 8 mica run --memory 256M --kernel /guests/12/vmlinuz \
			--initrd /guests/initrd --append "$guest" ;;
	checkpoint)
		checkpoint_on_mica ;;
	devices)
		devices_on_mica ;;
	esac
}

guest="console=ttyS0 quiet mica.end=reboot"
idle="console=ttyS0 quiet mica.exec=\"while sleep 0.1; do echo idle; done\""
[ "$what" != devices ] || set_up_devices
on_kvm
on_mica
[ "$what" != devices ] || kill $answerer
exit $failed
