# SPDX-License-Identifier: MIT
"""Names that would be lines, tags, markup or commands of a terminal, in all that is ever written.

Of steps, of the process and of its file, which is an ordinary user's; beside an honest one.
"""

import collections
import html.parser
import json
import re
import subprocess

import pytest

from driver import ACCEPTED, REJECTED, Driver
from ports import free_port
from program import PUSHBACK, Program, wait_until
from scrape import NEW, OLD, get, samples
from stage import AS_NOBODY, Stage
from terminal import Terminal

# Each would stand at the beginning of a line or of a tag, were it let through.
NAMES = [
    b"a\nINJECTED:1|c",
    b"b|c|#INJECTED:x,step:INJECTED",
    b"c,INJECTED:1:2:3",
    b'd"} 1\nINJECTED{e="',
    b"e\\nINJECTED\\",
    b"f\r\nINJECTED\x0b\x0c\x85INJECTED",
    b"g\x1b[2J\x1b[1;1HINJECTED\x1b]0;INJECTED\x07\x9b31m",
    b"h\x7f\x7fINJECTED\x00",
    b"i\xff\xfe\xed\xa0\x80\xc0\xafINJECTED",
    b"j</script><script>INJECTED</script><img src=x onerror=INJECTED>",
    b"k\xe2\x80\xae\xe2\x80\xa8INJECTED",
    b"l_e{8,8}:INJECTED|INJECTED|t:error",
    b"m" + b"x" * 127,
    b"",
]
# What never stands anywhere as it is; of lines' ends it depends.
CONTROL = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f]")
FILE = 'n\nINJECTED:1|c|#"\\\x1b[31m\x7f\udcff,<script>x'


class Nasty:
    """The stage with a driver of that name on it, all of whose steps were refused, and one that still is."""

    def __init__(self, stage):
        self.stage = stage
        self.driver = stage.stack.enter_context(Driver(stage.directory, prefix=AS_NOBODY, name=FILE))
        for place, name in enumerate(NAMES):
            self.driver.init(place, name)
        self.driver.overwrite_name(len(NAMES) - 2, b"m" * 128)

    def play(self):
        """Of all its steps; one goes on being refused."""
        for place in range(1, len(NAMES)):
            self.driver.calls([("submit", place, REJECTED), ("submit", place, ACCEPTED)], 3)
        self.driver.submit(0, REJECTED)
        self.stage.play()

    def files(self):
        return ["--path", self.driver.file, "--path", self.stage.honest.file]


@pytest.fixture
def stage():
    with Stage() as one:
        yield one


@pytest.fixture
def nasty(stage):
    return Nasty(stage)


def check_text(text, names=True):
    """Characters that a terminal shows and a line takes, and no line that a name has begun."""
    assert "honest" in text or not names, text
    for line in text.splitlines():
        assert line.replace("\t", "").isprintable(), ascii(line)
        assert not re.match(r"\W*INJECTED", line), ascii(line)


def check_json(text):
    """A line for each object, in which all that is none of a terminal's is escaped."""
    assert not CONTROL.search(text), ascii(text)
    lines = text.split("\n")
    check_text("\n".join(line for line in lines if line.startswith("pushback: ")), names=False)
    rows = [json.loads(line) for line in lines if not line.startswith("pushback: ")]
    assert rows and "INJECTED" not in {key for row in rows for key in row}


# ---- Servers ----


@pytest.mark.parametrize("words", [["dogstatsd"], ["statsd"], ["summary"]], ids=lambda w: w[0])
def test_statsd(stage, nasty, words):
    """No line, no tag, no metric: the receiver refuses what it cannot read, and knows each key."""
    events = ["--log", "1s", "--stuck", "1s", "--events"] if words == ["dogstatsd"] else []
    agent = stage.watch("--format", *words, *events, files=(FILE,))
    nasty.play()
    if events:
        # Refused for longer than that is said in an event and in a line of the log.
        assert agent.receiver.wait_for(lambda r: r.events, 20)
        agent.wait_line("stuck")
        for event in agent.receiver.events:
            assert not re.search(r"[^\x20-\x7e]", event["title"] + event["text"])
    nasty.play()
    stage.wait_told()
    status = stage.status()
    check_text(status, names=False)
    agent.signal(15)
    assert agent.wait() == 0
    agent.receiver.stop()
    assert not agent.receiver.errors, agent.receiver.errors[:5]
    stage.check_lines()
    if words == ["dogstatsd"]:
        stage.check_honest()
        stage.check_names("[A-Za-z0-9_.:/-]+", "[A-Za-z0-9_.:/-]+")


def test_openmetrics(stage, nasty):
    """By the parsers of Prometheus's own client; what is not a name's is as it would be without it."""
    port = free_port()
    stage.watch("--openmetrics", str(port), files=(FILE,))
    url = f"http://127.0.0.1:{port}/metrics"
    nasty.play()
    for kind in (NEW, OLD):
        wait_until(lambda: settled(stage, url, kind), "not all came", 20)
        for name, labels, _ in samples(get(url, accept=kind)[1], kind == NEW):
            assert re.match("streams_pipeline_|pushback_agent_", name)
            assert set(labels) <= {"step", "process", "pid", "reason", "le", "map", "code", "version"}, labels
            for value in labels.values():
                # A line's end is escaped there, and what turns the direction of writing is no control.
                assert not CONTROL.search(value), ascii(value)
    stage.check()


