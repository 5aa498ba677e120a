# SPDX-License-Identifier: GPL-2.0-or-later
# rootfs-guest.sh CASE ADDRESS tap|user: what rootfs.sh has done inside of the Debian guest, where
# this is /run/case.  ADDRESS is the host's.
here=$2
net=$3

join_tap()
{
	ip link set eth0 up && ip addr add 10.9.8.2/24 dev eth0
}

join_user()
{
	mkdir -p /run/systemd/network
	printf '[Match]\nName=eth0\n[Network]\nDHCP=ipv4\n' >/run/systemd/network/eth0.network
	systemctl start systemd-networkd && /lib/systemd/systemd-networkd-wait-online --timeout=100
}

network()
{
	"join_$net" && ip -brief address && ping -c 20 -i 0.2 "$here"
}

streams()
{
	iperf3 -c "$here" -t 5 && iperf3 -c "$here" -t 5 -R && iperf3 -c "$here" -t 5 -P 4
}

# Whole blocks, in an order by chance, many at a time, and from all CPUs.
verify()
{
	fio --name=verify --filename=/dev/vdb --ioengine=libaio --direct=1 --rw=randwrite \
		--bsrange=512-64k --blockalign=512 --iodepth=16 --numjobs=4 --size=8m --offset_increment=8m \
		--verify=crc32c --verify_fatal=1 --do_verify=1 --group_reporting &&
	fio --name=files --directory=/root --rw=randwrite --bs=4k --size=8m --numjobs=4 --fsync=16 \
		--verify=md5 --verify_fatal=1 --do_verify=1 --group_reporting
}

stress()
{
	stress-ng --cpu 4 --vm 2 --timer 4 --timeout 20 --metrics-brief
}

flood()
{
	seq 100001 104000
}

# All that is not a matter of course.  The file system's own words say "errors=remount-ro".
trouble()
{
	bad='WARNING:|BUG:|oops:|call trace|lockup|stall|hung|blocked for|unstable|inconsistent'
	bad="$bad|error|corrupt|firmware bug|nobody cared|timed out|spurious"
	known='errors=remount-ro|RAS: Correctable Errors|RETBleed: WARNING'
	# These speak of the emulated CPU.
	known="$known|Speculative Return Stack Overflow: WARNING|AMD Zen1 .* bug detected"
	dmesg | grep -i -E "$bad" | grep -v -E "$known"
}

quiet()
{
	dmesg -l emerg,alert,crit,err,warn
	! trouble
}

# systemctl waits until systemd has started all, or given up on it.
services()
{
	systemctl is-system-running --wait
	systemctl --failed --no-legend --plain
	[ -z "$(systemctl --failed --no-legend --plain)" ]
	[ "$(nproc)" -eq 4 ] && cat /sys/devices/system/clocksource/clocksource0/current_clocksource
}

"$1"
status=$?
# Not in one word: the terminal echoes what was typed, and this must not be that.
echo "case $1 ended: $status"
