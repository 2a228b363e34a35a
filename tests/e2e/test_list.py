# SPDX-License-Identifier: MIT
"""`pushback list`: who is there, who is watched, where a file's probes are, and what it can't see.

Other tests' consumers and agents may be on the host: each test looks for its own processes.
"""

import contextlib
import json
import os
import re
import shutil
import struct
import subprocess
import time

import pytest

from agent import Agent
from container import CONTAINER, container
from driver import Driver, copy_new
from instrumented import except_by
from program import BUILD, PUSHBACK, Program, patient

DONE, FAILED, USAGE, HOST = 0, 1, 2, 3
SPINNER = BUILD / "tests" / "spinner"
PROBES = ("submit_return", "forward_return", "poll_return", "step_end")
NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
HOSTILE = b"\x1b[31m\xff\nx\x9b"


def run(*options, before=(), program=PUSHBACK):
    command = [*before, program, "list", *options]
    # As bytes: whether they are text is a question here.
    done = subprocess.run(command, capture_output=True, timeout=patient(30), stdin=subprocess.DEVNULL)
    done.stdout, done.stderr = done.stdout.decode(), done.stderr.decode()
    assert not re.search(r"[\0-\t\v-\x1f\x7f-\x9f]", done.stdout + done.stderr), done
    return done


def objects(*options, **more):
    done = run("--json", *options, **more)
    assert done.returncode == DONE, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def of(process, *options, **more):
    """This process's objects in the list of all."""
    return [o for o in objects(*options, **more) if o["pid"] == process.pid]


def table(text):
    """[{title: cell}]; nothing stands before or behind where its title says."""
    lines = text.splitlines()
    titles = list(re.finditer(r"(\S+) *", lines[0]))
    rows = []
    for line in lines[1:]:
        assert line == line.rstrip()
        row = {}
        for i, title in enumerate(titles):
            begin = 0 if i == 0 else title.start()
            end = None if i == len(titles) - 1 else titles[i + 1].start()
            if i == 0:  # aligned right
                end = title.end(1)
            row[title[1]] = line[begin:end].strip()
        rows.append(row)
    return rows


def wait_watched(process, want, file=None, timeout=20):
    """Its object, and the table says the same; somebody else may watch the host for a while."""
    end = time.monotonic() + patient(timeout)
    while True:
        rows = [o for o in of(process, "--pid", str(process.pid)) if file in (None, o["file"])]
        shown = table(run("--pid", str(process.pid)).stdout)
        words = [row["WATCHED"] for row in shown if file in (None, row["FILE"])]
        if [o["watched"] for o in rows] == [want] and words == ["yes" if want else "no"]:
            return rows[0]
        assert time.monotonic() < end, (rows, words)
        time.sleep(0.1)


@contextlib.contextmanager
def spinner(directory, name="spinner", prefix=(), copy=True):
    program = os.path.join(os.fsencode(directory), os.fsencode(name))
    if copy:
        shutil.copy(os.fsencode(SPINNER), program)
    truth = directory / f"truth{time.monotonic_ns()}"
    with Program([*prefix, os.fsdecode(program), truth, "rate=100"], "stdout") as process:
        process.wait_line("ready")
        yield process


def symbol(path, name):
    """The offset in the file of what stands first in a section."""
    shown = subprocess.run(["readelf", "-SW", path], capture_output=True, text=True, check=True)
    line = next(line for line in shown.stdout.splitlines() if f" {name} " in line)
    return int(line.split("]")[1].split()[3], 16)


def build_id(path):
    shown = subprocess.run(["readelf", "-n", path], capture_output=True, text=True, check=True)
    return re.search(r"Build ID: ([0-9a-f]+)", shown.stdout)[1]


def spoil(source, path, count):
    """A copy whose first `count` sites lead nowhere."""
    data = bytearray(source.read_bytes())
    notes = [m.end() for m in re.finditer(rb"\x03\0\0\0stapsdt\0", data)]
    assert len(notes) == 4
    for at in notes[:count]:
        struct.pack_into("<Q", data, at, 1 << 40)
    path.write_bytes(data)
    path.chmod(0o755)
    return path


