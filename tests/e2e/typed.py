# SPDX-License-Identifier: MIT
"""Data held against the types that its users publish, by TypeScript's compiler: a field that they do not know is
an error, as is a value of another kind."""

import json

from program import run
from statsd_servers import NPM, installed

PACKAGES = ("typescript@5.4.5", "kubernetes-types@1.30.0", "@grafana/schema@11.0.0")


def complaints(directory, module, kind, data):
    """What the compiler says of `data` as a `kind` of `module`; "" if nothing."""
    compiler = installed("typescript/bin/tsc", *PACKAGES)
    source = f'import type {{ {kind} }} from "{module}";\nexport const it: {kind} = {json.dumps(data, indent=1)};\n'
    (directory / "it.ts").write_text(source)
    (directory / "node_modules").symlink_to(NPM / "node_modules")
    options = ["--noEmit", "--strict", "--skipLibCheck", "--moduleResolution", "node", "--target", "es2020"]
    done = run("node", compiler, *options, "it.ts", cwd=directory)
    return done.stdout + done.stderr
