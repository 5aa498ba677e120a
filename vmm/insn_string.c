// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * MOVS, STOS, LODS, CMPS, SCAS, INS and OUTS.  One call executes a bounded number of
 * iterations; the registers always say how far it has come, so that an interrupt, a fault
 * or another call can follow after each.
 *
 * Source: Intel SDM, volume 2, "REP/REPE/REPZ/REPNE/REPNZ"; volume 1, "I/O Privilege
 * Level", "I/O Permission Bit Map".
 */
#include "insn_internal.h"

#define TSS_TYPE_MASK		0x1fu	/* S and type */
#define TSS_TYPE_32_AVAILABLE	0x09u
#define TSS_TYPE_32_BUSY	0x0bu
#define TSS_MAP_OFFSET		0x66u

struct string {
	const struct string_row *row;
	unsigned int size;	/* of an element, in bytes */
	unsigned int width;	/* of addresses and the count, in bits */
	enum segment segment;	/* of the source */
	int64_t step;		/* of a pointer, by DF */
	bool repeat;
	bool repeat_not_equal;	/* F2 */
};

struct string_row {
	ZydisMnemonic mnemonic;
	unsigned int size;
	enum insn_result (*iterate)(struct insn *insn, const struct string *string);
	bool compares;		/* REPE and REPNE look at ZF */
};

/* ------------------------------------------------------------ elements */

static enum insn_result open_element(struct insn *insn, const struct string *string,
				     enum segment segment, unsigned int index,
				     unsigned int access, struct page *page, struct place *place)
{
	uint64_t offset = insn_read_register(insn, index, string->width);
	enum insn_result result;
	uint64_t linear;

	result = memory_linear(insn, segment, offset, string->size, access, &linear);
	if (result)
		return result;
	return memory_translate_cached(insn, linear, string->size, access, page, place);
}

static enum insn_result open_source(struct insn *insn, const struct string *string,
				    struct place *place)
{
	return open_element(insn, string, string->segment, GPR_RSI, ACCESS_READ, &insn->source,
			    place);
}

/* ES has no override. */
static enum insn_result open_destination(struct insn *insn, const struct string *string,
					 unsigned int access, struct place *place)
{
	return open_element(insn, string, SEG_ES, GPR_RDI, access, &insn->destination, place);
}

static void advance(struct insn *insn, const struct string *string, unsigned int index)
{
	insn_write_register(insn, index, string->width, insn->regs[index] + string->step);
}

static void compare(struct insn *insn, uint64_t first, uint64_t second, unsigned int bits)
{
	uint64_t flags = insn->state->gprs.rflags;

	alu_sub(first, second, false, bits, &flags);
	insn->state->gprs.rflags = flags;
}

static enum insn_result iterate_movs(struct insn *insn, const struct string *string)
{
	struct place source, destination;
	enum insn_result result = open_source(insn, string, &source);
	uint64_t value = 0;

	if (!result)
		result = open_destination(insn, string, ACCESS_WRITE, &destination);
	if (!result)
		result = memory_load(insn, &source, &value);
	if (!result)
		result = memory_store(insn, &destination, &value);
	if (result)
		return result;
	advance(insn, string, GPR_RSI);
	advance(insn, string, GPR_RDI);
	return INSN_DONE;
}

static enum insn_result iterate_stos(struct insn *insn, const struct string *string)
{
	struct place destination;
	enum insn_result result = open_destination(insn, string, ACCESS_WRITE, &destination);

	if (!result)
		result = memory_store(insn, &destination, &insn->regs[GPR_RAX]);
	if (!result)
		advance(insn, string, GPR_RDI);
	return result;
}

static enum insn_result iterate_lods(struct insn *insn, const struct string *string)
{
	struct place source;
	enum insn_result result = open_source(insn, string, &source);
	uint64_t value = 0;

	if (!result)
		result = memory_load(insn, &source, &value);
	if (result)
		return result;
	insn_write_register(insn, GPR_RAX, 8 * string->size, value);
	advance(insn, string, GPR_RSI);
	return INSN_DONE;
}

static enum insn_result iterate_cmps(struct insn *insn, const struct string *string)
{
	struct place source, destination;
	enum insn_result result = open_source(insn, string, &source);
	uint64_t first = 0, second = 0;

	if (!result)
		result = open_destination(insn, string, ACCESS_READ, &destination);
	if (!result)
		result = memory_load(insn, &source, &first);
	if (!result)
		result = memory_load(insn, &destination, &second);
	if (result)
		return result;
	compare(insn, first, second, 8 * string->size);
	advance(insn, string, GPR_RSI);
	advance(insn, string, GPR_RDI);
	return INSN_DONE;
}

