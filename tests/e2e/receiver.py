# SPDX-License-Identifier: MIT
"""A strict DogStatsD receiver: what no packaged server speaks, read by the Agent's rules.

It refuses whatever the Agent or another statsd server would refuse, cut or misread: a payload
longer than they read at once, exponents, packed values, a rate that is not a whole weight or stands
behind the tags, bare or reserved tags, characters that some server rewrites, unknown fields. All of
that lands in `errors`; what is good is added up.

As a module:

    receiver = Receiver()
    address = receiver.start("udp://127.0.0.1:0")    # or unixgram:///path, unix:///path
    ...
    receiver.wait_for(lambda r: r.counter("a.b", step="x") == 3)
    receiver.stop()
    assert not receiver.errors

    receiver.counters[(name, frozenset({"step:x"}))]   sum; an origin is there as "|c:ID"
    receiver.gauges[...]                               last value
    receiver.samples[...]                              Counter of value -> weight
    receiver.events                                    [{"title": ..., "text": ..., "t": ..., "k": ..., "tags": ...}]

As a command it prints its address, and at SIGTERM, SIGINT or the end of stdin one JSON object;
exit status 1 if there was an error:

    receiver.py --listen udp://127.0.0.1:0 --json
"""

import argparse
import collections
import json
import os
import re
import selectors
import signal
import socket
import struct
import sys
import threading
import time

from ports import bind_free
from program import patient

NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.]{0,199}")
KEY = re.compile(r"[a-z][a-z0-9_]{0,199}")
VALUE = re.compile(r"[A-Za-z0-9_./:-]{1,200}")
ORIGIN = re.compile(r"c:[0-9a-f]{64}")
INTEGER = re.compile(r"[0-9]+")
DECIMAL = re.compile(r"[0-9]+(\.[0-9]+)?")
RESERVED = {"host", "units", "name", "family", "le", "quantile", "metric_type"}
LOOPBACK_MAX = 3500
UNIX_MAX = 8192
SO_RXQ_OVFL = 40
SO_RCVBUFFORCE = 33


class Refused(Exception):
    """A line or payload that a server would refuse or misread."""


def parse_tags(text):
    tags = text.split(",")
    keys = []
    for tag in tags:
        key, colon, value = tag.partition(":")
        if not colon or not KEY.fullmatch(key) or not VALUE.fullmatch(value):
            raise Refused(f"bad tag {tag!r}")
        if key in RESERVED:
            raise Refused(f"reserved tag {tag!r}")
        keys.append(key)
    if len(set(tags)) != len(tags):
        raise Refused("a tag is there twice")
    for own in ("step", "process", "reason"):
        if keys.count(own) > 1:
            raise Refused(f"{own} is there twice")
    return frozenset(tags)


def parse_origin(text):
    """A container's id, as all versions since 1.2 of the protocol have it."""
    if not ORIGIN.fullmatch(text):
        raise Refused(f"bad origin {text!r}")
    return text


def parse_weight(text):
    if not DECIMAL.fullmatch(text) or not 0 < float(text) <= 1:
        raise Refused(f"bad rate {text!r}")
    weight = 1 / float(text)
    # Servers cut it; what lies below a whole number would lose one.
    if not 0 <= weight - int(weight) < 1e-6:
        raise Refused(f"rate {text!r} is weight {weight!r}")
    return int(weight)


def parse_line(line):
    """(name, tags, type, value, weight)"""
    name, colon, rest = line.partition(":")
    fields = rest.split("|")
    if not colon or len(fields) < 2:
        raise Refused("no name:value|type")
    if not NAME.fullmatch(name):
        raise Refused(f"bad name {name!r}")
    value, kind, more = fields[0], fields[1], fields[2:]
    if kind not in ("c", "g", "h", "d", "ms"):
        raise Refused(f"bad type {kind!r}")
    if not (INTEGER if kind == "c" else DECIMAL).fullmatch(value):
        raise Refused(f"bad value {value!r}")
    weight = 1
    tags = frozenset()
    if more and more[0].startswith("@"):
        if kind in ("c", "g"):
            raise Refused(f"a rate on type {kind}")
        weight = parse_weight(more.pop(0)[1:])
    if more and more[0].startswith("#"):
        tags = parse_tags(more.pop(0)[1:])
    if more and more[0].startswith("c:"):
        tags |= {"|" + parse_origin(more.pop(0))}
    if more:
        raise Refused(f"unknown or misplaced field {more[0]!r}")
    return name, tags, kind, int(value) if kind == "c" else float(value), weight


