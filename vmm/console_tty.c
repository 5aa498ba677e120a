// SPDX-License-Identifier: GPL-2.0-or-later
#include "console_tty.h"

#include <signal.h>
#include <stddef.h>
#include <termios.h>
#include <unistd.h>

static const int fatal_signals[] = {
	SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGABRT,
};

/* File scope, because a signal's handler must find it. */
static struct {
	struct termios saved;
	int fd;
	pid_t group;			/* 0: not known yet */
	volatile sig_atomic_t raw;
	bool handlers;
} tty;

/* Since the program began nobody else can give it another group (setpgid(2)), and when
 * --detach makes a session it gives the terminal up. */
void console_tty_prepare(void)
{
	if (!tty.group)
		tty.group = getpgrp();
}

void console_tty_restore(void)
{
	if (tty.raw)
		tcsetattr(tty.fd, TCSANOW, &tty.saved);
}

/* SA_RESETHAND has made the signal deadly again; it is delivered when this returns. */
static void console_tty_dying(int number)
{
	console_tty_restore();
	raise(number);
}

static void console_tty_watch_signals(void)
{
	struct sigaction action = { .sa_handler = console_tty_dying, .sa_flags = SA_RESETHAND };

	if (tty.handlers)
		return;
	sigemptyset(&action.sa_mask);
	for (size_t i = 0; i < sizeof(fatal_signals) / sizeof(fatal_signals[0]); i++)
		sigaction(fatal_signals[i], &action, NULL);
	tty.handlers = true;
}

/* If it is not our controlling terminal there is no job control, and we may. */
static bool console_tty_is_ours(int fd)
{
	pid_t foreground = tcgetpgrp(fd);

	if (foreground < 0)
		return true;
	console_tty_prepare();
	return foreground == tty.group;
}

bool console_tty_enter(int fd)
{
	struct termios raw;

	if (!console_tty_is_ours(fd))
		return false;
	if (!tty.raw && tcgetattr(fd, &tty.saved) < 0)
		return false;
	tty.fd = fd;
	console_tty_watch_signals();
	raw = tty.saved;
	raw.c_iflag &= ~(IGNBRK | BRKINT | PARMRK | ISTRIP | INLCR | IGNCR | ICRNL | IXON);
	raw.c_lflag &= ~(ECHO | ECHONL | ICANON | ISIG | IEXTEN);
	raw.c_cflag &= ~(CSIZE | PARENB);
	raw.c_cflag |= CS8;
	/* A read that finds nothing returns: another process may have read the same key. */
	raw.c_cc[VMIN] = 0;
	raw.c_cc[VTIME] = 0;
	tty.raw = 1;
	return tcsetattr(fd, TCSANOW, &raw) == 0;
}

void console_tty_leave(void)
{
	if (!tty.raw)
		return;
	/* In the background this would stop us; then the shell has set the modes it wants. */
	if (console_tty_is_ours(tty.fd))
		tcsetattr(tty.fd, TCSANOW, &tty.saved);
	tty.raw = 0;
}
