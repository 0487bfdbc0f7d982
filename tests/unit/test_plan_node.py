"""Every decision about nodes, a row each."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.module_utils.folder.model import marker_text
from ansible_collections.fungap.swarm.plugins.module_utils.node.model import (
    CAPABILITIES,
    Host,
    Network,
    Node,
    parse_bytes,
    parse_nodes,
    wanted_host,
)
from ansible_collections.fungap.swarm.plugins.module_utils.node.plan import SeenContainer, SeenHost, plan_nodes
from ansible_collections.fungap.swarm.plugins.plugin_utils.node import surplus_if_as_wanted

UP = SeenContainer("manager1", "spec-1", "running")


@pytest.mark.parametrize(
    ("seen", "specs", "prune", "actions"),
    [
        pytest.param((), {}, False, [], id="nothing wanted, nothing there"),
        pytest.param((), {"manager1": "spec-1"}, False, ["create node manager1"], id="fresh"),
        pytest.param((UP,), {"manager1": "spec-1"}, False, [], id="as wanted"),
        pytest.param((UP,), {"manager1": "spec-1"}, True, [], id="as wanted, prune"),
        pytest.param(
            (UP,),
            {"manager1": "spec-2"},
            False,
            ["re-create node manager1 (its settings changed; its volume is kept)"],
            id="settings changed",
        ),
        pytest.param(
            (SeenContainer("manager1", "spec-1", "exited"),),
            {"manager1": "spec-1"},
            False,
            ["start node manager1 (it is exited)"],
            id="stopped",
        ),
        pytest.param(
            (SeenContainer("manager1", "spec-1", "created"),),
            {"manager1": "spec-1"},
            False,
            ["start node manager1 (it is created)"],
            id="a run that was killed between create and start",
        ),
        pytest.param(
            (SeenContainer("manager1", "spec-0", "exited"),),
            {"manager1": "spec-1"},
            False,
            ["re-create node manager1 (its settings changed; its volume is kept)"],
            id="stopped and changed: replaced, not started first",
        ),
        pytest.param((UP,), {}, False, [], id="surplus is kept without prune"),
        pytest.param((UP,), {}, True, ["remove node manager1 (its volume is kept)"], id="surplus is removed by prune"),
        pytest.param(
            (UP,),
            {"worker1": "spec-1"},
            True,
            ["create node worker1", "remove node manager1 (its volume is kept)"],
            id="one comes, another goes",
        ),
        pytest.param(
            (UP,),
            {"manager1": "spec-1", "worker1": "spec-1"},
            False,
            ["create node worker1"],
            id="one more node leaves the others alone",
        ),
    ],
)
def test_plan(seen: tuple[SeenContainer, ...], specs: dict[str, str], prune: bool, actions: list[str]) -> None:
    planned = plan_nodes(
        network="fungap",
        subnet="172.30.0.0/24",
        mtu=1500,
        specs=specs,
        seen=SeenHost("172.30.0.0/24", 1500, seen),
        prune=prune,
    )
    assert [str(action) for action in planned] == actions


def test_network_comes_first() -> None:
    planned = plan_nodes(
        network="fungap",
        subnet="172.30.0.0/24",
        mtu=1500,
        specs={"manager1": "spec-1"},
        seen=SeenHost(None, None, ()),
        prune=False,
    )
    assert [str(action) for action in planned] == ["create network fungap", "create node manager1"]


@pytest.mark.parametrize("seen", [SeenHost("172.31.0.0/24", 1500, ()), SeenHost("172.30.0.0/24", 1400, ())])
def test_network_is_never_changed_in_place(seen: SeenHost) -> None:
    with pytest.raises(PlatformError, match="platform_subnet"):
        plan_nodes(network="fungap", subnet="172.30.0.0/24", mtu=1500, specs={}, seen=seen, prune=False)


def host(**changes: Any) -> Host:
    values: dict[str, Any] = {
        "platform": "fungap",
        "image": "fungap/node:1",
        "network": Network("fungap", "172.30.0.0/24", 1500),
        "run_dir": "/run/fungap",
        "nodes": (),
        "init": "#!/bin/sh\n",
        "daemon": {},
        "privileged": False,
        "extra_hosts": {},
    }
    return Host(**(values | changes))


def test_node_listens_on_no_port_and_keeps_its_data_on_a_named_volume() -> None:
    body = host().container(Node("manager1", "172.30.0.11"), "sha256:1")
    assert "ExposedPorts" not in body
    assert "PortBindings" not in body["HostConfig"]
    assert body["HostConfig"]["Binds"] == ["/run/fungap/manager1:/run/node", "fungap-manager1:/var/lib/docker"]


@pytest.mark.parametrize(
    ("privileged", "given"),
    [
        (True, {"Privileged": True}),
        (
            False,
            {
                "CapAdd": list(CAPABILITIES),
                "SecurityOpt": ["seccomp=unconfined", "apparmor=unconfined"],
                "MaskedPaths": [],
                "ReadonlyPaths": [],
            },
        ),
    ],
)
def test_body_of_a_node(privileged: bool, given: dict[str, Any]) -> None:
    wanted = host(privileged=privileged, extra_hosts={"registry": "172.30.0.2"}, binds=("certs:/certs:ro",))
    body = wanted.container(Node("worker1", "172.30.0.21", cpus=1.5, memory_bytes=1024), "sha256:1")
    labels = body.pop("Labels")
    assert {**labels, "io.fungap.spec": ""} == {
        "io.fungap.platform": "fungap",
        "io.fungap.node": "worker1",
        "io.fungap.spec": "",
    }
    assert body == {
        "Image": "sha256:1",
        "Hostname": "worker1",
        "Entrypoint": ["/usr/local/bin/node-init"],
        "Cmd": [],
        "StopSignal": "SIGTERM",
        "StopTimeout": 90,
        "NetworkingConfig": {"EndpointsConfig": {"fungap": {"IPAMConfig": {"IPv4Address": "172.30.0.21"}}}},
        "HostConfig": {
            "Binds": ["/run/fungap/worker1:/run/node", "fungap-worker1:/var/lib/docker", "certs:/certs:ro"],
            "CgroupnsMode": "private",
            "ExtraHosts": ["registry:172.30.0.2"],
            "NetworkMode": "fungap",
            "RestartPolicy": {"Name": "unless-stopped"},
            "NanoCpus": 1_500_000_000,
            "Memory": 1024,
            **given,
        },
    }
    assert wanted.socket("worker1") == "/run/fungap/worker1/docker.sock"


def test_files_and_volumes_of_a_node() -> None:
    wanted = host(daemon={"b": 1, "a": 2}, binds=("/etc/x:/x:ro", "certs:/certs:ro"))
    assert wanted.files() == {
        "/usr/local/bin/node-init": (0o755, "#!/bin/sh\n"),
        "/etc/docker/daemon.json": (0o644, '{\n  "a": 2,\n  "b": 1\n}\n'),
    }
    assert wanted.bound_volumes() == ["certs"]


def test_parse_nodes() -> None:
    given = [{"name": "a", "address": "1"}, {"name": "b", "address": "2", "cpus": "1.5", "memory": "1g"}]
    assert parse_nodes(given) == (Node("a", "1", 0, 0), Node("b", "2", 1.5, 1024**3))


@pytest.mark.parametrize(
    ("changes", "same"),
    [
        ({}, True),
        ({"run_dir": "/run/fungap"}, True),
        ({"init": "#!/bin/sh\n# changed\n"}, False),
        ({"daemon": {"mtu": 1400}}, False),
        ({"privileged": True}, False),
        ({"extra_hosts": {"registry": "172.30.0.2"}}, False),
    ],
)
def test_spec_label_changes_with_what_the_node_is_made_of(changes: dict[str, Any], same: bool) -> None:
    node = Node("manager1", "172.30.0.11")
    before = host().container(node, "sha256:1")["Labels"]["io.fungap.spec"]
    after = host(**changes).container(node, "sha256:1")["Labels"]["io.fungap.spec"]
    assert (before == after) is same


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        (1024, 1024),
        ("512M", 512 * 1024**2),
        ("2g", 2 * 1024**3),
        ("5b", 5),
        ("3KB", 3072),
        ("1.5GiB", 1610612736),
    ],
)
def test_parse_bytes(text: str | int, size: int) -> None:
    assert parse_bytes(text) == size


@pytest.mark.parametrize("text", ["", "lots", "12X"])
def test_parse_bytes_refuses(text: str) -> None:
    with pytest.raises(ValueError, match="could not convert"):
        parse_bytes(text)


IMAGE = "sha256:" + "a" * 64
PARAMS = {
    "platform": "fungap",
    "image": IMAGE,
    "subnet": "172.30.0.0/24",
    "mtu": 1500,
    "run_dir": "/run/fungap",
    "owner": "",
    "platform_ids": ["id-1"],
    "own_folders": ["/run/fungap"],
    "nodes": [{"name": "manager1", "address": "172.30.0.11", "cpus": 0, "memory": "2G"}],
    "init": "exec dockerd",
    "daemon": {},
    "privileged": False,
    "extra_hosts": {},
    "binds": [],
    "prune": False,
}


def looked(**changed: Any) -> dict[str, Any]:
    """The fact of a docker host whose one node is as PARAMS want it, with parts of the node's row changed."""
    host = wanted_host(PARAMS)
    spec = host.container(host.nodes[0], IMAGE)["Labels"]["io.fungap.spec"]
    row = {"name": "fungap-manager1", "platform": "fungap", "node": "manager1", "spec": spec, "state": "running"}
    network = {"name": "fungap", "platform": "fungap", "subnets": ["172.30.0.0/24"], "mtu": 1500}
    edge = {"name": "fungap-edge", "platform": "fungap", "node": "", "spec": "x", "state": "exited"}
    marker = marker_text("fungap", "id-1")
    folder = {"kind": "directory", "marker": marker, "names": [], "registry_logins": []}
    return {
        "docker": {"containers": [{**row, **changed}, edge], "networks": [network]},
        "own_folders": {"/run/fungap": folder},
    }


