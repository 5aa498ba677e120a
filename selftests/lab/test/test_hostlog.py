# SPDX-License-Identifier: GPL-2.0-or-later
"""The scanner of the host's log: what it must find, and what it must not."""

import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import hostlog

# (name of the report, a line that a kernel printed). Every report has at least one.
REPORTS = (
    ("panic", "[    5.841023] Kernel panic - not syncing: sysrq triggered crash"),
    ("panic", "[    2.1] ---[ end Kernel panic - not syncing: x ]---"),
    ("oops", "[   11.0] Oops: 0002 [#1] PREEMPT SMP NOPTI"),
    ("oops", "[   11.0] Oops: Oops: 0000 [#2] PREEMPT SMP NOPTI"),
    ("oops", "[   11.0] invalid opcode: 0000 [#1] PREEMPT SMP NOPTI"),
    ("oops", "[   11.0] stack segment: 0000 [#1] PREEMPT SMP"),
    ("oops", "[   11.0] #PF: unable to handle page fault for address: ffffc90000000000"),
    ("bug", "[   11.0] BUG: kernel NULL pointer dereference, address: 0000000000000008"),
    ("bug", "[   11.0] BUG: sleeping function called from invalid context at mm/slab.h:1"),
    ("bug", "[   11.0] BUG: scheduling while atomic: mica/101/0x00000002"),
    ("bug", "[   11.0] kernel BUG at mm/slub.c:4321!"),
    ("kasan", "[   11.0] KFENCE: memory corruption in free_it+0x12/0x34"),
    ("kasan", "[   11.0] UBSAN: array-index-out-of-bounds in kmod/main.c:12:3"),
    ("bug", "[   11.0] BUG: KASAN: use-after-free in mica_release+0x1/0x2"),
    ("warning", "[    1.9] WARNING: CPU: 0 PID: 103 at kmod/main.c:9 mica_init+0x29/0x1000 [mica]"),
    ("general protection fault", "[   11.0] general protection fault, maybe for address 0x0"),
    ("general protection fault", "[   11.0] traps: mica[101] general protection fault ip:1"),
    ("double fault", "[   11.0] traps: PANIC: double fault, error_code: 0x0"),
    ("rcu stall", "[   26.0] rcu: INFO: rcu_preempt self-detected stall on CPU"),
    ("rcu stall", "[   26.0] rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:"),
    ("rcu stall", "[   26.0] rcu: INFO: rcu_preempt detected expedited stalls on CPUs/tasks:"),
    ("rcu stall", "[   26.0] rcu: rcu_preempt kthread starved for 5250 jiffies! g9 f0x0"),
    ("soft lockup", "[   26.0] watchdog: BUG: soft lockup - CPU#0 stuck for 22s! [mica:101]"),
    ("workqueue lockup", "[   60.0] BUG: workqueue lockup - pool cpus=0 node=0 flags=0x0"),
    ("hard lockup", "[   26.0] watchdog: Watchdog detected hard LOCKUP on cpu 1"),
    ("hung task", "[  242.0] INFO: task mica:101 blocked for more than 120 seconds."),
    ("call trace", "[    0.093294] Call Trace:"),
    ("machine check", "[   11.0] mce: [Hardware Error]: Machine check events logged"),
    ("bad page", "[   11.0] BUG: Bad page state in process mica  pfn:12345"),
    ("bad page", "[   11.0] Bad rss-counter state mm:0000000012345678 type:MM_ANONPAGES val:1"),
    ("locking", "[   11.0] WARNING: suspicious RCU usage"),
    ("locking", "[   11.0] INFO: possible recursive locking detected"),
    ("out of memory", "[   11.0] Out of memory: Killed process 101 (mica) total-vm:1kB"),
    ("out of memory", "[   11.0] mica: page allocation failure: order:0, mode:0xcc0(GFP_KERNEL)"),
    ("lost interrupt", "[   11.0] __common_interrupt: 0.55 No irq handler for vector"),
    ("lost interrupt", "[   11.0] irq 4: nobody cared (try booting with the \"irqpoll\" option)"),
    ("unknown nmi", "[   11.0] Uhhuh. NMI received for unknown reason 30 on CPU 0."),
    ("corruption", "[   11.0] list_del corruption. prev->next should be 1, but was 2"),
    ("corruption", "[   11.0] refcount_t: underflow; use-after-free."),
    ("unchecked msr", "[   11.0] unchecked MSR access error: RDMSR from 0x123 at rIP: 0x1"),
    ("fpu state", "[   11.0] Bad FPU state detected at restore_fpregs_from_fpstate+0x1/0x2"),
    ("leak", "[   11.0] BUG mica_vcpu: Objects remaining in mica_vcpu on __kmem_cache_shutdown()"),
)

