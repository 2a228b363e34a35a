# SPDX-License-Identifier: MIT
"""`pushback top` in a real terminal, through pipes, and its numbers held against the truth."""

import collections
import contextlib
import fcntl
import json
import os
import pty
import re
import shutil
import signal
import struct
import subprocess
import termios
import time

import pytest

import left_behind
import truth
from agent import COUNTERS, Agent
from driver import ACCEPTED, REJECTED, Driver
from instrumented import except_by
from load import Consumer, chain_errors, count_errors, sample_errors, time_errors
from program import DEMO, PROGS, PUSHBACK, Program, now, patient, run, wait_until
from terminal import Terminal
from test_discovery import links

BEFORE = left_behind.newest()
STEPS = ["decode", "filter", "transform", "batch", "sink"]
ENDED_BY_A_SIGNAL = "what a signal ends still has its memory, which it takes for leaks"
CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]")


@pytest.fixture
def demo(tmp_path):
    """A copy of its own: other tests' consumers and agents are not seen."""
    return shutil.copy(DEMO, tmp_path / "demo")


@pytest.fixture
def consumer(tmp_path, demo):
    with Consumer(tmp_path / "log", "--slow", "sink:refuse:1ms", program=demo) as one:
        yield one


def top(tmp_path, *options, **more):
    """Refreshed often: a test waits for what it shows. Of two --interval the last one holds."""
    return Terminal(tmp_path, [PUSHBACK, "top", "--interval", "250ms", *options], **more)


def assert_let_go():
    """No program of ours without an owner."""
    left_behind.assert_nothing(BEFORE)


def selected(terminal):
    """The row that is shown in reverse, as the column titles are."""
    reverse = False
    for line in terminal.screen("-e"):
        plain, first = "", None
        for part in re.split(r"(\x1b\[[\d;]*m)", line):
            if not part.startswith("\x1b"):
                plain += part
                first = reverse if plain and first is None else first
            for code in re.findall(r"\d+", part if part.startswith("\x1b") else ""):
                reverse = {"7": True, "27": False, "0": False}.get(code, reverse)
            if part == "\x1b[m":
                reverse = False
        if first and " STATE " not in plain:
            return plain.rstrip()
    return None


def wait_selected(terminal, pattern):
    end = time.monotonic() + patient(10)
    while not re.match(pattern, selected(terminal) or ""):
        assert time.monotonic() < end, terminal.screen("-e")
        time.sleep(0.05)


def steps_of(screen):
    """The names in the rows, in the order in which they are shown."""
    return [m[1] for line in screen if (m := re.match(r"[*> ] ?(\w+) +(?:refusing|blocked|busy|flowing|idle|\?|-) ", line))]


# ---- On a screen ----


def test_names_the_bottleneck(tmp_path, consumer):
    with top(tmp_path, "--pid", consumer.pid) as t:
        t.wait_for(rf"^demo\[{consumer.pid}\]: sink is the bottleneck")
        t.wait_for(r"^\*sink +refusing")
        screen = t.screen()
        assert steps_of(screen) == STEPS
        title = next(line for line in screen if line.startswith(" STEP"))
        assert title.split() == "STEP STATE SINCE REF% BLK% SELF% ACC/s REJ/s P50 P99 MAX QUEUE".split()
        assert all(len(line) <= 80 for line in screen)
        row = dict(zip(title.split(), t.wait_for(r"^\*(sink +refusing .*)$")[1].split()))
        assert int(row["REF%"]) > 80 and int(row["SELF%"]) > 80 and row["BLK%"] == "0"
        assert any(re.match(rf"demo\[{consumer.pid}\] +some +\d+ .* full +\d+ ", line) for line in screen)
        t.keys("q")
        assert t.status() == 0
        t.assert_restored()
    assert_let_go()


def test_follows_another_slow_step(tmp_path, consumer):
    with top(tmp_path, "--pid", consumer.pid) as t:
        t.wait_for("sink is the bottleneck")
        consumer.say("transform:refuse:5ms")
        t.wait_for("transform is the bottleneck")
        t.wait_for(r"^\*transform +refusing")
        consumer.say("none")
        t.wait_without("bottleneck")


