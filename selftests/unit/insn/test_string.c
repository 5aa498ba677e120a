// SPDX-License-Identifier: GPL-2.0-or-later
/* String instructions: elements, direction, repetition and its end, bounds, I/O rights. */
#include "insn_test.h"

static struct mica_state_gprs *start(struct world *world, uint64_t rsi, uint64_t rdi, uint64_t rcx)
{
	struct mica_state_gprs *gprs = &world->state.gprs;

	gprs->rsi = rsi;
	gprs->rdi = rdi;
	gprs->rcx = rcx;
	world->count = 0;
	world->state.events.exception = 0;
	return gprs;
}

static void test_movs(void **state)
{
	struct world *world = *state;
	struct mica_state_gprs *gprs = start(world, 0x4000, DEVICE, 5);

	for (unsigned int i = 0; i < 64; i++)
		world->ram[0x4000 + i] = i + 1;
	assert_int_equal(RUN(world, "\xa4"), INSN_DONE);
	assert_int_equal(gprs->rsi, 0x4001);
	assert_true(gprs->rdi == DEVICE + 1);
	assert_int_equal(gprs->rcx, 5);
	assert_int_equal(world->log[0].size, 1);
	assert_int_equal(RUN(world, "\xf3\x48\xa5"), INSN_DONE);
	assert_int_equal(gprs->rcx, 0);
	assert_int_equal(gprs->rsi, 0x4001 + 40);
	assert_int_equal(gprs->rip, CODE + 3);
	assert_memory_equal(world->device, world->ram + 0x4000, 41);
	assert_int_equal(world->count, 6);
	start(world, DEVICE, 0x6000, 4);		/* F2 repeats as well */
	assert_int_equal(RUN(world, "\xf2\x66\xa5"), INSN_DONE);
	assert_memory_equal(world->ram + 0x6000, world->device, 8);
	assert_int_equal(world->count, 4);
}

static void test_direction(void **state)
{
	struct world *world = *state;
	struct mica_state_gprs *gprs = start(world, 0x400c, DEVICE + 12, 4);

	gprs->rflags |= DF;
	for (unsigned int i = 0; i < 16; i++)
		world->ram[0x4000 + i] = i + 1;
	assert_int_equal(RUN(world, "\xf3\xa5"), INSN_DONE);
	assert_memory_equal(world->device, world->ram + 0x4000, 16);
	assert_int_equal(gprs->rsi, 0x3ffc);
	assert_true(gprs->rdi == DEVICE - 4);
	assert_true(world->log[0].address == DEVICE + 12);
}

static void test_stos_lods(void **state)
{
	struct world *world = *state;
	struct mica_state_gprs *gprs = start(world, DEVICE, DEVICE, 3);

	gprs->rax = 0x1122334455667788;
	assert_int_equal(RUN(world, "\xf3\xab"), INSN_DONE);
	assert_true(world_device64(world, 4) == 0x5566778855667788);
	assert_int_equal(world_device64(world, 12), 0);
	assert_int_equal(RUN(world, "\xac"), INSN_DONE);
	assert_true(gprs->rax == 0x1122334455667788);
	gprs->rax = ~0ull;
	assert_int_equal(RUN(world, "\xad"), INSN_DONE);
	assert_int_equal(gprs->rax, 0x88556677);
	assert_true(gprs->rsi == DEVICE + 5);
	world->state.segs.fs.base = 0x10;
	gprs->rsi = DEVICE;
	world->device[0x10] = 0x99;
	assert_int_equal(RUN(world, "\x64\xac"), INSN_DONE);		/* lodsb from FS */
	assert_int_equal(gprs->rax, 0x88556699);
}

