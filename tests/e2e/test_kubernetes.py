# SPDX-License-Identifier: MIT
"""The DaemonSet's manifest: it asks for what the agent keeps and no more, and in a container that is made as it
says, by a real runtime, the agent counts exactly."""

import contextlib
import os
import re

import pytest

import typed
from agent import PREFIX, Agent, TimedReceiver
from container import CONTAINER
from container import container as container_of_a_consumer
from driver import Driver
from instrumented import BY, except_by
from kernel import MULTI
from pinning import bpf_file_system, unpin
from pod import SECCOMP, Pod, Podman, container, documents, pod
from program import ROOT
from scene import expect, nothing_lost, one, refuse, refused
from test_discovery import NAME, refuse_some
from test_privilege import KEPT, mask, states

MINE = ["--match-name", NAME, "--interval", "1s", "--tag-from", "pid=pid"]


# ---- What it asks for ----


def test_capabilities_are_those_that_the_agent_keeps():
    """By its source; that it keeps them indeed is another test's."""
    source = (ROOT / "userspace/privilege.c").read_text()
    kept = re.findall(r'"(CAP_\w+)"', source.partition("kept[] = {")[2].partition("\n};")[0])
    wanted = container()["securityContext"]["capabilities"]
    assert wanted["drop"] == ["ALL"]
    assert [f"CAP_{name}" for name in wanted["add"]] == kept == KEPT


def test_labels_meet_their_selector():
    spec = documents()["DaemonSet"]["spec"]
    assert spec["selector"]["matchLabels"].items() <= spec["template"]["metadata"]["labels"].items()
    assert documents()["DaemonSet"]["metadata"]["namespace"] == documents()["Namespace"]["metadata"]["name"]


def test_each_mount_has_its_volume_and_each_option_its_mount():
    mounted = {mount["name"]: mount["mountPath"] for mount in container()["volumeMounts"]}
    assert set(mounted) == {volume["name"] for volume in pod()["volumes"]}
    (socket,) = re.findall(r"--statsd=unixgram://(\S+)", " ".join(container()["args"]))
    assert os.path.dirname(socket) == mounted["statsd"]
    assert mounted["bpf"] == "/sys/fs/bpf" and "--pin" in container()["args"]


def test_image_and_version_agree():
    version = re.search(r"^VERSION := (\S+)$", (ROOT / "Makefile").read_text(), re.M)[1]
    assert container()["image"] == f"pushback:{version}"


@pytest.mark.parametrize("kind,module", [("Namespace", "core/v1"), ("DaemonSet", "apps/v1")])
def test_it_is_of_kubernetes_types(tmp_path, kind, module):
    assert typed.complaints(tmp_path, f"kubernetes-types/{module}", kind, documents()[kind]) == ""


# ---- Run as it says ----


class Node(Agent):
    """What of a host the container gets: a bpf file system, and a statsd server's directory with its socket."""

    def __init__(self, directory, bpffs):
        self.statsd = directory / "datadog"
        self.statsd.mkdir(mode=0o755)
        self.hosts = {"/sys/fs/bpf": bpffs, "/var/run/datadog": self.statsd}
        self.receiver = TimedReceiver()
        self.receiver.start(f"unixgram://{self.statsd}/dsd.socket")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.receiver.stop()


IN_THE_IMAGE = except_by("valgrind", reason="the image has our program, and not what runs it")


@pytest.fixture(name="podman", scope="module")
def a_runtime(tmp_path_factory):
    with Podman(tmp_path_factory.mktemp("pod"), os.environ.get("PUSHBACK_IMAGES")) as podman:
        yield podman


def confined_as_it_says(pid):
    for task in states(pid):
        wanted = {"CapInh": 0, "CapPrm": mask(KEPT), "CapEff": mask(KEPT), "CapBnd": mask(KEPT), "CapAmb": 0}
        # Without CAP_SETPCAP the bounding set stays: no_new_privs lets nothing out of it.
        assert {field: int(task[field], 16) for field in wanted} == wanted
        assert task["NoNewPrivs"] == "1" and task["Seccomp"] == "2"
        assert int(task["Seccomp_filters"]) == (1 if BY else 2)
        assert set(task["Uid"].split()) == {"0"}


@IN_THE_IMAGE
@MULTI
def test_the_agent_counts_in_its_container(podman, tmp_path):
    """Consumers of the host, through a restart of the pod; it is ready once it has attached."""
    with bpf_file_system() as bpffs, Node(tmp_path, bpffs) as node, Driver(tmp_path, name=NAME) as driver:
        with Pod(podman, node.hosts, *MINE) as agent:
            agent.ready()
            assert driver.semaphore() == 4
            confined_as_it_says(agent.inside())
            told = refuse_some(driver)
            assert agent.probe("livenessProbe").returncode == 0
            agent.end()
        assert driver.semaphore() == 4, "it was not pinned"
        told.append(refuse(driver))
        with Pod(podman, node.hosts, *MINE) as agent:
            agent.ready()
            told.append(refuse(driver))
            agent.end()
        expect(one(node, pid=driver.pid), *[refused(*episode) for episode in told], submit_accepted=len(told))
        nothing_lost(node)
        assert not node.receiver.errors
        assert unpin(bpffs).returncode == 0
        assert driver.let_go()


@IN_THE_IMAGE
@MULTI
def test_a_consumers_container_is_its_origin(podman, tmp_path):
    """It is told from the agent's own cgroup namespace."""
    with bpf_file_system() as bpffs, Node(tmp_path, bpffs) as node, contextlib.ExitStack() as stack:
        enter = stack.enter_context(container_of_a_consumer(tmp_path))
        driver = stack.enter_context(Driver(tmp_path, name=NAME))
        enter(driver.pid)
        with Pod(podman, node.hosts, *MINE) as agent:
            agent.ready()
            refuse_some(driver)
            agent.end()
        keys = {tags for name, tags in node.receiver.counters if name.startswith(PREFIX)}
        assert keys and all(f"|c:{CONTAINER}" in tags for tags in keys)
        assert unpin(bpffs).returncode == 0


@IN_THE_IMAGE
@MULTI
def test_where_the_runtimes_profile_refuses_bpf(podman, tmp_path):
    """It says what is refused, and ends with 3."""
    with bpf_file_system() as bpffs, Node(tmp_path, bpffs) as node:
        with Pod(podman, node.hosts, *MINE, seccomp=SECCOMP) as agent:
            assert agent.wait() == 3, agent.lines
            assert len(agent.lines) == 1, agent.lines
