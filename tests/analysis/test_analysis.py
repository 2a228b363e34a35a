# SPDX-License-Identifier: MIT
"""Whether the static analysis of `make check` can fail, and leaves no source out."""
import os
import subprocess
import sys
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(TOP / "tools"))
import analyse  # noqa: E402
from analysis.cache import Cache, digest  # noqa: E402
from analysis.known import Known  # noqa: E402
from analysis.sources import lone, of_command, sources  # noqa: E402

ANALYSERS = [analyse.ClangTidy(), analyse.Cppcheck(), analyse.GccAnalyzer()]

# For each a defect that it is there for, which no compiler warns about without being asked.
PLANTED = {
    "clang-tidy": ("bugprone-sizeof-expression", """
#include <string.h>
void planted(char **text)
{
	memset(text, 0, sizeof(text[0]) * sizeof(text));
}
"""),
    "cppcheck": ("arrayIndexOutOfBounds", """
int planted(int which)
{
	int of[4] = { 1, 2, 3, which };

	return of[which > 9 ? 4 : 5];
}
"""),
    "gcc -fanalyzer": ("-Wanalyzer-double-free", """
#include <stdlib.h>
void planted(void *at, int twice)
{
	free(at);
	if (twice)
		free(at);
}
"""),
}
CLEAN = """
int planted(int which)
{
	return which + 1;
}
"""


@pytest.fixture
def source(tmp_path):
    def written(text):
        (tmp_path / "planted.c").write_text(text)
        digest.cache_clear()
        return lone(os.path.relpath(tmp_path / "planted.c", TOP))

    return written


def listed(tmp_path, analyser, text, version=None):
    """A list of false alarms with `text` in it."""
    path = tmp_path / "known.toml"
    versions = "".join(f'"{a.name}" = "{version or a.version()}"\n' for a in ANALYSERS)
    path.write_text(f"[versions]\n{versions}\n{text}")
    return Known(path=path)


def alarm(analyser, rule, source, function="planted", times="", reason="a test"):
    return f'[alarms."{analyser.name}"."{rule}"]\n"{source.path} {function} {times}" = "{reason}"\n'


@pytest.mark.parametrize("analyser", ANALYSERS, ids=lambda a: a.name)
def test_a_planted_defect_is_found_unless_listed(analyser, source, tmp_path):
    rule, text = PLANTED[analyser.name]
    planted, cache = source(text), Cache(tmp_path / "cache.json")

    def complaints(text):
        return list(analyse.complaints(analyser, [planted], cache, listed(tmp_path, analyser, text)))

    found = complaints("")
    assert len(found) == 1 and f"[{rule}], in planted" in found[0] and planted.path in found[0]
    assert complaints(alarm(analyser, rule, planted)) == []
    assert "comes 2 times less: remove it" in complaints(alarm(analyser, rule, planted, times=3))[0]
    other = complaints(alarm(analyser, rule, planted, "another"))
    assert f"[{rule}]" in other[0] and "comes 1 times less" in other[1]
    assert complaints(f'[off."{analyser.name}"]\n"{rule}" = "a test"') == []
    assert complaints(f'[off."{analyser.name}"]\n"another" = "a test"')[1].endswith("another is off, and never comes: remove it")


@pytest.mark.parametrize("analyser", ANALYSERS, ids=lambda a: a.name)
def test_a_source_that_cannot_be_read_is_no_clean_one(analyser, source, tmp_path):
    broken = source("int planted(void)\n{\n\treturn (;\n}\n")
    found = list(analyse.complaints(analyser, [broken], Cache(tmp_path / "cache.json"), listed(tmp_path, analyser, "")))
    assert found and "planted.c:3" in found[0]


