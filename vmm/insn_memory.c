// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The guest's memory as its instructions see it: segments, then page tables, then
 * guest-physical accesses.
 *
 * Source: Intel SDM, volume 3, "Limit Checking", "Type Checking", "Paging": "32-Bit
 * Paging", "PAE Paging", "4-Level Paging and 5-Level Paging", "Access Rights", "Page-Fault
 * Exceptions", "Accessed and Dirty Flags".
 */
#include <string.h>

#include "insn_internal.h"

#define PF_PRESENT	(1u << 0)
#define PF_WRITE	(1u << 1)
#define PF_USER		(1u << 2)
#define PF_RESERVED	(1u << 3)
#define PF_FETCH	(1u << 4)

#define ENTRY_P		(1ull << 0)
#define ENTRY_W		(1ull << 1)
#define ENTRY_U		(1ull << 2)
#define ENTRY_A		(1ull << 5)
#define ENTRY_D		(1ull << 6)
#define ENTRY_PS	(1ull << 7)
#define ENTRY_NX	(1ull << 63)
#define ENTRY_ADDRESS	0x000ffffffffff000ull

#define MAX_LEVELS	5

struct paging {
	unsigned int levels;
	unsigned int index_bits;
	unsigned int entry_size;
	uint64_t root;
};

/* What a walk has found. */
struct walk {
	uint64_t linear;
	unsigned int access;
	uint64_t entries[MAX_LEVELS + 1];	/* by level, 1 is the lowest */
	uint64_t addresses[MAX_LEVELS + 1];
	unsigned int leaf;			/* its level */
	uint64_t rights;			/* ENTRY_W, ENTRY_U: all levels; ENTRY_NX: any */
};

/* ------------------------------------------------------------ segments */

static enum insn_result segment_fault(struct insn *insn, enum segment segment)
{
	return insn_fault(insn, segment == SEG_SS ? VECTOR_SS : VECTOR_GP, true, 0);
}

static bool is_canonical(const struct insn *insn, uint64_t address)
{
	unsigned int unused = insn->state->crs.cr4 & CR4_LA57 ? 64 - 57 : 64 - 48;

	return (uint64_t)((int64_t)(address << unused) >> unused) == address;
}

/* In real and virtual-8086 mode every segment may be read and written. */
static bool type_allows(const struct insn *insn, const struct mica_segment *segment,
			unsigned int access)
{
	if (!(insn->state->crs.cr0 & CR0_PE) || (insn->state->gprs.rflags & FLAG_VM))
		return true;
	if (segment->attr & SEG_TYPE_CODE)
		return !(access & ACCESS_WRITE) &&
		       ((access & ACCESS_FETCH) || (segment->attr & SEG_TYPE_RW));
	return !(access & ACCESS_WRITE) || (segment->attr & SEG_TYPE_RW);
}

/* Code never expands down, whatever type a saved state gives CS. */
static bool limit_allows(const struct mica_segment *segment, uint64_t offset, unsigned int size,
			 unsigned int access)
{
	uint64_t last = offset + size - 1;

	if (!((segment->attr & SEG_TYPE_CODE) || (access & ACCESS_FETCH)) &&
	    (segment->attr & SEG_TYPE_EXPAND_DOWN))
		return offset > segment->limit &&
		       last <= (segment->attr & SEG_DB ? 0xffffffff : 0xffff);
	return last <= segment->limit;
}

enum insn_result memory_linear(struct insn *insn, enum segment segment, uint64_t offset,
			       unsigned int size, unsigned int access, uint64_t *linear)
{
	const struct mica_segment *descriptor = insn_segment(insn, segment);

	if (insn->long_mode) {
		*linear = offset + (segment >= SEG_FS ? descriptor->base : 0);
		if (!is_canonical(insn, *linear) || !is_canonical(insn, *linear + size - 1))
			return segment_fault(insn, segment);
		return INSN_DONE;
	}
	if ((descriptor->attr & MICA_SEG_UNUSABLE) || !type_allows(insn, descriptor, access) ||
	    !limit_allows(descriptor, offset, size, access))
		return segment_fault(insn, segment);
	*linear = (uint32_t)(descriptor->base + offset);
	return INSN_DONE;
}

