// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * hammer BILLIONS: a process that keeps all of its CPU's registers in use and looks, again
 * and again, whether they are still its own, until the TSC has moved by so many billions.
 * Meant to run on a CPU where guests run.  Prints TAP, one case for each kind of register.
 */
#include <asm/prctl.h>
#include <cpuid.h>
#include <linux/hw_breakpoint.h>
#include <linux/perf_event.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <x86intrin.h>

/* Between writing and reading: long enough for another task to come in between. */
#define SPINS 300000

static uint64_t random_state = 88172645463325252ull;

static uint64_t next_random(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

#define SPIN "mov %[spins], %%ecx\n 1: dec %%ecx\n jnz 1b\n"

/* ------------------------------------------------------------ segment bases, selectors */

/* FS is the C library's: it is away only inside the assembler. */
static bool fs_base(void)
{
	uint64_t want = next_random() >> 17, found;

	asm volatile("rdfsbase %%rsi\n wrfsbase %[want]\n" SPIN
		     "rdfsbase %[found]\n wrfsbase %%rsi\n"
		     : [found] "=&r" (found) : [want] "r" (want), [spins] "i" (SPINS)
		     : "rcx", "rsi", "cc");
	return found == want;
}

static bool gs_base(void)
{
	uint64_t want = next_random() >> 17, found;

	asm volatile("wrgsbase %[want]\n" SPIN "rdgsbase %[found]\n"
		     : [found] "=&r" (found) : [want] "r" (want), [spins] "i" (SPINS)
		     : "rcx", "cc");
	return found == want;
}

static bool selectors(void)
{
	uint16_t ds, es, gs;

	asm volatile("mov $0x2b, %%eax\n mov %%eax, %%ds\n mov %%eax, %%es\n mov %%eax, %%gs\n"
		     SPIN "mov %%ds, %[ds]\n mov %%es, %[es]\n mov %%gs, %[gs]\n"
		     "xor %%eax, %%eax\n mov %%eax, %%ds\n mov %%eax, %%es\n mov %%eax, %%gs\n"
		     : [ds] "=&r" (ds), [es] "=&r" (es), [gs] "=&r" (gs)
		     : [spins] "i" (SPINS) : "rax", "rcx", "cc");
	return ds == 0x2b && es == 0x2b && gs == 0x2b;
}

/* ------------------------------------------------------------ vectors, keys */

static bool has_xcr0(uint64_t bits)
{
	uint32_t a, b, c, d, low, high;

	if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE))
		return false;
	asm volatile("xgetbv" : "=a" (low), "=d" (high) : "c" (0));
	(void)high;
	return (low & bits) == bits;
}

static bool vectors_512(void)
{
	static uint64_t in[8] __attribute__((aligned(64))), out[4][8] __attribute__((aligned(64)));
	uint64_t mask = next_random(), found;
	int i;

	for (i = 0; i < 8; i++)
		in[i] = next_random();
	asm volatile("vmovdqa64 %[in], %%zmm0\n vmovdqa64 %[in], %%zmm7\n"
		     "vmovdqa64 %[in], %%zmm16\n vmovdqa64 %[in], %%zmm31\n kmovq %[mask], %%k5\n" SPIN
		     "vmovdqa64 %%zmm0, %[o0]\n vmovdqa64 %%zmm7, %[o1]\n"
		     "vmovdqa64 %%zmm16, %[o2]\n vmovdqa64 %%zmm31, %[o3]\n kmovq %%k5, %[found]\n"
		     : [o0] "=m" (out[0]), [o1] "=m" (out[1]), [o2] "=m" (out[2]), [o3] "=m" (out[3]),
		       [found] "=&r" (found)
		     : [in] "m" (in), [mask] "r" (mask), [spins] "i" (SPINS) : "rcx", "cc");
	for (i = 0; i < 4; i++)
		if (memcmp(in, out[i], sizeof(in)))
			return false;
	return found == mask;
}