def test_keys(tmp_path, consumer):
    with top(tmp_path, "--pid", consumer.pid) as t:
        t.wait_for(r"^\*sink +refusing")
        t.keys("s")
        t.wait_for(r"^pushback top .* by self time")
        t.wait_for(rf"^ +PID .*\n\* +{consumer.pid} (demo +)?sink ")
        t.keys("S")
        t.wait_without("by self time")

        t.keys("/")
        t.type("SIN")
        t.wait_for("^filter: SIN_")
        t.keys("Enter")
        t.wait_for(r"filter 'SIN'")
        assert steps_of(t.screen()) == ["sink"]
        t.keys("/")
        t.wait_for("^filter: _")  # begins anew
        t.type("nothing of that name")
        t.wait_for("No step, process or pid matches")
        t.keys("Escape")
        t.wait_without("filter:")
        assert steps_of(t.screen()) == STEPS

        t.keys("d")
        t.wait_for(r"blocked side(.*\n)+.* BLK/s")
        t.keys("d")
        t.wait_for("REJ/s")

        t.keys("h")
        t.wait_for("SELF% +refusing and not blocked")
        assert all(len(line) <= 80 and "\N{HORIZONTAL ELLIPSIS}" not in line for line in t.screen())
        t.keys("x")
        t.wait_for(r"^\*sink")
        t.keys("?")
        t.wait_for("any key goes back")
        t.resize(40, 12)
        t.wait_for("j k move, others go back")
        t.keys("NPage", "NPage", "NPage", "NPage")
        t.wait_for("^some full")
        t.keys("x", "/")
        t.type("SIN")
        t.keys("Enter")
        t.wait_for("^pushback top  filter 'SIN'")
        t.keys("p", "m")
        t.wait_for(r"^top  PAUSED  filter 'SIN'  merged\n(.*\n)+q quit  h help  p go on  m split")
        t.resize(80, 24)
        t.keys("q")
        assert t.status() == 0
        t.assert_restored()


def test_pause(tmp_path, consumer):
    with top(tmp_path, "--pid", consumer.pid) as t:
        t.wait_for(r"^\*sink +refusing")
        t.keys("p")
        t.wait_for("PAUSED")
        still = t.screen()
        consumer.say("transform:refuse:5ms")
        time.sleep(1)
        assert t.screen() == still
        t.keys("Space")
        t.wait_for("transform is the bottleneck")
        assert "PAUSED" not in "\n".join(t.screen())


def test_selection(tmp_path, demo, consumer):
    """The verdict is the selected consumer's; without a selection that of the one in most trouble."""
    calm = Consumer(tmp_path / "log2", "--slow", "none", program=demo)
    with calm, top(tmp_path, "--path", demo) as t:
        t.wait_for(rf"^demo\[{consumer.pid}\]: sink is the bottleneck")
        t.wait_for(rf"^demo\[{calm.pid}\] +some")
        t.keys("End")
        t.wait_for(rf"^demo\[{calm.pid}\]: ")
        t.keys("Home")
        t.wait_for(rf"^demo\[{consumer.pid}\]: ")
        t.keys("j", "Down")
        wait_selected(t, ">filter")
        t.keys("k", "k")
        wait_selected(t, "demo")
        t.keys("Escape")
        t.wait_without("^>")
        end = time.monotonic() + patient(10)
        while selected(t):
            assert time.monotonic() < end


def test_merge(tmp_path, demo, consumer):
    other = Consumer(tmp_path / "log2", "--slow", "transform:refuse:1ms", program=demo)
    with other, top(tmp_path, "--path", demo) as t:
        t.wait_for("2 consumers, 10 steps")
        t.wait_for(r"^\*sink +refusing")
        assert steps_of(t.screen()) == STEPS * 2
        t.keys("m")
        t.wait_for(r"^demo x2: in 1 of 2 (sink|transform) is the bottleneck, in 1 (sink|transform) is the bottleneck")
        t.wait_for(r"^demo x2 +some")
        t.wait_for(r"^\*transform +2 ")
        t.wait_for(r"^\*sink +2 ")
        assert sum(line.startswith((" decode", "*decode")) for line in t.screen()) == 1
        other.say("sink:refuse:1ms")
        t.wait_for(r"^demo x2: in both sink is the bottleneck: \d+ % self time")
        t.keys("m")
        t.wait_without("demo x2")


