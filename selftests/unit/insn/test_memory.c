// SPDX-License-Identifier: GPL-2.0-or-later
/* Segments and page tables: what is allowed, what faults with which error code. */
#include "insn_test.h"

#define P	0x001ull
#define W	0x002ull
#define U	0x004ull
#define A	0x020ull
#define D	0x040ull
#define PS	0x080ull
#define NX	(1ull << 63)

#define PF_P	1u
#define PF_W	2u
#define PF_U	4u
#define PF_R	8u
#define PF_I	16u

/* Page tables of the tests, and what they map. */
#define ROOT	0x10000u
#define PML4	0x11000u
#define PDPT	0x12000u
#define PD	0x13000u
#define PT	0x14000u
#define CODE_VA	(0x400000ull + CODE)	/* mapped by a large page to 0 */
#define DATA_VA	0x600000ull		/* mapped by PT[0], to the device */

#define CR4_LA57	(1ull << 12)
#define CR4_SMEP	(1ull << 20)
#define CR4_SMAP	(1ull << 21)

/* ------------------------------------------------------------ segments */

static enum insn_result load32(struct world *world, uint64_t offset)
{
	world->state.gprs.rbx = offset;
	return RUN(world, "\x8b\x03");
}

static enum insn_result store32(struct world *world, uint64_t offset)
{
	world->state.gprs.rbx = offset;
	return RUN(world, "\x89\x03");
}

static void assert_gp(struct world *world, enum insn_result result)
{
	world_assert_fault(world, result, 13, true, 0);
	world->state.events.exception = 0;
}

static void test_limit(void **state)
{
	struct world *world = *state;

	world_protected(world, true);
	world->state.segs.ds.base = DEVICE;
	world->state.segs.ds.limit = 0xfff;
	assert_int_equal(load32(world, 0xffc), INSN_DONE);
	assert_gp(world, load32(world, 0xffd));
	assert_gp(world, load32(world, 0x1000));
	assert_gp(world, load32(world, 0xfffffffe));
	assert_int_equal(world->state.gprs.rip, CODE);
	assert_int_equal(world->count, 1);
}

static void test_expand_down(void **state)
{
	struct world *world = *state;

	world_protected(world, true);
	world->state.segs.ds.base = DEVICE;
	world->state.segs.ds.limit = 0xfff;
	world->state.segs.ds.attr |= 4;
	assert_gp(world, load32(world, 0xfff));
	assert_int_equal(load32(world, 0x1000), INSN_DONE);
	world->state.segs.ds.attr &= ~0x4000u;		/* 64 KiB */
	assert_int_equal(load32(world, 0xfffc), INSN_DONE);
	assert_gp(world, load32(world, 0xfffd));
}

static void test_stack_segment(void **state)
{
	struct world *world = *state;

	world_protected(world, true);
	world->state.segs.ss.limit = 0x7fff;
	world->state.gprs.rbp = 0x8000;
	world_assert_fault(world, RUN(world, "\x8b\x45\x00"), 12, true, 0);	/* [ebp] */
}

static void test_segment_types(void **state)
{
	struct world *world = *state;

	world_protected(world, true);
	world->state.segs.ds.attr = 0xc091;		/* read-only data */
	assert_int_equal(load32(world, DEVICE), INSN_DONE);
	assert_gp(world, store32(world, DEVICE));
	world->state.segs.ds.attr = 0xc099;		/* execute-only code */
	assert_gp(world, load32(world, DEVICE));
	world->state.segs.ds.attr = 0xc09b;		/* readable code */
	assert_int_equal(load32(world, DEVICE), INSN_DONE);
	assert_gp(world, store32(world, DEVICE));
	world->state.segs.ds.attr = 0x10000;		/* loaded with a null selector */
	assert_gp(world, load32(world, DEVICE));
	world->state.gprs.rbx = DEVICE;			/* mov [cs:ebx], eax */
	assert_gp(world, RUN(world, "\x2e\x89\x03"));
}

/* In real mode types do not count, limits do, and faults have no error code. */
static void test_real_mode_segments(void **state)
{
	struct world *world = *state;

	world_real_mode(world);
	world->state.segs.cs.base = 0x0;
	world->state.gprs.rbx = 0x9000;
	world->state.gprs.rax = 0x55;
	assert_int_equal(RUN(world, "\x2e\x89\x07"), INSN_DONE);	/* mov [cs:bx], ax */
	assert_int_equal(world_get(world, 0x9000, 2), 0x55);
	world->state.gprs.rbx = 0xffff;
	world->state.events.exception_error = 0x55;		/* of an earlier one */
	world_assert_fault(world, RUN(world, "\x8b\x07"), 13, false, 0);
}

