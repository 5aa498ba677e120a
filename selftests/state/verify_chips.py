# SPDX-License-Identifier: GPL-2.0-or-later
"""The records of chips and PCI functions, by docs/checkpoint-format.md: padding, ranges, and that PIC
and I/O APIC saw the levels that the others drive."""

import struct

CLOCK, PIC, IOAPIC, PIT, RTC, UART, PM, I8042, RESET_PORTS = range(0x0200, 0x0209)
PCI_HOST, PCI_FUNCTION = 0x0300, 0x0301
CHIPS = tuple(range(CLOCK, RESET_PORTS + 1)) + (PCI_HOST,)
PIC_CHIP = struct.Struct("<16B")
PIT_CHANNEL = struct.Struct("<qqqqIIIH11B7x")
PCI_BRIDGE, PCI_EXPRESS, PCI_MSI, PCI_MSIX, PCI_PM = 1, 0x10, 0x05, 0x11, 0x01

# Where a record has padding: offset, length.
PADDING = {
    CLOCK: [(8, 8)], PIC: [(15, 1), (31, 1)], IOAPIC: [(201, 7)],
    PIT: [(57, 7), (121, 7), (185, 7), (214, 2)], RTC: [(170, 6)], UART: [(28, 4)], PM: [(14, 2)],
    I8042: [(36, 4)], RESET_PORTS: [(2, 6)], PCI_HOST: [(4, 4)], PCI_FUNCTION: [(2322, 6)],
}


def is_level(entry):
    return entry >> 15 & 1 and entry >> 8 & 7 in (0, 1)


def ioapic_lines(payload, need):
    entries = struct.unpack_from("<24Q", payload)
    lines, identity = struct.unpack_from("<II", payload, 192)
    for pin, entry in enumerate(entries):
        need(not entry & ~0xff0000000001efff, "IOAPIC: entry %d", pin)
        need(not entry >> 14 & 1 or is_level(entry), "IOAPIC: remote IRR of pin %d", pin)
        need(not is_level(entry) or entry >> 16 & 1 or not lines >> pin & 1 or entry >> 14 & 1,
             "IOAPIC: pin %d was not served", pin)
    need(not lines >> 24 and not identity & ~0x0f000000, "IOAPIC: lines or id")
    return lines


def pic_lines(payload, need):
    chips = [PIC_CHIP.unpack_from(payload, at) for at in (0, 16)]
    for chip, may_be_level in zip(chips, (0xf8, 0xde)):
        lines, irr, elcr, step, lowest = chip[0], chip[1], chip[4], chip[8], chip[9]
        need(not elcr & ~may_be_level and not irr & ~lines and not lines & elcr & ~irr and
             not chip[5] & 7 and step <= 3 and lowest <= 7 and max(chip[10:15]) <= 1, "PIC")
    need(chips[0][0] >> 2 & 1 == chips[1][14], "PIC: the cascade")
    return chips[0][0] & ~4 | chips[1][0] << 8


def pit_line(payload, now_ns, need):
    now = now_ns * 1193182 // 10**9
    for at in (0, 64, 128):
        channel = PIT_CHANNEL.unpack_from(payload, at)
        need(-65536 <= channel[0] <= now + 1 and 0 <= channel[1] <= now + 65536, "PIT: times at %d", at)
        need(max(channel[4:7]) <= 65536, "PIT: counts at %d", at)
    edge, last, backlog, speaker, line = struct.unpack_from("<qQIBB", payload, 192)
    need((edge == 2**63 - 1 or 1 <= edge <= now + 262144) and last <= now_ns and backlog <= 16 and
         speaker < 16 and line <= 1, "PIT")
    return line


def rtc_line(payload, need):
    a, b, c, d = payload[50:54]
    need(not a & 0x80 and d == 0x80 and b & 0x90 != 0x90 and c & 0x80 == (0x80 if c & b & 0x70 else 0) and
         not c & 15 and payload[168] < 128 and payload[169] <= 1, "RTC")
    return c >> 7


def uart_line(payload, need):
    first, count, ier, fcr, _, mcr, overrun, msr = payload[16:24]
    need(first < 16 and count <= (16 if fcr & 1 else 1) and ier < 16 and mcr < 32 and overrun in (0, 2) and
         payload[27] <= 1, "UART")
    return int(bool(ier & 4 and overrun or ier & 1 and count or ier & 2 and payload[27] or ier & 8 and msr & 15))


def pm_line(payload, need):
    _, status, enable, control = struct.unpack("<QHHH2x", payload)
    need(not status & ~0x101 and not enable & ~0x721 and control & 0xe3fd == 1, "PM")
    return int(bool(status & enable))


def capability(config, wanted):
    at, seen = config[0x34], 0
    while at and seen < 48:
        if config[at] == wanted:
            return at
        at, seen = config[at + 1], seen + 1
    return None


def enabled(config, kind, bit):
    """A bit of the 16-bit register behind the capability's link, or what the kind says."""
    at = capability(config, kind)
    return at is not None and struct.unpack_from("<H", config, at + (4 if kind == PCI_PM else 2))[0] & bit


def drives_intx(payload, need):
    config = payload[:256]
    need(payload[2320] <= 1 and payload[2321] <= 2, "PCI_FUNCTION: intx or unplug")
    return (payload[2320] and config[0x3d] and not enabled(config, PCI_PM, 3) and not config[5] & 4 and
            not enabled(config, PCI_MSIX, 0x8000) and not enabled(config, PCI_MSI, 1))


def pci_levels(records, need):
    levels = 0
    for (kind, place), payload in records.items():
        if kind != PCI_FUNCTION:
            continue
        need(place < 64, "PCI_FUNCTION: place %d", place)
        if drives_intx(payload, need):
            levels |= 1 << 16 + place % 32 % 4
    return levels


def verify(records, need):
    """`records`: {(type, instance): payload}; need(condition, words...) complains."""
    if not any((kind, 0) in records for kind in CHIPS):
        return
    for kind in CHIPS:
        need((kind, 0) in records, "0x%04x is not there", kind)
    for (kind, _), payload in records.items():
        for at, length in PADDING.get(kind, ()):
            need(not any(payload[at:at + length]), "0x%04x: padding at %d", kind, at)
    now_ns = struct.unpack_from("<Q", records[CLOCK, 0])[0]
    need(now_ns <= 1 << 62, "CLOCK")
    levels = (pit_line(records[PIT, 0], now_ns, need) | uart_line(records[UART, 0], need) << 4 |
              rtc_line(records[RTC, 0], need) << 8 | pm_line(records[PM, 0], need) << 9 |
              pci_levels(records, need))
    need(ioapic_lines(records[IOAPIC, 0], need) == levels & ~1 | (levels & 1) << 2, "IOAPIC: the lines")
    shared = (levels >> 16 | levels >> 18) & 3
    need(pic_lines(records[PIC, 0], need) == levels & 0xffff | shared << 10, "PIC: the lines")