@pytest.mark.parametrize("interval", ["1s", "100ms"])
def test_resize(tmp_path, consumer, interval):
    """A signal says so, which must be seen between drains that leave no time to wait, too."""
    with top(tmp_path, "--pid", consumer.pid, "--interval", interval) as t:
        t.wait_for(r"^\*sink +refusing")
        t.resize(140, 40)
        t.wait_for(r"BUSY%.* EPI/s.* ACCEPTED")
        t.wait_for(r"4/4 \[\|+\]|[0-3]/4 \[\|* +\]")
        t.resize(40, 12)
        t.wait_for(r"^ STEP +STATE +SINCE REF% BLK% SELF%$")
        assert all(len(line) <= 40 for line in t.screen())
        t.resize(24, 3)
        t.wait_for(r"^pushback top")
        t.resize(10, 1)
        t.resize(80, 24)
        t.wait_for(r"^\*sink .*\n(\n)+q quit")


def test_many_rows_scroll(tmp_path, demo, consumer):
    with contextlib.ExitStack() as stack:
        for i in range(2):
            stack.enter_context(Consumer(tmp_path / f"log{i}", "--slow", "none", program=demo))
        t = stack.enter_context(top(tmp_path, "--path", demo, height=12))
        t.wait_for("3 consumers, 15 steps")
        t.wait_for(r"^\*sink")
        t.keys("End")
        wait_selected(t, "[>*]sink")
        t.keys("PPage")
        wait_selected(t, r"(demo|[>*](?!sink))")
        t.keys("Home")
        t.wait_for(rf"SELF%.*\ndemo\[{consumer.pid}\] ")


def test_a_crowd(tmp_path):
    """2,000 steps in 200 processes: those in trouble first, merged at a glance, and one is found."""
    crowd = shutil.copy(PROGS / "crowd", tmp_path / "crowd")
    with Program([crowd, 200, 10]) as consumers:
        consumers.wait_line("ready")
        with top(tmp_path, "--path", crowd, "--interval", "1s") as t:
            t.wait_for("200 consumers, 2000 steps")
            t.wait_for(r"^crowd\[\d+\]: step9 is the bottleneck")
            assert steps_of(t.screen())[:10] == [f"step{i}" for i in range(10)]
            t.keys("m")
            t.wait_for(r"^crowd x200: in \d+ of 200 step9 is the bottleneck, in \d+ (.*\n)+\*step9 +200 ")
            t.keys("m", "End")
            wait_selected(t, ">step9")
            t.wait_for(r"^crowd\[\d+\]: (?!step9 is the bottleneck)")
            t.keys("s", "Escape", "Home")
            wait_selected(t, r"\* +\d+ (crowd +)?step9 +refusing")
            t.keys("q")
            assert t.status() == 0
            t.assert_restored()


def test_colors_only_where_wanted(tmp_path, consumer):
    colored = re.compile(r"\x1b\[[\d;]*3[0-7]m")
    with top(tmp_path, "--pid", consumer.pid) as t:
        t.wait_for(r"^\*sink +refusing")
        assert colored.search("\n".join(t.screen("-e")))
    with top(tmp_path, "--pid", consumer.pid, env=["NO_COLOR=1"]) as t:
        t.wait_for(r"^\*sink +refusing")
        assert not colored.search("\n".join(t.screen("-e")))


# ---- Its end ----


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_restores_the_terminal(tmp_path, consumer, number):
    with top(tmp_path, "--pid", consumer.pid) as t:
        t.wait_for(r"^\*sink +refusing")
        t.signal(number)
        assert t.status() == 0
        t.assert_restored()
    assert_let_go()


def test_control_c(tmp_path, consumer):
    with top(tmp_path, "--pid", consumer.pid) as t:
        t.wait_for(r"^\*sink +refusing")
        t.keys("C-c")
        assert t.status() == 0
        t.assert_restored()


@pytest.mark.parametrize("how", ["SIGTERM", "q"])
def test_terminal_is_stopped(tmp_path, consumer, how):
    """Ctrl-S holds up neither the agent nor its end."""
    with top(tmp_path, "--pid", consumer.pid) as t:
        t.wait_for(r"^\*sink +refusing")
        t.keys("C-s")
        time.sleep(1.5)  # a refresh that cannot be written
        still = t.screen()
        if how == "q":
            t.keys("q")
        else:
            t.signal(signal.SIGTERM)
        assert t.status() == 0
        t.assert_restored()
    assert "pushback top" in still[0]
    assert_let_go()


