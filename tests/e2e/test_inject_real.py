# SPDX-License-Identifier: MIT
"""usdt-inject on programs and libraries of the distribution: the same code, the same behaviour, and back.

Each gets probes at return instructions all over it, as a disassembler finds them. It runs
afterwards as the original does, and without its probes is the original byte for byte.
"""

import filecmp
import os
import pathlib
import random
import re
import shutil

import pytest

from injecting import bpftrace_counts, disassembly, inject, injected
from program import run

SEED = int(os.environ.get("PUSHBACK_SEED", random.randrange(1 << 32)))
SITES = 25
LIBRARIES = pathlib.Path("/usr/lib") / f"{os.uname().machine}-linux-gnu"

PYTHON = "import sys, {module}; print(sys.version); print({what}); {check}"
CHECK = "assert any({library!r} in line for line in open('/proc/self/maps'))"

# What each is called with: much of it, and always the same.
PROGRAMS = {
    "/bin/ls": ["-l", "/usr/share/common-licenses"],
    "/bin/bash": ["-c", "f() { echo $(($1 * 2)); }; for i in {1..50}; do f $i; done; declare -p PATH"],
    "/bin/gzip": ["-9", "-c", "/usr/share/common-licenses/GPL-3"],
    "/bin/tar": ["-C", "/usr/share", "-cf", "-", "common-licenses"],
    "/bin/grep": ["-rnE", "(software|freedom).*[aeiou]{2}", "/usr/share/common-licenses"],
    "/bin/sed": ["-n", "s/\\(free\\)\\(dom\\)/<\\2\\1>/gp", "/usr/share/common-licenses/GPL-3"],
    "/usr/bin/sort": ["-k2", "/usr/share/common-licenses/GPL-2"],
    "/usr/bin/perl": ["-e", "my %h; $h{$_ % 7} .= sprintf('%x', $_ ** 2) for 1..99; print join $/, map {$h{$_}} sort keys %h"],
    "/usr/bin/python3": ["-c", "import json, re; print(json.dumps([re.sub('(.)', r'\\1.', str(i**9)) for i in range(99)]))"],
    "/usr/bin/git": ["--no-pager", "help", "-a"],
    "/usr/bin/ssh": ["-G", "host.invalid"],
    "/usr/bin/gdb": ["-nx", "-batch", "-ex", "print 6*7", "-ex", "python print(sum(range(99)))"],
    "/usr/bin/objdump": ["-d", "--disassemble=main", "/bin/ls"],
    "/usr/bin/openssl": ["dgst", "-sha256", "/usr/share/common-licenses/GPL-3"],
}
OF_PYTHON = {
    "libz.so.1": ("zlib", "zlib.crc32(zlib.compress(bytes(range(256)) * 999))"),
    "libcrypto.so.3": ("hashlib, ssl", "hashlib.new('sha512_256', b'x' * 9999).hexdigest()"),
    "libsqlite3.so.0": ("sqlite3", "sqlite3.connect(':memory:').execute('select group_concat(3 * 7)').fetchall()"),
    "libexpat.so.1": ("pyexpat", "pyexpat.ParserCreate().Parse('<a b=\"c\">d</a>', True)"),
    "libc.so.6": ("locale, time", "sorted(map(str.upper, 'zyx')), time.strftime('%c', time.gmtime(0))"),
    "libm.so.6": ("math", "[math.sin(i) ** math.gamma(1 + i / 9) for i in range(1, 50)]"),
    "liblzma.so.5": ("lzma", "lzma.decompress(lzma.compress(b'abc' * 999))[:9]"),
}


def there(names, folder=pathlib.Path("/")):
    return [name for name in names if (folder / name).exists()]


def returns(code):
    """Addresses of the return instructions, those of the linker's own sections left out."""
    found = []
    for section in code.split("Disassembly of section ")[1:]:
        if section.startswith(".text"):
            found += re.findall(r"^ +(\w+):\t[^\t]*\t(?:repz |bnd )?ret", section, re.M)
    return [f"{int(address, 16):#x}" for address in found]


def some_sites(file, code):
    """As many as are wanted. Few are refused: what runs before main, and what is no clean code."""
    print(f"PUSHBACK_SEED={SEED}")
    found = returns(code)
    sample = random.Random(SEED).sample(found, min(SITES + 5, len(found)))
    good = [a for a in sample if inject(file, "-p", f"app:done={a}", "--dry-run").returncode == 0]
    assert len(good) >= len(sample) * 3 // 5
    return [f"app:done={address}" for address in good[:SITES]]


def copies(file, tmp_path):
    """The original and an injected one under the same name, once they were compared."""
    original, out = tmp_path / "original" / file.name, tmp_path / "injected" / file.name
    for path in (original, out):
        path.parent.mkdir()
    shutil.copy(file, original)
    code = disassembly(original)
    injected(original, out, *some_sites(original, code))
    assert disassembly(out) == code
    assert inject(out, "--remove", "-o", tmp_path / "back").returncode == 0
    assert filecmp.cmp(original, tmp_path / "back", shallow=False)
    return original, out


def outcome(command, **environment):
    done = run(*command, encoding="latin-1", env=os.environ | environment)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("file", there(PROGRAMS))
def test_a_program(file, tmp_path):
    original, out = copies(pathlib.Path(file).resolve(), tmp_path)
    more = {"PYTHONHOME": "/usr", "LC_ALL": "C", "HOME": "/nonexistent", "DEBUGINFOD_URLS": ""}
    # By the same path, so that what it says of itself is the same.
    place = tmp_path / original.name
    shutil.copy2(original, place)
    before = outcome([place, *PROGRAMS[file]], **more)
    shutil.copy2(out, place)
    assert before[0] == 0 and before[1]
    assert outcome([place, *PROGRAMS[file]], **more) == before


@pytest.mark.parametrize("name", there(OF_PYTHON, LIBRARIES))
def test_a_library(name, tmp_path):
    original, out = copies(LIBRARIES / name, tmp_path)
    module, what = OF_PYTHON[name]

    def outcome_with(folder):
        check = CHECK.format(library=str(folder / name))
        command = ["/usr/bin/python3", "-c", PYTHON.format(module=module, what=what, check=check)]
        return outcome(command, LD_LIBRARY_PATH=str(folder))

    before = outcome_with(original.parent)
    assert before[0] == 0, before[2]
    assert outcome_with(out.parent) == before


def test_there_were_enough():
    assert len(there(PROGRAMS)) + len(there(OF_PYTHON, LIBRARIES)) >= 10


def test_a_probe_in_a_real_library_fires(tmp_path):
    """As often as Python asks zlib for a checksum."""
    name = "libz.so.1"
    if not (LIBRARIES / name).exists():
        pytest.skip(f"no {name}")
    library = injected(LIBRARIES / name, tmp_path / name, "z:deflated=deflateEnd@return -4@%eax")
    script = "import zlib\nfor i in range(71): zlib.compress(b'x' * i)"
    command = ["env", f"LD_LIBRARY_PATH={tmp_path}", "/usr/bin/python3", "-c", script]
    assert bpftrace_counts(library, "z:deflated", "(int32)arg0", *command) == {0: 71}