# ---- Processes ----


def test_two_processes_of_one_file(tmp_path):
    with spinner(tmp_path) as one, spinner(tmp_path, copy=False) as two:
        want = {
            "process": "spinner",
            "container": None,
            "file": str(tmp_path / "spinner"),
            "deleted": False,
            "other_mount_namespace": False,
            "build_id": build_id(SPINNER),
            "probes": dict.fromkeys(PROBES, 1),
            "skipped": dict.fromkeys(("dead", "duplicate", "unknown", "malformed", "too_many"), 0),
            "watched": False,
            "watched_unknown": None,
        }
        for process in (one, two):
            assert wait_watched(process, False) == {"pid": process.pid, **want}
        rows = [r for r in table(run().stdout) if r["PID"] in (str(one.pid), str(two.pid))]
        assert [r.pop("PID") for r in rows] == sorted([str(one.pid), str(two.pid)], key=int)
        for row in rows:
            assert row["NAME"] == "spinner" and row["PROBES"] == "all"
            assert row["BUILD-ID"] == want["build_id"][:8] and row["FILE"] == want["file"]


def test_watched(tmp_path):
    """By an agent on the file: yes; no before it, and no after it."""
    with spinner(tmp_path) as process, spinner(tmp_path, "other") as other:
        wait_watched(process, False)
        with Agent("--path", tmp_path / "spinner") as agent:
            assert of(process)[0]["watched"] is True  # at once
            wait_watched(process, True)
            wait_watched(other, False)
            agent.end()
        wait_watched(process, False)


def test_library(tmp_path):
    """One row per file; each is watched for itself."""
    with Driver(tmp_path) as driver:
        assert [o["file"] for o in of(driver)] == [str(driver.file)]
        driver.dlopen()
        files = [str(driver.file), str(driver.library_file)]
        assert sorted(o["file"] for o in of(driver)) == files
        with Agent("--path", driver.library_file) as agent:
            assert wait_watched(driver, True, files[1])
            assert wait_watched(driver, False, files[0])
            assert driver.semaphore("library") and not driver.semaphore("driver")
            agent.end()
        driver.dlclose()
        assert [o["file"] for o in of(driver)] == [str(driver.file)]


@pytest.mark.parametrize("where", ["deleted", "replaced", "namespace"])
def test_binary_that_no_path_leads_to(tmp_path, where):
    prefix = []
    if where == "namespace":
        hidden = tmp_path / "hidden"
        hidden.mkdir()
        command = f'mount -t tmpfs none "{hidden}" && cp "{SPINNER}" "{hidden}/spinner" && exec "$@"'
        prefix = ["unshare", "-m", "--propagation", "private", "sh", "-c", command, "sh"]
        directory, copy = hidden, False
    else:
        directory, copy = tmp_path, True
    with spinner(directory, prefix=prefix, copy=copy) as process:
        if where == "deleted":
            os.unlink(directory / "spinner")
        elif where == "replaced":
            copy_new(PUSHBACK, directory / "new")
            os.rename(directory / "new", directory / "spinner")
        with Agent("--pid", process.pid) as agent:
            [o] = of(process)
            row = table(run("--pid", str(process.pid)).stdout)[0]
            agent.end()
    assert o["file"] == str(directory / "spinner") and o["build_id"] == build_id(SPINNER)
    assert o["watched"] is True
    assert o["deleted"] == (where != "namespace")
    assert o["other_mount_namespace"] == (where == "namespace")
    remark = " (deleted)" if o["deleted"] else " (in another mount namespace)"
    assert row["FILE"] == o["file"] + remark


