// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The instructions but those on strings: operands first, so that everything that can fault
 * has done so before a device sees an access or a register changes.
 */
#include <string.h>

#include "insn_internal.h"

/* An operand that has been found and checked, and can be accessed without a fault. */
struct operand {
	const ZydisDecodedOperand *decoded;
	unsigned int bits;
	struct place place;	/* of a memory operand */
};

struct row {
	ZydisMnemonic mnemonic;
	enum insn_result (*execute)(struct insn *insn, const struct row *row);
	union {
		uint64_t (*binary)(uint64_t a, uint64_t b, unsigned int bits, uint64_t *flags);
		uint64_t (*unary)(uint64_t a, unsigned int bits, uint64_t *flags);
		uint64_t (*shift)(uint64_t a, unsigned int count, unsigned int bits,
				  uint64_t *flags);
		bool aligned;	/* vector moves */
	};
};

/* ------------------------------------------------------------ registers */

uint64_t insn_read_register(const struct insn *insn, unsigned int index, unsigned int bits)
{
	return insn->regs[index] & alu_mask(bits);
}

/* A 32-bit result clears the upper half; narrower ones leave the rest. */
void insn_write_register(struct insn *insn, unsigned int index, unsigned int bits, uint64_t value)
{
	uint64_t mask = alu_mask(bits);

	if (bits >= 32)
		insn->regs[index] = value & mask;
	else
		insn->regs[index] = (insn->regs[index] & ~mask) | (value & mask);
}

/* AH, CH, DH, BH: bits 15:8 of the first four. */
static bool is_high_byte(ZydisRegister reg)
{
	return reg >= ZYDIS_REGISTER_AH && reg <= ZYDIS_REGISTER_BH;
}

static bool is_general(ZydisRegister reg)
{
	return reg >= ZYDIS_REGISTER_AL && reg <= ZYDIS_REGISTER_R15;
}

static unsigned int general_index(ZydisRegister reg)
{
	if (reg >= ZYDIS_REGISTER_RAX)
		return reg - ZYDIS_REGISTER_RAX;
	if (reg >= ZYDIS_REGISTER_EAX)
		return reg - ZYDIS_REGISTER_EAX;
	if (reg >= ZYDIS_REGISTER_AX)
		return reg - ZYDIS_REGISTER_AX;
	if (reg >= ZYDIS_REGISTER_SPL)
		return reg - ZYDIS_REGISTER_SPL + GPR_RSP;
	if (reg >= ZYDIS_REGISTER_AH)
		return reg - ZYDIS_REGISTER_AH;
	return reg - ZYDIS_REGISTER_AL;
}

static enum insn_result get_register(const struct insn *insn, const struct operand *operand,
				     uint64_t *value)
{
	ZydisRegister reg = operand->decoded->reg.value;

	if (reg >= ZYDIS_REGISTER_ES && reg <= ZYDIS_REGISTER_GS)
		*value = insn_segment(insn, reg - ZYDIS_REGISTER_ES)->selector;
	else if (!is_general(reg))
		return INSN_UNSUPPORTED;
	else if (is_high_byte(reg))
		*value = insn->regs[general_index(reg)] >> 8 & 0xff;
	else
		*value = insn_read_register(insn, general_index(reg), operand->bits);
	return INSN_DONE;
}

static enum insn_result put_register(struct insn *insn, const struct operand *operand,
				     uint64_t value)
{
	ZydisRegister reg = operand->decoded->reg.value;
	unsigned int index;

	if (!is_general(reg))
		return INSN_UNSUPPORTED;
	index = general_index(reg);
	if (is_high_byte(reg))
		insn->regs[index] = (insn->regs[index] & ~0xff00ull) | (value & 0xff) << 8;
	else
		insn_write_register(insn, index, operand->bits, value);
	return INSN_DONE;
}

/* ------------------------------------------------------------ operands */

