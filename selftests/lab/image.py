# SPDX-License-Identifier: GPL-2.0-or-later
"""Builds the host's initramfs: a base that many runs share, and a small overlay for this run.

Both are cpio archives ("initramfs buffer format" in the kernel's documentation); the kernel
unpacks one after the other. They are not compressed: unpacking costs more than copying here.
"""

import glob
import io
import lzma
import os
import re
import shutil
import stat
import subprocess
import tempfile

import cache
import kernels
from cache import LabError, say

HERE = os.path.dirname(os.path.realpath(__file__))
REPOSITORY = os.path.dirname(os.path.dirname(HERE))

# With what they depend on. What a kernel has built in, or has not, is passed over.
MODULES = ("kvm", "kvm-intel", "kvm-amd", "irqbypass", "msr", "cpuid", "tun", "bridge", "veth",
           "virtio_pci", "virtio_net", "virtio_blk", "virtio_rng", "loop", "nbd", "fuse", "ext4",
           "virtio_balloon", "virtio_console", "vhost_net", "null_blk", "overlay", "ata_piix",
           "sd_mod", "vmw_vsock_virtio_transport", "virtiofs")

DIRECTORIES = ("usr/bin", "usr/sbin", "usr/lib", "usr/lib64", "usr/local/bin", "usr/local/sbin",
               "dev", "proc", "sys", "tmp", "run", "root", "etc", "var/tmp", "mnt", "guests", "lab")
# Debian's merged /usr: libraries keep the paths that programs were linked with.
MERGED = ("bin", "sbin", "lib", "lib64")

GUEST_DIRECTORIES = ("usr/bin", "usr/sbin", "dev", "proc", "sys", "tmp", "root", "etc", "mnt")

PASSWD = "root:x:0:0:root:/root:/bin/sh\nmica:x:1000:1000:in group mica:/tmp:/bin/sh\n" \
         "nobody:x:65534:65534:nobody:/:/bin/sh\n"
GROUP = "root:x:0:\nmica:x:100:mica\nusers:x:1000:\nnogroup:x:65534:\n"


class Cpio:
    """Writes a cpio archive of the "newc" kind; parents are made, links of merged /usr followed."""

    def __init__(self, f, have=()):
        self.f = f
        self.inode = 0
        self.have = set(have)

    @staticmethod
    def normal(path):
        parts = [p for p in path.split("/") if p not in ("", ".")]
        if ".." in parts or not parts:
            raise LabError("'%s' is not a path inside the host" % path)
        return "/".join((["usr"] if parts[0] in MERGED else []) + parts)

    def entry(self, name, mode, data=b"", device=(0, 0)):
        self.inode += 1
        raw = name.encode() + b"\0"
        fields = (self.inode, mode, 0, 0, 1, 0, len(data), 0, 0, device[0], device[1], len(raw), 0)
        head = b"070701" + b"".join(b"%08x" % n for n in fields) + raw
        self.f.write(head + b"\0" * (-len(head) % 4))
        self.f.write(data)
        self.f.write(b"\0" * (-len(data) % 4))

    def parents(self, path):
        at = os.path.dirname(path)
        if at:
            self.directory(at)

    def directory(self, path):
        if path in self.have:
            return
        self.parents(path)
        self.have.add(path)
        mode = 0o1777 if path in ("tmp", "var/tmp") else 0o755
        self.entry(path, stat.S_IFDIR | mode)

    def file(self, path, data, mode=0o644):
        path = self.normal(path)
        self.parents(path)
        self.entry(path, stat.S_IFREG | mode, data)

    def link(self, path, target):
        path = self.normal(path)
        self.parents(path)
        self.entry(path, stat.S_IFLNK | 0o777, target.encode())

    def end(self):
        self.entry("TRAILER!!!", 0)


def read(path):
    with open(path, "rb") as f:
        return f.read()


def busybox_path():
    path = shutil.which("busybox")
    if not path:
        raise LabError("busybox is missing: install the package busybox-static")
    if needed_libraries(path):
        raise LabError("%s is not static: install the package busybox-static" % path)
    return path