static void test_cmps_scas(void **state)
{
	struct world *world = *state;
	struct mica_state_gprs *gprs = start(world, 0x4000, DEVICE, 10);

	memcpy(world->device, "abcdefghij", 10);
	memcpy(world->ram + 0x4000, "abcdXfghij", 10);
	assert_int_equal(RUN(world, "\xf3\xa6"), INSN_DONE);		/* repe cmpsb */
	assert_int_equal(gprs->rcx, 5);
	assert_int_equal(gprs->rsi, 0x4005);
	assert_int_equal(gprs->rflags, FIXED | CF | SF | PF);	/* 'X' - 'e' */
	assert_int_equal(RUN(world, "\xf3\xa6"), INSN_DONE);
	assert_int_equal(gprs->rcx, 0);
	assert_int_equal(gprs->rflags, FIXED | ZF | PF);
	start(world, 0, DEVICE, 100);
	gprs->rax = 'd';
	assert_int_equal(RUN(world, "\xf2\xae"), INSN_DONE);		/* repne scasb */
	assert_int_equal(gprs->rcx, 96);
	assert_true(gprs->rdi == DEVICE + 4);
	assert_true(gprs->rflags & ZF);
	start(world, DEVICE + 1, DEVICE, 1);
	assert_int_equal(RUN(world, "\xa6"), INSN_DONE);		/* 'b' - 'a' */
	assert_int_equal(gprs->rflags, FIXED);
	assert_int_equal(gprs->rcx, 1);
}

static void test_count_zero(void **state)
{
	struct world *world = *state;
	struct mica_state_gprs *gprs = start(world, 1ull << 60, 1ull << 60, 0);

	assert_int_equal(RUN(world, "\xf3\xa4"), INSN_DONE);
	assert_int_equal(gprs->rip, CODE + 2);
	assert_int_equal(world->count, 0);
	gprs->rcx = 1ull << 32;			/* ECX is 0 */
	assert_int_equal(RUN(world, "\xf3\x67\xa4"), INSN_DONE);
	assert_int_equal(gprs->rip, CODE + 3);
}

static void test_address_sizes(void **state)
{
	struct world *world = *state;
	struct mica_state_gprs *gprs = start(world, 0xabcd00000000 | 0x4000, DEVICE, 0);

	gprs->rcx = 0x100000001;
	assert_int_equal(RUN(world, "\xf3\x67\xa4"), INSN_DONE);
	assert_int_equal(gprs->rsi, 0x4001);
	assert_int_equal(gprs->rcx, 0);
	world_real_mode(world);
	world->state.segs.es.base = DEVICE;
	start(world, 0x1234ffff, 0x5678fffe, 0xabcd0002);
	gprs->rflags &= ~DF;
	world->ram[0xffff] = 0x11;
	world->ram[0] = 0x22;
	assert_int_equal(RUN(world, "\xf3\xa4"), INSN_DONE);		/* SI wraps */
	assert_int_equal(gprs->rsi, 0x12340001);
	assert_int_equal(gprs->rdi, 0x56780000);
	assert_int_equal(gprs->rcx, 0xabcd0000);
	assert_true(world->log[0].address == DEVICE + 0xfffe);
	assert_int_equal(world->log[1].value, 0x22);
}

/* A call is bounded; the registers say how far it has come and RIP stays. */
static void test_bound(void **state)
{
	struct world *world = *state;
	struct mica_state_gprs *gprs = start(world, 0x10000, 0x80000, 1000000);

	world->state.events.interrupt_shadow = MICA_SHADOW_STI;
	assert_int_equal(RUN(world, "\xf3\xa4"), INSN_DONE);
	assert_int_equal(gprs->rcx, 1000000 - INSN_STRING_BYTES);
	assert_int_equal(gprs->rsi, 0x10000 + INSN_STRING_BYTES);
	assert_int_equal(gprs->rip, CODE);
	assert_true(gprs->rflags & RF);
	assert_int_equal(world->state.events.interrupt_shadow, 0);
	gprs->rcx = 512;
	assert_int_equal(RUN(world, "\xf3\x48\xa5"), INSN_DONE);
	assert_int_equal(gprs->rcx, 0);
	assert_int_equal(gprs->rip, CODE + 3);
	assert_false(gprs->rflags & RF);
}

static void test_single_step(void **state)
{
	struct world *world = *state;
	struct mica_state_gprs *gprs = start(world, 0x4000, DEVICE, 3);

	gprs->rflags |= TF;
	assert_int_equal(RUN(world, "\xf3\xa4"), INSN_DONE);
	assert_int_equal(gprs->rcx, 2);
	assert_int_equal(gprs->rip, CODE);
	assert_int_equal(world->state.events.pending_debug, 1 << 14);
}