static uint64_t address_register(const struct insn *insn, ZydisRegister reg)
{
	if (reg == ZYDIS_REGISTER_NONE)
		return 0;
	if (reg == ZYDIS_REGISTER_RIP || reg == ZYDIS_REGISTER_EIP)
		return insn->state->gprs.rip + insn->decoded.length;
	return insn->regs[general_index(reg)] & alu_mask(insn->decoded.address_width);
}

/* The operand at its effective address plus `displacement`. */
static enum insn_result open_memory(struct insn *insn, struct operand *operand,
				    int64_t displacement)
{
	const ZydisDecodedOperandMem *mem = &operand->decoded->mem;
	unsigned int access = operand->decoded->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE ?
			      ACCESS_WRITE : ACCESS_READ;
	unsigned int size = operand->bits / 8;
	enum insn_result result;
	uint64_t offset, linear;

	if (mem->type != ZYDIS_MEMOP_TYPE_MEM || !size || size > 16)
		return INSN_UNSUPPORTED;
	offset = address_register(insn, mem->base) +
		 address_register(insn, mem->index) * mem->scale +
		 mem->disp.value + displacement;
	offset &= alu_mask(insn->decoded.address_width);
	result = memory_linear(insn, mem->segment - ZYDIS_REGISTER_ES, offset, size, access,
			       &linear);
	if (result)
		return result;
	return memory_translate(insn, linear, size, access, &operand->place);
}

static enum insn_result open_operand(struct insn *insn, unsigned int index,
				     struct operand *operand)
{
	operand->decoded = &insn->operands[index];
	operand->bits = operand->decoded->size;
	switch (operand->decoded->type) {
	case ZYDIS_OPERAND_TYPE_MEMORY:
		return open_memory(insn, operand, 0);
	case ZYDIS_OPERAND_TYPE_REGISTER:
	case ZYDIS_OPERAND_TYPE_IMMEDIATE:
		return INSN_DONE;
	default:
		return INSN_UNSUPPORTED;
	}
}

static enum insn_result get_operand(struct insn *insn, const struct operand *operand,
				    uint64_t *value)
{
	*value = 0;
	if (operand->decoded->type == ZYDIS_OPERAND_TYPE_REGISTER)
		return get_register(insn, operand, value);
	if (operand->decoded->type == ZYDIS_OPERAND_TYPE_MEMORY)
		return operand->bits <= 64 ? memory_load(insn, &operand->place, value) :
					     INSN_UNSUPPORTED;
	*value = operand->decoded->imm.value.u;
	return INSN_DONE;
}

static enum insn_result put_operand(struct insn *insn, const struct operand *operand,
				    uint64_t value)
{
	if (operand->decoded->type == ZYDIS_OPERAND_TYPE_REGISTER)
		return put_register(insn, operand, value);
	return operand->bits <= 64 ? memory_store(insn, &operand->place, &value) :
				     INSN_UNSUPPORTED;
}

/* Opens operands 0 and 1 and reads those that are asked for. */
static enum insn_result open_two(struct insn *insn, struct operand operands[2], uint64_t *first,
				 uint64_t *second)
{
	enum insn_result result = open_operand(insn, 0, &operands[0]);

	if (!result)
		result = open_operand(insn, 1, &operands[1]);
	if (!result && first)
		result = get_operand(insn, &operands[0], first);
	if (!result && second)
		result = get_operand(insn, &operands[1], second);
	return result;
}

/* ------------------------------------------------------------ moves */

static enum insn_result execute_mov(struct insn *insn, const struct row *row)
{
	struct operand operands[2];
	enum insn_result result;
	uint64_t value;

	(void)row;
	result = open_two(insn, operands, NULL, &value);
	return result ? result : put_operand(insn, &operands[0], value);
}

static enum insn_result execute_sign_extend(struct insn *insn, const struct row *row)
{
	struct operand operands[2];
	enum insn_result result;
	unsigned int unused;
	uint64_t value;

	(void)row;
	result = open_two(insn, operands, NULL, &value);
	if (result)
		return result;
	unused = 64 - operands[1].bits;
	return put_operand(insn, &operands[0], (int64_t)(value << unused) >> unused);
}

