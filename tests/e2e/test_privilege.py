# SPDX-License-Identifier: MIT
"""What the agent may still do once it has started, and that its counts are exact all the same.

Which capabilities those are the man page says; the tests take them from there.
"""

import contextlib
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile

import pytest

import scrape
from agent import PREFIX
from driver import ACCEPTED, Driver
from instrumented import BY, except_by
from kernel import HAS_MULTI, MULTI
from pinning import Relay, bpf_file_system, unpin
from ports import free_port
from program import DEMO, PUSHBACK, ROOT, Program, patient, run, wait_until
from scene import expect, one, refuse, refused
from test_discovery import NAME, Hunt, links, refuse_some

UNIT = ROOT / "tools/systemd/pushback.service"
ADMIN = "CAP_SYS_ADMIN"
NOBODY = 65534
needs_filter = except_by("address", "thread", "valgrind", reason="such a build has no filter")


def documented():
    """Of the man page, in its order; the last one is for old kernels."""
    page = (ROOT / "tools/man/pushback-run.1").read_text()
    section = page.partition(".Sh SECURITY\n")[2].partition("\n.Sh ")[0]
    names = re.findall(r"^\.It Dv (CAP_\w+)$", section, re.M)
    assert names[-1] == ADMIN and len(set(names)) == 6
    return names


KEPT = documented()[:-1]
# What an agent takes that attaches as this kernel lets it.
TAKEN = KEPT if HAS_MULTI else [*KEPT, ADMIN]


def numbers():
    text = pathlib.Path("/usr/include/linux/capability.h").read_text()
    return {name: int(n) for name, n in re.findall(r"^#define (CAP_\w+)\s+(\d+)$", text, re.M)}


def mask(names):
    return sum(1 << numbers()[name] for name in names)


def states(pid):
    """{field: value} of each thread."""
    found = []
    for task in os.listdir(f"/proc/{pid}/task"):
        with contextlib.suppress(FileNotFoundError):
            text = pathlib.Path(f"/proc/{pid}/task/{task}/status").read_text()
            found.append(dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line))
    return found


def is_confined(state, names=TAKEN, filtered=not BY):
    wanted = {
        "CapInh": 0,
        "CapPrm": mask(names),
        "CapEff": mask(names),
        "CapBnd": 0,
        "CapAmb": 0,
    }
    assert {field: int(state[field], 16) for field in wanted} == wanted
    assert state["NoNewPrivs"] == "1"
    assert state["Seccomp"] == ("2" if filtered else "0")


def as_nobody(names):
    """A command that runs another as a user with these capabilities and no others."""
    sets = ",".join("+" + name.removeprefix("CAP_").lower() for name in names) or "-all"
    command = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    return [*command, f"--inh-caps={sets}", f"--ambient-caps={sets}", "--bounding-set", f"-all,{sets}" if names else "-all"]


class Verb(Program):
    """One that watches `file`, in its loop: that is when it has the filter."""

    def __init__(self, *words, program=PUSHBACK, before=(), output="stderr", **more):
        streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        super().__init__([*before, program, *words], output=output, **(streams | {output: subprocess.PIPE} | more))

    def confined(self):
        """Its threads once it is in the loop."""
        wait_until(lambda: states(self.pid)[0]["NoNewPrivs"] == "1", "it never is confined")
        if not BY and "--no-seccomp" not in self.process.args:
            wait_until(lambda: states(self.pid)[0]["Seccomp"] == "2", "it has no filter")
        return states(self.pid)


# ---- What is left ----


WATCHING = {
    "run": ["--statsd", "udp://127.0.0.1:9", "--socket", "none"],
    "top": ["--interval", "1s"],
    "graph": ["--for", "1h"],
    "trace": [],
    "check": ["--for", "1h", "--max-full", "5%"],
    "report": ["--duration", "1h", "-o", "/dev/null"],
}


