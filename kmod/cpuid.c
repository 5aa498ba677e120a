// SPDX-License-Identifier: GPL-2.0-only
/*
 * The CPUID policy of a vCPU: checked when user space sets it, looked up when the guest
 * executes CPUID.  What may be in it: cpuid_table.c; the rules in words: docs/cpuid-msr.md.
 */
#include "cpuid_table.h"

#include "backend.h"
#include "vcpu.h"
#include "xsave.h"

/* In the kernel's copy of an entry: some of it follows registers of the guest. */
#define ENTRY_DYNAMIC	BIT(31)

#define VENDOR_INTEL_EBX	0x756e6547	/* "Genu" */
#define VENDOR_AMD_EBX		0x68747541	/* "Auth" */

/* ------------------------------------------------------------ look-up */

static u64 entry_key(const struct mica_cpuid_entry *entry)
{
	return (u64)entry->leaf << 32 | entry->subleaf;
}

static bool entry_answers(const struct mica_cpuid_entry *entry, u32 leaf, u32 subleaf)
{
	return entry->leaf == leaf &&
	       (entry->subleaf == subleaf || !(entry->flags & MICA_CPUID_SUBLEAF));
}

/* The last entry that is not behind (leaf, subleaf); an entry for all subleaves has 0 there.
 * NULL: the policy does not have the leaf, or not the subleaf. */
static const struct mica_cpuid_entry *find(const struct mica_cpuid *cpuid, u32 leaf, u32 subleaf)
{
	u64 key = (u64)leaf << 32 | subleaf;
	const struct mica_cpuid_entry *entry = cpuid->entries;
	u32 count = cpuid->count, half;

	while (count > 1) {
		half = count / 2;
		if (entry_key(entry + half) <= key)
			entry += half;
		count -= half;
	}
	return entry_answers(entry, leaf, subleaf) ? entry : NULL;
}

static u32 last_leaf(const struct mica_cpuid *cpuid, u32 first)
{
	const struct mica_cpuid_entry *entry = find(cpuid, first, 0);

	return entry ? entry->eax : 0;
}

/*
 * SDM: a leaf above the last one of its kind gives an Intel CPU's last basic leaf.  Inside
 * the range, and on other vendors' CPUs, what is not there is zero.  So is the range of
 * hypervisors, of which the SDM says only that no CPU uses it.
 */
static const struct mica_cpuid_entry *find_beyond(const struct mica_cpuid *cpuid, u32 leaf,
						  u32 subleaf)
{
	u32 first = leaf & 0x80000000;

	if (CPUID_IS_HYPERVISOR(leaf) || cpuid->entries[0].ebx != VENDOR_INTEL_EBX ||
	    leaf <= last_leaf(cpuid, first))
		return NULL;
	return find(cpuid, cpuid->entries[0].eax, subleaf);
}

/* ------------------------------------------------------------ the guest executes CPUID */

static void set_gpr_bit(struct mica_vcpu *vcpu, unsigned int gpr, unsigned int bit, bool value)
{
	vcpu->gprs[gpr] = (vcpu->gprs[gpr] & ~BIT_ULL(bit)) | (u64)value << bit;
}

/* The registers hold the policy's values of an ENTRY_DYNAMIC leaf. */
static void follow_registers(struct mica_vcpu *vcpu, u32 leaf, u32 subleaf)
{
	u64 *gprs = vcpu->gprs;

	switch (leaf) {
	case 0x1:
		set_gpr_bit(vcpu, MICA_RCX, B_OSXSAVE,
			    mica_backend->get_cr4(vcpu) & X86_CR4_OSXSAVE);
		if (!mica_apic_enabled(&vcpu->apic))
			gprs[MICA_RDX] &= ~BIT_ULL(B_APIC);
		break;
	case 0x7:
		set_gpr_bit(vcpu, MICA_RCX, B_OSPKE, mica_backend->get_cr4(vcpu) & X86_CR4_PKE);
		break;
	case 0xd:
		if (!subleaf)
			gprs[MICA_RBX] = mica_xsave_size(vcpu->xcr0);
		else if (gprs[MICA_RAX] & (BIT(B_XSAVEC) | BIT(B_XSAVES)))
			gprs[MICA_RBX] = mica_xsave_compacted_size(vcpu->xcr0 | vcpu->xss);
		break;
	case 0x80000001:
		if (!mica_apic_enabled(&vcpu->apic))
			gprs[MICA_RDX] &= ~BIT_ULL(B_APIC);
		break;
	}
}

