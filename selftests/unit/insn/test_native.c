// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The executor against the CPU that runs this test: random instructions with random
 * registers, flags and memory, executed by both; registers, memory and all flags that are
 * defined must agree.  The seed is fixed, so a failure is found again.
 *
 * A failure may also be the CPU's: the message shows the bytes and the registers.
 */
#include <Zydis/Zydis.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "insn_test.h"

#define CASES		100000	/* or $MICA_INSN_CASES */
#define BUFFER_SIZE	8192u
#define STATUS		(CF | PF | AF | ZF | SF | OF)

enum { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8, R9, R10, R11, R12, R13, R14, R15 };

/* Layout known to the code that make_code() writes. */
struct context {
	uint64_t regs[16];
	uint64_t flags;
};

struct machine {
	uint8_t *code;
	uint8_t *buffer;	/* below 4 GiB, so that 32-bit addresses reach it */
	uint8_t copy[BUFFER_SIZE];
	uint64_t seed;
};

enum operands { MODRM, MODRM_MEMORY, ACCUMULATOR, REGISTER_IN_OPCODE, STRING };

/* A family of encodings.  `reg` is the ModRM.reg that extends the opcode, or -1. */
struct template {
	const char *opcode;
	unsigned int length;
	enum operands operands;
	int reg;
	unsigned int immediate;		/* bytes; 4 follows the operand size, 8 also 64 bits */
	uint64_t undefined;		/* flags */
	bool bits;			/* a bit number: kept small for memory operands */
	bool shift;
};

#define T(bytes, operands, reg, immediate, undefined) \
	{ bytes, sizeof(bytes) - 1, operands, reg, immediate, undefined, false, false }
#define BIT(bytes) \
	{ bytes, sizeof(bytes) - 1, MODRM, -1, 0, OF | SF | AF | PF, true, false }
#define SHIFT(bytes, reg, immediate, undefined) \
	{ bytes, sizeof(bytes) - 1, MODRM, reg, immediate, undefined, false, true }

/* The eight of the first rows of the opcode map, `a`..`f` being their opcodes. */
#define ALU(a, b, c, d, e, f, n, undefined) \
	T(a, MODRM, -1, 0, undefined), \
	T(b, MODRM, -1, 0, undefined), \
	T(c, MODRM, -1, 0, undefined), \
	T(d, MODRM, -1, 0, undefined), \
	T(e, ACCUMULATOR, -1, 1, undefined), \
	T(f, ACCUMULATOR, -1, 4, undefined), \
	T("\x80", MODRM, n, 1, undefined), \
	T("\x81", MODRM, n, 4, undefined), \
	T("\x83", MODRM, n, 1, undefined)

#define SHIFTS(n, undefined) \
	SHIFT("\xc0", n, 1, undefined), SHIFT("\xc1", n, 1, undefined), \
	SHIFT("\xd0", n, 0, undefined), SHIFT("\xd1", n, 0, undefined), \
	SHIFT("\xd2", n, 0, undefined), SHIFT("\xd3", n, 0, undefined)

