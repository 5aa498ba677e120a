# SPDX-License-Identifier: GPL-2.0-or-later
"""The parts of the lab that need no emulator."""

import importlib.machinery
import importlib.util
import io
import os
import stat
import struct
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
LAB = os.path.dirname(HERE)
REPOSITORY = os.path.dirname(os.path.dirname(LAB))
sys.path.insert(0, LAB)

import bochs
import bootimage
import cache
import channel
import disks
import emulator
import image
import kernels
import qemu


def load(name, path):
    """A program without .py in its name, as a module."""
    loader = importlib.machinery.SourceFileLoader(name, path)
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(name, loader))
    loader.exec_module(module)
    return module


class ChannelTest(unittest.TestCase):
    STREAM = b"\xa5H\0\0" b"\xa5O\x03\0abc" b"\xa5S\x01\0\x07" b"\xa5E\0\0"
    FRAMES = [("H", b""), ("O", b"abc"), ("S", b"\x07"), ("E", b"")]

    def test_whole_stream(self):
        self.assertEqual(channel.Decoder().feed(self.STREAM), self.FRAMES)

    def test_byte_by_byte(self):
        decoder = channel.Decoder()
        frames = []
        for byte in self.STREAM:
            frames += decoder.feed(bytes([byte]))
        self.assertEqual(frames, self.FRAMES)

    def test_length_has_two_bytes(self):
        self.assertEqual(channel.Decoder().feed(b"\xa5O\0\x10" + b"x" * 4096), [("O", b"x" * 4096)])

    def test_wrong_mark(self):
        with self.assertRaises(channel.ChannelError):
            channel.Decoder().feed(b"\xa6O\0\0")

    def test_wrong_type(self):
        with self.assertRaises(channel.ChannelError):
            channel.Decoder().feed(b"\xa5?\0\0")


class CpioTest(unittest.TestCase):
    """The archive is read back by a program that is not ours."""

    def unpack(self, data):
        with tempfile.TemporaryDirectory() as tmp:
            subprocess.run(["busybox", "cpio", "-idm"], input=data, cwd=tmp, check=True,
                           stderr=subprocess.DEVNULL)
            found = {}
            for directory, names, files in os.walk(tmp):
                for name in names + files:
                    path = os.path.join(directory, name)
                    found[os.path.relpath(path, tmp)] = self.describe(path)
            return found

    @staticmethod
    def describe(path):
        mode = os.lstat(path).st_mode
        if stat.S_ISLNK(mode):
            return "-> " + os.readlink(path)
        if stat.S_ISDIR(mode):
            return "dir %o" % stat.S_IMODE(mode)
        with open(path, "rb") as f:
            return "%o %s" % (stat.S_IMODE(mode), f.read().decode())

    def test_round_trip(self):
        out = io.BytesIO()
        cpio = image.Cpio(out)
        cpio.file("/a/b", b"one", 0o640)
        cpio.file("/a/c", b"three", 0o755)
        cpio.link("/a/l", "/a/b")
        cpio.directory("tmp")
        cpio.end()
        self.assertEqual(self.unpack(out.getvalue()), {
            "a": "dir 755", "a/b": "640 one", "a/c": "755 three", "a/l": "-> /a/b",
            "tmp": "dir 1777"})

    def test_merged_usr(self):
        out = io.BytesIO()
        cpio = image.Cpio(out)
        cpio.file("/lib64/ld.so", b"x")
        cpio.file("//bin/./sh", b"y", 0o755)
        cpio.end()
        self.assertEqual(sorted(self.unpack(out.getvalue())),
                         ["usr", "usr/bin", "usr/bin/sh", "usr/lib64", "usr/lib64/ld.so"])

    def test_paths_stay_inside(self):
        for path in ("../x", "/a/../../x", "", "/"):
            with self.subTest(path=path), self.assertRaises(cache.LabError):
                image.Cpio.normal(path)


