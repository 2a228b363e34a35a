# SPDX-License-Identifier: MIT
"""The package's life on a machine with a real systemd, from its installation to its purge: run.py runs it there.

One test goes on where the last one ended. A consumer lives through all of it, and what is counted of it is
exact in the end.
"""

import contextlib
import os
import pathlib
import re
import signal
import urllib.request

import pytest

from agent import Agent, TimedReceiver
from driver import Driver
from kernel import HAS_MULTI
from pinning import BPFTOOL
from program import now, run, wait_until
from scene import expect, nothing_lost, one, refuse, refused
from test_privilege import ADMIN, KEPT, mask, states

DEBS = pathlib.Path(os.environ["PUSHBACK_DEBS"])
OLD, NEW = os.environ["PUSHBACK_VERSIONS"].split()
PINS = pathlib.Path("/sys/fs/bpf/pushback")
SETTINGS = pathlib.Path("/etc/default/pushback")
DROP_IN = pathlib.Path("/etc/systemd/system/pushback.service.d/before-6.6.conf")
OURS = ' --interval 1s --tag-from pid=pid --statsd udp://127.0.0.1:8125 --openmetrics 9464 --match-name driver"'
# Who is watched for good, and who only while an agent is there.
pinned = pytest.mark.skipif(not HAS_MULTI, reason="nothing is kept over a restart before Linux 6.6")


class Server(Agent):
    """The statsd server that the service sends to, if nobody says otherwise."""

    def __init__(self):
        self.receiver = TimedReceiver()
        self.receiver.start("udp://127.0.0.1:8125")

    def flushes(self, count=2):
        """So many more have come."""
        for _ in range(count):
            since = now()
            wait_until(lambda: self.receiver.last_at > since, "the service sends nothing", 30)


def shell(*words, status=0):
    done = run(*words, timeout=120)
    assert done.returncode == status, f"{words}: {done.stdout}{done.stderr}{journal()}"
    return done.stdout


def journal():
    return run("journalctl", "-b", "-n", "30", "--no-pager", "-u", "pushback").stdout


def ask(name):
    return shell("systemctl", "show", "-P", name, "pushback").strip()


def main_pid():
    return int(ask("MainPID"))


def install(version):
    # What it asks about a file that was changed is to be seen.
    return shell("dpkg", "-i", *DEBS.glob(f"*pushback*_{version}_*.deb"))


def files():
    """What is on the disk, but for what is written all the time."""
    found = set()
    for top in ("/etc", "/usr", "/lib", "/var", "/root"):
        for directory, _, names in os.walk(top):
            found |= {os.path.join(directory, name) for name in names}
    passing = r"/var/(log|cache|tmp|lib/(dpkg|systemd/(timers|catalog|linger|coredump|random-seed)))|.*/__pycache__/|/etc/ld.so.cache"
    return {name for name in found if not re.match(passing, name)}


@pytest.fixture(name="server", scope="module")
def the_server():
    server = Server()
    yield server
    server.receiver.stop()


@pytest.fixture(name="consumer", scope="module")
def the_consumer(tmp_path_factory):
    """Its steps 0 and 1, and what they have done: episodes that are whole."""
    with Driver(tmp_path_factory.mktemp("consumer")) as driver:
        driver.told = []
        driver.init(0, "step")
        yield driver


@pytest.fixture(name="before", scope="module")
def as_it_was(tmp_path_factory):
    """The disk before all of it; asked for by the first test."""
    return files()


def more(driver, times=3):
    driver.told += [refuse(driver) for _ in range(times)]


def is_watched(driver):
    return driver.semaphore() == 4


def check(server, driver):
    """All that it was ever told of the consumer is right, and nothing is lost."""
    server.flushes()
    expect(one(server, pid=driver.pid), *[refused(*e) for e in driver.told], submit_accepted=len(driver.told))
    nothing_lost(server)
    assert not server.receiver.errors


# ---- Installed ----


def test_installed(before, server, consumer):
    """Nothing is asked, nothing has to be done: it runs, also after the next start of the machine."""
    install(OLD)
    assert shell("systemctl", "is-enabled", "pushback").strip() == "enabled"
    assert shell("dpkg", "--verify", "pushback", "libpushback-dev") == ""
    assert shell("pushback", "--version") == f"pushback {OLD}\n"
    if HAS_MULTI:
        assert ask("ActiveState") == "active", journal()


