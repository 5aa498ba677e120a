/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The layout of XSAVE images on this CPU (SDM volume 1, "XSAVE Area") and the rules of XCR0.
 * Components are bits as in XCR0 and IA32_XSS.  No locks: constant after mica_xsave_setup().
 */
#ifndef MICA_XSAVE_H
#define MICA_XSAVE_H

#include "compat.h"

#define XSAVE_LEGACY_SIZE	512	/* "Legacy Region of an XSAVE Area" */
#define XSAVE_HEADER_SIZE	64	/* "XSAVE Header" */
#define XSAVE_MIN_SIZE		(XSAVE_LEGACY_SIZE + XSAVE_HEADER_SIZE)
#define XSAVE_COMPONENTS	32	/* those above are not defined */

/* Module load: asks the CPU where the components of the mask are; bits from 32 up are none. */
void mica_xsave_setup(u64 components);
/* Bytes of an image in the standard and the compacted format, legacy region and header
 * included. */
u32 mica_xsave_size(u64 components);
u32 mica_xsave_compacted_size(u64 components);
/* Byte offset of one component of the setup mask in the standard format. */
u32 mica_xsave_offset(unsigned int component);
/* Could XCR0 have this value on a CPU that has all these components?  SDM volume 1,
 * "Enabling the XSAVE Feature Set and XSAVE-Enabled Features". */
bool mica_xcr0_valid(u64 xcr0);

#endif
