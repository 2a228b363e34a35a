# SPDX-License-Identifier: MIT
"""What sanitizers and valgrind find in a program is there for the test that ran it, also when it is killed."""

import os
import signal
import subprocess
import sys

import pytest

import findings
from program import ROOT, run, wait_until

sys.path.insert(0, str(ROOT / "tests/instrumented"))
import watching  # noqa: E402

FAULTS = {
    "address": ("leak", "detected memory leaks"),
    "undefined": ("shift", "runtime error: shift exponent"),
    "thread": ("race", "data race"),
    "valgrind": ("leak", "definitely lost"),
}
# It has one fault, and none where it is asked for none; then it ends or waits.
SOURCE = """\
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int shared;
static void *volatile kept;

static void *count(void *unused)
{
	shared++;
	return unused;
}

int main(int argc, char **argv)
{
	volatile int by = 40;
	pthread_t thread;

	if (!strcmp(argv[1], "leak")) {
		kept = malloc(100);
		kept = NULL;
	}
	if (!strcmp(argv[1], "shift"))
		shared = 1 << by;
	if (!strcmp(argv[1], "race")) {
		pthread_create(&thread, NULL, count, NULL);
		shared++;
		pthread_join(thread, NULL);
	}
	if (argc > 2)
		pause();
	return 0;
}
"""


@pytest.fixture(params=FAULTS)
def watched(request, tmp_path):
    """(command, environment, where its findings are, the fault, what is said of it)"""
    by, found = request.param, tmp_path / "found"
    found.mkdir()
    source, program = tmp_path / "faulty.c", tmp_path / "faulty"
    source.write_text(SOURCE)
    flags = [] if by == "valgrind" else [f"-fsanitize={by}", "-fno-sanitize-recover=all"]
    assert run("gcc", "-O0", "-g", *flags, source, "-o", program, "-pthread").returncode == 0
    command, environment = [program], {}
    if by == "valgrind":
        command = [*watching.VALGRIND, f"--log-file={found}/valgrind.%p", program]
    else:
        environment = watching.sanitizers("thread" if by == "thread" else "address", found)
    return command, os.environ | environment, found, *FAULTS[by]


def test_a_fault_is_found(watched):
    command, environment, found, fault, words = watched
    assert run(*command, "none", env=environment).returncode == 0
    assert not findings.take(found)
    assert run(*command, fault, env=environment).returncode
    [text] = findings.take(found)
    assert words in text
    assert not findings.take(found)


# Leaks are looked for at the end, which one that is killed does not have.
@pytest.mark.parametrize("watched", ["undefined", "thread"], indirect=True)
def test_who_is_killed_has_told_it_before(watched):
    command, environment, found, fault, words = watched
    with subprocess.Popen([*command, fault, "wait"], env=environment) as process:
        text = wait_until(lambda: "".join(findings.take(found)), "nothing is found", 30)
        process.send_signal(signal.SIGKILL)
    assert words.split()[0] in text
