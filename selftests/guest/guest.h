/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Guest tests: a few bytes of assembler in a real guest, seen from a small VMM that has no
 * devices.  A test sets up a guest, runs it until an exit and looks.  All tests run on every
 * backend.
 *
 * Convention for guest code: OUT to port G_REPORT (32 bits) gives a value to the test,
 * OUT to port G_DONE ends it.  Anything else is an exit that the test itself handles.
 */
#ifndef MICA_GUEST_TEST_H
#define MICA_GUEST_TEST_H

#include <mica.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define G_REPORT	0xe0
#define G_DONE		0xe1

/* Guest-physical layout, all below the RAM's end. */
#define G_RAM_SIZE	(4u << 20)
#define G_CODE		0x10000ull	/* where guest_load() puts the code */
#define G_STACK		0x20000ull	/* grows down */
#define G_IDT		0x30000ull
#define G_GDT		0x31000ull
#define G_TSS		0x32000ull
#define G_PAGES		0x40000ull	/* page tables: identity map of the first 4 GiB */
#define G_DATA		0x100000ull	/* for the tests */
#define G_HOLE		0xd0000000ull	/* no memory here */

#define G_MAX_REPORTS	64

enum guest_mode { G_REAL, G_PROT16, G_PROT32, G_PAE, G_LONG };

struct guest {
	int dev, vm, vcpu;
	struct mica_run *run;
	uint8_t *ram;
	struct mica_info info;
	uint32_t reports[G_MAX_REPORTS];
	unsigned int report_count;
	uint32_t done;			/* value of the OUT to G_DONE */
};

/* A VM with RAM at 0, one vCPU, the host's CPUID.  Ends the program with an error outcome
 * if the kernel refuses. */
void guest_init(struct guest *g);
void guest_init_flags(struct guest *g, uint32_t vm_flags);	/* MICA_VM_* */
void guest_init_args(struct guest *g, const struct mica_create_vm *args);
void guest_destroy(struct guest *g);
/* seen.c: adds up what the first vCPU has counted. */
void guest_note_exits(const struct guest *g);

/* A further vCPU; returns its fd.  *run is its page. */
int guest_add_vcpu(struct guest *g, unsigned int id, struct mica_run **run);

/* Copies [start, end) to G_CODE and sets registers so that it starts there in `mode`, with a
 * stack and flat segments, interrupts off. */
void guest_load(struct guest *g, enum guest_mode mode, const void *start, const void *end);

/* Gate for `vector` in the IDT of the mode that was loaded; `offset` is from G_CODE. */
void guest_set_gate(struct guest *g, enum guest_mode mode, unsigned int vector, size_t offset);

void guest_get(struct guest *g, struct mica_vcpu_state *state);
void guest_set(struct guest *g, uint64_t groups, const struct mica_vcpu_state *state);

/* MICA_VCPU_RUN; 0 or an errno.  Again after EINTR without cause: the host has such moments, in
 * which the thread must return to user space (a tick of Linux 6.4 or later).  Causes are
 * run->immediate_exit and the end of the time that a test may take. */
int guest_enter(int vcpu, struct mica_run *run);
extern volatile bool guest_test_timed_out;
/* Runs until something other than OUT to G_REPORT and accesses to the APIC's page; returns the
 * exit reason. */
enum mica_exit guest_run(struct guest *g);
/* Runs until OUT to G_DONE; false (with a message) if another exit comes first. */
bool guest_finish(struct guest *g);
/* emulate.c: if the exit is an access to the APIC's page, does the instruction in place of the
 * CPU, and says so. */
bool guest_emulate_apic_access(struct guest *g);
/* A counter of MICA_VCPU_GET_STATS by its name; any thread, also while the vCPU runs. */
uint64_t guest_stat(struct guest *g, const char *name);
/* As a string, for messages. */
const char *guest_exit_name(unsigned int reason);
/* QEMU emulates the host's CPU: a guest there has no breakpoints and no #AC, and writes to
 * control registers and MSRs what a CPU refuses. */
bool guest_host_is_lenient(void);

/* A pointer into guest RAM. */
static inline void *guest_at(struct guest *g, uint64_t gpa)
{
	return g->ram + gpa;
}

/* ------------------------------------------------------------ outcomes */

/* One line of TAP per call to test_case(); within it, check() may fail it any number of
 * times.  Failure: the code under test is wrong; error: the test or its machine is. */
struct test {
	const char *name;
	void (*run)(void);
};

bool check_(bool good, const char *file, int line, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
#define check(good, ...)	check_((good), __FILE__, __LINE__, __VA_ARGS__)
#define check_equal(found, expected) \
	({ uint64_t found_ = (found), expected_ = (expected); \
	   check(found_ == expected_, #found " is 0x%llx, expected 0x%llx", \
		 (unsigned long long)found_, (unsigned long long)expected_); })

/* Marks the running case as skipped, with the reason. */
void skip(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Not only those that the command line names. */
bool test_runs_all(void);

/* The test itself cannot go on: exits with 2 after a TAP "Bail out!". */
void bail(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

/* Tables of tests, one per file, all listed in main.c. */
#define TESTS(table)	const struct test table[]

/* Guest code in the test's own object: GUEST_CODE(name, ".code64", "instructions").  Bytes
 * are between name and name_end. */
#define GUEST_CODE(name, mode, text) \
	extern const char name[], name##_end[]; \
	__asm__(".pushsection .rodata\n.balign 256\n" #name ":\n" mode "\n" text "\n" \
		#name "_end:\n.code64\n.popsection\n")

/* Pieces for guest code: report EAX; end the test. */
#define REPORT	"out %eax, $0xe0\n"
#define DONE	"out %eax, $0xe1\n"

#endif
