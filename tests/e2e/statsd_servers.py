# SPDX-License-Identifier: MIT
"""Real statsd servers, started on loopback for a test, and what they computed read back.

    with Etsy(directory) as server:          # npm statsd 0.9.0
        ... send to server.address ...
        server.settle()                      # until all that was sent is flushed
        server.counters, server.gauges, server.timer_counts, server.timer_values

    with Netdata(directory) as server:       # apt netdata-core; counters only, it merges tags
        server.counters()
"""

import collections
import fcntl
import json
import os
import pathlib
import re
import socket
import subprocess
import time
import urllib.request

from ports import free_port
from program import BUILD, patient, wait_until

NPM = BUILD / "npm"
STATSD = "statsd@0.9.0"

BACKEND = """
const fs = require('fs');
exports.init = (time, config, events) => {
  events.on('flush', (ts, m) => fs.appendFileSync(config.jsonFile, JSON.stringify({
    counters: m.counters, gauges: m.gauges, timers: m.timers, timer_data: m.timer_data }) + '\\n'));
  return true;
};
"""


def npm_install(*packages):
    options = ["--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=1"]
    argv = ["npm", "install", "--prefix", NPM, *options, *packages]
    # node has certificates of its own, and does not know those of a mirror that only this machine trusts.
    trusted = {"NODE_EXTRA_CA_CERTS": "/etc/ssl/certs/ca-certificates.crt"}
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=trusted | os.environ)
    if done.returncode:
        why = [line for line in done.stdout.splitlines() if "reason" in line or "code" in line]
        raise RuntimeError(f"npm install {' '.join(packages)} failed: {why or done.stdout}")


def install_statsd():
    """The path of statsd's stats.js."""
    return installed("statsd/stats.js", STATSD)


def installed(file, *packages):
    """The path of a file of npm's, installed under build/npm at first use."""
    path = NPM / "node_modules" / file
    NPM.mkdir(parents=True, exist_ok=True)
    with open(NPM / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            npm_install(*packages)
    return path


class Server:
    """A child process with a log; ended when the test is."""

    process = None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def spawn(self, command):
        with open(self.directory / "output", "ab") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.directory
            )

    def log(self):
        return (self.directory / "output").read_text(errors="replace")

    def check_alive(self):
        if self.process.poll() is not None:
            raise RuntimeError(f"server exited with {self.process.returncode}:\n{self.log()[-2000:]}")

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(patient(15))
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process = None


class Etsy(Server):
    """statsd 0.9.0. Tags appear as "name;k=v;k2=v2" in the order in which they were sent."""

    def __init__(self, directory, flush_ms=200):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self.address = f"udp://127.0.0.1:{self.port}"
        self.flush_ms = flush_ms
        self.counters = collections.Counter()
        self.gauges = {}
        self.timer_counts = collections.Counter()  # timer_data.count: weighted
        self.timer_values = collections.defaultdict(list)  # unweighted, as statsd keeps them
        self._read = 0
        self._marks = 0

    def start(self):
        script = install_statsd()
        manage = free_port(socket.SOCK_STREAM)
        (self.directory / "backend.js").write_text(BACKEND)
        config = {
            "port": self.port,
            "address": "127.0.0.1",
            "mgmt_port": manage,
            "mgmt_address": "127.0.0.1",
            "backends": [str(self.directory / "backend.js")],
            "jsonFile": str(self.directory / "out.jsonl"),
            "flushInterval": self.flush_ms,
            "deleteIdleStats": True,
            "automaticConfigReload": False,
            "dumpMessages": False,
        }
        (self.directory / "config.js").write_text(json.dumps(config))
        self.spawn(["node", script, self.directory / "config.js"])
        # Up is when it answers: a mark comes back in a flush.
        self.settle()

    def settle(self, timeout=20):
        """Waits until everything that was sent before has been flushed, and takes it in."""
        self._marks += 1
        mark = f"test.mark.{os.getpid()}.{self._marks}"
        end = time.monotonic() + patient(timeout)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            sent = 0
            while mark not in self.counters:
                self.check_alive()
                if time.monotonic() > end:
                    raise TimeoutError(f"no flush with {mark}:\n{self.log()[-2000:]}")
                # Again while it is starting: nobody may have listened yet.
                if time.monotonic() - sent > 1:
                    s.sendto(f"{mark}:1|c".encode(), ("127.0.0.1", self.port))
                    sent = time.monotonic()
                time.sleep(0.02)
                self._take_flushes()

    def _take_flushes(self):
        path = self.directory / "out.jsonl"
        if not path.exists():
            return
        text = path.read_text()
        end = text.rfind("\n") + 1
        for line in text[self._read : end].splitlines():
            flush = json.loads(line)
            for name, value in flush["counters"].items():
                self.counters[name] += value
            self.gauges.update(flush["gauges"])
            for name, data in flush["timer_data"].items():
                self.timer_counts[name] += data["count"]
            for name, values in flush["timers"].items():
                self.timer_values[name] += values
        self._read = end

    def bad_lines(self):
        return self.counters["statsd.bad_lines_seen"]