def test_hostile_names(tmp_path):
    """A name that would drive the terminal, in a directory of such a name, is text and one line."""
    directory = tmp_path / os.fsdecode(HOSTILE)
    directory.mkdir()
    with spinner(directory, HOSTILE) as process:
        [o] = of(process)
        assert o["process"] == "\x1b[31m\ufffd\nx\ufffd"
        assert o["file"].encode().count(b"\x1b[31m") == 2
        [row] = table(run("--pid", str(process.pid)).stdout)
        assert row["NAME"] == "?[31m??x?"
        assert row["FILE"].endswith("/?[31m??x?/?[31m??x?")
        done = run(os.path.join(os.fsencode(directory), HOSTILE))
        assert done.returncode == DONE and "?[31m??x?" in done.stdout
        done = run(os.path.join(os.fsencode(directory), b"none"))
        assert done.returncode == FAILED and done.stderr.count("\n") == 1


def test_container(tmp_path):
    """Its id: 12 digits of it on the screen."""
    with container(tmp_path) as put, spinner(tmp_path) as process:
        put(process.pid)
        [o] = of(process)
        [row] = table(run("--pid", str(process.pid)).stdout)
        assert o["container"] == CONTAINER
        assert row["CONTAINER"] == CONTAINER[:12]


def test_skipped_notes(tmp_path):
    spoil(SPINNER, tmp_path / "some", 1)
    spoil(SPINNER, tmp_path / "none", 4)
    with spinner(tmp_path, "some", copy=False) as some, spinner(tmp_path, "none", copy=False) as none:
        [o] = of(some)
        assert o["skipped"]["dead"] == 1 and sum(o["probes"].values()) == 3
        [row] = table(run("--pid", str(some.pid)).stdout)
        assert row["SKIPPED"] == "1 dead" and len(row["PROBES"].split(",")) == 3
        # It was built with probes, and nobody can attach to any: that is to be seen.
        [o] = of(none)
        assert o["skipped"]["dead"] == 4 and sum(o["probes"].values()) == 0
        assert o["watched"] is None and "semaphore" in o["watched_unknown"]
        [row] = table(run("--pid", str(none.pid)).stdout)
        assert row["PROBES"] == "-" and row["WATCHED"] == "?"


def test_80_columns():
    """A usual name and path fit."""
    directory = subprocess.run(["mktemp", "-d", "/tmp/pb-XXXX"], capture_output=True, text=True, check=True)
    directory = directory.stdout.strip()
    try:
        program = shutil.copy(BUILD / "pushback-demo", f"{directory}/pushback-demo")
        with Program([program, "--source", "memory"]) as process:
            process.wait_line(".")
            done = run("--pid", str(process.pid))
            assert len(table(done.stdout)) == 1 and program in done.stdout
            assert max(map(len, done.stdout.splitlines())) <= 80, done.stdout
    finally:
        shutil.rmtree(directory)


# ---- Which processes ----


def test_pids(tmp_path):
    with spinner(tmp_path) as one, spinner(tmp_path, copy=False) as two:
        pids = [o["pid"] for o in objects("--pid", str(two.pid))]
        assert pids == [two.pid]
        both = ("--pid", str(two.pid), "--pid", str(one.pid), "--pid", str(two.pid))
        assert [o["pid"] for o in objects(*both)] == [two.pid, one.pid]


def test_pid_dead(tmp_path):
    """The others are listed all the same."""
    child = subprocess.Popen(["/bin/true"])
    child.wait()
    with spinner(tmp_path) as process:
        done = run("--pid", str(child.pid), "--pid", str(process.pid))
    assert done.returncode == FAILED and len(table(done.stdout)) == 1
    assert done.stderr == (
        f"pushback: no process {child.pid}: it has ended, or the number is wrong\n"
    )
    done = run("--json", "--pid", str(child.pid))
    assert done.returncode == FAILED and done.stdout == "" and done.stderr.count("\n") == 1


def test_pid_without_probes():
    for options in ((), ("--json",)):
        done = run("--pid", str(os.getpid()), *options)
        assert done.returncode == FAILED and done.stdout == ""
        assert done.stderr.count("\n") == 1
        assert re.search(r"process \d+ maps no file with pushback probes: .*pushback.h", done.stderr)


