// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where does the next instruction begin?  CPUs with "NRIP save" tell; for the others the
 * instruction that exited is read again.  Which one it is the exit code says, so there is
 * nothing to decode but prefixes, and a byte with registers.
 */
#include "vmcb.h"

#define INSN_MAX	SVM_INSN_MAX

/* So often may another CPU have changed the instruction under this one's feet. */
#define MISSES_MAX	1000

/* -EAGAIN: not in memory now, and it may not be waited for; -EFAULT: not in guest memory. */
typedef int read_fn(struct mica_vm *vm, u64 gpa, void *to, size_t length);

/* ------------------------------------------------------------ reading */

/* APM volume 2, "Page Translation and Protection", by mode: the first level's index begins at
 * bit `top`, each has `bits` bits, entries are of `size` bytes. */
struct paging {
	u8 top, bits, size;
	u64 root;
	u64 address;			/* mask of the next table in an entry */
	u32 large;			/* bit n: an entry whose index begins at bit n may be large */
};

static void find_paging(struct mica_vcpu *vcpu, struct paging *paging)
{
	const struct vmcb_save_area *save = svm_save(vcpu);

	if (save->efer & EFER_LMA)
		*paging = (struct paging){ save->cr4 & X86_CR4_LA57 ? 48 : 39, 9, 8,
					   save->cr3 & GENMASK_ULL(51, 12), GENMASK_ULL(51, 12),
					   BIT(21) | BIT(30) };
	else if (save->cr4 & X86_CR4_PAE)
		*paging = (struct paging){ 30, 9, 8, save->cr3 & GENMASK_ULL(31, 5),
					   GENMASK_ULL(51, 12), BIT(21) };
	else
		*paging = (struct paging){ 22, 10, 4, save->cr3 & GENMASK_ULL(31, 12),
					   GENMASK_ULL(31, 12),
					   save->cr4 & X86_CR4_PSE ? BIT(22) : 0 };
}

static bool is_leaf(const struct paging *paging, u64 entry, unsigned int shift)
{
	return shift == PAGE_SHIFT || ((entry & _PAGE_PSE) && shift < 32 &&
				       (paging->large & BIT(shift)));
}

/* Four-megabyte pages have bits 39:32 of their address in bits 20:13. */
static u64 leaf_address(const struct paging *paging, u64 entry, unsigned int shift)
{
	u64 address = entry & paging->address & ~(BIT_ULL(shift) - 1);

	return shift == 22 ? address | (entry & GENMASK_ULL(20, 13)) << 19 : address;
}

/* The CPU has just fetched from here, so rights need no check.  0: walk->gpa is the page's. */
static int translate(struct mica_vcpu *vcpu, u64 linear, read_fn *read, struct svm_walk *walk)
{
	struct svm_walk_entry *entry;
	struct paging paging;
	int shift, error;
	u64 table;

	walk->count = 0;
	walk->linear = linear & PAGE_MASK;
	walk->gpa = (u32)walk->linear;
	if (!(svm_save(vcpu)->cr0 & X86_CR0_PG))
		return 0;
	find_paging(vcpu, &paging);
	table = paging.root;
	for (shift = paging.top; shift >= PAGE_SHIFT; shift -= paging.bits) {
		entry = &walk->entry[walk->count++];
		entry->gpa = table + (linear >> shift & (BIT(paging.bits) - 1)) * paging.size;
		entry->value = 0;
		error = read(vcpu->vm, entry->gpa, &entry->value, paging.size);
		if (error)
			return error;
		if (!(entry->value & _PAGE_PRESENT))
			return -ENOEXEC;
		if (is_leaf(&paging, entry->value, shift))
			break;
		table = entry->value & paging.address;
	}
	walk->gpa = leaf_address(&paging, entry->value, shift) |
		    (walk->linear & (BIT_ULL(shift) - 1));
	return 0;
}