/* SDM, leaves 0BH and 1FH: of a subleaf that is none, ECX[7:0] and EDX are valid. */
static void answer_no_entry(struct mica_vcpu *vcpu, u32 leaf, u32 subleaf)
{
	u64 *gprs = vcpu->gprs;

	gprs[MICA_RAX] = 0;
	gprs[MICA_RBX] = 0;
	gprs[MICA_RCX] = 0;
	gprs[MICA_RDX] = 0;
	if ((leaf == 0xb || leaf == 0x1f) && vcpu->cpuid && find(vcpu->cpuid, leaf, 0)) {
		gprs[MICA_RCX] = (u8)subleaf;
		gprs[MICA_RDX] = vcpu->id;
	}
}

static noinline const struct mica_cpuid_entry *find_slowly(struct mica_vcpu *vcpu, u32 leaf,
							   u32 subleaf)
{
	const struct mica_cpuid *cpuid = vcpu->cpuid;
	const struct mica_cpuid_entry *entry;

	if (!cpuid)
		return NULL;
	entry = find(cpuid, leaf, subleaf);
	if (entry)
		vcpu->cpuid_last = entry - cpuid->entries;
	else
		entry = find_beyond(cpuid, leaf, subleaf);
	return entry;
}

enum mica_next mica_exit_cpuid(struct mica_vcpu *vcpu)
{
	u32 leaf = vcpu->gprs[MICA_RAX], subleaf = vcpu->gprs[MICA_RCX];
	const struct mica_cpuid_entry *entry = NULL;

	if (likely(vcpu->cpuid))
		entry = &vcpu->cpuid->entries[vcpu->cpuid_last];
	if (!entry || !entry_answers(entry, leaf, subleaf))
		entry = find_slowly(vcpu, leaf, subleaf);
	if (likely(entry)) {
		vcpu->gprs[MICA_RAX] = entry->eax;
		vcpu->gprs[MICA_RBX] = entry->ebx;
		vcpu->gprs[MICA_RCX] = entry->ecx;
		vcpu->gprs[MICA_RDX] = entry->edx;
		if (entry->flags & ENTRY_DYNAMIC)
			follow_registers(vcpu, entry->leaf, entry->subleaf);
	} else {
		answer_no_entry(vcpu, leaf, subleaf);
	}
	mica_backend->advance(vcpu);
	return MICA_NEXT_ENTER;
}

u32 mica_cpuid_signature(struct mica_vcpu *vcpu)
{
	const struct mica_cpuid_entry *entry = find(vcpu->cpuid, 1, 0);

	return entry ? entry->eax : 0;
}

/* ------------------------------------------------------------ what follows from a policy */

struct words {
	u32 bits[CPUID_WORDS];
};

static bool has(const struct words *words, enum cpuid_word word, unsigned int bit)
{
	return words->bits[word] & BIT(bit);
}

static u32 entry_reg(const struct mica_cpuid_entry *entry, enum cpuid_reg reg)
{
	const u32 regs[CPUID_REGS] = { entry->eax, entry->ebx, entry->ecx, entry->edx };

	return regs[reg];
}

static void collect_words(const struct mica_cpuid *cpuid, struct words *words)
{
	const struct mica_cpuid_entry *entry;
	unsigned int i;

	for (i = 0; i < CPUID_WORDS; i++) {
		entry = find(cpuid, mica_cpuid_words[i].leaf, mica_cpuid_words[i].subleaf);
		words->bits[i] = entry ? entry_reg(entry, mica_cpuid_words[i].reg) : 0;
	}
}

/* Bits of a register that exist only with a feature. */
struct register_row {
	u64 bits;
	u8 word;
	u8 bit;
};

