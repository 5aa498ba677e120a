// SPDX-License-Identifier: GPL-2.0-or-later
#include "signals.h"

#include <errno.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>
#include <uv.h>

#include "error.h"

struct signals {
	uv_poll_t poll;
	int fd;
	sigset_t before;
	void (*arrived)(void *opaque, int number);
	void *opaque;
};

static const int watched[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP, SIGCONT,
			       SIGWINCH };

/* A blocked signal reaches a signalfd even if it is ignored. */
static void signals_watched(sigset_t *set)
{
	struct sigaction action;

	sigemptyset(set);
	for (size_t i = 0; i < G_N_ELEMENTS(watched); i++)
		if (sigaction(watched[i], NULL, &action) == 0 && action.sa_handler != SIG_IGN)
			sigaddset(set, watched[i]);
}

static void signals_readable(uv_poll_t *handle, int status, int events)
{
	struct signals *signals = handle->data;
	struct signalfd_siginfo info;

	(void)status;
	(void)events;
	while (read(signals->fd, &info, sizeof(info)) == sizeof(info))
		signals->arrived(signals->opaque, info.ssi_signo);
}

struct signals *signals_new(struct uv_loop_s *loop, void (*arrived)(void *opaque, int number),
			    void *opaque, GError **error)
{
	struct signals *signals = g_new0(struct signals, 1);
	sigset_t set;

	signals->arrived = arrived;
	signals->opaque = opaque;
	signals_watched(&set);
	signals->fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (signals->fd < 0 || uv_poll_init(loop, &signals->poll, signals->fd) < 0) {
		error_set(error, "cannot watch for signals");
		if (signals->fd >= 0)
			close(signals->fd);
		g_free(signals);
		return NULL;
	}
	signals->poll.data = signals;
	sigaddset(&set, SIGNAL_KICK);
	pthread_sigmask(SIG_BLOCK, &set, &signals->before);
	uv_poll_start(&signals->poll, UV_READABLE, signals_readable);
	return signals;
}

static void signals_closed(uv_handle_t *handle)
{
	struct signals *signals = handle->data;

	close(signals->fd);
	g_free(signals);
}

void signals_free(struct signals *signals)
{
	if (!signals)
		return;
	pthread_sigmask(SIG_SETMASK, &signals->before, NULL);
	uv_close((uv_handle_t *)&signals->poll, signals_closed);
}

static void signals_kicked(int number)
{
	(void)number;
}

void signals_prepare_kick(void)
{
	struct sigaction action = { .sa_handler = signals_kicked };

	sigemptyset(&action.sa_mask);
	sigaction(SIGNAL_KICK, &action, NULL);
}

void signals_accept_kick(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGNAL_KICK);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}
