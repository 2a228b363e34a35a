# SPDX-License-Identifier: MIT
"""Ports of which the kernel gives none by itself: one that is let go for a while is still there, beside other tests."""

import errno
import random
import socket

PORTS = range(15000, 32768)


def bind_free(s, host):
    """A socket to one that nobody has."""
    for port in random.sample(PORTS, 100):
        try:
            return s.bind((host, port))
        except OSError as e:
            if e.errno != errno.EADDRINUSE:
                raise
    raise OSError(errno.EADDRINUSE, "a hundred ports are all taken")


def free_port(kind=socket.SOCK_DGRAM):
    with socket.socket(socket.AF_INET, kind) as s:
        bind_free(s, "127.0.0.1")
        return s.getsockname()[1]