/* A fault in the middle leaves what was done done. */
static void test_fault_in_the_middle(void **state)
{
	struct world *world = *state;
	struct mica_state_gprs *gprs;

	world_protected(world, true);
	world->state.segs.es.base = DEVICE;
	world->state.segs.es.limit = 0x0f;
	gprs = start(world, 0x4000, 0, 100);
	world_assert_fault(world, RUN(world, "\xf3\xa5"), 13, true, 0);
	assert_int_equal(gprs->rcx, 96);
	assert_int_equal(gprs->rdi, 16);
	assert_int_equal(gprs->rsi, 0x4010);
	assert_int_equal(gprs->rip, CODE);
	assert_int_equal(world->count, 4);
	assert_true(world->changed & MICA_STATE_GPRS);
}

/* MOVS reads nothing if it cannot write. */
static void test_no_read_without_write(void **state)
{
	struct world *world = *state;

	world_protected(world, true);
	world->state.segs.es.attr = 0xc091;
	start(world, DEVICE, 0x4000, 1);
	world_assert_fault(world, RUN(world, "\xa4"), 13, true, 0);
	assert_int_equal(world->count, 0);
	start(world, 0, 0x4000, 1);
	world_assert_fault(world, RUN(world, "\x6c"), 13, true, 0);	/* insb likewise */
	assert_int_equal(world->count, 0);
}

static void test_ins_outs(void **state)
{
	struct world *world = *state;
	struct mica_state_gprs *gprs = start(world, 0x4000, 0x5000, 3);

	gprs->rdx = 0xffff03f8;
	memcpy(world->ram + 0x4000, "abc", 3);
	assert_int_equal(RUN(world, "\xf3\x6e"), INSN_DONE);		/* rep outsb */
	assert_int_equal(world->count, 3);
	for (unsigned int i = 0; i < 3; i++) {
		assert_true(world->log[i].port && world->log[i].write);
		assert_int_equal(world->log[i].address, 0x3f8);
		assert_int_equal(world->log[i].value, "abc"[i]);
		assert_int_equal(world->log[i].size, 1);
	}
	assert_int_equal(gprs->rsi, 0x4003);
	start(world, 0, 0x5000, 2);
	world->port_value = 0x11223344;
	assert_int_equal(RUN(world, "\xf3\x6d"), INSN_DONE);		/* rep insd */
	assert_int_equal(world_get(world, 0x5000, 8), 0x1122334511223344);
	assert_int_equal(gprs->rdi, 0x5008);
	world->port_value = 0xbeef;
	assert_int_equal(RUN(world, "\x66\x6d"), INSN_DONE);
	assert_int_equal(world_get(world, 0x5008, 4), 0xbeef);
	world->fail = -5;
	assert_int_equal(RUN(world, "\x6f"), INSN_FAILED);
}

/* An element that fails has not moved the pointers, and the ones before it have. */
static void test_failing_device(void **state)
{
	static const char *const cases[] = {
		"\xa4", "\xa5", "\xaa", "\xac", "\xa6", "\xae", "\x6c",
	};
	struct world *world = *state;
	struct mica_state_gprs before, *gprs;

	for (unsigned int i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		gprs = start(world, DEVICE, DEVICE + 0x100, 4);
		world->fail = -5;
		gprs->rip = CODE;
		before = *gprs;
		assert_int_equal(world_run(world, cases[i], 1), INSN_FAILED);
		assert_int_equal(world->report.error, -5);
		assert_memory_equal(&before, gprs, sizeof(before));
	}
	world->fail = 0;
	world->fail_write = -5;
	gprs = start(world, DEVICE, RAM_SIZE - 2, 4);	/* goes on beyond the memory */
	assert_int_equal(RUN(world, "\xf3\xa4"), INSN_FAILED);
	assert_int_equal(gprs->rcx, 2);
	assert_int_equal(gprs->rip, CODE);
}

/* ------------------------------------------------------------ I/O rights */

#define TSS	0x20000u
#define MAP	0x68u

static void make_user(struct world *world)
{
	world_protected(world, true);
	world->state.segs.ss.attr |= 3 << 5;
	world->state.segs.cs.attr |= 3 << 5;
	world->state.segs.tr.base = TSS;
	world->state.segs.tr.attr = 0x8b;
	world->state.segs.tr.limit = MAP + 0x80;
	world_put(world, TSS + 0x66, MAP, 2);
	memset(world->ram + TSS + MAP, 0xff, 0x100);
}

