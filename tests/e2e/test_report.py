# SPDX-License-Identifier: MIT
"""`pushback report`: its numbers against the consumer's own, its page in a real browser."""

import contextlib
import fcntl
import html.parser
import json
import os
import shutil
import signal
import socket
import subprocess
import time

import pytest

import truth
from agent import Agent
from browser import PROGRAM as CHROMIUM
from browser import Browser
from driver import ACCEPTED, REJECTED, Driver
from instrumented import except_by
from load import TIMES, Consumer, value_of
from program import DEMO, PUSHBACK, patient, run, wait_until
from test_discovery import links
from watched import wait_watched

NASTY = [
    "<script>alert(1)</script>",
    "</script><img src=x onerror=alert(2)>",
    "\"'&lt;`${1}\\",
    "</title><b>\u202eevil\u202c",
    "a\nb\x1b[31m\x00",
    "x" * 127,
    "ünïcode 漢字",
    "@DATA@",
]


class Data(html.parser.HTMLParser):
    """The object that a page embeds, and its scripts as a parser that knows nothing of us finds them."""

    def __init__(self, path):
        super().__init__()
        self.scripts, self.tags = [], []
        self.feed(path.read_text(encoding="utf-8"))
        (self.object,) = (json.loads(text) for kind, text in self.scripts if kind == "application/json")

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag == "script":
            self.scripts.append([dict(attrs).get("type"), ""])

    def handle_data(self, data):
        if self.cdata_elem == "script":
            self.scripts[-1][1] += data


def data_of(path):
    return Data(path).object


def steps_of(path):
    return {step["step"]: step for consumer in data_of(path)["consumers"] for step in consumer["steps"]}


@pytest.fixture(name="demo")
def a_demo(tmp_path):
    """A copy of its own: other tests' consumers and agents are not seen."""
    return shutil.copy(DEMO, tmp_path / "demo")


@pytest.fixture(name="page")
def a_page(tmp_path):
    return tmp_path / "report.html"


