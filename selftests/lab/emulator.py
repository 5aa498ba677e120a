# SPDX-License-Identifier: GPL-2.0-or-later
"""What the emulators have in common: what they are asked for, and a process that ends with us."""

import contextlib
import ctypes
import fcntl
import glob
import os
import shutil
import signal
import subprocess
import tempfile

PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None)


class Machine:
    """The host that is wanted: the hardware, and what boots on it."""

    def __init__(self, options, boot_image, initrds, cmdline):
        self.cpu = options.cpu
        self.model = options.model
        self.smp = options.smp
        self.memory = options.memory
        self.ips = options.ips
        self.icount = options.icount
        self.net = None			# net.Hub
        self.disks = []			# paths of images
        self.boot_image = boot_image	# path of a bzImage
        self.initrds = initrds		# bytes, one after the other in memory
        self.cmdline = cmdline


class Run:
    """Paths of one run, in a directory of its own."""

    def __init__(self, directory, console):
        self.directory = directory
        self.console = console			# file: what the host's COM1 says
        self.output = self.path("lpt")		# FIFO: what labrun sends
        self.emulator_log = self.path("emulator.log")

    def path(self, name):
        return os.path.join(self.directory, name)


PREFIX = "mica-lab-run-"


def sweep():
    """Remove the directories of runs that were killed before they could: their locks are free."""
    for path in glob.glob(os.path.join(tempfile.gettempdir(), PREFIX + "*")):
        with contextlib.suppress(OSError), open(os.path.join(path, "lock")) as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(path, ignore_errors=True)


@contextlib.contextmanager
def run_directory():
    """A directory for one run, removed at its end."""
    sweep()
    path = tempfile.mkdtemp(prefix=PREFIX)
    try:
        with open(os.path.join(path, "lock"), "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def in_child():
    """The emulator leads a group that we can kill whole, and dies if we are killed."""
    os.setsid()
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def start(command, run, **streams):
    """Start the emulator in the run's directory, its own messages in the emulator's log."""
    with open(run.emulator_log, "ab") as log:
        streams.setdefault("stdin", subprocess.DEVNULL)
        streams.setdefault("stdout", log)
        streams.setdefault("stderr", log)
        return subprocess.Popen(command, cwd=run.directory, preexec_fn=in_child, **streams)


def stop(process):
    """Kill the emulator and what it started; its work is done or lost."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()
