"""swarm_node against the docker host's own engine: nodes come up, stay themselves, and are replaced on their volume."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import docker
import pytest

from ..images import image
from .conftest import NODE_INIT


@pytest.fixture(scope="module")
def args() -> Iterator[dict[str, Any]]:
    """Parameters for a platform of its own; all that it made is taken away at the end."""
    name = f"node-{uuid.uuid4().hex[:6]}"
    yield {
        "platform": name,
        "image": image("node"),
        "subnet": "172.28.77.0/24",
        "mtu": 1400,
        "run_dir": f"/run/{name}",
        "nodes": [{"name": "manager1", "address": "172.28.77.11"}, {"name": "worker1", "address": "172.28.77.21"}],
        "init": NODE_INIT,
        "daemon": {"hosts": ["unix:///run/node/docker.sock"], "max-concurrent-downloads": 5},
    }
    outer = docker.from_env()
    for container in outer.containers.list(
        all=True, ignore_removed=True, filters={"label": f"io.fungap.platform={name}"}
    ):
        container.remove(force=True)
    for volume in outer.volumes.list(filters={"label": f"io.fungap.platform={name}"}):
        volume.remove()
    for network in outer.networks.list(names=[name]):
        network.remove()
    for node in ("manager1", "worker1"):
        directory = Path("/run", name, node)
        if directory.is_dir():
            (directory / "docker.sock").unlink(missing_ok=True)
            os.rmdir(directory)
    if Path("/run", name).is_dir():
        os.rmdir(f"/run/{name}")


def engine_id(args: dict[str, Any], node: str) -> str:
    """The identity that a node keeps on its volume."""
    return str(docker.APIClient(f"unix://{args['run_dir']}/{node}/docker.sock").info()["ID"])


Run = Callable[..., dict[str, Any]]


def test_nodes_come_up_once(args: dict[str, Any], run_module: Run) -> None:
    predicted = run_module("swarm_node", args, check=True)
    assert predicted["changed"]
    assert not Path(args["run_dir"]).exists()
    made = run_module("swarm_node", args)
    assert made["actions"] == predicted["actions"] != []
    assert engine_id(args, "manager1") != engine_id(args, "worker1")
    for check in (False, True):
        again = run_module("swarm_node", args, check=check)
        assert not again["changed"], again


def test_stopped_node_starts_again(args: dict[str, Any], run_module: Run) -> None:
    docker.from_env().containers.get(f"{args['platform']}-worker1").kill()
    result = run_module("swarm_node", args)
    assert result["actions"] == ["start node worker1 (it is exited)"]
    assert engine_id(args, "worker1")


def test_changed_settings_replace_the_container_and_keep_the_volume(args: dict[str, Any], run_module: Run) -> None:
    before = engine_id(args, "manager1")
    args["daemon"] = {**args["daemon"], "max-concurrent-downloads": 7}
    result = run_module("swarm_node", args)
    assert result["actions"] == [
        f"re-create node {node} (its settings changed; its volume is kept)" for node in ("manager1", "worker1")
    ]
    assert engine_id(args, "manager1") == before


def test_node_that_is_not_wanted_goes_only_when_pruned(args: dict[str, Any], run_module: Run) -> None:
    fewer = {**args, "nodes": args["nodes"][:1]}
    kept = run_module("swarm_node", fewer)
    assert not kept["changed"]
    assert kept["surplus"] == ["worker1"]
    gone = run_module("swarm_node", {**fewer, "prune": True})
    assert gone["actions"] == ["remove node worker1 (its volume is kept)"]
    assert [volume.name for volume in docker.from_env().volumes.list(filters={"name": f"{args['platform']}-worker1"})]


def test_other_subnet_is_refused(args: dict[str, Any], run_module: Run) -> None:
    result = run_module("swarm_node", {**args, "subnet": "172.28.78.0/24"})
    assert result["failed"]
    assert "172.28.77.0/24" in result["msg"]


def test_missing_image_is_named(args: dict[str, Any], run_module: Run) -> None:
    args = {**args, "image": "no/such:image"}
    # In check mode it may be that another role would have brought it.
    assert run_module("swarm_node", args, check=True)["changed"]
    result = run_module("swarm_node", args)
    assert result["failed"]
    assert "no/such:image" in result["msg"]