static const struct template templates[] = {
	ALU("\x00", "\x01", "\x02", "\x03", "\x04", "\x05", 0, 0),
	ALU("\x08", "\x09", "\x0a", "\x0b", "\x0c", "\x0d", 1, AF),
	ALU("\x10", "\x11", "\x12", "\x13", "\x14", "\x15", 2, 0),
	ALU("\x18", "\x19", "\x1a", "\x1b", "\x1c", "\x1d", 3, 0),
	ALU("\x20", "\x21", "\x22", "\x23", "\x24", "\x25", 4, AF),
	ALU("\x28", "\x29", "\x2a", "\x2b", "\x2c", "\x2d", 5, 0),
	ALU("\x30", "\x31", "\x32", "\x33", "\x34", "\x35", 6, AF),
	ALU("\x38", "\x39", "\x3a", "\x3b", "\x3c", "\x3d", 7, 0),
	T("\x84", MODRM, -1, 0, AF), T("\x85", MODRM, -1, 0, AF),		/* test */
	T("\xa8", ACCUMULATOR, -1, 1, AF), T("\xa9", ACCUMULATOR, -1, 4, AF),
	T("\xf6", MODRM, 0, 1, AF), T("\xf7", MODRM, 0, 4, AF),
	T("\xf6", MODRM, 2, 0, 0), T("\xf7", MODRM, 2, 0, 0),			/* not */
	T("\xf6", MODRM, 3, 0, 0), T("\xf7", MODRM, 3, 0, 0),			/* neg */
	T("\xfe", MODRM, 0, 0, 0), T("\xff", MODRM, 0, 0, 0),			/* inc */
	T("\xfe", MODRM, 1, 0, 0), T("\xff", MODRM, 1, 0, 0),			/* dec */
	T("\x88", MODRM, -1, 0, 0), T("\x89", MODRM, -1, 0, 0),			/* mov */
	T("\x8a", MODRM, -1, 0, 0), T("\x8b", MODRM, -1, 0, 0),
	T("\xc6", MODRM, 0, 1, 0), T("\xc7", MODRM, 0, 4, 0),
	T("\xb0", REGISTER_IN_OPCODE, -1, 1, 0), T("\xb8", REGISTER_IN_OPCODE, -1, 8, 0),
	T("\x63", MODRM, -1, 0, 0),						/* movsxd */
	T("\x0f\xb6", MODRM, -1, 0, 0), T("\x0f\xb7", MODRM, -1, 0, 0),	/* movzx */
	T("\x0f\xbe", MODRM, -1, 0, 0), T("\x0f\xbf", MODRM, -1, 0, 0),	/* movsx */
	T("\x0f\x38\xf0", MODRM_MEMORY, -1, 0, 0),				/* movbe */
	T("\x0f\x38\xf1", MODRM_MEMORY, -1, 0, 0),
	T("\x0f\xc3", MODRM_MEMORY, -1, 0, 0),					/* movnti */
	T("\x86", MODRM, -1, 0, 0), T("\x87", MODRM, -1, 0, 0),			/* xchg */
	T("\x90", REGISTER_IN_OPCODE, -1, 0, 0),
	T("\x0f\xc0", MODRM, -1, 0, 0), T("\x0f\xc1", MODRM, -1, 0, 0),	/* xadd */
	/* cmpxchg to memory only: for a register that differs, the SDM and AMD's CPUs do not
	 * agree about the upper half. */
	T("\x0f\xb0", MODRM_MEMORY, -1, 0, 0), T("\x0f\xb1", MODRM_MEMORY, -1, 0, 0),
	T("\x0f\xc7", MODRM_MEMORY, 1, 0, 0),					/* cmpxchg8b, 16b */
	BIT("\x0f\xa3"), BIT("\x0f\xab"), BIT("\x0f\xb3"), BIT("\x0f\xbb"),
	T("\x0f\xba", MODRM, 4, 1, OF | SF | AF | PF),
	T("\x0f\xba", MODRM, 5, 1, OF | SF | AF | PF),
	T("\x0f\xba", MODRM, 6, 1, OF | SF | AF | PF),
	T("\x0f\xba", MODRM, 7, 1, OF | SF | AF | PF),
	SHIFTS(0, 0), SHIFTS(1, 0), SHIFTS(2, 0), SHIFTS(3, 0),
	SHIFTS(4, AF), SHIFTS(5, AF), SHIFTS(6, AF), SHIFTS(7, AF),
	T("\xa4", STRING, -1, 0, 0), T("\xa5", STRING, -1, 0, 0),		/* movs */
	T("\xa6", STRING, -1, 0, 0), T("\xa7", STRING, -1, 0, 0),		/* cmps */
	T("\xaa", STRING, -1, 0, 0), T("\xab", STRING, -1, 0, 0),		/* stos */
	T("\xac", STRING, -1, 0, 0), T("\xad", STRING, -1, 0, 0),		/* lods */
	T("\xae", STRING, -1, 0, 0), T("\xaf", STRING, -1, 0, 0),		/* scas */
};

/* ------------------------------------------------------------ the native side */

static uint8_t *emit(uint8_t *at, const void *bytes, size_t length)
{
	memcpy(at, bytes, length);
	return at + length;
}

/* mov reg, [r15 + 8 * reg] (0x8b) or the other way round (0x89), for all but RSP and R15. */
static uint8_t *emit_moves(uint8_t *at, uint8_t opcode)
{
	for (unsigned int i = 0; i < 15; i++) {
		const uint8_t move[] = { i < 8 ? 0x49 : 0x4d, opcode, 0x47 | (i & 7) << 3, 8 * i };

		if (i != RSP)
			at = emit(at, move, sizeof(move));
	}
	return at;
}

