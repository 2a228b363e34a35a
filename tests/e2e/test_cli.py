# SPDX-License-Identifier: MIT
"""Bad input: one line that says what is wrong and what would help, the documented exit status, and
nothing left attached."""

import os
import re
import shutil
import struct
import subprocess

import pytest

import left_behind
import program
from program import DEMO, IMAGE, PROGS, PUSHBACK, patient
from receiver import Receiver

DONE, FAILED, USAGE, HOST = 0, 1, 2, 3


def run(*options, before=()):
    return program.run(*before, PUSHBACK, *options, timeout=30)


def complains(done, status, *patterns):
    """Exactly one line on stderr, from us, that matches all of `patterns`."""
    assert done.returncode == status, done.stderr
    assert done.stderr.endswith("\n") and done.stderr.count("\n") == 1, done.stderr
    assert done.stderr.startswith("pushback: ")
    for pattern in patterns:
        assert re.search(pattern, done.stderr), done.stderr


USAGES = [
    (["frobnicate"], "'frobnicate' is no verb", "--help"),
    (["bad\nverb\x1b[31m"], r"'bad\?verb\?\[31m' is no verb", "--help"),
    (["run", "--frobnicate"], "'--frobnicate' is not an option of 'run'", "run --help"),
    (["run", "stray"], "'stray' is not understood", "--pid PID", "run --help"),
    (["top", "--", "stray"], "'stray' is not understood", "--pid PID", "top --help"),
    (["graph", "--for", "1s"], "too short", "at least 2.5s"),
    (["status", "stray"], "'stray' is not understood", "--socket PATH", "status --help"),
    (["help", "nonsense"], "'nonsense' is no verb", "--help"),
    (["help", "list", "top"], "one verb", "pushback help VERB"),
    (["run", "--pid"], "--pid needs a value"),
    (["run", "--pid", "me"], "'me' is no process id", "1234"),
    (["run", "--pid", "0"], "'0' is no process id"),
    (["run", "--pid", "-5"], "'-5' is no process id"),
    (["run", "--pid", "99999999999"], "is no process id"),
    (["run", "--once=yes"], "--once takes no value"),
    (["run", "--all", "--pid", "1"], "leave out --pid"),
    (["run", "--interval", "0"], "too short", "at least 100ms"),
    (["run", "--interval", "99ms"], "too short", "at least 100ms"),
    (["run", "--interval", "-1s"], "no duration", "such as 10s"),
    (["run", "--interval", "1e3"], "no duration"),
    (["run", "--interval", "10parsecs"], "no duration"),
    (["run", "--interval", ""], "no duration"),
    (["run", "--match-name", ""], "--match-name is empty", "give GLOB"),
    (["top", "--match-cgroup="], "--match-cgroup is empty", "give GLOB"),
    (["list", "--exclude", ""], "--exclude is empty", "give GLOB"),
    (["status", "--socket", ""], "--socket is empty", "give PATH"),
    (["run", "--interval", "1.2.3s"], "no duration"),
    (["run", "--interval", "9999999999h"], "too long"),
    (["run", "--format", "carrier-pigeon"], "dogstatsd, statsd, summary"),
    (["run", "--histogram-type", "z"], "d, h, ms"),
    (["run", "--format", "statsd", "--histogram-type", "h"], "for --format dogstatsd only"),
    (["run", "--statsd", "tcp://127.0.0.1:8125"], r"tcp://127\.0\.0\.1:8125", "udp://"),
    (["run", "--statsd", "127.0.0.1"], "udp://"),
    (["run", "--statsd", "udp://127.0.0.1:notaport"], "port"),
    (["run", "--statsd", "udp://127.0.0.1:99999"], "port"),
    (["run", "--statsd", "udp://[::1:8125"], r"\]"),
    (["run", "--statsd", "unixgram://relative"], "/"),
    (["run", "--statsd", "unix:///" + "x" * 200], "107 bytes", "shorter"),
    (["run", "--openmetrics", "nowhere"], "'nowhere'", "9000"),
    (["run", "--openmetrics", "127.0.0.1"], "a port"),
    (["run", "--openmetrics", ":9000"], r"0\.0\.0\.0:9000"),
    (["run", "--openmetrics", "127.0.0.1:99999"], "port"),
    (["run", "--openmetrics", "::1:9000"], r"\[::1\]:9000"),
    (["run", "--openmetrics", "example.com:9000"], "not looked up"),
    (["run", "--openmetrics", "9000", "--format", "statsd"], "add --statsd"),
    (["run", "--openmetrics", "9000", "--tag", "step:x"], "step"),
    (["run", "--openmetrics", "9000", "--prefix", "a b"], "prefix"),
    (["run", "--prefix", "a b"], "prefix"),
    (["run", "--tag", "novalue"], "novalue"),
    (["run", "--tag", "host:x"], "host"),
    (["run", "--tag", "step:x"], "step"),
    (["run", "--tag-from", "service=nowhere:X"], "env:NAME"),
    (["run", "--tag-from", "env:X"], "env:NAME"),
    (["run", "--tag-from", "host=env:X"], "host"),
    (["run", "--tag-from", "pushback_origin=pid"], "pushback_origin", "another key"),
    (["run", "--origin", "moon"], "none, container"),
    (["run", "--format", "statsd", "--origin", "container"], "for --format dogstatsd only"),
    (["top", "--match-name"], "--match-name needs a value"),
    (["list", "--match-name", "x", "/bin/true"], "files or which processes"),
    (["run", "--pin", "--pid", "1"], "--path"),
    (["run", "--pin-dir"], "--pin-dir needs a value"),
    (["unpin", "stray"], "'stray' is not understood"),
]