static enum insn_result iterate_scas(struct insn *insn, const struct string *string)
{
	struct place destination;
	enum insn_result result = open_destination(insn, string, ACCESS_READ, &destination);
	uint64_t value = 0;

	if (!result)
		result = memory_load(insn, &destination, &value);
	if (result)
		return result;
	compare(insn, insn_read_register(insn, GPR_RAX, 8 * string->size), value,
		8 * string->size);
	advance(insn, string, GPR_RDI);
	return INSN_DONE;
}

static enum insn_result iterate_ins(struct insn *insn, const struct string *string)
{
	struct place destination;
	enum insn_result result = open_destination(insn, string, ACCESS_WRITE, &destination);
	uint64_t value = 0;
	int error;

	if (result)
		return result;
	error = insn->ops->port_in(insn->opaque, insn->regs[GPR_RDX], &value, string->size);
	if (error)
		return insn_failed(insn, error);
	result = memory_store(insn, &destination, &value);
	if (!result)
		advance(insn, string, GPR_RDI);
	return result;
}

static enum insn_result iterate_outs(struct insn *insn, const struct string *string)
{
	struct place source;
	enum insn_result result = open_source(insn, string, &source);
	uint64_t value = 0;
	int error;

	if (!result)
		result = memory_load(insn, &source, &value);
	if (result)
		return result;
	error = insn->ops->port_out(insn->opaque, insn->regs[GPR_RDX], &value, string->size);
	if (error)
		return insn_failed(insn, error);
	advance(insn, string, GPR_RSI);
	return INSN_DONE;
}

/* ------------------------------------------------------------ I/O permission */

static enum insn_result read_tss(struct insn *insn, uint32_t offset, uint16_t *value)
{
	const struct mica_segment *tr = &insn->state->segs.tr;
	struct place place;
	enum insn_result result;
	uint64_t linear = tr->base + offset;

	if (offset + 1 > tr->limit)
		return insn_fault(insn, VECTOR_GP, true, 0);
	if (!(insn->state->msrs.efer & EFER_LMA))
		linear = (uint32_t)linear;
	result = memory_translate(insn, linear, sizeof(*value), ACCESS_SYSTEM, &place);
	return result ? result : memory_load(insn, &place, value);
}

/* A port is allowed if its bits in the TSS's map are clear.  The CPU always reads two
 * bytes of the map, so that an access may reach into the second. */
static enum insn_result check_map(struct insn *insn, uint16_t port, unsigned int size)
{
	uint32_t type = insn->state->segs.tr.attr & TSS_TYPE_MASK;
	uint16_t map = 0, bits = 0;
	enum insn_result result;

	if (type != TSS_TYPE_32_BUSY && type != TSS_TYPE_32_AVAILABLE)
		return insn_fault(insn, VECTOR_GP, true, 0);
	result = read_tss(insn, TSS_MAP_OFFSET, &map);
	if (!result)
		result = read_tss(insn, map + port / 8u, &bits);
	if (result)
		return result;
	if (bits >> (port & 7) & ((1u << size) - 1))
		return insn_fault(insn, VECTOR_GP, true, 0);
	return INSN_DONE;
}

static enum insn_result check_io_permission(struct insn *insn, unsigned int size)
{
	uint64_t rflags = insn->state->gprs.rflags;

	if (!(insn->state->crs.cr0 & CR0_PE))
		return INSN_DONE;
	if (!(rflags & FLAG_VM) && insn->cpl <= (rflags >> FLAG_IOPL_SHIFT & 3))
		return INSN_DONE;
	return check_map(insn, insn->regs[GPR_RDX], size);
}

/* ------------------------------------------------------------ repetition */

