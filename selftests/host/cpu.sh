#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# cpu.sh GUEST [many]: what a guest's Linux finds out about its CPUs and their arrangement; what
# is refused.  `many`: 12 and 16 vCPUs instead.
. /selftests/tap.sh
guest=$1
export work=/tmp/cpu
mkdir -p $work/initrd

# One line for each CPU, then its flags and name, and what the kernel complains of.
cat >$work/initrd/job.sh <<'END'
cd /sys/devices/system/cpu
for cpu in $(ls -d cpu[0-9]* | sort -n -k 1.4); do
	echo "$cpu: socket $(cat $cpu/topology/physical_package_id)" \
		"core $(cat $cpu/topology/core_id)" \
		"threads $(cat $cpu/topology/thread_siblings_list)" \
		"package $(cat $cpu/topology/core_siblings_list)" \
		"L1 $(cat $cpu/cache/index0/shared_cpu_list)" \
		"L3 $(cat $cpu/cache/index3/shared_cpu_list)"
done
for cpu in cpu[0-9]*; do
	taskset -c ${cpu#cpu} true && echo "$cpu runs"
done
grep -m 1 ^flags /proc/cpuinfo
grep -m 1 '^model name' /proc/cpuinfo
dmesg | grep -E 'Firmware Bug|WARNING: CPU|mismatch|Unknown topology|APIC ID|not responding'
END
(cd $work/initrd && find . | cpio -o -H newc) >$work/job.cpio 2>/dev/null

# lpj: where the TSC is not invariant, Linux would measure each CPU's speed for 150 ms.
start()
{
	mica run --memory 256M --kernel "/guests/$guest/vmlinuz" --initrd /guests/initrd \
		--initrd $work/job.cpio "$@" \
		--append "console=ttyS0 quiet lpj=4000000 mica.exec=\"sh /job.sh\"" </dev/null >$work/raw 2>&1
	status=$?
	tr -d '\r' <$work/raw >$work/out
	[ "$status" -eq 0 ] && return
	cat $work/out
	echo "status $status"
	return 1
}

# members COUNT FIRST STRIDE WIDTH: the CPUs of COUNT runs of WIDTH, as Linux writes a list.
members()
{
	if [ "$1" -gt 1 ] && [ "$3" -eq "$4" ]; then
		members 1 "$2" 1 $(($1 * $4))
		return
	fi
	list=
	run=0
	while [ $run -lt "$1" ]; do
		from=$(($2 + run * $3))
		list="$list,$from"
		[ "$4" -eq 1 ] || list="$list-$((from + $4 - 1))"
		run=$((run + 1))
	done
	echo "${list#,}"
}

# arranged SOCKETS CORES THREADS: $work/out describes that.
arranged()
{
	cpu=0
	while [ $cpu -lt $(($1 * $2 * $3)) ]; do
		socket=$((cpu / $2 % $1))
		core=$((cpu % $2))
		threads=$(members "$3" $((socket * $2 + core)) $(($1 * $2)) 1)
		package=$(members "$3" $((socket * $2)) $(($1 * $2)) "$2")
		echo "cpu$cpu: socket $socket core $core threads $threads package $package L1 $threads L3 $package"
		cpu=$((cpu + 1))
	done >$work/expected
	grep '^cpu[0-9]*: ' $work/out | diff $work/expected - || return 1
	[ "$(grep -c '^cpu[0-9]* runs$' $work/out)" -eq $cpu ] || {
		echo "not all of $cpu CPUs run anything"
		return 1
	}
	! grep -E 'Firmware Bug|WARNING: CPU|mismatch|Unknown topology|APIC ID|not responding' $work/out
}

# flags WITH WITHOUT: of the guest's CPU.
flags()
{
	have=$(sed -n 's/^flags.*: / /p' $work/out)
	for flag in $1; do
		case "$have " in
		*" $flag "*) ;;
		*) echo "no $flag in$have"; return 1 ;;
		esac
	done
	for flag in $2; do
		case "$have " in
		*" $flag "*) echo "$flag in$have"; return 1 ;;
		esac
	done
}

named()
{
	grep "^model name.*: $1\$" $work/out
}