static enum insn_result execute_movbe(struct insn *insn, const struct row *row)
{
	struct operand operands[2];
	enum insn_result result;
	uint64_t value;

	(void)row;
	result = open_two(insn, operands, NULL, &value);
	if (result)
		return result;
	return put_operand(insn, &operands[0], __builtin_bswap64(value) >> (64 - operands[1].bits));
}

static enum insn_result execute_xchg(struct insn *insn, const struct row *row)
{
	struct operand operands[2];
	enum insn_result result;
	uint64_t first, second;

	(void)row;
	result = open_two(insn, operands, &first, &second);
	if (!result)
		result = put_operand(insn, &operands[0], second);
	return result ? result : put_operand(insn, &operands[1], first);
}

/* Nothing of the device is in a cache; the address must be one that can be read. */
static enum insn_result execute_flush(struct insn *insn, const struct row *row)
{
	struct operand operand = { .decoded = &insn->operands[0], .bits = 8 };

	(void)row;
	return open_memory(insn, &operand, 0);
}

/* ------------------------------------------------------------ arithmetic */

static uint64_t op_add(uint64_t a, uint64_t b, unsigned int bits, uint64_t *flags)
{
	return alu_add(a, b, false, bits, flags);
}

static uint64_t op_adc(uint64_t a, uint64_t b, unsigned int bits, uint64_t *flags)
{
	return alu_add(a, b, *flags & FLAG_CF, bits, flags);
}

static uint64_t op_sub(uint64_t a, uint64_t b, unsigned int bits, uint64_t *flags)
{
	return alu_sub(a, b, false, bits, flags);
}

static uint64_t op_sbb(uint64_t a, uint64_t b, unsigned int bits, uint64_t *flags)
{
	return alu_sub(a, b, *flags & FLAG_CF, bits, flags);
}

static uint64_t op_and(uint64_t a, uint64_t b, unsigned int bits, uint64_t *flags)
{
	return alu_logic(a & b, bits, flags);
}

static uint64_t op_or(uint64_t a, uint64_t b, unsigned int bits, uint64_t *flags)
{
	return alu_logic(a | b, bits, flags);
}

static uint64_t op_xor(uint64_t a, uint64_t b, unsigned int bits, uint64_t *flags)
{
	return alu_logic(a ^ b, bits, flags);
}

static uint64_t op_inc(uint64_t a, unsigned int bits, uint64_t *flags)
{
	uint64_t carry = *flags & FLAG_CF;
	uint64_t r = alu_add(a, 1, false, bits, flags);

	alu_set(flags, FLAG_CF, carry);
	return r;
}

static uint64_t op_dec(uint64_t a, unsigned int bits, uint64_t *flags)
{
	uint64_t carry = *flags & FLAG_CF;
	uint64_t r = alu_sub(a, 1, false, bits, flags);

	alu_set(flags, FLAG_CF, carry);
	return r;
}

static uint64_t op_neg(uint64_t a, unsigned int bits, uint64_t *flags)
{
	return alu_sub(0, a, false, bits, flags);
}

static uint64_t op_not(uint64_t a, unsigned int bits, uint64_t *flags)
{
	(void)flags;
	return ~a & alu_mask(bits);
}

static uint64_t op_bt(uint64_t a, uint64_t b, unsigned int bits, uint64_t *flags)
{
	alu_set(flags, FLAG_CF, a >> (b % bits) & 1);
	return a;
}

static uint64_t op_bts(uint64_t a, uint64_t b, unsigned int bits, uint64_t *flags)
{
	return op_bt(a, b, bits, flags) | 1ull << b % bits;
}

static uint64_t op_btr(uint64_t a, uint64_t b, unsigned int bits, uint64_t *flags)
{
	return op_bt(a, b, bits, flags) & ~(1ull << b % bits);
}

static uint64_t op_btc(uint64_t a, uint64_t b, unsigned int bits, uint64_t *flags)
{
	return op_bt(a, b, bits, flags) ^ 1ull << b % bits;
}

static bool writes_first(const struct insn *insn)
{
	return insn->operands[0].actions & ZYDIS_OPERAND_ACTION_MASK_WRITE;
}

