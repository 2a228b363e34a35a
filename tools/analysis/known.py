# SPDX-License-Identifier: MIT
"""False alarms, each looked at and listed with its reason in known.toml. What no longer comes is stale."""
import subprocess
import tomllib
from collections import Counter, defaultdict

from .sources import TOP

LIST = TOP / "tools/analysis/known.toml"


def functions(files):
    """By file, the (first line, last line, name) of each function."""
    found = defaultdict(list)
    done = subprocess.run(["ctags", "-x", "--c-kinds=f", "--c++-kinds=f", "--fields=+ne",
                           "--_xformat=%{input}:%n %N %e", *files], cwd=TOP, capture_output=True, text=True)
    for line in done.stdout.splitlines():
        where, name, *last = line.split()
        file, first = where.rsplit(":", 1)
        # One that does not end, in a source that is no C, has no last line.
        found[file].append((int(first), int(last[0]) if last else int(first), name))
    return found


def with_functions(findings):
    """Each finding with the function that it is in, "" outside of all."""
    files = sorted({f.file for f in findings if (TOP / f.file).exists()})
    within = functions(files) if files else {}
    for f in findings:
        at = f.line
        yield f, next((name for first, last, name in within.get(f.file, []) if first <= at <= last), "")


def entries(table):
    """{tool: {rule: {"FILE [FUNCTION] [TIMES]": reason}}} as (tool, rule, file, function), times, reason."""
    for tool, rules in table.items():
        for rule, alarms in rules.items():
            for where, reason in alarms.items():
                file, *words = where.split()
                times = int(words.pop()) if words and words[-1].isdigit() else 1
                yield (tool, rule, file, words[0] if words else ""), times, reason


class Known:
    def __init__(self, deep=False, path=LIST):
        table = tomllib.loads(path.read_text())
        self.name = path.name
        self.versions = table["versions"]
        # (tool, rule, folder); a rule that is off in the whole tree is so in "".
        reasons = {(tool, *f"{rule} ".split(" ")[:2]): reason
                   for tool, rules in table.get("off", {}).items() for rule, reason in rules.items()}
        self.off = set(reasons)
        self.alarms = Counter()
        for part in ["alarms", "deep"] if deep else ["alarms"]:
            for which, times, reason in entries(table.get(part, {})):
                self.alarms[which] += times
                reasons[which] = reason
        for which, reason in reasons.items():
            if not reason.strip():
                raise ValueError(f"{self.name}: there is no reason for {' '.join(which)}")

    def is_off(self, analyser, finding):
        return any((tool, rule) == (analyser.name, finding.rule) and finding.file.startswith(folder)
                   for tool, rule, folder in self.off)

    def _sorted_out(self, analyser, findings):
        """What is not listed, and how many more are listed than found."""
        left = Counter({k: n for k, n in self.alarms.items() if k[0] == analyser.name})
        unknown = []
        for finding, function in with_functions(findings):
            which = (analyser.name, finding.rule, finding.file, function)
            if self.is_off(analyser, finding):
                continue
            left[which] -= 1
            if left[which] < 0:
                unknown.append((finding, function))
        return unknown, left

    def unknown(self, analyser, findings):
        return self._sorted_out(analyser, findings)[0]

    def stale(self, analyser, findings):
        # Another version may see less, or more.
        if not f"{analyser.version()}.".startswith(self.versions[analyser.name] + "."):
            return
        off = {rule for tool, rule, _ in self.off if tool == analyser.name}
        for rule in sorted(off - {f.rule for f in findings}):
            yield f"{self.name}: {rule} is off, and never comes: remove it"
        for (_, rule, file, function), times in self._sorted_out(analyser, findings)[1].items():
            if times > 0:
                yield f"{self.name}: {rule} of {function or 'no function'} in {file} comes {times} times less: remove it"
