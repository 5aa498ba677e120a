/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Arithmetic with the status flags that the CPU would give.  Operands are zero-extended;
 * `bits` is 8, 16, 32 or 64; *flags is RFLAGS, of which only status flags change.
 *
 * Source: Intel SDM, volume 1, "Status Flags"; volume 2, the instructions' pages.  Where
 * a flag is undefined it gets what both vendors' CPUs give, as far as they agree.
 */
#ifndef MICA_VMM_INSN_ALU_H
#define MICA_VMM_INSN_ALU_H

#include <stdbool.h>
#include <stdint.h>

#define FLAG_CF		(1ull << 0)
#define FLAG_PF		(1ull << 2)
#define FLAG_AF		(1ull << 4)
#define FLAG_ZF		(1ull << 6)
#define FLAG_SF		(1ull << 7)
#define FLAG_TF		(1ull << 8)
#define FLAG_DF		(1ull << 10)
#define FLAG_OF		(1ull << 11)
#define FLAG_IOPL_SHIFT	12
#define FLAG_RF		(1ull << 16)
#define FLAG_VM		(1ull << 17)
#define FLAG_AC		(1ull << 18)
#define FLAG_STATUS	(FLAG_CF | FLAG_PF | FLAG_AF | FLAG_ZF | FLAG_SF | FLAG_OF)

static inline uint64_t alu_mask(unsigned int bits)
{
	return UINT64_MAX >> (64 - bits);
}

static inline bool alu_top(uint64_t value, unsigned int bits)
{
	return value >> (bits - 1) & 1;
}

static inline void alu_set(uint64_t *flags, uint64_t flag, bool on)
{
	*flags = on ? *flags | flag : *flags & ~flag;
}

/* SF, ZF and PF, which follow from the result alone. */
static inline void alu_result_flags(uint64_t result, unsigned int bits, uint64_t *flags)
{
	alu_set(flags, FLAG_ZF, !result);
	alu_set(flags, FLAG_SF, alu_top(result, bits));
	alu_set(flags, FLAG_PF, !__builtin_parity(result & 0xff));
}

static inline uint64_t alu_add(uint64_t a, uint64_t b, bool carry, unsigned int bits,
			       uint64_t *flags)
{
	uint64_t r = (a + b + carry) & alu_mask(bits);

	alu_result_flags(r, bits, flags);
	alu_set(flags, FLAG_CF, alu_top((a & b) | ((a | b) & ~r), bits));
	alu_set(flags, FLAG_OF, alu_top((a ^ r) & (b ^ r), bits));
	alu_set(flags, FLAG_AF, (a ^ b ^ r) & 0x10);
	return r;
}

static inline uint64_t alu_sub(uint64_t a, uint64_t b, bool borrow, unsigned int bits,
			       uint64_t *flags)
{
	uint64_t r = (a - b - borrow) & alu_mask(bits);

	alu_result_flags(r, bits, flags);
	alu_set(flags, FLAG_CF, alu_top((~a & b) | ((~a | b) & r), bits));
	alu_set(flags, FLAG_OF, alu_top((a ^ b) & (a ^ r), bits));
	alu_set(flags, FLAG_AF, (a ^ b ^ r) & 0x10);
	return r;
}

static inline uint64_t alu_logic(uint64_t result, unsigned int bits, uint64_t *flags)
{
	alu_result_flags(result, bits, flags);
	*flags &= ~(FLAG_CF | FLAG_OF | FLAG_AF);
	return result;
}

static inline uint64_t alu_shl(uint64_t a, unsigned int count, unsigned int bits, uint64_t *flags)
{
	uint64_t r = count < bits ? a << count & alu_mask(bits) : 0;
	bool carry = count <= bits && a >> (bits - count) & 1;

	alu_result_flags(r, bits, flags);
	alu_set(flags, FLAG_CF, carry);
	alu_set(flags, FLAG_OF, alu_top(r, bits) != carry);
	*flags &= ~FLAG_AF;
	return r;
}

static inline uint64_t alu_shr(uint64_t a, unsigned int count, unsigned int bits, uint64_t *flags)
{
	uint64_t r = count < bits ? a >> count : 0;

	alu_result_flags(r, bits, flags);
	alu_set(flags, FLAG_CF, count <= bits && a >> (count - 1) & 1);
	alu_set(flags, FLAG_OF, alu_top(a, bits));
	*flags &= ~FLAG_AF;
	return r;
}

static inline uint64_t alu_sar(uint64_t a, unsigned int count, unsigned int bits, uint64_t *flags)
{
	int64_t wide = (int64_t)(a << (64 - bits)) >> (64 - bits);
	uint64_t r = (uint64_t)(wide >> (count < 63 ? count : 63)) & alu_mask(bits);

	alu_result_flags(r, bits, flags);
	alu_set(flags, FLAG_CF, wide >> (count - 1) & 1);
	*flags &= ~(FLAG_OF | FLAG_AF);
	return r;
}

/* Rotates change CF and OF only. */
static inline uint64_t alu_rol(uint64_t a, unsigned int count, unsigned int bits, uint64_t *flags)
{
	unsigned int n = count % bits;
	uint64_t r = n ? (a << n | a >> (bits - n)) & alu_mask(bits) : a;

	alu_set(flags, FLAG_CF, r & 1);
	alu_set(flags, FLAG_OF, alu_top(r, bits) != (r & 1));
	return r;
}

static inline uint64_t alu_ror(uint64_t a, unsigned int count, unsigned int bits, uint64_t *flags)
{
	unsigned int n = count % bits;
	uint64_t r = n ? (a >> n | a << (bits - n)) & alu_mask(bits) : a;

	alu_set(flags, FLAG_CF, alu_top(r, bits));
	alu_set(flags, FLAG_OF, alu_top(r ^ r << 1, bits));
	return r;
}

/* At most 63 steps of one bit through CF. */
static inline uint64_t alu_rcl(uint64_t a, unsigned int count, unsigned int bits, uint64_t *flags)
{
	bool carry = *flags & FLAG_CF;

	for (unsigned int i = 0; i < count; i++) {
		bool out = alu_top(a, bits);

		a = (a << 1 | carry) & alu_mask(bits);
		carry = out;
	}
	alu_set(flags, FLAG_CF, carry);
	alu_set(flags, FLAG_OF, alu_top(a, bits) != carry);
	return a;
}

static inline uint64_t alu_rcr(uint64_t a, unsigned int count, unsigned int bits, uint64_t *flags)
{
	bool carry = *flags & FLAG_CF;

	for (unsigned int i = 0; i < count; i++) {
		bool out = a & 1;

		a = a >> 1 | (uint64_t)carry << (bits - 1);
		carry = out;
	}
	alu_set(flags, FLAG_CF, carry);
	alu_set(flags, FLAG_OF, alu_top(a ^ a << 1, bits));
	return a;
}

#endif