static void test_canonical(void **state)
{
	struct world *world = *state;

	assert_gp(world, load32(world, 0x0000800000000000));
	assert_gp(world, load32(world, 0x00007ffffffffffd));
	assert_gp(world, load32(world, 0xffff7fffffffffff));
	assert_int_equal(load32(world, 0xffff800000000000), INSN_DONE);
	world->state.crs.cr4 |= CR4_LA57;
	assert_int_equal(load32(world, 0x0000800000000000), INSN_DONE);
	assert_gp(world, load32(world, 0x0100000000000000));
	world->state.crs.cr4 &= ~CR4_LA57;
	world->state.gprs.rbp = 0x0000800000000000;
	world_assert_fault(world, RUN(world, "\x8b\x45\x00"), 12, true, 0);
	world->state.events.exception = 0;
	world->state.gprs.rip = 0x0000800000000000;
	assert_gp(world, world_execute(world));
}

static void test_code_limit(void **state)
{
	struct world *world = *state;

	world_protected(world, true);
	world->state.gprs.rbx = DEVICE;
	world->state.segs.cs.limit = CODE + 1;
	assert_int_equal(RUN(world, "\x8b\x03"), INSN_DONE);
	world->state.segs.cs.limit = CODE;
	assert_gp(world, RUN(world, "\x8b\x03"));
	world->state.segs.cs.limit = CODE - 1;
	assert_gp(world, RUN(world, "\x8b\x03"));
}

/* No CPU has such a CS, but a saved state may; its limit is a limit nonetheless. */
static void test_code_expands_down(void **state)
{
	struct world *world = *state;

	world_protected(world, true);
	world->state.gprs.rbx = DEVICE;
	world->state.segs.cs.attr = (world->state.segs.cs.attr & ~0xfu) | 7;
	world->state.segs.cs.limit = CODE - 1;
	assert_gp(world, RUN(world, "\x8b\x03"));
	world->state.segs.cs.limit = CODE + 1;
	assert_int_equal(RUN(world, "\x8b\x03"), INSN_DONE);
}

/* ------------------------------------------------------------ page tables */

static void map_long(struct world *world, uint64_t rights)
{
	world_long_mode(world);
	world->state.crs.cr0 |= CR0_PG | CR0_WP;
	world->state.crs.cr3 = PML4;
	world_put(world, ROOT, PML4 | P | W | U, 8);
	world_put(world, PML4, PDPT | P | W | U, 8);
	world_put(world, PDPT, PD | P | W | U, 8);
	world_put(world, PD + 2 * 8, 0 | P | W | U | PS, 8);
	world_put(world, PD + 3 * 8, PT | P | W | U, 8);
	world_put(world, PT, DEVICE | rights, 8);
	world_put(world, PT + 8, (DEVICE + 0x1000) | rights, 8);
}

static void set_cpl(struct world *world, unsigned int cpl)
{
	world->state.segs.ss.attr = ATTR_DATA32 | cpl << 5;
	world->state.segs.cs.attr = (world->state.segs.cs.attr & ~0x60u) | cpl << 5;
}

static enum insn_result run_mapped(struct world *world, const char *bytes, unsigned int length)
{
	memcpy(world->ram + CODE, bytes, length);
	world->state.gprs.rip = CODE_VA;
	world->state.gprs.rbx = DATA_VA;
	world->state.crs.cr2 = 0;
	world->state.events.exception = 0;
	world->count = 0;
	return world_execute(world);
}

#define LOAD(world)	run_mapped((world), "\x8b\x03", 2)
#define STORE(world)	run_mapped((world), "\x89\x03", 2)

static void assert_page_fault(struct world *world, enum insn_result result, uint64_t address,
			      uint32_t error)
{
	world_assert_fault(world, result, 14, true, error);
	assert_true(world->state.crs.cr2 == address);
	assert_int_equal(world->count, 0);
	assert_true(world->changed & MICA_STATE_CRS);
}

static void test_long_walk(void **state)
{
	struct world *world = *state;

	map_long(world, P | W);
	assert_int_equal(LOAD(world), INSN_DONE);
	assert_true(world->log[0].address == DEVICE);
	/* Accessed everywhere on the way, dirty only by a store, and only in the leaf. */
	assert_int_equal(world_get(world, PML4, 8), PDPT | P | W | U | A);
	assert_int_equal(world_get(world, PD + 16, 8), P | W | U | PS | A);
	assert_true(world_get(world, PT, 8) == (DEVICE | P | W | A));
	assert_int_equal(STORE(world), INSN_DONE);
	assert_true(world_get(world, PT, 8) == (DEVICE | P | W | A | D));
	assert_int_equal(world_get(world, PD + 24, 8), PT | P | W | U | A);
	world->entry_updates = 0;
	assert_int_equal(STORE(world), INSN_DONE);
	assert_int_equal(world->entry_updates, 0);
}

