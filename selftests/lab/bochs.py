# SPDX-License-Identifier: GPL-2.0-or-later
"""The host on Bochs: an Intel CPU with VMX and EPT, an AMD one with SVM and NPT, or an old one
without."""

import os
import re
import shutil
import subprocess
import threading

import bootimage
import emulator
from cache import LabError, say
from kernels import BzImage

BIOS = "/usr/share/bochs/BIOS-bochs-latest"
VGABIOS = "/usr/share/vgabios/vgabios.bin"
# The places of disks behind ata0-master, which boots.
PLACES = ("ata0-slave", "ata1-master", "ata1-slave")
DISKS_MAX = len(PLACES)
DEFAULT_IPS = 100000000
# The clock starts here in every run, so that runs can be the same.
EPOCH = 1700000000

MODELS = {"vmx": "corei7_skylake_x", "svm": "ryzen", "none": "p4_prescott_celeron_336"}

RC = """\
cpu: model={model}, count={smp}, ips={ips}, reset_on_triple_fault=0
memory: guest={memory}, host={memory}
romimage: file={bios}
vgaromimage: file={vgabios}
optromimage1: file={rom}, address=0xd0000
ata0: enabled=1, ioaddr1=0x1f0, ioaddr2=0x3f0, irq=14
ata0-master: type=disk, path=disk, mode=flat, cylinders={cylinders}, heads=16, spt=63
{disks}boot: disk
display_library: {display}
com1: enabled=1, mode=file, dev={console}
parport1: enabled=1, file={output}
clock: sync=none, time0={epoch}, rtc_sync=0
log: bochs.log
panic: action=fatal
error: action=ignore
info: action=ignore
debug: action=ignore
"""


def find():
    """Path of Bochs: $MICA_BOCHS, else Debian's."""
    path = os.environ.get("MICA_BOCHS") or shutil.which("bochs")
    if not path:
        raise LabError("no Bochs: install the packages bochs, bochs-term, bochsbios and vgabios, "
                       "or set MICA_BOCHS")
    if not os.access(path, os.X_OK):
        raise LabError("MICA_BOCHS=%s: not a program" % path)
    for needed in (BIOS, VGABIOS):
        if not os.path.exists(needed):
            raise LabError("%s is missing: install the packages bochsbios and vgabios" % needed)
    return os.path.abspath(path)


def version(path):
    """(major, minor), from the banner."""
    done = subprocess.run([path, "--help"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT)
    match = re.search(rb"Bochs x86 Emulator (\d+)\.(\d+)", done.stdout)
    if not match:
        raise LabError("%s does not say that it is Bochs" % path)
    return int(match.group(1)), int(match.group(2))


def drain(fd):
    """Read what nobody looks at, so that its writer never waits."""
    try:
        while os.read(fd, 65536):
            pass
    except OSError:
        pass	# the other end is closed
    os.close(fd)


def disk_lines(paths):
    """Disks for bochsrc; writes go to a journal in the run's directory."""
    lines = ""
    if len(paths) > 1:
        lines += "ata1: enabled=1, ioaddr1=0x170, ioaddr2=0x370, irq=15\n"
    for number, path in enumerate(paths):
        lines += "%s: type=disk, path=\"%s\", mode=volatile, journal=journal%d, " \
                 "cylinders=0\n" % (PLACES[number], path, number)
    return lines


def write_files(machine, run, display):
    with open(run.path("disk"), "wb") as f:
        cylinders = bootimage.write_disk(f, BzImage(machine.boot_image), machine.initrds,
                                         machine.cmdline)
    with open(run.path("rc"), "w") as f:
        f.write(RC.format(model=machine.model or MODELS[machine.cpu], smp=machine.smp,
                          ips=machine.ips or DEFAULT_IPS, memory=machine.memory, bios=BIOS,
                          vgabios=VGABIOS, rom=bootimage.rom(), cylinders=cylinders,
                          display=display, disks=disk_lines(machine.disks),
                          console=run.console, output=run.output, epoch=EPOCH))
    with open(run.path("debugger-rc"), "w") as f:
        f.write("c\n")


def kernel_arguments(options):
    """What the host's kernel must be told of this emulator."""
    # The TSC counts instructions, and ips= says how many of them Bochs's timers take for a second;
    # but CPUID names the frequency of the CPU's model. So that all clocks agree, say the truth.
    arguments = ["tsc_early_khz=%d" % ((options.ips or DEFAULT_IPS) // 1000)]
    if version(find()) < (3, 0):
        # 2.7's CPUID tells the size of the plain XSAVE area where the compacted one's is asked
        # for. The kernel would see that, warn, and do without XSAVE at all; so it only does
        # without compaction.
        arguments.append("clearcpuid=xsaves,xsavec")
    return arguments


def start(machine, run):
    path = find()
    release = version(path)
    if machine.cpu == "svm" and release < (3, 0):
        raise LabError("Bochs %d.%d does not boot a host with SVM: set MICA_BOCHS to 3.0 or newer, "
                       "or use --emulator qemu" % release)
    say("Bochs %d.%d, %d CPU%s" % (release + (machine.smp, "s" if machine.smp > 1 else "")))
    if release >= (3, 0):
        if machine.smp > 1:
            say("warning: with several CPUs, guests of KVM were seen to halt early on Bochs 3.0; "
                "if one does, try 2.7")
        write_files(machine, run, "nogui")
        return emulator.start([path, "-q", "-f", "rc"], run)
    # Debian's 2.7 has no display "nogui", and its debugger waits for a command.
    write_files(machine, run, "term")
    master, slave = os.openpty()
    process = emulator.start([path, "-q", "-f", "rc", "-rc", "debugger-rc"], run,
                             stdin=slave, stdout=slave)
    os.close(slave)
    threading.Thread(target=drain, args=(master,), daemon=True).start()
    return process
