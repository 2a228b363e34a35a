#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The image of tools/container/Containerfile, built as it says on a Debian of the machine's own mirror, and the
DaemonSet's tests with it."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

TREE = Path(__file__).resolve().parents[2]
sys.path += [str(TREE / "tests/kernels"), str(TREE / "tests/e2e")]

import packages  # noqa: E402
from pod import Podman  # noqa: E402

BASE, IMAGE = "localhost/debian", "localhost/pushback"


def base(work):
    """Debian 12 with nothing in it, as the registries have it."""
    made = work / "base.tar"
    if not made.exists():
        source = f"deb {packages.mirror()} bookworm main"
        packages.run("mmdebstrap", "--quiet", "--variant=minbase", "--mode=root", "bookworm", work / "base.part.tar", source)
        os.rename(work / "base.part.tar", made)
    return made


def build(podman, work):
    done = podman.run("import", base(work), BASE, timeout=600)
    assert done.returncode == 0, done.stderr
    words = ["build", "--isolation=chroot", "--network=host", "--build-arg", f"BASE={BASE}", "--tag", IMAGE]
    words += ["--ulimit=nofile=4096:4096", "--file", str(TREE / "tools/container/Containerfile"), str(TREE)]
    with open(work / "image.log", "w", encoding="utf-8") as log:
        done = subprocess.run([*podman.argv, *words], stdout=log, stderr=subprocess.STDOUT, check=False)
    if done.returncode:
        sys.exit(f"image: podman build ended with {done.returncode}: see {log.name}")
    return podman.run("image", "inspect", "--format", "{{.Size}} {{.User}} {{.Config.Entrypoint}}", IMAGE).stdout.strip()


def main():
    work = Path(sys.argv[1]).resolve() / "packages"
    work.mkdir(parents=True, exist_ok=True)
    store = tempfile.mkdtemp(prefix="pb-image-", dir="/tmp")
    try:
        with Podman(work, store) as podman:
            print("image:", build(podman, work), flush=True)
            more = {"PUSHBACK_IMAGE": IMAGE, "PUSHBACK_IMAGES": store, "PUSHBACK_BUILD": str(Path(sys.argv[1]).resolve())}
            command = [sys.executable, "-B", "-m", "pytest", "-p", "no:cacheprovider", "-q", "tests/e2e/test_kubernetes.py"]
            return subprocess.run(command, cwd=TREE, env=os.environ | more, check=False).returncode
    finally:
        shutil.rmtree(store)


if __name__ == "__main__":
    sys.exit(main())