@pytest.mark.parametrize("case", USAGES, ids=lambda c: " ".join(c[0])[:40].encode("unicode_escape").decode())
def test_usage(case):
    options, *patterns = case
    complains(run(*options), USAGE, *patterns)


def test_no_verb_shows_help():
    done = run()
    assert done.returncode == USAGE and "usage: pushback VERB" in done.stderr


def test_help_and_version():
    assert "pushback run - " in run("run", "--help").stdout
    assert run("--help").returncode == DONE
    for verb in ("list", "top", "graph", "trace", "run", "status", "unpin", "doctor"):
        assert run("help", verb).stdout == run(verb, "--help").stdout
    for word in ("--help", "-h", "help"):
        assert run("help", word).stdout == run("--help").stdout
        assert run("help", word).returncode == DONE
    assert re.fullmatch(r"pushback \d+\.\d+\n", run("--version").stdout)


WRITES = ["--help", "--version", "help list", "run --help", "top --help", "graph --help", "status --help", "doctor", "doctor --json",
          f"list {DEMO}", f"list --json {DEMO}"]


@pytest.mark.parametrize("words", WRITES, ids=lambda w: w.replace(str(DEMO), "FILE"))
def test_what_cannot_be_written(words):
    """A full disk is an error; a reader that has gone is an end like any other."""
    argv = [str(PUSHBACK), *words.split()]
    with open("/dev/full", "w", encoding="ascii") as full:
        done = subprocess.run(argv, stdout=full, stderr=subprocess.PIPE, text=True, timeout=patient(30), check=False)
    complains(done, FAILED, "cannot write to standard output: No space left on device")
    ours, its = os.pipe()
    os.close(ours)
    done = subprocess.run(argv, stdout=its, stderr=subprocess.PIPE, text=True, timeout=patient(30), check=False)
    os.close(its)
    assert (done.returncode, done.stderr) == (DONE, "")


# ---- Files ----


def notes(data):
    """Where each stapsdt note's description begins."""
    return [m.end() for m in re.finditer(rb"\x03\0\0\0stapsdt\0", data)]