/* A function of one argument, the context: loads it, executes the instruction, saves. */
static void make_code(const struct machine *machine, const uint8_t *bytes, unsigned int length)
{
	uint8_t *at = machine->code;

	at = emit(at, "\x53\x55\x41\x54\x41\x55\x41\x56\x41\x57", 10);	/* push rbx, rbp, r12-r15 */
	at = emit(at, "\x49\x89\xff", 3);				/* mov r15, rdi */
	at = emit(at, "\x41\xff\xb7\x80\x00\x00\x00\x9d", 8);		/* push [r15+128]; popfq */
	at = emit_moves(at, 0x8b);
	at = emit(at, bytes, length);
	at = emit_moves(at, 0x89);
	at = emit(at, "\x9c\x41\x8f\x87\x80\x00\x00\x00\xfc", 9);	/* pushfq; pop; cld */
	at = emit(at, "\x41\x5f\x41\x5e\x41\x5d\x41\x5c\x5d\x5b\xc3", 11);
}

static void run_native(const struct machine *machine, struct context *context)
{
	void (*function)(struct context *context);

	memcpy(&function, &machine->code, sizeof(function));
	function(context);
}

/* ------------------------------------------------------------ the executor's side */

struct emulated {
	const struct machine *machine;
	uint8_t *memory;
	const uint8_t *bytes;
	unsigned int length;
};

static uint8_t *locate(struct emulated *emulated, uint64_t gpa, unsigned int size)
{
	uint64_t base = (uintptr_t)emulated->machine->buffer;

	if (gpa < base || gpa - base > BUFFER_SIZE - size)
		return NULL;
	return emulated->memory + (gpa - base);
}

static int native_read(void *opaque, uint64_t gpa, void *to, unsigned int size)
{
	struct emulated *emulated = opaque;
	uint8_t *at = locate(emulated, gpa, size);

	if (gpa < 64) {		/* the instruction, at 0 */
		memset(to, 0x90, size);
		for (unsigned int i = 0; i < size && gpa + i < emulated->length; i++)
			((uint8_t *)to)[i] = emulated->bytes[gpa + i];
		return 0;
	}
	if (!at)
		return -14;
	memcpy(to, at, size);
	return 0;
}

static int native_write(void *opaque, uint64_t gpa, const void *from, unsigned int size)
{
	uint8_t *at = locate(opaque, gpa, size);

	if (!at)
		return -14;
	memcpy(at, from, size);
	return 0;
}

static enum insn_result run_emulated(struct emulated *emulated, struct context *context)
{
	static const struct insn_ops ops = { .read = native_read, .write = native_write };
	struct mica_vcpu_state state = { 0 };
	struct insn_report report;
	enum insn_result result;
	uint64_t changed;

	memcpy(&state.gprs, context->regs, sizeof(context->regs));
	state.gprs.rflags = context->flags;
	state.crs.cr0 = CR0_PE;
	state.msrs.efer = EFER_LMA;
	state.segs.cs.attr = ATTR_CODE64;
	result = insn_execute(&state, &ops, emulated, &changed, &report);
	memcpy(context->regs, &state.gprs, sizeof(context->regs));
	context->flags = state.gprs.rflags;
	if (result == INSN_DONE && state.gprs.rip != emulated->length)
		result = INSN_FAILED;
	return result;
}

/* ------------------------------------------------------------ cases */

static uint64_t interesting(uint64_t *seed)
{
	uint64_t r = next_random(seed), value = next_random(seed);

	switch (r & 7) {
	case 0:
		return 0;
	case 1:
		return ~0ull;
	case 2:
		return 1ull << (value & 63);
	case 3:
		return (1ull << (value & 63)) - 1;
	case 4:
		return value & 0xff;
	default:
		return value;
	}
}

/* ModRM for a register, [rbx], [rbx + disp8], or [rbx + rsi * scale + disp8]. */
static unsigned int make_modrm(uint64_t r, const struct template *template, uint8_t *bytes)
{
	unsigned int reg = template->reg >= 0 ? template->reg : (int)(r & 7);
	unsigned int form = r >> 3 & 3;

	if (form == 0 && template->operands == MODRM_MEMORY)
		form = 1;
	switch (form) {
	case 0:
		bytes[0] = 0xc0 | reg << 3 | (r >> 5 & 7);
		return 1;
	case 1:
		bytes[0] = reg << 3 | 3;
		return 1;
	case 2:
		bytes[0] = 0x40 | reg << 3 | 3;
		bytes[1] = r >> 8 & 0xf0;
		return 2;
	default:
		bytes[0] = 0x40 | reg << 3 | 4;
		bytes[1] = (r >> 5 & 3) << 6 | 6 << 3 | 3;
		bytes[2] = r >> 8;
		return 3;
	}
}