/* ------------------------------------------------------------ page tables */

static struct paging paging_mode(const struct insn *insn)
{
	const struct mica_state_crs *crs = &insn->state->crs;

	if (insn->state->msrs.efer & EFER_LMA)
		return (struct paging){ crs->cr4 & CR4_LA57 ? 5 : 4, 9, 8,
					crs->cr3 & ENTRY_ADDRESS };
	if (crs->cr4 & CR4_PAE)
		return (struct paging){ 3, 9, 8, crs->cr3 & 0xffffffe0 };
	return (struct paging){ 2, 10, 4, crs->cr3 & 0xfffff000 };
}

static bool no_execute_enabled(const struct insn *insn, const struct paging *paging)
{
	return paging->entry_size == 8 && (insn->state->msrs.efer & EFER_NXE);
}

static enum insn_result page_fault(struct insn *insn, const struct paging *paging,
				   const struct walk *walk, uint32_t error)
{
	if (walk->access & ACCESS_WRITE)
		error |= PF_WRITE;
	if (insn->cpl == 3 && !(walk->access & ACCESS_SYSTEM))
		error |= PF_USER;
	if ((walk->access & ACCESS_FETCH) &&
	    (no_execute_enabled(insn, paging) || (insn->state->crs.cr4 & CR4_SMEP)))
		error |= PF_FETCH;
	insn->state->crs.cr2 = walk->linear;
	return insn_fault(insn, VECTOR_PF, true, error);
}

/* The four entries of PAE paging's top table have no rights and no flags but P. */
static bool is_pdpte(const struct paging *paging, unsigned int level)
{
	return paging->levels == 3 && level == 3;
}

static bool is_leaf(const struct insn *insn, const struct paging *paging, unsigned int level,
		    uint64_t entry)
{
	if (level == 1)
		return true;
	if (!(entry & ENTRY_PS) || is_pdpte(paging, level))
		return false;
	if (paging->entry_size == 4)
		return insn->state->crs.cr4 & CR4_PSE;
	return level <= 3;
}

/* The bits of an entry that must be zero. */
static uint64_t reserved_bits(const struct insn *insn, const struct paging *paging,
			      unsigned int level, bool leaf)
{
	uint64_t bits = 0;

	if (paging->entry_size == 4)
		return leaf && level == 2 ? 1u << 21 : 0;
	if (is_pdpte(paging, level))
		return 0;	/* checked when CR3 was loaded */
	if (!(insn->state->msrs.efer & EFER_NXE))
		bits |= ENTRY_NX;
	if (paging->levels == 3)
		bits |= 0x7ff0000000000000ull;
	if (level >= 4)
		bits |= ENTRY_PS;
	if (leaf && level > 1)
		bits |= ((1ull << (12 + 9 * (level - 1))) - 1) & ~0x1fffull;
	return bits;
}

static uint64_t leaf_address(const struct paging *paging, const struct walk *walk)
{
	unsigned int shift = 12 + paging->index_bits * (walk->leaf - 1);
	uint64_t within = walk->linear & ((1ull << shift) - 1);
	uint64_t entry = walk->entries[walk->leaf];

	/* A 4 MiB page has bits 39:32 of its address in bits 20:13 of the entry. */
	if (paging->entry_size == 4 && walk->leaf == 2)
		return (entry & 0xffc00000) | (entry >> 13 & 0xff) << 32 | within;
	return (entry & ENTRY_ADDRESS & ~((1ull << shift) - 1)) | within;
}

