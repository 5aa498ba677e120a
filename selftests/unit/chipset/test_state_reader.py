#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""test_state_reader.py PROGRAM: boards' checkpoints, that `PROGRAM FILE SEED` writes, before the reader in
Python, which knows nothing but the specification."""

import os
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../state"))

import read_checkpoint
import verify_chips


class Reader(unittest.TestCase):
    def records(self, seed):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "checkpoint")
            subprocess.run([sys.argv[1], path, str(seed)], check=True)
            with open(path, "rb") as file:
                checkpoint = read_checkpoint.Checkpoint(file, read_checkpoint.read_types())
                checkpoint.verify()
        return checkpoint.records

    def test_good(self):
        for seed in range(1, 41):
            with self.subTest(seed=seed):
                self.records(seed)

    def refuse(self, records, kind, offset, bits, words):
        payload = bytearray(records[kind, 0 if kind != verify_chips.PCI_FUNCTION else 3])
        payload[offset] ^= bits
        changed = dict(records)
        changed[kind, 0 if kind != verify_chips.PCI_FUNCTION else 3] = bytes(payload)
        with self.assertRaisesRegex(read_checkpoint.Bad, words):
            verify_chips.verify(changed, read_checkpoint.need)

    def test_changes(self):
        records = self.records(2)
        for kind, places in verify_chips.PADDING.items():
            for at, length in places:
                self.refuse(records, kind, at + length - 1, 1, "padding")
        self.refuse(records, verify_chips.PIT, 213, 1, "lines")
        self.refuse(records, verify_chips.IOAPIC, 192, 0x80, "pin 7|the lines")
        self.refuse(records, verify_chips.PIC, 8, 4, "PIC")
        self.refuse(records, verify_chips.RTC, 53, 0x80, "RTC")
        self.refuse(records, verify_chips.UART, 16, 16, "UART")
        self.refuse(records, verify_chips.PM, 8, 2, "PM")
        del records[verify_chips.I8042, 0]
        with self.assertRaisesRegex(read_checkpoint.Bad, "0x0207 is not there"):
            verify_chips.verify(records, read_checkpoint.need)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
