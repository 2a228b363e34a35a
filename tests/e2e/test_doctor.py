# SPDX-License-Identifier: MIT
"""`pushback doctor`: what it finds wrong is wrong, and what is fine is not found wrong.

Other tests' agents may watch the whole host for a while: where that would be seen, it is tried again.
"""

import contextlib
import ctypes
import json
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import time

import pytest

from agent import Agent
from container import CONTAINER, container
from driver import Driver
from instrumented import except_by
from kernel import HAS_MULTI, MULTI
from program import BUILD, IMAGE, PUSHBACK, patient

DONE, FAILED, USAGE, HOST = 0, 1, 2, 3
PROGS = BUILD / "tests"
CHECKS = (
    "kernel btf bpf uprobes uprobe_multi capabilities pid_namespace lockdown perf_event_paranoid "
    "ptrace_scope proc bpffs libbpf panic_on_warn red_zone self_test"
).split()
NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
NARROW = ["setpriv", "--reuid=65534", "--inh-caps=+bpf,+perfmon", "--ambient-caps=+bpf,+perfmon"]
HOW = "uprobe_multi" if HAS_MULTI else "perf uprobes"
LEVELS = {"ok": "ok", "warn": "warning", "FAIL": "failure"}


def run(*options, before=(), program=PUSHBACK, stdout=subprocess.PIPE):
    command = [*before, program, "doctor", *map(str, options)]
    done = subprocess.run(
        command, stdout=stdout, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, timeout=patient(60)
    )
    done.text = (done.stdout or b"").decode("ascii")
    done.complaint = done.stderr.decode("ascii")
    assert not re.search(r"[^\n -~]", done.text + done.complaint), done
    return done


class Findings:
    """Of one run, by check; `order` is theirs."""

    def __init__(self, *options, **more):
        done = run("--json", *options, **more)
        self.status = done.returncode
        self.all = [json.loads(line) for line in done.text.splitlines()]
        assert self.all, done.complaint
        assert not done.complaint, done.complaint
        for f in self.all:
            assert set(f) == {"check", "level", "fact", "advice"}, f
            assert f["level"] in LEVELS.values() and f["fact"], f
            assert f["advice"] or f["level"] != "failure", f
        self.order = [f["check"] for f in self.all]
        assert self.status == (HOST if self.failures() else DONE), self.all

    def __getitem__(self, check):
        [f] = [f for f in self.all if f["check"] == check]
        return f

    def failures(self):
        return {f["check"] for f in self.all if f["level"] == "failure"}

    def expect(self, check, level, *patterns):
        f = self[check]
        assert f["level"] == level, f
        for pattern in patterns:
            assert re.search(pattern, f["fact"]) or re.search(pattern, f["advice"] or ""), f


def check_self_test(findings, how):
    """The self test counted exactly what its child did, and left nothing."""
    fact = findings["self_test"]["fact"]
    assert findings["self_test"]["level"] == "ok", fact
    assert how in fact and fact.endswith("nothing is left")
    pairs = re.findall(r"(\d+) of (\d+) ([a-z ]+)", fact)
    assert all(seen == true for seen, true, _ in pairs), fact
    # 7 episodes of 1 to 7 rejections, 5 of 1 to 5 refusals, one that a poll ends, one left open.
    assert {what: int(seen) for seen, _, what in pairs} == {
        "hits": 7 * 2 + 5 * 2 + 2 + 1 + 1,
        "accepted": 7,
        "rejected": 28 + 2,
        "forwarded": 5,
        "refused": 15,
        "send episodes": 8,
        "receive episodes": 5,
        "abandoned": 1,
    }


SELF_TEST = except_by("valgrind", reason="no probe of the kernel's can be set in what it runs, so the self test is not tried")


def in_mounts(script):
    """Before a command: in mounts of its own, that `script` changes."""
    return ["unshare", "--mount", "--propagation", "private", "sh", "-ec", script + '\nexec "$@"', "sh"]