@pytest.mark.parametrize("multi", [pytest.param(True, marks=MULTI), False], ids=["uprobe_multi", "perf"])
@pytest.mark.parametrize("verb", WATCHING)
def test_what_is_left_is_what_is_documented(tmp_path, verb, multi):
    file = shutil.copy(DEMO, tmp_path / "demo")
    words = [verb, "--path", file, *WATCHING[verb], *([] if multi else ["--no-multi"])]
    with Verb(*words) as program:
        for state in program.confined():
            is_confined(state, KEPT if multi else [*KEPT, ADMIN])
        program.signal(signal.SIGTERM)
        program.wait()


def test_without_the_filter(tmp_path):
    file = shutil.copy(DEMO, tmp_path / "demo")
    with Verb("run", "--path", file, "--no-seccomp", *WATCHING["run"]) as program:
        program.wait_line("watching")
        for state in program.confined():
            is_confined(state, filtered=False)


def test_a_thread_that_begins_later(tmp_path):
    """That of a lookup, which here takes its time: nobody answers."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.9.9.9", 53))
        (tmp_path / "resolv.conf").write_text("nameserver 127.9.9.9\n")
        (tmp_path / "nsswitch.conf").write_text("hosts: dns\n")
        binds = "; ".join(f"mount --bind {tmp_path}/{name} /etc/{name}" for name in ("resolv.conf", "nsswitch.conf"))
        file = shutil.copy(DEMO, tmp_path / "demo")
        before = ["unshare", "-m", "sh", "-c", f'{binds}; exec "$@"', "sh"]
        words = ["--path", file, "--statsd", "udp://statsd.example:8125", "--socket", "none"]
        with Verb("run", *words, before=before) as program:
            program.wait_line("watching")
            wait_until(lambda: len(os.listdir(f"/proc/{program.pid}/task")) == 2, "no lookup")
            for state in states(program.pid):
                is_confined(state)
            assert silent.recv(512)  # and it may ask


def test_doctor_keeps_no_more(tmp_path):
    """It has no loop: while it waits for a hit."""
    with Driver(tmp_path) as d, Verb("doctor", "--pid", d.pid, "--for", "1h", output="stdout") as program:
        program.wait_line("^ok +self_test")
        for state in states(program.pid):
            is_confined(state, [*KEPT, ADMIN], filtered=False)


# ---- What is refused ----


class Debugger:
    """Makes a program call what it never would."""

    def __init__(self, pid):
        self.pid = pid

    def run(self, *commands):
        words = [word for command in commands for word in ("-ex", command)]
        return run("gdb", "-q", "-nx", "-batch", "-p", self.pid, *words).stdout

    def calls(self, expressions):
        """(result, errno) of each, calls that return an int; a debugger takes seconds to begin."""
        number = "*(int *)__errno_location()"
        commands = [(f"set {number} = 0", f"print (int){e}", f"print {number}") for e in expressions]
        text = self.run(*(command for three in commands for command in three))
        values = [int(n) for n in re.findall(r"^\$\d+ = (-?\d+)$", text, re.M)]
        assert len(values) == 2 * len(expressions), text
        return list(zip(values[::2], values[1::2]))

    def call(self, expression):
        [answer] = self.calls([expression])
        return answer


@pytest.fixture
def watched(tmp_path):
    """An agent in its loop, and who makes it call something."""
    file = shutil.copy(DEMO, tmp_path / "demo")
    with Verb("run", "--path", file, *WATCHING["run"]) as program:
        program.wait_line("watching")
        yield program, Debugger(program.pid)


EPERM, ENOSYS = 1, 38


@needs_filter
def test_it_opens_nothing_for_writing(watched, tmp_path):
    program, debugger = watched
    there = tmp_path / "there"
    there.write_text("as it was")
    for flags in (os.O_WRONLY, os.O_RDWR, os.O_WRONLY | os.O_CREAT, os.O_RDONLY | os.O_TRUNC, os.O_RDONLY | os.O_CREAT):
        for path in (there, tmp_path / "new"):
            assert debugger.call(f'open("{path}", {flags}, 0644)') == (-1, EPERM), (path, flags)
    assert there.read_text() == "as it was" and not (tmp_path / "new").exists()
    fd, error = debugger.call(f'open("{there}", 0)')
    assert fd > 2 and not error
    assert debugger.call(f'syscall(437, -100, "{there}", 0, 0)') == (-1, ENOSYS)  # openat2 of x86-64
    assert debugger.call(f"close({fd})") == (0, 0)


@needs_filter
def test_it_begins_nothing_new(watched):
    _, debugger = watched
    pid = os.getpid()
    # Numbers are those of x86-64: a static build has not all of the C library's functions.
    others = {
        "socket of netlink": "41, 16, 3, 0",
        "socket of packets": "41, 17, 3, 0",
        "bind": "49, 0, 0, 0",
        "listen": "50, 0, 1",
        "kill": f"62, {pid}, 0",
        "chmod": '90, "/tmp", 0777',
        "symlink": '88, "/etc/passwd", "/tmp/pushback-link"',
        "get a pin": "321, 7, 0, 0",
        "get a program by its number": "321, 13, 0, 0",
        "get a link by its number": "321, 30, 0, 0",
        "map writable and to be run": "9, 0, 4096, 7, 0x22, -1, 0",
        "type into a terminal": '16, 0, 0x5412, "x"',
        "limit another": f"302, {pid}, 7, 0, 0",
        "a child in a namespace of its own": f"56, {0x20000 | 17}, 0, 0, 0, 0",
    }
    if HAS_MULTI:  # else libbpf may still try what perf uprobes can do here
        others["load a program"] = "321, 5, 0, 0"
    answers = debugger.calls([f"syscall({words})" for words in others.values()])
    assert dict(zip(others, answers)) == dict.fromkeys(others, (-1, EPERM))


@needs_filter
@pytest.mark.parametrize(
    "call",
    [
        '59, "/bin/true", 0, 0',
        "57",
        "101, 16, 1, 0, 0",
        "311, 1, 0, 0, 0, 0, 0",
        '165, "none", "/tmp", "tmpfs", 0, 0',
        "105, 0",
        "272, 0",
    ],
    ids=["execve", "fork", "ptrace", "process_vm_writev", "mount", "setuid", "unshare"],
)
def test_what_only_somebody_else_would_call_ends_it(watched, call):
    program, debugger = watched
    debugger.run(f"call (int)syscall({call})")
    assert program.wait() == -signal.SIGSYS


# ---- Counts under it ----


def unit_settings():
    found = {}
    for line in UNIT.read_text().splitlines():
        if re.match(r"\w+=", line):
            key, _, value = line.partition("=")
            found.setdefault(key, []).append(value)
    return found


class Service(Relay):
    """As the unit has it: not root, with the capabilities that are documented; `before` runs as root."""

    def __init__(self, directory, program, *options, before=()):
        self.words = [*before, *as_nobody(KEPT), program, "run", "--pin-dir", directory]
        super().__init__(directory, *options)

    def start(self, *more):
        argv = [*self.words, "--statsd", self.address, *self.options, *more]
        Program.__init__(self, argv, stdin=subprocess.DEVNULL)
        try:
            self.wait_line(r"^pushback: watching")
        except AssertionError:
            self.__exit__()
            raise


def given_to_nobody(path):
    path.mkdir(mode=0o700)
    os.chown(path, NOBODY, NOBODY)
    return path


def as_a_unit(writable):
    """What its settings make of mounts: all is to be read only but what it is given, and processes of
    others are hidden from who has not CAP_SYS_PTRACE."""
    script = f"mount --bind {writable} {writable} && mount -o remount,bind,ro / && "
    script += 'mount -t proc -o hidepid=invisible proc /proc && exec "$@"'
    return ["unshare", "-m", "--propagation", "private", "sh", "-c", script, "sh"]


def prepare(bpffs, run_directory):
    """What the unit has done by root, elsewhere."""
    for line in unit_settings()["ExecStartPre"]:
        words = line.removeprefix("+").replace("/sys/fs/bpf", str(bpffs)).replace("/run/pushback", str(run_directory))
        subprocess.run(words.split(), check=True)


def test_what_the_unit_makes_may_be_missing_before():
    """Mounts are set up before each of its commands, the first one included, that makes what is to be writable."""
    made = {word for line in unit_settings()["ExecStartPre"] if "mkdir" in line for word in line.split()[1:]}
    writable = " ".join(unit_settings()["ReadWritePaths"]).split()
    assert [path for path in writable if path.lstrip("-") in made] == [f"-{path.lstrip('-')}" for path in writable]


READ_ONLY = except_by("valgrind", reason="it has files of its own in /tmp, which the unit may not write to")


@MULTI
@pytest.mark.parametrize("kind", ["plain", pytest.param("unit", marks=READ_ONLY)])
def test_counts_of_a_service_are_exact(tmp_path, open_directory, monkeypatch, kind):
    """Not root, but root's consumers: those that begin, their libraries, a restart, and all ways out."""
    monkeypatch.setenv("PUSHBACK_TEST_TAG", "theirs")
    sockets = given_to_nobody(open_directory / "run")
    port = free_port(socket.SOCK_STREAM)
    options = ["--all", "--match-name", NAME, "--tag-from", "pid=pid", "--tag-from", "whose=env:PUSHBACK_TEST_TAG"]
    options += ["--openmetrics", port, "--socket", sockets / "s", "--log", "1s", "--events"]
    before = as_a_unit(sockets) if kind == "unit" else []
    with bpf_file_system() as bpffs, Hunt(tmp_path) as hunt:
        bpffs.chmod(0o700)
        state = bpffs / "pushback"
        prepare(bpffs, sockets)
        first = hunt.consumer()
        with Service(state, open_directory / "pushback", *options, before=before) as service:
            for task in states(service.pid):
                assert task["Uid"].split() == [str(NOBODY)] * 4
                assert int(task["CapEff"], 16) == mask(KEPT) and task["Seccomp"] == ("0" if BY else "2")
            hunt.agent = service
            told = {hunt.found(first).pid: refuse_some(first)}
            # One whose files only root may read, and which opens a library.
            closed = tmp_path / "closed"
            closed.mkdir()
            second = hunt.consumer(closed)
            closed.chmod(0o700)
            hunt.found(second).dlopen()
            hunt.found(second, "library").init(1024, "step")
            told[second.pid] = [refuse(second, 1024) for _ in range(3)]
            ask_in_all_ways(service, sockets / "s", port, tmp_path / "page.html")
            # A server that was away gets all counts. Durations it does not: they are all there when it goes.
            durations = lambda r: r.sample(PREFIX + "send_backpressure_duration", pid=str(second.pid))
            assert service.receiver.wait_for(lambda r: sum(durations(r).values()) == len(told[second.pid]))
            service.signal(signal.SIGSTOP)
            service.last_flush()
            service.receiver.stop()
            service.signal(signal.SIGCONT)
            for _ in range(7):
                first.submit(0, ACCEPTED)
            service.receiver.start(service.address)
            service.stop()
            # The next one has another number, and what is pinned becomes its own.
            for path in (state, *state.rglob("*")):
                os.chown(path, NOBODY - 1, NOBODY - 1)
            assert "belongs to another user" in run(*service.words, "--once", "--socket", "none").stderr
            prepare(bpffs, sockets)
            service.start()
            told[second.pid] += [refuse(second, 1024)]
            third = hunt.consumer()
            told[third.pid] = refuse_some(third)
            service.end()
            assert {int(pid) for _, pid in service.series(whose="theirs")} == set(told)
            for pid, episodes in told.items():
                accepted = len(episodes) + (7 if pid == first.pid else 0)
                instances = one(service, pid=pid).gauges["instances"]
                parts = [refused(*episode) for episode in episodes]
                expect(one(service, pid=pid), *parts, instances=instances, submit_accepted=accepted)
            assert service.lost() == {}
        assert unpin(state).returncode == 0