def spoil(path, count, site=1 << 40):
    """A copy of the demo at `path`, `count` of whose sites lead nowhere."""
    data = bytearray(DEMO.read_bytes())
    at = notes(data)
    assert len(at) == 4
    for begin in at[:count]:
        struct.pack_into("<Q", data, begin, site)
    path.write_bytes(data)
    path.chmod(0o755)
    return path


def test_path_unreadable(tmp_path):
    complains(run("run", "--path", tmp_path / "none"), FAILED, "cannot open", "No such file")


def test_path_is_no_file(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path, tmp_path / "fifo", "/dev/null"):
        complains(run("run", "--path", path), FAILED, "not a regular file|cannot open", str(path))


def test_path_not_elf(tmp_path):
    for content in (b"", b"#!/bin/sh\n", b"\x7fELF"):
        (tmp_path / "file").write_bytes(content)
        complains(run("run", "--path", tmp_path / "file"), FAILED, "not an ELF file|truncated")


def test_path_truncated(tmp_path):
    data = DEMO.read_bytes()
    (tmp_path / "cut").write_bytes(data[: len(data) // 2])
    complains(run("run", "--path", tmp_path / "cut"), FAILED, "truncated or damaged|no pushback probes")


def test_pushback_itself_is_no_consumer():
    complains(run("run", "--path", IMAGE), FAILED, "no pushback probes")


def test_path_without_probes():
    complains(run("run", "--path", "/bin/true"), FAILED, "no pushback probes", "pushback.h")


@pytest.mark.parametrize("site", [0, 0x10, 0x400, 1 << 40, (1 << 64) - 1])
def test_path_all_notes_dead(tmp_path, site):
    path = spoil(tmp_path / "spoilt", 4, site)
    complains(run("run", "--path", path), FAILED, "no pushback probes", "4 notes")


def test_dead_notes_are_skipped_and_counted(tmp_path):
    path = spoil(tmp_path / "spoilt", 2)
    receiver = Receiver()
    address = receiver.start("udp://127.0.0.1:0")
    done = run("run", "--path", path, "--once", "--interval", "100ms", "--statsd", address)
    receiver.stop()
    assert done.returncode == DONE and "1 file, 2 sites" in done.stderr
    assert receiver.counters[("pushback.agent.lost", frozenset({"reason:note_dead"}))] == 2


def test_pid_dead():
    child = subprocess.Popen(["/bin/true"])
    child.wait()
    complains(run("run", "--pid", child.pid), FAILED, f"no process {child.pid}")


def test_pid_without_probes():
    complains(run("run", "--pid", os.getpid()), FAILED, "no file with pushback probes", "pushback.h")


def test_pid_given_twice_and_one_dead():
    child = subprocess.Popen(["/bin/true"])
    child.wait()
    complains(run("run", "--path", DEMO, "--pid", child.pid), FAILED, f"no process {child.pid}")


# ---- Hosts ----


def test_no_permission(open_directory):
    demo = open_directory / "demo"
    shutil.copy(DEMO, demo)
    nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    done = program.run(*nobody, open_directory / "pushback", "run", "--path", demo, timeout=30)
    complains(done, HOST, "not allowed", "run as root|CAP_BPF")


def test_no_btf():
    hide = "mount -t tmpfs none /sys/kernel/btf && exec \"$@\""
    done = run("run", "--path", DEMO, before=["unshare", "-m", "sh", "-c", hide, "sh"])
    complains(done, HOST, "no BTF", "CONFIG_DEBUG_INFO_BTF")


def test_no_uprobes():
    hide = "mount -t tmpfs none /sys/bus/event_source/devices && exec \"$@\""
    wrap = ["unshare", "-m", "sh", "-c", hide, "sh", PROGS / "without_links"]
    complains(run("run", "--path", DEMO, before=wrap), HOST, "no uprobes", "CONFIG_UPROBE")


@pytest.fixture(autouse=True)
def nothing_left_attached():
    since = left_behind.newest()
    yield
    left_behind.assert_nothing(since)