static unsigned int make_prefixes(uint64_t r, const struct template *template, uint8_t *bytes,
				  bool *wide, bool *narrow)
{
	unsigned int n = 0;

	*narrow = (r & 3) == 0;
	if (*narrow)
		bytes[n++] = 0x66;
	if ((r >> 2 & 7) == 0)
		bytes[n++] = 0x67;
	if (template->operands == STRING && (r >> 5 & 1))
		bytes[n++] = 0xf2 | (r >> 6 & 1);
	else if ((r >> 5 & 15) == 0)
		bytes[n++] = 0xf0;
	*wide = false;
	if (r >> 9 & 1) {
		bytes[n++] = 0x40 | (r >> 10 & 15);
		*wide = r >> 10 & 8;
	}
	return n;
}

static unsigned int make_instruction(struct machine *machine, const struct template *template,
				     uint8_t *bytes)
{
	uint64_t r = next_random(&machine->seed);
	unsigned int immediate = template->immediate;
	bool wide, narrow;
	unsigned int n = make_prefixes(r, template, bytes, &wide, &narrow);

	r = next_random(&machine->seed);
	memcpy(bytes + n, template->opcode, template->length);
	n += template->length;
	if (template->operands == REGISTER_IN_OPCODE)
		bytes[n - 1] |= r & 7;
	if (template->operands == MODRM || template->operands == MODRM_MEMORY)
		n += make_modrm(r, template, bytes + n);
	if (immediate >= 4 && narrow && !wide)
		immediate = 2;
	else if (immediate == 8 && !wide)
		immediate = 4;
	r = interesting(&machine->seed);
	memcpy(bytes + n, &r, immediate);
	return n + immediate;
}

static bool is_reserved(ZydisRegister reg)
{
	ZydisRegister whole = ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, reg);

	return whole == ZYDIS_REGISTER_RSP || whole == ZYDIS_REGISTER_R15 ||
	       whole == ZYDIS_REGISTER_RIP;
}

/* A bit number in a register that holds the buffer's address would reach anywhere, and
 * CMPXCHG16B faults unless its operand is aligned: the address registers are. */
static bool stays_in_buffer(const ZydisDecodedInstruction *decoded,
			    const ZydisDecodedOperand *operands, bool bits)
{
	ZydisRegister number;

	if (operands[0].type != ZYDIS_OPERAND_TYPE_MEMORY)
		return true;
	if (decoded->mnemonic == ZYDIS_MNEMONIC_CMPXCHG16B)
		return operands[0].mem.disp.value % 16 == 0;
	if (!bits || operands[1].type != ZYDIS_OPERAND_TYPE_REGISTER)
		return true;
	number = ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64,
						  operands[1].reg.value);
	return number != ZYDIS_REGISTER_RBX && number != ZYDIS_REGISTER_R11;
}

/* Legal, and neither the stack pointer nor the harness's R15 takes part. */
static bool is_usable(const uint8_t *bytes, unsigned int length, bool bits,
		      ZydisDecodedInstruction *decoded, ZydisDecodedOperand *operands)
{
	ZydisDecoder decoder;

	ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
	if (ZYAN_FAILED(ZydisDecoderDecodeFull(&decoder, bytes, length, decoded, operands)) ||
	    decoded->length != length || decoded->mnemonic == ZYDIS_MNEMONIC_NOP ||
	    decoded->mnemonic == ZYDIS_MNEMONIC_PAUSE)
		return false;
	for (unsigned int i = 0; i < decoded->operand_count; i++) {
		if (operands[i].type == ZYDIS_OPERAND_TYPE_REGISTER &&
		    is_reserved(operands[i].reg.value))
			return false;
		if (operands[i].type == ZYDIS_OPERAND_TYPE_MEMORY &&
		    (is_reserved(operands[i].mem.base) || is_reserved(operands[i].mem.index)))
			return false;
	}
	return stays_in_buffer(decoded, operands, bits);
}

static void make_context(struct machine *machine, const struct template *template,
			 struct context *context)
{
	uint64_t buffer = (uintptr_t)machine->buffer;
	uint64_t *regs = context->regs;