/* SDM volume 3, "Control Registers". */
static const struct register_row cr4_rows[] = {
	{ X86_CR4_VME | X86_CR4_PVI, W_1_EDX, 1 },
	{ X86_CR4_DE, W_1_EDX, 2 },
	{ X86_CR4_PSE, W_1_EDX, 3 },
	{ X86_CR4_TSD, W_1_EDX, 4 },
	{ X86_CR4_PAE, W_1_EDX, 6 },
	{ X86_CR4_MCE, W_1_EDX, 7 },
	{ X86_CR4_PGE, W_1_EDX, 13 },
	{ X86_CR4_OSFXSR, W_1_EDX, 24 },
	{ X86_CR4_OSXMMEXCPT, W_1_EDX, 25 },
	{ X86_CR4_UMIP, W_7_0_ECX, 2 },
	{ X86_CR4_FSGSBASE, W_7_0_EBX, 0 },
	{ X86_CR4_PCIDE, W_1_ECX, B_PCID },
	{ X86_CR4_OSXSAVE, W_1_ECX, B_XSAVE },
	{ X86_CR4_SMEP, W_7_0_EBX, 7 },
	{ X86_CR4_SMAP, W_7_0_EBX, 20 },
	{ X86_CR4_PKE, W_7_0_ECX, B_PKU },
};

/* Every CPU of this kind has RDPMC, with or without counters. */
#define CR4_ALWAYS	X86_CR4_PCE

/* SDM volume 3, "Extended Feature Enable Register"; APM volume 2, the same title. */
static const struct register_row efer_rows[] = {
	{ EFER_SCE, W_8000_0001_EDX, B_SYSCALL },
	{ EFER_LME | EFER_LMA, W_8000_0001_EDX, B_LM },
	{ EFER_NX, W_8000_0001_EDX, B_NX },
	{ EFER_FFXSR, W_8000_0001_EDX, B_FFXSR },
};

/* Bits of IA32_SPEC_CTRL that the kernel's headers do not name; SDM volume 4. */
#define SPEC_CTRL_IPRED_DIS	(BIT_ULL(3) | BIT_ULL(4))
#define SPEC_CTRL_RRSBA_DIS	(BIT_ULL(5) | BIT_ULL(6))
#define SPEC_CTRL_PSFD		BIT_ULL(7)
#define SPEC_CTRL_DDPD_U	BIT_ULL(8)
#define SPEC_CTRL_BHI_DIS	BIT_ULL(10)

static const struct register_row spec_ctrl_rows[] = {
	{ SPEC_CTRL_IBRS, W_7_0_EDX, B_SPEC_CTRL },
	{ SPEC_CTRL_STIBP, W_7_0_EDX, B_STIBP },
	{ SPEC_CTRL_SSBD, W_7_0_EDX, B_SSBD },
	{ SPEC_CTRL_PSFD, W_7_2_EDX, 0 },
	{ SPEC_CTRL_IPRED_DIS, W_7_2_EDX, 1 },
	{ SPEC_CTRL_RRSBA_DIS, W_7_2_EDX, 2 },
	{ SPEC_CTRL_DDPD_U, W_7_2_EDX, 3 },
	{ SPEC_CTRL_BHI_DIS, W_7_2_EDX, 4 },
	{ SPEC_CTRL_IBRS, W_8000_0008_EBX, B_AMD_IBRS },
	{ SPEC_CTRL_STIBP, W_8000_0008_EBX, B_AMD_STIBP },
	{ SPEC_CTRL_SSBD, W_8000_0008_EBX, B_AMD_SSBD },
	{ SPEC_CTRL_PSFD, W_8000_0008_EBX, B_AMD_PSFD },
};

static u64 register_bits(const struct register_row *rows, unsigned int count,
			 const struct words *words)
{
	u64 bits = 0;
	unsigned int i;

	for (i = 0; i < count; i++)
		if (has(words, rows[i].word, rows[i].bit))
			bits |= rows[i].bits;
	return bits;
}

/* SDM, leaf 80000008H; without it 36 bits if there is PAE with PSE-36, else 32. */
static u8 policy_phys_bits(const struct mica_cpuid *cpuid, const struct words *words)
{
	const struct mica_cpuid_entry *entry = find(cpuid, 0x80000008, 0);

	if (entry && (u8)entry->eax)
		return entry->eax;
	return has(words, W_1_EDX, B_PSE36) ? 36 : 32;
}