static u64 linear_rip(const struct mica_vcpu *vcpu)
{
	const struct vmcb_save_area *save = svm_save(vcpu);

	return svm_in_64bit_code(vcpu) ? save->rip : (u32)(save->cs.base + save->rip);
}

/* All bytes that an instruction at RIP can have; those on a second page may be missing. */
static int fetch(struct mica_vcpu *vcpu, read_fn *read, struct svm_insn *insn,
		 struct svm_walk *walk)
{
	u64 linear = linear_rip(vcpu), offset = linear & ~PAGE_MASK;
	unsigned int first = min_t(u64, INSN_MAX, PAGE_SIZE - offset);
	struct svm_walk second;
	int error;

	error = translate(vcpu, linear, read, walk);
	if (!error)
		error = read(vcpu->vm, walk->gpa + offset, insn->bytes, first);
	if (error)
		return error;
	insn->count = first;
	if (first == INSN_MAX)
		return 0;
	linear += first;
	error = translate(vcpu, svm_in_64bit_code(vcpu) ? linear : (u32)linear, read, &second);
	if (!error)
		error = read(vcpu->vm, second.gpa, insn->bytes + first, INSN_MAX - first);
	if (!error)
		insn->count = INSN_MAX;
	return error == -EAGAIN ? error : 0;
}

/* ------------------------------------------------------------ the same walk again */

/* All but paging of 32 bits, whose entries are shorter.  `seq` is from before the walk. */
static void remember(struct mica_vcpu *vcpu, struct svm_walk *walk, unsigned long seq)
{
	const struct vmcb_save_area *save = svm_save(vcpu);
	struct svm_walk_entry *entry = walk->entry;

	if ((save->cr0 & X86_CR0_PG) && !(save->cr4 & X86_CR4_PAE))
		return;
	for (; entry < walk->entry + walk->count; entry++) {
		entry->address = mica_memory_user(vcpu->vm, entry->gpa);
		if (!entry->address)
			return;
	}
	walk->page = mica_memory_user(vcpu->vm, walk->gpa);
	walk->cr0 = save->cr0;
	walk->cr3 = save->cr3;
	walk->cr4 = save->cr4;
	walk->efer = save->efer;
	walk->seq = seq;
	walk->valid = walk->page != NULL;
}

static bool begins_alike(const struct mica_vcpu *vcpu, const struct svm_walk *walk, u64 linear)
{
	const struct vmcb_save_area *save = svm_save(vcpu);

	return walk->valid && walk->linear == (linear & PAGE_MASK) && walk->cr0 == save->cr0 &&
	       walk->cr3 == save->cr3 && walk->cr4 == save->cr4 && walk->efer == save->efer &&
	       walk->seq == READ_ONCE(vcpu->vm->mem.invalidate_seq);
}

/* False: it does not lead there any more, or not all of it is in memory now. */
static bool fetch_again(struct mica_vcpu *vcpu, const struct svm_walk *walk, struct svm_insn *insn)
{
	const struct svm_walk_entry *entry = walk->entry;
	u64 linear = linear_rip(vcpu), offset = linear & ~PAGE_MASK, value;
	bool same = begins_alike(vcpu, walk, linear) && offset + INSN_MAX <= PAGE_SIZE;

	if (!same)
		return false;
	pagefault_disable();
	for (; same && entry < walk->entry + walk->count; entry++)
		same = !__get_user(value, entry->address) && value == entry->value;
	same = same && !__copy_from_user_inatomic(insn->bytes, walk->page + offset, INSN_MAX);
	pagefault_enable();
	insn->count = INSN_MAX;
	return same;
}

/* ------------------------------------------------------------ understanding */

static bool is_legacy_prefix(u8 byte)
{
	switch (byte) {
	case 0x26: case 0x2e: case 0x36: case 0x3e: case 0x64: case 0x65:	/* segments */
	case 0x66: case 0x67:					/* operand and address size */
	case 0xf0: case 0xf2: case 0xf3:			/* LOCK, REPNE, REP */
		return true;
	}
	return false;
}