def test_the_program_ends_with_its_verdict(source, tmp_path):
    def run(text):
        done = subprocess.run([sys.executable, "-B", TOP / "tools/analyse.py", TOP / source(text).path],
                              env={**os.environ, "PUSHBACK_BUILD": str(tmp_path)}, capture_output=True, text=True)
        assert not done.stderr
        return done.returncode, done.stdout

    status, said = run(PLANTED["gcc -fanalyzer"][1])
    assert status == 1 and "FAIL     gcc -fanalyzer\n" in said
    assert run(CLEAN) == (0, "".join(f"  PASS     {a.name}\n" for a in ANALYSERS))


def test_what_was_found_is_kept_until_something_changes(source, tmp_path):
    analyser = analyse.Cppcheck()
    rule, text = PLANTED[analyser.name]
    where = tmp_path / "where.h"
    text = '#include "where.h"\n' + text.replace("4 : 5", "3 : WHERE")
    path = tmp_path / "cache.json"

    def found(planted):
        digest.cache_clear()
        cache = Cache(path)
        said = analyse.findings(analyser, [planted], cache)
        cache.save()
        return [f.rule for f in said], cache.new

    found(source(text))
    where.write_text("#define WHERE 5\n")
    assert found(source(text)) == ([rule], 1)
    assert found(source(text)) == ([rule], 0)
    where.write_text("#define WHERE 2\n")
    assert found(source(text)) == ([], 1)
    assert found(source(text.replace("WHERE", "WHERE + 3"))) == ([rule], 1)
    path.write_text("{")
    assert found(source(text.replace("WHERE", "WHERE + 3"))) == ([rule], 1)


def test_each_false_alarm_has_a_reason(tmp_path):
    for text in (alarm(ANALYSERS[0], "rule", lone("a.c"), reason=" "), f'[off."{ANALYSERS[0].name}"]\nrule = ""'):
        with pytest.raises(ValueError, match="there is no reason for"):
            listed(tmp_path, ANALYSERS[0], text)


def test_what_another_version_does_not_find_is_not_stale(source, tmp_path):
    analyser = ANALYSERS[1]
    planted = source(CLEAN)
    known = alarm(analyser, "rule", planted)
    for version, stale in [(analyser.version(), 1), ("0.1", 0)]:
        assert len(list(listed(tmp_path, analyser, known, version).stale(analyser, []))) == stale


def test_nothing_in_the_sources_turns_an_analyser_off():
    words = ["NOLINT", "cppcheck-suppress", "-Wanalyzer-"]
    done = subprocess.run(["grep", "-rlE", "|".join(words), "--include=*.[ch]", "--include=*.cc", "--include=*.hpp",
                           "bpf", "include", "userspace", "tools", "tests"], cwd=TOP, capture_output=True, text=True)
    assert done.stdout == ""


def test_no_source_is_left_out():
    analysed = {s.path: s for s in sources(analyse.build())}
    there = subprocess.run(["find", "bpf", "include", "userspace", "tools", "tests", "-name", "*.c", "-o", "-name", "*.cc"],
                           cwd=TOP, capture_output=True, text=True).stdout.split()
    assert set(there) - set(analysed) == set()
    assert {f"include/{n}" for n in ("pushback.h", "pushback_abi.h", "pushback.hpp")} <= set(analysed)
    # With the flags that it is compiled with.
    assert "-Itools/usdt-inject" in analysed["tests/unit/test_inject_plan.c"].flags
    assert analysed["bpf/pushback.bpf.c"].target == "bpf"
    assert analysed["tests/progs/cpp/driver.cc"].language == "c++"


def test_what_a_compiler_is_told():
    line = "gcc -O2 -Wall -DA='\"x y\"' -Ib -MF d.c -std=gnu11 -c one.c two.cc -o out.c"
    assert [(s.path, s.flags, s.language) for s in of_command(line)] == [
        ("one.c", ('-DA="x y"', "-Ib", "-std=gnu11"), "c"), ("two.cc", ('-DA="x y"', "-Ib", "-std=gnu11"), "c++")]