def ask_in_all_ways(service, path, port, page):
    done = run(PUSHBACK, "status", "--socket", path)
    assert done.returncode == 0 and f"process {service.pid}" in done.stdout, done.stderr
    done = run(PUSHBACK, "report", "--last", "1m", "--socket", path, "-o", page)
    assert done.returncode == 0 and b"</html>" in page.read_bytes(), done.stderr
    url = f"http://127.0.0.1:{port}/metrics"
    wait_until(lambda: 'whose="theirs"' in scrape.get(url)[1], "nothing to scrape")
    service.signal(signal.SIGUSR1)
    service.wait_line("watching ")


def test_files_of_the_host_are_in_reach_of_a_service(tmp_path):
    """Its mounts are copies: what nobody can start is let go soon, and not what lies on the host."""
    elsewhere = 'mount -t tmpfs none /mnt && cp "$1" /mnt && exec /mnt/"${1##*/}" "$2"'
    service = ["unshare", "-m", "--propagation", "private"]
    words = ["run", "--all", "--match-name", NAME, *WATCHING["run"]]
    with Hunt(tmp_path) as hunt, Verb(*words, before=service) as agent:
        hunt.agent = agent
        agent.wait_line("watching")
        with hunt.consumer() as ours:
            hunt.found(ours)
            with hunt.consumer(prefix=["unshare", "-m", "sh", "-c", elsewhere, "sh"]) as theirs:
                hunt.found(theirs)
                ours.close()
                wait_until(lambda: links(agent) == 2, "it is not attached")
        wait_until(lambda: links(agent) < 2, "what nobody can start is held", 30)
        # That was not the one that was idle before: the next process of it counts from its first call.
        assert hunt.consumer().semaphore() == 4