def test_terminal_goes_on(tmp_path, consumer):
    """After a Ctrl-S what is shown is the present again, also after keys that nobody saw."""
    with top(tmp_path, "--pid", consumer.pid) as t:
        t.wait_for(r"^\*sink +refusing")
        t.keys("C-s")
        consumer.say("transform:refuse:5ms")
        t.keys("d")
        time.sleep(1.5)
        assert not re.search(", blocked side|transform is the", "\n".join(t.screen()))
        t.keys("C-q")
        t.wait_for(", blocked side(.*\n)+.*transform is the bottleneck")


def test_terminal_that_takes_nothing(consumer):
    """Its window is frozen, so no Ctrl-Q helps: it ends, with the modes that it found."""
    ours, its = pty.openpty()
    fill = os.open(os.ttyname(its), os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)
    for size in (64, 1):
        with contextlib.suppress(BlockingIOError):
            while True:
                os.write(fill, b"x" * size)
    before = termios.tcgetattr(its)
    env = os.environ | {"TERM": "xterm"}
    argv = [PUSHBACK, "top", "--pid", str(consumer.pid)]
    child = subprocess.Popen(argv, stdin=its, stdout=its, stderr=subprocess.PIPE, env=env, start_new_session=True)
    try:
        wait_until(lambda: termios.tcgetattr(its) != before, "it has not begun", 20)
        child.terminate()
        assert child.wait(patient(20)) == 0
        assert child.stderr.read() == b""
        assert termios.tcgetattr(its) == before
    finally:
        child.kill()
        child.wait()
        child.stderr.close()
        for descriptor in (ours, its, fill):
            os.close(descriptor)


@except_by("valgrind", reason="what SIGTSTP stops goes on in it")
def test_control_z(tmp_path, consumer):
    """The shell has its screen back, and top has it after fg; in the background it ends when told to."""
    with Terminal(tmp_path, ["bash", "--norc", "-i"]) as t:
        t.type(f"PS1='> '; {PUSHBACK} top --pid {consumer.pid}\n")
        t.wait_for(r"^\*sink +refusing")
        t.keys("C-z")
        t.wait_for("Stopped")
        assert t.tmux("display-message", "-p", "#{alternate_on} #{cursor_flag}") == "0 1\n"
        t.type("fg\n")
        t.wait_for(r"^pushback top(.*\n)+\*sink +refusing")
        t.keys("C-z")
        t.wait_for("Stopped(.*\n)+.*Stopped")
        t.type("bg\n")
        t.type("kill %1; wait; echo all over; exit\n")
        t.wait_for("^all over")
        assert t.status() == 0
        t.assert_restored()


@except_by("valgrind", reason=ENDED_BY_A_SIGNAL)
def test_terminal_is_closed(tmp_path, consumer):
    with top(tmp_path, "--pid", consumer.pid) as t:
        t.wait_for(r"^\*sink +refusing")
        pid = t.pid
        t.hang_up()
        end = time.monotonic() + patient(20)
        while os.path.exists(f"/proc/{pid}"):
            assert time.monotonic() < end
            time.sleep(0.05)
    assert_let_go()


def test_stopped_and_continued(tmp_path, consumer):
    with top(tmp_path, "--pid", consumer.pid) as t:
        t.wait_for(r"^\*sink +refusing")
        t.signal(signal.SIGSTOP)
        time.sleep(0.7)
        t.signal(signal.SIGCONT)
        consumer.say("transform:refuse:5ms")
        t.wait_for("transform is the bottleneck")


def test_consumer_is_killed(tmp_path, demo, consumer):
    with Consumer(tmp_path / "log2", program=demo) as other, top(tmp_path, "--path", demo) as t:
        t.wait_for("2 consumers")
        other.kill()
        t.wait_for("1 consumer, 5 steps")
        t.wait_without(rf"demo\[{other.pid}\]")
        consumer.kill()
        t.wait_for("^No consumer is left")
    with (
        Consumer(tmp_path / "log3", "--slow", "sink:refuse:1ms", program=demo) as consumer,
        top(tmp_path, "--pid", consumer.pid) as t,
    ):
        t.wait_for(r"^\*sink +refusing")
        consumer.kill()
        assert t.status() == 0
        t.assert_restored()
        t.wait_for(rf"^pushback: process {consumer.pid} has ended$")


