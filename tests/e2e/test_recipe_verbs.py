# SPDX-License-Identifier: MIT
"""`recipe check` and `recipe suggest`: what a recipe finds, whether it is hit, and a draft of one."""

import json
import re
import shutil

import pytest

from agent import Agent
from instrumented import except_by
from program import BUILD, PUSHBACK, Program, run
from test_recipe import SOURCES, build, offset_of
from test_recipe_wrong import VALUES, build_id, differences, recipe, start, write, wrong_program


def check(status, *options):
    done = run(PUSHBACK, "recipe", "check", *options)
    assert done.returncode == status, done.stderr
    return done


def check_json(status, *options):
    done = check(status, "--json", *options)
    return [json.loads(line) for line in done.stdout.splitlines()], done.stderr.splitlines()


def suggest(program, status=0):
    done = run(PUSHBACK, "recipe", "suggest", program)
    assert done.returncode == status, done.stderr
    return done.stdout


# ---- check ----


def test_what_nobody_runs(tmp_path):
    program = build(tmp_path, "-O2")
    (file,), said = check_json(0, SOURCES / "plain.ini", "--path", program)
    assert said == []
    assert (file["file"], file["build_id"], file["pids"]) == (str(program), build_id(program), [])
    assert {(site["step"], site["call"], site["function"]) for site in file["sites"]} == {
        ("parse", "submit", "parse_submit"),
        ("parse", "poll", "parse_poll"),
        ("batch", "submit", "batch_submit"),
        ("write", "submit", "write_submit"),
        ("write", "poll", "write_poll"),
        ("write", "end", "write_free"),
    }
    content = program.read_bytes()
    for site in file["sites"]:
        returns = site["site"] == "return"
        assert returns == (site["instruction"] == "retq") == (content[site["offset"]] in (0xC3, 0xF3)), site
        assert site["kernel"] in ("emulated", "stepped") and (not returns or site["kernel"] == "stepped"), site
        assert site["cost_ns"] > 0 and site["hits"] is None, site
    assert all(step["submit_ns"] > 0 and step["seen"] is None for step in file["steps"])
    # For people: the same.
    text = check(0, SOURCES / "plain.ini", "--path", program).stdout
    assert f"{program}: build-id {build_id(program)}, nobody runs it" in text
    assert len(re.findall(r" us  ", text)) == len(file["sites"])
    assert "HITS" not in text


def test_what_is_running(tmp_path):
    """Each site is hit, and what was seen is what it does: every second call is refused."""
    program = wrong_program(tmp_path)
    with start(program) as process:
        file = recipe(tmp_path, "symbol good_submit", path=program)
        for options in ([], ["--pid", process.pid], ["--path", program]):
            (found,), said = check_json(0, file, "--duration", "500ms", *options)
            assert found["pids"] == [process.pid] and said == []
            assert len(found["sites"]) == 3 and all(site["hits"] > 10 for site in found["sites"]), found
            seen = found["steps"][0]["seen"]
            assert seen["accepted"] > 10 and abs(seen["accepted"] - seen["rejected"]) <= 2, seen
            assert (seen["invalid"], seen["unreadable"], seen["polls"]) == (0, 0, 0)
            assert found["steps"][0]["doubt"] is None
        text = check(0, file, "--duration", "500ms").stdout
        assert f", process {process.pid}\n" in text
        assert re.search(r"a: costs [\d.]+ us a submit; in 0.5s: \d+ accepted, \d+ rejected, 0 propagated", text)
        # Nothing of it stays.
        assert differences(process, program) == []


def submit(instance="arg1", result="s32 return", accepted="0", rejected="-11", more=""):
    return f"instance = {instance}\nresult = {result}\naccepted = {accepted}\nrejected = {rejected}\n{more}"