static void test_five_levels(void **state)
{
	struct world *world = *state;

	map_long(world, P | W);
	world->state.crs.cr4 |= CR4_LA57;
	world->state.crs.cr3 = ROOT;
	assert_int_equal(LOAD(world), INSN_DONE);
	assert_int_equal(world_get(world, ROOT, 8), PML4 | P | W | U | A);
	world_put(world, ROOT, PML4 | P | W | PS, 8);
	assert_page_fault(world, LOAD(world), CODE_VA, PF_P | PF_R);
}

static void test_large_pages(void **state)
{
	struct world *world = *state;

	map_long(world, P | W);
	world_put(world, PD + 3 * 8, DEVICE | P | W | PS, 8);
	assert_int_equal(STORE(world), INSN_DONE);
	assert_true(world->log[0].address == DEVICE);
	assert_true(world_get(world, PD + 24, 8) == (DEVICE | P | W | PS | A | D));
	world_put(world, PD + 3 * 8, DEVICE | 0x2000 | P | W | PS, 8);	/* misaligned */
	assert_page_fault(world, STORE(world), DATA_VA, PF_P | PF_W | PF_R);
	/* 1 GiB: the code is then at its own address. */
	world_put(world, PDPT, 0 | P | W | PS, 8);
	world->state.gprs.rip = CODE;
	world->state.gprs.rbx = 0x8000;
	world_put(world, 0x8000, 0x77, 4);
	memcpy(world->ram + CODE, "\x8b\x03", 2);
	world->state.events.exception = 0;
	assert_int_equal(world_execute(world), INSN_DONE);
	assert_int_equal(world->state.gprs.rax, 0x77);
	world_put(world, PML4, PDPT | P | W | PS, 8);
	assert_page_fault(world, LOAD(world), CODE_VA, PF_P | PF_R);
}

static void test_not_present(void **state)
{
	struct world *world = *state;

	map_long(world, W);
	assert_page_fault(world, LOAD(world), DATA_VA, 0);
	assert_page_fault(world, STORE(world), DATA_VA, PF_W);
	set_cpl(world, 3);
	assert_page_fault(world, STORE(world), DATA_VA, PF_W | PF_U);
	world_put(world, PD + 16, 0, 8);
	assert_page_fault(world, LOAD(world), CODE_VA, PF_U);
	world->state.msrs.efer |= EFER_NXE;
	assert_page_fault(world, LOAD(world), CODE_VA, PF_U | PF_I);
}

static void test_rights(void **state)
{
	struct world *world = *state;

	map_long(world, P);			/* supervisor, read-only */
	assert_int_equal(LOAD(world), INSN_DONE);
	assert_page_fault(world, STORE(world), DATA_VA, PF_P | PF_W);
	world->state.crs.cr0 &= ~CR0_WP;
	assert_int_equal(STORE(world), INSN_DONE);
	set_cpl(world, 3);
	assert_page_fault(world, LOAD(world), DATA_VA, PF_P | PF_U);
	world_put(world, PT, DEVICE | P | U, 8);
	assert_int_equal(LOAD(world), INSN_DONE);
	assert_page_fault(world, STORE(world), DATA_VA, PF_P | PF_W | PF_U);
	world_put(world, PT, DEVICE | P | U | W, 8);
	assert_int_equal(STORE(world), INSN_DONE);
	/* One level that refuses is enough. */
	world_put(world, PD + 3 * 8, PT | P | U, 8);
	assert_page_fault(world, STORE(world), DATA_VA, PF_P | PF_W | PF_U);
	world_put(world, PD + 3 * 8, PT | P | W, 8);
	assert_page_fault(world, LOAD(world), DATA_VA, PF_P | PF_U);
	/* cmp only reads, add also writes */
	set_cpl(world, 0);
	world->state.crs.cr0 |= CR0_WP;
	world_put(world, PT, DEVICE | P, 8);
	assert_int_equal(run_mapped(world, "\x39\x03", 2), INSN_DONE);
	assert_page_fault(world, run_mapped(world, "\x01\x03", 2), DATA_VA, PF_P | PF_W);
}

