// SPDX-License-Identifier: GPL-2.0-only
/*
 * The model-specific registers of a guest: one table that says which there are, what they
 * hold and what may be written.  All others give #GP both ways, as on a CPU that lacks them.
 * Names: SDM volume 4, "Architectural MSRs", and AMD's for those that only AMD has.
 */
#include "backend.h"
#include "vcpu.h"

typedef int (*msr_read_fn)(struct mica_vcpu *vcpu, u32 index, u64 *value);
typedef int (*msr_write_fn)(struct mica_vcpu *vcpu, u32 index, u64 value, bool host);

struct msr_row {
	u32 first, last;
	const char *name;	/* for readers only */
	bool (*when)(const struct mica_guest_features *features);	/* NULL: always there */
	msr_read_fn read;	/* NULL: #GP */
	/* May the value be written?  NULL: each may. */
	bool (*check)(const struct mica_guest_features *features, u64 value);
	msr_write_fn write;	/* NULL: #GP */
};

/* ------------------------------------------------------------ when there is one */

static bool when_tsc_adjust(const struct mica_guest_features *features)
{
	return features->tsc_adjust;
}

static bool when_spec_ctrl(const struct mica_guest_features *features)
{
	return features->spec_ctrl_bits;
}

static bool when_pred_cmd(const struct mica_guest_features *features)
{
	return features->pred_cmd;
}

static bool when_flush_cmd(const struct mica_guest_features *features)
{
	return features->flush_cmd;
}

static bool when_arch_caps(const struct mica_guest_features *features)
{
	return features->arch_caps;
}

static bool when_mtrr(const struct mica_guest_features *features)
{
	return features->mtrr;
}

static bool when_xsaves(const struct mica_guest_features *features)
{
	return features->xsaves;
}

static bool when_long_mode(const struct mica_guest_features *features)
{
	return features->long_mode;
}

static bool when_efer(const struct mica_guest_features *features)
{
	return ~features->efer_reserved;
}

static bool when_syscall(const struct mica_guest_features *features)
{
	return !(features->efer_reserved & EFER_SCE);
}

static bool when_rdtscp(const struct mica_guest_features *features)
{
	return features->rdtscp;
}

static bool when_amd(const struct mica_guest_features *features)
{
	return features->amd;
}

/* ------------------------------------------------------------ which values are legal */

static bool is_canonical(u64 address)
{
	return (u64)((s64)(address << 16) >> 16) == address;
}

/* SDM volume 2, "WRMSR": these registers refuse an address that is not canonical. */
static bool check_canonical(const struct mica_guest_features *features, u64 value)
{
	return is_canonical(value);
}

static bool check_low32(const struct mica_guest_features *features, u64 value)
{
	return value == (u32)value;
}

static bool check_bit0(const struct mica_guest_features *features, u64 value)
{
	return !(value & ~1ull);
}

static bool check_spec_ctrl(const struct mica_guest_features *features, u64 value)
{
	return !(value & ~features->spec_ctrl_bits);
}

static bool check_xss(const struct mica_guest_features *features, u64 value)
{
	return !(value & ~features->xss);
}

static bool check_efer(const struct mica_guest_features *features, u64 value)
{
	return !(value & features->efer_reserved);
}

/* SDM volume 3, "IA32_MCG_STATUS MSR": RIPV, EIPV, MCIP. */
static bool check_mcg_status(const struct mica_guest_features *features, u64 value)
{
	return !(value & ~7ull);
}

/*
 * The register always reads 0.  LBR and BTF, which every CPU has, may be written and do
 * nothing: there are no branch records, and a step is one of an instruction, not of a
 * branch.  The other bits belong to features that no guest has.
 */
static bool check_debugctl(const struct mica_guest_features *features, u64 value)
{
	return !(value & ~(u64)(DEBUGCTLMSR_LBR | DEBUGCTLMSR_BTF));
}