@pytest.mark.parametrize(
    "values, why",
    [
        (submit(accepted="7", rejected="8"), "results was accepted or rejected, all were invalid: is result ="),
        (submit(accepted="7", rejected="8", more="unknown = other\n"), "could be read, or was one that the function can"),
        (submit(result="s32 *return"), "could be read, or was one that the function can return: is result ="),
        (submit(instance="*(arg1-0x7fffffff)"), "could be read: is instance ="),
    ],
    ids=["invalid", "unknown", "result", "instance"],
)
def test_a_step_of_which_nothing_is_told_is_wrong(tmp_path, values, why):
    program = wrong_program(tmp_path)
    with start(program) as process:
        file = recipe(tmp_path, "symbol good_submit", values=values)
        (found,), said = check_json(1, file, "--pid", process.pid, "--duration", "500ms")
        # Beside a step that is right, too.
        both = file.read_text() + "[step b]\nsubmit = symbol tail_submit\nreturns = uretprobe\n" + VALUES
        (pair,), _ = check_json(1, write(tmp_path, both, "both.ini"), "--pid", process.pid, "--duration", "500ms")
    step = found["steps"][0]
    assert step["wrong"] and why in step["doubt"], step
    assert len(said) == 1 and said[0].startswith("pushback: a: ") and why in said[0], said
    assert [(step["step"], step["wrong"]) for step in pair["steps"]] == [("a", True), ("b", False)], pair["steps"]


@pytest.mark.parametrize(
    "values, why",
    [
        # A value that means rejected is missing.
        (submit(rejected="-12"), "results were invalid: are these messages bad"),
        (submit(rejected="-12", more="unknown = other\n"), "a result was none that the function can return"),
    ],
    ids=["invalid", "unknown"],
)
def test_a_step_of_which_something_is_told_is_doubted(tmp_path, values, why):
    program = wrong_program(tmp_path)
    with start(program) as process:
        file = recipe(tmp_path, "symbol good_submit", values=values)
        (found,), said = check_json(0, file, "--pid", process.pid, "--duration", "500ms")
    step = found["steps"][0]
    assert not step["wrong"] and why in step["doubt"] and step["seen"]["accepted"] > 10, step
    assert len(said) == 1 and said[0].startswith("pushback: warning: a: ") and why in said[0], said


@except_by("address", reason="who is traced by strace is not looked through for leaks")
def test_hits_before_anything_is_told(tmp_path):
    """While sites are attached: no calls of which more is known than of those whose instance cannot be read."""
    program = wrong_program(tmp_path)
    file = recipe(tmp_path, "symbol good_submit", values=submit(instance="*(arg1-0x7fffffff)"))
    # Between the last site and the word that all are there.
    slow = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=bpf", "-e", "inject=bpf:delay_enter=20000"]
    with start(program) as process:
        done = run(*slow, PUSHBACK, "recipe", "check", file, "--pid", process.pid, "--duration", "500ms")
    assert done.returncode == 1 and "could be read: is instance =" in done.stderr, done.stderr


def test_classes_of_one_pattern_are_told_apart(tmp_path):
    """Each has its own sums, and its own name; one that is idle beside others is no reason to doubt."""
    program = build(tmp_path, "-O2", source="plain.cc", compiler="g++", name="plain_cc")
    values = submit(result="u8 return", accepted="7", rejected="9")
    file = write(tmp_path, f"[target]\npath = */plain_cc\n[step]\nsubmit = glob ingest::*::submit(*\n{values}", "glob.ini")
    (found,), said = check_json(0, file, "--path", program)
    assert said == [] and {site["step"] for site in found["sites"]} == {"Parse", "Batch", "Write"}
    assert sorted(step["step"] for step in found["steps"]) == ["Batch", "Parse", "Write"]
    with Program([program, "1", "4000000000"], output="stdout"):
        (found,), said = check_json(0, file, "--duration", "1s")
    seen = {step["step"]: step["seen"] for step in found["steps"]}
    hits = {name: sum(site["hits"] for site in found["sites"] if (site["step"], site["site"]) == (name, "entry")) for name in seen}
    assert {name: sums["submits"] for name, sums in seen.items()} == hits and min(hits.values()) > 0


