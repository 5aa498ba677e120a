#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Counts the cases of a meson test run, those inside TAP tests one by one, and prints the host
and guest kernels that went together on each backend, the end of what each failed test said, and
the closing line "N passed, N failed".
Exits with 1 if anything failed or nothing ran."""

import json
import os
import re
import sys

TAP_CASE = re.compile(r"^(not )?ok\b(?:[^#]*)(?:#\s*(\w+))?", re.MULTILINE)

# Of each stream of a failed test: its end, and what stands around each case that failed.
LINES_SHOWN = 40
LINES_AROUND = 5

# A case of boot.sh that has passed, in a test whose name begins with its backend.
PAIR = re.compile(r"^ok\b.* boot: (host \w+, guest \w+)$", re.MULTILINE)


def pairs(test):
    """Those of host and guest kernel with which a guest has come to its shell."""
    return set(PAIR.findall(test.get("stdout") or ""))


def backend(test):
    """The first word of the test's own name: meson puts project and suites before it."""
    return test["name"].split(" / ")[-1].split()[0]


def cases(test):
    """(passed, failed, skipped) of one meson test."""
    passed = failed = skipped = 0
    for match in TAP_CASE.finditer(test.get("stdout") or ""):
        if (match.group(2) or "").lower() == "skip":
            skipped += 1
        elif match.group(1):
            failed += 1
        else:
            passed += 1
    good = test["result"] in ("OK", "EXPECTEDFAIL")
    if test["result"] == "SKIP":
        return passed, failed, skipped or 1
    if not good and not failed:
        failed = 1
    if good and not passed + failed + skipped:
        passed = 1
    return passed, failed, skipped


def telling(lines):
    """Of a failed test's lines those to show."""
    shown = set(range(len(lines) - LINES_SHOWN, len(lines)))
    for at, line in enumerate(lines):
        if line.startswith("not ok"):
            shown.update(range(at - LINES_AROUND, at + LINES_AROUND + 1))
    return [line for at, line in enumerate(lines) if at in shown]


def tell_failure(test, failed):
    """Name the test, with what it said of its failure, which is far above in a long run."""
    print("failed: %s (%d cases, result %s)" % (test["name"], failed, test["result"]))
    for stream in ("stdout", "stderr"):
        for line in telling((test.get(stream) or "").splitlines()):
            print("  | " + line)


def main():
    total = [0, 0, 0]
    booted = {}
    if not os.path.exists(sys.argv[1]):
        print("summary: no test has run (is the suite's name right?)")
        print("0 passed, 1 failed")
        return 1
    with open(sys.argv[1], encoding="utf-8") as log:
        for line in log:
            test = json.loads(line)
            counts = cases(test)
            total = [a + b for a, b in zip(total, counts)]
            if pairs(test):
                booted.setdefault(backend(test), set()).update(pairs(test))
            if counts[1]:
                tell_failure(test, counts[1])
    for name in sorted(booted):
        print("%s: %d host/guest kernel pairs" % (name, len(booted[name])))
    passed, failed, skipped = total
    print("%d passed, %d failed" % (passed, failed) + (", %d skipped" % skipped if skipped else ""))
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
