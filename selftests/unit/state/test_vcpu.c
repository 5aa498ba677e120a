// SPDX-License-Identifier: GPL-2.0-or-later
/* vCPUs, above a module that keeps what it is given: the linker puts it in ioctl()'s place. */
#include "state_test.h"

#include <errno.h>
#include <mica.h>
#include <stdarg.h>

#include "../../../vmm/machine.h"
#include "../../../vmm/state/vcpu.h"
#include "../../../vmm/vcpu.h"

#define FIRST_FD	1000
#define CPUS		2
#define KHZ		2000000

/* What the module has of a vCPU; what it refuses. */
static struct kept {
	struct mica_vcpu_state state;
	struct mica_xsave xsave;
	struct mica_apic_state apic;
	struct mica_cpuid cpuid;
	int64_t moved;
} kept[CPUS];
static unsigned long refused;
static int64_t snap;			/* a TSC that is set is so much off */

int __wrap_ioctl(int fd, unsigned long request, ...);
int __wrap_ioctl(int fd, unsigned long request, ...)
{
	struct kept *vcpu = &kept[fd - FIRST_FD];
	void *argument;
	va_list args;

	va_start(args, request);
	argument = va_arg(args, void *);
	va_end(args);
	assert_true(fd >= FIRST_FD && fd < FIRST_FD + CPUS);
	if (request == refused) {
		errno = EINVAL;
		return -1;
	}
	if (request == MICA_VCPU_GET_STATE) {
		((struct mica_get_set_state *)argument)->state = vcpu->state;
	} else if (request == MICA_VCPU_SET_STATE) {
		vcpu->state = ((struct mica_get_set_state *)argument)->state;
		vcpu->state.msrs.tsc += snap;
	} else if (request == MICA_VCPU_GET_XSAVE) {
		*(struct mica_xsave *)argument = vcpu->xsave;
	} else if (request == MICA_VCPU_SET_XSAVE) {
		vcpu->xsave = *(struct mica_xsave *)argument;
	} else if (request == MICA_VCPU_GET_APIC) {
		*(struct mica_apic_state *)argument = vcpu->apic;
	} else if (request == MICA_VCPU_SET_APIC) {
		vcpu->apic = *(struct mica_apic_state *)argument;
	} else if (request == MICA_VCPU_SET_CPUID) {
		vcpu->cpuid = *(struct mica_cpuid *)argument;
	} else if (request == MICA_VCPU_MOVE_TSC) {
		vcpu->moved += ((struct mica_move_tsc *)argument)->delta;
		vcpu->state.msrs.tsc += ((struct mica_move_tsc *)argument)->delta;
	} else {
		fail_msg("ioctl 0x%lx", request);
	}
	return 0;
}

struct host {
	struct machine machine;
	struct vcpu vcpus[CPUS];
	struct mica_cpuid offered;
};

static const struct mica_cpuid_entry cpuid_1 = {
	.leaf = 1, .ecx = 1u << 25 | 1u << 20, .edx = 1u << 25 | 1u << 28,	/* aes sse4_2, sse ht */
};

static struct host *host_new(void)
{
	struct host *host = g_new0(struct host, 1);

	host->offered.count = 1;
	host->offered.entries[0] = cpuid_1;
	host->machine.offered = &host->offered;
	host->machine.info.tsc_khz = KHZ;
	host->machine.vcpu_count = CPUS;
	for (unsigned int i = 0; i < CPUS; i++) {
		host->vcpus[i].machine = &host->machine;
		host->vcpus[i].id = i;
		host->vcpus[i].fd = FIRST_FD + i;
		host->vcpus[i].cpuid = g_memdup2(&host->offered, sizeof(host->offered));
	}
	return host;
}

static void host_free(struct host *host)
{
	for (unsigned int i = 0; i < CPUS; i++)
		g_free(host->vcpus[i].cpuid);
	g_free(host);
}

static void fill(void)
{
	memset(kept, 0, sizeof(kept));
	refused = 0;
	snap = 0;
	for (unsigned int i = 0; i < CPUS; i++) {
		memset(&kept[i].state, 0x10 + i, sizeof(kept[i].state));
		memset(&kept[i].apic, 0x20 + i, sizeof(kept[i].apic));
		kept[i].xsave.size = 832;
		memset(kept[i].xsave.data, 0x30 + i, 832);
	}
}

static state_reader *save(struct host *host)
{
	state_writer *writer;
	int fd = new_file();

	writer = state_writer_new(fd);
	for (unsigned int i = 0; i < CPUS; i++)
		assert_true(vcpu_save(&host->vcpus[i], writer, NULL));
	assert_true(state_writer_finish(writer, NULL));
	state_writer_free(writer);
	return open_file(fd);
}

static void done(struct host *host, state_reader *reader)
{
	close(state_reader_fd(reader));
	state_reader_free(reader);
	host_free(host);
}

static void test_round_trip(void **unused)
{
	struct host *host = host_new();
	g_autoptr(GError) error = NULL;
	state_reader *reader;
	struct kept before[CPUS];

	(void)unused;
	fill();
	memcpy(before, kept, sizeof(kept));
	reader = save(host);
	assert_memory_equal(before, kept, sizeof(kept));
	memset(kept, 0, sizeof(kept));
	for (unsigned int i = 0; i < CPUS; i++) {
		if (!vcpu_load(&host->vcpus[i], reader, &error))
			fail_msg("%s", error->message);
		assert_memory_equal(&kept[i].state, &before[i].state, sizeof(kept[i].state));
		assert_memory_equal(&kept[i].apic, &before[i].apic, sizeof(kept[i].apic));
		assert_memory_equal(&kept[i].xsave, &before[i].xsave, sizeof(kept[i].xsave));
		assert_memory_equal(&kept[i].cpuid, &host->offered, sizeof(host->offered));
		assert_int_equal(kept[i].moved, 0);
	}
	done(host, reader);
}