static void test_no_execute(void **state)
{
	struct world *world = *state;

	map_long(world, P | W | NX);
	assert_page_fault(world, LOAD(world), DATA_VA, PF_P | PF_R);	/* EFER.NXE is clear */
	world->state.msrs.efer |= EFER_NXE;
	assert_int_equal(LOAD(world), INSN_DONE);
	world_put(world, PDPT, PD | P | W | U | NX, 8);
	assert_page_fault(world, LOAD(world), CODE_VA, PF_P | PF_I);
}

static void test_smep_smap(void **state)
{
	struct world *world = *state;

	map_long(world, P | W | U);
	world->state.crs.cr4 |= CR4_SMAP;
	assert_page_fault(world, LOAD(world), DATA_VA, PF_P);
	world->state.gprs.rflags |= AC;
	assert_int_equal(LOAD(world), INSN_DONE);
	world->state.crs.cr4 = CR4_PAE | CR4_SMEP;
	assert_page_fault(world, LOAD(world), CODE_VA, PF_P | PF_I);
	set_cpl(world, 3);
	assert_int_equal(LOAD(world), INSN_DONE);
}

static void test_operand_in_two_pages(void **state)
{
	struct world *world = *state;

	map_long(world, P | W);
	world_put(world, PT + 8, 0x30000 | P, 8);
	world->state.gprs.rax = 0x11223344;
	world_put(world, 0x30000, 0xffff, 8);
	assert_int_equal(run_mapped(world, "\x8b\x83\xfe\x0f\x00\x00", 6), INSN_DONE);
	assert_int_equal(world->state.gprs.rax, 0xffff0000);
	/* The second page refuses: nothing of the first is written. */
	assert_page_fault(world, run_mapped(world, "\x89\x83\xfe\x0f\x00\x00", 6),
			  DATA_VA + 0x1000, PF_P | PF_W);
	world_put(world, PT + 8, 0x30000 | P | W, 8);
	assert_int_equal(run_mapped(world, "\x89\x83\xfe\x0f\x00\x00", 6), INSN_DONE);
	assert_int_equal(world_get(world, 0x30000, 4), 0xffff);
	assert_int_equal(world->count, 1);
}

/* The code runs from the end of one page into another, which lies elsewhere. */
static void test_instruction_in_two_pages(void **state)
{
	struct world *world = *state;

	map_long(world, P | W);
	world_put(world, PD + 16, 0x15000 | P | W, 8);
	world_put(world, 0x15000, 0x40000 | P, 8);
	world_put(world, 0x15008, 0x50000 | P, 8);
	memcpy(world->ram + 0x40ffe, "\x8b\x83", 2);
	memcpy(world->ram + 0x50000, "\x10\x00\x00\x00", 4);
	world->state.gprs.rip = 0x400ffe;
	world->state.gprs.rbx = DATA_VA;
	assert_int_equal(world_execute(world), INSN_DONE);
	assert_true(world->log[0].address == DEVICE + 0x10);
	assert_int_equal(world->state.gprs.rip, 0x401004);
	world_put(world, 0x15008, 0, 8);
	world->state.gprs.rip = 0x400ffe;
	world->count = 0;
	assert_page_fault(world, world_execute(world), 0x401000, 0);
	/* An instruction that ends with the page does not touch the next. */
	memcpy(world->ram + 0x40ffe, "\x8b\x03", 2);
	world->state.events.exception = 0;
	assert_int_equal(world_execute(world), INSN_DONE);
}

static void test_pae(void **state)
{
	struct world *world = *state;

	map_long(world, P | W);
	world_protected(world, true);
	world->state.crs.cr0 |= CR0_PG | CR0_WP;
	world->state.crs.cr3 = 0x16020;
	world_put(world, 0x16020, PD | P, 8);
	assert_int_equal(STORE(world), INSN_DONE);
	assert_int_equal(world_get(world, 0x16020, 8), PD | P);		/* no flags there */
	assert_true(world_get(world, PT, 8) == (DEVICE | P | W | A | D));
	world_put(world, PT, 1ull << 52 | DEVICE | P | W, 8);		/* reserved in PAE paging */
	assert_page_fault(world, LOAD(world), DATA_VA, PF_P | PF_R);
	/* The fourth entry of the top table maps the last GiB. */
	world_put(world, 0x16020 + 24, PD | P, 8);
	world_put(world, PT, DEVICE | P | W, 8);
	memcpy(world->ram + CODE, "\x8b\x03", 2);
	world->state.gprs.rip = CODE_VA;
	world->state.gprs.rbx = 0xc0000000 + DATA_VA;
	world->state.events.exception = 0;
	assert_int_equal(world_execute(world), INSN_DONE);
}