@except_by("valgrind", reason="a file's capabilities are of what is run, and that is valgrind")
def test_file_capabilities_will_do(tmp_path, open_directory):
    program = open_directory / "pushback"
    names = ",".join(name.lower() for name in TAKEN)
    assert run("setcap", f"{names}=ep", program).returncode == 0
    nobody = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    words = ["run", "--all", "--match-name", NAME, *WATCHING["run"]]
    with Hunt(tmp_path) as hunt:
        driver = hunt.consumer()
        with Verb(*words, program=program, before=nobody) as agent:
            hunt.agent = agent
            agent.wait_line("watching")
            hunt.found(driver)
            for task in states(agent.pid):
                assert int(task["CapEff"], 16) == mask(TAKEN)
            agent.signal(signal.SIGTERM)
            assert agent.wait() == 0
        assert len(agent.lines) == 1, agent.lines


# ---- What is missing ----


@pytest.mark.parametrize("name", KEPT[:2])
def test_what_it_needs_is_named(tmp_path, open_directory, name):
    file = shutil.copy(DEMO, open_directory / "demo")
    command = as_nobody([kept for kept in KEPT if kept != name])
    done = run(*command, open_directory / "pushback", "run", "--path", file, "--once", "--socket", "none")
    assert done.returncode == 3
    assert re.fullmatch(rf"pushback: not allowed: {name} is missing[^\n]*\n", done.stderr)


