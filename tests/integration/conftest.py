"""Real engines for the module tests: each is a Docker-in-Docker node with nothing but a unix socket."""

from __future__ import annotations

import json
import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import docker
import pytest

from ansible_collections.fungap.swarm.plugins.module_utils.docker.engine import Engine
from ansible_collections.fungap.swarm.plugins.module_utils.node.model import Host, Network
from ansible_collections.fungap.swarm.plugins.module_utils.node.model import Node as ModelNode

from .. import checkout, debian
from ..images import image
from ..timeline import lane, span
from ..waiting import wait_for
from ..warm_ansible import ansible_playbook

ROOT = Path(__file__).resolve().parents[2]
NODE_INIT = (ROOT / "roles" / "swarm_node" / "files" / "node-init").read_text()
DAEMON = {
    "hosts": ["unix:///run/docker.sock", "unix:///run/node/docker.sock"],
    "bip": "10.199.0.1/24",
    "default-address-pools": [{"base": "10.200.0.0/16", "size": 24}],
}


@cache
def busybox_program() -> bytes:
    """A static busybox, from the distribution's package: what the smallest images are made of."""
    with tempfile.TemporaryDirectory() as folder:
        debian.unpack("busybox-static", Path(folder))
        return next(Path(folder).glob("**/bin/busybox")).read_bytes()


@pytest.fixture(scope="session")
def busybox() -> bytes:
    return busybox_program()


@dataclass(frozen=True)
class Node:
    """One engine under test. ``socket`` as the modules see it, ``address`` on the test network."""

    name: str
    container: str
    socket: str
    address: str

    @property
    def api(self) -> docker.APIClient:
        return docker.APIClient(base_url=f"unix://{self.socket}", version="auto", timeout=30)


class Lab:
    """Engines on a network of their own; everything carries one prefix and goes away at the end.

    ``node_image``: another one than the catalog's. ``daemon``: settings of the engines in addition.
    """

    def __init__(self, node_image: str = "", daemon: Mapping[str, Any] | None = None) -> None:
        self.prefix = f"t{checkout.SLOT}-lab-{lane()}-{uuid.uuid4().hex[:4]}"
        self.outer = docker.from_env()
        self.image = node_image or image("node")
        self.daemon = {**DAEMON, **(daemon or {})}
        self.run_dir = Path(tempfile.mkdtemp(prefix=self.prefix, dir="/run"))
        self.run_dir.chmod(0o700)
        self.nodes: dict[str, Node] = {}
        self.network = self._create_network()

    def _create_network(self) -> Any:
        for third in range(1, 250):
            self.subnet = f"172.29.{third}"
            pool = docker.types.IPAMPool(subnet=f"{self.subnet}.0/24")
            try:
                return self.outer.networks.create(self.prefix, ipam=docker.types.IPAMConfig(pool_configs=[pool]))
            except docker.errors.APIError as error:
                if "overlap" not in str(error):
                    raise
        raise RuntimeError("no free subnet in 172.29.0.0/16")

    def start(self, *names: str) -> list[Node]:
        """Start nodes and wait until each engine answers."""
        with span("engines start"):
            for name in names:
                self.create(name)
            for name in names:
                self.wait(name)
        return [self.nodes[name] for name in names]

    def create(self, name: str, address: str | None = None) -> Node:
        address = address or f"{self.subnet}.{10 + len(self.nodes)}"
        socket_dir = self.run_dir / name
        container = f"{self.prefix}-{name}"
        # The real thing: what the module swarm_node would make.
        host = Host(
            platform=self.prefix,
            image=self.image,
            network=Network(self.prefix, f"{self.subnet}.0/24", 1500),
            run_dir=str(self.run_dir),
            nodes=(),
            init=NODE_INIT,
            daemon=self.daemon,
            privileged=False,
            extra_hosts={},
        )
        engine = Engine("/var/run/docker.sock")
        engine.volumes.create(container, {})
        engine.containers.create(container, host.container(ModelNode(name, address), self.image), host.files())
        api = self.outer.api
        api.start(container)
        self.nodes[name] = Node(name, container, str(socket_dir / "docker.sock"), address)
        return self.nodes[name]

    def wait(self, name: str, deadline_seconds: float = 60) -> None:
        wait_for(f"the engine of {name}", lambda: self.nodes[name].api.ping(), deadline_seconds)

    def stop(self, name: str) -> None:
        self.outer.containers.get(self.nodes[name].container).kill()

    def restart(self, name: str) -> None:
        self.outer.containers.get(self.nodes[name].container).restart(timeout=20)
        self.wait(name)

    def remove(self, name: str, *, volume: bool = True) -> None:
        node = self.nodes.pop(name)
        self.outer.containers.get(node.container).remove(force=True)
        if volume:
            self.outer.volumes.get(node.container).remove()

    def copy_image(self, image: str, *names: str) -> None:
        """Load an image of the outer engine into nodes."""
        for name in names:
            self.nodes[name].api.load_image(b"".join(self.outer.images.get(image).save()))

    def close(self) -> None:
        with span("engines are taken away"):
            for name in list(self.nodes):
                self.remove(name)
            self.network.remove()
            shutil.rmtree(self.run_dir)


@pytest.fixture
def engines() -> Iterator[Lab]:
    """A lab for one test."""
    lab = Lab()
    yield lab
    lab.close()


@pytest.fixture(scope="module")
def shared_engines() -> Iterator[Lab]:
    """A lab for all tests of a file: for those that leave it as they found it."""
    lab = Lab()
    yield lab
    lab.close()


@pytest.fixture(scope="session")
def run_module() -> Callable[..., dict[str, Any]]:
    """Run one task of this collection on this machine as Ansible would; return the task's result, failed or not."""

    def run(name: str, args: dict[str, Any], *, check: bool = False) -> dict[str, Any]:
        play = [
            {
                "hosts": "localhost",
                "connection": "local",
                "gather_facts": False,
                "vars": {"ansible_python_interpreter": "{{ ansible_playbook_python }}"},
                "tasks": [{"fungap.swarm." + name: args, "register": "result", "ignore_errors": True}],
            }
        ]
        with tempfile.NamedTemporaryFile("w", suffix=".yml") as playbook:
            json.dump(play, playbook)
            playbook.flush()
            options = ["--diff", *(["--check"] if check else [])]
            with span(f"module {name}"):
                done = ansible_playbook("ansible.posix.json").run("-i", "localhost,", *options, playbook.name)
        try:
            # A rollout's progress is told before the callback writes its JSON.
            report, _ = json.JSONDecoder().raw_decode(done.output[done.output.index("{\n") :])
            task = report["plays"][0]["tasks"][0]
        except (ValueError, LookupError):
            raise AssertionError(f"ansible-playbook failed:\n{done.output}") from None
        result: dict[str, Any] = task["hosts"]["localhost"]
        return result

    return run
