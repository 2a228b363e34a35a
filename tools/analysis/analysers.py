# SPDX-License-Identifier: MIT
"""The three programs: how each is called for a source, and what it says, as findings."""
import os
import re
import subprocess
from dataclasses import dataclass, field

from .sources import FOLDERS, TOP

ENGLISH = {**os.environ, "LC_ALL": "C.UTF-8"}


@dataclass(frozen=True, order=True)
class Finding:
    file: str
    line: int
    column: int
    rule: str
    # Of one place several, by whence it was reached: one finding.
    message: str = field(compare=False)


class Analyser:
    mode = ""
    name = ""
    version_of = []
    # What else its findings hang on.
    inputs = []
    said = re.compile(r"(?P<file>[^:\n]+):(?P<line>\d+):(?P<column>\d+): (?P<kind>[\w ]+): "
                      r"(?P<message>.*?)(?: \[(?P<rule>[^]]+)\])?")

    def version(self):
        done = subprocess.run(self.version_of, capture_output=True, text=True)
        return re.search(r"\d+(\.\d+)+", done.stdout)[0]

    def takes(self, source):
        return True

    def command(self, source):
        raise NotImplementedError

    def findings(self, source):
        done = subprocess.run(self.command(source), cwd=TOP, capture_output=True, text=True, env=ENGLISH)
        found = []
        for line in (done.stdout + done.stderr).splitlines():
            said = self.said.fullmatch(line)
            if said and said["kind"] not in ("note", "information"):
                file = said["file"].removeprefix(f"{TOP}/")
                # Not of headers that are made, which are as their makers like them.
                if "error" not in said["kind"] and file != source.path and file.split("/")[0] not in FOLDERS:
                    continue
                rule = (said["rule"] or said["kind"]).split(",")[0]
                found.append(Finding(file, int(said["line"]), int(said["column"]), rule, said["message"]))
        if done.returncode and not found:
            said = (done.stderr or done.stdout).strip().splitlines() or [f"status {done.returncode}"]
            found.append(Finding(source.path, 1, 1, "error", said[0]))
        return found


class ClangTidy(Analyser):
    """Its analyzer looks into few calls, which takes a tenth of the time; with `deep` into all that it can."""

    name = "clang-tidy"
    version_of = ["clang-tidy", "--version"]
    inputs = [".clang-tidy"]

    def __init__(self, deep=False):
        self.mode = "deep" if deep else "shallow"

    def command(self, source):
        mode = ["-Xclang", "-analyzer-config", "-Xclang", f"mode={self.mode}"]
        # uthash's own hash function has more paths than the rest of most files.
        return ["clang-tidy", "--quiet", "--config-file=.clang-tidy", source.path, "--", *source.clang_flags(), "-DHASH_FUNCTION=HASH_SAX", *mode]


class Cppcheck(Analyser):
    name = "cppcheck"
    version_of = ["cppcheck", "--version"]
    inputs = ["tools/analysis/cppcheck.h"]

    def command(self, source):
        standard = next((f for f in source.flags if f.startswith("-std=")), "-std=c11")
        own = [f"--include={f}" for f in source.flags if f.endswith(".h")]
        own += [f for f in source.flags if f.startswith(("-D", "-Iinclude", "-Iuserspace", "-Itests", "-Itools"))]
        return ["cppcheck", "--quiet", f"--language={source.language}", "-" + standard.replace("gnu", "c"),
                "--enable=warning,performance,portability", "--library=posix", "--library=gnu", "-D__x86_64__",
                "--include=tools/analysis/cppcheck.h", "--template={file}:{line}:{column}: {severity}: {message} [{id}]",
                *own, source.path]


class GccAnalyzer(Analyser):
    """Of C only: of C++ it understands too little. Nor of BPF, which it does not compile."""

    name = "gcc -fanalyzer"
    version_of = ["gcc", "--version"]

    def takes(self, source):
        return source.language == "c" and not source.target

    def command(self, source):
        # Functions that only a program that includes the header calls.
        keep = ["-fkeep-inline-functions", "-fkeep-static-functions"] if source.path.endswith(".h") else []
        return ["gcc", "-x", source.language, *source.flags, "-O1", "-DHASH_FUNCTION=HASH_SAX", "-fanalyzer",
                "-fdiagnostics-plain-output", "-fdiagnostics-path-format=none", *keep, "-S", "-o", "/dev/null",
                source.path]
