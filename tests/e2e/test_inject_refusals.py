# SPDX-License-Identifier: MIT
"""What usdt-inject refuses, with one line that says why, and nothing written; and where it writes."""

import filecmp
import os
import re
import shutil
import subprocess

import pytest

from injecting import DONE, MESSAGES, SAYS, SITE, SOURCES, TOOL, build, inject, injected
from program import Program, run


@pytest.fixture(name="original")
def an_original(tmp_path):
    return build("gcc -O2", SOURCES / "work.c", SOURCES / "user.c", "-o", tmp_path / "program")


def refused(reason, *options, status=1):
    done = inject(*options)
    assert done.returncode == status, done.stderr
    assert done.stdout == ""
    assert reason in done.stderr
    assert done.stderr.startswith("usdt-inject: ") and done.stderr.count("\n") == 1
    assert len(done.stderr) < 400


def patched(original, at, new, name="patched"):
    path = original.parent / name
    shutil.copy(original, path)
    with open(path, "r+b") as file:
        file.seek(at)
        file.write(new)
    return path


# ---- Usage ----


@pytest.mark.parametrize(
    "reason, options",
    [
        ("give the FILE", []),
        ("give a probe", ["FILE", "--dry-run"]),
        ("say where to", ["FILE", "-p", SITE]),
        ("say where to", ["FILE", "--remove"]),
        ("only one of", ["FILE", "-p", SITE, "--replace", "--in-place"]),
        ("only one of", ["FILE", "-p", SITE, "-o", "OUT", "--dry-run"]),
        ("one FILE", ["FILE", "FILE", "--list"]),
        ("do not go together", ["FILE", "--list", "--remove"]),
        ("takes no other option", ["FILE", "--list", "--replace"]),
        ("without -p", ["FILE", "--remove", "-p", SITE, "--replace"]),
        ("'--nonsense' is not known", ["FILE", "--nonsense"]),
        ("-p needs a value", ["FILE", "-p"]),
        ("is no probe", ["FILE", "-p", "work@return", "--dry-run"]),
        ("says no place", ["FILE", "-p", "a:b=work", "--dry-run"]),
        ("'8@%eax' is no argument", ["FILE", "-p", "a:b=work@return 8@%eax", "--dry-run"]),
        ("those of pushback.h", ["FILE", "-p", "pushback:submit_return=work@return", "--dry-run"]),
    ],
)
def test_usage(original, tmp_path, reason, options):
    names = {"FILE": original, "OUT": tmp_path / "out"}
    refused(reason, *(names.get(word, word) for word in options), status=2)
    assert not (tmp_path / "out").exists()