# ---- The host ----


@SELF_TEST
@pytest.mark.parametrize("how", [pytest.param("uprobe_multi", marks=MULTI), "perf uprobes"])
def test_this_host_can(how):
    found = Findings(*(["--no-multi"] if how == "perf uprobes" else []))
    assert found.order == CHECKS
    assert not found.failures()
    found.expect("kernel", "ok", re.escape(os.uname().release), os.uname().machine)
    found.expect("libbpf", "ok", r"v\d+\.\d+")
    assert "1000 calls" in found["red_zone"]["fact"]
    check_self_test(found, how)


def test_text_says_the_same():
    done = run()
    assert done.returncode == DONE and not done.complaint
    *lines, total = done.text.splitlines()
    found = Findings()
    mark, rest = None, []
    for line in lines:
        if line.startswith(" " * 27 + "-> "):
            rest[-1]["advice"] = line[30:]
            continue
        mark, check, fact = re.fullmatch(r"(ok  |warn|FAIL)  (\w+) +(.+)", line).groups()
        rest.append({"check": check, "level": LEVELS[mark.strip()], "fact": fact, "advice": None})
    for said, known in zip(rest, found.all, strict=True):
        for f in (said, known):  # how many calls hit the red zone varies, and numbers may
            f["fact"] = re.sub(r"\d+", "N", f["fact"])
        assert said == known
    count = {level: sum(f["level"] == level for f in rest) for level in LEVELS.values()}
    assert total == (
        f"{count['ok']} ok, {count['warning']} warning{'s' * (count['warning'] != 1)}, 0 failures"
    )


@SELF_TEST
def test_three_at_a_time():
    """Each of its own hits, though all attach to the same file."""
    command = [PUSHBACK, "doctor", "--json"]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    for process in running:
        text, _ = process.communicate(timeout=patient(60))
        assert process.returncode == DONE, text
        [fact] = [f for f in map(json.loads, text.splitlines()) if f["check"] == "self_test"]
        assert fact["level"] == "ok" and "nothing is left" in fact["fact"], fact


def test_pushback_itself_is_no_consumer():
    """Its own probes are for the self test alone: no agent takes it for something to watch."""
    shown = subprocess.run(["readelf", "-n", IMAGE], capture_output=True, text=True, check=True)
    assert "stapsdt" not in shown.stdout
    found = Findings(IMAGE, "--for", "1ms")
    assert found.failures() == {"probes"}


@SELF_TEST
def test_nobody_is_told_what_is_missing(open_directory):
    found = Findings(before=NOBODY, program=open_directory / "pushback")
    assert found.order == CHECKS
    assert found.failures() == {"uprobes", "uprobe_multi", "capabilities", "self_test"}
    found.expect("capabilities", "failure", "CAP_BPF", "CAP_PERFMON", "CAP_SYS_PTRACE", "root")
    found.expect("self_test", "failure", "not allowed to load", "root|CAP_BPF")
    found.expect("red_zone", "warning", "not known")


@SELF_TEST
@MULTI
def test_two_capabilities_suffice(open_directory):
    found = Findings(before=NARROW, program=open_directory / "pushback")
    assert not found.failures()
    found.expect("capabilities", "warning", "CAP_SYS_PTRACE", "CAP_CHECKPOINT_RESTORE")
    found.expect("uprobes", "ok", "uprobe_multi makes up")
    assert "1000 calls" in found["red_zone"]["fact"]
    check_self_test(found, "uprobe_multi")


@SELF_TEST
def test_namespaces_of_its_own():
    found = Findings(before=["unshare", "--pid", "--fork", "--mount-proc"])
    assert found.failures() == {"pid_namespace", "self_test"}
    found.expect("pid_namespace", "failure", "--pid=host", "hostPID")
    found = Findings(before=["unshare", "--user", "--map-root-user"])
    assert found.failures() == {"uprobes", "uprobe_multi", "capabilities", "self_test"}
    found.expect("capabilities", "failure", "user namespace")


