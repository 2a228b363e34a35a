# SPDX-License-Identifier: MIT
"""Each verb has a page that says what its table says, and no page says more."""

import re

import pytest

import documented
from documented import VERBS
from program import BUILD, ROOT, run

MAN = BUILD / "man"
PAGES = {path.stem: path for path in MAN.glob("*.1")}
SECTIONS = ["NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "COST", "FILES", "EXIT STATUS", "EXAMPLES", "SEE ALSO",
            "CAVEATS"]
# Options of others' programs.
FOREIGN = {"--consumer-group", "--add"}

each_page = pytest.mark.parametrize("page", sorted(PAGES))


def page_of(verb):
    return f"pushback-{verb.split()[0]}"


def shown(page):
    """As one reads it, in 80 columns."""
    done = run("mandoc", "-T", "ascii", "-O", "width=78", PAGES[page])
    assert done.returncode == 0, done.stderr
    return re.sub(r".\x08", "", done.stdout)


def section(page, name):
    found = re.search(rf"^{name}\n(.*?)^(?=\S)", shown(page), re.M | re.S)
    return found.group(1) if found else ""


def verbs_of(page):
    return [verb for verb in VERBS if page_of(verb) == page]


def test_there_is_a_page_for_each_verb():
    wanted = {page_of(verb) for verb in VERBS} | {"pushback", "usdt-inject"}
    assert set(PAGES) == wanted
    assert {path.stem for path in (ROOT / "tools/man").glob("*.1")} == wanted, "remove what is old from build/man"


@each_page
def test_sections(page):
    """All that one looks for is there; what else there is stands between."""
    there = re.findall(r"^\.Sh (.*)$", PAGES[page].read_text(), re.M)
    assert [name for name in there if name in SECTIONS] == SECTIONS
    assert all(section(page, name).strip() for name in SECTIONS)


@pytest.mark.parametrize("verb", VERBS)
def test_options_are_those_of_the_table(verb):
    """Each with its value and its text, in the verb's own list."""
    text = section(page_of(verb), "OPTIONS")
    for option in VERBS[verb][1]:
        item = option.value if option.word == "-" else f"{option.word} {option.value}".rstrip()
        words = [re.escape(word) for word in [*item.split(), *option.help.split()]]
        assert re.search(r"^     " + r"\s+".join(words) + r"$", text, re.M), item
    assert VERBS[verb][0] in " ".join(section(page_of(verb), "NAME").split()) or " " in verb


@pytest.mark.parametrize("verb", [v for v in VERBS if v != "recipe"])
def test_synopsis_is_that_of_the_table(verb):
    text = " ".join(section(page_of(verb), "SYNOPSIS").split())
    mine = re.search(rf"pushback {verb}(?= [\[a-z])(.*?)(?= pushback |$)", text).group(1)
    assert sorted(re.findall(r"--[a-z-]+", mine)) == sorted(set(documented.options(verb)) - {"--help"})
    for option in VERBS[verb][1]:
        if option.word == "--help":
            continue
        if option.word == "-":
            assert re.search(r" \[?(file \.\.\.|side side|file|binary)\]?$", mine), "operands are written by hand"
        else:
            assert f"[{option.word} {option.value}".rstrip() + "]" + ("..." if option.again else "") in mine


@each_page
def test_no_other_options(page):
    """An option that a page speaks of is one of its verbs', or of another verb; in a command, of that one."""
    every = {word for verb in VERBS for word in documented.options(verb)} | set(documented.inject_options())
    every |= FOREIGN | {"--version"}
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", shown(page))) <= every
    for command in commands(page):
        words = command.split()
        if words[0] == "usdt-inject":
            mine = documented.inject_options()
        else:
            verb = " ".join(words[1:3]) if words[1] == "recipe" else words[1]
            mine = documented.options(verb)
        assert set(re.findall(r" (--[a-z][a-z-]*)", command)) <= set(mine), command


def commands(page):
    """Ours, that one may type; a line that ends in a backslash goes on."""
    text = re.sub(r"\\\n", " ", section(page, "EXAMPLES") + section(page, "OPTIONS"))
    return re.findall(r"^ +((?:pushback [a-z]+|usdt-inject) .*)$", text, re.M)


@each_page
def test_examples_are_of_this_page(page):
    mine = [c for c in commands(page) if page in ("pushback", c.split()[0]) or page == page_of(c.split()[1])]
    assert mine


@each_page
def test_exit_status(page):
    """As exit_status.h has it: all on the first page, on the others those that every verb has, or more."""
    every = re.findall(r"EXIT_\w+ = (\d)", (ROOT / "userspace/exit_status.h").read_text())
    if page == "usdt-inject":
        every = re.findall(r"STATUS_\w+ = (\d)", (ROOT / "tools/usdt-inject/main.c").read_text())
    shared = [status for status in every if status <= "3"]
    said = re.findall(r"^     (\d) ", section(page, "EXIT STATUS"), re.M)
    assert said == every if page == "pushback" else said in (shared, every)


def test_all_options_of_usdt_inject():
    text = section("usdt-inject", "OPTIONS")
    items = re.findall(r"^     (?:(-[a-zA-Z]), )?(--[a-z-]+)", text, re.M)
    # The version has a letter that nobody needs.
    wanted = documented.inject_options() | {"--version": ""}
    assert {long: short for short, long in items} == wanted


@each_page
def test_references(page):
    """To pages of ours that exist; the first page has them all, and is on each."""
    found = re.findall(r"^\.(?:It )?Xr (\S+) 1", PAGES[page].read_text(), re.M)
    ours = {name for name in found if name.startswith(("pushback", "usdt-inject"))}
    assert ours <= set(PAGES)
    assert page == "pushback" or "pushback" in ours
    if page == "pushback":
        assert ours == set(PAGES) - {"pushback"}
        see_also = section(page, "SEE ALSO")
        assert all(f"{name}(1)" in see_also for name in ours)


@each_page
def test_formatters_have_nothing_to_say(page):
    done = run("mandoc", "-T", "lint", PAGES[page])
    # That pages of ours and of others are installed here.
    said = [x for x in done.stdout.splitlines() if not re.search(r"referenced manual not found|outdated mandoc\.db", x)]
    assert said == []
    done = run("groff", "-mdoc", "-ww", "-Tutf8", "-z", PAGES[page])
    assert done.returncode == 0 and done.stderr == ""


@each_page
def test_fits_a_terminal(page):
    other = re.sub(r".\x08", "", run("groff", "-mdoc", "-Tascii", "-P-c", "-rLL=78n", PAGES[page]).stdout)
    for text in (shown(page), other):
        assert text.count("\n") > 40
        assert [line for line in text.splitlines() if len(line) > 80] == []


@each_page
def test_what_is_copied_stays_as_it_is(page):
    """A quote or a hyphen of typography, as some formatters make them, is none to a shell."""
    source = PAGES[page].read_text()
    literal = re.findall(r"^\.Dl (.*)$", source, re.M)
    for block in re.findall(r"^\.Bd -literal.*?\n(.*?)^\.Ed$", source, re.M | re.S):
        literal += block.splitlines()
    assert literal
    for line in literal:
        assert not re.search(r"(?<!\\)-|'", line), line