class Netdata(Server):
    """netdata 1.37. It ignores tags: what differs only in them is added up."""

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self.port = free_port()
        self.web = free_port(socket.SOCK_STREAM)
        self.address = f"udp://127.0.0.1:{self.port}"

    def start(self):
        folders = ["config", "cache", "lib", "log", "web", "home", "lock"]
        for folder in folders:
            (self.directory / folder).mkdir(parents=True, exist_ok=True)
        sections = {
            "global": {"run as user": "root"},
            "directories": {f: self.directory / f for f in folders},
            "db": {"mode": "ram", "update every": 1},
            "web": {"bind to": f"127.0.0.1:{self.web}"},
            "health": {"enabled": "no"},
            "ml": {"enabled": "no"},
            "plugins": dict.fromkeys(
                "timex checks idlejitter tc diskspace proc cgroups slabinfo perf ioping apps "
                "charts.d python.d node.d go.d fping ebpf freeipmi nfacct cups xenstat".split(),
                "no",
            )
            | {"enable running new plugins": "no", "netdata monitoring": "no", "statsd": "yes"},
            "statsd": {
                "bind to": f"udp:127.0.0.1:{self.port}",
                "default port": self.port,
                "update every (flushInterval)": 1,
                "create private charts for metrics matching": "*",
            },
        }
        text = "".join(
            f"[{name}]\n" + "".join(f"    {k} = {v}\n" for k, v in keys.items())
            for name, keys in sections.items()
        )
        (self.directory / "netdata.conf").write_text(text)
        self.spawn(["netdata", "-D", "-c", self.directory / "netdata.conf"])
        wait_until(self._is_up, "netdata does not answer", 30)

    def _is_up(self):
        self.check_alive()
        try:
            self._get("/api/v1/info")
        except OSError:
            return False
        return self._listens()

    def _listens(self):
        port = f":{self.port:04X}"
        return any(port in line.split()[1] for line in open("/proc/net/udp") if ":" in line.split()[1])

    def _get(self, path):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.web}{path}", timeout=patient(5)) as answer:
            return answer.read().decode()

    def counters(self):
        """Cumulative sums by name ('.' as '_')."""
        text = self._get("/api/v1/allmetrics?format=prometheus&source=raw")
        found = re.findall(r"^netdata_statsd_(\w+)_counter_total\{[^}]*\} (\d+)", text, re.M)
        return {name: int(value) for name, value in found}

    def wait_for(self, expected, timeout=20):
        """Until these counters are as expected; returns those of that moment anyway."""
        end = time.monotonic() + patient(timeout)
        while True:
            found = {name: self.counters().get(name) for name in expected}
            if found == expected or time.monotonic() > end:
                return found
            time.sleep(0.2)