@SELF_TEST
def test_no_btf():
    found = Findings(before=in_mounts("mount -t tmpfs none /sys/kernel/btf"))
    assert found.failures() == {"btf", "self_test"}
    found.expect("btf", "failure", "CONFIG_DEBUG_INFO_BTF")


@SELF_TEST
def test_no_uprobe_multi():
    """As on a kernel that does not know these links: found by trying. It has no others either, and
    so no cookies of perf uprobes: only the self test can tell."""
    found = Findings(before=[PROGS / "without_links"])
    assert found.failures() == {"self_test"}
    found.expect("uprobe_multi", "warning", "CAP_SYS_ADMIN", "6.6")
    found.expect("self_test", "failure", "cannot attach", "--verbose")


@SELF_TEST
@MULTI
def test_no_uprobes():
    hide = in_mounts("mount -t tmpfs none /sys/bus/event_source/devices")
    found = Findings(before=hide)
    assert not found.failures()
    check_self_test(found, "uprobe_multi")
    found = Findings(before=[*hide, PROGS / "without_links"])
    assert found.failures() == {"uprobes", "uprobe_multi", "self_test"}
    found.expect("uprobes", "failure", "CONFIG_UPROBE_EVENTS")


SETTINGS = [
    ("lockdown", "/sys/kernel/security/lockdown", "none [integrity] confidentiality", "ok"),
    ("lockdown", "/sys/kernel/security/lockdown", "none integrity [confidentiality]", "failure"),
    ("lockdown", "/sys/kernel/security/lockdown", "what's this", "warning"),
    ("perf_event_paranoid", "/proc/sys/kernel/perf_event_paranoid", "4", "ok"),
    ("panic_on_warn", "/proc/sys/kernel/panic_on_warn", "0", "ok"),
    ("ptrace_scope", "/proc/sys/kernel/yama/ptrace_scope", "1", "ok"),
    ("ptrace_scope", "/proc/sys/kernel/yama/ptrace_scope", "3", "warning"),
]


def setting(directory, path, value):
    """Before a command: the file has this content. A directory without it is made anew."""
    file = directory / "value"
    file.write_text(value + "\n")
    script = f"""
    parent={os.path.dirname(path)}
    if ! [ -e {path} ]; then
        [ -d $parent ] || parent=$(dirname $parent)
        mkdir {directory}/copy
        for f in $parent/*; do [ -f $f ] && cat $f >{directory}/copy/${{f##*/}} 2>/dev/null || :; done
        mount --bind {directory}/copy $parent
        mkdir -p $(dirname {path})
        touch {path}
    fi
    mount --bind {file} {path}
    """
    return in_mounts(script)


@SELF_TEST
@pytest.mark.parametrize("check, path, value, level", SETTINGS)
def test_settings(tmp_path, check, path, value, level):
    found = Findings(before=setting(tmp_path, path, value))
    assert found[check]["level"] == level, found[check]
    assert found.failures() == ({check} if level == "failure" else set())
    check_self_test(found, HOW)


def test_settings_without_privileges(open_directory):
    """What only matters to those without."""
    for check, path, value in (
        ("perf_event_paranoid", "/proc/sys/kernel/perf_event_paranoid", "3"),
        ("ptrace_scope", "/proc/sys/kernel/yama/ptrace_scope", "1"),
    ):
        before = setting(open_directory, path, value)
        found = Findings(before=[*before, *NARROW], program=open_directory / "pushback")
        found.expect(check, "warning", value)
        shutil.rmtree(open_directory / "copy", ignore_errors=True)