static bool rights_allow(const struct insn *insn, const struct walk *walk)
{
	uint64_t cr0 = insn->state->crs.cr0, cr4 = insn->state->crs.cr4;
	bool system = walk->access & ACCESS_SYSTEM;
	bool user_page = walk->rights & ENTRY_U;

	if ((walk->access & ACCESS_FETCH) && (walk->rights & ENTRY_NX))
		return false;
	if (insn->cpl == 3 && !system)
		return user_page && (!(walk->access & ACCESS_WRITE) || (walk->rights & ENTRY_W));
	if (walk->access & ACCESS_FETCH)
		return !user_page || !(cr4 & CR4_SMEP);
	if (user_page && (cr4 & CR4_SMAP) && (system || !(insn->state->gprs.rflags & FLAG_AC)))
		return false;
	return !(walk->access & ACCESS_WRITE) || (walk->rights & ENTRY_W) || !(cr0 & CR0_WP);
}

static enum insn_result walk_tables(struct insn *insn, const struct paging *paging,
				    struct walk *walk)
{
	uint64_t index_mask = (1u << paging->index_bits) - 1;
	uint64_t table = paging->root;
	unsigned int level = paging->levels;

	walk->rights = ENTRY_W | ENTRY_U;
	for (;;) {
		uint64_t shift = 12 + paging->index_bits * (level - 1);
		uint64_t index = walk->linear >> shift & index_mask;
		uint64_t entry = 0;
		int error;

		walk->addresses[level] = table + index * paging->entry_size;
		error = insn->ops->entry_load(insn->opaque, walk->addresses[level],
					      paging->entry_size, &entry);
		if (error)
			return insn_failed(insn, error);
		walk->entries[level] = entry;
		if (!(entry & ENTRY_P))
			return page_fault(insn, paging, walk, 0);
		walk->leaf = is_leaf(insn, paging, level, entry) ? level : 0;
		if (entry & reserved_bits(insn, paging, level, walk->leaf))
			return page_fault(insn, paging, walk, PF_PRESENT | PF_RESERVED);
		if (!is_pdpte(paging, level)) {
			walk->rights &= entry | ~(ENTRY_W | ENTRY_U);
			walk->rights |= paging->entry_size == 8 ? entry & ENTRY_NX : 0;
		}
		if (walk->leaf)
			return INSN_DONE;
		table = entry & (paging->entry_size == 4 ? 0xfffff000 : ENTRY_ADDRESS);
		level--;
	}
}

/* A guest that changes an entry meanwhile keeps its own value. */
static enum insn_result set_flags(struct insn *insn, const struct paging *paging,
				  const struct walk *walk)
{
	for (unsigned int level = walk->leaf; level <= paging->levels; level++) {
		uint64_t flags = ENTRY_A;
		int error;

		if (is_pdpte(paging, level))
			break;
		if (level == walk->leaf && (walk->access & ACCESS_WRITE))
			flags |= ENTRY_D;
		if ((walk->entries[level] & flags) == flags)
			continue;
		error = insn->ops->entry_update(insn->opaque, walk->addresses[level],
						paging->entry_size, walk->entries[level],
						walk->entries[level] | flags);
		if (error)
			return insn_failed(insn, error);
	}
	return INSN_DONE;
}

static enum insn_result translate_page(struct insn *insn, uint64_t linear, unsigned int access,
				       uint64_t *gpa)
{
	struct walk walk = { .linear = linear, .access = access };
	struct paging paging;
	enum insn_result result;

	if (!(insn->state->crs.cr0 & CR0_PG)) {
		*gpa = linear;
		return INSN_DONE;
	}
	paging = paging_mode(insn);
	result = walk_tables(insn, &paging, &walk);
	if (result)
		return result;
	if (!rights_allow(insn, &walk))
		return page_fault(insn, &paging, &walk, PF_PRESENT);
	*gpa = leaf_address(&paging, &walk);
	return set_flags(insn, &paging, &walk);
}