def private_file(hunt, directory):
    """A consumer whose executable only root may read."""
    directory.mkdir()
    driver = hunt.consumer(directory)
    driver.file.chmod(0o700)
    return driver, "driver"


def deleted_library(hunt, directory):
    directory.mkdir()
    driver = hunt.consumer(directory, library=True)
    driver.library_file.unlink()
    return driver, "library"


def deleted_executable(hunt, directory):
    """From 6.13 on CAP_PERFMON lets others' maps be read, and what is still at its path is found so."""
    directory.mkdir()
    driver = hunt.consumer(directory)
    driver.file.unlink()
    return driver, "driver"


WITHOUT = {
    "CAP_SYS_PTRACE": (deleted_executable, "processes of other users"),
    "CAP_DAC_READ_SEARCH": (private_file, "only others may read"),
    "CAP_CHECKPOINT_RESTORE": (deleted_library, "deleted"),
}


# CAP_SYS_ADMIN, where it takes that, is as good.
IMPLIED = pytest.mark.skipif(not HAS_MULTI, reason="perf uprobes take CAP_SYS_ADMIN, which has CAP_CHECKPOINT_RESTORE in it")


@pytest.mark.parametrize("name", [*KEPT[2:4], pytest.param(KEPT[4], marks=IMPLIED)])
def test_what_it_can_do_without_is_told(tmp_path, open_directory, name):
    """And it is as told: with it that is found, and without it is not, while another one is."""
    make, words = WITHOUT[name]
    options = ["run", "--all", "--match-name", NAME, *WATCHING["run"]]
    with Hunt(tmp_path) as hunt:
        driver, where = make(hunt, tmp_path / "one")
        lower = as_nobody([kept for kept in TAKEN if kept != name])
        with Verb(*options, program=open_directory / "pushback", before=lower) as agent:
            hunt.agent = agent
            agent.wait_line(f"^pushback: warning: without {name} .*{words}")
            agent.wait_line("^pushback: watching")
            # Its own processes it finds in any case.
            before = os.umask(0)  # it is to get to our socket
            own = hunt.consumer(given_to_nobody(open_directory / "other"), prefix=as_nobody([]))
            os.umask(before)
            hunt.found(own)
            assert driver.semaphore(where) == 0
            with Verb(*options, program=open_directory / "pushback", before=as_nobody(TAKEN)) as whole:
                hunt.agent = whole
                whole.wait_line("^pushback: watching")
                hunt.found(driver, where)
                assert len(whole.lines) == 1, whole.lines


