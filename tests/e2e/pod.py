# SPDX-License-Identifier: MIT
"""The container of the DaemonSet, run as the manifest says, by a real container runtime.

PUSHBACK_IMAGE is the image to run; without one it is our program and the libraries that it is linked with.
"""

import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile

import yaml

from container import remove_group
from program import PUSHBACK, ROOT, Program, patient, run, wait_until

MANIFEST = ROOT / "tools/kubernetes/daemonset.yaml"
# What Debian's runtime takes for the default; see allowing_bpf().
SECCOMP = pathlib.Path("/usr/share/containers/seccomp.json")


def documents():
    return {one["kind"]: one for one in yaml.safe_load_all(MANIFEST.read_text())}


def pod():
    return documents()["DaemonSet"]["spec"]["template"]["spec"]


def container():
    (one,) = pod()["containers"]
    return one


def root_of_libraries(directory):
    """A root with our program, and what the loader looks for."""
    found = re.findall(r"(/\S+) \(0x", run("ldd", PUSHBACK).stdout)
    for source, to in [(PUSHBACK, "/usr/bin/pushback"), *((path, path) for path in found)]:
        target = directory / to.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)


def allowing_bpf(directory):
    """The default profile as containerd 1.7 and Docker 23 have it: bpf(2) for who has CAP_BPF."""
    profile = json.loads(SECCOMP.read_text())
    for rule in profile["syscalls"]:
        if rule["action"] == "SCMP_ACT_ERRNO":
            rule["names"] = [name for name in rule["names"] if name not in ("bpf", "perf_event_open")]
    for name, capability in (("bpf", "CAP_BPF"), ("perf_event_open", "CAP_PERFMON")):
        profile["syscalls"].append({"names": [name], "action": "SCMP_ACT_ALLOW", "args": [], "includes": {"caps": [capability]}})
    path = directory / "seccomp.json"
    path.write_text(json.dumps(profile))
    return path


class Podman:
    """A runtime with containers and images of its own; nothing of it is left."""

    def __init__(self, directory, store=None):
        self.directory = directory
        # Not our temporary directory: its path has to be short.
        self.store = store or tempfile.mkdtemp(prefix="pb-pod-", dir="/tmp")
        self.mine = not store
        self.argv = ["podman", "--runtime", "runc", "--cgroup-manager", "cgroupfs"]
        self.argv += ["--root", f"{self.store}/root", "--runroot", f"{self.store}/run", "--tmpdir", f"{self.store}/tmp"]
        self.parents = set(cgroups())

    def run(self, *words, timeout=60):
        return run(*self.argv, *words, timeout=timeout)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.run("rm", "--all", "--force", "--time=0")
        run("umount", f"{self.store}/root/overlay")
        if self.mine:
            shutil.rmtree(self.store)
        for path in set(cgroups()) - self.parents:
            for group in sorted((one for one in path.rglob("*") if one.is_dir()), reverse=True):
                remove_group(group)
            remove_group(path)


def cgroups():
    """That the runtime makes for all of its containers."""
    return pathlib.Path("/sys/fs/cgroup").glob("**/libpod_parent")


def security(context, seccomp):
    words = [f"--user={context['runAsUser']}:{context['runAsGroup']}"]
    words += [f"--cap-drop={name.lower()}" for name in context["capabilities"]["drop"]]
    words += [f"--cap-add={name.lower()}" for name in context["capabilities"]["add"]]
    words += ["--privileged"] * context["privileged"]
    words += [] if context["allowPrivilegeEscalation"] else ["--security-opt=no-new-privileges"]
    words += ["--read-only", "--read-only-tmpfs=false"] * context["readOnlyRootFilesystem"]
    assert context["seccompProfile"] == {"type": "RuntimeDefault"}
    return [*words, f"--security-opt=seccomp={seccomp}"]


def mounts(hosts):
    """`hosts` has what stands for paths of the host."""
    volumes = {one["name"]: one for one in pod()["volumes"]}
    for one in container()["volumeMounts"]:
        volume, where = volumes[one["name"]], one["mountPath"]
        if "hostPath" in volume:
            yield f"--volume={hosts[volume['hostPath']['path']]}:{where}:{'ro' if one.get('readOnly') else 'rw'}"
        else:
            assert volume["emptyDir"]["medium"] == "Memory"
            yield f"--tmpfs={where}:rw,size={volume['emptyDir']['sizeLimit'].rstrip('i')}"


class Pod(Program):
    """It runs and has attached; what `more` says is added to its arguments."""

    def __init__(self, podman, hosts, *more, seccomp=None):
        self.podman, self.name = podman, f"pushback-test-{os.getpid()}"
        words = ["run", "--rm", f"--name={self.name}", "--network=none", "--cgroupns=private", "--pid=host"]
        assert pod()["hostPID"]
        # The runtime's own defaults may be more than the machine of a test has.
        words += ["--ulimit=nofile=4096:4096", "--ulimit=nproc=1024:1024"]
        words += security(container()["securityContext"], seccomp or allowing_bpf(podman.directory))
        words += [f"--memory={container()['resources']['limits']['memory'].rstrip('i')}", *mounts(hosts)]
        image = os.environ.get("PUSHBACK_IMAGE")
        program = [] if image else ["/usr/bin/pushback"]
        if not image:
            root_of_libraries(podman.directory / "root")
        what = [image] if image else ["--rootfs", str(podman.directory / "root")]
        argv = [*podman.argv, *words, *what, *program, *container()["args"], *more]
        super().__init__(argv, stdin=subprocess.DEVNULL)

    def inside(self):
        """The agent's own process, by its number on the host."""
        done = self.podman.run("inspect", "--format", "{{.State.Pid}}", self.name)
        return int(done.stdout)

    def probe(self, kind):
        command = container()[kind]["exec"]["command"]
        return self.podman.run("exec", self.name, *command)

    def end(self):
        os.kill(self.inside(), signal.SIGTERM)
        assert self.wait(patient(30)) == 0, self.lines

    def ready(self):
        self.wait_line("^pushback: watching")
        wait_until(lambda: self.probe("readinessProbe").returncode == 0, "it never is ready")
