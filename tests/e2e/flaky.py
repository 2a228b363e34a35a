# SPDX-License-Identifier: MIT
"""A statsd server that does what servers do, and of which it is known what it was handed.

At a unix socket: a packet that was handed over was handed to somebody who reads it, also where the server
stops just then. With UDP the kernel may take one for a socket that is about to be closed.
"""

import collections
import os
import socket
import time

from agent import TimedReceiver
from receiver import UNIX_MAX


class Server(TimedReceiver):
    """Ends without a gap in which a packet is taken and not read."""

    def __init__(self):
        super().__init__()
        self.lines = collections.deque(maxlen=100)  # of a long run

    def start(self, address):
        self._shut = False
        return super().start(address)

    def stop(self, unlink=False):
        if self._thread:
            for key in list(self._selector.get_map().values()):
                if key.data:
                    key.fileobj.shutdown(socket.SHUT_RD)
            self._shut = True
        super().stop(unlink)

    def _read_datagram(self, s):
        while True:
            shut = self._shut
            try:
                self.take_payload(s.recv(65536), UNIX_MAX)
            except BlockingIOError:
                if shut:  # since before that: nothing will follow
                    self._selector.unregister(s)
                    s.close()
                return
            if not self._read.is_set():
                return


class Flaky:
    """The servers that have been at one path."""

    def __init__(self, path, rng):
        self.path = path
        self.rng = rng
        self.address = f"unixgram://{path}"
        self.all = []
        self.up = False
        self.events = collections.Counter()
        self.begin()

    def begin(self):
        if not self.all:
            self.all.append(Server())
        self.all[-1].start(self.address)
        self.up = True

    def be_there(self):
        """And read: what is sent from now on arrives."""
        if not self.up:
            self.begin()
        self.all[-1].resume()

    def _stop(self):
        if self.up:
            self.all[-1].stop()
            self.up = False

    def happen(self):
        """Something, mostly nothing for a while."""
        event = self.rng.choice(["stop", "stop and unlink", "start", "start", "pause", "resume", "replace", "refuse"])
        self.events[event] += 1
        if event.startswith("stop"):
            self._stop()
        if event == "stop and unlink" and os.path.exists(self.path):
            os.unlink(self.path)
        if event in ("start", "resume"):
            self.be_there()
        if event == "pause" and self.up:
            self.all[-1].pause()
        if event == "replace":
            self._replace()
        if event == "refuse":
            self._refuse()

    def _replace(self):
        """Another one at the path, while the old one still listens."""
        self.be_there()
        self.all.append(Server())
        self.all[-1].start(self.address)
        time.sleep(self.rng.random() / 2)
        self.all[-2].stop()

    def _refuse(self):
        """Some packets, at random."""
        for _ in range(self.rng.randrange(2, 30)):
            self._stop()
            time.sleep(self.rng.random() / 100)
            self.begin()
            time.sleep(self.rng.random() / 100)

    def end(self):
        self._stop()

    def errors(self):
        return [error for server in self.all for error in server.errors]

    def sums(self, of):
        """All servers' counters or samples, by (name, tags)."""
        total = {}
        for server in self.all:
            for key, value in getattr(server, of).items():
                total[key] = total[key] + value if key in total else value
        return total
