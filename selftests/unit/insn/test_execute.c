// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * One instruction per row: bytes, registers and the device's first quadword before and
 * after.  RBX is always the device's address (EBX and BX likewise in the other modes).
 */
#include "insn_test.h"

enum mode { LONG, PROT32, PROT16 };

struct values {
	uint64_t rax, rcx, rdx, flags, device;
};

struct row {
	const char *name;
	enum mode mode;
	const char *bytes;
	unsigned int length;
	struct values before, after;
};

#define B(bytes) bytes, sizeof(bytes) - 1

static const struct row rows[] = {
	{ "mov [rbx], al", LONG, B("\x88\x03"),
	  { .rax = 0x1122334455667788, .device = 0xaaaaaaaaaaaaaaaa },
	  { .rax = 0x1122334455667788, .device = 0xaaaaaaaaaaaaaa88 } },
	{ "mov [rbx], ah", LONG, B("\x88\x23"),
	  { .rax = 0x7788 }, { .rax = 0x7788, .device = 0x77 } },
	{ "mov [rbx], ax", LONG, B("\x66\x89\x03"),
	  { .rax = 0x7788, .device = ~0ull }, { .rax = 0x7788, .device = 0xffffffffffff7788 } },
	{ "mov [rbx], eax", LONG, B("\x89\x03"),
	  { .rax = 0x1122334455667788 }, { .rax = 0x1122334455667788, .device = 0x55667788 } },
	{ "mov [rbx], rax", LONG, B("\x48\x89\x03"),
	  { .rax = 0x1122334455667788 },
	  { .rax = 0x1122334455667788, .device = 0x1122334455667788 } },
	{ "mov al, [rbx]", LONG, B("\x8a\x03"),
	  { .rax = ~0ull, .device = 0x12 }, { .rax = ~0ull << 8 | 0x12, .device = 0x12 } },
	{ "mov ch, [rbx]", LONG, B("\x8a\x2b"),
	  { .rcx = ~0ull, .device = 0x12 }, { .rcx = 0xffffffffffff12ff, .device = 0x12 } },
	{ "mov ax, [rbx]", LONG, B("\x66\x8b\x03"),
	  { .rax = ~0ull, .device = 0x1234 }, { .rax = ~0ull << 16 | 0x1234, .device = 0x1234 } },
	{ "mov eax, [rbx] zero-extends", LONG, B("\x8b\x03"),
	  { .rax = ~0ull, .device = ~0ull }, { .rax = 0xffffffff, .device = ~0ull } },
	{ "mov rax, [rbx]", LONG, B("\x48\x8b\x03"),
	  { .device = 0x0123456789abcdef },
	  { .rax = 0x0123456789abcdef, .device = 0x0123456789abcdef } },
	{ "mov dword [rbx], imm32", LONG, B("\xc7\x03\x78\x56\x34\x12"),
	  { .device = ~0ull }, { .device = 0xffffffff12345678 } },
	{ "mov qword [rbx], imm32 sign-extends", LONG, B("\x48\xc7\x03\xfe\xff\xff\xff"),
	  { .device = 0 }, { .device = 0xfffffffffffffffe } },
	{ "mov byte [rbx], imm8", LONG, B("\xc6\x03\x5a"),
	  { .device = 0 }, { .device = 0x5a } },
	{ "mov eax, moffs", LONG, B("\xa1\x00\x00\x00\xd0\x00\x00\x00\x00"),
	  { .rax = ~0ull, .device = 0x55 }, { .rax = 0x55, .device = 0x55 } },
	{ "mov moffs, rax", LONG, B("\x48\xa3\x00\x00\x00\xd0\x00\x00\x00\x00"),
	  { .rax = 0x99 }, { .rax = 0x99, .device = 0x99 } },
	{ "mov [moffs32], al", LONG, B("\x67\xa2\x00\x00\x00\xd0"),
	  { .rax = 0x99 }, { .rax = 0x99, .device = 0x99 } },
	{ "mov eax, moffs (32-bit)", PROT32, B("\xa1\x00\x00\x00\xd0"),
	  { .device = 0x12345678 }, { .rax = 0x12345678, .device = 0x12345678 } },
	{ "mov eax, [ebx] (32-bit)", PROT32, B("\x8b\x03"),
	  { .device = 0x12345678 }, { .rax = 0x12345678, .device = 0x12345678 } },
	{ "mov [bx], ax (16-bit)", PROT16, B("\x89\x07"),
	  { .rax = 0x12345678 }, { .rax = 0x12345678, .device = 0x5678 } },
	{ "mov eax, [bx] (16-bit)", PROT16, B("\x66\x8b\x07"),
	  { .device = 0x87654321 }, { .rax = 0x87654321, .device = 0x87654321 } },
	{ "mov [rbx], ss", LONG, B("\x8c\x13"),
	  { .device = ~0ull }, { .device = 0xffffffffffff0018 } },
	{ "movzx eax, byte [rbx]", LONG, B("\x0f\xb6\x03"),
	  { .rax = ~0ull, .device = 0x80 }, { .rax = 0x80, .device = 0x80 } },
	{ "movzx rax, word [rbx]", LONG, B("\x48\x0f\xb7\x03"),
	  { .rax = ~0ull, .device = ~0ull }, { .rax = 0xffff, .device = ~0ull } },
	{ "movsx eax, byte [rbx]", LONG, B("\x0f\xbe\x03"),
	  { .rax = ~0ull, .device = 0x80 }, { .rax = 0xffffff80, .device = 0x80 } },
	{ "movsx rax, word [rbx]", LONG, B("\x48\x0f\xbf\x03"),
	  { .device = 0x8000 }, { .rax = 0xffffffffffff8000, .device = 0x8000 } },
	{ "movsxd rax, dword [rbx]", LONG, B("\x48\x63\x03"),
	  { .device = 0x80000000 }, { .rax = 0xffffffff80000000, .device = 0x80000000 } },
	{ "movbe eax, [rbx]", LONG, B("\x0f\x38\xf0\x03"),
	  { .device = 0x12345678 }, { .rax = 0x78563412, .device = 0x12345678 } },
	{ "movbe [rbx], ax", LONG, B("\x66\x0f\x38\xf1\x03"),
	  { .rax = 0x1234 }, { .rax = 0x1234, .device = 0x3412 } },
	{ "movnti [rbx], rax", LONG, B("\x48\x0f\xc3\x03"),
	  { .rax = 0x1234567890 }, { .rax = 0x1234567890, .device = 0x1234567890 } },
	{ "xchg [rbx], eax", LONG, B("\x87\x03"),
	  { .rax = ~0ull, .device = 0x1234 }, { .rax = 0x1234, .device = 0xffffffff } },
	{ "lock xadd [rbx], cl", LONG, B("\xf0\x0f\xc0\x0b"),
	  { .rcx = 0x0102, .device = 0xff },
	  { .rcx = 0x01ff, .device = 0x01, .flags = CF | AF } },
	{ "lock cmpxchg [rbx], ecx: equal", LONG, B("\xf0\x0f\xb1\x0b"),
	  { .rax = 0xffffffff00000005, .rcx = 9, .device = 5 },
	  { .rax = 0xffffffff00000005, .rcx = 9, .device = 9, .flags = ZF | PF } },
	{ "cmpxchg [rbx], ecx: not equal", LONG, B("\x0f\xb1\x0b"),
	  { .rax = 4, .rcx = 9, .device = 5 },
	  { .rax = 5, .rcx = 9, .device = 5, .flags = CF | AF | SF | PF } },
	{ "cmpxchg8b [rbx]: not equal", LONG, B("\x0f\xc7\x0b"),
	  { .rax = 1, .rdx = 2, .device = 0x0000000200000003, .flags = ZF | CF },
	  { .rax = 3, .rdx = 2, .device = 0x0000000200000003, .flags = CF } },
	{ "add [rbx], eax", LONG, B("\x01\x03"),
	  { .rax = 1, .device = 0x7fffffff },
	  { .rax = 1, .device = 0x80000000, .flags = OF | SF | AF | PF } },
	{ "adc eax, [rbx]", LONG, B("\x13\x03"),
	  { .rax = 0xffffffff, .device = 0, .flags = CF },
	  { .rax = 0, .device = 0, .flags = CF | ZF | AF | PF } },
	{ "sub byte [rbx], imm8", LONG, B("\x80\x2b\x01"),
	  { .device = 0x80 }, { .device = 0x7f, .flags = OF | AF } },
	{ "sbb [rbx], rax", LONG, B("\x48\x19\x03"),
	  { .rax = ~0ull, .device = 0, .flags = CF },
	  { .rax = ~0ull, .device = 0, .flags = CF | ZF | AF | PF } },
	{ "cmp [rbx], imm8 sign-extends and writes nothing", LONG, B("\x83\x3b\xff"),
	  { .device = 0xffffffff }, { .device = 0xffffffff, .flags = ZF | PF } },
	{ "and dword [rbx], imm32", LONG, B("\x81\x23\xf0\x00\x00\x80"),
	  { .device = 0xffffffff, .flags = CF | OF },
	  { .device = 0x800000f0, .flags = SF | PF } },
	{ "or [rbx], eax", LONG, B("\x09\x03"),
	  { .rax = 0x3, .device = 0x4 }, { .rax = 0x3, .device = 0x7 } },
	{ "xor eax, [rbx]", LONG, B("\x33\x03"),
	  { .rax = 0x55, .device = 0x55 }, { .device = 0x55, .flags = ZF | PF } },
	{ "test byte [rbx], imm8", LONG, B("\xf6\x03\x80"),
	  { .device = 0x80 }, { .device = 0x80, .flags = SF } },
	{ "not dword [rbx]", LONG, B("\xf7\x13"),
	  { .device = 0x0f0f0f0f, .flags = CF | OF },
	  { .device = 0xf0f0f0f0, .flags = CF | OF } },
	{ "neg dword [rbx]", LONG, B("\xf7\x1b"),
	  { .device = 1 }, { .device = 0xffffffff, .flags = CF | SF | AF | PF } },
	{ "inc dword [rbx] keeps CF", LONG, B("\xff\x03"),
	  { .device = 0xffffffff, .flags = CF }, { .device = 0, .flags = CF | ZF | AF | PF } },
	{ "dec byte [rbx] keeps CF", LONG, B("\xfe\x0b"),
	  { .device = 0x80 }, { .device = 0x7f, .flags = OF | AF } },
	{ "bt dword [rbx], imm8", LONG, B("\x0f\xba\x23\x21"),
	  { .device = 2 }, { .device = 2, .flags = CF } },
	{ "bts [rbx], ecx beyond the first dword", LONG, B("\x0f\xab\x0b"),
	  { .rcx = 33, .device = 0, .flags = CF }, { .rcx = 33, .device = 1ull << 33 } },
	{ "btr [rbx], rcx", LONG, B("\x48\x0f\xb3\x0b"),
	  { .rcx = 63, .device = ~0ull }, { .rcx = 63, .device = ~0ull >> 1, .flags = CF } },
	{ "btc word [rbx], cx", LONG, B("\x66\x0f\xbb\x0b"),
	  { .rcx = 17, .device = 0 }, { .rcx = 17, .device = 1ull << 17 } },
	{ "shl byte [rbx], 1", LONG, B("\xd0\x23"),
	  { .device = 0xc0 }, { .device = 0x80, .flags = CF | SF } },
	{ "sar dword [rbx], cl", LONG, B("\xd3\x3b"),
	  { .rcx = 4, .device = 0x80000008 },
	  { .rcx = 4, .device = 0xf8000000, .flags = CF | SF | PF } },
	{ "shr dword [rbx], 32 is 0 and keeps flags", LONG, B("\xc1\x2b\x20"),
	  { .device = 0x1234, .flags = CF | OF | ZF },
	  { .device = 0x1234, .flags = CF | OF | ZF } },
	{ "rol word [rbx], 4", LONG, B("\x66\xc1\x03\x04"),
	  { .device = 0x1234, .flags = ZF }, { .device = 0x2341, .flags = ZF | CF | OF } },
	{ "push qword [rbx]", LONG, B("\xff\x33"),
	  { .device = 0x1122334455667788 }, { .device = 0x1122334455667788 } },
	{ "clflush [rbx]", LONG, B("\x0f\xae\x3b"),
	  { .device = 5 }, { .device = 5 } },
};

