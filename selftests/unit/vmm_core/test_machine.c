// SPDX-License-Identifier: GPL-2.0-or-later
/* Each exit of a vCPU, and what the VMM makes of it. */
#include "machine_test.h"

#include <errno.h>

static void test_power_off(void **state)
{
	struct fixture *fixture = *state;
	const struct fake_exit script[] = {
		FAKE_OUT(COM1, 1, 'm'), FAKE_OUT(COM1, 1, 'i'), FAKE_OUT(COM1, 1, 'c'),
		FAKE_OUT(COM1, 1, 'a'), FAKE_OUT(COM1, 1, '\n'), POWER_OFF_EXIT,
	};
	uint32_t value;

	assert_int_equal(play(fixture, script, G_N_ELEMENTS(script), &value), MACHINE_OFF);
	assert_console(fixture, "mica\n");
	assert_no_message(fixture);
}

static void test_reset(void **state)
{
	const struct fake_exit script[] = { FAKE_OUT(RESET_PORT, 1, 6), POWER_OFF_EXIT };
	uint32_t value;

	assert_int_equal(play(*state, script, G_N_ELEMENTS(script), &value), MACHINE_RESET);
	assert_no_message(*state);
}

static void test_debug_exit(void **state)
{
	const struct fake_exit script[] = { FAKE_OUT(DEBUG_EXIT_PORT, 4, 0x2a) };
	uint32_t value;

	assert_int_equal(play(*state, script, G_N_ELEMENTS(script), &value), MACHINE_DEBUG_EXIT);
	assert_int_equal(value, 0x2a);
}

/* Nobody is at that port.  The answer is looked at when the vCPU runs again. */
static void test_in(void **state)
{
	const struct fake_exit script[] = {
		FAKE_IN(0x5678, 2),
		{ .reason = MICA_EXIT_INTERRUPTED, .number = EINTR },
		POWER_OFF_EXIT,
	};
	uint32_t value;

	assert_int_equal(play(*state, script, G_N_ELEMENTS(script), &value), MACHINE_OFF);
	assert_int_equal(fake_kernel.last_in, 0xffff);
}

/* The kernel is told to answer the POST port; what it leaves to us is answered alike. */
static void test_post_port(void **state)
{
	const struct fake_exit script[] = {
		FAKE_OUT(POST_PORT, 1, 0x55),
		FAKE_IN(POST_PORT, 1),
		{ .reason = MICA_EXIT_INTERRUPTED, .number = EINTR },
		POWER_OFF_EXIT,
	};
	uint32_t value;

	assert_int_equal(play(*state, script, G_N_ELEMENTS(script), &value), MACHINE_OFF);
	assert_int_equal(fake_kernel.last_in, 0xff);
	assert_int_equal(fake_kernel.io_bindings, 1);
	assert_int_equal(fake_kernel.io_binding.address, POST_PORT);
	assert_int_equal(fake_kernel.io_binding.length, 1);
	assert_int_equal(fake_kernel.io_binding.flags, MICA_BIND_IGNORE);
	assert_int_equal(fake_kernel.io_binding.fd, -1);
}

/* Ends that the user is told about, each in words of its own. */
static void assert_end(void **state, struct fake_exit entry, enum machine_end expected,
		       const char *message)
{
	uint32_t value;

	assert_int_equal(play(*state, &entry, 1, &value), expected);
	assert_message(*state, message);
}

static void test_triple_fault(void **state)
{
	assert_end(state, (struct fake_exit){ .reason = MICA_EXIT_SHUTDOWN }, MACHINE_CRASH,
		   "mica: guest test, vCPU 0: crashed with a triple fault");
}

static void test_fail_entry(void **state)
{
	struct fake_exit entry = {
		.reason = MICA_EXIT_FAIL_ENTRY,
		.fail = { .name = "GUEST_CR0", .expected = 0x21, .found = 0x20 },
	};

	assert_end(state, entry, MACHINE_CRASH, "GUEST_CR0 is 0x20, expected 0x21");
	assert_message(*state, "  rip              0000000000001000");
	assert_message(*state, "  kernel_gs_base   ");
	assert_message(*state, "  ldtr             base 0000000000000000 limit ");
}

static void test_internal_error(void **state)
{
	struct fake_exit entry = {
		.reason = MICA_EXIT_INTERNAL_ERROR,
		.fail = { .name = "EXIT 99", .hw_reason = 99 },
	};

	assert_end(state, entry, MACHINE_CRASH, "EXIT 99 (reason 0x63");
}

static void test_host_state(void **state)
{
	struct fake_exit entry = {
		.reason = MICA_EXIT_HOST_STATE,
		.fail = { .name = "MSR_LSTAR", .expected = 1, .found = 2 },
	};

	assert_end(state, entry, MACHINE_ERROR, "the host's MSR_LSTAR was 0x1");
}