def test_what_is_not_driven_is_seen(tmp_path):
    program = build(tmp_path, "-O2", "-Dgood_submit=other_submit", source="wrong.c", name="wrong")
    with start(program) as process:
        file = recipe(tmp_path, "symbol main")
        (found,), said = check_json(0, file, "--pid", process.pid, "--duration", "200ms")
    assert {site["hits"] for site in found["sites"]} == {0}
    assert len(said) == 1 and "no hit" in said[0], said


def test_all_that_is_wrong_is_told(tmp_path):
    """One line for each place, the others are shown; nothing is attached."""
    program = wrong_program(tmp_path)
    with start(program) as process:
        file = recipe(tmp_path, "symbol nope", "symbol main", "symbol tail_submit", "site 0", build_id=build_id(program))
        (found,), said = check_json(1, file, "--pid", process.pid, "--duration", "200ms")
    # Where a jump leads to is looked at once all others are known.
    assert [re.search(r"wrong\.ini:(\d+): ", line)[1] for line in said] == ["5", "8", "7"], said
    assert {site["function"] for site in found["sites"]} == {"main", "tail_submit"}
    assert {site["hits"] for site in found["sites"]} == {None}


def test_what_is_missing_is_not_said_to_be_optional(tmp_path):
    """None of the steps: a reason by itself only where nothing else is wrong, and of all targets together."""
    program, values = wrong_program(tmp_path), VALUES + "optional = yes\n"
    file = recipe(tmp_path, "symbol nope")
    (found,), said = check_json(1, file, "--path", program)
    assert found["sites"] == [] and len(said) == 1 and "no function is nope" in said[0], said
    file = recipe(tmp_path, "symbol nope", values=values)
    _, said = check_json(1, file, "--path", program)
    assert len(said) == 1 and "it has none of the steps, all of which are optional" in said[0], said
    # Another target of the same file has one.
    more = write(tmp_path, file.read_text() + f"[target]\npath = *wrong\n[step b]\nsubmit = symbol good_submit\n{VALUES}", "more.ini")
    (found,), said = check_json(0, more, "--path", program)
    assert said == [] and {site["step"] for site in found["sites"]} == {"b"}


def test_files_that_are_not_there(tmp_path):
    program = wrong_program(tmp_path)
    file = recipe(tmp_path, "symbol good_submit", path="*/wrong-nobody")
    found, said = check_json(1, file)
    assert found == [] and len(said) == 1
    assert "wrong.ini:1: no process maps a file '*/wrong-nobody': start it, or give it with --path" in said[0]
    found, said = check_json(1, file, "--path", program)
    assert found == [] and len(said) == 1 and "is not what" in said[0]
    with start(program) as process:
        found, said = check_json(1, file, "--pid", process.pid)
    assert found == [] and len(said) == 1 and "maps no file that the recipe is for" in said[0]
    stale = recipe(tmp_path, "symbol good_submit", path=program, build_id="00000000")
    (found,), said = check_json(1, stale)
    assert found["sites"] == [] and len(said) == 1 and "another build-id" in said[0]
    text = write(tmp_path, "no code", "wrong")
    found, said = check_json(1, recipe(tmp_path, "symbol good_submit"), "--path", text)
    assert len(said) == 1 and "is not an ELF file" in said[0]


def test_offsets_want_a_build_id(tmp_path):
    program = wrong_program(tmp_path)
    offset = f"function {offset_of(program, 'good_submit'):#x}"
    _, said = check_json(0, recipe(tmp_path, "symbol main", offset), "--path", program)
    assert len(said) == 1 and "wrong.ini:5: an offset is of one build only" in said[0], said
    _, said = check_json(0, recipe(tmp_path, offset, build_id=build_id(program)), "--path", program)
    assert said == []


def test_recipes_that_do_not_parse(tmp_path):
    assert "wrong.ini:1: there is no [target]" in check(2, write(tmp_path, "", "wrong.ini")).stderr
    assert "none.ini: No such file" in check(1, tmp_path / "none.ini").stderr
    assert "which recipe?" in check(2).stderr
    assert "not both" in check(2, "a", "--pid", 1, "--path", "b").stderr