# What stock kernels print on the emulators, and a host at work.
HARMLESS = (
    "[    0.004787] [Firmware Bug]: TSC_DEADLINE disabled due to Errata; please update microcode",
    "[    0.0] RETBleed: WARNING: Spectre v2 mitigation leaves CPU vulnerable to RETBleed attacks",
    "[    0.2] Speculative Return Stack Overflow: WARNING: See https://kernel.org/doc/html/latest/",
    "[    0.669303] Failed to access perfctr msr (MSR c4 is 0)",
    "[    5.385300] acpi PNP0A03:00: fail to add MMCONFIG information, can't access extended",
    "[    2.122276] mica: loading out-of-tree module taints kernel.",
    "[    0.705306] NMI watchdog: Perf NMI watchdog permanently disabled",
    "[    0.677313] rcu: \tMax phase no-delay instances is 1000.",
    "[    3.0] traps: test[101] trap invalid opcode ip:401000 sp:7ffe0000 error:0",
    "[    3.0] test[101]: segfault at 0 ip 0000000000401000 sp 00007ffe00000000 error 4 in test",
    "[    0.0] ACPI BIOS Warning (bug): Incorrect checksum in table [XXXX]",
    "[    5.84] sysrq: Trigger a crash",
)

TOPOLOGY = """\
[    0.0] ------------[ cut here ]------------
[    0.0] WARNING: CPU: 0 PID: 0 at arch/x86/kernel/cpu/topology_common.c:57 parse_legacy+0x1/0x13
[    0.000000] Modules linked in:
[    0.000000] Call Trace:
[    0.000000]  <TASK>
[    0.000000] ---[ end trace 0000000000000000 ]---
"""


class HostLogTest(unittest.TestCase):
    def test_reports_are_found(self):
        for name, line in REPORTS:
            with self.subTest(line=line):
                # A line may hold two reports; which of them is named is not important.
                self.assertTrue(any(expression.search(line) for known, expression in hostlog.REPORTS
                                    if known == name), "no expression of '%s' matches" % name)
                self.assertEqual([f.line for f in hostlog.scan(line)], [line])
                self.assertEqual([f.line for f in hostlog.scan("<4>" + line + "\r\n")], [line])

    def test_every_report_has_an_example(self):
        self.assertEqual({name for name, _ in hostlog.REPORTS}, {name for name, _ in REPORTS})

    def test_harmless_lines_are_passed_over(self):
        for line in HARMLESS:
            with self.subTest(line=line):
                self.assertEqual(hostlog.scan(line), [])

    def test_known_report_is_passed_over_whole(self):
        self.assertEqual(hostlog.scan(TOPOLOGY), [])

    def test_report_after_known_report_is_found(self):
        late = "[    9.0] WARNING: CPU: 0 PID: 9 at kmod/main.c:1 x+0x1/0x2 [mica]"
        self.assertEqual([f.line for f in hostlog.scan(TOPOLOGY + late)], [late])

    def test_known_report_without_end_hides_no_more_than_its_length(self):
        cut = "\n".join(TOPOLOGY.splitlines()[:3])
        late = "[    9.0] Kernel panic - not syncing: late"
        text = cut + "\n" + "[    1.0] filler\n" * hostlog.REPORT_LINES_MAX + late
        self.assertEqual([f.line for f in hostlog.scan(text)], [late])

    def test_same_place_later_is_no_known_report(self):
        text = TOPOLOGY.replace("PID: 0", "PID: 7")
        self.assertEqual([f.name for f in hostlog.scan(text)], ["warning", "call trace"])

    def test_line_in_console_and_dmesg_counts_once(self):
        line = "[    9.0] Kernel panic - not syncing: x"
        self.assertEqual(len(hostlog.scan(line + "\n<0>" + line)), 1)

    def test_fatal(self):
        self.assertTrue(hostlog.is_fatal("[    9.0] Kernel panic - not syncing: x"))
        self.assertTrue(hostlog.is_fatal("[    9.0] reboot: System halted"))
        self.assertFalse(hostlog.is_fatal("[    9.0] WARNING: CPU: 0 PID: 9 at x"))


if __name__ == "__main__":
    unittest.main()