@pytest.mark.parametrize(
    "config, level",
    [
        ("CONFIG_EXT4_DEBUG=y", "failure"),
        ("# CONFIG_EXT4_DEBUG is not set", "ok"),
        ("CONFIG_EXT4_FS=y", "warning"),
    ],
)
def test_a_warning_that_stops_the_host(tmp_path, config, level):
    (tmp_path / "config").write_text(f"CONFIG_A=y\n{config}\nCONFIG_Z=y\n")
    (tmp_path / "panic").write_text("1\n")
    subprocess.run(["gzip", "-k", tmp_path / "config"], check=True)
    script = f"""
    mount -t tmpfs none /boot
    mount --bind {tmp_path}/panic /proc/sys/kernel/panic_on_warn
    if [ -e /proc/config.gz ]; then mount --bind {tmp_path}/config.gz /proc/config.gz
    else cp {tmp_path}/config /boot/config-$(uname -r); fi
    """
    file = shutil.copy(PROGS / "spinner", tmp_path / "idle")
    found = Findings(file, before=in_mounts(script))
    found.expect("panic_on_warn", level, "CONFIG_EXT4_DEBUG")
    assert ("not attached" in found["hits"]["fact"]) == (level == "failure")


def test_hidden_processes(open_directory):
    """From those without privileges; a hidden process is not found by any --all."""
    before = in_mounts("mount -t proc -o hidepid=invisible proc /proc")
    assert "hides" not in Findings(before=before)["proc"]["fact"]
    found = Findings(before=[*before, *NOBODY], program=open_directory / "pushback")
    found.expect("proc", "warning", "hides", "hidepid")


def test_bpffs():
    hidden = in_mounts("mount -t tmpfs none /sys/fs/bpf")
    Findings(before=hidden).expect("bpffs", "warning", "not mounted", "mount -t bpf")
    Findings(before=in_mounts("mount -t bpf bpf /sys/fs/bpf")).expect("bpffs", "ok", "mounted at")


# ---- Targets ----


@contextlib.contextmanager
def spinner(directory, *options, name="consumer", prefix=()):
    """A consumer of a file of its own. `truth` is where it says what it did."""
    program = directory / name
    if not program.exists():
        shutil.copy(PROGS / "spinner", program)
        program.chmod(0o755)
    truth = directory / f"truth{time.monotonic_ns()}"
    argv = [*prefix, program, truth, *(options or ("rate=100", "cycle=3"))]
    process = subprocess.Popen([str(a) for a in argv], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout.readline() == "ready\n"
        process.file, process.truth = program, truth
        process.target = int(struct.unpack("8Q", truth.read_bytes())[0])
        if prefix:  # its number out here
            [process.target] = children(process.pid)
        yield process
    finally:
        if prefix:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.target, signal.SIGKILL)
        process.kill()
        process.wait()
        process.stdout.close()


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as f:
        return [int(word) for word in f.read().split()]


def stop(process):
    os.kill(process.target, signal.SIGSTOP)
    while state(process.target) != "T":
        time.sleep(0.01)


def state(pid):
    with open(f"/proc/{pid}/stat", encoding="latin-1") as f:
        return f.read().rpartition(")")[2].split()[0]


def until(check, *patterns, find):
    """The first findings of `find()` whose `check` says so; somebody else may disturb."""
    for _ in range(20):
        found = find()
        fact = found[check]["fact"]
        if all(re.search(p, fact) for p in patterns):
            return found
        time.sleep(0.2)
    raise AssertionError(found[check])


@pytest.mark.parametrize("options", [[], ["--no-multi"]])
def test_a_consumer_that_is_well(tmp_path, options):
    with spinner(tmp_path) as process:
        found = Findings("--pid", process.pid, *options)
        assert found.order[: len(CHECKS)] == CHECKS
        names = ["process", "container", "namespaces", "probes", "mapping", "sites", "hits"]
        assert found.order[len(CHECKS) :] == names
        for name in names:
            assert found[name]["level"] == "ok", found[name]
        found.expect("process", "ok", f"{process.pid}, consumer, ")
        found.expect("container", "ok", "none")
        found.expect("namespaces", "ok", "ours")
        found.expect("probes", "ok", str(process.file), "4 sites", "build-id [0-9a-f]{40}")
        found.expect("hits", "ok", r"\d hits? of 1 step .*: spin$")
        until("sites", "nobody else", "4 sites", find=lambda: Findings("--pid", process.pid))

        found = Findings(process.file, *options)
        assert found.order[len(CHECKS) :] == ["processes", "probes", "sites", "hits"]
        assert not found.failures()
        found.expect("processes", "ok", rf"1 maps it now: {process.pid}\b")
        found.expect("hits", "ok", r"\d hits? of 1 step .*: spin$")


