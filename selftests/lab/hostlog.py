# SPDX-License-Identifier: GPL-2.0-or-later
"""Finds in the host's kernel log what no test may leave there."""

import re

# What the kernel prints when something is wrong with it: (name, expression).
REPORTS = tuple((name, re.compile(expression)) for name, expression in (
    ("panic", r"Kernel panic - not syncing"),
    ("oops", r"\bOops\b|: [0-9a-f]{4} \[#\d+\]|unable to handle (?:page fault|kernel)"),
    ("soft lockup", r"BUG: soft lockup"),
    ("workqueue lockup", r"BUG: workqueue lockup"),
    ("bug", r"\bBUG: |\bkernel BUG at "),
    ("kasan", r"\b(?:KASAN|KCSAN|KFENCE|UBSAN|KMSAN): "),
    ("warning", r"\bWARNING: "),
    ("general protection fault", r"general protection fault"),
    ("double fault", r"double fault"),
    ("rcu stall", r"\brcu: INFO: .*detected.* stall|\brcu: .* kthread (?:starved|timer wakeup)"),
    ("hard lockup", r"hard LOCKUP"),
    ("hung task", r"INFO: task .* blocked for more than"),
    ("call trace", r"\bCall Trace:"),
    ("machine check", r"Machine check events logged|mce: \[Hardware Error\]"),
    ("bad page", r"Bad page (?:state|map)|Bad rss-counter state"),
    ("locking", r"INFO: possible (?:recursive|circular) locking|suspicious RCU usage"),
    ("out of memory", r"Out of memory: Killed process|page allocation failure"),
    ("lost interrupt", r"irq \d+: nobody cared|No irq handler for vector"),
    ("unknown nmi", r"NMI received for unknown reason"),
    ("corruption", r"list_(?:add|del) corruption|refcount_t: |corrupted stack end|Redzone "),
    ("unchecked msr", r"unchecked MSR access error"),
    ("fpu state", r"Bad FPU state detected"),
    ("leak", r"Objects remaining in \S+ on __kmem_cache_shutdown|memory leak in "),
))

# Lines that stock kernels print on an emulator before any of our code runs, and why they are no
# report.
KNOWN_LINES = tuple(re.compile(expression) for expression in (
    # The emulated CPU has no IBRS; on such a CPU the kernel's choice of mitigations warns so.
    r"RETBleed: WARNING: Spectre v2 mitigation leaves CPU vulnerable to RETBleed attacks",
    # The emulated EPYC has no microcode that helps against SRSO, and the kernel says where to read.
    r"Speculative Return Stack Overflow: WARNING: See https://kernel\.org/",
))

# First lines of whole reports, of the same kind.
KNOWN_REPORTS = tuple(re.compile(expression) for expression in (
    # Bochs 2.7's CPUID counts more cores in leaf 4 than threads in leaf 1, and 6.12 wonders.
    r"WARNING: CPU: 0 PID: 0 at arch/x86/kernel/cpu/topology_common\.c:\d+ parse_legacy\+",
))
REPORT_END = re.compile(r"---\[ end trace ")
REPORT_LINES_MAX = 80

# After one of these the host does nothing more.
FATAL = re.compile(r"Kernel panic - not syncing|reboot: System halted")

LEVEL = re.compile(r"^<\d+>")


class Finding:
    """A line of the log that is a report."""

    def __init__(self, name, line):
        self.name = name
        self.line = line

    def __str__(self):
        return "%s: %s" % (self.name, self.line)


class Scanner:
    """Looks at a log line by line."""

    def __init__(self):
        self.skip = 0	# lines of a known report that may still come

    def scan_line(self, line):
        """The Finding in this line, or None."""
        line = LEVEL.sub("", line.rstrip("\r\n"))
        if self.skip:
            self.skip = 0 if REPORT_END.search(line) else self.skip - 1
            return None
        if any(known.search(line) for known in KNOWN_REPORTS):
            self.skip = REPORT_LINES_MAX
            return None
        if any(known.search(line) for known in KNOWN_LINES):
            return None
        for name, expression in REPORTS:
            if expression.search(line):
                return Finding(name, line)
        return None


def scan(text):
    """All reports in the text, in order; a line that the console and dmesg both have, once."""
    found = []
    seen = set()
    scanner = Scanner()
    for line in text.splitlines():
        finding = scanner.scan_line(line)
        if finding and finding.line not in seen:
            seen.add(finding.line)
            found.append(finding)
    return found


def is_fatal(text):
    return FATAL.search(text) is not None