/* SDM volume 3, "Memory Types That Can Be Encoded With PAT": UC, WC, WT, WP, WB, UC-. */
#define PAT_TYPES	(BIT(0) | BIT(1) | BIT(4) | BIT(5) | BIT(6) | BIT(7))
/* "Memory Types That Can Be Encoded in MTRRs": the same without UC-. */
#define MTRR_TYPES	(BIT(0) | BIT(1) | BIT(4) | BIT(5) | BIT(6))

static bool types_ok(u64 value, u32 types)
{
	unsigned int i;

	for (i = 0; i < 8; i++, value >>= 8)
		if ((value & 0xf8) || !(BIT(value & 7) & types))
			return false;
	return true;
}

static bool check_pat(const struct mica_guest_features *features, u64 value)
{
	return types_ok(value, PAT_TYPES);
}

static bool check_mtrr_fixed(const struct mica_guest_features *features, u64 value)
{
	return types_ok(value, MTRR_TYPES);
}

#define MTRR_DEF_TYPE_BITS	(BIT(11) | BIT(10) | 0xff)	/* E, FE, type */

static bool check_mtrr_def_type(const struct mica_guest_features *features, u64 value)
{
	return !(value & ~(u64)MTRR_DEF_TYPE_BITS) && types_ok(value & 0xff, MTRR_TYPES);
}

static bool above_phys_bits(const struct mica_guest_features *features, u64 value)
{
	return value >> features->phys_bits;
}

static bool check_mtrr_base(const struct mica_guest_features *features, u64 value)
{
	return !(value & 0xf00) && types_ok(value & 0xff, MTRR_TYPES) &&
	       !above_phys_bits(features, value);
}

static bool check_mtrr_mask(const struct mica_guest_features *features, u64 value)
{
	return !(value & 0x7ff) && !above_phys_bits(features, value);
}

/* ------------------------------------------------------------ plain contents */

static int read_zero(struct mica_vcpu *vcpu, u32 index, u64 *value)
{
	*value = 0;
	return 0;
}

/* Registers that firmware and old kernels write without need. */
static int write_nothing(struct mica_vcpu *vcpu, u32 index, u64 value, bool host)
{
	return 0;
}

static int read_backend(struct mica_vcpu *vcpu, u32 index, u64 *value)
{
	return mica_backend->get_msr(vcpu, index, value);
}

static int write_backend(struct mica_vcpu *vcpu, u32 index, u64 value, bool host)
{
	return mica_backend->set_msr(vcpu, index, value);
}

/* 32 bits wide; the rest of what is written is lost. */
static int write_backend32(struct mica_vcpu *vcpu, u32 index, u64 value, bool host)
{
	return mica_backend->set_msr(vcpu, index, (u32)value);
}

/* ------------------------------------------------------------ time */

static int read_tsc(struct mica_vcpu *vcpu, u32 index, u64 *value)
{
	*value = mica_vcpu_tsc(vcpu);
	return 0;
}

static void move_tsc(struct mica_vcpu *vcpu, u64 delta)
{
	vcpu->tsc_offset += delta;
	mica_backend->tsc_offset_changed(vcpu);
	mica_timer_tsc_changed(vcpu);
}

/* SDM volume 3, "Time-Stamp Counter Adjustment": what WRMSR adds to either register is
 * added to the other.  User space sets each by itself. */
static int write_tsc(struct mica_vcpu *vcpu, u32 index, u64 value, bool host)
{
	u64 delta = value - mica_vcpu_tsc(vcpu);

	if (!host)
		vcpu->tsc_adjust += delta;
	move_tsc(vcpu, delta);
	return 0;
}

static int read_tsc_adjust(struct mica_vcpu *vcpu, u32 index, u64 *value)
{
	*value = vcpu->tsc_adjust;
	return 0;
}

static int write_tsc_adjust(struct mica_vcpu *vcpu, u32 index, u64 value, bool host)
{
	u64 delta = value - vcpu->tsc_adjust;

	vcpu->tsc_adjust = value;
	if (!host && delta)
		move_tsc(vcpu, delta);
	return 0;
}

/* ------------------------------------------------------------ APIC */

