# SPDX-License-Identifier: MIT
"""How sanitizers and valgrind are told what to look at, and where to write what they find."""

from pathlib import Path

HERE = Path(__file__).resolve().parent

# The status is only for those who look; a finding in a program that is killed is in its file.
COMMON = "exitcode=99:log_path={findings}/{name}"
SANITIZERS = {
    "address": {
        "ASAN_OPTIONS": COMMON + ":detect_leaks=1:detect_stack_use_after_return=1",
        "UBSAN_OPTIONS": COMMON + ":print_stacktrace=1",
    },
    # Unit tests have a child that begins threads, which the sanitizer would end for that.
    "thread": {"TSAN_OPTIONS": COMMON + ":halt_on_error=0:die_after_fork=0"},
}
VALGRIND = [
    "valgrind", "--quiet", "--vgdb=no", "--error-exitcode=99", "--leak-check=full", "--show-leak-kinds=definite,possible",
    f"--suppressions={HERE}/valgrind.supp", "--num-callers=30",
]  # fmt: skip
# Of what is in valgrind: the programs, and those of the tests that are the observer's code.
WATCHED = ("pushback", "usdt-inject", "tests/left_files", "tests/observer", "tests/openmetrics_driver", "tests/sink_driver")


def sanitizers(way, findings):
    options = SANITIZERS.get(way, {}).items()
    return {name: text.format(findings=findings, name=name[:4].lower()) for name, text in options}


def preload(build):
    return f"LD_PRELOAD={build}/tests/bpf_calls.so"


def unit_runner(build):
    """For those that set a breakpoint in themselves, as the kernel does, also what changes its own code."""
    return " ".join(["env", preload(build), *VALGRIND, "--smc-check=all"])


def under_valgrind(build, findings, place):
    """A tree like `build` in which the programs are run by valgrind."""
    (place / "tests").mkdir()
    for entry in [*build.iterdir(), *(build / "tests").iterdir()]:
        name = entry.relative_to(build)
        if str(name) != "tests" and str(name) not in WATCHED:
            (place / name).symlink_to(entry)
    (place / "image").symlink_to(build / "pushback")
    for name in WATCHED:
        wrapper = place / name
        words = [*VALGRIND, f"--log-file={findings}/valgrind.%p", build / name]
        wrapper.write_text(f"#!/bin/sh\n{preload(build)} exec {' '.join(map(str, words))} \"$@\"\n")
        wrapper.chmod(0o755)
    return place


# Unit tests, and why there is nothing to learn from them in valgrind.
LEFT_OUT = {
    "test_discover_process": "it runs itself anew, which in valgrind is valgrind",
    "test_header_beat": "it asks how late looks are, and all is late",
    "test_header_property": "it sets and clears breakpoints in its code, of which valgrind runs a copy",
    "test_header_watched": "it asks how late looks are, and all is late",
    "test_inject_spoilt": "it has a sanitizer in any build, which valgrind cannot run",
}


def units(build, way):
    """Those to run; the others are said."""
    for path in sorted((build / "tests/unit").glob("test_*")):
        if way == "valgrind" and path.name in LEFT_OUT:
            print(f"SKIPPED {path.name}: by valgrind: {LEFT_OUT[path.name]}")
        elif not path.suffix:
            yield str(path)
