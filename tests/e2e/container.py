# SPDX-License-Identifier: MIT
"""A process in what looks like a container: a cgroup of its own, named as container runtimes do."""

import contextlib
import hashlib
import os
import subprocess
import time

from program import patient

# Of this run: others are beside it, and the hierarchy is the host's.
CONTAINER = hashlib.sha256(str(os.getpid()).encode()).hexdigest()


@contextlib.contextmanager
def container(directory):
    """A function that puts a process into it. All of them must have ended in the end."""
    root = directory / "cgroup"
    group = root / f"docker-{CONTAINER}.scope"
    root.mkdir()
    subprocess.run(["mount", "-t", "cgroup2", "none", root], check=True)
    try:
        group.mkdir()
        try:
            yield lambda pid: (group / "cgroup.procs").write_text(str(pid))
        finally:
            remove_group(group)
    finally:
        subprocess.run(["umount", root], check=True)


@contextlib.contextmanager
def groups(directory, *names):
    """A function that puts a process into one of these cgroups, which have a hierarchy's own root."""
    root = directory / "cgroup"
    root.mkdir()
    subprocess.run(["mount", "-t", "cgroup2", "none", root], check=True)
    made = []
    try:
        for name in names:
            (root / name).mkdir()
            made.append(root / name)
        yield lambda pid, name: (root / name / "cgroup.procs").write_text(str(pid))
    finally:
        for path in made:
            remove_group(path)
        subprocess.run(["umount", root], check=True)


def remove_group(path):
    """The kernel may still be busy with the process that was in it."""
    end = time.monotonic() + patient(10)
    while True:
        try:
            return path.rmdir()
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.01)
