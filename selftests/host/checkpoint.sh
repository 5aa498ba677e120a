#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# checkpoint.sh SERIES ROUNDS: guests into files and out of them.  responder.c is the guest of most cases;
# the last is Linux, which writes and checks a disk while it is saved and restored ROUNDS times.
. /selftests/tap.sh
. /selftests/drivers.sh
host=$1
rounds=$2
guest=/selftests/responder.elf
work=/tmp/checkpoint
file=$work/file

start()
{
	name=$1
	shift
	mica run --detach --name "$name" --kernel "$guest" --memory 4M "$@"
}

# Sends a letter to the guest and waits for a line in what comes back, which is $work/answer.
ask()
{
	: >$work/answer
	printf %s "$2" | mica console --backlog 0 "$1" >$work/answer 2>/dev/null &
	asker=$!
	soon has_answered "$3"
	grep -q "$3" $work/answer
	asked=$?
	kill $asker 2>/dev/null
	wait $asker 2>/dev/null
	return $asked
}

has_answered()
{
	grep -q "$1" $work/answer || ! kill -0 $asker 2>/dev/null
}

is_gone()
{
	! mica ps | grep -q "^$1 "
}

# The guest's TSC and PM timer.
clocks()
{
	ask "$1" t "^time .* .*" || return 1
	sed -n 's/^time \([0-9a-f]*\) \([0-9a-f]*\).*/\1 \2/p' $work/answer | head -n 1
}

# ---------------------------------------------------------------- into a file

saves()
{
	start one || return 1
	ask one a alive || return 1
	before=$(clocks one)
	mica save one $file && is_gone one && [ ! -e $file.part ] || return 1
	ls -l $file
	[ "$(stat -c %a $file)" = 600 ] && mica inspect $file && mica inspect --verify $file
}

# The program that stays with the guest ends without an error.
ends_well()
{
	mica run --name stays --kernel $guest --memory 4M --console file:$work/console </dev/null &
	runner=$!
	soon grep -q ready $work/console || return 1
	mica save stays $work/stays || return 1
	wait $runner
}

goes_on()
{
	start two || return 1
	mica save two $work/two --go-on && ask two a alive && mica kill two && soon is_gone two || return 1
	mica restore -d $work/two && ask two a alive && mica kill two
}

# ---------------------------------------------------------------- out of it

# The TSC of the new life is a second or less from the old one's: not the time between, nor back.
restores()
{
	mica restore -d $file && ask one a alive || return 1
	after=$(clocks one)
	echo "TSC and PM timer: before $before, after $after"
	first=$((0x${before% *}))
	second=$((0x${after% *}))
	[ $second -gt $first ]
}

waits()
{
	mica restore -d --paused --name three $file || return 1
	mica ps
	mica ps | grep -q '^three .*paused' && mica resume three && ask three a alive
}

# Its next life boots.
starts_anew()
{
	mica restore -d --name seven $file && ask seven a alive && mica reset seven && ask seven a alive &&
		mica kill seven
}

# One file, several guests: none writes it.
shares_file()
{
	before_sum=$(md5sum <$file)
	mica restore -d --eager --name four $file && ask four a alive && ask three a alive &&
		ask one a alive && mica kill one && mica kill three && mica kill four || return 1
	[ "$(md5sum <$file)" = "$before_sum" ]
}

# ---------------------------------------------------------------- what fails

full_disk()
{
	start five || return 1
	mkdir -p $work/small
	mount -t tmpfs -o size=16k tmpfs $work/small
	head -c 8 $file >$work/small/file
	says 4 "No space left" mica save five $work/small/file || return 1
	[ "$(wc -c <$work/small/file)" = 8 ] && [ ! -e $work/small/file.part ] && ask five a alive || return 1
	echo precious >$work/precious
	says 4 "not a checkpoint" mica save five $work/precious && [ "$(cat $work/precious)" = precious ] || return 1
	: >$work/other.part
	says 4 "other.part" mica save five $work/other && ask five a alive || return 1
	ask five a alive && mica kill five
}

bad_files()
{
	echo "not a checkpoint" >$work/bad
	says 4 "$work/bad" mica restore $work/bad || return 1
	size=$(stat -c %s $file)
	head -c $((size - 100)) $file >$work/bad
	says 4 "$work/bad" mica restore $work/bad || return 1
	cp $file $work/bad
	printf x | dd of=$work/bad bs=1 seek=$((size - 200)) conv=notrunc 2>/dev/null
	says 4 "$work/bad" mica restore $work/bad || return 1
	says 4 "No such file" mica restore $work/none
}