/* Flags are committed after the last thing that can fail. */
static enum insn_result finish(struct insn *insn, const struct operand *operand, uint64_t value,
			       uint64_t flags)
{
	enum insn_result result = INSN_DONE;

	if (writes_first(insn))
		result = put_operand(insn, operand, value);
	if (!result)
		insn->state->gprs.rflags = flags;
	return result;
}

static enum insn_result execute_binary(struct insn *insn, const struct row *row)
{
	uint64_t flags = insn->state->gprs.rflags, first, second;
	struct operand operands[2];
	enum insn_result result = open_two(insn, operands, &first, &second);

	if (result)
		return result;
	/* Immediates come sign-extended to 64 bits. */
	second &= alu_mask(operands[0].bits);
	first = row->binary(first, second, operands[0].bits, &flags);
	return finish(insn, &operands[0], first, flags);
}

static enum insn_result execute_unary(struct insn *insn, const struct row *row)
{
	uint64_t flags = insn->state->gprs.rflags, value;
	struct operand operand;
	enum insn_result result = open_operand(insn, 0, &operand);

	if (!result)
		result = get_operand(insn, &operand, &value);
	if (result)
		return result;
	value = row->unary(value, operand.bits, &flags);
	return finish(insn, &operand, value, flags);
}

static enum insn_result execute_shift(struct insn *insn, const struct row *row)
{
	uint64_t flags = insn->state->gprs.rflags, value, count;
	struct operand operands[2];
	enum insn_result result = open_two(insn, operands, &value, &count);

	if (result)
		return result;
	count &= operands[0].bits == 64 ? 63 : 31;
	if (count)
		value = row->shift(value, count, operands[0].bits, &flags);
	return finish(insn, &operands[0], value, flags);
}

/* A bit number in a register reaches beyond a memory operand, in both directions. */
static enum insn_result execute_bit(struct insn *insn, const struct row *row)
{
	uint64_t flags = insn->state->gprs.rflags, value, bit;
	struct operand operands[2] = {
		{ .decoded = &insn->operands[0], .bits = insn->operands[0].size },
	};
	int64_t displacement = 0;
	enum insn_result result = open_operand(insn, 1, &operands[1]);

	if (!result)
		result = get_operand(insn, &operands[1], &bit);
	if (result)
		return result;
	if (operands[0].decoded->type == ZYDIS_OPERAND_TYPE_MEMORY) {
		if (operands[1].decoded->type == ZYDIS_OPERAND_TYPE_REGISTER) {
			displacement = (int64_t)(bit << (64 - operands[1].bits)) >>
				       (64 - operands[1].bits);
			displacement = (displacement & -(int64_t)operands[0].bits) / 8;
		}
		result = open_memory(insn, &operands[0], displacement);
	}
	if (!result)
		result = get_operand(insn, &operands[0], &value);
	if (result)
		return result;
	value = row->binary(value, bit, operands[0].bits, &flags);
	return finish(insn, &operands[0], value, flags);
}

static enum insn_result execute_xadd(struct insn *insn, const struct row *row)
{
	uint64_t flags = insn->state->gprs.rflags, first, second, sum;
	struct operand operands[2];
	enum insn_result result = open_two(insn, operands, &first, &second);

	(void)row;
	if (result)
		return result;
	sum = alu_add(first, second, false, operands[0].bits, &flags);
	if (operands[0].decoded->type == ZYDIS_OPERAND_TYPE_MEMORY)
		result = put_operand(insn, &operands[0], sum);
	if (!result)
		result = put_operand(insn, &operands[1], first);
	/* The destination comes last: it wins if both are one register. */
	if (!result && operands[0].decoded->type == ZYDIS_OPERAND_TYPE_REGISTER)
		result = put_operand(insn, &operands[0], sum);
	if (!result)
		insn->state->gprs.rflags = flags;
	return result;
}

