# SPDX-License-Identifier: MIT
"""The README stays true: every command in it is run, every name in it exists."""

import os
import re
import signal
import xml.etree.ElementTree

import pytest

from instrumented import ANY, except_by
from program import BUILD, DEMO, PUSHBACK, ROOT, Program, run

README = (ROOT / "README.md").read_text()
STATUS = "pushback status"
TWO = ["make demo", "make test"]  # the second one is what runs this; the first has a test below


def commands():
    """Of all ```sh blocks, without comments."""
    for block in re.findall(r"^```sh\n(.*?)^```", README, re.M | re.S):
        for line in block.splitlines():
            line = re.sub(r"\s+#.*", "", line).strip()
            if line:
                yield line


def is_look(line):
    return line.split()[0] == "pushback" and line.split()[1] not in ("run", "status")


def shell(line, **environment):
    own = {"PATH": f"{BUILD}:{os.environ['PATH']}", "MAKEFLAGS": ""}
    return run("sh", "-c", line.replace("./build/", f"{BUILD}/"), cwd=ROOT, env=os.environ | own | environment)


def a_consumer():
    with Program([DEMO, "--source", "memory", "--slow", "sink:refuse:1ms"]) as child:
        yield child


consumer = pytest.fixture(name="consumer")(a_consumer)
other = pytest.fixture(name="other")(a_consumer)


def test_the_two_commands_stand_first():
    assert list(commands())[:2] == TWO


slow = except_by("valgrind", reason="each command has some seconds, and it takes that long to begin")


@slow
@pytest.mark.parametrize("line", [c for c in commands() if c.startswith("pushback run")])
def test_pushback_run(line, consumer):
    """Attaches, or prints help; one that goes on is ended by SIGTERM and exits 0."""
    done = shell(f"exec timeout -s TERM -k 20 2 {line}", PID=str(consumer.pid))
    if line.endswith("--help"):
        assert done.returncode == 0 and done.stdout.startswith("pushback run - ")
        return
    # timeout(1) says 124 for what it ended; --preserve-status is not in the README's line.
    assert done.returncode in (0, 124), done.stderr
    # Another test's agent may have the usual socket.
    said = re.sub(r"^pushback: .* pushback status --socket .*\n", "", done.stderr)
    # With --log it has more to say, of this consumer.
    said, more = said.split("\n", 1)
    assert said.startswith("pushback: watching "), done.stderr
    lines = more.splitlines() if "--log" in line else []
    assert lines or "--log" not in line, done.stderr
    assert more == "".join(f"{x}\n" for x in lines if x.startswith("pushback: pushback-demo ")), done.stderr
    assert consumer.process.poll() is None


@slow
@pytest.mark.parametrize("line", [c for c in commands() if is_look(c)])
def test_pushback_looks(line, consumer, other):
    """The other verbs say what they see of the consumer, and end or are ended."""
    limit = 8 if line == "pushback top" else 20
    pids = {"PID": str(consumer.pid), "OTHER": str(other.pid)}
    done = shell(f"exec timeout -s TERM -k 20 {limit} {line}", **pids)
    assert done.returncode == (124 if line == "pushback top" else 0), done.stdout + done.stderr
    # What root may not look into on the machine of the test is no fault of the command's.
    said = re.sub(r"^pushback: warning: this may not be all: .*\n", "", done.stderr)
    if " trace " in line:
        said = re.sub(r"^pushback: tracing 1 file, .*\n", "", said)
    assert said == ""
    assert "pushback-demo" in done.stdout, done.stdout


def test_pushback_status(consumer):
    """Another test's agent may have the usual socket, and is then asked as well."""
    argv = [PUSHBACK, "run", "--pid", consumer.pid, "--statsd", "udp://127.0.0.1:9"]
    with Program(argv) as agent:
        agent.wait_line("^pushback: watching")
        done = shell(STATUS)
        agent.signal(signal.SIGTERM)
        assert agent.wait() == 0
    assert f"process {agent.pid}, " in done.stdout and "\nroom      steps " in done.stdout, done