def test_two_processes_of_a_file(tmp_path):
    with spinner(tmp_path) as one, spinner(tmp_path) as two:
        found = Findings(one.file)
        found.expect("processes", "ok", "2 map it now", rf"\b{one.pid}\b", rf"\b{two.pid}\b")
        found.expect("hits", "ok", "of 2 steps")


def test_library(tmp_path):
    """Its steps and those of the program, one line of probes for each file."""
    with Driver(tmp_path, library=True) as driver:
        found = Findings("--pid", driver.pid, "--for", "100ms")
        probes = [f["fact"] for f in found.all if f["check"] == "probes"]
        assert [fact.split(":")[0] for fact in probes] == [str(driver.file), str(driver.library_file)]
        assert sum(f["check"] == "sites" and f["level"] == "ok" for f in found.all) == 2
        found.expect("hits", "warning", "did not run at all")
        found = Findings(driver.library_file, "--for", "100ms")
        found.expect("processes", "ok", rf": {driver.pid}\b")


def test_stopped(tmp_path):
    with spinner(tmp_path) as process:
        stop(process)
        found = Findings("--pid", process.pid, "--for", "300ms")
        assert not found.failures()
        found.expect("process", "warning", "stopped")
        found.expect("hits", "warning", "no hit", r"stopped \(state T\)", f"kill -CONT {process.pid}")
        os.kill(process.pid, signal.SIGCONT)
        Findings("--pid", process.pid).expect("hits", "ok", "spin")


def test_sleeps(tmp_path):
    """It waits for what never comes: attached, but it does not even run."""
    with Driver(tmp_path) as driver:
        found = Findings("--pid", driver.pid, "--for", "300ms")
        assert not found.failures()
        found.expect("hits", "warning", "did not run at all", r"sleeping \(state S\)")


def test_runs_beside_its_probes(tmp_path):
    """It works, but nothing of what it does goes through a step."""
    with Driver(tmp_path) as driver:
        driver.begin([("spin", 0, 1000)], 10**12, thread=1)
        try:
            found = Findings("--pid", driver.pid, "--for", "300ms")
            found.expect("hits", "warning", r"ran for [\d.]+ ms and called no probe", "not driven")
            assert not found.failures()
        finally:
            driver.process.kill()


def test_ends_meanwhile(tmp_path):
    with spinner(tmp_path) as process:
        stop(process)
        command = [PUSHBACK, "doctor", "--json", "--pid", str(process.pid), "--for", "60s"]
        doctor = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        for line in doctor.stdout:
            if json.loads(line)["check"] == "sites":
                break
        time.sleep(0.5)
        process.kill()
        process.wait()
        text = doctor.communicate(timeout=patient(30))[0]
        hits = json.loads(text.splitlines()[-1])
        assert hits["check"] == "hits" and hits["level"] == "warning", hits
        assert "has ended" in hits["fact"]
        assert doctor.returncode == DONE


def test_without_probes():
    process = subprocess.Popen(["sleep", "60"])
    try:
        found = Findings("--pid", process.pid)
        assert found.failures() == {"probes"}
        found.expect("probes", "failure", f"process {process.pid} maps no file", "pushback.h")
        assert "hits" not in found.order
    finally:
        process.kill()
        process.wait()
    found = Findings("/bin/true")
    assert found.failures() == {"probes"}
    found.expect("probes", "failure", "/bin/true", "pushback.h")


