/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What CPU a guest gets: the host's, or a level of the x86-64 psABI (v1 to v4), with single
 * features more or less.  A level is the same on every host that can run it: instructions come
 * from the level and the + list alone, and what identifies a CPU is made up (vmm/boot/cpuid.c).
 */
#ifndef MICA_VMM_CPU_MODEL_H
#define MICA_VMM_CPU_MODEL_H

#include <glib.h>
#include <mica.h>
#include <stdint.h>

#include "feature.h"

enum cpu_wish { CPU_WISH_NONE, CPU_WISH_ADD, CPU_WISH_REMOVE };

/* All zero: the host's CPU. */
struct cpu_model {
	unsigned int level;		/* 1..CPU_LEVELS; 0: as the host */
	uint8_t wishes[CPU_FEATURES_MAX];	/* enum cpu_wish, as rows of the table */
	char *text;			/* what the user wrote; NULL: nothing */
};

/* What a model comes to on one host. */
struct cpu_features {
	unsigned int level;		/* as in the model */
	uint32_t words[CPU_WORDS];	/* the bits that a guest sees, without CPU_TOPOLOGY's */
	uint64_t xcr0;			/* components of XCR0 and IA32_XSS that it may use */
	uint64_t xss;
};

/* host|v1|v2|v3|v4, then any number of +feature or -feature, with or without a comma before.
 * An error is VMM_ERROR_USAGE; cpu_model_clear() in any case. */
gboolean cpu_model_parse(struct cpu_model *model, const char *text, GError **error);
void cpu_model_clear(struct cpu_model *model);

/* "host" or what the user wrote. */
const char *cpu_model_text(const struct cpu_model *model);

/* + takes along what the feature needs, - what needs it.  `offered` is what MICA_GET_CPUID gave.
 * The error names everything that is missing. */
gboolean cpu_model_resolve(const struct cpu_model *model, const struct mica_cpuid *offered,
			   const struct mica_info *info, struct cpu_features *features,
			   GError **error);

#endif
