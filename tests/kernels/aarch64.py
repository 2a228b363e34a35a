# SPDX-License-Identifier: MIT
"""An aarch64 machine: Debian's files for it in a directory, and what is built for it from here.

Nothing of it is installed on this machine. It runs fewer tests: whether header, sites, attaching and counts are
right there, too.
"""

import os
import subprocess

import packages
import vm

SUITE, KERNEL = "bookworm", "bookworm-backports"
FILES = "kernel attach exact semantics".split()
PACKAGES = (
    "libc6-dev linux-libc-dev libbpf-dev libelf-dev zlib1g-dev libcapstone-dev libdw-dev libiberty-dev uthash-dev "
    "libjansson-dev libncurses-dev libinih-dev librdkafka-dev libcap-ng-dev libseccomp-dev "
    "busybox-static python3 python3-pytest dash coreutils util-linux mount bpftool binutils procps grep sed"
).split()
PROGRAMS = "pushback pushback-demo tests/driver tests/driver_library.so tests/spinner tests/observer".split()


def build(tree, root):
    """Where it is built."""
    where = tree / "build-aarch64"
    settings = ["CC=aarch64-linux-gnu-gcc", "OBJCOPY=aarch64-linux-gnu-objcopy", f"SYSROOT={root}", f"B={where.name}"]
    targets = [f"{where.name}/{program}" for program in PROGRAMS]
    subprocess.run(["make", f"-j{os.cpu_count()}", "-C", str(tree), *settings, *targets], stdout=subprocess.DEVNULL, check=True)
    return where


def machine(root):
    options = ("-accel", "tcg,thread=multi", "-M", "virt", "-cpu", "cortex-a72")
    return vm.Machine("qemu-system-aarch64", options, "console=ttyAMA0", root)


def root(cache):
    return packages.Apt(cache, SUITE, "arm64").installed(PACKAGES, cache)


def kernel(cache):
    return packages.kernel(cache, KERNEL, "arm64")
