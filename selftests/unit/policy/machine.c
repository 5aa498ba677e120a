// SPDX-License-Identifier: GPL-2.0-or-later
#include "machine.h"

#include "backend.h"

struct machine machine;
struct mica_vcpu *vcpu;
struct stub_cpu_data boot_cpu_data;
unsigned int stub_irqs_off, stub_preemption_off;
unsigned int tsc_khz;

/* ------------------------------------------------------------ the CPU */

#define SUB	MICA_CPUID_SUBLEAF
#define ALL	0xffffffffu

static const struct mica_cpuid_entry host_cpuid[] = {
	{ 0x0, 0, 0, 0x20, 0x756e6547, 0x6c65746e, 0x49656e69 },
	{ 0x1, 0, 0, 0x00050654, 0x05100800, ALL & ~BIT(31), ALL },
	{ 0x2, 0, 0, 0x76036301, 0x00f0b5ff, 0, 0x00c30000 },
	{ 0x4, 0, SUB, 0x1c004121, 0x01c0003f, 0x3f, 0 },
	{ 0x4, 1, SUB, 0x1c004122, 0x01c0003f, 0x3f, 0 },
	{ 0x4, 2, SUB, 0x1c004143, 0x03c0003f, 0x3ff, 0 },
	{ 0x4, 3, SUB, 0x1c03c163, 0x0280003f, 0x6fff, 4 },
	{ 0x5, 0, 0, 0x40, 0x40, 3, 0x2020 },
	{ 0x6, 0, 0, 0x77, 2, 9, 0 },
	{ 0x7, 0, SUB, 2, ALL, ALL, ALL },
	{ 0x7, 1, SUB, ALL, ALL, ALL, ALL },
	{ 0x7, 2, SUB, ALL, ALL, ALL, ALL },
	{ 0xa, 0, 0, 0x07300404, 0, 0, 0x603 },
	{ 0xb, 0, SUB, 1, 2, 0x100, 5 },
	{ 0xb, 1, SUB, 5, 20, 0x201, 5 },
	/* x87, SSE, AVX, MPX, AVX-512, PKRU, AMX; supervisor: PT, CET */
	{ 0xd, 0, SUB, 0x602ff, 11008, 11008, 0 },
	{ 0xd, 1, SUB, 0x1f, 2696, 0x1900, 0 },
	{ 0xd, 2, SUB, 256, 576, 0, 0 },
	{ 0xd, 3, SUB, 64, 960, 0, 0 },
	{ 0xd, 4, SUB, 64, 1024, 0, 0 },
	{ 0xd, 5, SUB, 64, 1088, 0, 0 },
	{ 0xd, 6, SUB, 512, 1152, 0, 0 },
	{ 0xd, 7, SUB, 1024, 1664, 0, 0 },
	{ 0xd, 8, SUB, 128, 0, 1, 0 },
	{ 0xd, 9, SUB, 8, 2688, 0, 0 },
	{ 0xd, 11, SUB, 16, 0, 1, 0 },
	{ 0xd, 12, SUB, 24, 0, 1, 0 },
	{ 0xd, 17, SUB, 64, 2752, 2, 0 },
	{ 0xd, 18, SUB, 8192, 2816, 6, 0 },
	{ 0x14, 0, SUB, 1, 0xf, 7, 0 },
	{ 0x15, 0, 0, 2, 168, 0, 0 },
	{ 0x16, 0, 0, 2100, 3700, 100, 0 },
	{ 0x1f, 0, SUB, 1, 2, 0x100, 5 },
	{ 0x1f, 1, SUB, 5, 20, 0x201, 5 },
	{ 0x80000000, 0, 0, 0x80000028, 0, 0, 0 },
	{ 0x80000001, 0, 0, 0, 0, ALL, ALL },
	{ 0x80000002, 0, 0, 0x65746e49, 0x2952286c, 0x6f655820, 0x2952286e },
	{ 0x80000006, 0, 0, 0, 0, 0x01006040, 0 },
	{ 0x80000007, 0, 0, 0, 0, 0, ALL },
	{ 0x80000008, 0, 0, 0x302e, ALL, 0, 0 },
	{ 0x80000021, 0, 0, ALL, 0, 0, 0 },
};