class KernelsTest(unittest.TestCase):
    NAMES = ["6.1.0-9-cloud-amd64", "6.1.0-10-cloud-amd64", "6.1.0-11-amd64",
             "6.12.1+deb12-cloud-amd64", "6.1.0-12-cloud-amd64-dbg",
             "6.1.0-12-cloud-amd64-unsigned"]

    def test_newest_counts_and_keeps_to_its_series(self):
        self.assertEqual(kernels.newest(self.NAMES, "6.1."), "6.1.0-10-cloud-amd64")
        self.assertEqual(kernels.newest(self.NAMES, "6.12."), "6.12.1+deb12-cloud-amd64")
        self.assertIsNone(kernels.newest(self.NAMES, "6.2."))

    def test_no_kernel(self):
        with tempfile.NamedTemporaryFile() as f:
            f.write(b"\0" * 8192)
            f.flush()
            with self.assertRaisesRegex(cache.LabError, "not a Linux bzImage"):
                kernels.BzImage(f.name)

    def test_unknown_compression(self):
        with self.assertRaisesRegex(cache.LabError, "unknown way"):
            kernels.decompress(b"what is this", "x")

    def test_unknown_name(self):
        with self.assertRaisesRegex(cache.LabError, "neither 12, 13"):
            kernels.find("14")


def small_elf(segments, entry):
    """An ELF file with segments (address, content)."""
    head = struct.pack("<16sHHIQQQIHHHHHH", b"\x7fELF\x02\x01\x01", 2, 62, 1, entry, 64, 0, 0,
                       64, 56, len(segments) + 1, 0, 0, 0)
    offset = 64 + 56 * (len(segments) + 1)
    table = struct.pack("<IIQQQQQQ", 4, 4, offset, 0, 0, 1, 1, 4)	# a note is not loaded
    body = b""
    for address, content in segments:
        table += struct.pack("<IIQQQQQQ", 1, 7, offset + len(body), 0xffffffff80000000 + address,
                             address, len(content), len(content), 4096)
        body += content
    return head + table + body


class BootImageTest(unittest.TestCase):
    def test_segments_at_their_physical_addresses(self):
        elf = small_elf([(0x1000000, b"text"), (0x1001000, b"data\0\0")], 0x1000010)
        base, memory, entry = bootimage.flat_kernel(elf)
        self.assertEqual((base, entry), (0x1000000, 0x1000010))
        self.assertEqual(memory, b"text".ljust(0x1000, b"\0") + b"data")

    def test_rom(self):
        out = io.BytesIO()
        bootimage.make_rom(out)
        rom = out.getvalue()
        self.assertEqual(rom[:2], b"\x55\xaa")
        self.assertEqual(rom[2] * 512, len(rom))
        self.assertEqual(sum(rom) % 256, 0)

    def test_stub_is_as_large_as_the_disk_takes_it_for(self):
        stub = bootimage.assemble("stub.S", bootimage.ONE_MIB, KERNEL_ENTRY=0x1000000)
        self.assertEqual(len(stub), bootimage.STUB_SIZE)


class DisksTest(unittest.TestCase):
    def test_wrong_names(self):
        for name, word in (("/no/such.img", "no such file"), ("empty:", "number"),
                           ("empty:0", "number"), ("empty:1k", "number")):
            with self.assertRaisesRegex(cache.LabError, word):
                disks.find(name)

    def test_file(self):
        self.assertEqual(disks.find(__file__), os.path.abspath(__file__))

    def test_places_on_bochs(self):
        self.assertEqual(bochs.disk_lines([]), "")
        lines = bochs.disk_lines(["/a b", "/c", "/d"])
        self.assertIn('ata0-slave: type=disk, path="/a b", mode=volatile, journal=journal0,', lines)
        self.assertIn('ata1-master: type=disk, path="/c", mode=volatile, journal=journal1,', lines)
        self.assertIn('ata1-slave: type=disk, path="/d"', lines)
        self.assertEqual(lines.count("ata1: enabled=1"), 1)


