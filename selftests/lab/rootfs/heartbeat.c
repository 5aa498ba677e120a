// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Makes every CPU of an emulated host take an interrupt some times in a second.
 *
 * QEMU's SVM (do_vmexit(), to version 9 at least) clears a bit in the set of a CPU's pending
 * interrupts without the lock under which devices set theirs: now and then one is lost.  It
 * waits in the local APIC until the next comes there.  If it was the timer's there is none, as
 * the kernel sets the timer anew only when it has come.  The HPET beats for the CPU that has its
 * interrupt; to the others this process moves, which takes an interrupt, too.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/hpet.h>
#include <sched.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define BEATS_PER_SECOND	8

static int start_beating(void)
{
	int hpet = open("/dev/hpet", O_RDONLY | O_CLOEXEC);

	if (hpet < 0 || ioctl(hpet, HPET_IRQFREQ, BEATS_PER_SECOND) || ioctl(hpet, HPET_EPI, 0) ||
	    ioctl(hpet, HPET_IE_ON, 0))
		return -1;
	return hpet;
}

/* A CPU that is offline refuses. */
static void visit(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

int main(void)
{
	int cpus = sysconf(_SC_NPROCESSORS_CONF);
	int hpet = start_beating();
	unsigned long beats;

	if (hpet < 0) {
		perror("heartbeat: /dev/hpet");
		return 1;
	}
	if (daemon(0, 0))
		return 1;
	while (read(hpet, &beats, sizeof(beats)) == sizeof(beats))
		for (int cpu = cpus - 1; cpu >= 0; cpu--)
			visit(cpu);
	return 1;
}