static void set_mode(struct world *world, enum mode mode)
{
	if (mode == LONG) {
		world_long_mode(world);
	} else {
		world_protected(world, mode == PROT32);
	}
	world->state.segs.ss.selector = 0x18;
	world->state.gprs.rbx = mode == PROT16 ? 0 : DEVICE;
	world->state.segs.ds.base = mode == PROT16 ? DEVICE : 0;
	world->state.gprs.rsp = 0x8000;
}

static bool same(const char *row, const char *what, uint64_t found, uint64_t expected)
{
	if (found == expected)
		return true;
	print_error("%s: %s is %#llx, expected %#llx\n", row, what, (unsigned long long)found,
		    (unsigned long long)expected);
	return false;
}

static void prepare_row(struct world *world, const struct row *row)
{
	struct mica_state_gprs *gprs = &world->state.gprs;

	world_reset(world);
	set_mode(world, row->mode);
	gprs->rax = row->before.rax;
	gprs->rcx = row->before.rcx;
	gprs->rdx = row->before.rdx;
	gprs->rflags = row->before.flags | FIXED;
	memcpy(world->device, &row->before.device, 8);
}

static bool run_row(struct world *world, const struct row *row)
{
	struct mica_state_gprs *gprs = &world->state.gprs;
	enum insn_result result;
	bool ok;

	prepare_row(world, row);
	world->state.events.interrupt_shadow = MICA_SHADOW_STI;
	result = world_run(world, row->bytes, row->length);
	ok = same(row->name, "result", result, INSN_DONE);
	ok &= same(row->name, "rax", gprs->rax, row->after.rax);
	ok &= same(row->name, "rcx", gprs->rcx, row->after.rcx);
	ok &= same(row->name, "rdx", gprs->rdx, row->after.rdx);
	ok &= same(row->name, "flags", gprs->rflags, row->after.flags | FIXED);
	ok &= same(row->name, "device", world_device64(world, 0), row->after.device);
	ok &= same(row->name, "rip", gprs->rip, CODE + row->length);
	ok &= same(row->name, "shadow", world->state.events.interrupt_shadow, 0);
	ok &= same(row->name, "groups", world->changed, MICA_STATE_GPRS | MICA_STATE_EVENTS);
	return ok;
}