class CacheTest(unittest.TestCase):
    def setUp(self):
        self.tmp = tempfile.TemporaryDirectory()
        self.addCleanup(self.tmp.cleanup)
        old = os.environ.get("XDG_CACHE_HOME")
        os.environ["XDG_CACHE_HOME"] = self.tmp.name
        self.addCleanup(self.restore, old)

    @staticmethod
    def restore(old):
        if old is None:
            del os.environ["XDG_CACHE_HOME"]
        else:
            os.environ["XDG_CACHE_HOME"] = old

    def test_made_once(self):
        made = []

        def make(f):
            made.append(1)
            f.write(b"content")
        first = cache.get("thing", "key", make)
        self.assertEqual(cache.get("thing", "key", make), first)
        self.assertEqual(len(made), 1)
        self.assertEqual(image.read(first), b"content")

    def test_nothing_is_left_of_a_failure(self):
        def make(f):
            f.write(b"half")
            raise cache.LabError("no more")
        with self.assertRaises(cache.LabError):
            cache.get("thing", "key", make)
        left = [n for n in os.listdir(cache.directory()) if not n.startswith(".lock")]
        self.assertEqual(left, [])

    def test_old_files_go(self):
        path = cache.get("thing", "old", lambda f: f.write(b"x"))
        os.utime(path, (1, 1))
        cache.get("thing", "new", lambda f: f.write(b"x"))
        self.assertFalse(os.path.exists(path))

    def test_digest_knows_where_parts_end(self):
        self.assertNotEqual(cache.digest("ab", "c"), cache.digest("a", "bc"))

    def test_file_digest_follows_the_file(self):
        path = os.path.join(self.tmp.name, "f")
        with open(path, "w") as f:
            f.write("one")
        before = cache.file_digest(path)
        self.assertEqual(cache.file_digest(path), before)
        with open(path, "w") as f:
            f.write("three")
        self.assertNotEqual(cache.file_digest(path), before)


class SweepTest(unittest.TestCase):
    def test_directory_of_a_dead_run_goes_and_of_a_living_stays(self):
        with tempfile.TemporaryDirectory() as tmp, emulator_in(tmp):
            dead = os.path.join(tmp, emulator.PREFIX + "dead")
            os.mkdir(dead)
            open(os.path.join(dead, "lock"), "w").close()
            with emulator.run_directory() as living:
                self.assertFalse(os.path.exists(dead))
                emulator.sweep()
                self.assertTrue(os.path.exists(living))
            self.assertEqual(os.listdir(tmp), [])


class emulator_in:
    """Makes tempfile use a directory of ours."""

    def __init__(self, path):
        self.path = path

    def __enter__(self):
        self.old = tempfile.tempdir
        tempfile.tempdir = self.path

    def __exit__(self, *_):
        tempfile.tempdir = self.old


