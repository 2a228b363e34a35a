# SPDX-License-Identifier: MIT
"""A Debian of its own, with systemd, in a virtual machine: no package of ours is in it yet.

Its disk is made once of what the mirror has and kept; what a run writes to it is gone afterwards.
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[0] / "kernels"))

import packages  # noqa: E402
import vm  # noqa: E402

SUITE = "bookworm"
# What the tests themselves use.
TOOLS = "systemd-sysv python3-pytest python3-prometheus-client linux-libc-dev binutils procps kmod bpftool".split()
# They take their time in an emulated machine, and are none of ours.
MASKED = (
    "getty@.service serial-getty@.service systemd-timesyncd.service apt-daily.timer apt-daily-upgrade.timer "
    "dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service fstrim.timer systemd-udev-trigger.service "
    "systemd-udev-settle.service systemd-logind.service systemd-pstore.service systemd-random-seed.service"
).split()
# Runs what it finds, and switches the machine off.
CHECK = """\
[Unit]
After=multi-user.target
SuccessAction=poweroff-force
FailureAction=poweroff-force
[Service]
Type=oneshot
StandardOutput=file:/mnt/output
StandardError=inherit
ExecStart=/bin/sh -c 'sh /mnt/command; echo $? >/mnt/status; journalctl -b >/mnt/journal; sync'
"""


def depends(debs):
    """The names of what they need, as dpkg-shlibdeps found it."""
    found = set()
    for deb in debs:
        text = packages.run("dpkg-deb", "-f", deb, "Depends")
        found |= {re.split(r"[ (]", one.strip())[0] for one in text.split(",") if one.strip()}
    return sorted(found)


def settle(root):
    """What the first start of a machine would ask for or do."""
    (root / "etc/machine-id").write_text("0123456789abcdef0123456789abcdef\n")
    (root / "etc/hostname").write_text("guest\n")
    (root / "etc/fstab").write_text("")
    units = root / "etc/systemd/system"
    for name in MASKED:
        (units / name).unlink(missing_ok=True)
        (units / name).symlink_to("/dev/null")
    (units / "check.service").write_text(CHECK)
    wanted = units / "multi-user.target.wants"
    wanted.mkdir(exist_ok=True)
    (wanted / "check.service").symlink_to("../check.service")


def disk(work, debs):
    """An image of it, with all that the packages need."""
    wanted = sorted({*TOOLS, *depends(debs)})
    made, of = work / "disk", work / "disk.of"
    if made.exists() and of.exists() and of.read_text().split() == wanted:
        return made
    root = work / "root"
    shutil.rmtree(root, ignore_errors=True)
    source = f"deb [signed-by={packages.KEYRING}] {packages.mirror()} {SUITE} main"
    options = ["--quiet", "--variant=minbase", "--mode=root", f"--include={','.join(wanted)}", '--aptopt=Apt::Install-Recommends "false"']
    packages.run("mmdebstrap", *options, SUITE, root, source)
    settle(root)
    made.unlink(missing_ok=True)
    packages.run("mke2fs", "-q", "-t", "ext4", "-O", "^metadata_csum_seed,^orphan_file", "-d", root, made, "2G")
    shutil.rmtree(root)
    of.write_text(" ".join(wanted))
    return made


def boot(kernel, command, results, disk_image, tree, limit):
    """(status of the command, why it has none): as vm.run()."""
    return vm.run(kernel, command, results, disk_image, tree, limit, vm.Machine(guest=HERE / "guest"))
