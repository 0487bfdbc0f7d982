# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Docker-in-Docker nodes: what is wanted on one docker host, and the container that each becomes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

PLATFORM_LABEL = "io.fungap.platform"
NODE_LABEL = "io.fungap.node"
SPEC_LABEL = "io.fungap.spec"

# Where the container's own side of things lives; the init script and the engine's configuration are copied in there.
INIT_PATH = "/usr/local/bin/node-init"
CONFIG_PATH = "/etc/docker/daemon.json"
SOCKET_DIR = "/run/node"

# What dockerd needs where the kernel does not grant everything (``--privileged`` fails there).
CAPABILITIES = ("DAC_READ_SEARCH", "IPC_LOCK", "NET_ADMIN", "SYSLOG", "SYS_ADMIN", "SYS_NICE", "SYS_PTRACE")


def bridge_mtu(network: Mapping[str, Any]) -> int:
    """Of an element of ``GET /networks``, in bytes."""
    return int((network.get("Options") or {}).get("com.docker.network.driver.mtu", 1500))


@dataclass(frozen=True)
class Network:
    """The bridge between the nodes of one docker host. ``subnet`` in CIDR notation, ``mtu`` in bytes."""

    name: str
    subnet: str
    mtu: int


@dataclass(frozen=True)
class Node:
    """One wanted node. ``cpus`` 0 and ``memory_bytes`` 0 mean no limit."""

    name: str
    address: str
    cpus: float = 0
    memory_bytes: int = 0


@dataclass(frozen=True)
class Host:
    """All that one docker host is to carry for one platform.

    ``init`` and ``daemon`` are the contents of the nodes' init script and of their daemon.json.
    ``privileged`` chooses between ``--privileged`` and the explicit capability list.
    ``extra_hosts`` maps names to addresses for the nodes' engines. ``binds`` are further host:node[:ro] mounts.
    """

    platform: str
    image: str
    network: Network
    run_dir: str
    nodes: tuple[Node, ...]
    init: str
    daemon: Mapping[str, Any]
    privileged: bool
    extra_hosts: Mapping[str, str]
    binds: tuple[str, ...] = ()
    stop_seconds: int = 90

    def container_name(self, node: str) -> str:
        """Name of the node's container, and of its volume."""
        return f"{self.platform}-{node}"

    def socket(self, node: str) -> str:
        """Path of the node's engine socket on the docker host."""
        return f"{self.run_dir}/{node}/docker.sock"

    def files(self) -> dict[str, tuple[int, str]]:
        """Files that are copied into each node before it starts: path -> (mode, content)."""
        return {
            INIT_PATH: (0o755, self.init),
            CONFIG_PATH: (0o644, json.dumps(dict(self.daemon), indent=2, sort_keys=True) + "\n"),
        }

    def bound_volumes(self) -> list[str]:
        """The volumes among ``binds``."""
        return [source for bind in self.binds if not (source := bind.split(":", 1)[0]).startswith("/")]

    def container(self, node: Node, image_id: str) -> dict[str, Any]:
        """The body of ``POST /containers/create`` for ``node``, its spec label included."""
        name = self.container_name(node.name)
        host_config: dict[str, Any] = {
            "Binds": [f"{self.run_dir}/{node.name}:{SOCKET_DIR}", f"{name}:/var/lib/docker", *self.binds],
            "CgroupnsMode": "private",
            "ExtraHosts": [f"{host}:{address}" for host, address in sorted(self.extra_hosts.items())],
            "NetworkMode": self.network.name,
            "RestartPolicy": {"Name": "unless-stopped"},
            "NanoCpus": int(node.cpus * 1_000_000_000),
            "Memory": node.memory_bytes,
        }
        if self.privileged:
            host_config["Privileged"] = True
        else:
            host_config.update(
                CapAdd=list(CAPABILITIES),
                SecurityOpt=["seccomp=unconfined", "apparmor=unconfined"],
                MaskedPaths=[],
                ReadonlyPaths=[],
            )
        body: dict[str, Any] = {
            "Image": image_id,
            "Hostname": node.name,
            "Entrypoint": [INIT_PATH],
            "Cmd": [],
            "StopSignal": "SIGTERM",
            "StopTimeout": self.stop_seconds,
            "HostConfig": host_config,
            "NetworkingConfig": {"EndpointsConfig": {self.network.name: {"IPAMConfig": {"IPv4Address": node.address}}}},
        }
        spec = json.dumps([body, self.files()], sort_keys=True)
        body["Labels"] = {
            PLATFORM_LABEL: self.platform,
            NODE_LABEL: node.name,
            SPEC_LABEL: hashlib.sha256(spec.encode()).hexdigest(),
        }
        return body


_UNITS = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3}


def parse_bytes(text: str | int) -> int:
    """``"512M"``, ``"2g"``, ``"1.5GiB"`` or a plain number of bytes -> bytes. Raises ``ValueError``."""
    value = str(text).strip().lower().removesuffix("ib").removesuffix("b")
    unit = value[-1:] if value[-1:] in _UNITS else ""
    return int(float(value.removesuffix(unit)) * _UNITS[unit])


def parse_nodes(raw: Sequence[Mapping[str, Any]]) -> tuple[Node, ...]:
    """Nodes from the module's parameters (sizes as an operator writes them). Raises ``ValueError``."""
    return tuple(
        Node(
            name=node["name"],
            address=node["address"],
            cpus=float(node.get("cpus") or 0),
            memory_bytes=parse_bytes(node.get("memory") or 0),
        )
        for node in raw
    )


def wanted_host(params: Mapping[str, Any]) -> Host:
    """What the parameters of the module ask for. Raises ``ValueError``."""
    return Host(
        platform=params["platform"],
        image=params["image"],
        network=Network(params["platform"], params["subnet"], params["mtu"]),
        run_dir=params["run_dir"],
        nodes=parse_nodes(params["nodes"]),
        init=params["init"],
        daemon=params["daemon"],
        privileged=params["privileged"],
        extra_hosts=params["extra_hosts"],
        binds=tuple(params["binds"]),
    )
