#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Verifies a checkpoint file completely, by its specification alone (docs/checkpoint-format.md).

    read_checkpoint.py FILE...        status 0 if all are good, else 1 and a line for each bad one
    read_checkpoint.py --list FILE    its records as well
"""

import json
import os
import re
import struct
import sys

import xxhash

import verify_chips

SPECIFICATION = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../docs/checkpoint-format.md")
MAGIC = bytes.fromhex("894d4943410d0a1a")
HEADER = struct.Struct("<8sIIQQQQQQ")
RECORD = struct.Struct("<IIIIQQ")
MEMORY = struct.Struct("<QQQQQQQII")
PAGE = 4096
CHUNK = 2 << 20
RECORDS_MAX = 16 << 20
COUNT_MAX = 8191
UNKNOWN_MAX = 1 << 20
OPTIONAL = 1
END, ORIGIN, MACHINE = 0x0001, 0x0100, 0x0101
MEMORY_TYPE, CPU_FIRST, CPU_CPUID, CPU_TSC = 0x0102, 0x0110, 0x011a, 0x011b
CPU_TYPES = tuple(range(0x0110, 0x0116)) + (0x0118, 0x0119, 0x011a, 0x011b)


class Bad(Exception):
    """The file is not what the specification says."""


def need(condition, words, *values):
    if not condition:
        raise Bad(words % values)


def xxh3(data):
    return xxhash.xxh3_64_intdigest(data)


def read_types():
    """The table of the specification: {number: (name, smallest, largest)}."""
    row = re.compile(r"^\| 0x([0-9a-f]{4}) \| (\w+) \| (\d+)(?:\.\.(\d+))? \|")
    types = {}
    with open(SPECIFICATION, encoding="utf-8") as text:
        for found in filter(None, map(row.match, text)):
            number = int(found[1], 16)
            need(number not in types, "the specification has 0x%04x twice", number)
            types[number] = (found[2], int(found[3]), int(found[4] or found[3]))
    return types


class Checkpoint:
    def __init__(self, file, types):
        self.types = types
        self.records = {}
        self.file = file
        self.size = os.fstat(self.file.fileno()).st_size
        self.read_header()
        self.read_records()

    def read_at(self, offset, length):
        data = os.pread(self.file.fileno(), length, offset)
        need(len(data) == length, "%d bytes at %d cannot be read", length, offset)
        return data

    # The frame

    def read_header(self):
        need(self.size >= HEADER.size, "too short for a header")
        data = self.read_at(0, HEADER.size)
        (magic, version, header_size, file_size, self.records_offset, self.records_length,
         self.records_checksum, reserved, checksum) = HEADER.unpack(data)
        need(magic == MAGIC, "no checkpoint")
        need(checksum == xxh3(data[:56]), "the header's checksum is wrong")
        need(version == 1 and header_size == 64, "version %d, header of %d bytes", version, header_size)
        need(file_size == self.size, "%d bytes in place of %d", self.size, file_size)
        need(self.records_offset >= PAGE and self.records_offset % PAGE == 0 and reserved == 0 and
             self.records_offset + self.records_length == file_size, "the header makes no sense")
        need(self.records_length <= RECORDS_MAX, "too long records")
        need(not any(self.read_at(HEADER.size, PAGE - HEADER.size)), "no zeroes behind the header")

    def read_records(self):
        data = self.read_at(self.records_offset, self.records_length)
        need(xxh3(data) == self.records_checksum, "the records' checksum is wrong")
        at = 0
        while True:
            kind, instance, payload, at = self.read_record(data, at)
            if kind == END:
                break
            need((kind, instance) not in self.records, "two records 0x%04x, %d", kind, instance)
            self.records[kind, instance] = payload
        need(at == len(data) and instance == 0 and struct.unpack("<Q", payload)[0] == len(self.records),
             "the end is not where it should be")
        need(len(self.records) <= COUNT_MAX, "too many records")

    def read_record(self, data, at):
        need(len(data) - at >= RECORD.size, "the records have no end")
        kind, flags, instance, reserved, length, checksum = RECORD.unpack_from(data, at)
        start = at + RECORD.size
        end = start + (length + 7) // 8 * 8
        need(end <= len(data), "the record at %d is too long", at)
        need(xxh3(data[at:at + 24] + data[start:end]) == checksum, "the checksum of the record at %d", at)
        need(flags & ~OPTIONAL == 0 and reserved == 0 and not any(data[start + length:end]),
             "the record at %d: flags, reserved or padding", at)
        need(kind in self.types or flags & OPTIONAL, "the unknown type 0x%04x", kind)
        _, smallest, largest = self.types.get(kind, ("?", 0, UNKNOWN_MAX))
        need(smallest <= length <= largest, "0x%04x has %d bytes", kind, length)
        return kind, instance, data[start:start + length], end

    # What is in it

    def instances(self, kind):
        found = sorted(instance for number, instance in self.records if number == kind)
        need(found == list(range(len(found))), "the instances of 0x%04x have gaps", kind)
        return found

    def verify(self):
        self.verify_origin()
        self.verify_machine()
        self.verify_vcpus()
        verify_chips.verify(self.records, need)
        for instance in self.instances(MEMORY_TYPE):
            self.verify_memory(self.records[MEMORY_TYPE, instance])

    def verify_origin(self):
        payload = self.records.get((ORIGIN, 0))
        if payload is None:
            return
        need(not any(payload[8:16]), "ORIGIN: reserved")
        for field in (payload[16:80], payload[80:112]):
            text, _, rest = field.partition(b"\0")
            need(len(text) < len(field) and not any(rest), "ORIGIN: no zeroes behind a text")
            text.decode("utf-8")

    def verify_machine(self):
        payload = self.records.get((MACHINE, 0))
        if payload is not None:
            need(isinstance(json.loads(payload.decode("utf-8")), dict), "MACHINE: no object")

    def verify_vcpus(self):
        vcpus = self.instances(CPU_FIRST)
        for kind in CPU_TYPES:
            need(self.instances(kind) == vcpus, "0x%04x is not there for every vCPU", kind)
        for vcpu in vcpus:
            cpuid = self.records[CPU_CPUID, vcpu]
            need(len(cpuid) % 32 == 0, "CPU_CPUID: no whole entries")
            need(not any(any(cpuid[at + 28:at + 32]) for at in range(0, len(cpuid), 32)), "CPU_CPUID: reserved")
            khz, reserved = struct.unpack("<II", self.records[CPU_TSC, vcpu])
            need(khz and not reserved, "CPU_TSC makes no sense")

    def verify_memory(self, payload):
        gpa, size, offset, table, table_length, table_checksum, pages, page_size, reserved = MEMORY.unpack(payload)
        need(size and not (gpa | size | offset) % CHUNK and gpa + size < 1 << 64 and not table % PAGE and
             table_length == size // PAGE * 8 and page_size == PAGE and not reserved, "MEMORY makes no sense")
        for start, length in ((offset, size), (table, table_length)):
            need(PAGE <= start and start + length <= self.records_offset, "MEMORY is not inside of the file")
        digest = xxhash.xxh3_64()
        found = 0
        for at in range(0, size, CHUNK):
            numbers = self.read_at(table + at // PAGE * 8, PAGE)
            digest.update(numbers)
            found += self.verify_chunk(gpa + at, offset + at, struct.unpack("<512Q", numbers))
        need(digest.intdigest() == table_checksum, "the checksum of the table of the range at 0x%x", gpa)
        need(found == pages, "%d pages in place of %d", found, pages)

    def is_hole(self, offset, length):
        try:
            return os.lseek(self.file.fileno(), offset, os.SEEK_DATA) >= offset + length
        except OSError:
            return True

    def verify_chunk(self, gpa, offset, numbers):
        if not any(numbers) and self.is_hole(offset, CHUNK):
            return 0
        data = self.read_at(offset, CHUNK)
        zero = bytes(PAGE)
        for i, number in enumerate(numbers):
            page = data[i * PAGE:(i + 1) * PAGE]
            need(number == (0 if page == zero else xxh3(page) or 1), "the page at 0x%x", gpa + i * PAGE)
        return sum(map(bool, numbers))


def main():
    words = sys.argv[1:]
    types = read_types()
    status = 0
    for path in [word for word in words if word != "--list"]:
        try:
            with open(path, "rb") as file:
                checkpoint = Checkpoint(file, types)
                checkpoint.verify()
            print("%s: good" % path)
        except (Bad, OSError, ValueError) as problem:
            print("%s: %s" % (path, problem))
            status = 1
            continue
        if "--list" in words:
            for (kind, instance), payload in checkpoint.records.items():
                print("0x%04x %-16s %4d %8d" % (kind, types.get(kind, "?")[0], instance, len(payload)))
    return status


if __name__ == "__main__":
    sys.exit(main())
