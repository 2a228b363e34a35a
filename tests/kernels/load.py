#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Each of our BPF programs as this kernel's verifier counts it, in JSON: {verb: {program: instructions}}.

The tool loads them itself, in each way that it has; the kernel tells of a program that is loaded in the
process's own descriptors (from Linux 5.16 on). What a verb says instead where it cannot is told as well.
"""

import contextlib
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("PUSHBACK_BUILD", ROOT / "build"))
# Any function will do: it is there for the programs.
RECIPE = """[target]
path = {file}
[step]
submit = symbol main
instance = none
result = s32 return
accepted = 0
rejected = other
"""
LIMIT = 60 * float(os.environ.get("PUSHBACK_TEST_PATIENCE", "1"))


def loaded(pid):
    """{program: instructions} of those that the process holds."""
    found = {}
    for info in Path(f"/proc/{pid}/fdinfo").iterdir():
        try:
            fields = dict(re.findall(r"^(\w+):\s*(\S+)", info.read_text(), re.M))
        except FileNotFoundError:  # it goes on attaching
            continue
        if "prog_type" not in fields:  # links have its number too
            continue
        show = subprocess.run(["bpftool", "-j", "prog", "show", "id", fields["prog_id"]], capture_output=True, text=True)
        if show.returncode == 0:
            found[json.loads(show.stdout)["name"]] = int(fields.get("verified_insns", 0))
    return found


def has_links(pid):
    """All programs are loaded before the first one is attached."""
    with contextlib.suppress(FileNotFoundError):
        return any("bpf_link" in os.readlink(fd) for fd in Path(f"/proc/{pid}/fd").iterdir())
    return False


def ask(argv):
    """What it has loaded once it watches, or what it says instead."""
    with tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen([str(a) for a in argv], stderr=said, stdout=subprocess.DEVNULL)
        try:
            end = time.monotonic() + LIMIT
            while process.poll() is None and not has_links(process.pid) and time.monotonic() < end:
                time.sleep(0.05)
            if process.poll() is None:
                return loaded(process.pid)
            said.seek(0)
            return {"said": said.read().strip(), "status": process.returncode}
        finally:
            process.kill()
            process.wait()


def main():
    os.environ["PATH"] += ":/usr/sbin"
    consumer = BUILD / "pushback-demo"
    with tempfile.NamedTemporaryFile("w", suffix=".ini") as recipe:
        recipe.write(RECIPE.format(file=consumer))
        recipe.flush()
        trace = [BUILD / "pushback", "trace", "--path", consumer]
        answers = {
            "run": ask([BUILD / "pushback", "run", "--statsd", "udp://127.0.0.1:9", "--socket", "none", "--path", consumer]),
            "trace": ask(trace),
            "trace --recipe": ask([BUILD / "pushback", "trace", "--path", consumer, "--recipe", recipe.name]),
        }
    json.dump(answers, sys.stdout, indent=1)
    return 1 if "said" in answers["run"] else 0


if __name__ == "__main__":
    sys.exit(main())
