# SPDX-License-Identifier: GPL-2.0-or-later
"""Disks of the host: files as they are, empty ones, and a Debian root file system for guests."""

import os
import shutil
import subprocess
import tempfile

import cache
from cache import LabError, say

MIB = 1 << 20

# Small, but with systemd, and with what loads CPUs, memory, disk and network.
DEBIAN = {"debian-12": "bookworm"}
PACKAGES = ("systemd-sysv", "udev", "dbus", "login", "procps", "iproute2", "iputils-ping",
            "stress-ng", "fio", "iperf3")
DEBIAN_MIB = 640
# A qcow2 image grows while it is written to, which the end of a disk forbids.
QCOW2_ROOM_MIB = 64
# Documentation is half of such a system, and is never read.
LEFT_OUT = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*")

KINDS = "FILE, debian-12, debian-12.qcow2 or empty:MIB"


def make_tree(suite, tree):
    """Unpack and configure the packages in a directory, by mmdebstrap."""
    command = ["mmdebstrap", "--quiet", "--variant=minbase", "--include=" + ",".join(PACKAGES),
               "--customize-hook=chroot \"$1\" passwd -q -d root",
               "--customize-hook=echo guest >\"$1/etc/hostname\"; rm -f \"$1/etc/resolv.conf\""]
    command += ["--dpkgopt=path-exclude=" + pattern for pattern in LEFT_OUT]
    if subprocess.run(command + [suite, tree], stdout=subprocess.DEVNULL).returncode:
        raise LabError("mmdebstrap makes no root file system of %s: can apt-get fetch "
                       "packages here?" % suite)


def make_debian(name, f):
    for tool in ("mmdebstrap", "/sbin/mke2fs"):
        if not shutil.which(tool):
            raise LabError("--disk %s needs mmdebstrap and mke2fs: install the packages mmdebstrap "
                           "and e2fsprogs" % name)
    if os.geteuid():
        raise LabError("--disk %s: its image is not in the cache, and only root can make it, since "
                       "its files belong to many users" % name)
    say("making the root file system %s; this takes minutes, once" % name)
    with tempfile.TemporaryDirectory(prefix="mica-lab-") as tmp:
        tree = os.path.join(tmp, "tree")
        make_tree(DEBIAN[name], tree)
        f.truncate(DEBIAN_MIB * MIB)
        command = ["/sbin/mke2fs", "-q", "-t", "ext4", "-L", "root", "-d", tree,
                   "/dev/fd/%d" % f.fileno()]
        if subprocess.run(command, pass_fds=[f.fileno()]).returncode:
            raise LabError("mke2fs cannot put the root file system into %d MiB" % DEBIAN_MIB)


def debian(name):
    """Path of the root file system's image."""
    with open(os.path.realpath(__file__), "rb") as f:
        key = cache.digest(name, f.read())
    return cache.get("root", key, lambda f: make_debian(name, f))


def make_qcow2(raw, f):
    if not shutil.which("qemu-img"):
        raise LabError("a disk of the kind qcow2 needs qemu-img: install the package qemu-utils")
    command = ["qemu-img", "convert", "-f", "raw", "-O", "qcow2", raw, "/dev/fd/%d" % f.fileno()]
    if subprocess.run(command, pass_fds=[f.fileno()]).returncode:
        raise LabError("qemu-img cannot make a qcow2 image of %s" % raw)
    f.truncate((DEBIAN_MIB + QCOW2_ROOM_MIB) * MIB)


def qcow2(name):
    """Path of a qcow2 image of the root file system: the disk's bytes are those of the image."""
    raw = debian(name)
    return cache.get("qcow2", cache.digest(os.path.basename(raw), str(QCOW2_ROOM_MIB)),
                     lambda f: make_qcow2(raw, f))


def empty(size):
    if not size.isdigit() or not 1 <= int(size) <= 1 << 20:
        raise LabError("--disk empty:%s: a number of MiB is needed" % size)
    return cache.get("empty", size, lambda f: f.truncate(int(size) * MIB))


def find(name):
    """Path of the image that --disk names."""
    if name in DEBIAN:
        return debian(name)
    if name.endswith(".qcow2") and name[:-len(".qcow2")] in DEBIAN:
        return qcow2(name[:-len(".qcow2")])
    if name.startswith("empty:"):
        return empty(name[len("empty:"):])
    if not os.path.isfile(name):
        raise LabError("--disk %s: no such file (%s)" % (name, KINDS))
    return os.path.abspath(name)
