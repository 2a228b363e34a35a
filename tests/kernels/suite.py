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
# Of these and a few more files one or some that go through the kernel in each way: emulated, all take hours.
FEW_FILES = (
    "kernel exact discovery pin attach recipe stop status doctor trace check privilege openmetrics statsd_outages "
    "property recipe_jumps recipe_returns pin_files semantics"
).split()
FEW = " or ".join(
    (
        "test_kernel.py",
        "test_exact.py",
        "test_a_process_that_begins or (upgraded_in_place and all) or (test_discovery.py and copied_up) or library_changed_in_place",
        "restarts_lose_nothing or an_open_episode_and_its_spell or one_agent_holds_it or in_doubt_both_are_watched",
        "join_a_stuck_consumer or test_library_that_is_opened_later",
        "(counts_of_a_c_consumer and O2) or (counts_of_a_cpp and O0) or (test_recipe.py and perf_uprobes)",
        "what_goes_on_elsewhere_is_lost or who_says_that_nothing_throws",
        "what_a_terminal_sends or status_says_what_it_watches or sigusr1_says",
        "this_host_can or two_capabilities_suffice or a_consumer_that_is_well or held_by_another_tool",
        "a_killed_one_is_abandoned or a_consumer_with_a_recipe or a_broken_limit_is_told",
        "(what_is_documented and run) or (of_a_service_are_exact and unit) or begins_nothing_new or it_can_do_without",
        "beside_statsd or (server_that_restarts and udp4) or random_schedules",
        "exit_abandons or while_a_thread_has_it",
    )
)
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
/usr/bin/python3 -B tests/kernels/hold_perf.py &
trap "kill $!" EXIT
if {load}; then
	/usr/bin/python3 -B tests/kernels/load.py >/run/results/load.json || files='{without_bpf}'
fi
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