/* Its length, or 0 if this is not the instruction. */
static unsigned int understand(struct mica_vcpu *vcpu, const struct svm_insn *insn,
			       const struct svm_opcode *opcode)
{
	unsigned int at = 0, i, rex = 0;

	/* A REX prefix that is not the last one does nothing. */
	for (; at < insn->count && insn->bytes[at] != opcode->bytes[0]; at++) {
		if (svm_in_64bit_code(vcpu) && (insn->bytes[at] & 0xf0) == 0x40)
			rex = insn->bytes[at];
		else if (is_legacy_prefix(insn->bytes[at]))
			rex = 0;
		else
			break;
	}
	if (at + opcode->length + opcode->modrm > insn->count)
		return 0;
	for (i = 0; i < opcode->length; i++, at++)
		if ((insn->bytes[at] ^ opcode->bytes[i]) & ~(i + 1 < opcode->length ? 0 : opcode->any))
			return 0;
	if (opcode->modrm)
		to_svm(vcpu)->gpr = (insn->bytes[at++] & 7) | (rex & 1) << 3;
	return at;
}

static int fetch_now(struct mica_vcpu *vcpu, struct svm_insn *insn)
{
	struct svm_walk *walk = &to_svm(vcpu)->walks[linear_rip(vcpu) >> PAGE_SHIFT & (SVM_WALKS - 1)];
	unsigned long seq;
	int error;

	if (likely(fetch_again(vcpu, walk, insn)))
		return 0;
	walk->valid = false;
	seq = smp_load_acquire(&vcpu->vm->mem.invalidate_seq);
	error = fetch(vcpu, mica_memory_read_now, insn, walk);
	if (!error)
		remember(vcpu, walk, seq);
	return error;
}

/* What was read with patience counts, once: the guest's protection key may forbid to read here. */
static int get_instruction(struct mica_vcpu *vcpu, struct svm_insn *insn)
{
	struct svm_vcpu *svm = to_svm(vcpu);
	bool fetched = svm->fetched.count && svm->fetched_rip == svm_save(vcpu)->rip;

	if (unlikely(fetched))
		*insn = svm->fetched;
	svm->fetched.count = 0;
	return fetched ? 0 : fetch_now(vcpu, insn);
}

int svm_find_next_rip(struct mica_vcpu *vcpu, const struct svm_opcode *opcode)
{
	struct svm_vcpu *svm = to_svm(vcpu);
	struct svm_insn insn;
	unsigned int length;
	int error;

	if (svm_caps.next_rip && (!opcode->modrm || svm_caps.decode_assists)) {
		svm->next_rip = svm->vmcb->control.next_rip;
		svm->gpr = svm->vmcb->control.exit_info_1 & 0xf;
		return 0;
	}
	error = get_instruction(vcpu, &insn);
	length = error ? 0 : understand(vcpu, &insn, opcode);
	if (unlikely(error && error != -ENOEXEC))
		return -EAGAIN;
	if (unlikely(!length))
		return svm->misses++ < MISSES_MAX ? -ENOEXEC : -EIO;
	svm->misses = 0;
	svm->next_rip = svm->vmcb->save.rip + length;
	if (!svm_in_64bit_code(vcpu))
		svm->next_rip = (u32)svm->next_rip;
	return 0;
}

enum mica_next svm_fetch_slowly(struct mica_vcpu *vcpu)
{
	struct svm_vcpu *svm = to_svm(vcpu);
	struct svm_walk walk;
	int error = fetch(vcpu, mica_memory_read, &svm->fetched, &walk);

	svm->fetched_rip = svm_save(vcpu)->rip;
	if (error)
		svm->fetched.count = 0;
	if (error != -EFAULT)
		return MICA_NEXT_ENTER;
	return mica_exit_fail(vcpu, MICA_EXIT_INTERNAL_ERROR, svm_control(vcpu)->exit_code,
			      svm_save(vcpu)->rip, "instruction that is in no memory");
}
