# SPDX-License-Identifier: MIT
"""A virtual machine, emulated: one kernel, this machine's files, the tree on a disk of its own.

Never KVM: a matrix has to work where it is missing as well, and be the same there. `run` gives what
happened, or says that the machine had to be ended; nothing of it is left then.
"""

import contextlib
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import initramfs
import tsc

MEMORY = "3G"
CPUS = 2


def disk(path, tree, build):
    """An image of the tree, without what came from elsewhere."""
    copy = path.with_suffix(".tree")
    shutil.rmtree(copy, ignore_errors=True)
    # What is built may lie elsewhere; it is told apart by its own name.
    skip = shutil.ignore_patterns(".git", "kernels", "__pycache__", "*.o", "build-*")
    for part in sorted(tree.iterdir()):
        if part.name == "tests":
            shutil.copytree(part, copy / part.name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
        elif part.name == build.name or not part.name.startswith("build"):
            if part.is_dir() and part.name != ".git":
                shutil.copytree(part, copy / part.name, symlinks=True, ignore=skip)
            elif part.is_file():
                shutil.copy2(part, copy / part.name)
    path.unlink(missing_ok=True)
    command = ["mke2fs", "-q", "-t", "ext4", "-O", "^metadata_csum_seed,^orphan_file", "-E", "root_owner=0:0", "-d", copy, path, "2G"]
    subprocess.run([str(word) for word in command], stdout=subprocess.DEVNULL, check=True)
    shutil.rmtree(copy)


@dataclass(frozen=True)
class Machine:
    """Of which kind, and what its files are."""

    program: str = "qemu-system-x86_64"
    # In turn: what one emulated processor writes into the slot for stepping over a probed instruction, another
    # that runs at the same time may still have as it was, and whatever is probed, by whomever, is killed.
    options: tuple = ("-accel", "tcg,thread=single", "-cpu", "max,la57=off")
    words: str = f"console=ttyS0 tsc=reliable tsc_early_khz={tsc.khz()}"
    root: Path = Path("/")
    guest: Path = initramfs.HERE / "guest"


def command_line(machine, image, initrd, disk_image, results, tree):
    share = "local,security_model=none,multidevs=remap"
    return [
        # It must not outlive us.
        *("setpriv", "--pdeathsig", "KILL", machine.program, *machine.options),
        *("-smp", str(CPUS), "-m", MEMORY, "-nodefaults", "-no-reboot", "-display", "none"),
        *("-serial", f"file:{results}/console", "-kernel", image, "-initrd", initrd),
        *("-append", f"{machine.words} mitigations=off panic=-1 quiet tree={tree}"),
        *("-drive", f"file={disk_image},format=raw,if=virtio,snapshot=on,cache=unsafe"),
        *("-virtfs", f"{share},path={machine.root},mount_tag=host,readonly=on"),
        *("-virtfs", f"{share},path={results},mount_tag=results"),
    ]


def run(kernel, command, results, disk_image, tree, limit, machine=Machine()):
    """(the command's exit status, or None where the machine did not get there; why not)"""
    image, modules = kernel
    shutil.rmtree(results, ignore_errors=True)
    results.mkdir(parents=True)
    (results / "command").write_text(command)
    # A place for the tree, which the machine itself cannot make there; files that are not ours have none.
    (machine.root / tree.relative_to("/")).mkdir(parents=True, exist_ok=True)
    initrd = results / "initrd"
    initramfs.make(initrd, modules, machine.root / "bin/busybox", machine.guest)
    argv = [str(word) for word in command_line(machine, image, initrd, disk_image, results, tree)]
    why = "it ended by itself"
    with contextlib.ExitStack() as stack:
        words = stack.enter_context(open(results / "qemu", "wb"))
        emulator = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stderr=words)
        stack.callback(emulator.wait)
        stack.callback(emulator.kill)
        try:
            emulator.wait(limit)
        except subprocess.TimeoutExpired:
            why = f"it was ended after {limit} s"
    initrd.unlink()
    with contextlib.suppress(FileNotFoundError):
        return int((results / "status").read_text()), ""
    return None, f"{why}; its last words are in {results / 'console'}"