# ---- suggest ----


def test_a_draft_says_what_is_missing(tmp_path):
    program = build(tmp_path, "-O2")
    draft = suggest(program)
    assert f"path = {program}\n" in draft and f"build-id = {build_id(program)}\n" in draft
    assert re.findall(r"^\[step (\w+)\]", draft, re.M) == ["batch", "parse", "write"]
    assert re.findall(r"^(\w+) = symbol (\w+)", draft, re.M) == [
        ("submit", "batch_submit"),
        ("submit", "parse_submit"),
        ("poll", "parse_poll"),
        ("submit", "write_submit"),
        ("poll", "write_poll"),
    ]
    file = write(tmp_path, draft, "draft.ini")
    said = check(2, file).stderr.splitlines()
    assert len(said) == 9, said
    todos = [number for number, line in enumerate(draft.splitlines(), 1) if "= TODO" in line]
    assert [int(re.search(r"draft\.ini:(\d+): (result|accepted|rejected) is still", line)[1]) for line in said] == todos
    assert run(PUSHBACK, "run", "--once", "--path", program, "--recipe", file).returncode == 2
    # Filled in, it is right.
    filled = re.sub("result = TODO.*", "result = s32 return", draft)
    filled = re.sub("accepted = TODO.*", "accepted = 0", re.sub("rejected = TODO.*", "rejected = -11", filled))
    (found,), said = check_json(0, write(tmp_path, filled, "draft.ini"))
    assert said == [] and {step["step"] for step in found["steps"]} == {"parse", "batch", "write"}


def test_a_draft_for_classes(tmp_path):
    """The calling convention does not say what a C++ function returns, so nor does the draft."""
    program = build(tmp_path, "-O2", source="plain.cc", compiler="g++")
    draft = suggest(program)
    assert re.findall(r"^\[step (\w+)\]", draft, re.M) == ["Batch", "Parse", "Write"]
    assert re.search(r"^submit = glob ingest::\S*Parse::submit\(", draft, re.M), draft
    assert len(re.findall("instance = TODO arg1", draft)) == 3
    filled = re.sub("instance = TODO.*", "instance = arg1", re.sub("result = TODO.*", "result = u8 return", draft))
    filled = re.sub("accepted = TODO.*", "accepted = 7", re.sub("rejected = TODO.*", "rejected = 9", filled))
    (found,), said = check_json(0, write(tmp_path, filled, "draft.ini"))
    assert said == [] and {step["step"] for step in found["steps"]} == {"Parse", "Batch", "Write"}


@pytest.mark.skipif(not shutil.which("rustc"), reason="no rustc")
@pytest.mark.parametrize("mangling", [[], ["-Csymbol-mangling-version=v0"]], ids=["legacy", "v0"])
def test_a_draft_for_arroyo(tmp_path, mangling):
    """Of its trait all is known: the draft is right as it is, whatever the compiler makes of a result."""
    program = tmp_path / "strategy"
    done = run("rustc", "-O", "--edition=2021", *mangling, SOURCES / "strategy.rs", "-o", program, timeout=300)
    assert done.returncode == 0, done.stderr
    draft = suggest(program)
    assert re.findall(r"^\[step (\w+)\]", draft, re.M) == ["RunTask"] and "= TODO" not in draft, draft
    assert "instance = arg2\nresult = arg1\nmessage = arg3\n" in draft
    # What it drops is freed by a jump.
    file = write(tmp_path, draft.replace("# returns = uretprobe, nothing-throws", "returns = uretprobe, nothing-throws"), "draft.ini")
    with start(program):
        (found,), said = check_json(0, file, "--duration", "1s")
    seen = found["steps"][0]["seen"]
    # Of each four one is kept, and what comes until the next poll is refused.
    assert all("RunTask" in line and "returns by a uretprobe" in line for line in said), said
    assert seen["accepted"] > 10 and seen["rejected"] > 10, seen
    assert seen["invalid"] == seen["unreadable"] == 0 and seen["polls"] > 10
    with Agent("--path", program, "--recipe", file, interval="100ms") as agent:
        accepted, rejected = map(int, run(program, 3001).stdout.splitlines()[-1].split())
        agent.end()
    counters = agent.counters()["RunTask"]
    assert (counters["submit_accepted"], counters["send_backpressure"]) == (accepted, rejected)
    assert accepted > 1000 and rejected > 500 and not agent.lost()


