// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The front end of vhost-user at an end that answers anything.  All answers are there before the
 * first request, and nothing behind them, so that nobody waits.
 */
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../../vmm/backends/vhost_user.h"
#include "../input.h"

#define MEMORY_SIZE	(2ull << 20)
#define QUEUES		2u

struct reply {
	uint32_t request;
	uint32_t flags;
	uint32_t size;
	uint32_t value[2];
};

G_STATIC_ASSERT(sizeof(struct reply) == 20);

/* The requests that are acknowledged or answered, in their order, when all goes well. */
static const uint32_t requests[] = {
	1, 15, 3, 5, 2, 8, 10, 9, 13, 12, 18, 8, 10, 9, 13, 12, 18, 11, 11,
};

/* Mostly the right answer. */
static void put_reply(struct input *input, int fd, uint32_t request, unsigned int number)
{
	struct reply reply = { request, 5, 8, { 0, 0 } };
	size_t length = sizeof(reply);
	uint8_t odd = take8(input);

	if (request == 1)
		memcpy(reply.value, (const uint32_t[]){ 1u << 30, 1 }, sizeof(reply.value));
	else if (request == 15)
		reply.value[0] = 8;
	else if (request == 11)
		reply.value[0] = number == G_N_ELEMENTS(requests) - 1;
	if (odd < 8)
		((uint32_t *)&reply)[odd % 5] = take_value(input, 4);
	else if (odd == 8)
		length = take_below(input, sizeof(reply));
	if (send(fd, &reply, length, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		return;
}

static void use(struct vhost_user *vhost, const struct guest_memory *memory)
{
	struct vhost_user_queue queue = {
		.size = 16, .descriptors = 0, .driver = 4096, .device = 8192,
		.kick = eventfd(0, EFD_CLOEXEC), .call = eventfd(0, EFD_CLOEXEC),
	};
	int status;

	status = vhost_user_set_memory(vhost, memory);
	status |= vhost_user_set_features(vhost, vhost_user_features(vhost));
	for (unsigned int i = 0; i < QUEUES; i++)
		status |= vhost_user_start_queue(vhost, i, &queue);
	for (unsigned int i = 0; i < QUEUES; i++)
		status |= vhost_user_stop_queue(vhost, i);
	/* What fails for another reason than a refusal ends the connection. */
	CHECK(status <= 0);
	CHECK(vhost_user_fd(vhost) >= 0 || status < 0);
	close(queue.kick);
	close(queue.call);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct guest_memory *memory;
	struct input input = { data, MIN(size, 256) };
	g_autoptr(GError) error = NULL;
	struct vhost_user *vhost;
	int ends[2];

	if (!memory)
		memory = guest_memory_new_shared(-1, MEMORY_SIZE, NULL);
	CHECK(memory && socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
	for (unsigned int i = 0; i < G_N_ELEMENTS(requests); i++)
		put_reply(&input, ends[1], requests[i], i);
	shutdown(ends[1], SHUT_WR);
	vhost = vhost_user_new(ends[0], &error);
	CHECK(!vhost == !!error);
	if (vhost)
		use(vhost, memory);
	vhost_user_free(vhost);
	close(ends[1]);
	return 0;
}