@pytest.mark.skipif(HAS_MULTI, reason="of kernels before Linux 6.6")
def test_an_old_kernel_is_told_of():
    """It says what is missing and is not started again and again; what README.Debian says is all it takes."""
    assert ask("ActiveState") == "failed" and ask("ExecMainStatus") == "3" and ask("NRestarts") == "0", journal()
    DROP_IN.parent.mkdir()
    DROP_IN.symlink_to(f"/usr/share/pushback/systemd/{DROP_IN.name}")
    shell("systemctl", "daemon-reload")


def test_settings_are_heeded(server, consumer):
    """And who starts it waits until it has attached: what is told from then on is counted."""
    text = SETTINGS.read_text()
    changed = re.sub(r'^(PUSHBACK_OPTIONS=".*)"$', lambda found: found[1] + OURS, text, flags=re.M)
    if not HAS_MULTI:
        changed = changed.replace(f"--pin-dir {PINS}", "")
    assert changed != text
    SETTINGS.write_text(changed)
    shell("systemctl", "restart", "pushback")
    assert ask("Type") == "notify" and ask("ActiveState") == "active"
    assert is_watched(consumer)
    more(consumer)
    check(server, consumer)


# ---- Runs as a service ----


def test_it_is_not_root(consumer):
    """A user that is there only while it runs, with the capabilities that the manual names and no others."""
    kept = KEPT if HAS_MULTI else [*KEPT, ADMIN]
    for task in states(main_pid()):
        uids = set(task["Uid"].split())
        assert len(uids) == 1 and 61184 <= int(*uids) <= 65519, uids
        wanted = {"CapInh": 0, "CapPrm": mask(kept), "CapEff": mask(kept), "CapBnd": mask(kept), "CapAmb": 0}
        assert {field: int(task[field], 16) for field in wanted} == wanted
        assert task["NoNewPrivs"] == "1" and task["Seccomp"] == "2"
    assert re.search(r"^pushback:", pathlib.Path("/etc/passwd").read_text(), re.M) is None
    assert f"process {main_pid()}" in shell("pushback", "status")
    lines = journal()
    assert "without CAP_" not in lines and "warning" not in lines, lines


def test_it_is_confined():
    rating = re.search(r"Overall exposure level for pushback.service: (\S+)", shell("systemd-analyze", "security", "pushback"))
    assert float(rating[1]) <= (2.0 if HAS_MULTI else 2.5)
    mounts = pathlib.Path(f"/proc/{main_pid()}/mountinfo").read_text()
    assert re.search(r" / / ro\b", mounts), mounts
    assert re.search(rf" {PINS if HAS_MULTI else '/run/pushback'} rw\b", mounts), mounts


def test_it_is_scraped(consumer):
    with urllib.request.urlopen("http://127.0.0.1:9464/metrics", timeout=60) as page:
        text = page.read().decode()
    found = re.search(rf'^streams_pipeline_submit_accepted_total{{.*pid="{consumer.pid}".*}} (\d+)', text, re.M)
    assert int(found[1]) == len(consumer.told), text[:2000]


def test_who_comes_later_is_found(server, tmp_path):
    with Driver(tmp_path) as other:
        other.told = []
        wait_until(lambda: is_watched(other), "it is never found", 20)
        other.init(0, "step")
        more(other)
        check(server, other)


@pinned
def test_it_may_be_restarted(server, consumer):
    """What happens while it is away is sent once; its user has changed hands of what is pinned."""
    shell("systemctl", "stop", "pushback")
    assert is_watched(consumer) and not pathlib.Path("/run/pushback").exists()
    more(consumer)
    shell("systemctl", "start", "pushback")
    more(consumer)
    check(server, consumer)


@pinned
def test_one_that_hangs_is_started_anew(server, consumer):
    """By the watchdog, within its minute."""
    server.flushes()
    pid = main_pid()
    os.kill(pid, signal.SIGSTOP)
    more(consumer)
    # Not by asking systemd: that is an exec each time, and who hangs has room for 256.
    wait_until(lambda: not os.path.exists(f"/proc/{pid}"), "nobody has noticed", 20)
    wait_until(lambda: main_pid() not in (0, pid) and ask("ActiveState") == "active", "it is not started", 20)
    assert ask("NRestarts") == "1"
    assert re.search(r"[Ww]atchdog timeout", journal())
    more(consumer)
    check(server, consumer)