static void test_memory_fault(void **state)
{
	struct fake_exit entry = {
		.reason = MICA_EXIT_MEMORY_FAULT, .mmio = { .gpa = 0x1000, .error = -EHWPOISON },
	};

	assert_end(state, entry, MACHINE_ERROR, g_strerror(EHWPOISON));
}

static void test_unknown_exit(void **state)
{
	assert_end(state, (struct fake_exit){ .reason = MICA_EXIT_MEMORY_FAULT + 1 }, MACHINE_ERROR,
		   "the module says exit 11");
}

static void test_run_fails(void **state)
{
	assert_end(state, (struct fake_exit){ .number = EIO }, MACHINE_ERROR, "vCPU 0 cannot run");
}

static void test_bad_state(void **state)
{
	struct fake_exit entry = { .number = EINVAL, .fail = { .name = "cr4" } };

	assert_end(state, entry, MACHINE_ERROR, "refuses the field 'cr4'");
}

/* Plays `length` exits that need the instructions at `bytes`, then the power-off. */
#define MMIO_EXIT	{ .reason = MICA_EXIT_MMIO, .mmio = { .gpa = IOAPIC_BASE } }
#define play_code(state, bytes, script) \
	play_with_power_off(state, bytes, sizeof(bytes) - 1, script, G_N_ELEMENTS(script))

static enum machine_end play_with_power_off(void **state, const char *bytes, size_t code_length,
					    const struct fake_exit *script, size_t length)
{
	struct fixture *fixture = *state;
	const struct fake_exit off[] = {
		{ .reason = MICA_EXIT_INTERRUPTED, .number = EINTR }, POWER_OFF_EXIT,
	};
	struct fake_exit all[8];
	uint32_t value;

	assert_true(length + 2 <= G_N_ELEMENTS(all));
	memcpy(all, script, length * sizeof(*script));
	memcpy(all + length, off, sizeof(off));
	fixture->code = bytes;
	fixture->code_length = code_length;
	return play(fixture, all, length + 2, &value);
}

/* mov dword [0xfec00000], 1; mov eax, [0xfec00010]: the IOAPIC's version register. */
static void test_mmio(void **state)
{
	const struct fake_exit script[] = { MMIO_EXIT, MMIO_EXIT };

	assert_int_equal(play_code(state, "\xc7\x05\x00\x00\xc0\xfe\x01\x00\x00\x00"
				   "\xa1\x10\x00\xc0\xfe", script), MACHINE_OFF);
	assert_int_equal(fake_kernel.state.gprs.rip, CODE + 15);
	assert_int_equal(fake_kernel.state.gprs.rax, 0x170020);
	assert_int_equal(fake_kernel.committed, MICA_STATE_GPRS);
}

/* A CPU may know no linear address, and the kernel's word of the access may be about another
 * one of the instruction's, or about a page table: only registers and bytes of the
 * instruction count.  mov dword [ebx + 0xfec00000], 0x10; then that address to EAX, ECX, EDX. */
static void test_mmio_without_hints(void **state)
{
	const struct fake_exit script[] = {
		MMIO_EXIT,
		{ .reason = MICA_EXIT_MMIO,
		  .mmio = { .gpa = IOAPIC_BASE, .gva = 0x1234, .flags = MICA_MMIO_WRITE } },
		{ .reason = MICA_EXIT_MMIO,
		  .mmio = { .gpa = 0x5000, .flags = MICA_MMIO_WRITE | MICA_MMIO_PAGE_WALK } },
		{ .reason = MICA_EXIT_MMIO,
		  .mmio = { .gpa = 0xd0000000, .gva = ~0ull, .flags = MICA_MMIO_GVA_VALID } },
	};

	assert_int_equal(play_code(state, "\xc7\x83\x00\x00\xc0\xfe\x10\x00\x00\x00"
				   "\x8b\x83\x00\x00\xc0\xfe"
				   "\x8b\x8b\x00\x00\xc0\xfe"
				   "\x8b\x93\x00\x00\xc0\xfe", script), MACHINE_OFF);
	assert_int_equal(fake_kernel.state.gprs.rip, CODE + 28);
	assert_int_equal(fake_kernel.state.gprs.rax, 0x10);
	assert_int_equal(fake_kernel.state.gprs.rcx, 0x10);
	assert_int_equal(fake_kernel.state.gprs.rdx, 0x10);
	assert_int_equal(fake_kernel.committed, MICA_STATE_GPRS);
}

/* mov eax, [0xd0000000] */
static void test_mmio_hole(void **state)
{
	const struct fake_exit script[] = { MMIO_EXIT };

	assert_int_equal(play_code(state, "\xa1\x00\x00\x00\xd0", script), MACHINE_OFF);
	assert_int_equal(fake_kernel.state.gprs.rax, 0xffffffff);
}