/* The destination is written in either case, as the bus sees it. */
static enum insn_result execute_cmpxchg(struct insn *insn, const struct row *row)
{
	uint64_t flags = insn->state->gprs.rflags, first, second, accumulator;
	struct operand operands[2];
	enum insn_result result = open_two(insn, operands, &first, &second);
	bool equal;

	(void)row;
	if (result)
		return result;
	accumulator = insn_read_register(insn, GPR_RAX, operands[0].bits);
	alu_sub(accumulator, first, false, operands[0].bits, &flags);
	equal = flags & FLAG_ZF;
	result = put_operand(insn, &operands[0], equal ? second : first);
	if (result)
		return result;
	if (!equal)
		insn_write_register(insn, GPR_RAX, operands[0].bits, first);
	insn->state->gprs.rflags = flags;
	return INSN_DONE;
}

/* CMPXCHG8B and CMPXCHG16B: DX:AX is compared, CX:BX stored. */
static enum insn_result execute_cmpxchg_pair(struct insn *insn, const struct row *row)
{
	uint64_t flags = insn->state->gprs.rflags, found[2] = { 0 }, value[2];
	struct operand operand;
	uint8_t bytes[16];
	enum insn_result result = open_operand(insn, 0, &operand);
	unsigned int half = operand.bits / 2, size = half / 8;
	bool equal;

	(void)row;
	if (result)
		return result;
	if (size == 8 && (operand.place.gpa[0] & 15))
		return insn_fault(insn, VECTOR_GP, true, 0);
	result = memory_load(insn, &operand.place, bytes);
	if (result)
		return result;
	memcpy(&found[0], bytes, size);
	memcpy(&found[1], bytes + size, size);
	equal = found[0] == insn_read_register(insn, GPR_RAX, half) &&
		found[1] == insn_read_register(insn, GPR_RDX, half);
	value[0] = equal ? insn_read_register(insn, GPR_RBX, half) : found[0];
	value[1] = equal ? insn_read_register(insn, GPR_RCX, half) : found[1];
	memcpy(bytes, &value[0], size);
	memcpy(bytes + size, &value[1], size);
	result = memory_store(insn, &operand.place, bytes);
	if (result)
		return result;
	if (!equal) {
		insn_write_register(insn, GPR_RAX, half, found[0]);
		insn_write_register(insn, GPR_RDX, half, found[1]);
	}
	alu_set(&flags, FLAG_ZF, equal);
	insn->state->gprs.rflags = flags;
	return INSN_DONE;
}

/* ------------------------------------------------------------ stack */

static unsigned int stack_bits(const struct insn *insn)
{
	if (insn->long_mode)
		return 64;
	return insn->state->segs.ss.attr & SEG_DB ? 32 : 16;
}

/* Finds the place of `size` bytes at the stack pointer plus `delta`. */
static enum insn_result open_stack(struct insn *insn, int delta, unsigned int size,
				   unsigned int access, struct place *place)
{
	uint64_t offset = (insn->regs[GPR_RSP] + delta) & alu_mask(stack_bits(insn));
	enum insn_result result;
	uint64_t linear;

	result = memory_linear(insn, SEG_SS, offset, size, access, &linear);
	return result ? result : memory_translate(insn, linear, size, access, place);
}

static void move_stack(struct insn *insn, int delta)
{
	unsigned int bits = stack_bits(insn);

	insn_write_register(insn, GPR_RSP, bits, insn->regs[GPR_RSP] + delta);
}

static bool is_segment_register(const ZydisDecodedOperand *operand)
{
	return operand->type == ZYDIS_OPERAND_TYPE_REGISTER && !is_general(operand->reg.value);
}

static enum insn_result execute_push(struct insn *insn, const struct row *row)
{
	unsigned int size = insn->decoded.operand_width / 8;
	struct operand operand;
	struct place stack;
	enum insn_result result;
	uint64_t value;

	(void)row;
	if (is_segment_register(&insn->operands[0]))
		return INSN_UNSUPPORTED;
	result = open_operand(insn, 0, &operand);
	if (!result)
		result = open_stack(insn, -(int)size, size, ACCESS_WRITE, &stack);
	if (!result)
		result = get_operand(insn, &operand, &value);
	if (!result)
		result = memory_store(insn, &stack, &value);
	if (!result)
		move_stack(insn, -(int)size);
	return result;
}