static int read_apic_base(struct mica_vcpu *vcpu, u32 index, u64 *value)
{
	*value = vcpu->apic.base;
	return 0;
}

static int write_apic_base(struct mica_vcpu *vcpu, u32 index, u64 value, bool host)
{
	return mica_apic_set_base(&vcpu->apic, value, host);
}

static int read_apic(struct mica_vcpu *vcpu, u32 index, u64 *value)
{
	return mica_apic_msr_read(&vcpu->apic, index, value);
}

static int write_apic(struct mica_vcpu *vcpu, u32 index, u64 value, bool host)
{
	return mica_apic_msr_write(&vcpu->apic, index, value);
}

/* ------------------------------------------------------------ the CPU model */

/* Bit 0, lock: VMX and SGX are off and stay so. */
static int read_feature_control(struct mica_vcpu *vcpu, u32 index, u64 *value)
{
	*value = FEAT_CTL_LOCKED;
	return 0;
}

/* The host's microcode: a guest that knows a bug by it looks at this.  Intel has the
 * revision in the high half. */
static int read_microcode(struct mica_vcpu *vcpu, u32 index, u64 *value)
{
	*value = boot_cpu_data.microcode;
	if (!vcpu->features.amd)
		*value <<= 32;
	return 0;
}

/* BTS and PEBS do not exist; fast strings is the only thing that can be switched. */
#define MISC_ENABLE_CONSTANT	(MSR_IA32_MISC_ENABLE_BTS_UNAVAIL | \
				 MSR_IA32_MISC_ENABLE_PEBS_UNAVAIL)
#define MISC_ENABLE_WRITABLE	MSR_IA32_MISC_ENABLE_FAST_STRING

static int read_misc_enable(struct mica_vcpu *vcpu, u32 index, u64 *value)
{
	*value = vcpu->misc_enable | MISC_ENABLE_CONSTANT;
	return 0;
}

static bool check_misc_enable(const struct mica_guest_features *features, u64 value)
{
	return !(value & ~(u64)(MISC_ENABLE_CONSTANT | MISC_ENABLE_WRITABLE));
}

static int write_misc_enable(struct mica_vcpu *vcpu, u32 index, u64 value, bool host)
{
	vcpu->misc_enable = value & MISC_ENABLE_WRITABLE;
	return 0;
}

static int read_mcg_status(struct mica_vcpu *vcpu, u32 index, u64 *value)
{
	*value = vcpu->mcg_status;
	return 0;
}

static int write_mcg_status(struct mica_vcpu *vcpu, u32 index, u64 value, bool host)
{
	vcpu->mcg_status = value;
	return 0;
}

static int read_xss(struct mica_vcpu *vcpu, u32 index, u64 *value)
{
	*value = vcpu->xss;
	return 0;
}

static int write_xss(struct mica_vcpu *vcpu, u32 index, u64 value, bool host)
{
	vcpu->xss = value;
	mica_fpu_update(vcpu);
	return 0;
}

static bool paging_enabled(struct mica_vcpu *vcpu)
{
	struct mica_state_crs *crs = &vcpu->scratch.crs;

	mica_backend->get_state(vcpu, MICA_STATE_CRS, &vcpu->scratch);
	return crs->cr0 & X86_CR0_PG;
}

/* SDM volume 3, "Initializing IA-32e Mode": LME must not change while paging is on.  LMA is
 * read-only. */
static int write_efer(struct mica_vcpu *vcpu, u32 index, u64 value, bool host)
{
	u64 old;
	int error = mica_backend->get_msr(vcpu, index, &old);

	if (error || host)
		return error ? : mica_backend->set_msr(vcpu, index, value);
	if (((old ^ value) & EFER_LME) && paging_enabled(vcpu))
		return -EINVAL;
	return mica_backend->set_msr(vcpu, index, (value & ~(u64)EFER_LMA) | (old & EFER_LMA));
}

/* Only those that serialise LFENCE may say so: bit 1. */
static int read_de_cfg(struct mica_vcpu *vcpu, u32 index, u64 *value)
{
	*value = boot_cpu_has(X86_FEATURE_LFENCE_RDTSC) ? BIT(1) : 0;
	return 0;
}

