# SPDX-License-Identifier: GPL-2.0-or-later
"""Finds Debian's cloud kernels: installed ones, else the packages, unpacked in the cache."""

import glob
import os
import re
import shutil
import struct
import subprocess
import tempfile

import cache
from cache import LabError, say

# What --kernel 12 and 13 mean: the series of that Debian's cloud kernel.
SERIES = {"12": "6.1.", "13": "6.12."}
RELEASE = re.compile(r"^\d+\.\d+\.[0-9][^/\s]*-cloud-amd64$")


class Kernel:
    """A kernel that can be booted: its release, image, and modules (None if it has none)."""

    def __init__(self, release, vmlinuz, modules):
        self.release = release
        self.vmlinuz = vmlinuz
        self.modules = modules


def version_key(release):
    """Sorts releases as numbers: 6.1.0-9 before 6.1.0-10."""
    return [int(n) for n in re.findall(r"\d+", release)]


def installed(release, root="/"):
    vmlinuz = os.path.join(root, "boot/vmlinuz-" + release)
    modules = os.path.join(root, "lib/modules", release)
    if os.access(vmlinuz, os.R_OK) and os.path.isdir(os.path.join(modules, "kernel")):
        return Kernel(release, vmlinuz, modules)
    return None


def unpacked_root(release):
    return os.path.join(cache.directory(), "kernel-" + release)


def newest(names, series):
    names = [n for n in names if n.startswith(series) and RELEASE.match(n)]
    return max(names, key=version_key) if names else None


def local():
    """Releases that are installed or in the cache."""
    return [os.path.basename(p)[len("vmlinuz-"):] for p in glob.glob("/boot/vmlinuz-*")
            + glob.glob(os.path.join(unpacked_root("*"), "boot/vmlinuz-*"))]