strangers()
{
	cp $file $work/open
	chmod 666 $work/open
	says 4 "--trust" mica restore $work/open || return 1
	mica restore -d --trust --name six $work/open && ask six a alive && mica kill six
}

# ---------------------------------------------------------------- Linux

# What is written is read back from the disk.  A line for each round.
job()
{
	cat <<-'END'
		sh /drivers.sh vda
		head -c 200000 /dev/urandom >/tmp/data
		i=0
		while [ $i -lt 60 ]; do
			dd if=/tmp/data of=/dev/vda bs=4k seek=$((i * 50)) conv=fsync 2>/dev/null || echo BAD write
			echo 3 >/proc/sys/vm/drop_caches
			dd if=/dev/vda bs=4k skip=$((i * 50)) count=49 2>/dev/null | head -c 200000 | cmp - /tmp/data ||
				echo BAD data
			echo "round $i"
			i=$((i + 1))
		done
		dmesg | grep 'BUG:\|stall\|lockup\|I/O error\|Clocksource.*unstable' && echo BAD log
		echo "all done"
	END
}

linux_runs()
{
	job >$work/initrd/job.sh
	(cd $work/initrd && find . | cpio -o -H newc) >$work/drivers.cpio 2>/dev/null
	truncate -s 16M $work/disk
	mica run -d --name linux --memory 128M --cpus 2 --kernel "/guests/$host/vmlinuz" --initrd /guests/initrd \
		--initrd $work/drivers.cpio --disk $work/disk --rng --console "file:$work/log0" --on-reset exit \
		--append 'console=ttyS0 quiet mica.exec="sh /job.sh"' && soon grep -q "round 1" $work/log0
}

linux_goes_on()
{
	round=1
	while [ $round -le "$rounds" ] && ! grep -q "all done" $work/log*; do
		mica save linux $work/linux$round &&
			mica restore -d --console "file:$work/log$round" --on-reset exit $work/linux$round || return 1
		rm -f $work/linux$((round - 1))
		soon grep -q "round" $work/log$round || return 1
		round=$((round + 1))
	done
	soon grep -q "all done" $work/log*
	cat $(ls -tr $work/log*) | tr -d '\r' >$work/said
	grep "round\|BAD\|done" $work/said >$work/all
	grep -v "^round" $work/said
	echo "$((round - 1)) times saved and restored"
	seq 0 59 | sed 's/^/round /' >$work/expected
	echo "all done" >>$work/expected
	cmp $work/all $work/expected
}

# It has been at that disk since, and then it is another.
changed_disk()
{
	start eight --disk $work/disk && mica save eight $work/eight && mica restore -d $work/eight &&
		ask eight a alive && mica save eight $work/eight || return 1
	mv $work/disk $work/away
	cp $work/away $work/disk
	says 4 "$work/disk was changed" mica restore $work/eight || return 1
	mica restore -d --any-disk $work/eight && ask eight a alive && mica kill eight || return 1
	mv $work/away $work/disk
	mica restore -d $work/eight && ask eight a alive && mica kill eight
}

# A host measures its TSC a second time when it has just booted; a checkpoint keeps the frequency.
measures_tsc()
{
	case $(cat /sys/devices/system/clocksource/clocksource0/current_clocksource) in
	tsc-early) return 1 ;;
	esac
}

mkdir -p $work/initrd
soon measures_tsc
case_is "save: the guest is in a file, and ended" saves
case_is "save: status 0 for who stays with the guest" ends_well
case_is "save: --go-on" goes_on
case_is "restore: it goes on where it was" restores
case_is "restore: --paused, and another name" waits
case_is "restore: a file for several guests" shares_file
case_is "restore: a reset" starts_anew
case_is "save: a disk that is full" full_disk
case_is "restore: files that are no good" bad_files
case_is "restore: others' files" strangers
make_drivers virtio_pci virtio_blk virtio_rng
case_is "Linux: two CPUs, a disk" linux_runs
case_is "Linux: in and out of files" linux_goes_on
case_is "Linux: not with a disk that has changed" changed_disk
cases_end