/* SVM disabled, and locked so. */
static int read_vm_cr(struct mica_vcpu *vcpu, u32 index, u64 *value)
{
	*value = BIT(4) | BIT(3);
	return 0;
}

/* ------------------------------------------------------------ MTRRs: stored, without effect */

#define MTRR_FIXED_64K		0x250
#define MTRR_FIXED_16K		0x258
#define MTRR_FIXED_4K		0x268
#define MTRR_VARIABLE		0x200
#define MTRR_PAIRS		8
#define MTRRCAP_FIX		BIT(8)
#define MTRRCAP_WC		BIT(10)

static int read_mtrrcap(struct mica_vcpu *vcpu, u32 index, u64 *value)
{
	*value = MTRRCAP_WC | MTRRCAP_FIX | MTRR_PAIRS;
	return 0;
}

static u64 *fixed_mtrr(struct mica_vcpu *vcpu, u32 index)
{
	unsigned int i = 0;

	if (index >= MTRR_FIXED_4K)
		i = 3 + index - MTRR_FIXED_4K;
	else if (index >= MTRR_FIXED_16K)
		i = 1 + index - MTRR_FIXED_16K;
	return &vcpu->mtrr_fixed[array_index_nospec(i, ARRAY_SIZE(vcpu->mtrr_fixed))];
}

static int read_mtrr_fixed(struct mica_vcpu *vcpu, u32 index, u64 *value)
{
	*value = *fixed_mtrr(vcpu, index);
	return 0;
}

static int write_mtrr_fixed(struct mica_vcpu *vcpu, u32 index, u64 value, bool host)
{
	*fixed_mtrr(vcpu, index) = value;
	return 0;
}

/* Base and mask take turns. */
static u64 *variable_mtrr(struct mica_vcpu *vcpu, u32 index)
{
	unsigned int i = index - MTRR_VARIABLE;

	return &vcpu->mtrr_variable[array_index_nospec(i, ARRAY_SIZE(vcpu->mtrr_variable))];
}

static int read_mtrr_variable(struct mica_vcpu *vcpu, u32 index, u64 *value)
{
	*value = *variable_mtrr(vcpu, index);
	return 0;
}

static int write_mtrr_variable(struct mica_vcpu *vcpu, u32 index, u64 value, bool host)
{
	bool mask = index & 1;

	if (mask ? !check_mtrr_mask(&vcpu->features, value) :
	    !check_mtrr_base(&vcpu->features, value))
		return -EINVAL;
	*variable_mtrr(vcpu, index) = value;
	return 0;
}

static int read_mtrr_def_type(struct mica_vcpu *vcpu, u32 index, u64 *value)
{
	*value = vcpu->mtrr_def_type;
	return 0;
}

static int write_mtrr_def_type(struct mica_vcpu *vcpu, u32 index, u64 value, bool host)
{
	vcpu->mtrr_def_type = value;
	return 0;
}

/* ------------------------------------------------------------ speculation */

/* The backend has the value where it switches it at entries. */
static int read_spec_ctrl(struct mica_vcpu *vcpu, u32 index, u64 *value)
{
	if (mica_backend->get_msr(vcpu, index, value) == -ENOENT)
		*value = vcpu->spec_ctrl;
	return 0;
}

static int write_spec_ctrl(struct mica_vcpu *vcpu, u32 index, u64 value, bool host)
{
	int error = mica_backend->set_msr(vcpu, index, value);

	vcpu->spec_ctrl = value;
	return error == -ENOENT ? 0 : error;
}

/* The feature is offered only if this CPU has the command.  The guest asked for it: it is
 * done whether or not the host's own mitigations use it. */
static int write_pred_cmd(struct mica_vcpu *vcpu, u32 index, u64 value, bool host)
{
	if (value)
		wrmsrl(MSR_IA32_PRED_CMD, PRED_CMD_IBPB);
	return 0;
}