class Report:
    """Watching now; all of it once `wait_watched` says so."""

    def __init__(self, page, *options, seconds=4):
        argv = [PUSHBACK, "report", "--duration", f"{seconds}s", "-o", page, *options]
        self.process = subprocess.Popen(list(map(str, argv)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def end(self):
        """(exit status, stderr)"""
        out, error = self.process.communicate(timeout=patient(60))
        assert not out
        return self.process.returncode, error


# ---- Numbers ----

# What the truth calls it, of which direction, and the report.
COUNTS = (
    ("accepted", None, "accepted"),
    ("forwarded", None, "forwarded"),
    ("attempts", "send", "rejected"),
    ("attempts", "receive", "refused"),
    ("episodes", "send", "refusing_episodes"),
    ("episodes", "receive", "blocked_episodes"),
)
NAMES = {
    "send_backpressure_time": "refusing_ms",
    "receive_backpressure_time": "blocked_ms",
    "send_backpressure_self_time": "self_ms",
}


def errors_of(page, results, wall_ns):
    """Where the page is not what the consumer logged, a line each."""
    true, seen, errors = truth.merge(results), steps_of(page), []
    assert true.keys() == seen.keys(), (true.keys(), seen.keys())
    for name, step in true.items():
        for key, direction, column in COUNTS:
            if value_of(step, key, direction) != seen[name][column]:
                errors.append(f"{name} {column}: {seen[name][column]}, in truth {value_of(step, key, direction)}")
        for key, slack_key, direction, metric in TIMES:
            want, have = value_of(step, key, direction) / 1e6, seen[name][NAMES[metric]]
            slack = (0.01 * wall_ns + value_of(step, slack_key, direction)) / 1e6
            if abs(want - have) > slack:
                errors.append(f"{name} {NAMES[metric]}: {have} ms, in truth {want:.1f} ms")
        for direction, kind in (("send", "refusing"), ("receive", "blocked")):
            durations = seen[name][f"{kind}_durations"] or {"count": 0, "bars": []}
            if durations["count"] != step[direction]["episodes"]:
                errors.append(f"{name} {kind}: {durations['count']} durations of {step[direction]['episodes']} episodes")
            assert sum(n for _, n in durations["bars"]) == durations["count"]
    return errors


def strip_errors(page):
    """Where a strip does not add up to its number, a line each: a cell is rounded to a percent."""
    data, errors = data_of(page), []
    cell_ms = data["window"]["cell_s"] * 10
    for step in (step for consumer in data["consumers"] for step in consumer["steps"]):
        for name in ("refusing", "blocked", "self"):
            drawn, want = sum(step["strip"][name]) * cell_ms, step[f"{name}_ms"]
            # A second of a late drain may have more than a second in it.
            if abs(drawn - want) > cell_ms * (0.5 * data["window"]["cells"] + 20):
                errors.append(f"{step['step']} {name}: drawn {drawn} ms of {want} ms")
    return errors


@except_by("valgrind", reason="drains are seconds late, and what is drawn for a second is no more than that")
def test_what_is_watched_now_is_what_happened(tmp_path, demo, page):
    report = Report(page, "--path", demo, seconds=8)
    wait_until(lambda: links(report.process), "it does not wait for consumers to come", 20)
    begin = time.monotonic_ns()
    with Consumer(tmp_path / "log", "--slow", "sink:refuse:1ms", program=demo) as consumer:
        time.sleep(3)
        consumer.end()
        wall = time.monotonic_ns() - begin
        status, error = report.end()
        results = consumer.truth()
    assert (status, error) == (0, "")
    errors = errors_of(page, results, wall) + strip_errors(page)
    assert not errors, "\n".join(errors)
    (said,) = data_of(page)["consumers"]
    assert said["verdict"]["text"].startswith("sink is the bottleneck: "), said["verdict"]
    assert [step["step"] for step in said["steps"] if step["accused"]] == ["sink"]
    assert said["verdict"]["pressed_s"] >= 2
    assert not data_of(page)["agent"]["lost"]


def test_after_the_incident_the_agent_is_asked(tmp_path, demo, page):
    """The consumer has ended by then."""
    path = tmp_path / "agent.sock"
    with Agent("--path", demo, "--socket", path) as agent:
        begin = time.monotonic_ns()
        with Consumer(tmp_path / "log", "--slow", "sink:refuse:100us", program=demo) as consumer:
            time.sleep(3)
            consumer.end()
            wall = time.monotonic_ns() - begin
            results = consumer.truth()
        time.sleep(2.5)  # drains, and its durations with the next send
        done = run(PUSHBACK, "report", "--last", "30m", "--socket", path, "-o", page)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        agent.end()
        assert not path.exists() and not path.with_name("agent.sock.record").exists()
    errors = errors_of(page, results, wall) + strip_errors(page)
    assert not errors, "\n".join(errors)
    assert all(step["ended"] for step in steps_of(page).values())


def test_a_stall_of_seconds_is_named_in_a_quiet_time(tmp_path, page):
    with Driver(tmp_path) as driver:
        for place, name in enumerate(["front", "behind"]):
            driver.init(place, name)
        report = Report(page, "--path", driver.file, seconds=8)
        wait_watched(driver, report.process)
        driver.submit(0, ACCEPTED)
        driver.submit(1, ACCEPTED)
        time.sleep(1)
        driver.submit(1, REJECTED)
        time.sleep(2.5)
        driver.submit(1, ACCEPTED)
        assert report.end() == (0, "")
    data = data_of(page)
    consumer = next(c for c in data["consumers"] if any(s["step"] == "behind" for s in c["steps"]))
    assert consumer["verdict"]["text"].startswith("behind is the bottleneck: "), consumer["verdict"]
    assert 2 <= consumer["verdict"]["pressed_s"] <= 4
    first, last = consumer["verdict"]["longest"]
    assert data["window"]["from"] <= first < last <= data["window"]["until"]
    assert 2400 <= steps_of(page)["behind"]["self_ms"] <= 3500


# ---- In a browser ----


@contextlib.contextmanager
def nasty_steps(tmp_path):
    with Driver(tmp_path) as driver:
        for place, name in enumerate(NASTY):
            driver.init(place, name.encode())
        yield driver


@pytest.fixture(name="nasty", scope="module")
def a_nasty_page(tmp_path_factory):
    """Of steps with all sorts of names, which hand on to each other; the last one refuses."""
    folder = tmp_path_factory.mktemp("nasty")
    page = folder / "report.html"
    with nasty_steps(folder) as driver:
        report = Report(page, "--path", driver.file, seconds=4)
        wait_watched(driver, report.process)
        last = len(NASTY) - 1
        for _ in range(3):
            sequence = [("submit", last, REJECTED)]
            for place in range(last - 1, -1, -1):
                sequence += [("forward", place, REJECTED), ("submit", place, ACCEPTED)]
            driver.calls(sequence)
            time.sleep(0.4)
            driver.calls([("submit", place, ACCEPTED) for place in range(last, -1, -1)])
        assert report.end() == (0, "")
    return page


def test_names_are_text_only(nasty):
    data = Data(nasty)
    # Nothing that a consumer named is a tag or ends the script that it stands in.
    assert data.tags.count("script") == 2 and "img" not in data.tags and "b" not in data.tags
    names = {step["step"] for consumer in data.object["consumers"] for step in consumer["steps"]}
    assert names == {name.split("\0")[0] for name in NASTY}


@pytest.fixture(name="browser", scope="module")
def a_browser():
    if not CHROMIUM:
        pytest.skip("no chromium here")
    with Browser() as browser:
        yield browser


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [360, 1100])
def test_it_is_drawn_whatever_the_names(browser, nasty, width, dark):
    browser.size(width, dark=dark)
    browser.open(nasty)
    assert not browser.errors
    assert browser.requests == [nasty.as_uri()]
    assert browser.ask("document.documentElement.scrollWidth") == width
    assert browser.ask("document.scripts.length") == 2
    assert not browser.ask("document.querySelectorAll('img, iframe, script[src], [onerror]').length")
    rows = browser.ask("[...document.querySelectorAll('#numbers tbody th')].map(th => th.textContent)")
    assert len(rows) == len(NASTY) and "<script>alert(1)</script>" in rows and "ünïcode 漢字" in rows
    assert not any(c in row for row in rows for c in "\n\x1b\u202e")
    # One box each, and what was refused on the way.
    assert browser.ask("document.querySelectorAll('svg[role=img] > g').length") == len(NASTY)
    background = browser.ask("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, background[4:-1].split(","))) < 128 * 3) == dark


def test_the_table_is_sorted_by_keyboard(browser, nasty):
    browser.size(1100)
    browser.open(nasty)
    head = "document.querySelectorAll('#numbers thead th')"
    names = browser.ask(f"[...{head}].map(th => th.textContent)")
    assert browser.ask(f"[...{head}].map(th => th.ariaSort)").count("descending") == 1
    # To the table's region, and on to its first column.
    browser.ask("document.querySelector('.scroll').focus()")
    browser.press("Tab")
    assert browser.ask("document.activeElement.textContent") == names[0] == "step"
    browser.press("Enter")
    assert browser.ask(f"{head}[0].ariaSort") == "ascending"
    column = "[...document.querySelectorAll('#numbers tbody th')].map(th => th.textContent)"
    up = browser.ask(column)
    assert up == browser.ask(f"{column}.sort((a, b) => a.localeCompare(b))")
    browser.press(" ")
    assert browser.ask(column) == up[::-1]
    for _ in range(names.index("accepted")):
        browser.press("Tab")
    browser.press("Enter")
    data = {s["step"]: s["accepted"] for c in data_of(nasty)["consumers"] for s in c["steps"]}
    shown = browser.ask(f"[...document.querySelectorAll('#numbers tbody tr')].map(tr => tr.cells[{names.index('accepted')}].textContent)")
    assert list(map(int, shown)) == sorted(data.values(), reverse=True)
    assert not browser.errors


def test_a_moment_is_picked_by_keyboard(browser, nasty):
    browser.size(1100)
    browser.open(nasty)
    value = "document.activeElement.ariaValueText"
    browser.ask("document.querySelector('.lines').focus()")
    assert browser.ask(value) == "the whole time"
    browser.press("ArrowRight")
    browser.press("ArrowRight")
    assert browser.ask("document.activeElement.ariaValueNow") == "1"
    assert browser.ask(value).count("self\u00a0") == len(NASTY)
    browser.press("End")
    last = data_of(nasty)["window"]["cells"] - 1
    assert browser.ask("document.activeElement.ariaValueNow") == str(last)
    browser.press("Escape")
    assert browser.ask(value) == "the whole time"
    assert not browser.errors


# ---- What cannot be done ----


@pytest.fixture(name="recording")
def a_recording(tmp_path):
    """The socket of an agent that has recorded something."""
    path = tmp_path / "agent.sock"
    with Driver(tmp_path) as driver, Agent("--path", driver.file, "--socket", path) as agent:
        driver.init(0, "step")
        for _ in range(12):
            driver.submit(0, ACCEPTED)
            time.sleep(0.1)
        time.sleep(1)
        yield path
        agent.end()


def test_a_path_that_cannot_be_written(tmp_path, recording):
    before = sorted(tmp_path.iterdir())
    for output, why in [
        (tmp_path / "none" / "x.html", "No such file or directory"),
        (tmp_path, "Is a directory"),
        ("/proc/x.html", "No such file or directory"),
    ]:
        done = run(PUSHBACK, "report", "--socket", recording, "-o", output)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr == f"pushback: cannot write {output}: {why}\n"
    assert sorted(tmp_path.iterdir()) == before


def test_a_full_disk_leaves_what_was_there(tmp_path, recording):
    done = run(PUSHBACK, "report", "--socket", recording, "-o", "/dev/full")
    assert done.returncode == 1 and "No space left on device" in done.stderr and done.stderr.count("\n") == 1
    script = (
        f"mount -t tmpfs -o size=16k none {tmp_path}/small && cd {tmp_path}/small && echo before > x.html && "
        f"{PUSHBACK} report --socket {recording} -o x.html; echo $?; ls -A; cat x.html"
    )
    (tmp_path / "small").mkdir()
    done = run("unshare", "-m", "sh", "-c", script)
    assert done.stdout == "1\nx.html\nbefore\n", done
    assert done.stderr == "pushback: cannot write x.html: No space left on device; nothing of it was kept\n"


def test_a_reader_that_goes(recording):
    script = f"({PUSHBACK} report --socket {recording} -o -; echo $? >&2) | head -c 10"
    done = run("bash", "-c", script)
    assert (done.stdout, done.stderr) == ("<!doctype ", "0\n")


def test_a_link_stays_one_and_the_mode_is_usual(tmp_path, recording):
    (tmp_path / "link.html").symlink_to(tmp_path / "real.html")
    (tmp_path / "real.html").write_text("before")
    done = run(PUSHBACK, "report", "--socket", recording, "-o", tmp_path / "link.html")
    assert done.returncode == 0 and (tmp_path / "link.html").is_symlink()
    assert (tmp_path / "real.html").read_text().startswith("<!doctype html>")
    assert (tmp_path / "real.html").stat().st_mode & 0o777 == 0o644


def test_ended_by_a_signal_it_reports_what_it_has(tmp_path, page):
    with Driver(tmp_path) as driver:
        driver.init(0, "step")
        report = Report(page, "--path", driver.file, seconds=60)
        wait_watched(driver, report.process)
        for _ in range(15):
            driver.submit(0, ACCEPTED)
            time.sleep(0.1)
        report.process.send_signal(signal.SIGINT)
        assert report.end() == (0, "")
    assert data_of(page)["note"] == "It was ended before its time, of 60 s."
    assert steps_of(page)["step"]["accepted"] == 15


def test_no_agent_none_that_records_and_nothing_to_see(tmp_path, page):
    path = tmp_path / "agent.sock"
    done = run(PUSHBACK, "report", "--socket", path, "-o", page)
    assert done.returncode == 1 and "no agent listens there" in done.stderr
    with Driver(tmp_path) as driver:
        with Agent("--path", driver.file, "--socket", path, "--record", "off"):
            done = run(PUSHBACK, "report", "--socket", path, "-o", page)
            assert done.returncode == 1 and "this agent does not record" in done.stderr
        assert Report(page, "--path", driver.file, seconds=3).end()[0] == 1
    assert not page.exists()


def record_of(path):
    """What an agent hands out, as bytes."""
    with socket.socket(socket.AF_UNIX) as asker:
        asker.connect(f"{path}.record")
        _, [file], _, _ = socket.recv_fds(asker, 1, 1)
    with open(file, "rb") as record:
        record.seek(0)  # where it stands is what the agent has left
        return record.read()


def hand_out(path, record, seals, page):
    """`report` asks somebody who hands out these bytes, in a file of their own: how it ends."""
    file = os.memfd_create("record", os.MFD_ALLOW_SEALING)
    os.write(file, record)
    fcntl.fcntl(file, fcntl.F_ADD_SEALS, seals)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"{path}.record")
        listener.listen()
        report = subprocess.Popen([PUSHBACK, "report", "--socket", path, "-o", page], stderr=subprocess.PIPE, text=True)
        with listener.accept()[0] as asker:
            socket.send_fds(asker, [b"x"], [file])
            _, errors = report.communicate(timeout=patient(30))
    os.close(file)
    return report.returncode, errors


def test_a_record_that_may_change_is_none(tmp_path, recording, page):
    """Cut off while it is read, it would end who reads it."""
    record = record_of(recording)
    cannot_shrink, cannot_change = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW, fcntl.F_SEAL_WRITE
    assert hand_out(tmp_path / "sealed", record, cannot_shrink | cannot_change, page) == (0, "")
    assert steps_of(page)["step"]["accepted"] == 12
    page.unlink()
    for seals in [0, cannot_shrink, cannot_change]:
        path = tmp_path / f"open-{seals}"
        status, errors = hand_out(path, record, seals, page)
        assert (status, errors) == (1, f"pushback: {path}: that is no record of this version: is the agent another one?\n")
    assert not page.exists()


@pytest.mark.parametrize(
    "options,said",
    [
        ([], "say where the page goes: -o FILE"),
        (["-o"], "-o needs a value: -o FILE"),
        (["-o", "x", "--last", "1m", "--duration", "9s"], "--last asks an agent, --duration watches now"),
        (["-o", "x", "--pid", "1"], "--pid, --path and the like are for --duration"),
        (["-o", "x", "--socket", "s", "--duration", "9s"], "--socket is for --last"),
    ],
)
def test_wrong_use(options, said):
    done = run(PUSHBACK, "report", *options)
    assert done.returncode == 2 and said in done.stderr, done.stderr