/* An address that uses the stack pointer uses the one after POP. */
static enum insn_result execute_pop(struct insn *insn, const struct row *row)
{
	unsigned int size = insn->decoded.operand_width / 8;
	uint64_t old = insn->regs[GPR_RSP], value = 0;
	struct operand operand;
	struct place stack;
	enum insn_result result;

	(void)row;
	if (is_segment_register(&insn->operands[0]))
		return INSN_UNSUPPORTED;
	result = open_stack(insn, 0, size, ACCESS_READ, &stack);
	if (result)
		return result;
	move_stack(insn, size);
	result = open_operand(insn, 0, &operand);
	if (!result)
		result = memory_load(insn, &stack, &value);
	if (!result)
		result = put_operand(insn, &operand, value);
	if (result)
		insn->regs[GPR_RSP] = old;
	return result;
}

/* ------------------------------------------------------------ vector moves */

static bool is_xmm(const ZydisDecodedOperand *operand)
{
	return operand->type == ZYDIS_OPERAND_TYPE_REGISTER &&
	       operand->reg.value >= ZYDIS_REGISTER_XMM0 &&
	       operand->reg.value <= ZYDIS_REGISTER_XMM15;
}

static enum insn_result vector_available(struct insn *insn)
{
	uint64_t cr0 = insn->state->crs.cr0;

	if (!insn->ops->vector_load || !insn->ops->vector_store)
		return INSN_UNSUPPORTED;
	if ((cr0 & CR0_EM) || !(insn->state->crs.cr4 & CR4_OSFXSR))
		return insn_fault(insn, VECTOR_UD, false, 0);
	if (cr0 & CR0_TS)
		return insn_fault(insn, VECTOR_NM, false, 0);
	return INSN_DONE;
}

static enum insn_result vector_get(struct insn *insn, const struct operand *operand,
				   uint8_t *bytes)
{
	int error;

	if (operand->decoded->type == ZYDIS_OPERAND_TYPE_MEMORY)
		return memory_load(insn, &operand->place, bytes);
	error = insn->ops->vector_load(insn->opaque,
				       operand->decoded->reg.value - ZYDIS_REGISTER_XMM0, bytes);
	return error ? insn_failed(insn, error) : INSN_DONE;
}

static enum insn_result vector_put(struct insn *insn, const struct operand *operand,
				   const uint8_t *bytes)
{
	int error;

	if (operand->decoded->type == ZYDIS_OPERAND_TYPE_MEMORY)
		return memory_store(insn, &operand->place, bytes);
	error = insn->ops->vector_store(insn->opaque,
					operand->decoded->reg.value - ZYDIS_REGISTER_XMM0, bytes);
	return error ? insn_failed(insn, error) : INSN_DONE;
}

/* Between a vector register and memory; a load of less than 16 bytes clears the rest. */
static enum insn_result execute_vector(struct insn *insn, const struct row *row)
{
	unsigned int memory = insn->operands[0].type == ZYDIS_OPERAND_TYPE_MEMORY ? 0 : 1;
	struct operand operands[2];
	uint8_t bytes[16] = { 0 };
	enum insn_result result;

	if (insn->operands[memory].type != ZYDIS_OPERAND_TYPE_MEMORY ||
	    !is_xmm(&insn->operands[!memory]))
		return INSN_UNSUPPORTED;
	result = vector_available(insn);
	if (!result)
		result = open_two(insn, operands, NULL, NULL);
	if (result)
		return result;
	if (row->aligned && (operands[memory].place.gpa[0] & 15))
		return insn_fault(insn, VECTOR_GP, true, 0);
	result = vector_get(insn, &operands[1], bytes);
	return result ? result : vector_put(insn, &operands[0], bytes);
}

/* ------------------------------------------------------------ the instructions */

