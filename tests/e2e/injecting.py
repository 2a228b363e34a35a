# SPDX-License-Identifier: MIT
"""usdt-inject, programs to inject, and the tracers that are to see the probes."""

import os
import re
import shlex
import signal
import subprocess

from program import BUILD, ROOT, Program, run

TOOL = BUILD / "usdt-inject"
SOURCES = ROOT / "tests/progs/inject"
MESSAGES = 1009
REFUSED = len(range(0, MESSAGES, 3))
PASSED = MESSAGES // 2
SAYS = f"{REFUSED} refused {MESSAGES - REFUSED} accepted {PASSED} passed\n"
PROVIDER = f"app{os.getpid()}"
DONE = f"{PROVIDER}:done"
SITE = f"{DONE}=work@return -4@%eax"


def inject(*options):
    """Its status and stderr's lines; it never writes more than one line when it refuses."""
    done = run(TOOL, *options)
    assert "runtime error" not in done.stderr and "Sanitizer" not in done.stderr
    return done


def injected(file, out, *probes):
    options = [word for probe in probes for word in ("-p", probe)]
    done = inject(file, *options, "-o", out)
    assert done.returncode == 0, done.stderr
    return out


def build(command, *arguments):
    done = run(*shlex.split(command), *arguments)
    assert done.returncode == 0, done.stderr
    return arguments[-1]


def disassembly(file):
    """All but the line that names the file."""
    return run("objdump", "-d", file, timeout=300).stdout.split("\n", 3)[3]


def functions(file):
    """Addresses of the symbols' functions."""
    text = run("readelf", "-sW", file).stdout
    return {m[2]: int(m[1], 16) for m in re.finditer(r": (\w+) +\d+ FUNC +.* (\S+)$", text, re.M)}


def bpftrace_counts(file, probe, key, *command):
    """How often it fired, by key, while the command ran."""
    text = f"""BEGIN {{ printf("ready\\n"); }} usdt:{file}:{probe} {{ @[{key}] = count(); }}"""
    with Program(["bpftrace", "-e", text], output="stdout") as tracer:
        tracer.wait_line("ready")
        assert run(*command).returncode == 0
        end_tracer(tracer)
        shown = "\n".join(tracer.lines)
    return {int(m[1]): int(m[2]) for m in re.finditer(r"^@\[(-?\d+)\]: (\d+)$", shown, re.M)}


def end_tracer(tracer):
    """Now and then bpftrace does not see a signal for minutes, until something ends its wait for events, as
    being stopped does: as if the signal had come after it looked for one and before it waited."""
    tracer.signal(signal.SIGINT)
    for _ in range(30):
        try:
            tracer.process.wait(2)
            break
        except subprocess.TimeoutExpired:
            tracer.signal(signal.SIGSTOP)
            tracer.signal(signal.SIGCONT)
    tracer.wait()


def bpftrace_lists(file):
    done = run("bpftrace", "-l", f"usdt:{file}:*")
    return sorted(line.split(":", 2)[2] for line in done.stdout.splitlines())


def gdb(file, *commands, arguments=()):
    options = [word for command in commands for word in ("-ex", command)]
    environment = os.environ | {"DEBUGINFOD_URLS": ""}
    done = run("gdb", "-nx", "-batch", *options, "--args", file, *arguments, env=environment)
    return done.stdout


def gdb_hits(program, probe, *arguments):
    """How often a breakpoint on it was passed."""
    shown = gdb(
        program,
        "set breakpoint pending on",
        f"break -probe-stap {probe}",
        "ignore 1 1000000",
        "run",
        "info breakpoints",
        arguments=arguments,
    )
    hits = re.search(r"already hit (\d+) times", shown)
    return int(hits[1]) if hits else 0


PERF = """
mount -t tracefs none /sys/kernel/tracing || exit
cache=$1 file=$2 group=sdt_$3 name=$4
shift 4
perf="perf --buildid-dir $cache"
trap '$perf probe -d "$group:*" >/dev/null 2>&1' EXIT
$perf buildid-cache --add "$file"
$perf list sdt 2>/dev/null | grep -o "$group:[a-z]*" | sed 's/^/listed /'
$perf probe "$group:$name" >/dev/null 2>&1
$perf stat -x ' ' -e "$group:$name" "$@" 2>&1
"""


def perf(directory, file, name, *command):
    """What it lists, and how often it counted; tracefs is mounted for it alone.

    The kernel's list of probes is one for all: the provider has to be nobody else's.
    """
    provider = name.split(":")[0]
    options = (directory / "buildid", file, *name.split(":"), *command)
    shown = run("unshare", "-m", "sh", "-c", PERF, "sh", *options).stdout
    counted = re.search(rf"^(\d+) +sdt_{name}\b", shown, re.M)
    assert counted, shown
    return re.findall(rf"^listed sdt_({provider}:\S+)", shown, re.M), int(counted[1])