def needed_libraries(path):
    """Shared libraries of the ELF file (its program interpreter too), by ldd."""
    with open(path, "rb") as f:
        if f.read(4) != b"\x7fELF":
            return []
    done = subprocess.run(["ldd", path], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, env=dict(os.environ, LC_ALL="C"))
    if done.returncode:
        return []	# static
    missing = re.search(r"^\s*(\S+) => not found", done.stdout, re.M)
    if missing:
        raise LabError("%s needs %s, which is not here" % (path, missing.group(1)))
    return re.findall(r"(?:=> |^\s*)(/\S+) \(0x", done.stdout, re.M)


def add_busybox(cpio):
    path = busybox_path()
    cpio.file("/bin/busybox", read(path), 0o755)
    applets = subprocess.run([path, "--list-full"], stdout=subprocess.PIPE, text=True,
                             check=True).stdout.split()
    for applet in applets:
        if os.path.basename(applet) != "busybox":
            cpio.link(applet, "/usr/bin/busybox")


def guest_initrd():
    """The initrd for guests that only have to show that they run."""
    out = io.BytesIO()
    cpio = Cpio(out)
    for path in GUEST_DIRECTORIES:
        cpio.directory(path)
    for name in ("bin", "sbin"):
        cpio.entry(name, stat.S_IFLNK | 0o777, ("usr/" + name).encode())
    cpio.entry("dev/console", stat.S_IFCHR | 0o600, device=(5, 1))
    add_busybox(cpio)
    cpio.file("/init", read(os.path.join(HERE, "rootfs/guest-init")), 0o755)
    cpio.end()
    return out.getvalue()


def module_name(path):
    return os.path.basename(path).split(".ko")[0].replace("-", "_")


def module_files(kernel):
    """{path under the modules' directory: [paths it depends on]} for MODULES of the kernel."""
    depends = {}
    with open(os.path.join(kernel.modules, "modules.dep")) as f:
        for line in f:
            path, rest = line.split(":")
            depends[path] = rest.split()
    by_name = {module_name(path): path for path in depends}
    wanted = {}
    todo = [by_name[name.replace("-", "_")] for name in MODULES
            if name.replace("-", "_") in by_name]
    while todo:
        path = todo.pop()
        if path not in wanted:
            wanted[path] = depends[path]
            todo += depends[path]
    return wanted


def add_modules(cpio, kernel):
    top = "/lib/modules/%s/" % kernel.release
    dep = ""
    for path, needs in sorted(module_files(kernel).items()):
        data = read(os.path.join(kernel.modules, path))
        if path.endswith(".xz"):
            data = lzma.decompress(data)
        plain = path.removesuffix(".xz")
        cpio.file(top + plain, data)
        dep += "%s: %s\n" % (plain, " ".join(n.removesuffix(".xz") for n in needs))
    cpio.file(top + "modules.dep", dep.encode())
    for name in ("modules.builtin", "modules.order"):
        cpio.file(top + name, read(os.path.join(kernel.modules, name)))


def guest_kernels():
    """{name: Kernel} of what goes under /guests; one that cannot be had is left out."""
    found = {}
    for name in sorted(kernels.SERIES):
        try:
            found[name] = kernels.find(name)
        except LabError as error:
            say("no guest kernel %s: %s" % (name, error))
    return found


def make_base(f, kernel, guests):
    cpio = Cpio(f)
    for path in DIRECTORIES:
        cpio.directory(path)
    for name in MERGED:
        cpio.entry(name, stat.S_IFLNK | 0o777, ("usr/" + name).encode())
    cpio.entry("dev/console", stat.S_IFCHR | 0o600, device=(5, 1))
    cpio.entry("dev/null", stat.S_IFCHR | 0o666, device=(1, 3))
    add_busybox(cpio)
    cpio.file("/etc/passwd", PASSWD.encode())
    cpio.file("/etc/group", GROUP.encode())
    if kernel.modules:
        add_modules(cpio, kernel)
    for name, guest in guests.items():
        cpio.file("/guests/%s/vmlinuz" % name, read(guest.vmlinuz))
        cpio.file("/guests/%s/release" % name, guest.release.encode() + b"\n")
    cpio.file("/guests/initrd", guest_initrd())
    cpio.end()


