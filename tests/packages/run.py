#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The Debian packages in the life that they are made for: `make test-packages`.

Two versions are built, and each kernel's machine installs, runs, upgrades and purges them, under a real
systemd: see service.py. Ends with 1 if anything failed.
"""

import argparse
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import machine
import packages

TREE = Path(__file__).resolve().parents[2]
NEXT = "0.2~next"
PATIENCE = 10
# All that it has to say, down to the pedantic.
LINTIAN = "--allow-root --no-cfg --display-info --pedantic --fail-on error,warning,info,pedantic".split()
COMMAND = """\
export PUSHBACK_BUILD='/opt{build}' PUSHBACK_TEST_PATIENCE={patience} HOME=/root PUSHBACK_DEBS='/opt{debs}'
export PUSHBACK_VERSIONS='{versions}' PYTHONPATH='/opt{tree}/tests/e2e'
mount --make-rprivate /opt
cd /tmp && /usr/bin/python3 -B -m pytest -p no:cacheprovider -x -v -rs --tb=short --durations=0 \\
	--rootdir=/tmp '/opt{tree}/tests/packages/service.py'
"""


def build(tree, where, version):
    """The packages of a version, made as a user makes them; not those of debug symbols."""
    subprocess.run(["make", "-C", tree, "deb", f"B={where}", f"VERSION={version}"], check=True)
    (changes,) = (where / "deb").glob(f"*_{version}_*.changes")
    subprocess.run(["lintian", *LINTIAN, changes], check=True)
    return [deb for deb in sorted((where / "deb").glob(f"*_{version}_*.deb")) if "-dbgsym" not in deb.name]


def try_on(name, options, debs, versions):
    """Whether all went well there; what it said is in its directory."""
    results = options.work / name
    image = packages.kernel(packages.cache(options.build), packages.SUITES[name])
    disk = machine.disk(options.work, debs)
    command = COMMAND.format(
        build=options.build, patience=PATIENCE, debs=debs[0].parent, versions=" ".join(versions), tree=TREE
    )
    began = time.monotonic()
    status, problem = machine.boot(image, command, results, disk, TREE, options.limit)
    said = (results / "output").read_text() if (results / "output").exists() else ""
    print(said if status else "\n".join(re.findall(r"^.*?(\w+ (?:PASSED|SKIPPED)).*$", said, re.M)))
    closing = (said.splitlines() or ["nothing"])[-1].strip("= ")
    print(f"packages: {name}: {closing}; {time.monotonic() - began:.0f} s {problem}", flush=True)
    return status == 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build", type=Path)
    parser.add_argument("--kernels", default="6.12 6.1", help="of those of tests/kernels (%(default)s)")
    parser.add_argument("--limit", type=float, default=2400, help="seconds for each machine (%(default)s)")
    options = parser.parse_args()
    options.build = options.build.resolve()
    options.work = options.build / "packages"
    options.work.mkdir(parents=True, exist_ok=True)
    present = re.search(r"^VERSION := (\S+)$", (TREE / "Makefile").read_text(), re.M)[1]
    # All in one, so that what has not changed is not built again.
    debs = [deb for version in (present, NEXT) for deb in build(TREE, options.work / version, version)]
    together = options.work / "debs"
    together.mkdir(exist_ok=True)
    for old in together.iterdir():
        old.unlink()
    debs = [Path(os.link(deb, together / deb.name) or together / deb.name) for deb in debs]
    failed = [name for name in options.kernels.split() if not try_on(name, options, debs, (present, NEXT))]
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
