# SPDX-License-Identifier: GPL-2.0-or-later
"""An Ethernet between the hosts of several labs.

The labs that share a network meet in a directory, where each has a datagram socket. Both
emulators send and receive their host's frames as UDP datagrams, from a port P to P + 1 and back;
the lab stands at P + 1 and repeats each frame to all other sockets of the directory, as a hub does.
"""

import contextlib
import os
import random
import select
import socket
import threading

from cache import LabError

LOOPBACK = "127.0.0.1"
FIRST_PORT, LAST_PORT = 20000, 32000
FRAME_MAX = 65536
BUFFER_BYTES = 4 << 20
MAC_PREFIX = "52:54:00:6d:69:"


def udp_socket(port):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        s.bind((LOOPBACK, port))
    except OSError:
        s.close()
        return None
    return s


class Hub:
    """The lab's end of the network: the host's number @number on the network in @directory."""

    def __init__(self, directory, number):
        self.directory = directory
        self.number = number
        self.mac = MAC_PREFIX + "%02x" % number
        os.makedirs(directory, exist_ok=True)
        self.path = os.path.join(directory, "host-%d" % number)
        self.peers = self.listen()
        self.port, self.host = self.choose_port()
        self.wake, self.waker = os.pipe()
        self.thread = threading.Thread(target=self.repeat, daemon=True)
        self.thread.start()

    def listen(self):
        s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
        try:
            s.connect(self.path)
        except FileNotFoundError:
            pass
        except ConnectionRefusedError:
            os.unlink(self.path)	# of a lab that was killed
        else:
            s.close()
            raise LabError("--net: another lab is host %d in %s" % (self.number, self.directory))
        s.bind(self.path)
        s.setblocking(False)
        return s

    @staticmethod
    def choose_port():
        """A port for the emulator, and our socket on the next one."""
        for _ in range(100):
            port = random.randrange(FIRST_PORT, LAST_PORT, 2)
            theirs, ours = udp_socket(port), udp_socket(port + 1)
            if theirs:
                theirs.close()
            if theirs and ours:
                ours.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
                ours.setblocking(False)
                return port, ours
            if ours:
                ours.close()
        raise LabError("--net: no free UDP ports")

    def others(self):
        for name in os.listdir(self.directory):
            path = os.path.join(self.directory, name)
            if name.startswith("host-") and path != self.path:
                yield path

    def to_others(self, frame):
        for path in self.others():
            # One that is gone or slow loses the frame, as on a wire.
            with contextlib.suppress(OSError):
                self.peers.sendto(frame, path)

    def to_host(self, frame):
        with contextlib.suppress(OSError):
            self.host.sendto(frame, (LOOPBACK, self.port))

    def repeat(self):
        while True:
            ready, _, _ = select.select([self.host, self.peers, self.wake], [], [])
            if self.wake in ready:
                return
            with contextlib.suppress(OSError):
                if self.host in ready:
                    self.to_others(self.host.recv(FRAME_MAX))
            with contextlib.suppress(OSError):
                if self.peers in ready:
                    self.to_host(self.peers.recv(FRAME_MAX))

    def close(self):
        os.write(self.waker, b"x")
        self.thread.join()
        self.host.close()
        self.peers.close()
        os.unlink(self.path)
        os.close(self.wake)
        os.close(self.waker)