#define BINARY(name, op)	{ ZYDIS_MNEMONIC_##name, execute_binary, .binary = (op) }
#define BIT(name, op)		{ ZYDIS_MNEMONIC_##name, execute_bit, .binary = (op) }
#define UNARY(name, op)		{ ZYDIS_MNEMONIC_##name, execute_unary, .unary = (op) }
#define SHIFT(name, op)		{ ZYDIS_MNEMONIC_##name, execute_shift, .shift = (op) }
#define VECTOR(name, align)	{ ZYDIS_MNEMONIC_##name, execute_vector, .aligned = (align) }
#define OTHER(name, function)	{ ZYDIS_MNEMONIC_##name, (function), .aligned = false }

static const struct row rows[] = {
	OTHER(MOV, execute_mov),
	OTHER(MOVZX, execute_mov),
	OTHER(MOVNTI, execute_mov),
	OTHER(MOVSX, execute_sign_extend),
	OTHER(MOVSXD, execute_sign_extend),
	OTHER(MOVBE, execute_movbe),
	OTHER(XCHG, execute_xchg),
	BINARY(ADD, op_add),
	BINARY(ADC, op_adc),
	BINARY(SUB, op_sub),
	BINARY(SBB, op_sbb),
	BINARY(CMP, op_sub),
	BINARY(AND, op_and),
	BINARY(TEST, op_and),
	BINARY(OR, op_or),
	BINARY(XOR, op_xor),
	UNARY(INC, op_inc),
	UNARY(DEC, op_dec),
	UNARY(NEG, op_neg),
	UNARY(NOT, op_not),
	BIT(BT, op_bt),
	BIT(BTS, op_bts),
	BIT(BTR, op_btr),
	BIT(BTC, op_btc),
	SHIFT(SHL, alu_shl),
	SHIFT(SHR, alu_shr),
	SHIFT(SAR, alu_sar),
	SHIFT(ROL, alu_rol),
	SHIFT(ROR, alu_ror),
	SHIFT(RCL, alu_rcl),
	SHIFT(RCR, alu_rcr),
	OTHER(XADD, execute_xadd),
	OTHER(CMPXCHG, execute_cmpxchg),
	OTHER(CMPXCHG8B, execute_cmpxchg_pair),
	OTHER(CMPXCHG16B, execute_cmpxchg_pair),
	OTHER(PUSH, execute_push),
	OTHER(POP, execute_pop),
	OTHER(CLFLUSH, execute_flush),
	OTHER(CLFLUSHOPT, execute_flush),
	OTHER(CLWB, execute_flush),
	VECTOR(MOVUPS, false),
	VECTOR(MOVUPD, false),
	VECTOR(MOVDQU, false),
	VECTOR(LDDQU, false),
	VECTOR(MOVAPS, true),
	VECTOR(MOVAPD, true),
	VECTOR(MOVDQA, true),
	VECTOR(MOVNTPS, true),
	VECTOR(MOVNTPD, true),
	VECTOR(MOVNTDQ, true),
	VECTOR(MOVNTDQA, true),
	VECTOR(MOVD, false),
	VECTOR(MOVQ, false),
	VECTOR(MOVSS, false),
	VECTOR(MOVSD, false),
};

enum insn_result insn_dispatch(struct insn *insn)
{
	ZydisInstructionCategory category = insn->decoded.meta.category;
	enum insn_result result = INSN_UNSUPPORTED;

	if (insn->decoded.encoding != ZYDIS_INSTRUCTION_ENCODING_LEGACY)
		return INSN_UNSUPPORTED;
	/* They share mnemonics with vector instructions. */
	if (category == ZYDIS_CATEGORY_STRINGOP || category == ZYDIS_CATEGORY_IOSTRINGOP)
		return insn_string(insn);
	for (unsigned int i = 0; i < G_N_ELEMENTS(rows); i++) {
		if (rows[i].mnemonic == insn->decoded.mnemonic) {
			result = rows[i].execute(insn, &rows[i]);
			break;
		}
	}
	if (result == INSN_DONE)
		insn_retire(insn, true);
	return result;
}
