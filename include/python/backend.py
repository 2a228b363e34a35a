# SPDX-License-Identifier: MIT
"""Builds the package: what pip calls (PEP 517), with nothing but a C compiler and Python's headers.

It needs no package to be fetched, so `pip install ./include/python` works without a network.
From a checkout pushback.h is taken from the folder above, from an sdist out of it.

    python3 backend.py DIRECTORY    puts the package there, ready to be imported

CC, CFLAGS and LDFLAGS of the environment are respected.
"""

import base64
import hashlib
import io
import os
import pathlib
import shlex
import subprocess
import sys
import sysconfig
import tarfile
import zipfile

NAME, VERSION = "pushback", "0.1"
STEM = f"{NAME}-{VERSION}"
INFO = f"{STEM}.dist-info"
HERE = pathlib.Path(__file__).resolve().parent
HEADER = next((p for p in (HERE / "pushback.h", HERE.parent / "pushback.h") if p.exists()), None)
METADATA = f"""Metadata-Version: 2.1
Name: {NAME}
Version: {VERSION}
Summary: Backpressure probes for stream consumers
License: MIT
Requires-Python: >=3.9

{(HERE / "README.md").read_text()}"""
DATE = (1980, 1, 1, 0, 0, 0)  # archives of the same files are the same

# A free-threaded interpreter has no stable ABI yet: there it is built for that version alone.
LIMITED = not sysconfig.get_config_var("Py_GIL_DISABLED")


def extension_name():
    return "_pushback.abi3.so" if LIMITED else "_pushback" + sysconfig.get_config_var("EXT_SUFFIX")


def tag():
    platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
    python = f"cp{sys.version_info[0]}{sys.version_info[1]}"
    return f"cp39-abi3-{platform}" if LIMITED else f"{python}-{python}t-{platform}"


def words(variable, default=""):
    return shlex.split(os.environ.get(variable, default))


def build_extension(directory):
    """Compiles and links it, into `directory`: the file."""
    if not HEADER:
        sys.exit(f"pushback: no pushback.h in or above {HERE}: build from a checkout or an sdist")
    include = sysconfig.get_path("include")
    if not os.path.exists(os.path.join(include, "Python.h")):
        sys.exit(f"pushback: no {include}/Python.h: install Python's headers (Debian: python3-dev)")
    made = pathlib.Path(directory) / extension_name()
    command = [
        *words("CC", "cc"),
        "-std=gnu11",
        *words("CFLAGS", "-O2 -g"),
        *(["-DPy_LIMITED_API=0x03090000"] if LIMITED else []),
        f"-I{HEADER.parent}",
        f"-I{include}",
        "-fPIC",
        "-fvisibility=hidden",
        "-shared",
        *sorted(str(path) for path in HERE.glob("src/*.c")),
        *words("LDFLAGS"),
        "-o",
        str(made),
    ]
    done = subprocess.run(command, check=False)
    if done.returncode:
        sys.exit(f"pushback: this failed: {shlex.join(command)}")
    return made


def package_files():
    return sorted(p for p in (HERE / NAME).iterdir() if p.suffix in (".py", ".pyi", ".typed"))


# ---- What pip calls ----


def metadata():
    wheel = f"Wheel-Version: 1.0\nGenerator: {NAME}\nRoot-Is-Purelib: false\nTag: {tag()}\n"
    return {f"{INFO}/METADATA": METADATA.encode(), f"{INFO}/WHEEL": wheel.encode()}


def prepare_metadata_for_build_wheel(metadata_directory, config_settings=None):
    for path, data in metadata().items():
        where = pathlib.Path(metadata_directory) / path
        where.parent.mkdir(exist_ok=True)
        where.write_bytes(data)
    return INFO


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    name = f"{STEM}-{tag()}.whl"
    files = {f"{NAME}/{path.name}": path.read_bytes() for path in package_files()}
    made = build_extension(wheel_directory)
    files[f"{NAME}/{made.name}"] = made.read_bytes()
    made.unlink()
    files |= metadata()
    record = [f"{path},{digest(data)},{len(data)}\n" for path, data in files.items()]
    files[f"{INFO}/RECORD"] = ("".join(record) + f"{INFO}/RECORD,,\n").encode()
    with zipfile.ZipFile(os.path.join(wheel_directory, name), "w") as archive:
        for path, data in files.items():
            entry = zipfile.ZipInfo(path, DATE)
            entry.external_attr = (0o100755 if path.endswith(".so") else 0o100644) << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, data)
    return name


def digest(data):
    sha = base64.urlsafe_b64encode(hashlib.sha256(data).digest())
    return "sha256=" + sha.rstrip(b"=").decode()


def build_sdist(sdist_directory, config_settings=None):
    name = f"{STEM}.tar.gz"
    own = [HERE / "README.md", HERE / "pyproject.toml", HERE / "backend.py"]
    files = {
        str(p.relative_to(HERE)): p for p in (*own, *package_files(), *HERE.glob("src/*.[ch]"))
    }
    files["pushback.h"] = HEADER
    with tarfile.open(os.path.join(sdist_directory, name), "w:gz") as archive:
        for path, source in sorted(files.items()):
            archive.add(source, f"{STEM}/{path}")
        entry = tarfile.TarInfo(f"{STEM}/PKG-INFO")
        entry.size = len(METADATA.encode())
        archive.addfile(entry, io.BytesIO(METADATA.encode()))
    return name


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: python3 backend.py DIRECTORY")
    package = pathlib.Path(sys.argv[1]) / NAME
    package.mkdir(parents=True, exist_ok=True)
    build_extension(package)
    for path in package_files():
        (package / path.name).write_bytes(path.read_bytes())


if __name__ == "__main__":
    main()