def base(kernel):
    """Path of the base archive for hosts of this kernel."""
    guests = guest_kernels()
    key = [kernel.release, cache.file_digest(kernel.vmlinuz), cache.file_digest(busybox_path())]
    key += [read(os.path.join(HERE, name)) for name in ("image.py", "rootfs/guest-init")]
    for name, guest in guests.items():
        key += [name, cache.file_digest(guest.vmlinuz)]

    def make(f):
        say("packing the base of the host's image (%s)" % kernel.release)
        make_base(f, kernel, guests)
    return cache.get("base", cache.digest(*key), make)


def compile_program(name, f):
    with tempfile.TemporaryDirectory(prefix="mica-lab-") as tmp:
        target = os.path.join(tmp, name)
        command = ["gcc", "-O2", "-Wall", "-Wextra", "-Werror", "-static", "-s", "-o", target,
                   os.path.join(HERE, "rootfs", name + ".c")]
        if subprocess.run(command).returncode:
            raise LabError("cannot compile rootfs/%s.c: are gcc and libc6-dev installed?" % name)
        f.write(read(target))


def program(name):
    """Path of a program of the host's root file system, made of rootfs/NAME.c."""
    source = read(os.path.join(HERE, "rootfs", name + ".c"))
    return cache.get(name, cache.digest(source), lambda f: compile_program(name, f))


class Overlay:
    """What is of this run only."""

    def __init__(self):
        self.out = io.BytesIO()
        self.cpio = Cpio(self.out, set(DIRECTORIES) | {"usr"})
        self.libraries = set()

    def add(self, path, data, mode=0o644):
        self.cpio.file(path, data, mode)

    def copy(self, source, dest):
        """Copy a file or a directory, and the shared libraries that programs in it need."""
        if os.path.isdir(source):
            self.copy_tree(source, dest)
        elif os.path.isfile(source):
            self.copy_file(source, dest)
        else:
            raise LabError("--copy: no file or directory '%s'" % source)

    def copy_tree(self, source, dest):
        self.cpio.directory(self.cpio.normal(dest))
        for name in sorted(os.listdir(source)):
            path = os.path.join(source, name)
            if os.path.islink(path) and not os.path.isabs(os.readlink(path)):
                self.cpio.link(os.path.join(dest, name), os.readlink(path))
            elif os.path.isdir(path):
                self.copy_tree(path, os.path.join(dest, name))
            elif os.path.isfile(path):
                self.copy_file(path, os.path.join(dest, name))

    def copy_file(self, source, dest):
        mode = stat.S_IMODE(os.stat(source).st_mode)
        self.cpio.file(dest, read(source), mode)
        if mode & 0o111 or ".so" in os.path.basename(source):
            for library in needed_libraries(source):
                self.add_library(library)

    def add_library(self, path):
        if self.cpio.normal(path) not in self.libraries:
            self.libraries.add(self.cpio.normal(path))
            self.cpio.file(path, read(path), 0o755)

    def finish(self):
        self.cpio.end()
        return self.out.getvalue()


def build_directory():
    return os.environ.get("MICA_BUILD") or os.path.join(REPOSITORY, "build")


def dlopened():
    """Libraries that mica loads when it needs them."""
    return [path for path in glob.glob("/usr/lib/*/libnbd.so.0") if os.path.exists(path)]


def overlay(kernel, script, arguments, copies, module):
    """Bytes of the overlay archive. @copies: (source, dest) pairs; @module: path or None."""
    over = Overlay()
    over.add("/init", read(os.path.join(HERE, "rootfs/init")), 0o755)
    for name in ("labrun", "heartbeat"):
        over.add("/usr/bin/" + name, read(program(name)), 0o755)
    inside = "/lab/" + os.path.basename(script)
    over.add(inside, read(script), 0o755)
    argv = ["/bin/sh", inside] + arguments
    over.add("/lab/argv", b"".join(os.fsencode(a) + b"\0" for a in argv))
    if module:
        over.add("/lab/mica.ko", read(module))
    mica = os.path.join(build_directory(), "vmm/mica")
    if os.path.isfile(mica):
        over.copy_file(mica, "/usr/bin/mica")
        for library in dlopened():
            over.copy_file(library, library)
    else:
        say("note: no %s, so there is no mica in the host" % mica)
    for source, dest in copies:
        over.copy(source, dest)
    return over.finish()
