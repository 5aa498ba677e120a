/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The signals that the process answers in its main loop: SIGINT, SIGTERM, SIGHUP and
 * SIGQUIT end the guest (unless they were ignored when we were started, as nohup(1) and
 * shells' background jobs have it), SIGTSTP and SIGCONT stop and continue.
 */
#ifndef MICA_VMM_SIGNALS_H
#define MICA_VMM_SIGNALS_H

#include <glib.h>

/* Sent to a thread so that it leaves a system call; blocked in threads that do not accept it. */
#define SIGNAL_KICK	SIGUSR1

struct signals;
struct uv_loop_s;

/* To be called by the main thread before there are others: they inherit its mask. */
struct signals *signals_new(struct uv_loop_s *loop, void (*arrived)(void *opaque, int number),
			    void *opaque, GError **error);

/* Gives the thread its mask back.  The loop must run once more to close what it holds. */
void signals_free(struct signals *signals);

/* Makes EINTR the only effect of SIGNAL_KICK; before a thread is made that will accept it. */
void signals_prepare_kick(void);
/* This thread takes SIGNAL_KICK. */
void signals_accept_kick(void);

#endif