enum insn_result memory_translate(struct insn *insn, uint64_t linear, unsigned int size,
				  unsigned int access, struct place *place)
{
	unsigned int in_page = PAGE_SIZE - linear % PAGE_SIZE;
	uint64_t next = linear + in_page;
	enum insn_result result;

	place->size[0] = size < in_page ? size : in_page;
	place->size[1] = size - place->size[0];
	result = translate_page(insn, linear, access, &place->gpa[0]);
	if (result || !place->size[1])
		return result;
	if (!insn->long_mode)
		next = (uint32_t)next;
	return translate_page(insn, next, access, &place->gpa[1]);
}

enum insn_result memory_translate_cached(struct insn *insn, uint64_t linear, unsigned int size,
					 unsigned int access, struct page *page,
					 struct place *place)
{
	uint64_t offset = linear % PAGE_SIZE;
	enum insn_result result;

	if (page->valid && page->linear == linear - offset && offset + size <= PAGE_SIZE) {
		*place = (struct place){ { page->gpa + offset }, { size } };
		return INSN_DONE;
	}
	result = memory_translate(insn, linear, size, access, place);
	if (result)
		return result;
	*page = (struct page){ true, linear - offset, place->gpa[0] - offset };
	return INSN_DONE;
}

/* ------------------------------------------------------------ accesses */

/* The largest access that the operations take of what is left. */
static unsigned int chunk(unsigned int left)
{
	unsigned int size = 8;

	while (size > left)
		size /= 2;
	return size;
}

static enum insn_result load_range(struct insn *insn, uint64_t gpa, uint8_t *to,
				   unsigned int left)
{
	while (left) {
		unsigned int size = chunk(left);
		int error = insn->ops->read(insn->opaque, gpa, to, size);

		if (error)
			return insn_failed(insn, error);
		gpa += size;
		to += size;
		left -= size;
	}
	return INSN_DONE;
}

static enum insn_result store_range(struct insn *insn, uint64_t gpa, const uint8_t *from,
				    unsigned int left)
{
	while (left) {
		unsigned int size = chunk(left);
		int error = insn->ops->write(insn->opaque, gpa, from, size);

		if (error)
			return insn_failed(insn, error);
		gpa += size;
		from += size;
		left -= size;
	}
	return INSN_DONE;
}

enum insn_result memory_load(struct insn *insn, const struct place *place, void *to)
{
	enum insn_result result = load_range(insn, place->gpa[0], to, place->size[0]);

	if (result)
		return result;
	return load_range(insn, place->gpa[1], (uint8_t *)to + place->size[0], place->size[1]);
}

enum insn_result memory_store(struct insn *insn, const struct place *place, const void *from)
{
	enum insn_result result = store_range(insn, place->gpa[0], from, place->size[0]);

	if (result)
		return result;
	return store_range(insn, place->gpa[1], (const uint8_t *)from + place->size[0],
			   place->size[1]);
}

/* Bytes that the code segment's limit leaves, from `offset` on. */
static uint64_t code_left(const struct insn *insn, uint64_t offset)
{
	uint64_t limit = insn->state->segs.cs.limit;

	if (insn->long_mode)
		return UINT64_MAX;
	return offset > limit ? 0 : limit - offset + 1;
}

enum insn_result memory_fetch(struct insn *insn)
{
	uint64_t offset = insn->state->gprs.rip + insn->available;
	/* Few are longer than the first read. */
	unsigned int size = insn->available ? INSN_MAX_LENGTH - insn->available : 8;
	struct place place;
	enum insn_result result;
	uint64_t linear;

	if (!insn->long_mode)
		offset = (uint32_t)offset;
	result = memory_linear(insn, SEG_CS, offset, 1, ACCESS_FETCH, &linear);
	if (result)
		return result;
	size = MIN(size, PAGE_SIZE - linear % PAGE_SIZE);
	size = MIN(size, code_left(insn, offset));
	result = memory_translate(insn, linear, size, ACCESS_FETCH, &place);
	if (result)
		return result;
	result = memory_load(insn, &place, insn->bytes + insn->available);
	if (!result)
		insn->available += size;
	return result;
}