def packaged(series):
    """Releases that apt knows."""
    if not shutil.which("apt-cache"):
        return []
    done = subprocess.run(["apt-cache", "pkgnames", "linux-image-" + series],
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return [n[len("linux-image-"):] for n in done.stdout.split()]


def has_headers(release):
    return os.path.exists("/usr/src/linux-headers-%s/Module.symvers" % release)


def choose(series):
    """The newest release of the series. One whose headers are here comes first, since only
    for that one can the module be built; and one that is here, since apt is slow."""
    release = newest(filter(has_headers, local()), series)
    if not release:
        names = local() + packaged(series)
        release = newest(filter(has_headers, names), series) or newest(names, series)
    if not release:
        raise LabError("no cloud kernel %sx found: run 'apt-get update', and for Debian 13's "
                       "kernel enable bookworm-security or bookworm-backports" % series)
    return release


def download(release):
    """Unpack the kernel's package into the cache; nothing is installed."""
    root = unpacked_root(release)
    package = "linux-image-" + release
    with cache.lock("kernel-" + release), tempfile.TemporaryDirectory(
            dir=cache.directory(), prefix=".new-") as tmp:
        if installed(release, root):
            return
        say("fetching %s" % package)
        if subprocess.run(["apt-get", "-q", "download", "-o", "APT::Sandbox::User=root", package],
                          cwd=tmp, stdout=subprocess.DEVNULL).returncode:
            raise LabError("cannot fetch %s: run 'apt-get update' (and install the headers of "
                           "the kernel it then offers)" % package)
        debs = glob.glob(os.path.join(tmp, "*.deb"))
        tree = os.path.join(tmp, "tree")
        if len(debs) != 1 or subprocess.run(["dpkg-deb", "-x", debs[0], tree]).returncode:
            raise LabError("cannot unpack %s" % package)
        # The package's own script does this when it is installed.
        depmod = shutil.which("depmod") or "/sbin/depmod"
        if subprocess.run([depmod, "-b", tree, release]).returncode:
            raise LabError("depmod fails: is the package kmod installed?")
        os.rename(tree, root)


def find(name):
    """The kernel that --kernel names: 12, 13, a release, or the path of a vmlinuz."""
    if "/" in name:
        return by_path(name)
    release = choose(SERIES[name]) if name in SERIES else name
    if not RELEASE.match(release):
        raise LabError("--kernel %s: neither 12, 13, a cloud kernel's release, nor a path" % name)
    kernel = installed(release) or installed(release, unpacked_root(release))
    if not kernel:
        download(release)
        kernel = installed(release, unpacked_root(release))
    if not kernel:
        raise LabError("linux-image-%s holds no kernel" % release)
    if os.path.isdir(unpacked_root(release)):
        os.utime(unpacked_root(release))	# used: the cache keeps it
    return kernel


def by_path(path):
    if not os.path.isfile(path):
        raise LabError("--kernel %s: no such file" % path)
    release = BzImage(path).release
    root = os.path.dirname(os.path.dirname(os.path.abspath(path)))
    for base in (root, "/"):
        modules = os.path.join(base, "lib/modules", release)
        if os.path.isdir(os.path.join(modules, "kernel")):
            return Kernel(release, path, modules)
    return Kernel(release, path, None)


class BzImage:
    """A Linux bzImage, as far as "The Linux/x86 Boot Protocol" describes it."""

    SETUP_SECTS = 0x1f1
    SYSSIZE = 0x1f4
    VID_MODE = 0x1fa
    BOOT_FLAG = 0x1fe
    MAGIC = 0x202
    VERSION = 0x206
    KERNEL_VERSION = 0x20e
    TYPE_OF_LOADER = 0x210
    LOADFLAGS = 0x211
    CODE32_START = 0x214
    RAMDISK_IMAGE = 0x218
    RAMDISK_SIZE = 0x21c
    HEAP_END_PTR = 0x224
    CMD_LINE_PTR = 0x228
    XLOADFLAGS = 0x236
    PAYLOAD_OFFSET = 0x248
    PAYLOAD_LENGTH = 0x24c
    PREF_ADDRESS = 0x258
    INIT_SIZE = 0x260

    def __init__(self, path):
        with open(path, "rb") as f:
            self.data = f.read()
        self.path = path
        if len(self.data) < 0x1000 or self.data[self.MAGIC:self.MAGIC + 4] != b"HdrS":
            raise LabError("%s: not a Linux bzImage" % path)
        if self.u16(self.VERSION) < 0x20a:
            raise LabError("%s: boot protocol older than 2.10" % path)
        self.setup_size = ((self.data[self.SETUP_SECTS] or 4) + 1) * 512

    def u16(self, offset):
        return struct.unpack_from("<H", self.data, offset)[0]

    def u32(self, offset):
        return struct.unpack_from("<I", self.data, offset)[0]

    @property
    def release(self):
        start = self.u16(self.KERNEL_VERSION) + 0x200
        version = self.data[start:start + 256].split(b"\0")[0]
        return version.split(b" ")[0].decode("ascii", "replace")

    def vmlinux(self):
        """The ELF file inside. The payload ends with its uncompressed size in 4 bytes."""
        start = self.setup_size + self.u32(self.PAYLOAD_OFFSET)
        payload = self.data[start:start + self.u32(self.PAYLOAD_LENGTH)]
        size = struct.unpack("<I", payload[-4:])[0]
        elf = decompress(payload[:-4], self.path)
        if len(elf) != size or elf[:4] != b"\x7fELF":
            raise LabError("%s: its payload is not an ELF file of %d bytes" % (self.path, size))
        return elf


COMPRESSIONS = (
    (b"\x02\x21\x4c\x18", ["lz4", "-dc"]),
    (b"\x28\xb5\x2f\xfd", ["zstd", "-dcq"]),
    (b"\xfd7zXZ", ["xz", "-dc"]),
    (b"\x1f\x8b", ["gzip", "-dc"]),
)


def decompress(data, path):
    for magic, command in COMPRESSIONS:
        if data.startswith(magic):
            if not shutil.which(command[0]):
                raise LabError("%s: needs the program '%s' to unpack it" % (path, command[0]))
            done = subprocess.run(command, input=data, stdout=subprocess.PIPE)
            if done.returncode:
                raise LabError("%s: %s cannot unpack it" % (path, command[0]))
            return done.stdout
    raise LabError("%s: compressed in an unknown way (%s)" % (path, data[:4].hex()))