static struct mica_cpuid_entry *find_entry(struct mica_cpuid *cpuid, u32 leaf, u32 subleaf)
{
	u32 i;

	for (i = 0; i < cpuid->count; i++) {
		struct mica_cpuid_entry *entry = &cpuid->entries[i];

		if (entry->leaf == leaf &&
		    (entry->subleaf == subleaf || !(entry->flags & MICA_CPUID_SUBLEAF)))
			return entry;
	}
	return NULL;
}

struct mica_cpuid_entry *policy_leaf(struct mica_cpuid *policy, u32 leaf, u32 subleaf)
{
	struct mica_cpuid_entry *entry = find_entry(policy, leaf, subleaf);

	if (!entry)
		fail_msg("no leaf %x.%x", leaf, subleaf);
	return entry;
}

struct mica_cpuid_entry *host_leaf(u32 leaf, u32 subleaf)
{
	return policy_leaf(&machine.cpuid, leaf, subleaf);
}

void policy_remove(struct mica_cpuid *policy, u32 leaf, u32 subleaf)
{
	struct mica_cpuid_entry *entry = policy_leaf(policy, leaf, subleaf);

	*entry = policy->entries[--policy->count];
}

/* As Intel's CPUs: beyond the last leaf comes the last one again. */
void cpuid_count(u32 leaf, u32 subleaf, u32 *eax, u32 *ebx, u32 *ecx, u32 *edx)
{
	struct mica_cpuid_entry *entry, zero = { 0 };

	if (leaf > host_leaf(leaf & 0x80000000, 0)->eax)
		leaf = host_leaf(0, 0)->eax;
	entry = find_entry(&machine.cpuid, leaf, subleaf);
	if (!entry)
		entry = &zero;
	*eax = entry->eax;
	*ebx = entry->ebx;
	*ecx = entry->ecx;
	*edx = entry->edx;
}

u64 rdtsc(void)
{
	return machine.tsc;
}

u64 stub_rdmsr(u32 index)
{
	assert_in_range(index, 0, ARRAY_SIZE(machine.msrs) - 1);
	return index == MSR_IA32_XSS ? machine.xss : machine.msrs[index];
}

int rdmsrl_safe(u32 index, u64 *value)
{
	*value = stub_rdmsr(index);
	return 0;
}

void wrmsrl(u32 index, u64 value)
{
	assert_in_range(index, 0, ARRAY_SIZE(machine.msrs) - 1);
	if (index == MSR_IA32_XSS)
		machine.xss = value;
	machine.msrs[index] = value;
}

u64 xgetbv(u32 index)
{
	assert_int_equal(index, 0);
	return machine.xcr0;
}

void xsetbv(u32 index, u64 value)
{
	assert_int_equal(index, 0);
	machine.xcr0 = value;
}

u32 rdpkru(void)
{
	assert_true(boot_cpu_has(X86_FEATURE_OSPKE));
	return machine.pkru;
}

void wrpkru(u32 pkru)
{
	assert_true(boot_cpu_has(X86_FEATURE_OSPKE));
	machine.pkru = pkru;
}

/* ------------------------------------------------------------ the kernel */

int check_tsc_unstable(void)
{
	return machine.tsc_unstable;
}

void *kmalloc(size_t size, gfp_t gfp)
{
	if (machine.no_memory)
		return NULL;
	machine.allocations++;
	return malloc(size);
}

void kfree(const void *p)
{
	if (p)
		machine.allocations--;
	free((void *)p);
}

bool test_thread_flag(int flag)
{
	assert_int_equal(flag, TIF_NEED_FPU_LOAD);
	return machine.need_fpu_load;
}

/* XRSTOR with the guest's XCR0 would lose what that does not have. */
void switch_fpu_return(void)
{
	assert_int_equal(machine.xcr0, 0x602e7);
	machine.need_fpu_load = false;
	machine.fpu_loads++;
}

bool fpu_alloc_guest_fpstate(struct fpu_guest *fpu)
{
	fpu->fpstate = kmalloc(sizeof(*fpu->fpstate), 0);
	if (!fpu->fpstate)
		return false;
	memset(fpu->fpstate, 0, sizeof(*fpu->fpstate));
	fpu->fpstate->regs.xsave.i387.mxcsr = MXCSR_DEFAULT;
	return true;
}

