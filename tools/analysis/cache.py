# SPDX-License-Identifier: MIT
"""What an analyser found in a source, kept until anything that it read or was told changes."""
import hashlib
import json
import os
import subprocess
from dataclasses import astuple
from functools import lru_cache
from pathlib import Path
from threading import Lock

from .analysers import Finding
from .sources import TOP

# So that a run that is interrupted goes on where it was.
SAVE_EACH = 20


@lru_cache(None)
def digest(path):
    try:
        return hashlib.sha256((TOP / path).read_bytes()).hexdigest()
    except OSError:
        return "none"


class Cache:
    def __init__(self, path):
        self.path = Path(path)
        self.new = 0
        self.lock = Lock()
        try:
            kept = json.loads(self.path.read_text())
        except (OSError, ValueError):
            kept = {}
        self.read = kept.get("read", {})
        self.found = kept.get("found", {})

    def save(self):
        with self.lock:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            new = self.path.with_suffix(f".{os.getpid()}")
            new.write_text(json.dumps({"read": dict(self.read), "found": dict(self.found)}))
            new.replace(self.path)

    def what_it_reads(self, source):
        """The source and every header, the system's too. Empty: one is missing, and not known where to wait for it."""
        compiler = "clang" if source.target else "gcc"
        flags = source.clang_flags() if source.target else ["-x", source.language, *source.flags]
        done = subprocess.run([compiler, *flags, "-M", source.path], cwd=TOP, capture_output=True, text=True)
        return [] if done.returncode else done.stdout.replace("\\\n", " ").partition(":")[2].split()

    def key(self, analyser, version, source):
        files = [*self.read.get(str(source), []), *analyser.inputs]
        told = [version, *analyser.command(source), *(f"{f} {digest(f)}" for f in files)]
        return hashlib.sha256("\0".join(told).encode()).hexdigest()

    def findings(self, analyser, version, source):
        name = f"{analyser.name} {analyser.mode} {source}"
        kept = self.found.get(name)
        if kept and self.read.get(str(source)) and kept["key"] == self.key(analyser, version, source):
            return [Finding(*f) for f in kept["findings"]]
        self.read[str(source)] = self.what_it_reads(source)
        key = self.key(analyser, version, source)
        findings = analyser.findings(source)
        self.found[name] = {"key": key, "findings": [astuple(f) for f in findings]}
        self.new += 1
        if self.new % SAVE_EACH == 0:
            self.save()
        return findings