static void find_xsave_features(const struct mica_cpuid *cpuid, const struct words *words,
				struct mica_guest_features *features)
{
	const struct mica_cpuid_entry *user = find(cpuid, 0xd, 0);
	const struct mica_cpuid_entry *system = find(cpuid, 0xd, 1);

	if (!has(words, W_1_ECX, B_XSAVE) || !user)
		return;
	features->xcr0 = (u64)user->edx << 32 | user->eax;
	features->xsaves = has(words, W_D_1_EAX, B_XSAVES);
	if (features->xsaves)
		features->xss = (u64)system->edx << 32 | system->ecx;
}

static void find_features(const struct mica_cpuid *cpuid, struct mica_guest_features *features)
{
	struct words w;

	collect_words(cpuid, &w);
	*features = (struct mica_guest_features){
		.cr4_reserved = ~(CR4_ALWAYS |
				  register_bits(cr4_rows, ARRAY_SIZE(cr4_rows), &w)),
		.efer_reserved = ~register_bits(efer_rows, ARRAY_SIZE(efer_rows), &w),
		.spec_ctrl_bits = register_bits(spec_ctrl_rows, ARRAY_SIZE(spec_ctrl_rows), &w),
		.phys_bits = policy_phys_bits(cpuid, &w),
		.x2apic = has(&w, W_1_ECX, B_X2APIC),
		.tsc_deadline = has(&w, W_1_ECX, B_TSC_DEADLINE),
		.tsc_adjust = has(&w, W_7_0_EBX, B_TSC_ADJUST),
		.pred_cmd = has(&w, W_7_0_EDX, B_SPEC_CTRL) ||
			    has(&w, W_8000_0008_EBX, B_AMD_IBPB),
		.flush_cmd = has(&w, W_7_0_EDX, B_L1D_FLUSH),
		.arch_caps = has(&w, W_7_0_EDX, B_ARCH_CAPABILITIES),
		.rdtscp = has(&w, W_8000_0001_EDX, B_RDTSCP) || has(&w, W_7_0_ECX, B_RDPID),
		.long_mode = has(&w, W_8000_0001_EDX, B_LM),
		.mtrr = has(&w, W_1_EDX, B_MTRR),
		.pcid = has(&w, W_1_ECX, B_PCID),
		.pku = has(&w, W_7_0_ECX, B_PKU),
		.amd = cpuid->entries[0].ebx == VENDOR_AMD_EBX,
	};
	if (features->arch_caps)
		features->arch_capabilities = mica_msr_arch_capabilities();
	find_xsave_features(cpuid, &w, features);
}

/* ------------------------------------------------------------ checks of a policy */

static bool zero_regs(const struct mica_cpuid_entry *entry)
{
	return !(entry->eax | entry->ebx | entry->ecx | entry->edx);
}

/* Is the entry by itself one that a policy may have? */
static bool entry_allowed(const struct mica_cpuid_entry *entry)
{
	bool by_subleaf = entry->flags & MICA_CPUID_SUBLEAF;
	u32 allowed[CPUID_REGS];
	const struct cpuid_leaf *leaf;

	if (entry->pad || (entry->flags & ~MICA_CPUID_SUBLEAF) || (!by_subleaf && entry->subleaf))
		return false;
	if (CPUID_IS_HYPERVISOR(entry->leaf))
		return true;
	leaf = mica_cpuid_find_leaf(entry->leaf, entry->subleaf);
	if (!leaf)
		return zero_regs(entry);
	if (leaf->by_subleaf != by_subleaf)
		return false;
	mica_cpuid_allowed(leaf, entry->subleaf, allowed);
	return !((entry->eax & ~allowed[CPUID_REG_EAX]) | (entry->ebx & ~allowed[CPUID_REG_EBX]) |
		 (entry->ecx & ~allowed[CPUID_REG_ECX]) | (entry->edx & ~allowed[CPUID_REG_EDX]));
}

/* By insertion: a policy has a hundred entries at most and is nearly always sorted.  False:
 * two entries answer the same question. */