def test_killed_while_it_is_looked_at_once(consumer):
    """What was seen of it is shown, and that it has ended."""
    argv = [PUSHBACK, "top", "--once", "--interval", "1h", "--pid", str(consumer.pid)]
    with Program(argv, output="stdout") as once:
        watched = re.compile(rf"^ *{consumer.pid} +demo +yes", re.M)
        wait_until(lambda: watched.search(run(PUSHBACK, "list").stdout), "it is watched", 20)
        time.sleep(2)
        consumer.kill()
        assert once.wait() == 0
        assert any("All of them have ended" in line for line in once.lines), once.lines
        assert steps_of(once.lines) == STEPS


def test_consumer_is_stopped(tmp_path, consumer):
    """Nobody is accused of what was open then."""
    with top(tmp_path, "--pid", consumer.pid, width=140) as t:
        t.wait_for(r"^\*sink +refusing")
        os.kill(consumer.pid, signal.SIGSTOP)
        t.wait_for(r"the process is stopped \(state T\): nothing has been submitted for ")
        assert not any(line.startswith("*") for line in t.screen())
        os.kill(consumer.pid, signal.SIGCONT)
        t.wait_for(r"^\*sink +refusing")


def test_fails_on_a_usual_screen(tmp_path):
    """What goes wrong is said before the terminal is taken over."""
    with Program(["sleep", "100"]) as sleep, top(tmp_path, "--pid", sleep.pid) as t:
        assert t.status() == 1
        t.assert_restored()
        t.wait_for(f"^pushback: process {sleep.pid} maps no file with pushback probes")


# ---- Names ----


def test_names_cannot_drive_the_terminal(tmp_path):
    name = "\x1b[31m\x1b]0;title\x07\r\n\t\u202e\x9b2J\u6d41"
    with Driver(tmp_path) as d:
        d.init(0, name)
        with top(tmp_path, "--path", d.file, "--path", d.library_file, width=120) as t:
            t.wait_for("No step has returned")
            d.submit(0, REJECTED)
            t.wait_for(r"\?\[31m\?\]0;title\?\?\?\?\?\?+2J\u6d41")
            assert not CONTROL.search("".join(t.screen()))
        d.submit(0, ACCEPTED)
        argv = [PUSHBACK, "top", "--once", "--path", d.file, "--path", d.library_file]
        with Program(argv, output="stdout") as plain, Program([*argv, "--json"], output="stdout") as lines:
            while None in (plain.process.poll(), lines.process.poll()):
                d.submit(0, REJECTED)
                time.sleep(0.05)
                d.submit(0, ACCEPTED)
            for once in (plain, lines):
                once.wait()
                assert "31m" in "".join(once.lines)
                assert not CONTROL.search("".join(once.lines))


# ---- Plain and piped ----


def blocks(pid, number):
    with open(f"/proc/{pid}/status") as status:
        mask = int(re.search(r"SigBlk:\s*([0-9a-f]+)", status.read())[1], 16)
    return mask >> (number - 1) & 1


def read_pty(descriptor, until, timeout=20):
    text = ""
    end = time.monotonic() + patient(timeout)
    while not re.search(until, text):
        assert time.monotonic() < end, text
        text += os.read(descriptor, 65536).decode()
    return text


@pytest.mark.parametrize("term", ["dumb", "", None, "no-such-terminal"])
def test_terminal_that_cannot_move(tmp_path, consumer, term):
    """Plain lines, one table after the other, and not an escape sequence."""
    env = {k: v for k, v in os.environ.items() if k not in ("TERM", "COLUMNS")}
    env |= {} if term is None else {"TERM": term}
    if term == "no-such-terminal":  # ncurses forgets memory when it does not know one
        env["ASAN_OPTIONS"] = env.get("ASAN_OPTIONS", "") + ":detect_leaks=0"
    ours, its = pty.openpty()
    argv = [PUSHBACK, "top", "--interval", "300ms", "--pid", str(consumer.pid)]
    child = subprocess.Popen(argv, stdin=its, stdout=its, stderr=its, env=env)
    os.close(its)
    try:
        text = read_pty(ours, r"(?s)sink +refusing.*sink +refusing")
        assert "\x1b" not in text
        assert "sink is the bottleneck" in text
        assert all(len(line.rstrip("\r")) < 80 for line in text.split("\n"))
        child.terminate()
        assert child.wait(patient(20)) == 0
    finally:
        child.kill()
        child.wait()
        os.close(ours)


