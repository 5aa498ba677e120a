# SPDX-License-Identifier: GPL-2.0-or-later
"""One run of a host: passes the script's output on, watches the host, says how it ended."""

import os
import select
import sys
import time

import channel
import emulator
import hostlog
from cache import say

TIMED_OUT = 124
HOST_FAILED = 125

POLL_SECONDS = 0.2
# A host that reported something wrong may hang now; it gets so long to end its script.
GRACE_SECONDS = 60
# A host that panicked gets so long to finish what it prints.
PANIC_SECONDS = 1
# What comes after the script's status: the kernel's log.
END_SECONDS = 30
LINES_BEFORE = 5
LINES_SHOWN = 45
FINDINGS_SHOWN = 10
EMULATOR_LOG_BYTES = 65536

KERNEL_PART = "\n===== the kernel's log at the script's end =====\n"
EMULATOR_PART = "\n===== the emulator's log =====\n"


class Result:
    """@status: what lab exits with; @failure: what went wrong in the lab's terms, or None."""

    def __init__(self, status, failure=None, findings=()):
        self.status = status
        self.failure = failure
        self.findings = findings


class Console:
    """Follows the host's console as the emulator writes it."""

    def __init__(self, path):
        self.file = open(path, "r", errors="replace")
        self.rest = ""
        self.scanner = hostlog.Scanner()
        self.findings = []
        self.fatal = False

    def poll(self):
        text = self.file.read()
        if not text:
            return
        lines = (self.rest + text).split("\n")
        self.rest = lines.pop()
        for line in lines:
            finding = self.scanner.scan_line(line)
            if finding:
                self.findings.append(finding)
            self.fatal = self.fatal or hostlog.is_fatal(line)


class Session:
    """State of a run while it goes on."""

    def __init__(self, process, run, fifo, seconds):
        self.process = process
        self.run = run
        self.fifo = fifo
        self.begin = time.monotonic()
        self.deadline = self.begin + seconds
        self.seconds = seconds
        self.decoder = channel.Decoder()
        self.console = Console(run.console)
        self.kernel_log = b""
        self.started = False
        self.status = None
        self.ended = False
        self.lost = False
        self.failure = None

    def frame(self, kind, payload):
        if kind == "H" and self.started:
            self.lose("the host started again")
        elif kind == "H":
            self.started = True
            say("host is up after %.1f s" % (time.monotonic() - self.begin))
        elif kind == "O":
            sys.stdout.buffer.write(payload)
            sys.stdout.buffer.flush()
        elif kind == "S":
            self.status = payload[0]
            self.limit(END_SECONDS)
        elif kind == "L":
            self.kernel_log += payload
        elif kind == "F":
            self.failure = payload.decode(errors="replace")
            self.limit(END_SECONDS)
        elif kind == "E":
            self.ended = True

    def lose(self, failure):
        """Nothing more of use can come from the host."""
        self.failure = self.failure or failure
        self.lost = True

    def limit(self, seconds):
        """From now on, not more than so many seconds."""
        self.deadline = min(self.deadline, time.monotonic() + seconds)

    def read_frames(self, timeout):
        ready, _, _ = select.select([self.fifo], [], [], timeout)
        if not ready:
            return False
        try:
            for kind, payload in self.decoder.feed(os.read(self.fifo, 65536)):
                self.frame(kind, payload)
        except channel.ChannelError as error:
            self.lose("the parallel port is not the lab's any more: %s" % error)
        return True

    def watch_console(self):
        had = len(self.console.findings)
        fatal = self.console.fatal
        self.console.poll()
        if self.console.fatal and not fatal:
            self.limit(PANIC_SECONDS)
        elif self.console.findings and not had:
            self.limit(GRACE_SECONDS)

    def over(self):
        """True when nothing more is to be waited for."""
        if self.ended or self.lost or time.monotonic() >= self.deadline:
            return True
        if self.process.poll() is None:
            return False
        while self.read_frames(0):
            pass
        if not self.ended:
            self.lose("the emulator ended (status %d) before the script's end was told"
                      % self.process.returncode)
        return True

    def follow(self):
        next_look = 0
        while not self.over():
            self.read_frames(POLL_SECONDS)
            if time.monotonic() >= next_look:
                self.watch_console()
                next_look = time.monotonic() + POLL_SECONDS
        self.watch_console()

    def result(self):
        log = self.kernel_log.decode(errors="replace")
        with open(self.run.console, errors="replace") as f:
            findings = hostlog.scan(f.read() + "\n" + log)
        if findings:
            return Result(HOST_FAILED, "the host's kernel reported %s" % findings[0].name, findings)
        if self.failure:
            return Result(HOST_FAILED, self.failure)
        if self.ended and self.status is not None:
            return Result(self.status)
        if self.status is not None:
            return Result(HOST_FAILED, "the host hangs since the script ended")
        if not self.started:
            return Result(HOST_FAILED, "the host did not get to the script in %d s" % self.seconds)
        return Result(TIMED_OUT, "the script still ran after %d s" % self.seconds)


def append_logs(run, kernel_log):
    """The log that is kept: the console, then the kernel's whole log, then the emulator's words."""
    with open(run.console, "ab") as log:
        if kernel_log:
            log.write(KERNEL_PART.encode() + kernel_log)
        log.write(EMULATOR_PART.encode())
        for name in ("emulator.log", "bochs.log"):
            path = run.path(name)
            if os.path.exists(path):
                with open(path, "rb") as f:
                    log.write(f.read()[-EMULATOR_LOG_BYTES:])


def run(backend, machine, paths, seconds):
    os.mkfifo(paths.output)
    # Also open for writing, by us: the FIFO is never at its end, whoever comes and goes.
    fifo = os.open(paths.output, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    session = None
    process = backend.start(machine, paths)
    try:
        session = Session(process, paths, fifo, seconds)
        session.follow()
    finally:
        emulator.stop(process)
        os.close(fifo)
        if session:
            result = session.result()
            append_logs(paths, session.kernel_log)
    return result


def excerpt(lines, findings):
    """The part of the log to show: from the first report on, else the end."""
    for at, line in enumerate(lines):
        if findings and findings[0].line in line:
            first = max(0, at - LINES_BEFORE)
            return lines[first:first + LINES_SHOWN]
    return lines[-LINES_SHOWN:]


def explain(result, log):
    """Tell on stderr what went wrong, with the part of the host's log that matters."""
    with open(log, errors="replace") as f:
        lines = f.read().split(EMULATOR_PART)[0].splitlines()
    say("from the host's log:")
    for line in excerpt(lines, result.findings):
        print("  | " + line, file=sys.stderr)
    for finding in result.findings[:FINDINGS_SHOWN]:
        say("found in the host's log: %s" % finding)
    say("failed (%d): %s" % (result.status, result.failure))
    say("the host's log is %s" % log)