def test_perf_uprobes_take_one_more(tmp_path, open_directory):
    file = shutil.copy(DEMO, open_directory / "demo")
    words = [open_directory / "pushback", "run", "--path", file, "--once", "--no-multi", "--interval", "100ms"]
    done = run(*as_nobody([*KEPT, ADMIN]), *words, *WATCHING["run"])
    assert done.returncode == 0, done.stderr
    done = run(*as_nobody(KEPT), *words, *WATCHING["run"])
    assert done.returncode == 3
    assert re.fullmatch(r"pushback: not allowed to attach [^\n]*CAP_SYS_ADMIN[^\n]*\n", done.stderr)


# ---- As a service ----


class Manager:
    """What systemd is to it: where it says how it is."""

    def __init__(self, directory):
        self.path = directory / "notify"
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(self.path))

    def next(self, seconds=20):
        """Its next message, or None."""
        self.socket.settimeout(patient(seconds))
        try:
            return self.socket.recv(4096).decode()
        except (TimeoutError, BlockingIOError):
            return None

    def drop(self):
        while self.next(0):
            pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()


@pytest.fixture
def manager():
    with tempfile.TemporaryDirectory(prefix="pb-notify-", dir="/tmp") as directory:
        with Manager(pathlib.Path(directory)) as m:
            yield m


def managed(manager, file, us=400_000, **more):
    environment = os.environ | {"NOTIFY_SOCKET": str(manager.path)}
    environment |= {"WATCHDOG_USEC": str(us)} if us else {}
    return Verb("run", "--path", file, *WATCHING["run"], env=environment | more)


def test_it_says_how_it_is(manager, tmp_path):
    file = shutil.copy(DEMO, tmp_path / "demo")
    with managed(manager, file) as agent:
        assert re.fullmatch(r"READY=1\nSTATUS=watching 1 file, 4 sites, [^\n]*", manager.next())
        for state in states(agent.pid):
            is_confined(state)
        for _ in range(5):
            assert manager.next() == "WATCHDOG=1"
        # One that is stuck says nothing: five times as long as it is given.
        agent.signal(signal.SIGSTOP)
        wait_until(lambda: states(agent.pid)[0]["State"].startswith("T"), "it goes on")
        manager.drop()
        assert manager.next(2) is None
        agent.signal(signal.SIGCONT)
        assert manager.next() == "WATCHDOG=1"
        agent.signal(signal.SIGTERM)
        assert agent.wait() == 0
        last = [message for message in iter(lambda: manager.next(0), None) if message != "WATCHDOG=1"]
        assert last == ["STOPPING=1"]


