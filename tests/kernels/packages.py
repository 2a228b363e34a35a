# SPDX-License-Identifier: MIT
"""Debian's kernels: from the mirror that this machine's own apt takes Debian from, checked by its signatures.

apt does it, with lists, state and cache of its own, so nothing of the machine's changes and nothing is
installed. What was fetched stays, in a directory per package and version.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
# Which suite has which kernel.
SUITES = {"5.10": "bullseye", "6.1": "bookworm", "6.12": "bookworm-backports", "newest": "sid"}
# What a root directory has for `guest` to mount on.
MOUNTED = ("dev", "proc", "run", "sys", "tmp", "var/tmp")


def cache(build):
    """Where downloads stay: they take longer than to build all."""
    home = os.environ.get("XDG_CACHE_HOME")
    return Path(home) / "pushback" / "kernels" if home else Path(build).resolve() / "kernels" / "cache"


def run(*argv, **more):
    done = subprocess.run([str(a) for a in argv], capture_output=True, text=True, **more)
    if done.returncode:
        raise SystemExit(f"kernels: {argv[0]} ended with {done.returncode}: {done.stderr.strip()}")
    return done.stdout


def mirror():
    """The address of the machine's source of Debian itself."""
    wanted = "$(ORIGIN)|$(LABEL)|$(COMPONENT)|$(REPO_URI)"
    for line in run("apt-get", "indextargets", "--format", wanted, "Created-By: Packages").splitlines():
        origin, label, component, address = line.split("|", 3)
        if (origin, label, component) == ("Debian", "Debian", "main"):
            return address
    raise SystemExit("kernels: apt's sources name no mirror of Debian: add one, with `main`")


class Apt:
    """apt with one suite as its only source."""

    def __init__(self, root, suite, architecture="amd64"):
        self.architecture = architecture
        self.root = root / "apt" / f"{suite}-{architecture}"
        for part in ("state/lists/partial", "cache/archives/partial"):
            (self.root / part).mkdir(parents=True, exist_ok=True)
        (self.root / "status").write_text("")
        (self.root / "sources.list").write_text(f"deb [signed-by={KEYRING}] {mirror()} {suite} main\n")
        settings = {
            "Dir::Etc::sourcelist": self.root / "sources.list",
            "Dir::Etc::sourceparts": "-",
            "Dir::State": self.root / "state",
            "Dir::State::status": self.root / "status",
            "Dir::Cache": self.root / "cache",
            "APT::Architecture": architecture,
            "APT::Architectures": architecture,
            "APT::Sandbox::User": "root",
        }
        self.options = [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]
        run("apt-get", *self.options, "update")

    def depends(self, package):
        text = run("apt-cache", *self.options, "depends", package)
        return re.findall(r"^ *\|?(?:Pre)?Depends: (\S+)$", text, re.M)

    def version(self, package):
        return re.search(r"^Version: (.*)$", run("apt-cache", *self.options, "show", package), re.M)[1]

    def unpacked(self, package, root):
        """The directory that holds its files."""
        target = root / f"{package}_{self.version(package).replace(':', '%')}"
        if not target.exists():
            run("apt-get", *self.options, "download", package, cwd=self.root)
            (deb,) = self.root.glob(f"{package}_*.deb")
            run("dpkg-deb", "-x", deb, f"{target}.part")
            os.rename(f"{target}.part", target)
            deb.unlink()
        return target

    def installed(self, packages, root):
        """A directory that holds the files of these and of all that they need, as if they were installed."""
        target = root / f"root-{self.architecture}"
        if not target.exists():
            part = target.with_suffix(".part")
            shutil.rmtree(part, ignore_errors=True)
            run("apt-get", *self.options, "install", "-y", "--download-only", "--no-install-recommends", *packages)
            for deb in sorted((self.root / "cache/archives").glob("*.deb")):
                run("dpkg-deb", "-x", deb, part)
                deb.unlink()
            for folder in MOUNTED:
                (part / folder).mkdir(parents=True, exist_ok=True)
            os.rename(part, target)
        return target


def kernel(root, suite, architecture="amd64"):
    """(image, directory of its modules) of the suite's kernel."""
    apt = Apt(root, suite, architecture)
    (image,) = (p for p in apt.depends(f"linux-image-{architecture}") if p.startswith("linux-image-"))
    # From 6.18 or so on image and modules are packages of their own.
    parts = [p for p in apt.depends(image) if re.match(r"linux-(binary|modules)-", p)] or [image]
    folders = [apt.unpacked(p, root) for p in parts]
    (boot,) = (found for f in folders for where in ("boot", "usr/lib/modules/*") for found in f.glob(f"{where}/vmlinuz*"))
    (modules,) = {k.parent for f in folders for where in ("lib", "usr/lib") for k in f.glob(f"{where}/modules/*/kernel")}
    return boot, modules
