# SPDX-License-Identifier: MIT
"""What a virtual machine is to run, and what came of it.

One pytest per file, each with a limit of its own: a kernel that hangs one of them costs that one.
"""

import xml.etree.ElementTree as xml
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
# What meets the kernel: attaching, counting, finding, staying, and each verb once.
FILES = (
    "kernel exact recipe attach pin semantics property discovery doctor fault cpp status top trace log check graph "
    "recipe_returns recipe_jumps recipe_doctor review observers pin_files stop python openmetrics statsd_sink mixed "
    "list report rust"
).split()
# Where the programs cannot be loaded: what there is to say then.
WITHOUT_BPF = ("kernel",)
FILE_LIMIT = 1500
# What pytest ends with where nothing kept it from running all that it was to: none of them, too.
ALL_RUN = (0, 1, 5)
# An emulated machine is some ten times slower.
PATIENCE = 10

COMMAND = """\
cd '{tree}' || exit 1
export PUSHBACK_BUILD='{build}' PUSHBACK_TEST_PATIENCE={patience} PUSHBACK_RUNS=5 HOME=/tmp/home PATH='{path}'
export CARGO_HOME='{cargo}' RUSTUP_HOME='{rustup}'
mkdir -p $HOME
uname -r >/run/results/release
files='{files}'
/usr/bin/python3 -B tests/kernels/load.py >/run/results/load.json || files='{without_bpf}'
for name in $files; do
	# As if somebody pressed ^C: what was run by then is told.
	timeout -s INT -k 60 {limit} /usr/bin/python3 -B -m pytest -p no:cacheprovider -q -rs --tb=short --durations=5 \\
		--junitxml=/run/results/$name.xml tests/e2e/test_$name.py {arguments} >/run/results/$name.log 2>&1
	echo "$name: $?" >>/run/results/ends
done
dmesg >/run/results/dmesg
exit 0
"""


@dataclass
class Result:
    """Of one file on one kernel. `counts` is empty where nothing is known."""

    counts: Counter = field(default_factory=Counter)
    bad: list = field(default_factory=list)
    skipped: Counter = field(default_factory=Counter)
    seconds: float = 0
    left_out: bool = False
    cut_off: bool = False

    @property
    def failed(self):
        return not self.left_out and (self.cut_off or not self.counts or self.counts["failed"] > 0)

    def __str__(self):
        if self.left_out:
            return "-"
        if not self.counts:
            return "no end"
        words = [f"{n} {word}" for word, n in self.counts.items() if n]
        return " ".join(words + ["cut off"] * self.cut_off)


def ends(where):
    """{file: pytest's exit status}"""
    path = where / "ends"
    lines = path.read_text().splitlines() if path.exists() else []
    return {name: int(status) for name, status in (line.split(": ") for line in lines)}


def result(where, name):
    """Of pytest's report. One that did not come to its end may be there as well."""
    path = where / f"{name}.xml"
    done = Result(cut_off=ends(where).get(name) not in ALL_RUN)
    if not path.exists() or not path.stat().st_size:
        return done
    done.counts = Counter(passed=0, failed=0, skipped=0)
    for case in xml.parse(path).getroot().iter("testcase"):
        done.seconds += float(case.get("time", 0))
        skipped = case.find("skipped")
        if case.find("failure") is not None or case.find("error") is not None:
            done.counts["failed"] += 1
            done.bad.append(case.get("name"))
        elif skipped is not None:
            done.counts["skipped"] += 1
            done.skipped[skipped.get("message")] += 1
        else:
            done.counts["passed"] += 1
    return done
