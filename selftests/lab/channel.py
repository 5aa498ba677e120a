# SPDX-License-Identifier: GPL-2.0-or-later
"""Takes apart what rootfs/labrun.c sends through the parallel port."""

MARK = 0xa5
HEADER = 4
TYPES = b"HOSLFE"


class ChannelError(Exception):
    """Something else than labrun wrote to the parallel port."""


class Decoder:
    """Feed it bytes as they come; it gives the frames that are complete, as (type, payload)."""

    def __init__(self):
        self.pending = b""

    def feed(self, data):
        self.pending += data
        frames = []
        while len(self.pending) >= HEADER:
            mark, kind = self.pending[0], self.pending[1:2]
            if mark != MARK or kind not in TYPES:
                raise ChannelError("no frame starts with %s" % self.pending[:HEADER].hex())
            length = int.from_bytes(self.pending[2:4], "little")
            if len(self.pending) < HEADER + length:
                break
            frames.append((kind.decode(), self.pending[HEADER:HEADER + length]))
            self.pending = self.pending[HEADER + length:]
        return frames