def test_piped(consumer):
    with Program([PUSHBACK, "top", "--interval", "300ms", "--pid", consumer.pid], output="stdout") as t:
        for _ in range(2):
            t.wait_line(r"^\d\d:\d\d:\d\d  1 consumer, 5 steps$")
            t.wait_line(r"^ STEP ")
            t.wait_line(r"^  sink is the bottleneck")
            t.wait_line(r"^\*sink +refusing")
        t.signal(signal.SIGTERM)
        assert t.wait() == 0


def test_once(consumer):
    done = run(PUSHBACK, "top", "--pid", consumer.pid, "--once")
    assert done.returncode == 0 and done.stderr == ""
    lines = done.stdout.splitlines()
    assert steps_of(lines) == STEPS
    assert sum(line.startswith(" STEP") for line in lines) == 1
    assert all(len(line) < 80 for line in lines)


def test_once_says_that_it_waits_longer_than_asked(tmp_path, demo):
    done = run(PUSHBACK, "top", "--once", "--interval", "1s", "--path", demo)
    assert done.returncode == 0
    assert re.fullmatch(r"pushback: --once waits 2\.5s: .*\n", done.stderr)


def test_one_of_two_ends_meanwhile(tmp_path, demo):
    """Of the one that is left there is a table, of the other one line in each output."""
    argv = [PUSHBACK, "top", "--once", "--interval", "1h", "--path", demo]
    graph = [PUSHBACK, "graph", "--for", "1h", "--path", demo]
    slow = ("--slow", "sink:refuse:1ms")
    with Consumer(tmp_path / "one", *slow, program=demo) as stays, Consumer(tmp_path / "two", *slow, program=demo) as ends:
        with (
            Program(argv, output="stdout") as plain,
            Program([*argv, "--json"], output="stdout") as lines,
            Program(graph, output="stderr") as said,
        ):
            watched = re.compile(rf"^ *{ends.pid} +demo +yes", re.M)
            wait_until(lambda: watched.search(run(PUSHBACK, "list").stdout), "it is watched", 20)
            time.sleep(1.5)
            ends.kill()
            time.sleep(1.5)
            for one in (plain, lines, said):
                one.signal(signal.SIGTERM)
                assert one.wait() == 0
        stays.end()
    end = f"consumer demo ({ends.pid}) ended while watched"
    assert steps_of(plain.lines) == STEPS and end in plain.lines
    assert [line for line in said.lines if "ended" in line] == [f"pushback: {end}"]
    objects = [json.loads(line) for line in lines.lines]
    assert {(o["pid"], o.get("consumer_ended")) for o in objects} == {(ends.pid, True), (stays.pid, None)}


def test_one_of_two_makes_no_return(tmp_path, demo):
    """It is in no table, having no steps that were seen: a line says that it is there."""
    argv = [PUSHBACK, "top", "--path", demo]
    slow = ("--slow", "sink:refuse:1ms")
    with Consumer(tmp_path / "one", *slow, program=demo), Consumer(tmp_path / "two", *slow, program=demo) as quiet:
        os.kill(quiet.pid, signal.SIGSTOP)
        said = f"no return since we attached: demo ({quiet.pid}) stopped"
        with (
            Program([*argv, "--once"], output="stdout") as plain,
            Program([*argv, "--once", "--json"]) as lines,
            Program([PUSHBACK, "graph", "--for", "2.5s", "--path", demo]) as graph,
            top(tmp_path, "--path", demo) as t,
        ):
            t.wait_for(re.escape(said))
            assert [one.wait() for one in (plain, lines, graph)] == [0, 0, 0]
            os.kill(quiet.pid, signal.SIGCONT)
            t.wait_without("no return")
            t.wait_for("2 consumers")
    assert steps_of(plain.lines) == STEPS and said in plain.lines
    assert lines.lines == [f"pushback: {said}"] == graph.lines


def small_pipe():
    """It is full with the first few lines."""
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    return reader, writer