def test_help_and_version():
    done = inject("--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert "Exit status" in done.stdout and max(map(len, done.stdout.splitlines())) <= 100
    assert inject("--version").stdout.startswith("usdt-inject ")


# ---- Files ----


def test_files_that_are_none(original, tmp_path):
    out = ["-p", SITE, "-o", tmp_path / "out"]
    (tmp_path / "text").write_text("#!/bin/sh\n")
    (tmp_path / "empty").write_text("")
    (tmp_path / "cut").write_bytes(original.read_bytes()[:5000])
    refused("No such file", tmp_path / "nothing", *out)
    refused("is no regular file", tmp_path, *out)
    refused("is no regular file", "/dev/null", *out)
    refused("is not an ELF file", tmp_path / "text", *out)
    refused("is not an ELF file", tmp_path / "empty", *out)
    refused("is truncated", tmp_path / "cut", *out)
    refused("is a 32-bit file", patched(original, 4, b"\1"), *out)
    refused("is big-endian", patched(original, 5, b"\2"), *out)
    refused("for another machine (ELF machine 243)", patched(original, 18, b"\xf3\0"), *out)
    refused("no section headers", patched(original, 0x28, bytes(8)), *out)
    refused("no section headers", patched(original, 0x3C, bytes(2)), *out)
    work = build("gcc -O2 -c", SOURCES / "work.c", "-o", tmp_path / "work.o")
    refused("is an object file", work, *out)
    debug = build("objcopy --only-keep-debug", original, tmp_path / "debug")
    refused("only debug information", debug, *out)
    with open(patched(original, 0, b"\x7f", "payload"), "ab") as file:
        file.write(b"PK\5\6")
    refused("data behind its end", tmp_path / "payload", *out)
    assert not (tmp_path / "out").exists()


def test_injected_already(original, tmp_path):
    out = injected(original, tmp_path / "probed", SITE)
    refused("is injected already: --remove first", out, "-p", "app:x=work@entry", "--replace")


# ---- Sites ----


def test_sites(original, tmp_path):
    def site(reason, *sites):
        probes = [word for s in sites for word in ("-p", f"app:x={s}")]
        refused(reason, original, *probes, "-o", tmp_path / "out")

    site("no function 'wrok'", "wrok@return")
    site("no function 'printf'", "printf@return")
    site("no instruction that begins at", "work+0x1")
    site("bytes in function 'work'", "work+0x1000")
    site("no code at address 0x10", "0x10")
    site("no code at offset 0x7fffffff", "file:0x7fffffff")
    site("it is given twice", "work@return", "work@return")
    assert not (tmp_path / "out").exists()


def test_names_that_are_not_one(tmp_path):
    source = "__attribute__((noinline)) static int same(int i) { return i * %d; } int a%d(int i) { return same(i); }"
    for i in (3, 5):
        (tmp_path / f"{i}.c").write_text(source % (i, i))
    library = build("gcc -O2 -shared -fPIC -fno-ipa-icf", tmp_path / "3.c", tmp_path / "5.c", "-o", tmp_path / "two.so")
    refused("has 2 functions 'same'", library, "-p", "a:b=same@return", "--dry-run")
    (tmp_path / "ifunc.c").write_text(
        "static int one(void) { return 1; } static void *choose(void) { return one; }"
        'int f(void) __attribute__((ifunc("choose")));'
    )
    library = build("gcc -O2 -shared -fPIC", tmp_path / "ifunc.c", "-o", tmp_path / "ifunc.so")
    refused("chooses 'f' when it starts", library, "-p", "a:b=f@return", "--dry-run")


def test_a_copy_of_the_compilers(tmp_path):
    """work.constprop.0 is not work: said, and refused where there is nothing else."""
    (tmp_path / "copy.c").write_text(
        'int other(int i) __asm__("both.constprop.0"); int other(int i) { return i; } int both(int i) { return i; }'
        "__attribute__((noinline)) static int copied(int i, int k)"
        "{ return k ? i * k : i; } int main(int c, char **v) { (void)v; return copied(c, 7) + copied(c + 1, 7); }"
    )
    program = build("gcc -O2 -fno-ipa-icf", tmp_path / "copy.c", "-o", tmp_path / "copy")
    refused("copied.constprop.0", program, "-p", "a:b=copied@return", "--dry-run")
    done = inject(program, "-p", "a:b=both@return", "--dry-run")
    assert "both: not covered: its copy both.constprop.0" in done.stderr


def test_what_the_kernel_takes_no_probe_on(tmp_path):
    (tmp_path / "odd.c").write_text(
        "int odd(int *p) { __sync_fetch_and_add(p, 1); asm volatile(\"nop5: .byte 0x0f,0x1f,0x44,0,0\");"
        'asm volatile("cs1: .byte 0x66,0x2e,0x0f,0x1f,0x84,0,0,0,0,0"); return *p; }'
    )
    library = build("gcc -O1 -shared -fPIC", tmp_path / "odd.c", "-o", tmp_path / "odd.so")
    text = run("objdump", "-d", "--disassemble=odd", library).stdout
    start = next(int(line.split()[0], 16) for line in text.splitlines() if line.endswith("<odd>:"))

    def site(mark):
        line = next(line for line in text.splitlines() if mark in line)
        return f"a:b=odd+{int(line.split(':')[0], 16) - start:#x}"

    refused("lock prefix", library, "-p", site("lock"), "--dry-run")
    symbols = run("nm", library).stdout.split("\n")
    for name, reason in (("nop5", "five-byte nop"), ("cs1", "segment prefix")):
        address = next(line.split()[0] for line in symbols if line.endswith(f" {name}"))
        refused(reason, library, "-p", f"a:b=0x{address}", "--dry-run")


# ---- Removal ----


def test_removal(original, tmp_path):
    back = ["--remove", "-o", tmp_path / "back"]
    refused("has nothing injected", original, *back)
    out = injected(original, tmp_path / "probed", SITE)
    for name in ("strip", "objcopy"):
        copy = shutil.copy(out, tmp_path / name)
        build(name, copy)
        refused("was changed after the injection", copy, *back)
    for at in (0x40, 0x1100, os.path.getsize(original) - 1, os.path.getsize(out) - 1):
        byte = out.read_bytes()[at]
        refused("was changed after the injection", patched(out, at, bytes([byte ^ 1])), *back)
    with open(shutil.copy(out, tmp_path / "longer"), "ab") as file:
        file.write(b"x")
    refused("was changed after the injection", tmp_path / "longer", *back)
    assert not (tmp_path / "back").exists()
    assert inject(out, "--remove", "--dry-run").returncode == 0


# ---- Where to ----


def test_dry_run_writes_nothing(original, tmp_path):
    before = original.read_bytes(), sorted(os.listdir(tmp_path))
    done = inject(original, "-p", SITE, "--dry-run")
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert lines[0].split()[:3] == ["PROBE", "ADDRESS", "OFFSET"]
    assert all(line.startswith(DONE) and "ret" in line and "stepped" in line for line in lines[1:])
    assert len(lines) - 1 == int(done.stderr.split(": ")[-1].split()[0])
    assert before == (original.read_bytes(), sorted(os.listdir(tmp_path)))


def test_an_output(original, tmp_path):
    refused("No such file", original, "-p", SITE, "-o", tmp_path / "no/out")
    refused("use --replace", original, "-p", SITE, "-o", original)
    refused("is no regular file", original, "-p", SITE, "-o", "/dev/null")
    out = tmp_path / "out"
    out.write_text("what was there")
    original.chmod(0o4750)
    injected(original, out, SITE)
    assert out.stat().st_mode & 0o7777 == 0o750
    assert run(out, MESSAGES).stdout == SAYS
    assert sorted(os.listdir(tmp_path)) == ["out", "program"]


def test_replacing_keeps_owner_mode_and_attributes(original, tmp_path):
    shutil.copy(original, tmp_path / "before")
    os.chown(original, 1, 2)
    original.chmod(0o6751)
    capability = bytes.fromhex("0100000200040000000000000000000000000000")
    os.setxattr(original, "security.capability", capability)
    os.setxattr(original, "user.note", b"kept")
    (tmp_path / "link").symlink_to(original)
    now = original.stat()
    for options in (("-p", SITE), ("--remove",)):
        assert inject(tmp_path / "link", *options, "--replace").returncode == 0
        before, now = now, original.stat()
        assert (now.st_uid, now.st_gid, now.st_mode & 0o7777) == (1, 2, 0o6751)
        assert os.getxattr(original, "security.capability") == capability
        assert os.getxattr(original, "user.note") == b"kept"
        assert now.st_ino != before.st_ino and (tmp_path / "link").is_symlink()
    assert filecmp.cmp(original, tmp_path / "before", shallow=False)
    assert sorted(os.listdir(tmp_path)) == ["before", "link", "program"]


def test_in_place_keeps_the_inode(original, tmp_path):
    shutil.copy(original, tmp_path / "before")
    os.link(original, tmp_path / "other")
    inode = original.stat().st_ino
    assert inject(original, "-p", SITE, "--in-place").returncode == 0
    assert original.stat().st_ino == inode
    assert DONE in inject(tmp_path / "other", "--list").stdout
    assert run(original, MESSAGES).stdout == SAYS
    done = inject(original, "-p", SITE, "--replace")
    assert "injected already" in done.stderr
    assert inject(original, "--remove", "--in-place").returncode == 0
    assert filecmp.cmp(tmp_path / "other", tmp_path / "before", shallow=False)
    done = inject(original, "-p", SITE, "--replace")
    assert done.returncode == 0 and "hard links, 1 in number, keep the old file" in done.stderr
    assert filecmp.cmp(tmp_path / "other", tmp_path / "before", shallow=False)


def test_a_running_program_in_place(original):
    with Program([original, 3, "wait"], output="stdout") as running:
        running.wait_line("refused")
        before = original.read_bytes()
        refused(f"run or mapped by process {running.pid}", original, "-p", SITE, "--in-place")
        assert original.read_bytes() == before
        with Program([original, 3, "wait"], output="stdout") as too:
            too.wait_line("refused")
            # As it is for two processes and for one.
            done = inject(original, "-p", SITE, "--replace")
            assert done.returncode == 0
            assert re.search(
                rf": 2 processes \(({running.pid}|{too.pid}) and others\) still use the old file, until they are restarted$",
                done.stderr,
                re.M,
            ), done.stderr
        with Program([original, 3, "wait"], output="stdout") as other:
            other.wait_line("refused")
            done = inject(original, "--remove", "--replace")
            assert done.returncode == 0, done.stderr
            assert f": process {other.pid} still uses the old file, until it is restarted\n" in done.stderr
        assert inject(original, "-p", SITE, "--replace").returncode == 0
        # Nobody runs the new one.
        assert inject(original, "--remove", "--in-place").returncode == 0


def test_a_mapped_library_in_place(tmp_path):
    library = build("gcc -O2 -shared -fPIC", SOURCES / "work.c", "-o", tmp_path / "libwork.so")
    user = build(f"gcc -O2 -Wl,-rpath,{tmp_path}", SOURCES / "user.c", library, "-o", tmp_path / "user")
    with Program([user, 3, "wait"], output="stdout") as running:
        running.wait_line("refused")
        before = library.read_bytes()
        refused(f"run or mapped by process {running.pid}", library, "-p", SITE, "--in-place")
        assert library.read_bytes() == before
    assert inject(library, "-p", SITE, "--in-place").returncode == 0


def test_a_file_that_somebody_has_open_in_place(original):
    with open(original, "rb") as held:
        refused("in use by another process", original, "-p", SITE, "--in-place")
        assert held.read(4) == b"\x7fELF"
    assert inject(original, "-p", SITE, "--in-place").returncode == 0


def test_a_disk_that_is_full(original, tmp_path):
    """Nothing is left of what did not fit."""
    folder = tmp_path / "full"
    folder.mkdir()
    script = """
        mount -t tmpfs -o size=24k none "$1" && cp "$2" "$1/program" && cd "$1" || exit 9
        "$3" program -p "$4" --replace
        echo "$? $(ls) $(cmp program "$2" && echo same)"
    """
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", script, "sh", folder, original, TOOL, SITE],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "1 program same\n", done.stderr
    assert "No space left" in done.stderr