/* The module takes a TSC near the VM's for the VM's own: the first vCPU's must be the saved one. */
static void test_tsc(void **unused)
{
	struct host *host = host_new();
	state_reader *reader;

	(void)unused;
	fill();
	kept[0].state.msrs.tsc = 5000;
	reader = save(host);
	snap = -4000;
	assert_true(vcpu_load(&host->vcpus[0], reader, NULL));
	assert_true(kept[0].state.msrs.tsc == 5000);
	assert_true(vcpu_load(&host->vcpus[1], reader, NULL));
	assert_int_equal(kept[1].moved, 0);
	done(host, reader);
}

static void assert_load_fails(struct host *host, const state_reader *reader, const char *words)
{
	g_autoptr(GError) error = NULL;

	assert_false(vcpu_load(&host->vcpus[0], reader, &error));
	if (!strstr(error->message, words))
		fail_msg("\"%s\" does not say \"%s\"", error->message, words);
}

static void test_other_host(void **unused)
{
	struct host *host = host_new();
	state_reader *reader;

	(void)unused;
	fill();
	reader = save(host);
	host->machine.vcpu_count = 1;
	assert_load_fails(host, reader, "state of 2 vCPUs, its configuration says 1");
	host->machine.vcpu_count = CPUS;
	host->machine.info.tsc_khz = KHZ + KHZ / 1000;
	assert_load_fails(host, reader, "runs at 2000000 kHz, this host's at 2002000");
	host->machine.info.tsc_khz = KHZ - KHZ / 3000;
	assert_true(vcpu_load(&host->vcpus[0], reader, NULL));
	host->machine.info.tsc_khz = 0;
	assert_load_fails(host, reader, "runs at 2000000 kHz");
	host->machine.info.tsc_khz = KHZ;
	host->offered.entries[0].ecx = 0;
	host->offered.entries[0].edx = 0;
	kept[0].cpuid.count = 0;
	assert_load_fails(host, reader, "features that this host lacks: sse sse4_2 aes");
	assert_int_equal(kept[0].cpuid.count, 0);
	done(host, reader);
}

static void test_module_refuses(void **unused)
{
	static const struct {
		unsigned long request;
		const char *words;
	} cases[] = {
		{ MICA_VCPU_SET_CPUID, "refuses the CPUID of vCPU 0" },
		{ MICA_VCPU_SET_STATE, "refuses the registers of vCPU 0" },
		{ MICA_VCPU_SET_XSAVE, "refuses the FPU of vCPU 0" },
		{ MICA_VCPU_SET_APIC, "refuses the local APIC of vCPU 0" },
		{ MICA_VCPU_MOVE_TSC, "cannot set the TSC of vCPU 0" },
	};
	struct host *host = host_new();
	state_reader *reader;

	(void)unused;
	fill();
	reader = save(host);
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		refused = cases[i].request;
		assert_load_fails(host, reader, cases[i].words);
	}
	done(host, reader);
}

static void test_cpuid_length(void **unused)
{
	struct mica_cpuid cpuid;
	state_writer *writer;
	state_reader *reader;
	int fd = new_file();

	(void)unused;
	writer = state_writer_new(fd);
	assert_true(state_writer_put(writer, STATE_CPU_CPUID, 0, &kept, 40, NULL));
	assert_true(state_writer_put(writer, STATE_CPU_CPUID, 1, &kept, 4096, NULL));
	assert_true(state_writer_finish(writer, NULL));
	state_writer_free(writer);
	reader = open_file(fd);
	assert_false(state_vcpu_cpuid(reader, 0, &cpuid, NULL));
	assert_true(state_vcpu_cpuid(reader, 1, &cpuid, NULL));
	assert_int_equal(cpuid.count, MICA_MAX_CPUID);
	state_reader_free(reader);
	close(fd);
}

/* One record after the other of vCPU 0 is not there; it has ten. */
static void test_missing(void **unused)
{
	struct host *host = host_new();
	state_reader *reader;

	(void)unused;
	fill();
	reader = save(host);
	for (size_t without = 0; without <= 10; without++) {
		const struct state_record *record;
		int fd = new_file();
		state_writer *writer = state_writer_new(fd);
		state_reader *other;

		for (size_t i = 0; (record = state_reader_nth(reader, i)); i++)
			if (i != without)
				assert_true(state_writer_put(writer, record->type, record->instance,
							     record + 1, record->length, NULL));
		assert_true(state_writer_finish(writer, NULL));
		state_writer_free(writer);
		other = open_file(fd);
		assert_int_equal(vcpu_load(&host->vcpus[0], other, NULL), without == 10);
		state_reader_free(other);
		close(fd);
	}
	done(host, reader);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_tsc),
		cmocka_unit_test(test_other_host),
		cmocka_unit_test(test_module_refuses),
		cmocka_unit_test(test_cpuid_length),
		cmocka_unit_test(test_missing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