void fpu_free_guest_fpstate(struct fpu_guest *fpu)
{
	kfree(fpu->fpstate);
	fpu->fpstate = NULL;
}

int fpu_swap_kvm_fpstate(struct fpu_guest *fpu, bool enter)
{
	return 0;
}

/* Like the kernel's: software bytes are filled, PKRU is not to be relied on. */
void fpu_copy_guest_fpstate_to_uabi(struct fpu_guest *fpu, void *to, unsigned int size,
				    u64 xfeatures, u32 pkru)
{
	struct xregs_state *image = to;

	assert_in_range(size, 576, sizeof(fpu->fpstate->regs));
	memcpy(to, fpu->fpstate->regs.bytes, size);
	memset(to + 464, 0xcc, 48);
	image->header.xfeatures &= xfeatures;
	image->header.xcomp_bv = 0;
}

int fpu_copy_uabi_to_guest_fpstate(struct fpu_guest *fpu, const void *from, u64 xcr0, u32 *pkru)
{
	memcpy(fpu->fpstate->regs.bytes, from, sizeof(fpu->fpstate->regs));
	return 0;
}

/* ------------------------------------------------------------ the rest of the module */

static u64 get_cr4(struct mica_vcpu *self)
{
	return machine.cr4;
}

static void advance(struct mica_vcpu *self)
{
	machine.advances++;
}

static void tsc_offset_changed(struct mica_vcpu *self)
{
	machine.tsc_offset_changes++;
}

static void get_state(struct mica_vcpu *self, u64 groups, struct mica_vcpu_state *state)
{
	assert_int_equal(groups, MICA_STATE_CRS);
	state->crs.cr0 = machine.cr0;
}

static u64 *backend_msr(u32 index)
{
	switch (index) {
	case 0x174 ... 0x176:
		return &machine.sysenter[index - 0x174];
	case 0x277:
		return &machine.pat;
	case 0xc0000080:
		return &machine.efer;
	case 0xc0000081 ... 0xc0000084:
		return &machine.syscall[index - 0xc0000081];
	case 0xc0000100 ... 0xc0000103:
		return &machine.syscall[4 + index - 0xc0000100];
	case MSR_IA32_SPEC_CTRL:
		return machine.keeps_spec_ctrl ? &machine.spec_ctrl : NULL;
	}
	return NULL;
}

static int get_msr(struct mica_vcpu *self, u32 index, u64 *value)
{
	u64 *msr = backend_msr(index);

	if (!msr)
		return -ENOENT;
	*value = *msr;
	return 0;
}

static int set_msr(struct mica_vcpu *self, u32 index, u64 value)
{
	u64 *msr = backend_msr(index);

	if (!msr)
		return -ENOENT;
	*msr = value;
	return 0;
}

static struct mica_backend backend = {
	.name = "test",
	.get_cr4 = get_cr4,
	.advance = advance,
	.tsc_offset_changed = tsc_offset_changed,
	.get_state = get_state,
	.get_msr = get_msr,
	.set_msr = set_msr,
};

const struct mica_backend *mica_backend = &backend;

void mica_queue_exception_error(struct mica_vcpu *self, u8 vector, u32 error)
{
	machine.faults++;
	machine.fault_vector = vector;
	machine.fault_error = error;
}

void mica_timer_tsc_changed(struct mica_vcpu *self)
{
	machine.tsc_changes++;
}

int mica_apic_msr_read(struct mica_apic *apic, u32 msr, u64 *value)
{
	machine.apic_msr = msr;
	*value = machine.apic_value;
	return machine.apic_error;
}

int mica_apic_msr_write(struct mica_apic *apic, u32 msr, u64 value)
{
	machine.apic_msr = msr;
	machine.apic_value = value;
	return machine.apic_error;
}

int mica_apic_set_base(struct mica_apic *apic, u64 base, bool host)
{
	if (!machine.apic_error)
		apic->base = base;
	return machine.apic_error;
}

/* ------------------------------------------------------------ fixture */

