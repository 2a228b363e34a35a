# SPDX-License-Identifier: MIT
"""Files that attack who looks for consumers: found by --all, mapped by an ordinary user's process.

Beside an honest consumer, which is found as well and whose numbers must stay exact.
"""

import contextlib
import os
import pathlib
import random
import re
import resource
import stat
import struct
import threading
import time

import pytest

from agent import Agent
from instrumented import ANY, except_by
from program import PROGS, PUSHBACK, Program, patient, run, semaphore_of, wait_until
from stage import AS_NOBODY, NOBODY, Stage
from test_hostile import SEED
from test_recipe_wrong import recipe

PATH_MAX = 4096


@pytest.fixture
def stage():
    with Stage() as one:
        one.copy("attacker")
        one.theirs = one.directory / "theirs"
        one.theirs.mkdir()
        os.chown(one.theirs, NOBODY, NOBODY)
        print(f"PUSHBACK_TEST_SEED={SEED}")
        yield one


# ---- Files ----


def note(site, base, semaphore, provider=b"pushback", name=b"submit_return"):
    text = struct.pack("<QQQ", site, base, semaphore) + provider + b"\0" + name + b"\0\0"
    return struct.pack("<III", 8, len(text), 3) + b"stapsdt\0" + text + b"\0" * (-len(text) % 4)


def section_of(file, name):
    """(offset of its header, offset, size)"""
    data = file.read_bytes()
    (headers,) = struct.unpack_from("<Q", data, 40)
    number = re.search(rf"\[ *(\d+)\] {re.escape(name)} ", run("readelf", "-SW", file).stdout)[1]
    at = headers + 64 * int(number)
    return at, *struct.unpack_from("<QQ", data, at + 24)


def patched(stage, name, *parts, size=None):
    """A driver with some of its bytes replaced: (offset, bytes)."""
    file = stage.copy("driver", f"theirs/{name}")
    with open(file, "r+b") as f:
        for at, data in parts:
            f.seek(at)
            f.write(data)
        if size:
            f.truncate(size)
    return file


def with_notes(stage, name, notes, claimed=None):
    """Its notes are these, behind all else in the file."""
    driver = PROGS / "driver"
    header, _, _ = section_of(driver, ".note.stapsdt")
    end = driver.stat().st_size
    where = struct.pack("<QQ", end, claimed or len(notes))
    return patched(stage, name, (header + 24, where), (end, notes), size=end + claimed if claimed else None)


def spoilt(stage, dice):
    """Some of what an ELF file says of itself is random or extreme."""
    driver = PROGS / "driver"
    header, at, size = section_of(driver, ".note.stapsdt")
    extremes = [0, 1, 2**16 - 1, 2**31, 2**32 - 1, 2**63, 2**64 - 1, 4095, 4096]
    for i in range(8):
        parts = []
        for _ in range(6):
            word = struct.pack("<Q", dice.choice([*extremes, dice.randrange(2**64)]))
            parts.append((dice.choice([dice.randrange(16, 64), header + dice.randrange(56), at + dice.randrange(size - 8)]), word))
        yield patched(stage, f"spoilt{i}", *parts)
    for i in range(4):
        yield patched(stage, f"short{i}", size=dice.randrange(1, driver.stat().st_size))


def heavy(stage):
    """Both its symbol tables are the same 50 MB: nearly as many functions as are kept."""
    source = "int first(int *p) { return -*p; } int main(void) { return 0; }"
    file = stage.theirs / "heavy"
    done = run("gcc", "-O2", "-x", "c", "-", "-o", file, input=source)
    assert done.returncode == 0, done
    headers = [section_of(file, name)[0] for name in (".symtab", ".dynsym")]
    function = struct.pack("<IBBHQQ", 1, 0x12, 0, 1, 0x1000, 16) * ((2 << 20) - 1000)
    end = file.stat().st_size
    with open(file, "r+b") as f:
        for header in headers:
            f.seek(header + 24)
            f.write(struct.pack("<QQ", end, len(function)))
        f.seek(end)
        f.write(function)
    return file


def hostile_files(stage):
    silly = [0, 1, 4095, 2**31, 2**63, 2**64 - 1, 0x400000]
    yield with_notes(stage, "sites", b"".join(note(s, b, m) for s in silly for b in silly for m in silly))
    yield with_notes(stage, "million", note(0x1000, 0, 0x2000) * 1_000_000)
    yield with_notes(stage, "foreign", note(0x1000, 0, 0, b"x" * 300, b"y" * 300) * 20_000)
    yield with_notes(stage, "sparse", b"\0" * 16, claimed=700 << 20)
    yield with_notes(stage, "longest", struct.pack("<III", 8, 2**32 - 1, 3) + b"stapsdt\0", claimed=300 << 20)
    yield from spoilt(stage, random.Random(SEED))
    yield stage.copy("driver", "theirs/a\nb INJECTED\x1b[31m|c")
    yield stage.copy("driver", "theirs/\udcff\udcfe (deleted)")