static bool vectors_128(void)
{
	uint64_t in[2] = { next_random(), next_random() }, out[2][2];
	uint16_t control_in = 0x27f, control_out;

	asm volatile("fldcw %[cin]\n movdqu %[in], %%xmm1\n movdqu %[in], %%xmm15\n" SPIN
		     "movdqu %%xmm1, %[o0]\n movdqu %%xmm15, %[o1]\n fnstcw %[cout]\n"
		     : [o0] "=m" (out[0]), [o1] "=m" (out[1]), [cout] "=m" (control_out)
		     : [in] "m" (in), [cin] "m" (control_in), [spins] "i" (SPINS)
		     : "rcx", "cc", "xmm1", "xmm15");
	return !memcmp(in, out[0], 16) && !memcmp(in, out[1], 16) && control_out == control_in;
}

static bool protection_keys(void)
{
	uint32_t want = (next_random() & 0xfffffff0) | 0, found;

	asm volatile("xor %%ecx, %%ecx\n xor %%edx, %%edx\n wrpkru\n" SPIN
		     "xor %%ecx, %%ecx\n rdpkru\n"
		     : "=&a" (found) : "0" (want), [spins] "i" (SPINS) : "rcx", "rdx", "cc");
	return found == want;
}

/* ------------------------------------------------------------ debug registers */

static volatile uint64_t watched;
static int breakpoint = -1;

static bool open_breakpoint(void)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_BREAKPOINT, .size = sizeof(attr), .bp_type = HW_BREAKPOINT_W,
		.bp_addr = (uintptr_t)&watched, .bp_len = HW_BREAKPOINT_LEN_8, .exclude_kernel = 1,
		.exclude_hv = 1,
	};

	breakpoint = syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0);
	return breakpoint >= 0;
}

/* Every write to the variable counts, whoever had the CPU between two of them. */
static bool debug_registers(void)
{
	uint64_t before, after;
	int i;

	if (read(breakpoint, &before, sizeof(before)) != sizeof(before))
		return false;
	for (i = 0; i < 5; i++) {
		watched = i;
		asm volatile(SPIN : : [spins] "i" (SPINS / 5) : "rcx", "cc");
	}
	return read(breakpoint, &after, sizeof(after)) == sizeof(after) && after - before == 5;
}

/* ------------------------------------------------------------ all */

static struct kind {
	const char *name;
	bool (*check)(void);
	bool there;
	unsigned long rounds, wrong;
} kinds[] = {
	{ .name = "FS base", .check = fs_base },
	{ .name = "GS base", .check = gs_base },
	{ .name = "segment selectors", .check = selectors },
	{ .name = "x87 control word and XMM", .check = vectors_128, .there = true },
	{ .name = "AVX-512 and opmask", .check = vectors_512 },
	{ .name = "PKRU", .check = protection_keys },
	{ .name = "debug registers", .check = debug_registers },
};
#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

static void find_kinds(void)
{
	uint32_t a = 0, b = 0, c = 0, d = 0;

	__get_cpuid_count(7, 0, &a, &b, &c, &d);
	kinds[0].there = kinds[1].there = b & bit_FSGSBASE;
	kinds[2].there = true;
	kinds[4].there = has_xcr0(0xe6) && (b & bit_AVX512F) && (b & bit_AVX512BW);
	kinds[5].there = c & (1u << 4);		/* OSPKE */
	kinds[6].there = open_breakpoint();
}

static bool report(void)
{
	bool good = true;
	unsigned int i;

	for (i = 0; i < KINDS; i++) {
		printf("%sok %u - host state: %s, %lu rounds, %lu wrong%s\n",
		       kinds[i].wrong ? "not " : "", i + 1, kinds[i].name, kinds[i].rounds,
		       kinds[i].wrong, kinds[i].there ? "" : " # SKIP this CPU has none");
		good &= !kinds[i].wrong;
	}
	printf("1..%zu\n", KINDS);
	return good;
}

int main(int argc, char **argv)
{
	uint64_t start = __rdtsc(), length;
	unsigned int i;

	if (argc != 2 || atoi(argv[1]) <= 0) {
		fprintf(stderr, "usage: hammer BILLIONS\n");
		return 2;
	}
	length = strtoull(argv[1], NULL, 10) * 1000000000;
	find_kinds();
	while (__rdtsc() - start < length)
		for (i = 0; i < KINDS; i++)
			if (kinds[i].there) {
				kinds[i].rounds++;
				kinds[i].wrong += !kinds[i].check();
			}
	return report() ? 0 : 1;
}
