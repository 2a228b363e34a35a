# SPDX-License-Identifier: MIT
"""What a virtual machine begins with: a shell, the modules that it needs in their order, and `guest`."""

import lzma
import re
import shutil
import subprocess
from pathlib import Path

HERE = Path(__file__).resolve().parent
# Some are built in, or do not exist, in some kernels.
MODULES = ("virtio_pci", "virtio_blk", "9pnet_virtio", "9p", "crc32c_generic", "ext4", "overlay")


def content(path):
    data = path.read_bytes()
    return lzma.decompress(data) if path.suffix == ".xz" else data


def name_of(path):
    return path.name.split(".ko")[0].replace("-", "_")


def in_order(modules):
    """[(name, content)] of MODULES and of all that they need, what is needed first."""
    there = {name_of(path): path for path in (modules / "kernel").rglob("*.ko*")}
    done = {}

    def take(name):
        if name in done or name not in there:
            return
        data = content(there[name])
        for needed in re.search(rb"\0depends=([^\0]*)\0", data)[1].decode().split(","):
            take(needed.replace("-", "_"))
        done[name] = data

    for name in MODULES:
        take(name)
    return list(done.items())


def make(path, modules, busybox="/bin/busybox", guest=HERE / "guest"):
    root = path.with_suffix(".root")
    shutil.rmtree(root, ignore_errors=True)
    for folder in ("bin", "modules", "proc", "dev", "sys", "host"):
        (root / folder).mkdir(parents=True)
    shutil.copy(busybox, root / "bin/busybox")
    shutil.copy(guest, root / "init")
    (root / "init").chmod(0o755)
    for number, (name, data) in enumerate(in_order(modules)):
        (root / f"modules/{number:02}-{name}.ko").write_bytes(data)
    names = "\n".join(str(p.relative_to(root)) for p in sorted(root.rglob("*"))) + "\n"
    with open(path, "wb") as out:
        subprocess.run(["cpio", "--quiet", "-o", "-H", "newc", "-R", "0:0"], cwd=root, input=names.encode(), stdout=out, check=True)
    shutil.rmtree(root)