@pytest.mark.parametrize("more", [{"us": 0}, {"WATCHDOG_PID": "1"}, {"us": -1}], ids=str)
def test_who_is_not_watched_over_does_not_ping(manager, tmp_path, more):
    file = shutil.copy(DEMO, tmp_path / "demo")
    with managed(manager, file, **more) as agent:
        assert manager.next().startswith("READY=1")
        assert manager.next(1) is None
        agent.signal(signal.SIGTERM)
        assert agent.wait() == 0
        assert manager.next() == "STOPPING=1"


def test_the_unit_is_hardened():
    done = run("systemd-analyze", "security", "--offline=true", "--threshold=20", UNIT)
    assert done.returncode == 0, done.stdout
    level = re.search(r"Overall exposure level for pushback.service: ([0-9.]+)", done.stdout)
    assert float(level[1]) <= 2.0
    settings = unit_settings()
    for key in ("AmbientCapabilities", "CapabilityBoundingSet"):
        assert settings[key] == [" ".join(KEPT)]
    assert settings["Type"] == ["notify"] and settings["WatchdogSec"]


def test_the_unit_is_well_formed(tmp_path):
    """With a program where it looks for it."""
    copy = tmp_path / "pushback.service"
    text = UNIT.read_text().replace("/usr/bin/pushback", str(PUSHBACK))
    copy.write_text(re.sub("^Documentation=.*$", "", text, flags=re.M))
    done = run("systemd-analyze", "verify", "--recursive-errors=no", copy)
    assert done.returncode == 0 and not done.stderr, done.stderr


def calls_of(word):
    """The system calls that a word of SystemCallFilter= is for."""
    if not word.startswith("@"):
        return {word}
    lines = run("systemd-analyze", "syscall-filter", word).stdout.splitlines()[1:]
    words = {line.strip() for line in lines if line.strip() and not line.strip().startswith("#")}
    return set().union(*map(calls_of, words))


@except_by("address", "thread", "valgrind", reason="much of what it calls is by what watches it")
@MULTI  # it pins
def test_the_unit_lets_through_what_it_calls(tmp_path, open_directory):
    """From its start to its end, as a service starts it."""
    allowed = set()
    for value in unit_settings()["SystemCallFilter"]:
        named = set().union(*(calls_of(word) for word in value.lstrip("~").split()))
        allowed = allowed - named if value.startswith("~") else allowed | named
    with bpf_file_system() as bpffs, Driver(tmp_path) as d:
        options = ["run", "--path", d.file, "--pin-dir", bpffs / "pins", "--openmetrics", free_port(socket.SOCK_STREAM)]
        options += ["--socket", tmp_path / "s", "--statsd", "udp://localhost:9", "--interval", "200ms", "--log", "1s"]
        strace = ["strace", "-f", "-qq", "-o", tmp_path / "trace"]
        with Verb(*options, before=strace) as agent:
            agent.wait_line("watching")
            d.init(0, "step")
            for _ in range(20):
                refuse(d)
            run(PUSHBACK, "status", "--socket", tmp_path / "s")
            (child,) = pathlib.Path(f"/proc/{agent.pid}/task/{agent.pid}/children").read_text().split()
            os.kill(int(child), signal.SIGTERM)
            assert agent.wait() == 0
        assert unpin(bpffs / "pins").returncode == 0
    called = set(re.findall(r"^\d+ +(\w+)\(", (tmp_path / "trace").read_text(), re.M))
    assert {"bpf", "seccomp", "capset", "process_vm_readv"} <= called
    assert called <= allowed, called - allowed