def waiting_in(descriptor):
    """How many bytes may be read."""
    return struct.unpack("i", fcntl.ioctl(descriptor, termios.FIONREAD, bytes(4)))[0]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_nobody_reads(consumer, number):
    """It ends, what was written is whole lines, and it says that there were more."""
    reader, writer = small_pipe()
    argv = [PUSHBACK, "top", "--json", "--interval", "100ms", "--pid", str(consumer.pid)]
    # Where the tests run under nohup it would be ignored, as it should be.
    default = {"preexec_fn": lambda: signal.signal(number, signal.SIG_DFL)}
    child = subprocess.Popen(argv, stdout=writer, stderr=subprocess.PIPE, text=True, **default)
    os.close(writer)
    try:
        wait_until(lambda: waiting_in(reader), "nothing was written", 20)
        child.send_signal(number)
        assert child.wait(patient(20)) == 0
        assert "the output is stuck" in child.stderr.read()
        with open(reader) as lines:
            assert all(json.loads(line) for line in lines)
    finally:
        child.kill()
        child.wait()
        child.stderr.close()
    assert_let_go()


def test_reads_late(consumer):
    """Whole lines, of which none is missing within a refresh, and how many refreshes were left out."""
    reader, writer = small_pipe()
    argv = [PUSHBACK, "top", "--json", "--interval", "100ms", "--pid", str(consumer.pid)]
    with Program(argv, output="stderr", stdout=writer) as t, open(reader) as lines:
        os.close(writer)
        wait_until(lambda: waiting_in(reader), "nothing was written", 20)
        seen, objects = 0, []
        while not seen or len(objects) % 5:
            time.sleep(0 if seen else 0.1)
            objects.append(json.loads(lines.readline()))
            seen = objects[-1]["lost"].get("output_stuck", 0)
        assert [o["step"] for o in objects] == STEPS * (len(objects) // 5)
        t.signal(signal.SIGTERM)


@except_by("valgrind", reason=ENDED_BY_A_SIGNAL)
@pytest.mark.parametrize("verb", ["top", "graph"])
def test_once_waits_for_the_reader(consumer, verb):
    """As for a pager; a signal ends that as it ends any program, and nothing is attached by then."""
    reader, writer = small_pipe()
    options = ["--once"] if verb == "top" else ["--for", "2.5s"]
    argv = [PUSHBACK, verb, "--json", *options, "--pid", str(consumer.pid)]
    os.write(writer, b"x\n" * 2048)
    child = subprocess.Popen(argv, stdout=writer, stderr=subprocess.PIPE, text=True)
    os.close(writer)
    try:
        wait_until(lambda: blocks(child.pid, signal.SIGTERM), "it has not begun", 20)
        wait_until(lambda: not blocks(child.pid, signal.SIGTERM), "it has not come to its end", 20)
        assert not any("bpf" in os.readlink(f"/proc/{child.pid}/fd/{fd}") for fd in os.listdir(f"/proc/{child.pid}/fd"))
        child.terminate()
        assert child.wait(patient(20)) == -signal.SIGTERM
        with open(reader) as lines:
            assert all(line == "x\n" for line in lines)
    finally:
        child.kill()
        child.wait()
        child.stderr.close()


@pytest.mark.parametrize("interval", ["1s", "1h"], ids=["after a refresh", "before any"])
@pytest.mark.parametrize("options", [(), ("--json",)], ids=["plain", "json"])
def test_pipe_is_closed(consumer, options, interval):
    """It ends quietly, and at once: not only with the next refresh."""
    argv = [PUSHBACK, "top", "--interval", interval, *options, "--pid", str(consumer.pid)]
    child = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if interval == "1s":
        assert child.stdout.readline()
    child.stdout.close()
    try:
        assert child.wait(patient(20)) == 0
        assert child.stderr.read() == ""
    finally:
        child.kill()
        child.stderr.close()
    assert_let_go()


def test_nothing_to_see(tmp_path, demo):
    argv = [PUSHBACK, "top", "--path", demo, "--once"]
    with Program([*argv, "--json"], output="stdout") as lines:
        done = run(*argv)
        assert done.returncode == 0
        assert "No step has returned since this began" in done.stdout
        assert (lines.wait(), lines.lines) == (0, [])


@pytest.mark.parametrize(
    "options,status,says",
    [
        (["--interval", "1ms"], 2, "too short"),
        (["--all", "--pid", "1"], 2, "leave out --pid"),
        (["--statsd", "x"], 2, "is not an option of 'top'"),
        (["--path", "/nonexistent"], 1, "/nonexistent"),
    ],
)
def test_usage(options, status, says):
    done = run(PUSHBACK, "top", *options)
    assert done.returncode == status
    assert re.search(says, done.stderr) and done.stderr.count("\n") == 1


# ---- Numbers ----


class Seen:
    """What `top --json` has said, as the tests of statsd look at an agent."""

    def __init__(self, lines):
        self.objects = [json.loads(line) for line in lines]
        self.last = {(o["pid"], o["instance"]): o for o in self.objects}

    def counters(self):
        result = collections.defaultdict(collections.Counter)
        for o in self.last.values():
            for name in COUNTERS:
                result[o["step"]][name] += o[name]
        return result

    def samples(self, step, direction):
        """As many as durations; only their number is known."""
        return {0: sum(o[f"{direction}_backpressure_duration"]["count"] for o in self.last.values() if o["step"] == step)}


@pytest.mark.parametrize("ends", [True, False], ids=["consumer ends", "consumer pauses"])
def test_json_is_the_truth(tmp_path, demo, ends):
    """And so is what an agent says that runs beside it."""
    begin = now()
    argv = [PUSHBACK, "top", "--json", "--path", demo]
    with Agent("--path", demo) as agent, Program(argv, output="stdout") as t:
        wait_until(lambda: links(t), "it is not attached", 20)
        with Consumer(tmp_path / "log", "--slow", "sink:refuse:1ms", program=demo) as consumer:
            time.sleep(2)
            if ends:
                consumer.end()
            else:
                consumer.pause()
            time.sleep(1)
            told = now()
            t.signal(signal.SIGTERM)
            assert t.wait() == 0
            end = now()
            if not ends:
                consumer.resume()
                consumer.end()
        wall = end - begin
        agent.end()
    results = consumer.truth() if ends else consumer.truth(None, [(begin, end)], until=end)
    steps, seen = truth.merge(results), Seen(t.lines)
    # Its last look was between the two.
    errors = count_errors(seen, steps) + chain_errors(seen, results) + time_errors(seen, steps, wall, end - told)
    if ends:
        errors += sample_errors(agent, steps) + count_errors(agent, steps)
        for step in steps:
            for direction in ("send", "receive"):
                count, want = seen.samples(step, direction)[0], steps[step][direction]["episodes"]
                errors += [] if count == want else [f"{step} {direction}: {count} durations, in truth {want}"]
    assert not errors, "\n".join(errors)
    assert sum(step["send"]["episodes"] for step in steps.values()) > 100
    states = {o["state"] for o in seen.last.values()}
    assert states == {"ended"} if ends else "ended" not in states


def test_json_keys(tmp_path, demo):
    """They are UTF-8, whatever the terminal takes."""
    steps = [*STEPS[:4], "größe"]
    options = ("--steps", f"{','.join(steps)}=sink", "--slow", "größe:refuse:1ms")
    with Consumer(tmp_path / "log", *options, program=demo) as consumer:
        env = os.environ | {"LC_ALL": "C"}
        done = run(PUSHBACK, "top", "--json", "--once", "--pid", consumer.pid, env=env)
    assert done.returncode == 0 and done.stderr == ""
    objects = [json.loads(line) for line in done.stdout.splitlines()]
    assert [o["step"] for o in objects] == steps
    sink = objects[-1]
    assert sink["pid"] == consumer.pid and sink["process"] == "demo"
    assert sink["state"] == "refusing" and sink["at_fault"] and sink["verdict"]["kind"] == "bottleneck"
    assert sink["verdict"]["text"].startswith("größe is the bottleneck: ")
    assert sink["lost"] == {} and sink["instances"] == 1 and sink["queue_capacity"] == 4
    assert 0.8 < sink["refusing"] <= 1 and 0.8 < sink["self"] <= 1 and sink["blocked"] == 0
    # It had begun before top came.
    assert sink["since"] > 1000 and sink["since_at_least"] is True
    assert sink["send_backpressure_spell"] > 1000 and sink["send_backpressure_spell_at_least"] is True
    assert sink["receive_backpressure_spell"] == 0 and sink["receive_backpressure_spell_at_least"] is False
    assert [o["at_fault"] for o in objects].count(True) == 1
    assert [o["level"] for o in objects] == [0, 1, 2, 3, 4]
    assert all(abs(sum(o["split"].values()) - 1) < 0.01 for o in objects), objects
    assert len({o["consumer"] for o in objects}) == 1
    documented = set(re.findall(r"[a-z_]{4,}", run(PUSHBACK, "top", "--help").stdout))
    assert {key for key in sink if not key.startswith(("send_", "receive_"))} - documented <= {"pid", "step_busy_time", "submit_forwarded", "self"}