static bool sort_entries(struct mica_cpuid *cpuid)
{
	struct mica_cpuid_entry *entries = cpuid->entries, entry;
	unsigned int i, j;

	for (i = 1; i < cpuid->count; i++) {
		entry = entries[i];
		for (j = i; j && entry_key(&entries[j - 1]) > entry_key(&entry); j--)
			entries[j] = entries[j - 1];
		entries[j] = entry;
	}
	for (i = 1; i < cpuid->count; i++)
		if (entry_answers(&entries[i - 1], entries[i].leaf, entries[i].subleaf))
			return false;
	return true;
}

/* Every leaf is within the limits that leaves 0 and 80000000H give. */
static bool limits_ok(const struct mica_cpuid *cpuid)
{
	const struct mica_cpuid_entry *entries = cpuid->entries;
	u32 basic, extended;
	unsigned int i;

	if (entries[0].leaf)
		return false;
	basic = entries[0].eax;
	extended = last_leaf(cpuid, 0x80000000);
	if (basic > CPUID_MAX_BASIC || extended > CPUID_MAX_EXTENDED)
		return false;
	for (i = 0; i < cpuid->count; i++) {
		u32 leaf = entries[i].leaf;

		if (!CPUID_IS_HYPERVISOR(leaf) && leaf > (leaf >> 31 ? extended : basic))
			return false;
	}
	return true;
}

static bool addresses_ok(const struct mica_cpuid *cpuid)
{
	const struct mica_cpuid_entry *entry = find(cpuid, 0x80000008, 0);
	u8 phys, linear;

	if (!entry)
		return true;
	phys = entry->eax;
	linear = entry->eax >> 8;
	return phys >= 32 && phys <= mica_cpuid_phys_bits() &&
	       (linear == 32 || linear == CPUID_LINEAR_BITS);
}

/* The CPU lays out XSAVE images: the guest must be told what it does. */
static bool component_ok(const struct mica_cpuid *cpuid, unsigned int component, bool wanted)
{
	const struct mica_cpuid_entry *entry = find(cpuid, 0xd, component);
	u32 host[CPUID_REGS];

	if (!wanted)
		return !entry || zero_regs(entry);
	if (!entry)
		return false;
	mica_cpuid_host(0xd, component, host);
	return entry->eax == host[CPUID_REG_EAX] && entry->ebx == host[CPUID_REG_EBX] &&
	       entry->ecx == host[CPUID_REG_ECX] && entry->edx == host[CPUID_REG_EDX];
}

static bool xsave_ok(const struct mica_cpuid *cpuid, const struct words *words)
{
	const struct mica_cpuid_entry *user = find(cpuid, 0xd, 0);
	const struct mica_cpuid_entry *system = find(cpuid, 0xd, 1);
	u64 xcr0, xss = 0;
	unsigned int i;

	if (!has(words, W_1_ECX, B_XSAVE))
		return !system || !system->eax;
	if (!user)
		return false;
	xcr0 = (u64)user->edx << 32 | user->eax;
	if (system)
		xss = (u64)system->edx << 32 | system->ecx;
	if ((xcr0 & ~mica_fpu_xcr0()) || !mica_xcr0_valid(xcr0) || !(xcr0 & XFEATURE_MASK_SSE))
		return false;
	if ((xcr0 & XFEATURE_MASK_PKRU) && !has(words, W_7_0_ECX, B_PKU))
		return false;
	if ((xss & ~mica_backend->xss) || (xss && !has(words, W_D_1_EAX, B_XSAVES)))
		return false;
	if (user->ecx != mica_xsave_size(xcr0))
		return false;
	for (i = 2; i < XSAVE_COMPONENTS; i++)
		if (!component_ok(cpuid, i, (xcr0 | xss) & BIT_ULL(i)))
			return false;
	return true;
}

static bool apic_ok(const struct words *words)
{
	return has(words, W_1_EDX, B_APIC) ||
	       !(words->bits[W_1_ECX] & (BIT(B_X2APIC) | BIT(B_TSC_DEADLINE)));
}

/* Sorts the entries.  False: -EINVAL. */
static bool policy_ok(struct mica_cpuid *cpuid)
{
	struct words words;
	unsigned int i;

	for (i = 0; i < cpuid->count; i++)
		if (!entry_allowed(&cpuid->entries[i]))
			return false;
	if (!sort_entries(cpuid) || !limits_ok(cpuid))
		return false;
	collect_words(cpuid, &words);
	return addresses_ok(cpuid) && apic_ok(&words) && xsave_ok(cpuid, &words);
}