def is_probed(pid, file):
    """A site of it has a breakpoint in that process: it was looked at, and attached."""
    with open(f"/proc/{pid}/maps", errors="surrogateescape") as maps:
        line = next(line for line in maps if line.rstrip().endswith(str(file)))
    begin, end = (int(n, 16) for n in line.split()[0].split("-"))
    data = file.read_bytes()
    with open(f"/proc/{pid}/mem", "rb") as memory:
        memory.seek(begin)
        there = memory.read(min(end - begin, len(data)))
        return there != data[: len(there)]


def map_them(stage, files, user=AS_NOBODY, after=0, **more):
    """A process, of an ordinary user's if nothing else is said, that maps them; the last of them is a good one."""
    good = stage.copy("driver", f"theirs/good{random.randrange(1 << 30)}")
    program = Program([*user, stage.directory / "attacker", "map", *files, good], "stdout", **more)
    stage.stack.enter_context(program)
    program.wait_line("^ready")
    time.sleep(after)
    program.say("")
    count = int(program.wait_line(r"^does (\d+)")[1])
    return program, good, count


def looked_at(stage, program, good):
    wait_until(lambda: is_probed(program.pid, good), "the last one is never found", 30)
    stage.play()
    stage.wait_told()


# ---- Discovery of them ----


def test_notes_and_headers(stage):
    """Of any number and size, at any address; cut short; of names that would be lines."""
    stage.watch(files=())
    files = list(hostile_files(stage))
    program, good, count = map_them(stage, files)
    assert count == len(files) + 1
    looked_at(stage, program, good)
    stage.check()


@except_by(*ANY, reason="they have their own idea of how much memory is mapped")
def test_recipe_that_takes_too_much_memory(stage):
    """For one file: it is refused, once, and what else there is is found."""
    recipe = stage.directory / "heavy.ini"
    recipe.write_text("[target]\npath = */heavy\n[step a]\nsubmit = symbol first\ninstance = arg1\nresult = s32 return\naccepted = 0\nrejected = -11\n")
    before = stage.copy("driver", "theirs/before")
    program, good, count = map_them(stage, [before, heavy(stage)])
    assert count == 3
    with Agent(interval="100ms") as usual:
        mapped = int(pathlib.Path(f"/proc/{usual.pid}/statm").read_text().split()[0]) * resource.getpagesize()
    # Room for the file, and for half of what is kept of it.
    limited = stage.directory / "limited"
    limited.write_text(f'#!/bin/sh\nexec prlimit --as={mapped + (120 << 20)}: {PUSHBACK} "$@"\n')
    limited.chmod(0o755)
    agent = stage.watch("--recipe", recipe, files=(), interval="100ms", program=limited)
    for file in (before, good):
        wait_until(lambda: is_probed(program.pid, file), "one beside it is never found", 30)
    looked_at(stage, program, good)
    # It is tried again, ever more rarely, and nothing more is said before there is.
    resource.prlimit(agent.pid, resource.RLIMIT_AS, (resource.getrlimit(resource.RLIMIT_AS)[1],) * 2)
    wait_until(lambda: any("heavy: no function is first" in line for line in agent.lines), "it is not tried again", 30)
    assert len([line for line in agent.lines if "heavy: out of memory" in line]) == 1
    stage.check(memory=512)


def test_files_that_change(stage):
    """While they are read; cut short; gone, or in their place what would hold or mislead who opens it."""
    stage.watch(files=())
    files = [stage.copy("driver", f"theirs/changed{i}") for i in range(8)]
    program, _, _ = map_them(stage, files)
    dice = random.Random(SEED)
    data = (PROGS / "driver").read_bytes()
    os.truncate(files[0], 100)
    for file, put in zip(files[1:4], (os.mkfifo, lambda f: os.symlink("/dev/zero", f), lambda f: os.symlink(f, f))):
        file.unlink()
        put(file)
    files[4].unlink()
    with open(files[5], "r+b") as written, open(files[6], "r+b") as cut:
        for _ in range(60):
            at = dice.randrange(len(data))
            os.pwrite(written.fileno(), dice.randbytes(64), at)
            os.ftruncate(cut.fileno(), at)
            os.pwrite(cut.fileno(), data, 0)
            stage.play(5)
    program, good, _ = map_them(stage, files[5:])
    looked_at(stage, program, good)
    stage.check()