static void map_32bit(struct world *world)
{
	world_protected(world, true);
	world->state.crs.cr0 |= CR0_PG | CR0_WP;
	world->state.crs.cr4 = CR4_PSE;
	world->state.crs.cr3 = PD;
	memset(world->ram + PD, 0, 0x2000);
	world_put(world, PD + 4, PT | P | W, 4);			/* 0x400000 */
	world_put(world, PT + 4, CODE | P, 4);				/* 0x401000 */
	world_put(world, PT + 4 * 0x200, DEVICE | P | W, 4);		/* 0x600000 */
}

static void test_32bit(void **state)
{
	struct world *world = *state;

	map_32bit(world);
	assert_int_equal(STORE(world), INSN_DONE);
	assert_true(world->log[0].address == DEVICE);
	assert_int_equal(world_get(world, PD + 4, 4), PT | P | W | A);
	assert_true(world_get(world, PT + 0x800, 4) == (DEVICE | P | W | A | D));
	world_put(world, PT + 0x800, DEVICE | P, 4);
	assert_page_fault(world, STORE(world), DATA_VA, PF_P | PF_W);
}

static void test_32bit_large(void **state)
{
	struct world *world = *state;
	uint64_t va = 0xc0000000;

	map_32bit(world);
	/* Bits 39:32 of the address are in bits 20:13. */
	world_put(world, PD + 4 * 0x300, (DEVICE & 0xffc00000) | 0x12 << 13 | P | W | PS, 4);
	memcpy(world->ram + CODE, "\x8b\x03", 2);
	world->state.gprs.rip = CODE_VA;
	world->state.gprs.rbx = va + 0x1234;
	assert_int_equal(world_execute(world), INSN_DONE);
	assert_true(world->log[0].address == (0x12ull << 32 | (DEVICE & 0xffc00000) | 0x1234));
	world_put(world, PD + 4 * 0x300, 1 << 21 | P | W | PS, 4);
	world->state.gprs.rip = CODE_VA;
	world->count = 0;
	assert_page_fault(world, world_execute(world), va + 0x1234, PF_P | PF_R);
	/* Without CR4.PSE the entry is that of a table. */
	world->state.crs.cr4 = 0;
	world_put(world, PD + 4 * 0x300, PT | P | W | PS, 4);
	world_put(world, PT, DEVICE | P, 4);
	world->state.gprs.rbx = va + 0x234;
	world->state.events.exception = 0;
	assert_int_equal(world_execute(world), INSN_DONE);
	assert_true(world->log[0].address == DEVICE + 0x234);
}

/* A repeated instruction that runs into a page that is not there. */
static void test_string_into_hole(void **state)
{
	struct world *world = *state;
	struct mica_state_gprs *gprs = &world->state.gprs;
	enum insn_result result;

	map_long(world, P | W);
	world_put(world, PT + 8, 0, 8);
	gprs->rdi = DATA_VA + 0xffd;
	gprs->rcx = 5;
	result = run_mapped(world, "\xf3\xaa", 2);
	assert_int_equal(world->count, 3);
	world_assert_fault(world, result, 14, true, PF_W);
	assert_true(world->state.crs.cr2 == DATA_VA + 0x1000);
	assert_int_equal(gprs->rcx, 2);
	assert_true(gprs->rdi == DATA_VA + 0x1000);
	assert_true(gprs->rip == CODE_VA);
	/* An element that crosses into it does nothing at all. */
	gprs->rdi = DATA_VA + 0xffe;
	gprs->rcx = 1;
	result = run_mapped(world, "\xf3\xab", 2);
	assert_page_fault(world, result, DATA_VA + 0x1000, PF_W);
}

static void test_tables_beyond_memory(void **state)
{
	struct world *world = *state;

	map_long(world, P | W);
	world_put(world, PD + 3 * 8, 0x7fffff000 | P | W, 8);
	assert_int_equal(LOAD(world), INSN_FAILED);
	assert_int_equal(world->report.error, -14);
	assert_string_equal(world->report.mnemonic, "mov");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_limit),
		TEST(test_expand_down),
		TEST(test_stack_segment),
		TEST(test_segment_types),
		TEST(test_real_mode_segments),
		TEST(test_canonical),
		TEST(test_code_limit),
		TEST(test_code_expands_down),
		TEST(test_long_walk),
		TEST(test_five_levels),
		TEST(test_large_pages),
		TEST(test_not_present),
		TEST(test_rights),
		TEST(test_no_execute),
		TEST(test_smep_smap),
		TEST(test_operand_in_two_pages),
		TEST(test_instruction_in_two_pages),
		TEST(test_pae),
		TEST(test_32bit),
		TEST(test_32bit_large),
		TEST(test_string_into_hole),
		TEST(test_tables_beyond_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
