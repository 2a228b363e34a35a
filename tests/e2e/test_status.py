# SPDX-License-Identifier: MIT
"""What an agent says about itself: pushback.agent.*, `pushback status`, SIGUSR1.

PUSHBACK_TEST_LONG=1: the line about a consumer that has been silent for a minute.
"""

import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import threading
import time

import pytest

from agent import Agent
from driver import ACCEPTED, Driver
from load import LONG
from program import PUSHBACK, ROOT, Program, patient, run, wait_until
from receiver import Receiver
from scene import refuse

AGENT = "pushback.agent."
FAILED, HOST = 1, 3


@pytest.fixture(name="driver")
def a_driver(tmp_path):
    with Driver(tmp_path) as d:
        yield d


@pytest.fixture(name="path")
def a_path(tmp_path):
    return tmp_path / "agent.sock"


def status(path, *options):
    return run(PUSHBACK, "status", "--socket", path, *options, timeout=20)


def ask(path):
    done = status(path, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def watch(driver, path, **more):
    return Agent("--path", driver.file, "--socket", path, **({"interval": "100ms"} | more))


def cpu_ms(pid):
    """User and system time of it and of the process that reads for it, by the kernel's count of ticks."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as f:
        fields = f.read().rpartition(")")[2].split()
    own = (int(fields[11]) + int(fields[12])) * 1000 // os.sysconf("SC_CLK_TCK")
    readers = [child for file in pathlib.Path(f"/proc/{pid}/task").glob("*/children") for child in file.read_text().split()]
    return own + sum(map(cpu_ms, readers))


def gauge(agent, name, **tags):
    return agent.receiver.gauge(AGENT + name, **tags)


# ---- What it says ----


def test_status_says_what_it_watches_and_takes(driver, path):
    for place in range(3):
        driver.init(place, f"step{place}")
    with watch(driver, path) as agent:
        before = ask(path)
        for place in range(3):
            refuse(driver, place)
        refuse(driver)
        wait_until(lambda: ask(path)["steps"] == 3, "it does not see the steps")
        # One each; of two episodes of a step one may be so much longer that it is in another.
        wait_until(lambda: ask(path)["maps"]["histograms"]["used"] >= 3, "nor their histograms")
        many = ask(path)["maps"]["histograms"]["used"]
        wait_until(lambda: gauge(agent, "map_entries", map="histograms") == many, "nor tells of them")
        said = ask(path)
        used = {name: map["used"] for name, map in said["maps"].items()}
        told = {name: gauge(agent, "map_entries", map=name) for name in used}
        assert used == told == {"steps": 3, "histograms": many, "processes": 1, "files": 1} and many <= 4
        assert all(0 < m["used"] < m["most"] for m in said["maps"].values())
        assert {name: gauge(agent, name) for name in ("steps", "processes", "files", "sites", "silent")} == {
            "steps": 3, "processes": 1, "files": 1, "sites": 4, "silent": 0}  # fmt: skip
        assert (said["pid"], said["files"], said["sites"], said["processes"]) == (agent.pid, 1, 4, 1)
        assert said["lost"] == {} and said["silent"] == {"count": 0, "shown": []}
        assert said["uptime_s"] > before["uptime_s"] and said["cpu_s"] >= before["cpu_s"] > 0
        # A page more or less, it may take at any time.
        pages = int(open(f"/proc/{agent.pid}/statm", encoding="ascii").read().split()[1])
        assert abs(said["memory_bytes"] - pages * os.sysconf("SC_PAGESIZE")) < 1 << 20
        assert said["map_memory_bytes"] > 3 * 512
        assert said["sinks"][0]["state"] == "sent" and said["sinks"][0]["packets_sent"] > 0
        agent.end()
    assert not os.path.exists(path)


def test_all_that_it_tells_is_documented(driver, path):
    readme = (ROOT / "README.md").read_text()
    with watch(driver, path) as agent:
        driver.init(0, "x" * 200)
        driver.submit(0, ACCEPTED)
        assert agent.receiver.wait_for(lambda r: r.counter(AGENT + "lost"))
        agent.end()
    with agent.receiver.lock:
        told = {name for name, _ in [*agent.receiver.counters, *agent.receiver.gauges] if name.startswith(AGENT)}
    assert len(told) >= 12
    assert not [name for name in told if f"`{name.removeprefix(AGENT)}`" not in readme]


def test_cpu_adds_up(driver, path):
    """What came in differences is what the kernel says, between two looks at it."""
    with watch(driver, path) as agent:
        least = cpu_ms(agent.pid)
        wait_until(lambda: agent.receiver.counter(AGENT + "cpu_time") >= least - 20, "it tells of no CPU")
        agent.signal(signal.SIGSTOP)
        wait_until(lambda: "T (stopped)" in open(f"/proc/{agent.pid}/status", encoding="ascii").read(), "runs")
        time.sleep(0.1)  # what was on its way is there
        assert agent.receiver.counter(AGENT + "cpu_time") <= cpu_ms(agent.pid) + 20
        agent.signal(signal.SIGCONT)
        agent.end()


def test_losses_and_a_server_that_is_not_there(driver, path):
    with Program([PUSHBACK, "run", "--path", driver.file, "--socket", path, "--interval", "100ms",
                  "--statsd", "udp://127.0.0.1:9"]) as agent:  # fmt: skip
        agent.wait_line("watching")
        wait_until(lambda: ask(path)["sinks"][0].get("packets_dropped", {}) != {}, "nothing refused")
        sink = ask(path)["sinks"][0]
        assert (sink["address"], sink["state"]) == ("udp://127.0.0.1:9", "refused")
        assert sink["packets_sent"] == 0
        driver.init(0, "x" * 200)
        driver.submit(0, ACCEPTED)
        wait_until(lambda: ask(path)["lost"] == {"name_cut": 1}, "a name that was cut is no loss")
        text = status(path).stdout
        assert "lost      name_cut 1\n" in text
        assert re.search(r"udp://127\.0\.0\.1:9: refused, 0 packets sent, .* packets dropped \(refused\)", text)


def test_sigusr1_says_the_same(driver, path):
    driver.init(0, "step")
    with watch(driver, path) as agent:
        refuse(driver)
        wait_until(lambda: ask(path)["maps"]["histograms"]["used"] == 1, "no histogram")
        agent.signal(signal.SIGUSR1)
        agent.wait_line(r"silent    nobody")
        lines = [line.removeprefix("pushback: ") for line in agent.lines[1:]]
        asked = status(path).stdout.splitlines()
        changing = r"[0-9.]+ ?(packets|us|ms|s\b|%|MiB)"
        assert [re.sub(changing, "N", a) for a in lines] == [re.sub(changing, "N", b) for b in asked]
        assert agent.process.poll() is None
        agent.signal(signal.SIGTERM)
        assert agent.wait() == 0


def test_a_silent_consumer_is_flagged(driver, path):
    """It has been attached to and does nothing; with its first return it is like any other."""
    with watch(driver, path) as agent:
        wait_until(lambda: ask(path)["silent"]["count"] == 1, "a silent one is not flagged", 20)
        assert ask(path)["silent"]["shown"] == [{"pid": driver.pid, "process": "driver", "state": "sleeping"}]
        assert f"silent    no return since we attached: driver ({driver.pid}) sleeping\n" in status(path).stdout
        wait_until(lambda: gauge(agent, "silent") == 1, "nor counted")
        driver.init(0, "step")
        driver.submit(0, ACCEPTED)
        wait_until(lambda: ask(path)["silent"]["count"] == 0, "it is heard, and flagged still")
        wait_until(lambda: gauge(agent, "silent") == 0, "and counted still")
        agent.end()


@pytest.mark.skipif(not LONG, reason="two minutes; PUSHBACK_TEST_LONG=1")
def test_a_silent_consumer_is_said_once(driver, path):
    with watch(driver, path) as agent:
        agent.wait_line(rf"no return since we attached: driver \({driver.pid}\) sleeping: see .*doctor", 150)
        time.sleep(70)
        assert len(agent.lines) == 2, agent.lines


# ---- Who may ask, and where ----


@pytest.fixture(name="inside")
def a_private_run(tmp_path):
    """A prefix: the command has a /run of its own, with nothing in it."""
    script = "mount -t tmpfs none /run && echo ready >&2 && exec sleep 1000"
    with Program(["unshare", "--mount", "--propagation", "private", "sh", "-c", script]) as holder:
        holder.wait_line("ready")
        yield ["nsenter", "--mount", "--target", str(holder.pid)]


def an_agent(inside, driver, *options):
    argv = [PUSHBACK, "run", "--path", driver.file, "--statsd", "udp://127.0.0.1:9", *options]
    return Program([*inside, *argv])


def folder_of(inside):
    """{name: mode} in the private /run/pushback, and its own mode as '.'."""
    done = run(*inside, "find", "/run/pushback", "-printf", "%P %M\n")
    words = [line.rpartition(" ") for line in done.stdout.splitlines()]
    return {name or ".": mode for name, _, mode in words}


def with_record(*names):
    """Beside each agent's socket is the one at which it is asked for its record."""
    return {name: "srw-------" for socket in names for name in (socket, f"{socket}.record")}


def test_two_agents_and_a_dead_ones_socket(inside, driver):
    with an_agent(inside, driver) as first:
        first.wait_line("watching")
        assert len(first.lines) == 1
        assert folder_of(inside) == {".": "drwx------", **with_record("agent.sock")}
        with an_agent(inside, driver) as second:
            own = f"/run/pushback/agent-{second.pid}.sock"
            told = f"process {first.pid} has /run/pushback/agent.sock: pushback status --socket {own} asks"
            second.wait_line(re.escape(told))
            second.wait_line("watching")
            both = run(*inside, PUSHBACK, "status", "--json")
            assert {json.loads(line)["pid"] for line in both.stdout.splitlines()} == {first.pid, second.pid}
            one = run(*inside, PUSHBACK, "status", "--socket", own)
            assert f"process {second.pid}," in one.stdout and one.stdout.count("watching") == 1
            second.kill()
        first.kill()
        dead = with_record("agent.sock", f"agent-{second.pid}.sock")
        assert folder_of(inside) == {".": "drwx------", **dead}
        none = run(*inside, PUSHBACK, "status")
        assert none.returncode == FAILED and none.stderr.count("\n") == 1
        assert "no agent listens in /run/pushback" in none.stderr
    with an_agent(inside, driver) as third:
        third.wait_line("watching")
        assert len(third.lines) == 1
        assert f"process {third.pid}," in run(*inside, PUSHBACK, "status").stdout
        assert folder_of(inside) == {".": "drwx------", **with_record("agent.sock")}
        third.signal(signal.SIGTERM)
        assert third.wait() == 0
    assert folder_of(inside) == {".": "drwx------"}


def test_many_that_start_over_a_dead_ones_socket(inside, driver):
    """One of them gets it, and all of them are asked."""
    with an_agent(inside, driver) as dead:
        dead.wait_line("watching")
        dead.kill()
    agents = [an_agent(inside, driver) for _ in range(4)]
    try:
        for agent in agents:
            agent.wait_line("watching", 60)
        said = run(*inside, PUSHBACK, "status", "--json").stdout.splitlines()
        assert sorted(json.loads(line)["pid"] for line in said) == sorted(agent.pid for agent in agents)
        own = [f"agent-{a.pid}.sock" for a in agents if len(a.lines) > 1]
        assert folder_of(inside) == {".": "drwx------", **with_record("agent.sock", *own)}
    finally:
        for agent in agents:
            agent.signal(signal.SIGTERM)
        assert [agent.wait() for agent in agents] == [0] * 4
        for agent in agents:
            agent.__exit__()


@pytest.mark.parametrize("spoil", ["mount -o remount,ro /run", "ln -s /tmp /run/pushback",
                                   "touch /run/pushback", "mkdir /run/pushback; chown 1 /run/pushback"])
def test_a_run_that_is_not_ours_is_said_once(inside, driver, spoil):
    run(*inside, "sh", "-c", spoil)
    with an_agent(inside, driver, "--interval", "100ms") as agent:
        agent.wait_line("watching")
        time.sleep(0.5)
        agent.signal(signal.SIGTERM)
        assert agent.wait() == 0
        assert re.fullmatch(r"pushback: pushback status cannot ask this agent: /run/pushback/agent\.sock: .+",
                            agent.lines[0])  # fmt: skip
        assert sum("pushback status" in line for line in agent.lines) == 1, agent.lines
    assert not os.path.exists("/tmp/agent.sock")


def test_what_is_no_agents_socket_is_left_alone(driver, tmp_path):
    """Given by mistake: a file, and a server's socket of the other kind."""
    file = tmp_path / "file"
    file.write_text("keep")
    server = Receiver()
    server.start(f"unixgram://{tmp_path}/server")
    for path in (file, tmp_path / "server"):
        with watch(driver, path) as agent:
            assert f"{path} is taken: pushback status --socket {tmp_path}/agent-{agent.pid}.sock" in agent.lines[0]
            assert ask(tmp_path / f"agent-{agent.pid}.sock")["pid"] == agent.pid
            agent.signal(signal.SIGTERM)
            assert agent.wait() == 0
    assert file.read_text() == "keep"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as client:
        client.connect(f"{tmp_path}/server")
    server.stop()


def test_only_root_may_ask(driver):
    """Neither the file's mode nor, where that was changed, the socket itself lets others in."""
    with TemporaryFolder() as folder:
        pushback = shutil.copy(PUSHBACK, folder)
        path = f"{folder}/agent.sock"
        nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
        with watch(driver, path):
            for mode in (0o600, 0o666):
                assert mode == 0o666 or os.stat(path).st_mode & 0o777 == mode
                os.chmod(path, mode)
                done = run(*nobody, pushback, "status", "--socket", path)
                assert (done.returncode, done.stdout) == (HOST, ""), done
                assert re.fullmatch(r"pushback: [^\n]*: not allowed: run as root\n", done.stderr)
            assert ask(path)["pid"]


class TemporaryFolder:
    """One that others may go into."""

    def __enter__(self):
        self.path = run("mktemp", "-d").stdout.strip()
        os.chmod(self.path, 0o755)
        return self.path

    def __exit__(self, *_):
        shutil.rmtree(self.path)


# ---- The other side may be anything ----


def connect(path):
    client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    client.connect(str(path))  # waits for room
    client.settimeout(patient(20))
    return client


def sockets(pid):
    """How many it has open. (Of other descriptors it keeps some for each process of the host.)"""
    count = 0
    for entry in os.scandir(f"/proc/{pid}/fd"):
        with contextlib.suppress(FileNotFoundError):  # closed just now
            count += os.readlink(entry.path).startswith("socket:")
    return count


def test_clients_do_not_hold_it_up(driver, path):
    """Some read nothing, some write, some go at once, some ask all the time: every count arrives."""
    driver.init(0, "step")
    with watch(driver, path) as agent:
        driver.submit(0, ACCEPTED)
        wait_until(lambda: ask(path)["steps"] == 1, "it does not see the step")
        before = sockets(agent.pid)
        idle = [connect(path) for _ in range(100)]
        stopping = threading.Event()

        def bother():
            while not stopping.is_set():
                client = connect(path)
                try:
                    client.send(b"GET / HTTP/1.1\r\n\r\n")
                except OSError:
                    pass
                client.close()

        threads = [threading.Thread(target=bother) for _ in range(3)]
        for thread in threads:
            thread.start()
        for _ in range(499):
            driver.submit(0, ACCEPTED)
            time.sleep(0.002)
        assert agent.receiver.wait_for(lambda r: r.counter("streams.pipeline.submit_accepted") > 0)
        assert ask(path)["pid"] == agent.pid
        stopping.set()
        for thread in threads:
            thread.join()
        answers = [client.makefile().read() for client in idle]
        assert all(json.loads(answer)["pid"] == agent.pid for answer in answers)
        wait_until(lambda: sockets(agent.pid) == before, "it has kept sockets")
        agent.end()
    assert agent.receiver.counter("streams.pipeline.submit_accepted") == 500


ANSWERS = {
    "nothing": (b"", "not allowed|no agent's answer"),
    "no JSON": (b"hello", "no agent's answer"),
    "no object": (b"[1]", "no agent's answer"),
    "too much": (b"x" * (2 << 20), "no agent's answer"),
    "binary": (bytes(range(256)), "no agent's answer"),
    "cut": (b'{"pid": 1, "version', "no agent's answer"),
}


def serve(path, answer):
    """Answers one client."""
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listening.bind(str(path))
    listening.listen(1)

    def one():
        client, _ = listening.accept()
        try:
            client.sendall(answer)
        except OSError:
            pass
        client.close()
        listening.close()

    thread = threading.Thread(target=one)
    thread.start()
    return thread


@pytest.mark.parametrize("kind", ANSWERS)
def test_what_is_no_agent(path, kind):
    answer, words = ANSWERS[kind]
    thread = serve(path, answer)
    done = status(path)
    thread.join()
    assert done.returncode in (FAILED, HOST) and done.stdout == ""
    assert done.stderr.count("\n") == 1 and re.search(words, done.stderr), done.stderr


def test_an_answer_that_lies(path):
    """Of another version, or of somebody else: shown as far as it goes, and nothing of it is a terminal's."""
    lie = {"pid": "x", "version": "\x1b[2J", "uptime_s": -1e300, "sinks": [7, {"sink": "a\nb", "x": {"y": None}}],
           "maps": {"steps": 3}, "lost": [1], "silent": {"count": 1 << 62, "shown": ["z", {"process": "\x07"}]}}  # fmt: skip
    thread = serve(path, json.dumps(lie).encode())
    done = status(path)
    thread.join()
    assert done.returncode == 0, done.stderr
    assert all(line.isprintable() for line in done.stdout.splitlines()), done.stdout


def test_an_agent_that_is_stopped(driver, path):
    with watch(driver, path) as agent:
        agent.signal(signal.SIGSTOP)
        done = status(path)
        agent.signal(signal.SIGCONT)
        assert done.returncode == FAILED
        assert f"process {agent.pid} does not answer within 5 s: is it stopped?" in done.stderr
        assert ask(path)["pid"] == agent.pid
        agent.end()


def test_nobody_there(tmp_path):
    for path in (tmp_path / "none", tmp_path / "no" / "ne"):
        done = status(path)
        assert done.returncode == FAILED
        assert done.stderr == f"pushback: {path}: no agent listens there: see pushback run --socket\n"


def test_a_path_too_long(driver, tmp_path):
    path = tmp_path / ("x" * 108)
    with watch(driver, path) as agent:
        assert "at most 107 bytes" in agent.lines[0] and len(agent.lines) == 2
        agent.signal(signal.SIGTERM)
        assert agent.wait() == 0
    assert "at most 107 bytes" in status(path).stderr


def test_a_server_that_was_never_there_is_told_of(driver, tmp_path):
    """Once, and when it is there: its address may be wrong, and nothing else would say so."""
    receiver = Receiver()
    away = f"unixgram://{tmp_path}/statsd.sock"
    argv = [PUSHBACK, "run", "--path", driver.file, "--interval", "100ms", "--socket", "none", "--statsd"]
    try:
        with Program([*argv, away]) as agent:
            agent.wait_line("^pushback: watching")
            agent.wait_line(f"^pushback: warning: nothing gets to {away}: nothing is at that path")
            receiver.start(away)
            agent.wait_line(f"^pushback: {away} is reached$")
            receiver.wait_for(lambda r: r.counter(AGENT + "packets_sent") > 10)
            agent.signal(signal.SIGTERM)
            assert agent.wait() == 0
            assert len(agent.lines) == 3, agent.lines
        with Program([*argv, away.replace("unixgram", "unix")]) as agent:
            agent.wait_line("warning: nothing gets to .*: that socket is of the other kind")
    finally:
        receiver.stop()
