/* SPDX-License-Identifier: GPL-2.0-only */
/* The VMX instructions (SDM volume 3, "VMX Instruction Reference"). */
#ifndef MICA_VMX_INSN_H
#define MICA_VMX_INSN_H

#include "compat.h"

#include <asm/asm.h>
#include <asm/vmx.h>

/*
 * VMREAD and VMWRITE fail only if there is no current VMCS or no such field: a mistake of
 * ours, looked for in debug builds.
 */
#ifdef MICA_DEBUG
void vmx_access_failed(unsigned long field);
#endif

static __always_inline u64 vmx_read(unsigned long field)
{
	u64 value;
#ifdef MICA_DEBUG
	bool failed;

	asm volatile("vmread %[field], %[value]; setna %[failed]"
		     : [value] "=r" (value), [failed] "=qm" (failed)
		     : [field] "r" (field) : "cc");
	if (unlikely(failed))
		vmx_access_failed(field);
#else
	asm volatile("vmread %1, %0" : "=r" (value) : "r" (field) : "cc");
#endif
	return value;
}

static __always_inline void vmx_write(unsigned long field, u64 value)
{
#ifdef MICA_DEBUG
	bool failed;

	asm volatile("vmwrite %[value], %[field]; setna %[failed]"
		     : [failed] "=qm" (failed)
		     : [field] "r" (field), [value] "r" (value) : "cc");
	if (unlikely(failed))
		vmx_access_failed(field);
#else
	asm volatile("vmwrite %1, %0" : : "r" (field), "r" (value) : "cc");
#endif
}

/* VMXON is the one that also faults: with VMX locked by firmware, or hidden by a hypervisor. */
static inline int vmx_on(u64 pa)
{
	asm goto("1: vmxon %[pa]\n\t"
		 "jna %l[failed]\n\t"
		 _ASM_EXTABLE(1b, %l[failed])
		 : : [pa] "m" (pa) : "cc", "memory" : failed);
	return 0;
failed:
	return -EIO;
}

static inline void vmx_off(void)
{
	asm goto("1: vmxoff\n\t"
		 _ASM_EXTABLE(1b, %l[failed])
		 : : : "cc", "memory" : failed);
failed:
	return;
}

static inline bool vmx_clear(u64 pa)
{
	bool failed;

	asm volatile("vmclear %[pa]; setna %[failed]"
		     : [failed] "=qm" (failed) : [pa] "m" (pa) : "cc", "memory");
	return !failed;
}

static inline bool vmx_ptrld(u64 pa)
{
	bool failed;

	asm volatile("vmptrld %[pa]; setna %[failed]"
		     : [failed] "=qm" (failed) : [pa] "m" (pa) : "cc", "memory");
	return !failed;
}

static inline bool vmx_invept(unsigned long type, u64 eptp)
{
	struct { u64 eptp, reserved; } descriptor = { eptp, 0 };
	bool failed;

	asm volatile("invept %[descriptor], %[type]; setna %[failed]"
		     : [failed] "=qm" (failed)
		     : [descriptor] "m" (descriptor), [type] "r" (type) : "cc", "memory");
	return !failed;
}

static inline bool vmx_invvpid(unsigned long type, u16 vpid)
{
	struct { u64 vpid, linear; } descriptor = { vpid, 0 };
	bool failed;

	asm volatile("invvpid %[descriptor], %[type]; setna %[failed]"
		     : [failed] "=qm" (failed)
		     : [descriptor] "m" (descriptor), [type] "r" (type) : "cc", "memory");
	return !failed;
}

#endif