static const struct string_row rows[] = {
	{ ZYDIS_MNEMONIC_MOVSB, 1, iterate_movs, false },
	{ ZYDIS_MNEMONIC_MOVSW, 2, iterate_movs, false },
	{ ZYDIS_MNEMONIC_MOVSD, 4, iterate_movs, false },
	{ ZYDIS_MNEMONIC_MOVSQ, 8, iterate_movs, false },
	{ ZYDIS_MNEMONIC_STOSB, 1, iterate_stos, false },
	{ ZYDIS_MNEMONIC_STOSW, 2, iterate_stos, false },
	{ ZYDIS_MNEMONIC_STOSD, 4, iterate_stos, false },
	{ ZYDIS_MNEMONIC_STOSQ, 8, iterate_stos, false },
	{ ZYDIS_MNEMONIC_LODSB, 1, iterate_lods, false },
	{ ZYDIS_MNEMONIC_LODSW, 2, iterate_lods, false },
	{ ZYDIS_MNEMONIC_LODSD, 4, iterate_lods, false },
	{ ZYDIS_MNEMONIC_LODSQ, 8, iterate_lods, false },
	{ ZYDIS_MNEMONIC_CMPSB, 1, iterate_cmps, true },
	{ ZYDIS_MNEMONIC_CMPSW, 2, iterate_cmps, true },
	{ ZYDIS_MNEMONIC_CMPSD, 4, iterate_cmps, true },
	{ ZYDIS_MNEMONIC_CMPSQ, 8, iterate_cmps, true },
	{ ZYDIS_MNEMONIC_SCASB, 1, iterate_scas, true },
	{ ZYDIS_MNEMONIC_SCASW, 2, iterate_scas, true },
	{ ZYDIS_MNEMONIC_SCASD, 4, iterate_scas, true },
	{ ZYDIS_MNEMONIC_SCASQ, 8, iterate_scas, true },
	{ ZYDIS_MNEMONIC_INSB, 1, iterate_ins, false },
	{ ZYDIS_MNEMONIC_INSW, 2, iterate_ins, false },
	{ ZYDIS_MNEMONIC_INSD, 4, iterate_ins, false },
	{ ZYDIS_MNEMONIC_OUTSB, 1, iterate_outs, false },
	{ ZYDIS_MNEMONIC_OUTSW, 2, iterate_outs, false },
	{ ZYDIS_MNEMONIC_OUTSD, 4, iterate_outs, false },
};

static const struct string_row *find_row(ZydisMnemonic mnemonic)
{
	for (unsigned int i = 0; i < G_N_ELEMENTS(rows); i++)
		if (rows[i].mnemonic == mnemonic)
			return &rows[i];
	return NULL;
}

/* F2 and F3 mean the same before an instruction that does not compare; the last counts. */
static void find_repetition(const struct insn *insn, struct string *string)
{
	for (unsigned int i = 0; i < insn->decoded.raw.prefix_count; i++) {
		uint8_t prefix = insn->decoded.raw.prefixes[i].value;

		if (prefix != 0xf2 && prefix != 0xf3)
			continue;
		string->repeat = true;
		string->repeat_not_equal = prefix == 0xf2;
	}
}

static enum segment source_segment(const struct insn *insn)
{
	for (unsigned int i = 0; i < insn->decoded.operand_count; i++) {
		const ZydisDecodedOperand *operand = &insn->operands[i];

		if (operand->type == ZYDIS_OPERAND_TYPE_MEMORY &&
		    (operand->mem.base == ZYDIS_REGISTER_SI ||
		     operand->mem.base == ZYDIS_REGISTER_ESI ||
		     operand->mem.base == ZYDIS_REGISTER_RSI))
			return operand->mem.segment - ZYDIS_REGISTER_ES;
	}
	return SEG_DS;
}

static bool ends_repetition(const struct insn *insn, const struct string *string, uint64_t count)
{
	bool equal = insn->state->gprs.rflags & FLAG_ZF;

	return !count || (string->row->compares && equal == string->repeat_not_equal);
}

static enum insn_result repeat(struct insn *insn, const struct string *string)
{
	uint64_t count = insn_read_register(insn, GPR_RCX, string->width);
	unsigned int budget = INSN_STRING_BYTES / string->size;
	enum insn_result result;

	if (!count) {
		insn_retire(insn, true);
		return INSN_DONE;
	}
	if (insn->state->gprs.rflags & FLAG_TF)
		budget = 1;
	while (budget--) {
		result = string->row->iterate(insn, string);
		if (result)
			return result;
		insn_write_register(insn, GPR_RCX, string->width, --count);
		if (ends_repetition(insn, string, count)) {
			insn_retire(insn, true);
			return INSN_DONE;
		}
	}
	insn_retire(insn, false);
	return INSN_DONE;
}

enum insn_result insn_string(struct insn *insn)
{
	struct string string = {
		.row = find_row(insn->decoded.mnemonic),
		.width = insn->decoded.address_width,
		.segment = source_segment(insn),
	};
	enum insn_result result = INSN_DONE;

	if (!string.row)
		return INSN_UNSUPPORTED;
	string.size = string.row->size;
	string.step = insn->state->gprs.rflags & FLAG_DF ? -(int64_t)string.size : string.size;
	find_repetition(insn, &string);
	if (insn->decoded.meta.category == ZYDIS_CATEGORY_IOSTRINGOP)
		result = check_io_permission(insn, string.size);
	if (!result && string.repeat)
		return repeat(insn, &string);
	if (!result)
		result = string.row->iterate(insn, &string);
	if (!result)
		insn_retire(insn, true);
	return result;
}