static int write_flush_cmd(struct mica_vcpu *vcpu, u32 index, u64 value, bool host)
{
	if (value)
		wrmsrl(MSR_IA32_FLUSH_CMD, L1D_FLUSH);
	return 0;
}

static int read_arch_capabilities(struct mica_vcpu *vcpu, u32 index, u64 *value)
{
	*value = vcpu->features.arch_capabilities;
	return 0;
}

/* Statements about the CPU.  Those that promise another MSR are not here. */
#define ARCH_CAPS_TOLD	(ARCH_CAP_RDCL_NO | ARCH_CAP_IBRS_ALL | ARCH_CAP_RSBA | \
			 ARCH_CAP_SKIP_VMENTRY_L1DFLUSH | ARCH_CAP_SSB_NO | ARCH_CAP_MDS_NO | \
			 ARCH_CAP_PSCHANGE_MC_NO | ARCH_CAP_TAA_NO | ARCH_CAP_SBDR_SSDP_NO | \
			 ARCH_CAP_FBSDP_NO | ARCH_CAP_PSDP_NO | ARCH_CAP_FB_CLEAR | \
			 ARCH_CAP_RRSBA | ARCH_CAP_BHI_NO | ARCH_CAP_PBRSB_NO | \
			 ARCH_CAP_GDS_NO | ARCH_CAP_RFDS_NO | ARCH_CAP_RFDS_CLEAR | \
			 ARCH_CAP_ITS_NO)

/* What the kernel knows although the MSR may not say it. */
static const struct {
	u32 bug;
	u64 free_of_it;
} kernel_knows[] = {
	{ X86_BUG_CPU_MELTDOWN, ARCH_CAP_RDCL_NO },
	{ X86_BUG_SPEC_STORE_BYPASS, ARCH_CAP_SSB_NO },
	{ X86_BUG_MDS, ARCH_CAP_MDS_NO },
};

u64 mica_msr_arch_capabilities(void)
{
	u64 value = 0;
	unsigned int i;

	rdmsrl_safe(MSR_IA32_ARCH_CAPABILITIES, &value);
	value &= ARCH_CAPS_TOLD;
	for (i = 0; i < ARRAY_SIZE(kernel_knows); i++)
		if (!boot_cpu_has_bug(kernel_knows[i].bug))
			value |= kernel_knows[i].free_of_it;
	return value;
}

/* ------------------------------------------------------------ the policy */