static enum insn_result outs(struct world *world, uint16_t port, const char *bytes)
{
	start(world, 0x4000, 0x5000, 1)->rdx = port;
	world_put(world, CODE, (uint8_t)bytes[0] | (uint8_t)bytes[1] << 8, 2);
	world->state.gprs.rip = CODE;
	return world_execute(world);
}

#define OUTSB "\x6e\x90"
#define OUTSW "\x66\x6f"
#define OUTSD "\x6f\x90"

static void allow(struct world *world, uint16_t port)
{
	world->ram[TSS + MAP + port / 8] &= ~(1 << port % 8);
}

static void test_io_map(void **state)
{
	struct world *world = *state;

	make_user(world);
	world_assert_fault(world, outs(world, 0x80, OUTSB), 13, true, 0);
	assert_int_equal(world->count, 0);
	allow(world, 0x87);
	assert_int_equal(outs(world, 0x87, OUTSB), INSN_DONE);
	world_assert_fault(world, outs(world, 0x87, OUTSW), 13, true, 0);
	allow(world, 0x88);
	assert_int_equal(outs(world, 0x87, OUTSW), INSN_DONE);
	world_assert_fault(world, outs(world, 0x87, OUTSD), 13, true, 0);
	/* The two bytes of the map must be within the TSS. */
	allow(world, 0x3f8);
	world->state.segs.tr.limit = MAP + 0x80;
	assert_int_equal(outs(world, 0x3f8, OUTSB), INSN_DONE);
	world->state.segs.tr.limit = MAP + 0x7f;
	world_assert_fault(world, outs(world, 0x3f8, OUTSB), 13, true, 0);
	world->state.segs.tr.limit = 0x66;
	world_assert_fault(world, outs(world, 0x87, OUTSB), 13, true, 0);
	world->state.segs.tr.limit = 0xfff;
	world->state.segs.tr.attr = 0x83;			/* a 16-bit TSS has no map */
	world_assert_fault(world, outs(world, 0x87, OUTSB), 13, true, 0);
}

static void test_io_privilege_level(void **state)
{
	struct world *world = *state;

	make_user(world);
	world->state.gprs.rflags |= 3 << 12;
	assert_int_equal(outs(world, 0x80, OUTSB), INSN_DONE);
	world->state.gprs.rflags |= VM;				/* there the map always counts */
	for (unsigned int i = 0; i < 6; i++)
		(&world->state.segs.es)[i].limit = 0xffff;
	world->state.segs.cs.attr = world->state.segs.ss.attr = 0xf3;
	world_assert_fault(world, outs(world, 0x80, OUTSB), 13, true, 0);
	allow(world, 0x80);
	assert_int_equal(outs(world, 0x80, OUTSB), INSN_DONE);
}

static void test_movsd_is_not_a_string(void **state)
{
	struct world *world = *state;

	world->state.crs.cr4 |= 1 << 9;
	world->state.gprs.rbx = DEVICE;
	world->device[3] = 9;
	memset(world->xmm[1], 0xff, 16);
	assert_int_equal(RUN(world, "\xf2\x0f\x10\x0b"), INSN_DONE);	/* movsd xmm1, [rbx] */
	assert_memory_equal(world->xmm[1], "\0\0\0\x09\0\0\0\0\0\0\0\0\0\0\0", 16);
	assert_int_equal(RUN(world, "\xf2\x0f\xc2\x0b\x00"), INSN_UNSUPPORTED);	/* cmpsd */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_movs),
		TEST(test_direction),
		TEST(test_stos_lods),
		TEST(test_cmps_scas),
		TEST(test_count_zero),
		TEST(test_address_sizes),
		TEST(test_bound),
		TEST(test_single_step),
		TEST(test_fault_in_the_middle),
		TEST(test_no_read_without_write),
		TEST(test_ins_outs),
		TEST(test_failing_device),
		TEST(test_io_map),
		TEST(test_io_privilege_level),
		TEST(test_movsd_is_not_a_string),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
