# SPDX-License-Identifier: MIT
"""Where something is in a program's file, as readelf says."""

import re
import subprocess

from bench import done


def readelf(option, program):
    command = ["readelf", option, program]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def segments(program):
    """(offset, address, size in the file) of what is mapped."""
    found = re.findall(r"^\s+LOAD\s+(\S+) (\S+) \S+ (\S+)", readelf("-lW", program), re.M)
    return [tuple(int(number, 16) for number in numbers) for numbers in found]


def in_file(program, address):
    """Of an address as the file's headers have it."""
    for offset, start, size in segments(program):
        if start <= address < start + size:
            return address - start + offset
    return done(f"{program} has nothing at {address:#x}")


def functions(program, names):
    """{name: offset}; ends the benchmark if one is not there."""
    pattern = r"^\s*\d+: ([0-9a-f]+)\s+\d+ FUNC\s+\S+ +\S+ +\d+ (\S+)"
    found = re.findall(pattern, readelf("-sW", program), re.M)
    addresses = {name: int(address, 16) for address, name in found}
    missing = [name for name in names if name not in addresses]
    if missing:
        done(f"{program} has no function {' '.join(missing)}")
    return {name: in_file(program, addresses[name]) for name in names}


def usdt(program, provider, probe):
    """[(offset, the semaphore's offset or 0)] of all sites of a probe."""
    pattern = r"Provider: (\S+)\s+Name: (\S+)\s+Location: (\S+), Base: \S+, Semaphore: (\S+)"
    places = []
    for its_provider, name, at, semaphore in re.findall(pattern, readelf("-nW", program)):
        if (its_provider, name) == (provider, probe):
            semaphore = int(semaphore, 16)
            places.append((in_file(program, int(at, 16)), semaphore and in_file(program, semaphore)))
    return places or done(f"{program} has no probe {provider}:{probe}")