/* Registers may have been set before: what they hold must be possible still. */
static bool registers_fit(struct mica_vcpu *vcpu, const struct mica_guest_features *features)
{
	u64 cr4;

	preempt_disable();
	cr4 = mica_backend->get_cr4(vcpu);
	preempt_enable();
	return !(cr4 & features->cr4_reserved) && !(vcpu->xss & ~features->xss) &&
	       !(vcpu->xcr0 & ~(features->xcr0 | XFEATURE_MASK_FP)) &&
	       !(vcpu->spec_ctrl & ~features->spec_ctrl_bits);
}

/* ------------------------------------------------------------ setting a policy */

/* An empty CPUID, and what each x86-64 CPU can do without asking. */
static void no_policy(struct mica_guest_features *features)
{
	*features = (struct mica_guest_features){
		.cr4_reserved = ~(u64)(X86_CR4_VME | X86_CR4_PVI | X86_CR4_TSD | X86_CR4_DE |
				       X86_CR4_PSE | X86_CR4_PAE | X86_CR4_MCE | X86_CR4_PGE |
				       X86_CR4_PCE | X86_CR4_OSFXSR | X86_CR4_OSXMMEXCPT),
		.efer_reserved = ~(u64)(EFER_SCE | EFER_LME | EFER_LMA | EFER_NX),
		.phys_bits = mica_cpuid_phys_bits(),
		.long_mode = true,
		.mtrr = true,
	};
}

void mica_cpuid_init(struct mica_vcpu *vcpu)
{
	no_policy(&vcpu->features);
}

/* The APIC ids become those of this vCPU, so that one policy serves all; and the bits that
 * follow registers are not the policy's. */
static void personalise(struct mica_vcpu *vcpu, struct mica_cpuid_entry *entry)
{
	switch (entry->leaf) {
	case 0x1:
		entry->ebx = (entry->ebx & 0x00ffffff) | vcpu->id << 24;
		entry->flags |= ENTRY_DYNAMIC;
		break;
	case 0x7:
		entry->ecx &= ~BIT(B_OSPKE);
		if (entry->ecx & BIT(B_PKU))
			entry->flags |= ENTRY_DYNAMIC;
		break;
	case 0xb:
	case 0x1f:
		entry->edx = vcpu->id;
		break;
	case 0xd:
		if (entry->subleaf < 2)
			entry->flags |= ENTRY_DYNAMIC;
		break;
	case 0x80000001:
		entry->flags |= ENTRY_DYNAMIC;
		break;
	case 0x8000001e:
		entry->eax = vcpu->id;
		break;
	}
}

static struct mica_cpuid *copy_policy(const struct mica_cpuid *cpuid)
{
	size_t size = offsetof(struct mica_cpuid, entries[cpuid->count]);
	struct mica_cpuid *copy = kmalloc(size, GFP_KERNEL_ACCOUNT);

	if (copy)
		memcpy(copy, cpuid, size);
	return copy;
}

int mica_cpuid_set(struct mica_vcpu *vcpu, const struct mica_cpuid *cpuid)
{
	struct mica_guest_features features;
	struct mica_cpuid *policy = NULL;
	unsigned int i;

	if (cpuid->count > MICA_MAX_CPUID || cpuid->pad)
		return -EINVAL;
	no_policy(&features);
	if (cpuid->count) {
		policy = copy_policy(cpuid);
		if (!policy)
			return -ENOMEM;
		if (!policy_ok(policy))
			goto refused;
		find_features(policy, &features);
	}
	if (!registers_fit(vcpu, &features))
		goto refused;
	for (i = 0; policy && i < policy->count; i++)
		personalise(vcpu, &policy->entries[i]);
	mica_cpuid_destroy(vcpu);
	vcpu->cpuid = policy;
	vcpu->features = features;
	return 0;

refused:
	kfree(policy);
	return -EINVAL;
}

void mica_cpuid_destroy(struct mica_vcpu *vcpu)
{
	kfree(vcpu->cpuid);
	vcpu->cpuid = NULL;
	vcpu->cpuid_last = 0;
}
