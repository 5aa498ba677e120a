// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Devices as records of a file: written, read and loaded, and refused if they are another one's.
 */
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>
#include <uv.h>

#include "../../../vmm/devices/balloon/device.h"
#include "../../../vmm/devices/rng/device.h"
#include "../../../vmm/state/stream.h"
#include "../../../vmm/virtio/records.h"
#include "../../../vmm/virtio/state.h"
#include "driver.h"

#define RING_SIZE	16u
#define PLACE		3u

struct fixture {
	struct guest_memory *memory;
	struct virtio_memory virtio;
	uv_loop_t loop;
	pthread_mutex_t lock;
	struct virtio_pci *pci;
	int file;
};

static void take(struct fixture *f, struct virtio_device *device)
{
	if (f->pci)
		virtio_pci_free(f->pci);
	f->pci = virtio_pci_new(device, &f->loop, &f->lock, NULL);
	assert_non_null(f->pci);
}

static struct virtio_device *balloon(struct fixture *f)
{
	const struct balloon_config config = { .name = "balloon0", .target = MEMORY_SIZE };

	return balloon_new(&config, &f->virtio, NULL);
}

static struct virtio_device *rng(struct fixture *f)
{
	return rng_new("rng0", &f->virtio, &f->loop, &f->lock, NULL);
}

static void start(struct fixture *f)
{
	struct virtio_device *device = virtio_pci_device(f->pci);
	uint8_t status = VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER;
	struct driver driver;

	virtio_device_set_status(device, status, false);
	virtio_device_set_features(device, VIRTIO_BIT(VIRTIO_F_VERSION_1));
	status |= VIRTIO_CONFIG_S_FEATURES_OK;
	virtio_device_set_status(device, status, false);
	for (unsigned int i = 0; i < device->queue_count; i++) {
		driver_init(&driver, f->memory, i, RING_SIZE, SPLIT);
		*virtio_device_queue(device, i) = driver.config;
		virtio_device_enable_queue(device, i);
	}
	virtio_device_set_status(device, status | VIRTIO_CONFIG_S_DRIVER_OK, false);
	assert_true(device->active);
}

static void open_fixture(struct fixture *f)
{
	memset(f, 0, sizeof(*f));
	f->memory = guest_memory_new(-1, MEMORY_SIZE, NULL);
	assert_non_null(f->memory);
	f->virtio.ram = f->memory;
	assert_int_equal(uv_loop_init(&f->loop), 0);
	pthread_mutex_init(&f->lock, NULL);
	f->file = memfd_create("records", MFD_CLOEXEC);
	assert_true(f->file >= 0);
}

static void close_fixture(struct fixture *f)
{
	virtio_pci_free(f->pci);
	uv_run(&f->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&f->loop), 0);
	pthread_mutex_destroy(&f->lock);
	guest_memory_free(f->memory);
	close(f->file);
}

static void write_file(struct fixture *f)
{
	struct state_writer *writer;

	assert_int_equal(ftruncate(f->file, 0), 0);
	writer = state_writer_new(f->file);
	assert_true(virtio_device_quiesce(virtio_pci_device(f->pci), NULL));
	assert_true(virtio_record_put(f->pci, PLACE, writer, NULL));
	assert_true(state_writer_finish(writer, NULL));
	state_writer_free(writer);
}

static struct state_reader *read_file(struct fixture *f)
{
	struct state_reader *reader;
	GError *error = NULL;

	reader = state_reader_new(f->file, &error);
	assert_null(error);
	return reader;
}

static void goes_through_a_file(void **unused)
{
	struct state_reader *reader;
	struct fixture f;

	(void)unused;
	open_fixture(&f);
	take(&f, balloon(&f));
	start(&f);
	balloon_set_target(virtio_pci_device(f.pci), MEMORY_SIZE / 2);
	write_file(&f);
	take(&f, balloon(&f));
	reader = read_file(&f);
	assert_true(virtio_record_check(f.pci, PLACE, reader, NULL));
	virtio_record_load(f.pci, PLACE, reader);
	state_reader_free(reader);
	assert_true(virtio_pci_device(f.pci)->active);
	assert_int_equal(virtio_device_config_read(virtio_pci_device(f.pci), 0, 4),
			 MEMORY_SIZE / 2 / 4096);
	virtio_device_go_on(virtio_pci_device(f.pci));
	close_fixture(&f);
}

static void expect_refusal(struct fixture *f, unsigned int place, const char *words)
{
	struct state_reader *reader = read_file(f);
	GError *error = NULL;

	assert_false(virtio_record_check(f->pci, place, reader, &error));
	assert_non_null(error);
	if (!strstr(error->message, words))
		fail_msg("'%s' instead of '%s'", error->message, words);
	g_error_free(error);
	state_reader_free(reader);
}

static void refuses_others(void **unused)
{
	struct fixture f;

	(void)unused;
	open_fixture(&f);
	take(&f, rng(&f));
	write_file(&f);
	expect_refusal(&f, PLACE + 1, "rng0: ");
	assert_true(virtio_record_fits(f.pci, STATE_VIRTIO));
	assert_false(virtio_record_fits(f.pci, STATE_VIRTIO_BALLOON));
	take(&f, balloon(&f));
	expect_refusal(&f, PLACE, "balloon0: ");
	write_file(&f);
	take(&f, rng(&f));
	expect_refusal(&f, PLACE, "rng0: a device of type 5 with 5 queues");
	close_fixture(&f);
}

static void knows_its_types(void **unused)
{
	(void)unused;
	assert_true(virtio_record_known(STATE_VIRTIO) && virtio_record_known(STATE_VIRTIO_VSOCK));
	assert_false(virtio_record_known(STATE_END) || virtio_record_known(0x0402));
	assert_int_equal(state_type_find(STATE_VIRTIO)->largest, sizeof(struct virtio_state));
	assert_int_equal(state_type_find(STATE_VIRTIO_BLOCK)->largest,
			 sizeof(struct virtio_block_state));
	assert_int_equal(state_type_find(STATE_VIRTIO_NET)->largest,
			 sizeof(struct virtio_net_state));
	assert_int_equal(state_type_find(STATE_VIRTIO_CONSOLE)->largest,
			 sizeof(struct virtio_console_state));
	assert_int_equal(state_type_find(STATE_VIRTIO_BALLOON)->largest,
			 sizeof(struct virtio_balloon_state));
	assert_int_equal(state_type_find(STATE_VIRTIO_VSOCK)->largest,
			 sizeof(struct virtio_vsock_state));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(goes_through_a_file),
		cmocka_unit_test(refuses_others),
		cmocka_unit_test(knows_its_types),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