class BuildModuleTest(unittest.TestCase):
    """The links in the build directory follow the tree."""

    def setUp(self):
        self.tool = load("build_module", os.path.join(REPOSITORY, "tools/build-module"))
        self.tmp = tempfile.TemporaryDirectory()
        self.addCleanup(self.tmp.cleanup)
        self.tool.REPOSITORY = os.path.join(self.tmp.name, "tree")
        self.farm = os.path.join(self.tmp.name, "farm")
        os.makedirs(self.farm)
        for path in ("Kbuild", "kmod/main.c", "kmod/vmx/exit.c", "kmod/old.o", "vmm/main.c"):
            self.write(path)

    def write(self, path):
        path = os.path.join(self.tool.REPOSITORY, path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        open(path, "w").close()

    def links(self):
        self.tool.sync(self.farm)
        return sorted(os.path.relpath(os.path.join(d, f), self.farm)
                      for d, _, files in os.walk(self.farm) for f in files)

    def test_sources_only(self):
        self.assertEqual(self.links(), ["Kbuild", "kmod/main.c", "kmod/vmx/exit.c"])

    def test_new_and_removed_files(self):
        self.links()
        for made in ("exit.o", ".exit.o.cmd"):
            open(os.path.join(self.farm, "kmod/vmx", made), "w").close()
        self.write("kmod/vmx/ept.c")
        os.unlink(os.path.join(self.tool.REPOSITORY, "kmod/vmx/exit.c"))
        self.assertEqual(self.links(), ["Kbuild", "kmod/main.c", "kmod/vmx/ept.c"])

    def test_objects_of_what_stays_are_kept(self):
        self.links()
        open(os.path.join(self.farm, "kmod/main.o"), "w").close()
        self.assertIn("kmod/main.o", self.links())

    def test_no_kbuild(self):
        os.unlink(os.path.join(self.tool.REPOSITORY, "Kbuild"))
        with self.assertRaises(self.tool.BuildError):
            self.links()

    def test_made_when_changed(self):
        made = []
        self.tool.headers = lambda release: self.farm
        self.tool.make = lambda *_: made.append(open(os.path.join(self.farm, "mica.ko"), "w").close())
        self.write("../farm/.config")
        turns = [lambda: None, lambda: None,
                 lambda: self.write("kmod/vmx/ept.c"), lambda: None,
                 lambda: os.utime(os.path.join(self.tool.REPOSITORY, "kmod/main.c"), (1, 1)),
                 lambda: os.utime(os.path.join(self.farm, ".config"), (1, 1)),
                 lambda: os.unlink(os.path.join(self.farm, "mica.ko")), lambda: None]
        counts = []
        for change in turns:
            change()
            self.tool.make_if_changed(self.farm, "6.1", None)
            counts.append(len(made))
        self.assertEqual(counts, [1, 1, 2, 2, 3, 4, 5, 5])

    def test_not_made_is_not_remembered(self):
        def fail(*_):
            raise self.tool.BuildError("no")
        self.tool.headers = lambda release: self.farm
        self.tool.make = fail
        self.write("../farm/.config")
        open(os.path.join(self.farm, "mica.ko"), "w").close()
        for _ in range(2):
            with self.assertRaises(self.tool.BuildError):
                self.tool.make_if_changed(self.farm, "6.1", None)

    def test_equal_output_is_left_alone(self):
        module = os.path.join(self.tmp.name, "mica.ko")
        output = os.path.join(self.tmp.name, "out")
        with open(module, "w") as f:
            f.write("module")
        target = self.tool.publish(module, output)
        os.utime(target, (1, 1))
        self.tool.publish(module, output)
        self.assertEqual(os.stat(target).st_mtime, 1)
        with open(module, "w") as f:
            f.write("other module")
        self.tool.publish(module, output)
        self.assertEqual(image.read(target), b"other module")


class OptionsTest(unittest.TestCase):
    def setUp(self):
        self.lab = load("lab_program", os.path.join(LAB, "lab"))

    def parse(self, *arguments):
        options = self.lab.parser().parse_args(arguments + (__file__, "-x", "y"))
        self.lab.check(options)
        return options

    def test_defaults(self):
        options = self.parse()
        self.assertEqual((options.cpu, options.emulator, options.kernel, options.smp,
                          options.memory, options.time), ("vmx", "bochs", "12", 1, 1024, 300))
        self.assertEqual(options.arguments, ["-x", "y"])

    def test_emulator_follows_cpu(self):
        self.assertEqual(self.parse("--cpu", "svm").emulator, "qemu")
        self.assertEqual(self.parse("--cpu", "none").emulator, "qemu")
        self.assertEqual(self.parse("--cpu", "svm", "--emulator", "bochs").emulator, "bochs")

    def test_nothing_runs_on_cpu_0_beside_others(self):
        for arguments, arg in ((("--cpu", "svm", "--smp", "2"), "isolcpus=0"),
                               (("--cpu", "svm", "--smp", "2", "--icount"), ""),
                               (("--cpu", "svm"), ""), (("--cpu", "none", "--smp", "2"), "")):
            with self.subTest(arguments=arguments):
                options = self.parse(*arguments)
                self.assertEqual([a for a in qemu.kernel_arguments(options) if a.startswith("isol")],
                                 [arg] if arg else [])
                self.assertEqual(qemu.spare_cpus(options), 1 if arg else 0)

    def test_hosts_that_lose_interrupts_have_a_heartbeat(self):
        for arguments, has in ((("--cpu", "svm", "--smp", "2"), True), (("--cpu", "svm"), True),
                               (("--cpu", "svm", "--icount"), False), (("--cpu", "none"), False)):
            with self.subTest(arguments=arguments):
                options = self.parse(*arguments)
                self.assertEqual("lab.heartbeat" in qemu.kernel_arguments(options), has)

    def test_length_of_an_instruction(self):
        for ips, shift in ((None, 0), (10 ** 9, 0), (125 * 10 ** 6, 3), (4 * 10 ** 9, 0)):
            self.assertEqual(qemu.icount_shift(ips), shift)

    def test_what_cannot_be(self):
        for arguments in (("--emulator", "qemu"), ("--net", "/tmp/x:1"), ("--memory", "64")):
            with self.subTest(arguments=arguments), self.assertRaises(cache.LabError):
                self.parse(*arguments)

    def test_copy(self):
        self.assertEqual(self.parse("--copy", "/a/b:/c/").copy, [("/a/b", "/c/b")])
        self.assertEqual(self.parse("--copy", "/a/b").copy, [("/a/b", "/a/b")])


if __name__ == "__main__":
    unittest.main()
