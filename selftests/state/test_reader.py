#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""test_reader.py PROGRAM MICA: the C writer's files before the reader in Python, which knows nothing but
the specification; `PROGRAM FILE` writes one.  And `mica inspect`, and the specification before types.def."""

import json
import os
import re
import subprocess
import sys
import tempfile
import unittest

import read_checkpoint

TYPES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../vmm/state/types.def")
ROW = re.compile(r'^STATE_TYPE\((\w+),\s*0x([0-9a-f]{4}),\s*(\d+),\s*(\d+),', re.M)


def verify(path):
    with open(path, "rb") as file:
        checkpoint = read_checkpoint.Checkpoint(file, read_checkpoint.read_types())
        checkpoint.verify()
    return checkpoint


class Reader(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.path = os.path.join(cls.folder.name, "checkpoint")
        subprocess.run([sys.argv[1], cls.path], check=True)

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def test_good(self):
        checkpoint = verify(self.path)
        self.assertEqual(len(checkpoint.instances(read_checkpoint.CPU_FIRST)), 2)
        self.assertEqual(checkpoint.records[read_checkpoint.MACHINE, 0], b'{"name":"test"}')

    def test_table(self):
        with open(TYPES, encoding="utf-8") as text:
            rows = {int(number, 16): (name, int(low), int(high)) for name, number, low, high in ROW.findall(text.read())}
        self.assertEqual(rows, read_checkpoint.read_types())

    def change(self, offset, data):
        path = self.path + "-changed"
        subprocess.run(["cp", "--sparse=always", self.path, path], check=True)
        with open(path, "r+b") as file:
            file.seek(offset, os.SEEK_SET if offset >= 0 else os.SEEK_END)
            file.write(data)
        with self.assertRaises(read_checkpoint.Bad):
            verify(path)

    def inspect(self, *words):
        return subprocess.run([sys.argv[2], "inspect", *words], capture_output=True, text=True, check=False)

    def test_inspect_text(self):
        done = self.inspect(self.path, "--verify")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn("guest            te\\u001b[1mst\n", done.stdout)
        self.assertIn("16 KiB of it not zero", done.stdout)
        self.assertIn("every page of memory", done.stdout)
        self.assertFalse([c for c in done.stdout if c != "\n" and not c.isprintable()])

    def test_inspect_json(self):
        done = self.inspect("--json", self.path)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        shown = json.loads(done.stdout)
        checkpoint = verify(self.path)
        self.assertEqual([(record["type"], record["instance"], record["length"]) for record in shown["records"]],
                         [(*key, len(payload)) for key, payload in checkpoint.records.items()])
        self.assertEqual([vcpu["rip"] for vcpu in shown["vcpus"]], ["0x1000", "0x1001"])
        self.assertEqual(shown["memory"][0]["pages"], 4)
        self.assertIs(shown["verified"], False)

    def test_inspect_refuses(self):
        """Without --verify RAM is not read."""
        offset = read_checkpoint.MEMORY.unpack(verify(self.path).records[read_checkpoint.MEMORY_TYPE, 0])[2]
        path = self.path + "-ram"
        subprocess.run(["cp", "--sparse=always", self.path, path], check=True)
        with open(path, "r+b") as file:
            file.seek(offset)
            file.write(b"x")
        self.assertEqual(self.inspect(path).returncode, 0)
        for words, text in (((path, "--verify"), "the page at 0x0 of the guest's memory is damaged"),
                            ((os.path.abspath(__file__),), "not a checkpoint of mica"),
                            ((self.path + "-none",), "No such file"), (("/dev/null",), "no regular file")):
            done = self.inspect(*words)
            self.assertEqual((done.returncode, done.stdout), (4, ""))
            self.assertRegex(done.stderr, "^mica: .*%s.*\n$" % re.escape(text))
        self.assertEqual(self.inspect().returncode, 2)
        self.assertEqual(self.inspect(path, path).returncode, 2)

    def test_changes(self):
        """Header, RAM that is there, RAM that should be zero, a page checksum, a record."""
        memory = read_checkpoint.MEMORY.unpack(verify(self.path).records[read_checkpoint.MEMORY_TYPE, 0])
        offset, table = memory[2], memory[3]
        for place in (0, 17, 48, 100, offset + 1, offset + (3 << 20), table, table + 4096, -1, -100):
            self.change(place, b"\x5a")

    def test_cut(self):
        path = self.path + "-cut"
        size = os.path.getsize(self.path)
        for left in (0, 63, 64, 4096, size - 8, size - 1):
            subprocess.run(["cp", "--sparse=always", self.path, path], check=True)
            os.truncate(path, left)
            with self.assertRaises(read_checkpoint.Bad):
                verify(path)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