def test_left_out(tmp_path):
    """A consumer that was not asked for is not said to be none."""
    with Driver(tmp_path) as driver:
        done = run("--pid", str(driver.pid), "--exclude", str(driver.file))
        assert (done.returncode, done.stdout) == (FAILED, ""), done
        assert "is left out by" in done.stderr, done
        done = run("--match-name", "nobody's")
        assert done.returncode == DONE and "is left by --match-name" in done.stderr, done


def test_empty_host():
    """In a pid namespace of its own there is nobody but the list itself, which has probes too."""
    alone = ["unshare", "-pf", "--mount-proc"]
    for options in ((), ("--json",)):
        done = run(*options, before=alone)
        assert done.returncode == DONE and done.stdout == ""
        assert done.stderr.count("\n") == 1
        assert re.search("no process with pushback probes.*pushback.h", done.stderr)


def test_observers_are_no_consumers(tmp_path):
    with spinner(tmp_path), Agent("--path", tmp_path / "spinner") as agent:
        assert not of(agent.process)
        agent.end()


# ---- What it may not see ----


def world_writable(path):
    path.mkdir()
    path.chmod(0o777)
    return path


def test_as_nobody(open_directory):
    """Lists what it may, needs no BPF for it, and says what it could not look into."""
    theirs = world_writable(open_directory / "theirs")
    options = {"before": NOBODY, "program": open_directory / "pushback"}
    with spinner(open_directory) as ours, spinner(theirs, prefix=NOBODY) as own:
        own_file = str(theirs / "spinner")
        done = run("--json", **options)
        rows = [json.loads(line) for line in done.stdout.splitlines()]
        assert done.returncode == DONE
        mine = [o for o in rows if o["pid"] == own.pid]
        assert [(o["file"], o["watched_unknown"]) for o in mine] == [(own_file, None)]
        assert not [o for o in rows if o["pid"] == ours.pid]
        assert done.stderr.count("\n") == 1
        assert re.search(r"warning: .* \d+ processes may not be looked into \(run as root", done.stderr)
        with Agent("--path", own_file) as agent:
            assert of(own, **options)[0]["watched"] is True
            agent.end()
        done = run("--pid", str(ours.pid), **options)
        assert done.returncode == HOST and done.stdout == ""
        assert re.fullmatch(
            rf"pushback: not allowed to look into process {ours.pid}: run as root.*\n", done.stderr
        )


@except_by("valgrind", reason="it begins as a shell's script, and a shell gives up the second user")
@except_by("address", reason="who has two users may not be traced, nor read its own environment: no leaks are found")
def test_memory_that_may_not_be_read(open_directory):
    """Its mappings may be seen (by the effective user), its memory not (by the real one)."""
    theirs = world_writable(open_directory / "theirs")
    half = ["setpriv", "--ruid=65533", "--euid=65534", "--regid=65534", "--clear-groups"]
    options = {"before": half, "program": open_directory / "pushback"}
    with spinner(theirs, prefix=NOBODY) as process:
        [o] = of(process, **options)
        assert o["watched"] is None and "not allowed" in o["watched_unknown"]
        assert sum(o["probes"].values()) == 4
        [row] = table(run("--pid", str(process.pid), **options).stdout)
        assert row["WATCHED"] == "?"


def test_nothing_is_left_out_unsaid():
    """What the whole host's list says of processes that are closed to us, doctor says as well, once."""
    said = re.findall(r"(\d+) process(?:es)? may not be looked into", run().stderr)
    done = subprocess.run([PUSHBACK, "doctor", "--json"], capture_output=True, text=True, timeout=patient(30))
    [proc] = [f for f in map(json.loads, done.stdout.splitlines()) if f["check"] == "proc"]
    assert len(said) == (proc["level"] == "warning"), (said, proc)
    if said:
        assert "run as root" not in proc["advice"], proc