/* In the order of indices. */
static const struct msr_row rows[] = {
	{ 0x10, 0x10, "IA32_TIME_STAMP_COUNTER", NULL, read_tsc, NULL, write_tsc },
	{ 0x17, 0x17, "IA32_PLATFORM_ID", NULL, read_zero },
	{ 0x1b, 0x1b, "IA32_APIC_BASE", NULL, read_apic_base, NULL, write_apic_base },
	{ 0x2a, 0x2a, "MSR_EBL_CR_POWERON", NULL, read_zero, NULL, write_nothing },
	{ 0x3a, 0x3a, "IA32_FEATURE_CONTROL", NULL, read_feature_control },
	{ 0x3b, 0x3b, "IA32_TSC_ADJUST", when_tsc_adjust, read_tsc_adjust, NULL,
	  write_tsc_adjust },
	{ 0x48, 0x48, "IA32_SPEC_CTRL", when_spec_ctrl, read_spec_ctrl, check_spec_ctrl,
	  write_spec_ctrl },
	{ 0x49, 0x49, "IA32_PRED_CMD", when_pred_cmd, NULL, check_bit0, write_pred_cmd },
	{ 0x79, 0x79, "IA32_BIOS_UPDT_TRIG", NULL, NULL, NULL, write_nothing },
	{ 0x8b, 0x8b, "IA32_BIOS_SIGN_ID", NULL, read_microcode, NULL, write_nothing },
	{ 0xcd, 0xcd, "MSR_FSB_FREQ", NULL, read_zero },
	{ 0xce, 0xce, "MSR_PLATFORM_INFO", NULL, read_zero },
	{ 0xfe, 0xfe, "IA32_MTRRCAP", when_mtrr, read_mtrrcap },
	{ 0x10a, 0x10a, "IA32_ARCH_CAPABILITIES", when_arch_caps, read_arch_capabilities },
	{ 0x10b, 0x10b, "IA32_FLUSH_CMD", when_flush_cmd, NULL, check_bit0, write_flush_cmd },
	{ 0x174, 0x174, "IA32_SYSENTER_CS", NULL, read_backend, NULL, write_backend32 },
	{ 0x175, 0x176, "IA32_SYSENTER_ESP, IA32_SYSENTER_EIP", NULL, read_backend,
	  check_canonical, write_backend },
	{ 0x179, 0x179, "IA32_MCG_CAP", NULL, read_zero },	/* no banks */
	{ 0x17a, 0x17a, "IA32_MCG_STATUS", NULL, read_mcg_status, check_mcg_status,
	  write_mcg_status },
	{ 0x198, 0x198, "IA32_PERF_STATUS", NULL, read_zero },
	{ 0x1a0, 0x1a0, "IA32_MISC_ENABLE", NULL, read_misc_enable, check_misc_enable,
	  write_misc_enable },
	{ 0x1d9, 0x1d9, "IA32_DEBUGCTL", NULL, read_zero, check_debugctl, write_nothing },
	{ 0x200, 0x20f, "IA32_MTRR_PHYSBASE0 to IA32_MTRR_PHYSMASK7", when_mtrr,
	  read_mtrr_variable, NULL, write_mtrr_variable },
	{ 0x250, 0x250, "IA32_MTRR_FIX64K_00000", when_mtrr, read_mtrr_fixed, check_mtrr_fixed,
	  write_mtrr_fixed },
	{ 0x258, 0x259, "IA32_MTRR_FIX16K_80000, _A0000", when_mtrr, read_mtrr_fixed,
	  check_mtrr_fixed, write_mtrr_fixed },
	{ 0x268, 0x26f, "IA32_MTRR_FIX4K_C0000 to _F8000", when_mtrr, read_mtrr_fixed,
	  check_mtrr_fixed, write_mtrr_fixed },
	{ 0x277, 0x277, "IA32_PAT", NULL, read_backend, check_pat, write_backend },
	{ 0x2ff, 0x2ff, "IA32_MTRR_DEF_TYPE", when_mtrr, read_mtrr_def_type,
	  check_mtrr_def_type, write_mtrr_def_type },
	{ 0x6e0, 0x6e0, "IA32_TSC_DEADLINE", NULL, read_apic, NULL, write_apic },
	{ 0x800, 0x8ff, "x2APIC registers", NULL, read_apic, NULL, write_apic },
	{ 0xda0, 0xda0, "IA32_XSS", when_xsaves, read_xss, check_xss, write_xss },
	{ 0xc0000080, 0xc0000080, "IA32_EFER", when_efer, read_backend, check_efer, write_efer },
	{ 0xc0000081, 0xc0000081, "IA32_STAR", when_syscall, read_backend, NULL, write_backend },
	{ 0xc0000082, 0xc0000083, "IA32_LSTAR, IA32_CSTAR", when_long_mode, read_backend,
	  check_canonical, write_backend },
	{ 0xc0000084, 0xc0000084, "IA32_FMASK", when_syscall, read_backend, NULL,
	  write_backend32 },
	{ 0xc0000100, 0xc0000102, "IA32_FS_BASE, IA32_GS_BASE, IA32_KERNEL_GS_BASE",
	  when_long_mode, read_backend, check_canonical, write_backend },
	{ 0xc0000103, 0xc0000103, "IA32_TSC_AUX", when_rdtscp, read_backend, check_low32,
	  write_backend },
	{ 0xc0010010, 0xc0010010, "SYSCFG", when_amd, read_zero },
	{ 0xc0010015, 0xc0010015, "HWCR", when_amd, read_zero, NULL, write_nothing },
	{ 0xc001001f, 0xc001001f, "NB_CFG", when_amd, read_zero, NULL, write_nothing },
	{ 0xc0010114, 0xc0010114, "VM_CR", when_amd, read_vm_cr },
	{ 0xc0011029, 0xc0011029, "DE_CFG", when_amd, read_de_cfg, NULL, write_nothing },
};

