# SPDX-License-Identifier: GPL-2.0-or-later
# Sourced by scripts whose guest needs modules: it gets them from the host, which must run
# the same kernel.  Needs $work, a directory, and $host, the kernel's series.
#	make_drivers NAME...		an initrd with them; `sh /drivers.sh [DISK [OPTION]]` in the
#					guest inserts them, virtio_pci with the option, and
#					waits for the disk
#	guest OPTION... -- COMMAND	runs `mica` with it; what the guest prints.  $keys is a file or
#					pipe that is typed

# What is needed, in the order in which it must be inserted.
driver_files()
{
	for name; do
		modprobe -D "$name"
	done | sed -n 's/^insmod //p' | awk '!seen[$1]++ { print $1 }'
}

make_drivers()
{
	number=100
	mkdir -p "$work/initrd/modules"
	for path in $(driver_files "$@"); do
		cp "$path" "$work/initrd/modules/$number-${path##*/}"
		number=$((number + 1))
	done
	cat >"$work/initrd/drivers.sh" <<-'END'
		for module in /modules/*.ko; do
			case $module in
			*-virtio_pci.ko) insmod $module $2 ;;
			*) insmod $module ;;
			esac
		done
		[ -z "$1" ] || while [ ! -b /dev/$1 ]; do sleep 0.1; done
	END
}

guest()
{
	options=
	while [ "$1" != -- ]; do
		options="$options $1"
		shift
	done
	printf '%s\n' "$2" >"$work/initrd/job.sh"
	(cd "$work/initrd" && find . | cpio -o -H newc) >"$work/drivers.cpio" 2>/dev/null
	# shellcheck disable=SC2086 # options are words
	mica run --memory 256M --kernel "/guests/$host/vmlinuz" --initrd /guests/initrd \
		--initrd "$work/drivers.cpio" $options \
		--append "console=ttyS0 quiet mica.exec=\"sh /job.sh\"" <"${keys:-/dev/null}" 2>&1 | tr -d '\r'
}