def test_a_draft_of_probes(tmp_path):
    program = build(tmp_path, "-O2", source="plain_usdt.c")
    draft = suggest(program, status=1)
    assert re.search(r"^#   queue:submitted  \S+@%\S+ \S+@%\S+ \S+@%\S+$", draft, re.M), draft
    ours = suggest(BUILD / "pushback-demo")
    assert "has pushback's own probes: they need no recipe" in ours and "#   pushback:" not in ours


@pytest.mark.parametrize(
    "spoil, why, form",
    [
        (["-Dgood_submit=good_take", "-Dtail_submit=tail_take", "-Dcut_submit=cut_take"], "no function is called submit", "called otherwise"),
        (["-Dgood_submit=good_take", "-Dtail_submit=tail_take"], "what is called submit has other arguments", "as .isra"),
        (["-s"], "it has no names of functions, it is stripped: ", "the file is stripped"),
    ],
    ids=["named otherwise", "copied", "stripped"],
)
def test_a_file_that_suggests_no_step(tmp_path, spoil, why, form):
    """A form to fill in, and a status that a script sees."""
    program = wrong_program(tmp_path, *spoil)
    done = run(PUSHBACK, "recipe", "suggest", program)
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1), done
    assert done.stderr.startswith(f"pushback: {why}") and form in done.stdout, done
    assert f"build-id = {build_id(program)}\n" in done.stdout
    said = check(2, write(tmp_path, done.stdout, "draft.ini")).stderr
    for key in ("submit", "instance", "result", "accepted", "rejected"):
        assert f": {key} is still to be filled in: " in said


def test_the_names_of_a_stripped_library(tmp_path):
    """It still has those that others call it by, and a file with probes has these: no names are no end."""
    library = build(tmp_path, "-O2", "-shared", "-fPIC", "-s", source="wrong.c", name="libwrong.so")
    assert re.findall(r"^submit = symbol (\w+)", suggest(library), re.M) == ["good_submit", "tail_submit"]
    program = build(tmp_path, "-O2", "-s", source="plain_usdt.c", name="probes")
    done = run(PUSHBACK, "recipe", "suggest", program)
    assert done.returncode == 1 and "it has USDT probes" in done.stderr and "#   queue:submitted " in done.stdout, done


def test_no_draft(tmp_path):
    program = wrong_program(tmp_path)
    for file, why in ((tmp_path / "none", "No such file"), (tmp_path, "not a regular file"),
                      (write(tmp_path, "text", "text"), "is not an ELF file")):
        done = run(PUSHBACK, "recipe", "suggest", file)
        assert (done.returncode, len(done.stderr.splitlines())) == (1, 1) and why in done.stderr
    assert run(PUSHBACK, "recipe", "suggest").returncode == 2
    assert run(PUSHBACK, "recipe", "suggest", program, program).returncode == 2


# ---- help ----


def test_help():
    for words in (["recipe", "--help"], ["help", "recipe"]):
        text = run(PUSHBACK, *words).stdout
        assert "recipe check FILE" in text and "recipe suggest BINARY" in text
    for verb in ("check", "suggest"):
        done = run(PUSHBACK, "recipe", verb, "--help")
        assert done.returncode == 0 and done.stdout.startswith(f"pushback recipe {verb} - ")
    for words in (["recipe"], ["recipe", "nope"], ["recipe", "check", "--nope"]):
        done = run(PUSHBACK, *words)
        assert (done.returncode, len(done.stderr.splitlines())) == (2, 1), words