@pytest.mark.parametrize(
    ("params", "facts", "surplus"),
    [
        pytest.param({}, looked(), [], id="as wanted"),
        pytest.param({"nodes": []}, looked(), ["manager1"], id="one more than is wanted, which stays"),
        pytest.param({"nodes": [], "prune": True}, looked(), None, id="and goes"),
        pytest.param({}, looked(state="exited"), None, id="stopped"),
        pytest.param({}, looked(spec="older"), None, id="of other settings"),
        pytest.param({"init": "exec dockerd --debug"}, looked(), None, id="another init"),
        pytest.param({}, looked(node="worker1"), None, id="missing"),
        pytest.param({}, looked(platform="other"), None, id="another platform's"),
        pytest.param({"image": "node:1"}, looked(), None, id="an image whose ID nobody has looked up"),
        pytest.param({"mtu": 1400}, looked(), None, id="another MTU, which the module refuses"),
        pytest.param({"subnet": "172.31.0.0/24"}, looked(), None, id="another subnet, which the module refuses"),
        pytest.param({"nodes": [{**PARAMS["nodes"][0], "memory": "much"}]}, looked(), None, id="no memory"),
        pytest.param({"platform_ids": ["id-2"]}, looked(), None, id="the folder of another platform of that name"),
        pytest.param({"own_folders": ["/run/fungap", "/etc/fungap"]}, looked(), None, id="a folder not looked at"),
        pytest.param({}, {**looked(), "own_folders": {}}, None, id="no folder looked at"),
        pytest.param({}, {**looked(), "docker": {"containers": [], "networks": []}}, None, id="nothing there"),
    ],
)
def test_what_a_look_shows_to_be_as_wanted(
    params: dict[str, Any], facts: dict[str, Any], surplus: list[str] | None
) -> None:
    assert surplus_if_as_wanted({**PARAMS, **params}, facts) == surplus