# refused STATUS TEXT OPTION...: with that message and before there is a guest.
refused()
{
	expected=$1
	text=$2
	shift 2
	mica run --kernel "/guests/$guest/vmlinuz" --console file:$work/console "$@" \
		>$work/out 2>&1 </dev/null
	status=$?
	cat $work/out
	[ "$status" -eq "$expected" ] && grep -q -- "$text" $work/out && [ ! -s $work/console ]
}

v1="fpu tsc msr pae mce cx8 apic sep pge cmov pat clflush mmx fxsr sse sse2 syscall nx lm"
v2="pni ssse3 cx16 sse4_1 sse4_2 popcnt lahf_lm"
v3="fma movbe xsave avx f16c bmi1 avx2 bmi2 abm"
v4="avx512f avx512dq avx512cd avx512bw avx512vl"
others="aes pclmulqdq rdrand smep smap fsgsbase pcid sse4a xsaveopt rdtscp pdpe1gb clflushopt"

is_v1()
{
	start --cpu v1 --cpus 4,sockets=2,threads=2 && flags "$v1 hypervisor" "$v2 $v3 $v4 $others" &&
		named 'Mica x86-64-v1' && arranged 2 1 2
}

is_v2()
{
	start --cpu v2,+aes --cpus 3,sockets=3 && flags "$v1 $v2 aes" "$v3 $v4 ${others#aes }" &&
		named 'Mica x86-64-v2' && arranged 3 1 1
}

# Three cores leave a gap in the APIC ids.
is_v3()
{
	start --cpu v3 --cpus 6,sockets=2,cores=3 && flags "$v1 $v2 $v3" "$v4 $others" &&
		named 'Mica x86-64-v3' && arranged 2 3 1
}

is_host()
{
	start --cpu host-avx --cpus 6,threads=2 && flags "$v1 $v2 xsave" "avx avx2 fma f16c $v4" &&
		arranged 1 3 2
}

v4_is_told()
{
	mica info | tee $work/info
	grep -q '^cpu models  *host v1 v2 v3' $work/info || return 1
	if grep -q ' avx512vl' /proc/cpuinfo; then
		start --cpu v4 && flags "$v1 $v2 $v3 $v4" "$others"
		return
	fi
	for name in $v4; do
		refused 4 "--cpu v4: this host cannot give a guest .*$name" --cpu v4 || return 1
	done
	grep -q 'v4: this host cannot' $work/info
}

# The module takes the CPUID and the APIC ids of all that `mica info` promises: a kernel starts that
# powers off at once.
accepted()
{
	for model in $(mica info | sed -n 's/^cpu models *//p') host-xsave v2+aes+avx v1-x2apic; do
		tiny --cpu "$model" || return 1
	done
	for cpus in 2,threads=2 6,sockets=2,cores=3 12,sockets=2,cores=3,threads=2 \
			21,sockets=7,cores=3 64 64,sockets=64 64,sockets=4,threads=4; do
		tiny --cpus $cpus || return 1
	done
}

tiny()
{
	echo "$*"
	mica run --memory 16M --kernel /selftests/tiny.elf --console file:/dev/null "$@" </dev/null
}

many()
{
	start --cpus "$1" && arranged "$2" "$3" "$4"
}

if [ "$2" = many ]; then
	case_is "cpu: 16 vCPUs, 2 sockets, 4 cores, 2 threads" many 16,sockets=2,threads=2 2 4 2
	case_is "cpu: 12 vCPUs, 2 sockets, 3 cores, 2 threads" many 12,sockets=2,threads=2 2 3 2
	case_is "cpu: 16 vCPUs, one socket" many 16 1 16 1
	cases_end
	exit
fi
case_is "cpu: v4 where the host has it, else refused by name" v4_is_told
case_is "cpu: what no guest has is refused" refused 4 "no guest gets 'vmx', whatever the host has" \
	--cpu v2,+vmx,+sgx
case_is "cpu: an unknown feature" refused 2 "nearest is 'avx2'" --cpu host,+avx22
case_is "cpu: counts that do not fit" refused 2 'do not make 8 CPUs' \
	--cpus 8,sockets=2,cores=2,threads=1
case_is "cpu: the module accepts all models and arrangements" accepted
case_is "cpu: v1, 2 sockets, 2 threads" is_v1
case_is "cpu: v2 with aes, 3 sockets" is_v2
case_is "cpu: v3, 2 sockets, 3 cores" is_v3
case_is "cpu: host without avx, 3 cores, 2 threads" is_host
cases_end
