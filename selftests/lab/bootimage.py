# SPDX-License-Identifier: GPL-2.0-or-later
"""Turns a stock bzImage into what the emulators boot quickly.

Most of a kernel's boot in an emulator is its own decompression. The boot image holds the same
kernel unpacked: Linux's own real-mode part, a stub (boot/stub.S), and the ELF
segments of vmlinux at the address they are linked to. It is a valid bzImage.
"""

import os
import struct
import subprocess
import tempfile

import cache
from cache import LabError
from kernels import BzImage

HERE = os.path.dirname(os.path.realpath(__file__))

ONE_MIB = 1 << 20
SECTOR = 512
KERNEL_ADDRESS = 16 * ONE_MIB	# CONFIG_PHYSICAL_START of Debian's kernels
STUB_SIZE = 7 * 4096		# boot/stub.S: a page of code, six of page tables
ROM_ADDRESS = 0xd0000
SETUP_ADDRESS = 0x90000
CMDLINE_ADDRESS = 0x9e000	# above the real-mode part's heap, below the BIOS's data area
CMDLINE_MAX = 2047
HEAP_END = 0xe000 - 0x200
PT_LOAD = 1


def assemble(name, origin, **symbols):
    """Bytes of boot/NAME, linked at @origin."""
    with tempfile.TemporaryDirectory(prefix="mica-lab-") as tmp:
        obj = os.path.join(tmp, "o")
        out = os.path.join(tmp, "bin")
        command = ["gcc", "-m32", "-c", "-x", "assembler-with-cpp", "-o", obj]
        command += ["-D%s=%d" % item for item in symbols.items()]
        command += [os.path.join(HERE, "boot", name)]
        link = ["ld", "-m", "elf_i386", "--oformat", "binary", "-Ttext", hex(origin),
                "-e", "_start", "-o", out, obj]
        if subprocess.run(command).returncode or subprocess.run(link).returncode:
            raise LabError("cannot assemble boot/%s: are gcc and binutils installed?" % name)
        with open(out, "rb") as f:
            return f.read()


def source_key(name):
    with open(os.path.join(HERE, name), "rb") as f:
        return cache.digest(f.read())


def make_rom(f):
    code = assemble("rom.S", ROM_ADDRESS, ROM_SECTORS=4)
    if len(code) >= 4 * SECTOR:
        raise LabError("boot/rom.S is larger than its header says")
    rom = bytearray(code.ljust(4 * SECTOR, b"\0"))
    rom[-1] = -sum(rom) & 0xff		# the BIOS wants the bytes to add up to 0
    f.write(rom)


def rom():
    """Path of the option ROM that boots from the disk of boot_disk()."""
    return cache.get("rom", source_key("boot/rom.S"), make_rom)


def flat_kernel(elf):
    """(physical address, bytes, physical entry) of a vmlinux: its segments, laid out."""
    entry, phoff = struct.unpack_from("<QQ", elf, 24)
    phentsize, phnum = struct.unpack_from("<HH", elf, 54)
    loads = []
    for i in range(phnum):
        header = struct.unpack_from("<IIQQQQ", elf, phoff + i * phentsize)
        p_type, _, offset, _, paddr, filesz = header
        if p_type == PT_LOAD and filesz:
            loads.append((paddr, offset, filesz))
    base = min(paddr for paddr, _, _ in loads)
    memory = bytearray(max(paddr + filesz for paddr, _, filesz in loads) - base)
    for paddr, offset, filesz in loads:
        memory[paddr - base:paddr - base + filesz] = elf[offset:offset + filesz]
    # What ends the last segment is .bss and .brk, which the kernel clears itself.
    return base, bytes(memory.rstrip(b"\0")), entry


def make_boot_image(vmlinuz, f):
    image = BzImage(vmlinuz)
    base, memory, entry = flat_kernel(image.vmlinux())
    if entry >= 1 << 32 or base != KERNEL_ADDRESS:
        raise LabError("%s: vmlinux is not linked to run at physical address 16 MiB" % vmlinuz)
    setup = bytearray(image.data[:image.setup_size])
    # The 64-bit and EFI entries were the decompressor's; only the 32-bit entry is left.
    struct.pack_into("<H", setup, BzImage.XLOADFLAGS, 0)
    struct.pack_into("<II", setup, BzImage.PAYLOAD_OFFSET, 0, 0)
    stub = assemble("stub.S", ONE_MIB, KERNEL_ENTRY=entry)
    if len(stub) != STUB_SIZE:
        raise LabError("boot/stub.S is %d bytes, not %d" % (len(stub), STUB_SIZE))
    protected = stub.ljust(base - ONE_MIB, b"\0") + memory
    protected = protected.ljust(-(-len(protected) // 16) * 16, b"\0")
    struct.pack_into("<I", setup, BzImage.SYSSIZE, len(protected) // 16)
    f.write(setup)
    f.write(protected)


def boot_image(kernel):
    """Path of the boot image of the kernel."""
    key = cache.digest(cache.file_digest(kernel.vmlinuz), source_key("boot/stub.S"),
                       source_key("bootimage.py"))
    return cache.get("boot", key, lambda f: make_boot_image(kernel.vmlinuz, f))


def pieces_of(image, initrds, cmdline):
    """What must be in memory at the kernel's start: a list of (address, bytes)."""
    initrd = b"".join(initrds)
    initrd_address = image.u32(BzImage.PREF_ADDRESS) + image.u32(BzImage.INIT_SIZE)
    initrd_address = (initrd_address + 2 * ONE_MIB - 1) & -(2 * ONE_MIB)
    setup = bytearray(image.data[:image.setup_size])
    setup[BzImage.TYPE_OF_LOADER] = 0xff
    setup[BzImage.LOADFLAGS] |= 0x81		# loaded high, heap usable
    struct.pack_into("<H", setup, BzImage.VID_MODE, 0xffff)
    struct.pack_into("<H", setup, BzImage.HEAP_END_PTR, HEAP_END)
    struct.pack_into("<I", setup, BzImage.CMD_LINE_PTR, CMDLINE_ADDRESS)
    struct.pack_into("<II", setup, BzImage.RAMDISK_IMAGE, initrd_address, len(initrd))
    protected = memoryview(image.data)[image.setup_size:]
    return [
        (SETUP_ADDRESS, bytes(setup)),
        (CMDLINE_ADDRESS, cmdline.encode() + b"\0"),
        (ONE_MIB, protected[:STUB_SIZE]),
        (KERNEL_ADDRESS, protected[KERNEL_ADDRESS - ONE_MIB:]),
        (initrd_address, initrd),
    ]


def write_disk(f, image, initrds, cmdline):
    """Write the disk that the option ROM reads: the list of pieces, then the pieces."""
    if len(cmdline.encode()) > CMDLINE_MAX:
        raise LabError("the kernel's command line is longer than %d bytes" % CMDLINE_MAX)
    pieces = pieces_of(image, initrds, cmdline)
    sector = 1
    table = b""
    for address, data in pieces:
        count = -(-len(data) // SECTOR)
        table += struct.pack("<III", sector, count, address)
        sector += count
    f.write(table.ljust(SECTOR, b"\0"))
    for _, data in pieces:
        f.write(data)
        f.write(b"\0" * (-len(data) % SECTOR))
    # Whole cylinders of 16 heads of 63 sectors.
    size = f.tell()
    cylinders = -(-size // (16 * 63 * SECTOR))
    f.truncate(cylinders * 16 * 63 * SECTOR)
    return cylinders