def parse_event(line):
    """{title, text, k, t, tags} of "_e{9,3}:...": by its lengths, and no | may mislead who splits it."""
    head, colon, rest = line.partition(":")
    lengths = re.fullmatch(r"_e\{([0-9]+),([0-9]+)\}", head)
    if not colon or not lengths:
        raise Refused("no event")
    title, text, *more = rest.split("|")
    if (len(title), len(text)) != (int(lengths[1]), int(lengths[2])) or not title or not text:
        raise Refused("an event's lengths are wrong")
    event = {"title": title, "text": text, "tags": frozenset()}
    for field in more:
        if field.startswith("#"):
            event["tags"] = parse_tags(field[1:])
        elif field.startswith("c:"):
            event["origin"] = parse_origin(field)
        elif field[:2] in ("k:", "t:"):
            event[field[0]] = field[2:]
        else:
            raise Refused(f"unknown field {field!r} of an event")
    if event.get("t") not in ("info", "warning", "success"):
        raise Refused("an event's type")
    return event


class Receiver:
    """Listens in a thread of its own. One address at a time; sums stay over stop() and start()."""

    def __init__(self):
        self.counters = collections.defaultdict(int)
        self.gauges = {}
        self.samples = collections.defaultdict(collections.Counter)
        self.events = []
        self.errors = []
        self.lines = []  # good ones, in order
        self.packets = 0
        self.largest = 0  # payload
        self.cut_frames = 0  # of streams that ended in the middle of one
        self.lock = threading.Lock()
        self._types = {}
        self._thread = None

    # ---- what a test asks ----

    def counter(self, name, **tags):
        """The sum over all series with this name and at least these tags."""
        return sum(v for key, v in self._find(self.counters, name, tags))

    def gauge(self, name, **tags):
        """The last value of the one series that fits; None when there is none."""
        found = self._find(self.gauges, name, tags)
        assert len(found) <= 1, found
        return found[0][1] if found else None

    def sample(self, name, **tags):
        """Counter of value -> weight over all series that fit."""
        total = collections.Counter()
        for _, counts in self._find(self.samples, name, tags):
            total += counts
        return total

    def _find(self, where, name, tags):
        wanted = {f"{k}:{v}" for k, v in tags.items()}
        with self.lock:
            return [(k, v) for k, v in where.items() if k[0] == name and wanted <= k[1]]

    def wait_for(self, condition, timeout=10):
        """True as soon as condition(self) is."""
        end = time.monotonic() + patient(timeout)
        while not condition(self):
            if time.monotonic() > end:
                return False
            time.sleep(0.01)
        return True

    def summary(self):
        """Everything as plain data, for JSON."""
        with self.lock:
            return {
                "counters": [self._plain(k, value=v) for k, v in sorted_items(self.counters)],
                "gauges": [self._plain(k, value=v) for k, v in sorted_items(self.gauges)],
                "samples": [
                    self._plain(k, count=sum(v.values()), values=sorted(v.items()))
                    for k, v in sorted_items(self.samples)
                ],
                "packets": self.packets,
                "lines": len(self.lines),
                "cut_frames": self.cut_frames,
                "errors": list(self.errors),
            }

    @staticmethod
    def _plain(key, **more):
        return {"name": key[0], "tags": sorted(key[1]), **more}

    # ---- taking payloads ----

    def take_payload(self, payload, limit):
        with self.lock:
            self.packets += 1
            self.largest = max(self.largest, len(payload))
            if len(payload) > limit:
                self.errors.append(f"a payload of {len(payload)} bytes, more than {limit}")
            try:
                text = payload.decode("ascii")
            except UnicodeDecodeError:
                self.errors.append(f"not ASCII: {payload!r}")
                return
            for line in text.removesuffix("\n").split("\n"):
                self._take_line(line)

    def _take_line(self, line):
        try:
            if line.startswith("_e{"):
                self.events.append(parse_event(line))
                return
            name, tags, kind, value, weight = parse_line(line)
            if self._types.setdefault(name, kind) != kind:
                raise Refused(f"{name} was of type {self._types[name]} before")
        except Refused as e:
            self.errors.append(f"{e}: {line!r}")
            return
        self.lines.append(line)
        key = (name, tags)
        if kind == "c":
            self.counters[key] += value
        elif kind == "g":
            self.gauges[key] = value
        else:
            self.samples[key][value] += weight

    # ---- listening ----

    def start(self, address):
        """Binds, begins to read, and returns the address with its real port."""
        assert not self._thread
        scheme, _, rest = address.partition("://")
        self._scheme = scheme
        self._path = None
        self._read = threading.Event()
        self._read.set()
        self._selector = selectors.DefaultSelector()
        if scheme == "udp":
            address = self._bind_udp(rest)
        else:
            self._bind_unix(rest)
        self._wake, self._wake_other = socket.socketpair()
        self._selector.register(self._wake, selectors.EVENT_READ)
        self._stopping = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return address

    def _bind_udp(self, rest):
        host, _, port = rest.rpartition(":")
        family = socket.AF_INET6 if host.startswith("[") else socket.AF_INET
        s = socket.socket(family, socket.SOCK_DGRAM)
        try:
            s.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 64 << 20)
        except PermissionError:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 << 20)
        s.setsockopt(socket.SOL_SOCKET, SO_RXQ_OVFL, 1)
        if port == "0":
            bind_free(s, host.strip("[]"))
        else:
            s.bind((host.strip("[]"), int(port)))
        self._add(s, self._read_datagram)
        return f"udp://{host}:{s.getsockname()[1]}"

    def _bind_unix(self, path):
        stream = self._scheme == "unix"
        s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM if stream else socket.SOCK_DGRAM)
        try:
            os.unlink(path)
        except FileNotFoundError:
            pass
        s.bind(path)
        self._path = (path, os.stat(path).st_ino)
        if stream:
            s.listen(16)
        self._add(s, self._accept if stream else self._read_datagram)

    def _add(self, s, handler):
        s.setblocking(False)
        self._selector.register(s, selectors.EVENT_READ, handler)

    def pause(self):
        """Stops reading: the sender's queue fills."""
        self._read.clear()
        self._nudge()

    def resume(self):
        self._read.set()

    def _nudge(self):
        self._wake_other.send(b".")

    def stop(self, unlink=False):
        """Reads what is there, closes. The path of a unix socket stays unless told otherwise."""
        if not self._thread:
            return
        self._stopping = True
        self._read.set()
        self._nudge()
        self._thread.join()
        self._thread = None
        for key in list(self._selector.get_map().values()):
            if key.data and key.data != self._accept and self._scheme == "unix":
                self._end_stream(key.fileobj)
            else:
                key.fileobj.close()
        self._selector.close()
        self._wake_other.close()
        if unlink and self._path:
            os.unlink(self._path[0])

    def _run(self):
        self._streams = {}
        while True:
            events = self._selector.select(0 if self._stopping else None)
            work = [(key.fileobj, key.data) for key, _ in events if key.data]
            if self._stopping and not work:
                return
            for key, _ in events:
                if not key.data:
                    key.fileobj.recv(100)
            self._read.wait()
            for s, handler in work:
                handler(s)

    def _read_datagram(self, s):
        limit = LOOPBACK_MAX if self._scheme == "udp" else UNIX_MAX
        for _ in range(1000):
            try:
                payload, ancillary, _, _ = s.recvmsg(65536, 64)
            except BlockingIOError:
                return
            for _, kind, data in ancillary:
                if kind == SO_RXQ_OVFL and struct.unpack("I", data[:4])[0]:
                    self._complain("this receiver's own queue overflowed")
            self.take_payload(payload, limit)
            if not self._read.is_set():
                return

    def _complain(self, text):
        with self.lock:
            if text not in self.errors:
                self.errors.append(text)

    def _accept(self, s):
        connection, _ = s.accept()
        self._streams[connection] = bytearray()
        self._add(connection, self._read_stream)

    def _read_stream(self, s):
        try:
            data = s.recv(1 << 20)
        except ConnectionResetError:
            data = b""
        if not data:
            self._selector.unregister(s)
            self._end_stream(s)
            return
        buffer = self._streams[s]
        buffer += data
        while len(buffer) >= 4:
            (size,) = struct.unpack("<I", buffer[:4])
            if size > UNIX_MAX:
                self._complain(f"a frame of {size} bytes")
                self._selector.unregister(s)
                self._streams.pop(s)
                s.close()
                return
            if len(buffer) < 4 + size:
                return
            self.take_payload(bytes(buffer[4 : 4 + size]), UNIX_MAX)
            del buffer[: 4 + size]

    def _end_stream(self, s):
        if self._streams.pop(s, b""):
            self.cut_frames += 1
        s.close()


def sorted_items(where):
    return sorted(where.items(), key=lambda item: (item[0][0], sorted(item[0][1])))


def main():
    parser = argparse.ArgumentParser(description="strict DogStatsD receiver")
    parser.add_argument("--listen", required=True, metavar="ADDRESS")
    parser.add_argument("--json", action="store_true", help="sums as JSON instead of text")
    parser.add_argument("--lines", action="store_true", help="print each good line as it comes")
    options = parser.parse_args()
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    receiver = Receiver()
    print(receiver.start(options.listen), flush=True)
    threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
    printed = 0
    while not ended.wait(0.1):
        while options.lines and printed < len(receiver.lines):
            print(receiver.lines[printed], flush=True)
            printed += 1
    receiver.stop(unlink=True)
    if options.json:
        print(json.dumps(receiver.summary()), flush=True)
    else:
        for line in receiver.lines[printed:]:
            print(line)
        for error in receiver.errors:
            print(f"error: {error}")
    # Not through the interpreter's shutdown: the thread that reads stdin may hold its lock.
    sys.stdout.flush()
    os._exit(1 if receiver.errors else 0)


if __name__ == "__main__":
    main()
