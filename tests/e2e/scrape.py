# SPDX-License-Identifier: MIT
"""What a scrape says: asked for, read by the official parsers, and as plain numbers."""

import collections
import json
import re
import signal
import socket
import subprocess
import urllib.parse
import urllib.request

from prometheus_client.openmetrics.parser import text_string_to_metric_families as new_parser
from prometheus_client.parser import text_string_to_metric_families as old_parser

from agent import PREFIX
from ports import free_port
from program import PUSHBACK, Program, patient, wait_until
from statsd_servers import Server

STEM = PREFIX.replace(".", "_")
NEW = "application/openmetrics-text; version=1.0.0; charset=utf-8"
OLD = "text/plain; version=0.0.4; charset=utf-8"


class Numbers:
    """Samples (name, {label: value}, number), by the names that statsd has; times in ms."""

    def __init__(self, samples):
        self.by_step = collections.defaultdict(collections.Counter)
        self.buckets = collections.defaultdict(dict)  # (step, direction): {le: count}
        self.own = collections.Counter()  # (name, reason or code)
        self.all = list(samples)
        for name, labels, number in self.all:
            self._take(name, labels, number)

    def _take(self, name, labels, number):
        own = re.fullmatch(r"pushback_agent_(\w+?)(_total)?", name)
        if own:
            self.own[own[1], labels.get("reason") or labels.get("code")] += number
            return
        plain = name.removeprefix(STEM).removesuffix("_total")
        assert name.startswith(STEM), name
        step = labels.get("step")
        if plain.endswith("_bucket"):
            direction = plain.split("_")[0]
            assert labels["le"] not in self.buckets[step, direction], "of one series each"
            self.buckets[step, direction][labels["le"]] = number
        elif plain.endswith("_seconds"):
            self.by_step[step][plain.removesuffix("_seconds")] += number * 1e3
        else:
            self.by_step[step][plain] += number

    # As of agent.Agent, for load.py's comparisons.

    def counters(self):
        return {step: values for step, values in self.by_step.items() if step is not None}

    def lost(self):
        return {key[1]: n for key, n in self.own.items() if key[0] == "lost" and n}

    def histogram_errors(self, steps):
        """Where the histograms are not all of the true episodes, and not in order."""
        errors = []
        for name, step in steps.items():
            for direction in ("send", "receive"):
                want = step[direction]["episodes"]
                buckets = self.buckets.get((name, direction), {})
                counts = [n for _, n in sorted(buckets.items(), key=lambda b: float(b[0]))]
                have = self.by_step[name][f"{direction}_backpressure_duration_seconds_count"]
                if have != want or buckets.get("+Inf", 0) != want or counts != sorted(counts):
                    errors.append(f"{name} {direction}: {have}, {buckets}, in truth {want}")
        return errors


def samples(text, is_new):
    for family in (new_parser if is_new else old_parser)(text):
        for sample in family.samples:
            yield sample.name, dict(sample.labels), sample.value


def get(url, accept=NEW):
    """(Content-Type, text)"""
    with urllib.request.urlopen(urllib.request.Request(url, headers={"Accept": accept}), timeout=patient(20)) as answer:
        return answer.headers["Content-Type"], answer.read().decode()


def scrape(url):
    kind, text = get(url)
    assert kind == NEW and text.endswith("# EOF\n")
    return Numbers(samples(text, True))


def check_by_promtool(text):
    done = subprocess.run(
        ["promtool", "check", "metrics"], input=text, capture_output=True, text=True, timeout=patient(30), check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def connect(url, request=b""):
    """A socket on which a request has been sent."""
    parts = urllib.parse.urlsplit(url)
    s = socket.create_connection((parts.hostname, parts.port), timeout=patient(20))
    s.sendall(request)
    return s


def rest(s):
    """All that comes until the other side closes."""
    found = b""
    while data := s.recv(65536):
        found += data
    return found


class ScrapedAgent(Program):
    """`pushback run --openmetrics` that listens at `url` and has attached."""

    def __init__(self, *options, address="0", interval="1s"):
        # The host may have an agent of its own, which has the usual one.
        asked = [] if "--socket" in options else ["--socket", "none"]
        argv = [PUSHBACK, "run", "--openmetrics", address, "--interval", interval, *asked, *options]
        super().__init__(argv, stdin=subprocess.DEVNULL)
        try:
            self.url = self.wait_line(r"^pushback: watching .*, at (http://\S+/metrics)$")[1]
        except AssertionError:
            self.__exit__()
            raise

    def scrape(self):
        return scrape(self.url)

    def wait_for(self, condition, what, timeout=15):
        """The first scrape of which it is true."""
        return wait_until(lambda: (n := self.scrape()) and condition(n) and n, what, timeout)

    def end(self):
        self.signal(signal.SIGTERM)
        assert self.wait() == 0, self.lines
        assert len(self.lines) == 1, self.lines


class Prometheus(Server):
    """A real one that scrapes `url` each second, and evaluates a file of rules as often."""

    def __init__(self, directory, url, rules=None):
        self.directory = directory
        self.rules = rules
        self.target = urllib.parse.urlsplit(url).netloc
        self.web = free_port(socket.SOCK_STREAM)

    def start(self):
        config = {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(self.rules)] if self.rules else [],
            "scrape_configs": [{"job_name": "pushback", "static_configs": [{"targets": [self.target]}]}],
        }
        path = self.directory / "prometheus.yml"
        path.write_text(json.dumps(config))  # which is YAML
        listen = f"--web.listen-address=127.0.0.1:{self.web}"
        store = f"--storage.tsdb.path={self.directory / 'data'}"
        self.spawn(["prometheus", f"--config.file={path}", listen, store])

    def query(self, expression):
        self.check_alive()
        what = urllib.parse.urlencode({"query": expression})
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.web}/api/v1/query?{what}", timeout=patient(5)) as answer:
                return json.load(answer)["data"]["result"]
        except OSError:
            return []  # it is starting

    def numbers(self):
        """Of all that it has of us, as it has it now."""
        found = self.query('{job="pushback",__name__=~"%s.*"}' % STEM)
        return Numbers((r["metric"]["__name__"], r["metric"], float(r["value"][1])) for r in found)
