# SPDX-License-Identifier: MIT
"""What the programs take, by their own tables: for the tests of man pages and completion."""

import collections
import re

from program import PUSHBACK, ROOT, run

Option = collections.namedtuple("Option", "word value completes again help")


def tables():
    """Of each verb, as "recipe check": its summary, and what it takes. See opts_list.h."""
    listed = run(PUSHBACK, "help", "--tables")
    assert listed.returncode == 0, listed.stderr
    verbs = {}
    for line in listed.stdout.splitlines():
        verb, word, value, completes, again, text = line.split("\t")
        if completes == "verb":
            verbs[verb] = (text, [])
        else:
            option = Option(word, "" if value == "-" else value, completes, again == "again", text)
            verbs[verb][1].append(option)
    assert {"run", "recipe check"} <= set(verbs)
    return verbs


def options(verb):
    """The words that begin with dashes."""
    return [o.word for o in VERBS[verb][1] if o.word != "-"]


def inject_options():
    """Of usdt-inject, from the table that getopt has: {"--probe": "-p", ...}, "" for no letter.

    Its page, tools/man/usdt-inject.1, and its three files in tools/completion are written by hand.
    """
    source = (ROOT / "tools/usdt-inject/options.c").read_text()
    found = re.findall(r'^\t\{ "([a-z-]+)", (?:no|required)_argument, NULL, (.+?) \},$', source, re.M)
    assert len(found) == len(re.findall(r"_argument, NULL,", source)) > 0
    letters = re.search(r'getopt_long\(argc, argv, ":([a-zA-Z:]+)"', source).group(1)
    short = {f"'{letter}'": f"-{letter}" for letter in letters.replace(":", "")}
    return {f"--{name}": short.get(letter, "") for name, letter in found}


VERBS = tables()