def test_wrong_settings_are_told_once(server, consumer):
    text = SETTINGS.read_text()
    SETTINGS.write_text("PUSHBACK_OPTIONS=--nonsense\n")
    try:
        shell("systemctl", "restart", "pushback", status=1)
        assert ask("ActiveState") == "failed" and ask("ExecMainStatus") == "2"
        assert "--nonsense" in journal()
    finally:
        SETTINGS.write_text(text)
    shell("systemctl", "reset-failed", "pushback")
    shell("systemctl", "start", "pushback")


# ---- Upgraded ----


@pinned
def test_upgraded(server, consumer):
    """The settings are those that were made, the state is the one that was pinned, and what is open stays so."""
    settings, pid = SETTINGS.read_text(), main_pid()
    consumer.init(1, "open")
    # Other code puts links of its own in the place of the old ones, and an agent hears of execs by itself.
    pins = {path: path.stat().st_ino for path in PINS.rglob("map_*") if path.name != "map_execs"}
    assert len(pins) > 5
    opened = consumer.submit(1, 1)
    install(NEW)
    assert shell("pushback", "--version") == f"pushback {NEW}\n"
    assert f"version {NEW}" in shell("pushback", "status")
    assert ask("ActiveState") == "active" and main_pid() not in (0, pid)
    assert SETTINGS.read_text() == settings
    assert {path: path.stat().st_ino for path in pins} == pins
    more(consumer)
    closed = consumer.submit(1, 0)
    check(server, consumer)
    expect(one(server, "open", consumer.pid), refused(opened, closed), submit_accepted=1)


@pytest.mark.skipif(HAS_MULTI, reason="of kernels before Linux 6.6")
def test_upgraded_without_a_pin(server, consumer):
    settings, pid = SETTINGS.read_text(), main_pid()
    server.mark()
    install(NEW)
    assert ask("ActiveState") == "active" and main_pid() not in (0, pid)
    assert SETTINGS.read_text() == settings and is_watched(consumer)


# ---- Taken away ----


def test_removed(consumer):
    """Nobody is watched any more, as nobody could be told; the settings stay."""
    assert is_watched(consumer)
    shell("dpkg", "-r", "pushback")
    assert not main_pid() and consumer.let_go()
    assert not PINS.exists() or not list(PINS.iterdir())
    assert SETTINGS.exists() and not pathlib.Path("/run/pushback").exists()


def test_installed_again_with_the_settings_of_before(server, consumer):
    server.mark()
    install(NEW)
    wait_until(lambda: ask("ActiveState") == "active", journal(), 60)
    assert "--interval 1s" in SETTINGS.read_text()
    assert is_watched(consumer)


def test_purged(before, consumer):
    """Of it nothing is left: no file, no process, no pin, no probe. An administrator's drop-in is their own."""
    with contextlib.suppress(FileNotFoundError):
        DROP_IN.unlink()
        DROP_IN.parent.rmdir()
    shell("dpkg", "-P", "pushback", "libpushback-dev")
    assert consumer.let_go()
    assert files() - before == set() and before - files() == set()
    assert not PINS.exists() and not pathlib.Path("/run/pushback").exists()
    assert shell("systemctl", "list-unit-files", "pushback*", "--no-legend", status=1) == ""
    assert re.search("pushback", shell("dpkg", "-l")) is None
    # systemd's are of cgroups.
    assert not re.search(r"^\d+: (kprobe|tracing|raw_tracepoint) ", shell(BPFTOOL, "prog", "show"), re.M)


@pinned
def test_purged_where_unpin_fails(tmp_path):
    """What is pinned goes in any case."""
    install(NEW)
    with Driver(tmp_path) as driver:
        wait_until(lambda: is_watched(driver), "it is never found", 30)
        os.chmod("/usr/bin/pushback", 0o644)
        shell("dpkg", "-P", "pushback", "libpushback-dev")
        assert not PINS.exists() and driver.let_go()