def test_file_that_nobody_runs(tmp_path):
    file = shutil.copy(PROGS / "spinner", tmp_path / "idle")
    found = Findings(file)
    assert not found.failures()
    found.expect("processes", "warning", "none maps it now", "start")
    found.expect("hits", "ok", f"attached by {HOW} and let go", "no process")


def test_dead_notes_are_told(tmp_path):
    data = bytearray((PROGS / "spinner").read_bytes())
    notes = [m.end() for m in re.finditer(rb"\x03\0\0\0stapsdt\0", data)]
    assert len(notes) == 4
    for at in notes[:3]:
        struct.pack_into("<Q", data, at, 1 << 40)
    (tmp_path / "spoilt").write_bytes(data)
    found = Findings(tmp_path / "spoilt")
    found.expect("probes", "ok", "1 sites", "3 dead")
    struct.pack_into("<Q", data, notes[3], 1 << 40)
    (tmp_path / "spoilt").write_bytes(data)
    found = Findings(tmp_path / "spoilt")
    found.expect("probes", "failure", "4 dead", "pushback.h")


def test_replaced(tmp_path):
    """A deploy: the process runs on with what was there."""
    with spinner(tmp_path) as process:
        Findings("--pid", process.pid).expect("mapping", "ok", "is the file on disk")
        shutil.copy(process.file, tmp_path / "new")
        os.rename(tmp_path / "new", process.file)
        found = Findings("--pid", process.pid)
        found.expect("mapping", "warning", "a copy of the same build", "--path does not")
        found.expect("hits", "ok")
        shutil.copy(PROGS / "driver", tmp_path / "new")
        os.rename(tmp_path / "new", process.file)
        found = Findings("--pid", process.pid)
        old, new = build_id(PROGS / "spinner"), build_id(PROGS / "driver")
        found.expect("mapping", "warning", f"build-id {old}, on disk is {new}", "restart")
        found.expect("hits", "ok")
        process.file.write_text("#!/bin/sh\n")
        Findings("--pid", process.pid).expect("mapping", "warning", "something else")
        os.unlink(process.file)
        os.mkfifo(process.file)
        Findings("--pid", process.pid).expect("mapping", "warning", "not on disk")
        os.unlink(process.file)
        found = Findings("--pid", process.pid)
        found.expect("mapping", "warning", "not on disk any more", "--path does not")
        found.expect("hits", "ok")


def build_id(path):
    shown = subprocess.run(["readelf", "-n", path], capture_output=True, text=True, check=True)
    return re.search(r"Build ID: ([0-9a-f]+)", shown.stdout)[1]


def test_namespaces_of_the_target(tmp_path):
    prefix = ["unshare", "--mount", "--pid", "--fork", "--kill-child"]
    with spinner(tmp_path, prefix=prefix) as process:
        found = Findings("--pid", process.target)
        assert not found.failures()
        found.expect("namespaces", "ok", "others than ours: mnt, pid$")
        found.expect("mapping", "ok", "is the file on disk")
        found.expect("hits", "ok", "spin")


def test_container(tmp_path):
    with container(tmp_path) as put, spinner(tmp_path) as process:
        put(process.pid)
        Findings("--pid", process.pid).expect("container", "ok", CONTAINER)


# ---- Who else is there ----


def test_watched_by_another_agent(tmp_path):
    """It says so, and both see it."""
    with spinner(tmp_path) as process:
        with Agent("--path", process.file):
            found = Findings("--pid", process.pid)
            assert not found.failures()
            found.expect("sites", "ok", "somebody watches already", "4 of 4 sites armed")
            found.expect("hits", "ok", "spin")
        until("sites", "nobody else", find=lambda: Findings("--pid", process.pid))


