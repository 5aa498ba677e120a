#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# share.sh HOST: a guest with a directory of the host, by virtiofsd (--copy, at the same place).
. /selftests/tap.sh
. /selftests/drivers.sh
host=$1
work=/tmp/share

for virtiofsd in /usr/libexec/virtiofsd /usr/lib/qemu/virtiofsd none; do
	[ -x $virtiofsd ] && break
done
[ $virtiofsd != none ] || {
	echo "1..0 # SKIP no virtiofsd on the build machine: it is in qemu-system-common or virtiofsd"
	exit 0
}

# virtiofsd changes its root, which cannot be done from the first file system of a Linux: so the
# script goes on where that is mounted once more, over itself.
if [ -z "$SHARE_SH_MOVED" ]; then
	mkdir -p /moved
	mount --rbind / /moved && cd /moved && mount --move . / || exit 1
	SHARE_SH_MOVED=1 exec chroot . /bin/sh "$0" "$@"
fi

# Files of both sides; a second mount, which is a new session for virtiofsd, and a new driver,
# which takes the queues back and hands them over again.
shares()
{
	mkdir -p $work/dir/sub
	head -c 3000000 /dev/urandom >$work/dir/down
	# A name as the shell's own folder has it.
	cd $work || return 1
	guest --share dir,tag=home -- "sh /drivers.sh
		mount -t virtiofs home /mnt || exit 1
		sha256sum /mnt/down
		head -c 2000000 /dev/urandom >/mnt/sub/up
		ln -s up /mnt/sub/link
		mv /mnt/sub /mnt/moved
		sha256sum </mnt/moved/link
		umount /mnt && mount -t virtiofs home /mnt && ls /mnt/moved | wc -l
		rm /mnt/moved/link; umount /mnt
		rmmod virtiofs && insmod /modules/*-virtiofs.ko && mount -t virtiofs home /mnt &&
			head -c 10 /mnt/moved/up | wc -c
		umount /mnt
		mount -t virtiofs nobody /mnt" >$work/out || return 1
	cat $work/out
	grep -q "^$(sha256sum <$work/dir/down | cut -c1-64)  /mnt/down" $work/out || return 1
	grep -q "^$(sha256sum <$work/dir/moved/up | cut -c1-64)  -" $work/out || return 1
	grep -q '^2$' $work/out || return 1
	grep -q '^10$' $work/out || return 1
	[ ! -e $work/dir/moved/link ]
}

# virtiofsd has gone with its guest, or is about to.
is_gone()
{
	for wait in 1 2 3 4 5 6 7 8 9 10; do
		pidof virtiofsd || return 0
		sleep 0.5
	done
	return 1
}

# A virtiofsd that somebody else has started.
joins()
{
	echo "from the host" >$work/dir/note
	$virtiofsd --socket-path=$work/socket -o source=$work/dir &
	until [ -S $work/socket ]; do sleep 0.2; done
	guest --share socket=$work/socket,tag=work -- "sh /drivers.sh
		mount -t virtiofs work /mnt && cat /mnt/note" >$work/out || return 1
	cat $work/out
	wait
	grep -q '^from the host$' $work/out
}

# The program that a guest in the background leaves behind has nothing that somebody waits for.
detaches()
{
	timeout 100 sh -c "mica run -d --name away --memory 128M --kernel /guests/12/vmlinuz \
		--share $work/dir,tag=t 2>&1 | cat" || return 1
	pidof virtiofsd && mica kill away && is_gone
}

# What virtiofsd says is in the message, and what to do.
explains()
{
	[ $virtiofsd = /usr/lib/qemu/virtiofsd ] || return 0
	su -s /bin/sh mica -c "mica run --control none --kernel /guests/12/vmlinuz --share /tmp,tag=t" \
		>$work/said 2>&1 && return 1
	cat $work/said
	[ "$(wc -l <$work/said)" -eq 1 ] &&
		grep -q "share of '/tmp': virtiofsd does not serve it: [^:]*failed.*; that of " $work/said &&
		grep -q "must be started by root" $work/said
}

refuses()
{
	mica run --kernel /guests/12/vmlinuz --share $work/out,tag=t && return 1
	mica run --kernel /guests/12/vmlinuz --share $work/missing,tag=t && return 1
	mica run --kernel /guests/12/vmlinuz --share socket=$work/missing,tag=t && return 1
	mica run --kernel /guests/12/vmlinuz --share $work/dir
	[ $? -eq 2 ]
}

set -o pipefail
make_drivers virtio_pci virtiofs
case_is "share: host $host, files of both sides" shares
case_is "share: host $host, virtiofsd ends with the guest" is_gone
case_is "share: host $host, a virtiofsd of somebody else" joins
case_is "share: a guest in the background" detaches
case_is "share: a user's virtiofsd that must be root's" explains
case_is "share: wrong options are refused" refuses
cases_end