/* mov eax, [0xfee00030]; movzx ebx, byte [0xfee00032]; mov edi, [0xfee00034];
 * mov [0xfee000b0], eax */
static void test_lapic(void **state)
{
	const struct fake_exit script[] = { MMIO_EXIT, MMIO_EXIT, MMIO_EXIT, MMIO_EXIT };

	assert_int_equal(play_code(state, "\xa1\x30\x00\xe0\xfe"
				   "\x0f\xb6\x1d\x32\x00\xe0\xfe"
				   "\x8b\x3d\x34\x00\xe0\xfe"
				   "\xa3\xb0\x00\xe0\xfe", script), MACHINE_OFF);
	assert_int_equal(fake_kernel.state.gprs.rax, 0xaabb0030);
	assert_int_equal(fake_kernel.state.gprs.rbx, 0xbb);
	assert_int_equal(fake_kernel.state.gprs.rdi, 0);
	assert_int_equal(fake_kernel.access.offset, 0xb0);
	assert_int_equal(fake_kernel.access.write, 1);
	assert_int_equal(fake_kernel.access.value, 0xaabb0030);
}

/* rep outsb */
static void test_string_output(void **state)
{
	const struct fake_exit script[] = {
		{ .reason = MICA_EXIT_IO,
		  .io = { .port = COM1, .size = 1, .flags = MICA_IO_WRITE | MICA_IO_STRING } },
	};

	assert_int_equal(play_code(state, "\xf3\x6e", script), MACHINE_OFF);
	assert_console(*state, "string");
	assert_int_equal(fake_kernel.state.gprs.rcx, 0);
	assert_int_equal(fake_kernel.state.gprs.rip, CODE + 2);
}

/* What is no instruction is #UD for the guest. */
static void test_no_instruction(void **state)
{
	const struct fake_exit script[] = { MMIO_EXIT };

	assert_int_equal(play_code(state, "\xff\xff\xff\xff", script), MACHINE_OFF);
	assert_int_equal(fake_kernel.state.events.exception,
			 MICA_EVENT_VALID | MICA_EVENT_EXCEPTION | 6);
	assert_int_equal(fake_kernel.state.gprs.rip, CODE);
}

/* fld dword [0xfec00000] */
static void test_unsupported_instruction(void **state)
{
	const struct fake_exit script[] = { MMIO_EXIT };

	assert_int_equal(play_code(state, "\xd9\x05\x00\x00\xc0\xfe", script), MACHINE_CRASH);
	assert_message(*state, "cannot do in place of the CPU: d9 05 00 00 c0 fe (fld) at 0x1000, "
		       "accessing guest-physical address 0xfec00000");
	assert_message(*state, "  rip              0000000000001000");
}

/* Without an interrupt pending the PIC answers with its spurious one. */
static void test_extint(void **state)
{
	const struct fake_exit script[] = { { .reason = MICA_EXIT_EXTINT }, POWER_OFF_EXIT };
	uint32_t value;

	assert_int_equal(play(*state, script, G_N_ELEMENTS(script), &value), MACHINE_OFF);
	assert_int_equal(fake_kernel.extint_vector & 0x107, MICA_EXTINT_VALID | 7);
}

static void test_virtual_wire(void **state)
{
	const struct fake_exit script[] = { POWER_OFF_EXIT };
	uint32_t value;

	play(*state, script, G_N_ELEMENTS(script), &value);
	assert_int_equal(fake_kernel.apic.regs[0x0f], 0x1ff);
	assert_int_equal(fake_kernel.apic.regs[0x35], 0x700);
	assert_int_equal(fake_kernel.apic.regs[0x36], 0x400);
}


int main(void)
{
	const struct CMUnitTest tests[] = {
		MACHINE_TEST(test_power_off),
		MACHINE_TEST(test_reset),
		MACHINE_TEST(test_debug_exit),
		MACHINE_TEST(test_in),
		MACHINE_TEST(test_post_port),
		MACHINE_TEST(test_triple_fault),
		MACHINE_TEST(test_fail_entry),
		MACHINE_TEST(test_internal_error),
		MACHINE_TEST(test_host_state),
		MACHINE_TEST(test_memory_fault),
		MACHINE_TEST(test_unknown_exit),
		MACHINE_TEST(test_run_fails),
		MACHINE_TEST(test_bad_state),
		MACHINE_TEST(test_mmio),
		MACHINE_TEST(test_mmio_without_hints),
		MACHINE_TEST(test_mmio_hole),
		MACHINE_TEST(test_lapic),
		MACHINE_TEST(test_string_output),
		MACHINE_TEST(test_no_instruction),
		MACHINE_TEST(test_unsupported_instruction),
		MACHINE_TEST(test_extint),
		MACHINE_TEST(test_virtual_wire),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
