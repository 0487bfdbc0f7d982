"""A node's init in the catalog's own node image: whatever ends a node, it comes back as the same engine."""

from __future__ import annotations

import json
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import docker
import pytest

from ansible_collections.fungap.swarm.plugins.module_utils.docker.engine import Engine

from ..waiting import patience, until, wait_for
from .test_image_catalog import real_catalog

ROOT = Path(__file__).resolve().parents[2]
DAEMON = {
    "hosts": ["unix:///run/docker.sock", "unix:///run/node/docker.sock"],
    "bip": "10.199.0.1/24",
    "exec-opts": ["native.cgroupdriver=cgroupfs"],
    "shutdown-timeout": 20,
}


class NodeUnderTest:
    """One container with node-init as its entrypoint. ``daemon``: settings of its engine in addition."""

    def __init__(self, image: str, folder: Path, daemon: Mapping[str, Any] | None = None) -> None:
        self.name = f"im-{uuid.uuid4().hex[:6]}"
        self.outer = docker.from_env()
        self.socket_dir = folder / "run"
        (folder / "daemon.json").write_text(json.dumps({**DAEMON, **(daemon or {})}))
        api = self.outer.api
        config = api.create_host_config(
            binds=[
                f"{self.socket_dir}:/run/node",
                f"{self.name}:/var/lib/docker",
                f"{ROOT}/roles/swarm_node/files/node-init:/usr/local/bin/node-init:ro",
                f"{folder}/daemon.json:/etc/docker/daemon.json:ro",
            ],
            cap_add=["SYS_ADMIN", "NET_ADMIN", "SYS_PTRACE", "SYSLOG", "SYS_NICE", "IPC_LOCK", "DAC_READ_SEARCH"],
            security_opt=["seccomp=unconfined", "apparmor=unconfined"],
        )
        config.update({"MaskedPaths": [], "ReadonlyPaths": [], "CgroupnsMode": "private"})
        api.create_container(
            image, name=self.name, hostname="node", entrypoint=["/usr/local/bin/node-init"], host_config=config
        )
        self.container = self.outer.containers.get(self.name)

    def start(self) -> docker.APIClient:
        """Start it; its engine, as soon as that answers."""
        self.container.start()
        return self.engine()

    def engine(self) -> docker.APIClient:
        return until(lambda: docker.APIClient(f"unix://{self.socket_dir}/docker.sock", version="auto", timeout=30), 60)

    def run(self, command: str) -> str:
        code, output = Engine("/var/run/docker.sock").containers.exec(self.name, ["sh", "-c", command])
        assert code == 0, output
        return output

    def close(self) -> None:
        self.container.remove(force=True)
        self.outer.volumes.get(self.name).remove()


@pytest.fixture
def node(run_module: Callable[..., dict[str, Any]], request: pytest.FixtureRequest) -> Iterator[NodeUnderTest]:
    """A parameter is settings of its engine."""
    built = run_module("image_catalog", {"catalog": real_catalog(), "names": ["node"]})
    with tempfile.TemporaryDirectory(prefix="im-", dir="/run") as folder:
        under_test = NodeUnderTest(built["images"]["node"]["id"], Path(folder), getattr(request, "param", None))
        yield under_test
        under_test.close()


def test_a_node_survives_its_ends(node: NodeUnderTest) -> None:
    engine = node.start()
    info = engine.info()
    assert info["Driver"] == "overlay2"
    assert info["DefaultRuntime"] == "crun"
    assert node.socket_dir.stat().st_mode & 0o777 == 0o700
    assert int(node.run("cat /proc/sys/fs/inotify/max_user_instances")) >= 8192

    # A container of the node's own root file system, no image needed from elsewhere.
    node.run("cd / && tar -c bin sbin lib lib64 usr/bin usr/lib usr/lib64 etc | docker import - own >/dev/null")
    node.run("docker run -d --name keeper --restart always own sleep 1000000")
    for _ in range(3):
        node.run("docker run --rm --memory 64m own true")
    # What has just ended may be seen before its parent has heard of it.
    wait_for("orphans to be reaped", lambda: " Z" not in node.run("ps -A -o pid,stat"), 10)

    node.container.kill()
    again = node.start()
    assert again.info()["ID"] == info["ID"]
    assert _running(again) == ["/keeper"]

    node.container.restart(timeout=60)
    again = node.engine()
    assert again.info()["ID"] == info["ID"]
    assert _running(again) == ["/keeper"]

    begin = time.monotonic()
    node.container.stop(timeout=60)
    assert time.monotonic() - begin < 40 * patience(), "the engine heard the signal"
    node.container.reload()
    assert node.container.attrs["State"]["ExitCode"] == 0


@pytest.mark.parametrize("node", [{"default-runtime": "runc"}], indirect=True)
def test_a_runtime_that_the_operator_names_stays(node: NodeUnderTest) -> None:
    assert node.start().info()["DefaultRuntime"] == "runc"


def _running(engine: docker.APIClient) -> list[str]:
    """Names of running containers, once the engine has brought them back."""
    return until(lambda: [container["Names"][0] for container in engine.containers()], 10)