static const struct msr_row *find_row(u32 index)
{
	unsigned int first = 0, count = ARRAY_SIZE(rows), half;

	while (count > 1) {
		half = count / 2;
		if (rows[first + half].first <= index)
			first += half;
		count -= half;
	}
	return index >= rows[first].first && index <= rows[first].last ? &rows[first] : NULL;
}

static bool row_is_there(const struct mica_vcpu *vcpu, const struct msr_row *row)
{
	return !row->when || row->when(&vcpu->features);
}

/* All that a table cannot know has the -EINVAL of a #GP. */
static int as_fault(int error)
{
	return error ? -EINVAL : 0;
}

int mica_msr_get(struct mica_vcpu *vcpu, u32 index, u64 *value)
{
	const struct msr_row *row = find_row(index);

	if (!row || !row->read || !row_is_there(vcpu, row))
		return -EINVAL;
	return as_fault(row->read(vcpu, index, value));
}

/* A register that the guest cannot see may be set to what it holds. */
static int set_hidden(struct mica_vcpu *vcpu, const struct msr_row *row, u32 index, u64 value)
{
	u64 present = 0;

	if (row->read && row->read(vcpu, index, &present))
		return -EINVAL;
	return value == present ? 0 : -EINVAL;
}

int mica_msr_set(struct mica_vcpu *vcpu, u32 index, u64 value, bool host)
{
	const struct msr_row *row = find_row(index);

	if (!row)
		return -EINVAL;
	if (!row_is_there(vcpu, row))
		return host ? set_hidden(vcpu, row, index, value) : -EINVAL;
	if (!row->write || (row->check && !row->check(&vcpu->features, value)))
		return -EINVAL;
	return as_fault(row->write(vcpu, index, value, host));
}

/* ------------------------------------------------------------ exits */

static bool is_apic_msr(u32 index)
{
	return index - APIC_BASE_MSR < 0x100 || index == MSR_IA32_TSC_DEADLINE;
}

/* Kernels probe for registers and expect this: it is counted, and said only if asked for. */
static enum mica_next refuse(struct mica_vcpu *vcpu, const char *what, u32 index)
{
	vcpu->count.refused_msrs++;
	pr_debug_ratelimited("mica: vCPU %u: %s of MSR %#x gives #GP\n", vcpu->id, what, index);
	mica_queue_exception_error(vcpu, X86_TRAP_GP, 0);
	return MICA_NEXT_ENTER;
}

enum mica_next mica_exit_rdmsr(struct mica_vcpu *vcpu)
{
	u32 index = vcpu->gprs[MICA_RCX];
	u64 value;
	int error;

	if (is_apic_msr(index))
		error = mica_apic_msr_read(&vcpu->apic, index, &value);
	else
		error = mica_msr_get(vcpu, index, &value);
	if (unlikely(error))
		return refuse(vcpu, "RDMSR", index);
	vcpu->gprs[MICA_RAX] = (u32)value;
	vcpu->gprs[MICA_RDX] = value >> 32;
	mica_backend->advance(vcpu);
	return MICA_NEXT_ENTER;
}

enum mica_next mica_exit_wrmsr(struct mica_vcpu *vcpu)
{
	u32 index = vcpu->gprs[MICA_RCX];
	u64 value = vcpu->gprs[MICA_RDX] << 32 | (u32)vcpu->gprs[MICA_RAX];
	int error;

	if (is_apic_msr(index))
		error = mica_apic_msr_write(&vcpu->apic, index, value);
	else
		error = mica_msr_set(vcpu, index, value, false);
	if (unlikely(error))
		return refuse(vcpu, "WRMSR", index);
	mica_backend->advance(vcpu);
	return MICA_NEXT_ENTER;
}