void host_boot(void)
{
	static const struct { u32 leaf; u8 subleaf, reg, word; } words[] = {
		{ 0x1, 0, 3, CPUID_1_EDX }, { 0x1, 0, 2, CPUID_1_ECX },
		{ 0x80000001, 0, 3, CPUID_8000_0001_EDX },
		{ 0x80000001, 0, 2, CPUID_8000_0001_ECX },
		{ 0x7, 0, 1, CPUID_7_0_EBX }, { 0x7, 0, 2, CPUID_7_ECX },
		{ 0x7, 0, 3, CPUID_7_EDX }, { 0x7, 1, 0, CPUID_7_1_EAX },
		{ 0xd, 1, 0, CPUID_D_1_EAX }, { 0x80000008, 0, 1, CPUID_8000_0008_EBX },
		{ 0x80000021, 0, 0, CPUID_8000_0021_EAX },
	};
	u32 regs[4];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(words); i++) {
		cpuid_count(words[i].leaf, words[i].subleaf, &regs[0], &regs[1], &regs[2],
			    &regs[3]);
		boot_cpu_data.x86_capability[words[i].word] = regs[words[i].reg];
	}
	boot_cpu_data.x86_capability[CPUID_LNX_4] = ~0u;
	boot_cpu_data.x86_phys_bits = 46;
	boot_cpu_data.microcode = 0x2007006;
	assert_int_equal(mica_fpu_setup(), 0);
}

int machine_setup(void **state)
{
	memset(&machine, 0, sizeof(machine));
	memset(&boot_cpu_data, 0, sizeof(boot_cpu_data));
	memcpy(machine.cpuid.entries, host_cpuid, sizeof(host_cpuid));
	machine.cpuid.count = ARRAY_SIZE(host_cpuid);
	machine.xcr0 = 0x602e7;		/* x87, SSE, AVX, AVX-512, PKRU, AMX */
	machine.xss = 0x800;		/* CET_U, as a kernel with user shadow stacks */
	machine.pkru = 0x55555554;
	machine.tsc = 1000000;
	tsc_khz = 2100000;
	backend.xss = 0;
	backend.lacks = 0;
	host_boot();

	vcpu = calloc(1, sizeof(*vcpu));
	vcpu->id = 3;
	vcpu->apic.vcpu = vcpu;
	vcpu->apic.base = APIC_DEFAULT_PHYS_BASE | MSR_IA32_APICBASE_ENABLE;
	assert_int_equal(mica_fpu_init(vcpu), 0);
	mica_cpuid_init(vcpu);
	return 0;
}

int machine_teardown(void **state)
{
	mica_cpuid_destroy(vcpu);
	mica_fpu_destroy(vcpu);
	free(vcpu);
	assert_int_equal(machine.allocations, 0);
	assert_int_equal(stub_preemption_off, 0);
	return 0;
}

void give_policy(const struct mica_cpuid *policy)
{
	assert_int_equal(mica_cpuid_set(vcpu, policy), 0);
}

void give_full_policy(void)
{
	struct mica_cpuid policy;

	assert_int_equal(mica_cpuid_supported(&policy), 0);
	give_policy(&policy);
}

void guest_cpuid(u32 leaf, u32 subleaf, u32 regs[4])
{
	static const unsigned int gprs[4] = { MICA_RAX, MICA_RBX, MICA_RCX, MICA_RDX };
	unsigned int advances = machine.advances, i;

	for (i = 0; i < 4; i++)
		vcpu->gprs[gprs[i]] = 0xdeadbeefdeadbeefull;
	vcpu->gprs[MICA_RAX] = 0xffffffff00000000ull | leaf;
	vcpu->gprs[MICA_RCX] = 0xffffffff00000000ull | subleaf;
	assert_int_equal(mica_exit_cpuid(vcpu), MICA_NEXT_ENTER);
	assert_int_equal(machine.advances, advances + 1);
	for (i = 0; i < 4; i++) {
		/* SDM: "in 64-bit mode the upper 32 bits are cleared". */
		assert_int_equal(vcpu->gprs[gprs[i]] >> 32, 0);
		regs[i] = vcpu->gprs[gprs[i]];
	}
}
