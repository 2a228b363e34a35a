# SPDX-License-Identifier: MIT
"""A real terminal: tmux on a server of its own, with one program in it."""

import itertools
import os
import pathlib
import re
import shlex
import signal
import subprocess
import time

from program import patient

COUNT = itertools.count()


class Terminal:
    """Runs `argv` in a shell, and keeps the terminal's settings from before and after it."""

    def __init__(self, directory, argv, width=80, height=24, term=None, env=()):
        self.name = f"pushback-{os.getpid()}-{next(COUNT)}"
        self.directory = directory
        self.pid_file, self.status_file = directory / f"{self.name}.pid", directory / f"{self.name}.status"
        self.before, self.after = directory / f"{self.name}.before", directory / f"{self.name}.after"
        words = " ".join(shlex.quote(str(word)) for word in argv)
        settings = " ".join(shlex.quote(one) for one in env)
        script = directory / f"{self.name}.sh"
        script.write_text(
            f"""{f"TERM={term}; export TERM" if term else ""}
trap : INT
echo a line from before
stty -a >{self.before}
sh -c 'echo $$ >{self.pid_file}; exec "$@"' sh env {settings} {words}
echo $? >{self.status_file}.new
stty -a >{self.after}
mv {self.status_file}.new {self.status_file}
exec sleep 1000
"""
        )
        self.tmux("-f", "/dev/null", "new-session", "-d", "-x", width, "-y", height, f"exec sh {script}")

    def tmux(self, *words, check=True):
        command = ["tmux", "-u", "-L", self.name, *(str(word) for word in words)]
        env = {k: v for k, v in os.environ.items() if k not in ("TMUX", "NO_COLOR")} | {"LC_ALL": "C.UTF-8"}
        done = subprocess.run(command, capture_output=True, text=True, env=env, timeout=patient(30))
        assert not check or done.returncode == 0, done.stderr
        return done.stdout

    # ---- What the user does ----

    def keys(self, *names):
        self.tmux("send-keys", *names)

    def type(self, text):
        self.tmux("send-keys", "-l", text)

    def resize(self, width, height):
        self.tmux("resize-window", "-x", width, "-y", height)

    def hang_up(self):
        self.tmux("kill-server", check=False)
        # tmux leaves it behind.
        directory = pathlib.Path(os.environ.get("TMUX_TMPDIR") or "/tmp", f"tmux-{os.getuid()}")
        (directory / self.name).unlink(missing_ok=True)

    # ---- What the user sees ----

    def screen(self, *options):
        """Its lines, without blanks at their ends."""
        return [line.rstrip() for line in self.tmux("capture-pane", "-p", *options).split("\n")[:-1]]

    def wait_for(self, pattern, timeout=20):
        """The match on the first screen that has one; a pattern may span lines."""
        end = time.monotonic() + patient(timeout)
        while True:
            text = "\n".join(self.screen())
            found = re.search(pattern, text, re.M)
            if found:
                return found
            assert time.monotonic() < end, f"no {pattern!r} on:\n{text}"
            time.sleep(0.05)

    def wait_without(self, pattern, timeout=20):
        end = time.monotonic() + patient(timeout)
        while re.search(pattern, text := "\n".join(self.screen()), re.M):
            assert time.monotonic() < end, f"still {pattern!r} on:\n{text}"
            time.sleep(0.05)

    # ---- The program in it ----

    @property
    def pid(self):
        end = time.monotonic() + patient(10)
        while not (self.pid_file.exists() and self.pid_file.read_text().endswith("\n")):
            assert time.monotonic() < end, self.screen()
            time.sleep(0.02)
        return int(self.pid_file.read_text())

    def signal(self, number):
        os.kill(self.pid, number)

    def status(self, timeout=20):
        """Of the program, once it has ended."""
        end = time.monotonic() + patient(timeout)
        while not self.status_file.exists():
            assert time.monotonic() < end, self.screen()
            time.sleep(0.02)
        return int(self.status_file.read_text())

    def assert_restored(self):
        """Settings, cursor and the screen from before are as they were."""
        assert without_size(self.before) == without_size(self.after)
        assert self.tmux("display-message", "-p", "#{alternate_on} #{cursor_flag}") == "0 1\n"
        assert "a line from before" in self.screen()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.pid_file.exists() and not self.status_file.exists():
            try:
                self.signal(signal.SIGTERM)
            except ProcessLookupError:
                pass
        self.hang_up()


def without_size(settings):
    """What stty says; the size is the terminal's, and may still be on its way from a resize."""
    return re.sub(r"rows \d+; columns \d+", "", settings.read_text())
