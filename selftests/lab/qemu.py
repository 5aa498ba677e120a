# SPDX-License-Identifier: GPL-2.0-or-later
"""The host on QEMU's TCG: an AMD CPU with SVM and nested paging, or a plain CPU."""

import math
import shutil

import emulator
from cache import LabError, say

MODELS = {"svm": "EPYC,+svm,+npt", "none": "max,-vmx,-svm"}


def threaded(machine):
    """Does each CPU get a thread of its own?"""
    return machine.smp > 1 and not machine.icount


def spare_cpus(machine):
    """CPU 0 must run no guests if other CPUs run beside it: each time one of those restores its
    FPU, QEMU (cpu_clear_ignne(), to version 9 at least) reads and writes back the flags of CPU 0,
    not atomically, among them those that say whether GIF is set and whether nested paging is on.
    What a VMRUN or #VMEXIT changed meanwhile is undone: the host's next fetch goes through the
    guest's nested page tables, or interrupts stay off for ever."""
    return 1 if machine.cpu == "svm" and threaded(machine) else 0


def loses_interrupts(machine):
    """rootfs/heartbeat.c says why.  With an instruction counter the timers are the CPU thread's."""
    return machine.cpu == "svm" and not machine.icount


def kernel_arguments(options):
    """What the host must be told of this emulator."""
    return (["isolcpus=0"] if spare_cpus(options) else []) + \
        (["lab.heartbeat"] if loses_interrupts(options) else [])


def icount_shift(ips):
    """An instruction takes 2 to this power nanoseconds; ips is a request, or None for a billion."""
    return max(0, round(math.log2(1e9 / ips))) if ips else 0


def start(machine, run):
    path = shutil.which("qemu-system-x86_64")
    if not path:
        raise LabError("no qemu-system-x86_64: install the package qemu-system-x86")
    model = machine.model or MODELS[machine.cpu]
    with open(run.path("initrd"), "wb") as f:
        for part in machine.initrds:
            f.write(part)
    threads = "multi" if threaded(machine) else "single"
    command = [
        path, "-nodefaults", "-no-user-config", "-no-reboot", "-display", "none", "-vga", "none",
        "-machine", "pc,usb=off", "-cpu", model, "-accel", "tcg,thread=" + threads,
        "-smp", str(machine.smp + spare_cpus(machine)), "-m", str(machine.memory),
        "-kernel", machine.boot_image, "-initrd", run.path("initrd"), "-append", machine.cmdline,
        "-chardev", "file,id=console,path=" + run.console.replace(",", ",,"),
        "-serial", "chardev:console",
        "-chardev", "file,id=lpt,path=" + run.output.replace(",", ",,"),
        "-device", "isa-parallel,chardev=lpt,iobase=0x378",
        "-global", "hpet.hpet-intcap=0xff0104",		# pins for the heartbeat, as on q35
    ]
    if machine.net:
        command += ["-netdev", "socket,id=net,udp=127.0.0.1:%d,localaddr=127.0.0.1:%d"
                    % (machine.net.port + 1, machine.net.port),
                    "-device", "virtio-net-pci,netdev=net,romfile=,mac=" + machine.net.mac]
    for number, path in enumerate(machine.disks):
        command += ["-drive", "if=none,id=disk%d,format=raw,snapshot=on,file=%s"
                    % (number, path.replace(",", ",,")),
                    "-device", "virtio-blk-pci,drive=disk%d" % number]
    if machine.icount:
        command += ["-icount", "shift=%d" % icount_shift(machine.ips)]
    say("QEMU, -cpu %s, %d CPU%s" % (model, machine.smp, "s" if machine.smp > 1 else ""))
    return emulator.start(command, run)