def test_nothing_else_stands_there():
    others = [c for c in commands() if not c.startswith("pushback run") and not is_look(c)]
    assert others == [*TWO, STATUS]


@except_by(*ANY, reason="it makes the usual build, and runs that")
def test_demo():
    began = shell("exec make demo")
    assert began.returncode == 0, began.stdout + began.stderr
    assert "Bottleneck: sink" in began.stdout and "counts are equal" in began.stdout


def inline(target):
    assert f"`{target}" in README, f"the README no longer speaks of {target}"
    return target


def test_make_static():
    done = shell(inline("make STATIC=1") + f" -j{os.cpu_count()} build-static/pushback")
    assert done.returncode == 0, done.stderr
    assert "not a dynamic executable" in shell("ldd build-static/pushback").stderr
    assert shell("build-static/pushback --version").stdout == shell("pushback --version").stdout
    assert "pushback: watching" in shell("build-static/pushback run --all --once --interval 100ms").stderr


def test_make_install(tmp_path):
    done = shell(f"{inline('make install PREFIX=/usr/local')} DESTDIR={tmp_path}")
    assert done.returncode == 0, done.stderr
    assert os.access(tmp_path / "usr/local/bin/pushback", os.X_OK)
    source = '#include <pushback.h>\nint main(void) { return 0; }\n'
    compiler = ["gcc", f"-I{tmp_path}/usr/local/include", "-x", "c", "-", "-o", tmp_path / "a.out"]
    done = run(*compiler, input=source)
    assert done.returncode == 0, done.stderr


def test_make_help():
    done = shell(inline("make help"))
    for target in ("all", "demo", "test", "check", "install", "bench", "bench-smoke"):
        assert re.search(rf"^  {target} ", done.stdout, re.M), target


def test_metric_names():
    """The table has every metric that the program can send."""
    source = (ROOT / "userspace/metrics.c").read_text()
    for name in re.findall(r'"([a-z_]+)"', source):
        ending = re.sub(r"^(send|receive)_backpressure_", "", name)
        assert f"`{name}`" in README or f"`..._{ending}`" in README, name


def test_options():
    """Every option that the README names exists."""
    verbs = ("run", "list", "top", "graph", "trace", "check", "report", "status", "unpin", "doctor", "recipe check", "recipe suggest")
    commands_of_ours = [f"pushback {verb}" for verb in verbs] + ["usdt-inject"]
    shown = "".join(shell(f"{command} --help").stdout for command in commands_of_ours)
    for option in set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", README)) - {"--consumer-group"}:
        assert option in shown, option


def test_snippet_compiles(tmp_path):
    snippet = re.search(r"^```c\n(.*?)^```", README, re.M | re.S).group(1)
    around = """
    #include <errno.h>
    #include <stddef.h>
    struct message;
    static struct message *carried;
    int sink_submit(struct message *m);
    int transform_submit(struct message *m);
    void transform_poll(void);
    void transform_free(void);
    """
    (tmp_path / "snippet.c").write_text(around + snippet)
    flags = ["-std=c11", "-Wall", "-Wextra", "-Werror", f"-I{ROOT}/include", "-c", "-o", "/dev/null"]
    done = run("gcc", *flags, tmp_path / "snippet.c")
    assert done.returncode == 0, done.stderr


def test_links():
    for path in re.findall(r"\]\((?!http)([^)#]+)\)", README):
        assert (ROOT / path).exists(), path


def test_costs_can_be_measured_again():
    """The section with the figures says how they were made, by targets that exist."""
    section = re.search(r"^## What it costs\n(.*?)^## ", README, re.M | re.S).group(1)
    targets = set(re.findall(r"`make (bench[a-z-]*)", section))
    assert "bench" in targets
    for target in targets:
        assert shell(f"make -n {target}").returncode == 0, target


def test_charts():
    """Each that it shows is here, and one that a browser can draw."""
    for path in re.findall(r"[\w./-]+\.svg", README):
        root = xml.etree.ElementTree.parse(ROOT / path).getroot()
        assert root.tag == "{http://www.w3.org/2000/svg}svg", path