def symbols(path):
    shown = subprocess.run(["nm", path], capture_output=True, text=True, check=True)
    words = [line.split() for line in shown.stdout.splitlines()]
    return {w[2]: int(w[0], 16) for w in words if len(w) == 3}


def address(process, symbol):
    """In its memory."""
    table = symbols(process.file)
    semaphore = struct.unpack("8Q", process.truth.read_bytes())[1]
    return semaphore - table["pushback_semaphore"] + table[symbol]


def poke(process, symbol, content):
    with open(f"/proc/{process.pid}/mem", "r+b", buffering=0) as memory:
        memory.seek(address(process, symbol))
        memory.write(content)


def test_semaphore_raised_by_hand(tmp_path):
    with spinner(tmp_path) as process:
        stop(process)
        poke(process, "pushback_semaphore", b"\1\0")
        found = until(
            "sites", "semaphore 1, but no site",
            find=lambda: Findings("--pid", process.pid, "--for", "100ms"),
        )
        found.expect("sites", "warning", "by hand", "restart")


def test_code_that_is_not_the_file_s(tmp_path):
    with spinner(tmp_path) as process:
        stop(process)
        try:
            poke(process, "pushback_fire_poll_return", b"\xf8")
        except OSError:
            pytest.skip("code may only be written by who traces (CONFIG_PROC_MEM_FORCE_PTRACE)")
        found = Findings("--pid", process.pid, "--for", "100ms")
        found.expect("sites", "failure", "1 of 4 sites are neither", "restart")


class PerfUprobe:
    """A uprobe at a symbol of a file without the semaphore, as simple tools attach it."""

    def __init__(self, path, symbol):
        with open("/sys/bus/event_source/devices/uprobe/type", encoding="ascii") as f:
            kind = int(f.read())
        # A position-independent executable whose code lies at its address in the file.
        self.path = ctypes.create_string_buffer(os.fsencode(path))
        attr = bytearray(128)
        struct.pack_into("<II", attr, 0, kind, len(attr))
        struct.pack_into("<QQ", attr, 56, ctypes.addressof(self.path), symbols(path)[symbol])
        buffer = (ctypes.c_char * len(attr)).from_buffer(attr)
        libc = ctypes.CDLL(None, use_errno=True)
        self.fd = libc.syscall(298, buffer, -1, 0, -1, 8)
        assert self.fd >= 0, os.strerror(ctypes.get_errno())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.close(self.fd)


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="number of the system call")
def test_held_by_another_tool(tmp_path):
    """Without the semaphore: the kernel refuses whoever comes second, and it is said why."""
    with spinner(tmp_path) as process, PerfUprobe(process.file, "pushback_fire_submit_return"):
        found = until("sites", "another tool", find=lambda: Findings("--pid", process.pid))
        found.expect("sites", "warning", "1 of 4 sites without their semaphore", "end that tool")
        found.expect("hits", "failure", "refuses the probe sites", "another tool")


# A file, and how often it is mapped, as code.
MAPS_IT_OFTEN = """
import ctypes, os, sys
libc = ctypes.CDLL(None)
libc.mmap.restype = ctypes.c_void_p
fd = os.open(sys.argv[1], os.O_RDONLY)
size = os.fstat(fd).st_size
for _ in range(int(sys.argv[2])):
    at = libc.mmap(None, ctypes.c_size_t(size), 5, 2, fd, ctypes.c_long(0))
    assert at != ctypes.c_void_p(-1).value
print("ready", flush=True)
sys.stdin.read()
"""