static void test_table(void **state)
{
	unsigned int failed = 0;

	for (unsigned int i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		failed += !run_row(*state, &rows[i]);
	assert_int_equal(failed, 0);
}

static bool is_flush(const struct row *row)
{
	return !strncmp(row->name, "clflush", 7);
}

/* An operation that fails, or that fails for writes only, leaves every register. */
static void test_table_failures(void **state)
{
	struct world *world = *state;
	struct mica_state_gprs before;
	enum insn_result result;

	for (unsigned int i = 0; i < 2 * sizeof(rows) / sizeof(rows[0]); i++) {
		const struct row *row = &rows[i / 2];

		prepare_row(world, row);
		world->fail = i & 1 ? 0 : -5;
		world->fail_write = -5;
		before = world->state.gprs;
		result = world_run(world, row->bytes, row->length);
		if (i & 1 || is_flush(row))
			assert_true(result == INSN_DONE || result == INSN_FAILED);
		else
			assert_int_equal(result, INSN_FAILED);
		if (result == INSN_FAILED)
			assert_memory_equal(&before, &world->state.gprs, sizeof(before));
	}
}

/* So does a fault, but for RF. */
static void test_table_faults(void **state)
{
	struct world *world = *state;
	struct mica_state_gprs before;

	for (unsigned int i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		enum insn_result result;

		if (rows[i].mode != LONG || strstr(rows[i].name, "moffs"))
			continue;
		prepare_row(world, &rows[i]);
		world->state.gprs.rbx = 1ull << 63;
		world->state.events.interrupt_shadow = MICA_SHADOW_STI;
		before = world->state.gprs;
		result = world_run(world, rows[i].bytes, rows[i].length);
		world_assert_fault(world, result, 13, true, 0);
		before.rflags |= RF;
		assert_memory_equal(&before, &world->state.gprs, sizeof(before));
		assert_int_equal(world->state.events.interrupt_shadow, 0);
		assert_int_equal(world->count, 0);
	}
}

/* 40 is a prefix in 64-bit mode and INC EAX in compatibility mode. */
static void test_compatibility_mode(void **state)
{
	struct world *world = *state;

	world->state.gprs.rax = 0xffffffff;
	world->state.gprs.rbx = DEVICE;
	assert_int_equal(RUN(world, "\x40\x8b\x03"), INSN_DONE);
	assert_int_equal(world->state.gprs.rip, CODE + 3);
	world->state.segs.cs.attr = ATTR_CODE32;
	world->state.gprs.rax = 0xffffffff;
	assert_int_equal(RUN(world, "\x40\x8b\x03"), INSN_DONE);
	assert_int_equal(world->state.gprs.rip, CODE + 1);
	assert_int_equal(world->state.gprs.rax, 0);
	world->state.segs.ds.base = 0xfffffff8;		/* wraps at 4 GiB */
	world->state.gprs.rbx = DEVICE + 8;
	assert_int_equal(RUN(world, "\x8b\x03"), INSN_DONE);
	assert_true(world->log[1].address == DEVICE);
	world->state.segs.cs.attr = ATTR_CODE16;
	world->state.gprs.rax = 0x0000ffff;
	assert_int_equal(RUN(world, "\x40"), INSN_DONE);		/* inc ax */
	assert_int_equal(world->state.gprs.rax, 0);
}

/* What reaches the device: as many accesses as the CPU makes, of the instruction's size. */
static void test_accesses(void **state)
{
	struct world *world = *state;

	world->state.gprs.rbx = DEVICE + 4;
	world->state.gprs.rax = 0x12345678;
	assert_int_equal(RUN(world, "\x89\x03"), INSN_DONE);
	assert_int_equal(world->count, 1);
	assert_true(world->log[0].write);
	assert_true(world->log[0].address == DEVICE + 4);
	assert_int_equal(world->log[0].size, 4);
	assert_int_equal(world->log[0].value, 0x12345678);
	world->count = 0;
	assert_int_equal(RUN(world, "\x0f\xba\x2b\x00"), INSN_DONE);	/* bts dword [rbx], 0 */
	assert_int_equal(world->count, 2);
	assert_false(world->log[0].write);
	assert_true(world->log[1].write);
	assert_int_equal(world->log[1].value, 0x12345679);
	world->count = 0;
	assert_int_equal(RUN(world, "\x83\x3b\x00"), INSN_DONE);	/* cmp dword [rbx], 0 */
	assert_int_equal(world->count, 1);
}

static void test_operand_across_pages(void **state)
{
	struct world *world = *state;

	world->state.gprs.rbx = DEVICE + 0xffd;
	world->state.gprs.rax = 0x1122334455667788;
	assert_int_equal(RUN(world, "\x48\x89\x03"), INSN_DONE);
	assert_int_equal(world->count, 4);
	assert_int_equal(world->log[0].size, 2);
	assert_int_equal(world->log[1].size, 1);
	assert_int_equal(world->log[2].size, 4);
	assert_true(world->log[2].address == DEVICE + 0x1000);
	assert_int_equal(world->log[3].size, 1);
	assert_true(world_device64(world, 0xffd) == 0x1122334455667788);
	world->state.gprs.rax = 0;
	assert_int_equal(RUN(world, "\x48\x8b\x03"), INSN_DONE);
	assert_true(world->state.gprs.rax == 0x1122334455667788);
}

/* A negative bit number reaches below the operand. */
static void test_bit_numbers(void **state)
{
	struct world *world = *state;

	world->state.gprs.rbx = DEVICE + 0x100;
	world->state.gprs.rcx = -1;
	assert_int_equal(RUN(world, "\x0f\xab\x0b"), INSN_DONE);
	assert_true(world->log[0].address == DEVICE + 0xfc);
	assert_int_equal(world->log[1].value, 0x80000000);
	world->count = 0;
	world->state.gprs.rcx = 0xffff;		/* -1 as a 16-bit number */
	assert_int_equal(RUN(world, "\x66\x0f\xab\x0b"), INSN_DONE);
	assert_true(world->log[0].address == DEVICE + 0xfe);
	world->count = 0;
	world->state.gprs.rcx = 8 * 0x80;
	assert_int_equal(RUN(world, "\x48\x0f\xa3\x0b"), INSN_DONE);
	assert_true(world->log[0].address == DEVICE + 0x180);
}

static void test_addressing(void **state)
{
	struct world *world = *state;
	struct mica_state_gprs *gprs = &world->state.gprs;

	gprs->rbx = DEVICE;
	gprs->rcx = 0x10;
	assert_int_equal(RUN(world, "\x8b\x44\x8b\x04"), INSN_DONE);	/* [rbx + rcx*4 + 4] */
	assert_true(world->log[0].address == DEVICE + 0x44);
	gprs->rbx = DEVICE + 0x100;
	assert_int_equal(RUN(world, "\x8b\x43\xf0"), INSN_DONE);	/* [rbx - 16] */
	assert_true(world->log[1].address == DEVICE + 0xf0);
	gprs->rbx = 0xffffffff00000000 | DEVICE;
	assert_int_equal(RUN(world, "\x67\x8b\x03"), INSN_DONE);	/* [ebx] */
	assert_true(world->log[2].address == DEVICE);
	/* [eip + disp32], from the end of the instruction */
	assert_int_equal(RUN(world, "\x67\x8b\x05\xf9\xef\xff\xcf"), INSN_DONE);
	assert_true(world->log[3].address == DEVICE);
	world->state.segs.gs.base = DEVICE;
	assert_int_equal(RUN(world, "\x65\x8b\x04\x25\x20\x00\x00\x00"), INSN_DONE);
	assert_true(world->log[4].address == DEVICE + 0x20);
	world->state.segs.ds.base = 0x777;	/* ignored in 64-bit mode */
	gprs->rbx = DEVICE;
	assert_int_equal(RUN(world, "\x3e\x8b\x03"), INSN_DONE);
	assert_true(world->log[5].address == DEVICE);
	world_put(world, CODE + 0x107, 0x5a5a, 4);
	assert_int_equal(RUN(world, "\x8b\x05\x01\x01\x00\x00"), INSN_DONE);	/* [rip + 0x101] */
	assert_int_equal(gprs->rax, 0x5a5a);
	gprs->r12 = DEVICE;
	gprs->r13 = 8;
	assert_int_equal(RUN(world, "\x4f\x89\x3c\x2c"), INSN_DONE);	/* [r12 + r13], r15 */
	assert_true(world->log[6].address == DEVICE + 8);
}

static void test_addressing_16(void **state)
{
	struct world *world = *state;
	struct mica_state_gprs *gprs = &world->state.gprs;

	world_real_mode(world);
	world->state.segs.ds.base = DEVICE;
	world->state.segs.ss.base = DEVICE + 0x1000;
	gprs->rbx = 0xff00;
	gprs->rsi = 0x0110;
	assert_int_equal(RUN(world, "\x8b\x00"), INSN_DONE);		/* [bx + si] wraps */
	assert_true(world->log[0].address == DEVICE + 0x10);
	gprs->rbp = 0x20;
	assert_int_equal(RUN(world, "\x8b\x46\x02"), INSN_DONE);	/* [bp + 2] is in SS */
	assert_true(world->log[1].address == DEVICE + 0x1022);
	assert_int_equal(gprs->rip, CODE + 3);
}

static void test_cmpxchg_pairs(void **state)
{
	struct world *world = *state;
	struct mica_state_gprs *gprs = &world->state.gprs;

	gprs->rsi = DEVICE;
	world->device[0] = 0x11;
	world->device[8] = 0x22;
	gprs->rax = 0x11;
	gprs->rdx = 0x22;
	gprs->rbx = 0x1234;
	gprs->rcx = 0x5678;
	assert_int_equal(RUN(world, "\x48\x0f\xc7\x0e"), INSN_DONE);
	assert_int_equal(world_device64(world, 0), 0x1234);
	assert_int_equal(world_device64(world, 8), 0x5678);
	assert_int_equal(gprs->rflags, FIXED | ZF);
	assert_int_equal(RUN(world, "\x48\x0f\xc7\x0e"), INSN_DONE);
	assert_int_equal(gprs->rax, 0x1234);
	assert_int_equal(gprs->rdx, 0x5678);
	assert_int_equal(gprs->rflags, FIXED);
	gprs->rsi = DEVICE + 8;
	world_assert_fault(world, RUN(world, "\x48\x0f\xc7\x0e"), 13, true, 0);
}

static void test_stack(void **state)
{
	struct world *world = *state;
	struct mica_state_gprs *gprs = &world->state.gprs;

	gprs->rsp = 0x8000;
	gprs->rbx = DEVICE;
	memcpy(world->device, "\x88\x77\x66\x55\x44\x33\x22\x11", 8);
	assert_int_equal(RUN(world, "\xff\x33"), INSN_DONE);
	assert_int_equal(gprs->rsp, 0x7ff8);
	assert_true(world_get(world, 0x7ff8, 8) == 0x1122334455667788);
	assert_int_equal(RUN(world, "\x8f\x43\x10"), INSN_DONE);
	assert_int_equal(gprs->rsp, 0x8000);
	assert_true(world_device64(world, 0x10) == 0x1122334455667788);
	assert_int_equal(RUN(world, "\x66\xff\x33"), INSN_DONE);
	assert_int_equal(gprs->rsp, 0x7ffe);
	assert_int_equal(RUN(world, "\x6a\xfe"), INSN_DONE);		/* push -2 */
	assert_true(world_get(world, 0x7ff6, 8) == 0xfffffffffffffffe);
	gprs->rsp = DEVICE + 0x100;
	gprs->rax = 0x77;
	assert_int_equal(RUN(world, "\x50"), INSN_DONE);	/* the stack is the device */
	assert_int_equal(world_device64(world, 0xf8), 0x77);
	assert_int_equal(RUN(world, "\x59"), INSN_DONE);
	assert_int_equal(gprs->rcx, 0x77);
	/* pop [rsp] uses the pointer after the increment */
	gprs->rsp = 0x8000;
	world_put(world, 0x8000, 0xabcd, 8);
	assert_int_equal(RUN(world, "\x8f\x04\x24"), INSN_DONE);
	assert_int_equal(gprs->rsp, 0x8008);
	assert_int_equal(world_get(world, 0x8008, 8), 0xabcd);
}

static void test_stack_16(void **state)
{
	struct world *world = *state;
	struct mica_state_gprs *gprs = &world->state.gprs;

	world_real_mode(world);
	gprs->rsp = 0x12340000;
	gprs->rax = 0xbeef;
	assert_int_equal(RUN(world, "\x50"), INSN_DONE);
	assert_int_equal(gprs->rsp, 0x1234fffe);
	assert_int_equal(world_get(world, 0xfffe, 2), 0xbeef);
	assert_int_equal(RUN(world, "\x5b"), INSN_DONE);
	assert_int_equal(gprs->rsp, 0x12340000);
	assert_int_equal(gprs->rbx, 0xbeef);
}

static void test_vectors(void **state)
{
	struct world *world = *state;
	uint8_t pattern[16];

	world->state.crs.cr4 |= 1 << 9;
	world->state.gprs.rbx = DEVICE;
	for (unsigned int i = 0; i < 16; i++)
		pattern[i] = i + 1;
	memcpy(world->xmm[9], pattern, 16);
	assert_int_equal(RUN(world, "\x66\x44\x0f\xe7\x0b"), INSN_DONE);	/* movntdq xmm9 */
	assert_memory_equal(world->device, pattern, 16);
	assert_int_equal(world->count, 2);
	world->state.gprs.rbx = DEVICE + 1;
	assert_int_equal(RUN(world, "\x0f\x10\x13"), INSN_DONE);		/* movups xmm2 */
	assert_memory_equal(world->xmm[2], world->device + 1, 16);
	world_assert_fault(world, RUN(world, "\x0f\x28\x13"), 13, true, 0);	/* movaps */
	world->state.events.exception = 0;
	world->state.gprs.rbx = DEVICE;
	memset(world->xmm[3], 0xff, 16);
	assert_int_equal(RUN(world, "\xf3\x0f\x7e\x1b"), INSN_DONE);		/* movq xmm3 */
	assert_memory_equal(world->xmm[3], "\1\2\3\4\5\6\7\10\0\0\0\0\0\0\0", 16);
	assert_int_equal(RUN(world, "\x66\x0f\x7e\x5b\x20"), INSN_DONE);	/* movd [rbx+32] */
	assert_true(world_device64(world, 0x20) == 0x04030201);
	world->state.crs.cr0 |= 8;						/* TS */
	world_assert_fault(world, RUN(world, "\x0f\x10\x13"), 7, false, 0);
	world->state.events.exception = 0;
	world->no_vectors = true;
	assert_int_equal(RUN(world, "\x0f\x10\x13"), INSN_UNSUPPORTED);
	assert_string_equal(world->report.mnemonic, "movups");
}

static void test_unsupported(void **state)
{
	static const struct {
		const char *bytes;
		unsigned int length;
		const char *mnemonic;
	} cases[] = {
		{ B("\x0f\x22\xd8"), "mov" },			/* mov cr3, rax */
		{ B("\x0f\x23\xf8"), "mov" },			/* mov dr7, rax */
		{ B("\x8e\xd8"), "mov" },			/* mov ds, ax */
		{ B("\x8e\x1b"), "mov" },
		{ B("\x0f\xa1"), "pop" },			/* pop fs */
		{ B("\x0f\x01\xf8"), "swapgs" },
		{ B("\x0f\x01\x1b"), "lidt" },
		{ B("\xff\x13"), "call" },
		{ B("\xf4"), "hlt" },
		{ B("\xe4\x60"), "in" },
		{ B("\x0f\x30"), "wrmsr" },
		{ B("\xcf"), "iretd" },
		{ B("\x9d"), "popfq" },
		{ B("\xd9\x03"), "fld" },
		{ B("\xc5\xf8\x28\x03"), "vmovaps" },
		{ B("\x0f\x6f\x03"), "movq" },			/* MMX */
		{ B("\x06"), "" },				/* no instruction in 64-bit mode */
	};
	struct world *world = *state;

	for (unsigned int i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct mica_vcpu_state before;

		world_reset(world);
		world->state.gprs.rbx = DEVICE;
		world->state.crs.cr4 |= 1 << 9;
		before = world->state;
		assert_int_equal(world_run(world, cases[i].bytes, cases[i].length),
				 INSN_UNSUPPORTED);
		assert_string_equal(world->report.mnemonic, cases[i].mnemonic);
		assert_memory_equal(world->report.bytes, cases[i].bytes, cases[i].length);
		assert_memory_equal(&before, &world->state, sizeof(before));
		assert_int_equal(world->changed, 0);
	}
}

static void test_bad_encodings(void **state)
{
	struct world *world = *state;

	world->state.gprs.rbx = DEVICE;
	world_assert_fault(world, RUN(world, "\xf0\x8b\x03"), 6, false, 0);	/* lock mov */
	world_reset(world);
	world_assert_fault(world, RUN(world, "\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66"
				      "\x66\x66\x89\x03"), 13, true, 0);	/* 16 bytes */
	assert_int_equal(world->state.gprs.rip, CODE);
}

/* The access came from the delivery of an event: the instruction has nothing to do with it. */
static void test_event_in_flight(void **state)
{
	struct world *world = *state;

	world->state.events.injecting = 0x80000020;
	assert_int_equal(RUN(world, "\x89\x03"), INSN_UNSUPPORTED);
	assert_int_equal(world->report.length, 0);
	assert_string_equal(world->report.mnemonic, "event delivery");
	assert_int_equal(world->changed, 0);
	assert_int_equal(world->count, 0);
}

static void test_failing_device(void **state)
{
	struct world *world = *state;

	world->state.gprs.rbx = DEVICE;
	world->fail = -5;
	assert_int_equal(RUN(world, "\x8b\x03"), INSN_FAILED);
	assert_int_equal(world->report.error, -5);
	assert_int_equal(world->state.gprs.rip, CODE);
}

static void test_single_step(void **state)
{
	struct world *world = *state;

	world->state.gprs.rbx = DEVICE;
	world->state.gprs.rflags |= TF | RF;
	assert_int_equal(RUN(world, "\x8b\x03"), INSN_DONE);
	assert_int_equal(world->state.events.pending_debug, 1 << 14);
	assert_int_equal(world->state.gprs.rflags, FIXED | TF);
}

static void expect_store(struct world *world, const char *bytes, size_t length, uint64_t value,
			 unsigned int size)
{
	world->state.gprs.rip = CODE;
	world->count = 0;
	assert_int_equal(world_run(world, bytes, length), INSN_DONE);
	assert_int_equal(world->state.gprs.rip, CODE + length);
	assert_int_equal(world->changed, MICA_STATE_GPRS);
	assert_int_equal(world->count, 1);
	assert_int_equal(world->log[0].size, size);
	assert_int_equal(world->log[0].value, value);
}

/* What was decoded at an address before counts only if bytes and mode are the same. */
static void test_decoded_again(void **state)
{
	struct world *world = *state;
	unsigned int i;

	world_long_mode(world);
	world->state.gprs.rbx = DEVICE;
	world->state.gprs.rax = 0x1122334455667788;
	for (i = 0; i < 3; i++)
		expect_store(world, B("\x89\x03"), 0x55667788, 4);
	expect_store(world, B("\x88\x03"), 0x88, 1);
	expect_store(world, B("\xc7\x03\x01\x02\x03\x04"), 0x04030201, 4);
	expect_store(world, B("\xc7\x03\x01\x02\x03\x05"), 0x05030201, 4);
	/* Longer than what is fetched first. */
	for (i = 0; i < 2; i++)
		expect_store(world, B("\xc7\x84\x23\x00\x00\x00\x00\x01\x02\x03\x04"),
			     0x04030201, 4);
	expect_store(world, B("\xc7\x84\x23\x00\x00\x00\x00\x01\x02\x03\x07"), 0x07030201, 4);
	/* The same bytes, once as REX.W and MOV, then as DEC EAX in front of it. */
	expect_store(world, B("\x48\x89\x03"), 0x1122334455667788, 8);
	world_protected(world, true);
	world->state.gprs.rbx = DEVICE;
	world->state.gprs.rax = 0x12345678;
	assert_int_equal(RUN(world, "\x48\x89\x03"), INSN_DONE);
	assert_int_equal(world->state.gprs.rip, CODE + 1);
	assert_int_equal(world->state.gprs.rax, 0x12345677);
	expect_store(world, B("\x89\x03"), 0x12345677, 4);
}

static void test_rip(void **state)
{
	struct world *world = *state;

	world_protected(world, true);
	world->state.gprs.rbx = DEVICE;
	memcpy(world->ram, "\x90\x8b\x03", 3);
	world->state.segs.cs.base = 0x1002;	/* EIP fffffffe is linear 1000 */
	memcpy(world->ram + 0x1000, "\x8b\x03", 2);
	world->state.gprs.rip = 0xfffffffe;
	assert_int_equal(world_execute(world), INSN_DONE);
	assert_int_equal(world->state.gprs.rip, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_table),
		TEST(test_table_failures),
		TEST(test_table_faults),
		TEST(test_compatibility_mode),
		TEST(test_accesses),
		TEST(test_operand_across_pages),
		TEST(test_bit_numbers),
		TEST(test_addressing),
		TEST(test_addressing_16),
		TEST(test_cmpxchg_pairs),
		TEST(test_stack),
		TEST(test_stack_16),
		TEST(test_vectors),
		TEST(test_unsupported),
		TEST(test_bad_encodings),
		TEST(test_event_in_flight),
		TEST(test_failing_device),
		TEST(test_single_step),
		TEST(test_decoded_again),
		TEST(test_rip),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