def test_paths_beyond_the_longest(stage):
    """Of which /proc shows no more than a page, or nothing."""
    stage.watch(files=())
    with contextlib.ExitStack() as stack:
        at = os.open(stage.theirs, os.O_PATH)
        for _ in range(PATH_MAX // 200 + 2):
            os.mkdir("d" * 200, dir_fd=at)
            below = os.open("d" * 200, os.O_PATH, dir_fd=at)
            os.close(at)
            at = below
        stack.callback(os.close, at)
        with open(os.open("file", os.O_WRONLY | os.O_CREAT, 0o755, dir_fd=at), "wb") as deep:
            deep.write((PROGS / "driver").read_bytes())
        program, good, count = map_them(stage, ["file"], cwd=f"/proc/{os.getpid()}/fd/{at}")
    assert count == 2
    looked_at(stage, program, good)
    stage.check()


# ---- Mounts of an ordinary user's ----


NEEDS_FUSE = pytest.mark.skipif(not os.path.exists("/dev/fuse"), reason="no FUSE: no file of an ordinary user's can hold who opens it")


@contextlib.contextmanager
def blocking(stage, program=None, **more):
    """At theirs/merged it holds whoever looks for a name, asks about one or opens one: an overlay of a file system of
    the user's own, without which root would not even be let in."""
    for name in ("lower", "merged", "empty"):
        (stage.theirs / name).mkdir(exist_ok=True)
        os.chown(stage.theirs / name, NOBODY, NOBODY)
    device = stage.directory / "fuse"  # here only root may open the one in /dev, elsewhere anybody
    os.mknod(device, stat.S_IFCHR | 0o666, os.stat("/dev/fuse").st_rdev)
    device.chmod(0o666)
    argv = [program or stage.copy("blocking"), "file", stage.theirs, str(NOBODY), device]
    with Program(argv, "stdout", **more) as process:
        process.wait_line("^ready")
        # Who is held by it cannot be ended before: so it is, and the test fails.
        stop = threading.Timer(patient(90), process.process.kill)
        stop.start()
        stage.stack.callback(stop.cancel)
        yield process


def map_it(process):
    process.say("")
    process.wait_line("^done")


@NEEDS_FUSE
def test_file_that_holds_who_opens_it(stage):
    with blocking(stage) as program:
        stage.watch(files=())
        map_it(program)
        # On a busy machine a look takes its time to get through all processes.
        wait_until(lambda: stage.agent.lost().get("mount_refused"), "its mount is not refused", 30)
        later, good, _ = map_them(stage, [])
        looked_at(stage, later, good)
        done = run(PUSHBACK, "list", "--pid", program.pid, timeout=20)
        assert done.returncode == 0 and "1 mapped file could not be opened" in done.stderr
        assert stage.check()["mount_refused"] >= 1


@NEEDS_FUSE
@pytest.mark.parametrize("path", ["merged/file", "merged/file/below", "link"])
def test_path_of_a_recipe_that_holds_who_walks_it(stage, path):
    """It is looked for below the root of whoever maps any file."""
    (stage.theirs / "link").symlink_to(stage.theirs / "merged" / "file")
    file = recipe(stage.directory, "symbol good_submit", path=stage.theirs / path)
    with blocking(stage) as program:
        map_it(program)
        stage.watch("--recipe", file, files=())
        later, good, _ = map_them(stage, [])
        looked_at(stage, later, good)
        for verb in (["list"], ["list", "--pid", program.pid], ["doctor", "--pid", program.pid], ["recipe", "check"]):
            words = [*verb, file] if verb[0] == "recipe" else [*verb, "--recipe", file]
            done = run(PUSHBACK, *words, timeout=20)
            assert done.returncode in (0, 1, 2, 3), (verb, done.stderr)
        assert stage.check()["mount_refused"] >= 1


WITHOUT_MAP_FILES = ("setpriv", "--bounding-set", "-sys_admin,-checkpoint_restore")


@NEEDS_FUSE
@pytest.mark.parametrize(
    "command, says",
    [
        ([PUSHBACK, "doctor"], "merged/blocking cannot be compared with the file on disk"),
        ([*WITHOUT_MAP_FILES, PUSHBACK, "list"], r"[1-9]\d* mapped files? could not be opened"),
    ],
    ids=["compared", "without map_files"],
)
def test_folder_that_holds_who_looks_for_what_was_there(stage, command, says):
    """Mounted over what is mapped already: only its path leads there."""
    (stage.theirs / "merged").mkdir()
    program = stage.copy("blocking", "theirs/merged/blocking")
    library = stage.copy("driver_library.so", "theirs/merged/library.so")
    with blocking(stage, program, env=os.environ | {"LD_PRELOAD": str(library)}) as process:
        map_it(process)
        done = run(*command, "--pid", process.pid, timeout=20)
        assert re.search(says, done.stdout + done.stderr), done.stdout + done.stderr


def test_namespaces_of_an_ordinary_user(stage):
    """A file that no path of ours leads to: what runs it is counted, and spoils nothing."""
    stage.watch(files=())
    script = 'mount -t tmpfs none "$1" && cp "$2" "$1/attacker" && exec "$1/attacker" exec 20'
    argv = [*AS_NOBODY, "unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script, "sh", stage.theirs, stage.directory / "attacker"]
    with Program(argv, "stdout") as program:
        program.wait_line("^ready")
        wait_until(lambda: semaphore_of(program.pid, "/attacker", stage.directory / "attacker"), "it is not watched", 20)
        assert stage.play_beside(program, 0) == 20
        stage.wait_told()
        stage.assert_told("once", "submit_accepted", 20)
    stage.check()


JAILED = """
mount -t tmpfs none "$1" && mkdir -p "$1/jail/usr" && mount --bind /usr "$1/jail/usr" || exit
ln -s usr/lib usr/lib64 usr/bin "$1/jail" && cp "$2" "$1/jail/attacker" || exit
chroot --userspec=65534:65534 "$1/jail" /attacker exec 20
echo ended
"""


def test_changed_root_in_a_mount_namespace(stage):
    """As a service's in a container: the mount that it is in, it does not see itself, and its parent does."""
    stage.watch(files=())
    argv = ["unshare", "--mount", "sh", "-c", JAILED, "sh", stage.theirs, stage.directory / "attacker"]
    with Program(argv, "stdout") as program:
        program.wait_line("^ready")
        (pid,) = map(int, pathlib.Path(f"/proc/{program.pid}/task/{program.pid}/children").read_text().split())
        assert str(stage.theirs) not in pathlib.Path(f"/proc/{pid}/mountinfo").read_text()
        wait_until(lambda: semaphore_of(pid, "/attacker", stage.directory / "attacker"), "it is not watched", 20)
        assert stage.play_beside(program, 0) == 20
        stage.wait_told()
        stage.assert_told("once", "submit_accepted", 20)
        program.process.stdin.close()
        program.wait_line("^ended")
    assert "mount_refused" not in stage.check()


MAPPED = 8000
OVERLAID = """
mount -t overlay none -o "lowerdir=$1/lower,upperdir=$1/upper,workdir=$1/work" "$1/merged" || exit
cd "$1/merged" && exec "$2" maps $(ls)
"""


def test_files_without_end_that_are_not_opened(stage):
    """Of many processes, each of them anew at each look: others are found, drained and answered meanwhile."""
    for name in ("lower", "upper", "work", "merged"):
        (stage.theirs / name).mkdir()
        os.chown(stage.theirs / name, NOBODY, NOBODY)
    for i in range(MAPPED):
        (stage.theirs / "lower" / f"{i}").write_text("x")
    argv = [*AS_NOBODY, "unshare", "--user", "--map-root-user", "--mount", "sh", "-c", OVERLAID, "sh", stage.theirs, stage.copy("attacker")]
    with Program(argv, "stdout") as program:
        program.wait_line("^ready")
        stage.watch(files=())
        program.say("")
        assert int(program.wait_line(r"^does (\d+)")[1]) == MAPPED
        wait_until(lambda: stage.agent.lost().get("mount_refused"), "its mount is not refused", 60)
        for _ in range(3):
            stage.play()
            stage.wait_told()
        # Its fellows wait for what that took, other users' processes do not. So long after an exec it is only a look
        # that tells: it gets through all the others.
        later, good, _ = map_them(stage, [], user=(), after=2)
        looked_at(stage, later, good)
    assert stage.check()["mount_refused"] >= 1


def test_overlay_of_root_in_a_namespace_of_users(stage):
    """As a container's whose users are others there: its mount is a copy of root's, and nobody's server lies beneath."""
    lower, merged = stage.directory / "lower", stage.directory / "merged"
    for path in (lower, merged):
        path.mkdir()
    stage.copy("attacker", "lower/attacker")
    assert run("mount", "-t", "overlay", "overlay", "-o", f"lowerdir={lower}:{stage.theirs}", merged).returncode == 0
    stage.stack.callback(run, "umount", "-l", merged)
    stage.watch(files=())
    argv = [*AS_NOBODY, "unshare", "--user", "--map-root-user", "--mount", merged / "attacker", "exec", "20"]
    with Program(argv, "stdout") as program:
        program.wait_line("^ready")
        wait_until(lambda: semaphore_of(program.pid, "/attacker"), "it is not watched", 20)
        assert stage.play_beside(program, 0) == 20
        stage.wait_told()
        stage.assert_told("once", "submit_accepted", 20)
    assert "mount_refused" not in stage.check()