@contextlib.contextmanager
def maps_it_often(file, times):
    command = [sys.executable, "-c", MAPS_IT_OFTEN, str(file), str(times)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            process.kill()


def test_a_process_that_maps_it_often(tmp_path):
    """Its memory is read within a bound, and what was not read is told."""
    with spinner(tmp_path) as process:
        stop(process)
        with maps_it_often(process.file, 1000) as other:
            found = Findings("--pid", other.pid, "--for", "100ms")
            found.expect("sites", "warning", "; 984 more mappings were not read$")
            found = Findings(process.file, "--for", "100ms")
            found.expect("sites", "warning", rf"; 984 more mappings were not read \(process {other.pid}\)$")


# ---- What is not a target ----


def complains(done, status, *patterns):
    assert done.returncode == status, (done.text, done.complaint)
    assert not done.text
    assert re.fullmatch(r"pushback: [^\n]+\n", done.complaint), done.complaint
    for pattern in patterns:
        assert re.search(pattern, done.complaint), done.complaint


def test_no_target(tmp_path):
    child = subprocess.Popen(["true"])
    child.wait()
    complains(run("--pid", child.pid), FAILED, f"no process {child.pid}", "has ended")
    complains(run(tmp_path / "none"), FAILED, "cannot open", "No such file")
    complains(run(tmp_path), FAILED, "not a regular file")
    complains(run("/etc/passwd"), FAILED, "not an ELF file")
    complains(run(tmp_path / "\x1b[31m\nnone"), FAILED, r"\?\[31m\?none")


@pytest.mark.parametrize(
    "options, pattern",
    [
        (["--frobnicate"], "is not an option of 'doctor'"),
        (["--pid", "me"], "no process id"),
        (["--pid", "1", "--pid", "2"], "one target"),
        (["--pid", "1", "/bin/true"], "one target"),
        (["/bin/true", "/bin/false"], "one target"),
        (["--for", "0"], "too short"),
        (["--for", "soon"], "no duration"),
    ],
)
def test_usage(options, pattern):
    complains(run(*options), USAGE, pattern)


def test_help():
    done = run("--help")
    assert done.returncode == DONE
    for word in ("FILE", "--pid PID", "--for TIME", "--json"):
        assert word in done.text


def test_another_user_s(open_directory):
    """To the end, and what would help."""
    pushback = open_directory / "pushback"
    with spinner(open_directory) as process:
        found = Findings("--pid", process.pid, before=NOBODY, program=pushback)
        found.expect("target", "failure", "not allowed", "root|CAP_SYS_PTRACE")
        found = Findings(process.file, before=NOBODY, program=pushback)
        assert found.order[len(CHECKS) :] == ["processes", "probes", "hits"]
        found.expect("processes", "warning", "none maps it now", "not looked into", "root")
        found.expect("probes", "ok", "4 sites")
        found.expect("hits", "failure", "not allowed", "root")
        process.file.chmod(0o700)
        complains(run(process.file, before=NOBODY, program=pushback), FAILED, "Permission denied")


def test_hostile_names(tmp_path):
    """On the screen and in JSON (see run()), and still told apart."""
    name = b"\x1b[31m\xff\nx\x9b"
    with spinner(tmp_path, name=os.fsdecode(name)) as process:
        for options in (["--pid", process.pid], [process.file]):
            assert run(*options).returncode == DONE
            found = Findings(*options)
            assert "\x1b[31m\ufffd" in found["probes"]["fact"]
            assert found["hits"]["level"] == "ok"
        assert "\x1b[31m\ufffd\nx" in Findings("--pid", process.pid)["process"]["fact"]
    with Driver(tmp_path) as driver:
        driver.init(0, name)
        driver.begin([("submit", 0, 1)], 10**12, thread=1)
        try:
            for options in ([], ["--json"]):
                done = run("--pid", driver.pid, *options)
                assert done.returncode == DONE, done.text
            found = Findings("--pid", driver.pid)
            assert "\x1b[31m\ufffd\nx" in found["hits"]["fact"]
            assert "1 step" in found["hits"]["fact"]
        finally:
            driver.process.kill()


def test_full_disk():
    with open("/dev/full", "wb") as full:
        done = run(stdout=full)
    assert done.returncode == FAILED
    assert re.fullmatch(r"pushback: cannot write[^\n]*No space left[^\n]*\n", done.complaint)