def settled(stage, url, kind):
    """The honest one's rounds are all there."""
    pid, rounds = str(stage.honest.pid), 0
    for name, labels, value in samples(get(url, accept=kind)[1], kind == NEW):
        if name == "streams_pipeline_submit_accepted_total" and labels.get("pid") == pid:
            rounds += value
    return rounds == stage.rounds


# ---- Verbs ----


class Verbs:
    """Several at once, of the nasty one and the honest one, who play all the while."""

    def __init__(self, nasty):
        self.nasty = nasty
        self.running = {}
        self.stack = nasty.stage.stack

    def begin(self, key, *words, files=True):
        argv = [PUSHBACK, *words, *(self.nasty.files() if files else [])]
        self.running[key] = self.stack.enter_context(Program(argv, "stdout", stderr=subprocess.STDOUT))

    def outputs(self):
        while any(program.process.poll() is None for program in self.running.values()):
            self.nasty.play()
        done = {key: (program.wait(), "\n".join(program.lines)) for key, program in self.running.items()}
        assert {key: status for key, (status, _) in done.items() if status not in (0, 4)} == {}, done
        return {key: text for key, (_, text) in done.items()}


def test_verbs_in_text(stage, nasty):
    verbs = Verbs(nasty)
    nasty.play()
    pids = [str(nasty.driver.pid), str(stage.honest.pid)]
    verbs.begin("list", "list", "--pid", pids[0], "--pid", pids[1], files=False)
    verbs.begin("list of a file", "list", nasty.driver.file, files=False)
    verbs.begin("top", "top", "--once")
    verbs.begin("graph", "graph", "--for", "2.5s")
    verbs.begin("dot", "graph", "--for", "2.5s", "--dot")
    verbs.begin("trace", "trace", "--duration", "2s")
    verbs.begin("check", "check", "--for", "2.5s", "--max-self", "honest=1%", "--max-full", "1%")
    verbs.begin("diff", "diff", "--for", "2.5s", *pids, files=False)
    verbs.begin("doctor", "doctor", "--pid", pids[0], "--for", "1s", files=False)
    for key, text in verbs.outputs().items():
        check_text(text, names=key not in ("list", "list of a file", "doctor"))
        if key == "dot":
            check_dot(text)


def check_dot(text):
    """As Graphviz reads it: no attribute and no node that is not ours."""
    plain = re.sub(r'"(?:[^"\\]|\\.)*"', '""', text)
    assert "INJECTED" not in plain, plain


def test_verbs_in_json(stage, nasty, tmp_path):
    verbs = Verbs(nasty)
    nasty.play()
    pids = [str(nasty.driver.pid), str(stage.honest.pid)]
    chrome = tmp_path / "trace.json"
    verbs.begin("list", "list", "--json", "--pid", pids[0], "--pid", pids[1], files=False)
    verbs.begin("top", "top", "--once", "--json")
    verbs.begin("graph", "graph", "--for", "2.5s", "--json")
    verbs.begin("trace", "trace", "--duration", "2s", "--json")
    verbs.begin("chrome", "trace", "--duration", "2s", "--chrome", chrome)
    verbs.begin("check", "check", "--for", "2.5s", "--json", "--max-self", "honest=1%")
    verbs.begin("diff", "diff", "--for", "2.5s", "--json", *pids, files=False)
    outputs = verbs.outputs()
    check_text(outputs.pop("chrome"), names=False)
    assert not CONTROL.search(chrome.read_text().replace("\n", ""))
    events = json.loads(chrome.read_text())["traceEvents"]
    assert {"honest refusing"} < {e["args"]["name"] for e in events if e.get("name") == "thread_name"}
    for key, text in outputs.items():
        check_json(text)
        assert '"honest"' in text or key == "list", text


class Page(html.parser.HTMLParser):
    """Elements and attributes, as a parser finds them."""

    def __init__(self, text):
        super().__init__()
        self.found = collections.Counter()
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found[tag, *sorted(key for key, _ in attrs)] += 1


def test_report(stage, nasty, tmp_path):
    """A page of them has the elements that one without them has."""
    verbs = Verbs(nasty)
    pages = {name: tmp_path / f"{name}.html" for name in ("nasty", "honest")}
    verbs.begin("nasty", "report", "--duration", "2.5s", "-o", pages["nasty"])
    verbs.begin("honest", "report", "--duration", "2.5s", "-o", pages["honest"], "--path", stage.honest.file, files=False)
    verbs.outputs()
    texts = {name: page.read_text(encoding="utf-8") for name, page in pages.items()}
    assert "honest" in texts["nasty"] and "INJECTED" in texts["nasty"]
    assert Page(texts["nasty"]).found == Page(texts["honest"]).found


def test_top_on_a_terminal(stage, nasty, tmp_path):
    pids = ["--pid", nasty.driver.pid, "--pid", stage.honest.pid]
    with Terminal(tmp_path, [PUSHBACK, "top", "--interval", "250ms", *pids], width=120, height=60) as terminal:
        terminal.wait_for("no return since")
        nasty.play()
        for pattern in ("honest", "INJECTED", "mmmmm|mxxx"):
            terminal.wait_for(pattern)
        screen = terminal.screen()
        check_text("\n".join(screen))
        assert screen[0].startswith("pushback top"), screen
        assert terminal.tmux("display-message", "-p", "#{pane_title}").strip() != "INJECTED"
        terminal.keys("q")
        assert terminal.status() == 0
        terminal.assert_restored()