	for (unsigned int i = 0; i < 16; i++)
		regs[i] = interesting(&machine->seed);
	context->flags = FIXED | 0x200 | (next_random(&machine->seed) & STATUS);
	regs[RBX] = regs[R11] = buffer + 4096 + (next_random(&machine->seed) & 0x3f0);
	for (unsigned int i = 0; template->bits && i < 16; i++)
		if (i != RBX && i != R11)
			regs[i] = (int64_t)(next_random(&machine->seed) << 50) >> 50;
	regs[RSI] = regs[R14] = next_random(&machine->seed) & 0x3f;
	if (template->operands != STRING)
		return;
	context->flags |= next_random(&machine->seed) & DF;
	regs[RSI] = buffer + 2048 + (next_random(&machine->seed) & 0x7ff);
	regs[RDI] = buffer + 2048 + (next_random(&machine->seed) & 0x7ff);
	if (next_random(&machine->seed) & 1)
		regs[RDI] = regs[RSI] + 0x40;	/* CMPS finds equal bytes, MOVS an overlap */
	regs[RCX] = next_random(&machine->seed) & 0x7f;
}

static void fill_memory(struct machine *machine)
{
	for (unsigned int i = 0; i < BUFFER_SIZE; i += 8) {
		uint64_t value = interesting(&machine->seed);

		memcpy(machine->buffer + i, &value, 8);
	}
}

/* Which flags the manual leaves undefined for this count. */
static uint64_t undefined_flags(const struct template *template, const struct context *context,
				const ZydisDecodedOperand *operands)
{
	unsigned int bits = operands[0].size, count;

	if (!template->shift)
		return template->undefined;
	count = operands[1].type == ZYDIS_OPERAND_TYPE_IMMEDIATE ? operands[1].imm.value.u :
								   context->regs[RCX];
	count &= bits == 64 ? 63 : 31;
	if (!count)
		return 0;
	return template->undefined | (count == 1 ? 0 : OF) |
	       (template->reg >= 4 && count >= bits ? CF : 0);
}

static void show(const uint8_t *bytes, unsigned int length, const struct context *before,
		 const struct context *native, const struct context *found)
{
	for (unsigned int i = 0; i < length; i++)
		print_error("%02x ", bytes[i]);
	print_error("\n    before           CPU              executor\n");
	for (unsigned int i = 0; i < 16; i++)
		print_error("r%-2u %016" PRIx64 " %016" PRIx64 " %016" PRIx64 "\n", i,
			    before->regs[i], native->regs[i], found->regs[i]);
	print_error("fl  %016" PRIx64 " %016" PRIx64 " %016" PRIx64 "\n", before->flags,
		    native->flags, found->flags);
}

static bool compare(struct machine *machine, const struct template *template,
		    const uint8_t *bytes, unsigned int length,
		    const ZydisDecodedInstruction *decoded, const ZydisDecodedOperand *operands)
{
	struct emulated emulated = { machine, machine->copy, bytes, length };
	struct context before, native, found;
	uint64_t flags;
	bool same;

	make_context(machine, template, &before);
	if (decoded->mnemonic == ZYDIS_MNEMONIC_CMPXCHG16B)
		before.regs[RSI] = before.regs[R14] = 0;
	fill_memory(machine);
	memcpy(machine->copy, machine->buffer, BUFFER_SIZE);
	native = found = before;
	make_code(machine, bytes, length);
	run_native(machine, &native);
	flags = (STATUS | DF) & ~undefined_flags(template, &before, operands);
	same = run_emulated(&emulated, &found) == INSN_DONE &&
	       !memcmp(native.regs, found.regs, sizeof(native.regs)) &&
	       !((native.flags ^ found.flags) & flags) &&
	       !memcmp(machine->buffer, machine->copy, BUFFER_SIZE);
	if (!same)
		show(bytes, length, &before, &native, &found);
	return same;
}

static void test_against_cpu(void **state)
{
	struct machine machine = { .seed = 0x9e3779b97f4a7c15 };
	const char *cases = getenv("MICA_INSN_CASES");
	unsigned int wanted = cases ? strtoul(cases, NULL, 10) : CASES;
	unsigned int run = 0, failed = 0;

	(void)state;
	machine.code = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	machine.buffer = mmap(NULL, BUFFER_SIZE, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	assert_true(machine.code != MAP_FAILED && machine.buffer != MAP_FAILED);
	while (run < wanted && failed < 10) {
		const struct template *template =
			&templates[next_random(&machine.seed) %
				   (sizeof(templates) / sizeof(templates[0]))];
		ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
		ZydisDecodedInstruction decoded;
		uint8_t bytes[32];
		unsigned int length = make_instruction(&machine, template, bytes);

		if (!is_usable(bytes, length, template->bits, &decoded, operands))
			continue;
		run++;
		failed += !compare(&machine, template, bytes, length, &decoded, operands);
	}
	munmap(machine.code, 4096);
	munmap(machine.buffer, BUFFER_SIZE);
	assert_int_equal(failed, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_against_cpu),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