# ---- Files ----


def test_file(tmp_path):
    """Each place is a nop, and the semaphore is where the linker has put it."""
    data = SPINNER.read_bytes()
    [o] = objects(SPINNER)
    assert o["file"] == str(SPINNER) and o["build_id"] == build_id(SPINNER)
    assert sorted(s["probe"] for s in o["sites"]) == sorted(PROBES)
    assert o["probes"] == dict.fromkeys(PROBES, 1) and not any(o["skipped"].values())
    nop = b"\x90" if os.uname().machine == "x86_64" else b"\x1f\x20\x03\xd5"
    for site in o["sites"]:
        assert data[site["offset"] :].startswith(nop)
        assert site["semaphore"] == symbol(SPINNER, ".probes")
    text = run(SPINNER).stdout
    assert text.startswith(f"{SPINNER}: build-id {o['build_id']}\n")
    for site in o["sites"]:
        assert re.search(rf"^  {site['probe']} +0x{site['offset']:x} +0x{site['semaphore']:x}$", text, re.M)


def test_file_with_skipped_notes(tmp_path):
    path = spoil(SPINNER, tmp_path / "some", 1)
    [o] = objects(path)
    assert len(o["sites"]) == 3 and o["skipped"]["dead"] == 1
    assert "skipped notes: 1 dead\n" in run(path).stdout


def test_bad_files(tmp_path):
    """A line for each, exit status 1; a good one beside them is shown all the same."""
    (tmp_path / "text").write_text("#!/bin/sh\n")
    (tmp_path / "cut").write_bytes(SPINNER.read_bytes()[:3000])
    os.mkfifo(tmp_path / "fifo")
    bad = {
        tmp_path / "missing": "cannot open.*No such file",
        tmp_path / "text": "not an ELF file",
        tmp_path / "cut": "truncated or damaged",
        tmp_path / "fifo": "not a regular file",
        tmp_path: "not a regular file",
        "/bin/true": "no pushback probes: build it with.*pushback.h",
        spoil(SPINNER, tmp_path / "none", 4): "no pushback probes.*4 notes",
    }
    for path, pattern in bad.items():
        done = run(path)
        assert done.returncode == FAILED and done.stdout == ""
        assert re.fullmatch(rf"pushback: [^\n]*{pattern}[^\n]*\n", done.stderr), done.stderr
    done = run("--json", *bad, SPINNER)
    assert done.returncode == FAILED and done.stderr.count("\n") == len(bad)
    assert [json.loads(line)["file"] for line in done.stdout.splitlines()] == [str(SPINNER)]


# ---- Usage and output ----


@pytest.mark.parametrize(
    "options,pattern",
    [
        (["--frobnicate"], "'--frobnicate' is not an option of 'list'.*list --help"),
        (["-x"], "'-x' is not an option of 'list'"),
        (["--pid", "me"], "'me' is no process id"),
        (["--pid", "1", SPINNER], "files or --pid, not both"),
        (["--\x1b[31m"], r"'--\?\[31m' is not an option"),
    ],
    ids=lambda v: None,
)
def test_usage(options, pattern):
    done = run(*options)
    assert done.returncode == USAGE and done.stdout == ""
    assert done.stderr.count("\n") == 1 and re.search(pattern, done.stderr), done.stderr


def test_help():
    done = run("--help")
    assert done.returncode == DONE and "FILE..." in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80


@pytest.mark.parametrize("options", [[], ["--json"]], ids=["text", "json"])
def test_full_disk(tmp_path, options):
    with spinner(tmp_path) as process, open("/dev/full", "w", encoding="ascii") as full:
        done = subprocess.run(
            [PUSHBACK, "list", "--pid", str(process.pid), *options],
            stdout=full, stderr=subprocess.PIPE, text=True, timeout=patient(30),
        )  # fmt: skip
    assert done.returncode == FAILED
    assert done.stderr == "pushback: cannot write to standard output: No space left on device\n"
