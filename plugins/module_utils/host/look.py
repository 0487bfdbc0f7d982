# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a docker host is and has, read from /proc, /sys and the engine's socket with nothing but the standard library.

It works before anything is installed, so it does not use the Docker SDK. Parsers take text and are pure; ``look``
reads below ``root``, so that tests can show it another machine.
"""

from __future__ import annotations

import http.client
import importlib.util
import ipaddress
import json
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import time
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any
from urllib.parse import quote

from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.module_utils.docker.program import parse_version, search_path
from ansible_collections.fungap.swarm.plugins.module_utils.folder.model import mounts_of
from ansible_collections.fungap.swarm.plugins.module_utils.host.hosts_file import parse_lines
from ansible_collections.fungap.swarm.plugins.module_utils.node.model import (
    NODE_LABEL,
    PLATFORM_LABEL,
    SPEC_LABEL,
    bridge_mtu,
)
from ansible_collections.fungap.swarm.plugins.module_utils.stack.model import REVISION_LABEL

Json = dict[str, Any]

# What a swarm uses of the kernel. The routing mesh and VIPs need the first three.
IPVS_MODULES = ("ip_vs", "ip_vs_rr", "xt_ipvs")
MODULES = (*IPVS_MODULES, "overlay", "vxlan", "br_netfilter")
CAP_SYS_MODULE = 16
# The kernel parameters that role docker_engine sets.
PARAMETERS = ("fs.inotify.max_user_instances", "fs.inotify.max_user_watches", "net.ipv4.ip_forward")
# Where a built-in module shows that it is there, when the kernel comes without a modules folder.
TRACES = {
    "ip_vs": ("proc/net/ip_vs",),
    "ip_vs_rr": ("proc/net/ip_vs",),
    "xt_ipvs": ("proc/net/ip_vs",),
    "br_netfilter": ("proc/sys/net/bridge/bridge-nf-call-iptables",),
}
RECORDS = quote(json.dumps({"label": [REVISION_LABEL]}))
PLATFORMS = quote(json.dumps({"label": [PLATFORM_LABEL]}))


def cli_version() -> str:
    """The docker CLI's version, as 26.1.5; '' where there is none that says it."""
    docker_cli = shutil.which("docker", path=search_path(os.environ.get("PATH", "")))
    if docker_cli is None:
        return ""
    try:
        done = subprocess.run(
            [docker_cli, "--version"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            timeout=30,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return parse_version(done.stdout)


def parse_os_release(text: str) -> dict[str, str]:
    """``{"id", "version", "codename"}`` of /etc/os-release; what it does not say is ''."""
    values = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    return {
        key: values.get(name, "").strip().strip("\"'")
        for key, name in (("id", "ID"), ("version", "VERSION_ID"), ("codename", "VERSION_CODENAME"))
    }


def _hex_address(text: str) -> str:
    """The address of /proc/net/route and tcp ('0101A8C0', little endian words) as text."""
    raw = bytes.fromhex(text)
    raw = b"".join(struct.pack("<I", word) for (word,) in struct.iter_unpack(">I", raw))
    address = ipaddress.ip_address(raw)
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address)


def parse_routes(text: str) -> list[Json]:
    """/proc/net/route as ``[{"cidr", "interface", "gateway"}]``, the default route as 0.0.0.0/0."""
    routes = []
    for line in text.splitlines()[1:]:
        fields = line.split()
        if len(fields) < 8:
            continue
        network = ipaddress.ip_network(f"{_hex_address(fields[1])}/{_hex_address(fields[7])}", strict=False)
        routes.append({"cidr": str(network), "interface": fields[0], "gateway": _hex_address(fields[2])})
    return routes


def parse_listening(text: str) -> list[tuple[str, int, str]]:
    """The listening sockets of /proc/net/tcp or tcp6: (address, port, inode)."""
    found = []
    for line in text.splitlines()[1:]:
        fields = line.split()
        if len(fields) > 9 and fields[3] == "0A":
            address, port = fields[1].rsplit(":", 1)
            found.append((_hex_address(address), int(port, 16), fields[9]))
    return found


def parse_local_addresses(text: str) -> list[str]:
    """The IPv4 addresses of this machine in /proc/net/fib_trie, without loopback."""
    found: set[str] = set()
    previous = ""
    for line in text.splitlines():
        if "/32 host LOCAL" in line:
            found.add(previous)
        match = re.search(r"\|-- (\d+\.\d+\.\d+\.\d+)", line)
        previous = match.group(1) if match else previous
    return sorted((a for a in found if not a.startswith("127.")), key=ipaddress.ip_address)


def parse_etc_hosts(text: str) -> dict[str, str]:
    """``{name: address}``; the first line that gives a name counts, as for the resolver."""
    names: dict[str, str] = {}
    for line in text.splitlines():
        fields = line.split("#", 1)[0].split()
        for name in fields[1:]:
            names.setdefault(name, fields[0])
    return names


def parse_meminfo(text: str) -> Json:
    """``{"total_bytes", "available_bytes"}`` of /proc/meminfo."""
    values = dict(re.findall(r"^(\w+):\s+(\d+) kB", text, re.MULTILINE))
    return {
        "total_bytes": int(values.get("MemTotal", 0)) * 1024,
        "available_bytes": int(values.get("MemAvailable", 0)) * 1024,
    }


def parse_capabilities(status: str, last: str) -> tuple[bool, int]:
    """Whether CapBnd of /proc/<pid>/status has every bit up to cap_last_cap, and CapBnd itself."""
    match = re.search(r"^CapBnd:\s*([0-9a-fA-F]+)", status, re.MULTILINE)
    bounding = int(match.group(1), 16) if match else 0
    wanted = (1 << (int(last or 0) + 1)) - 1
    return bounding & wanted == wanted, bounding


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: str, timeout_seconds: float) -> None:
        super().__init__("localhost", timeout=timeout_seconds)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def _owner(labels: dict[str, str] | None) -> str:
    return (labels or {}).get(PLATFORM_LABEL, "")


def parse_containers(containers: Iterable[Json]) -> tuple[list[Json], list[Json]]:
    """``GET /containers/json`` as (containers that carry our label, published ports of all).

    A container: ``{"name", "platform", "node" (that it is, or ''), "image", "image_id", "spec" (its spec label),
    "state", "addresses": {network: address}}``. A published port: ``{"port", "address", "container", "platform",
    "service"}`` (``service``: of a swarm, or '').
    """
    ours, ports = [], set()
    for container in containers:
        labels = container.get("Labels") or {}
        name = (container.get("Names") or ["/"])[0].lstrip("/")
        platform = _owner(labels)
        if platform:
            networks = (container.get("NetworkSettings") or {}).get("Networks") or {}
            ours.append(
                {
                    "name": name,
                    "platform": platform,
                    "node": labels.get(NODE_LABEL, ""),
                    "image": container.get("Image", ""),
                    "image_id": container.get("ImageID", ""),
                    "spec": labels.get(SPEC_LABEL, ""),
                    "state": container.get("State", ""),
                    "addresses": {key: value.get("IPAddress", "") for key, value in sorted(networks.items())},
                }
            )
        for port in container.get("Ports") or ():
            if port.get("PublicPort") and port.get("Type") == "tcp":
                service = labels.get("com.docker.swarm.service.name", "")
                ports.add((port["PublicPort"], port.get("IP", "0.0.0.0"), name, platform, service))
    keys = ("port", "address", "container", "platform", "service")
    return ours, [dict(zip(keys, port, strict=True)) for port in sorted(ports)]


def unlabelled(containers: Iterable[Json]) -> list[str]:
    """The names in ``GET /containers/json`` of those that carry no platform's label, sorted."""
    return sorted(
        name.lstrip("/")
        for container in containers
        if not _owner(container.get("Labels"))
        for name in container.get("Names") or ()
    )


def foreign_containers(containers: Iterable[Json], platform: str, *, swarm_is_ours: bool) -> list[str]:
    """The names in ``GET /containers/json`` of those that are not the platform's, sorted.

    ``swarm_is_ours``: whether the tasks of the swarm are the platform's.
    """
    return sorted(
        (container.get("Names") or [f"/{container.get('Id', '')[:12]}"])[0].lstrip("/")
        for container in containers
        if _owner(container.get("Labels")) not in (platform, f"{platform}-jenkins")
        and not (swarm_is_ours and (container.get("Labels") or {}).get("com.docker.swarm.service.name"))
    )


def parse_networks(networks: Iterable[Json]) -> list[Json]:
    """``GET /networks`` as ``[{"name", "platform", "scope", "subnets": [cidr], "mtu"}]``."""
    return [
        {
            "name": network["Name"],
            "platform": _owner(network.get("Labels")),
            "scope": network.get("Scope", "local"),
            "subnets": [
                config["Subnet"] for config in (network.get("IPAM") or {}).get("Config") or () if config.get("Subnet")
            ],
            "mtu": bridge_mtu(network),
        }
        for network in sorted(networks, key=lambda network: str(network["Name"]))
    ]


class Host:
    """This machine, read below ``root``."""

    def __init__(self, root: str = "/") -> None:
        self.root = root

    def path(self, name: str) -> str:
        return os.path.join(self.root, name.lstrip("/"))

    def exists(self, name: str) -> bool:
        return os.path.exists(self.path(name))

    def text(self, name: str) -> str:
        """The file's text, '' when there is none or it may not be read."""
        try:
            with open(self.path(name), encoding="utf-8", errors="replace") as file:
                return file.read()
        except OSError:
            return ""

    def can_read(self, name: str) -> bool:
        try:
            with open(self.path(name), "rb") as file:
                file.read(1)
        except OSError:
            return False
        return True

    def names(self, folder: str) -> list[str] | None:
        """What lies in a folder, None when there is none or it may not be read."""
        try:
            return sorted(os.listdir(self.path(folder)))
        except OSError:
            return None

    def modules(self, bounding: int) -> dict[str, str]:
        """For each of MODULES: loaded, builtin, loadable or missing. Loads nothing."""
        folder = f"lib/modules/{os.uname().release}"
        loaded = {line.split()[0] for line in self.text("proc/modules").splitlines()}
        builtin = self.text(f"{folder}/modules.builtin")
        may_load = bool(bounding >> CAP_SYS_MODULE & 1) and self.text("proc/sys/kernel/modules_disabled").strip() != "1"
        loadable = self.text(f"{folder}/modules.dep") if may_load else ""
        filesystems = self.text("proc/filesystems").split()
        states = {}
        for name in MODULES:
            file = re.compile(rf"/{name.replace('_', '[_-]')}\.ko", re.MULTILINE)
            if name in loaded:
                states[name] = "loaded"
            elif file.search(builtin):
                states[name] = "builtin"
            elif file.search(loadable):
                # Another module may have left a trace that looks like it.
                states[name] = "loadable"
            elif (
                name in filesystems
                or self.exists(f"sys/module/{name}")
                or any(self.exists(trace) for trace in TRACES.get(name, ()))
            ):
                states[name] = "builtin"
            else:
                states[name] = "missing"
        return states

    def mtu(self, interface: str) -> int:
        """The MTU of an interface; without one, the smallest of the machine's own (1500 when there is none)."""
        names = [interface] if interface else self._own_interfaces()
        values = [int(text) for name in names if (text := self.text(f"sys/class/net/{name}/mtu").strip()).isdigit()]
        return min(values, default=1500)

    def _own_interfaces(self) -> list[str]:
        """Interfaces with hardware, or something like it, behind them."""
        try:
            names = os.listdir(self.path("sys/class/net"))
        except OSError:
            return []
        return [name for name in names if self.exists(f"sys/class/net/{name}/device")]

    def cgroup_version(self) -> int:
        """2 when the unified hierarchy stands at /sys/fs/cgroup, else 1 (also for the hybrid)."""
        return 2 if self.exists("sys/fs/cgroup/cgroup.controllers") else 1

    def listening(self) -> list[Json]:
        """``[{"port", "address", "process"}]`` of every listening TCP socket; process '' when it can't be seen."""
        sockets = [entry for name in ("proc/net/tcp", "proc/net/tcp6") for entry in parse_listening(self.text(name))]
        owners = self._socket_owners({inode for _address, _port, inode in sockets})
        entries = {(port, address, owners.get(inode, "")) for address, port, inode in sockets}
        return [{"port": port, "address": address, "process": process} for port, address, process in sorted(entries)]

    def _socket_owners(self, inodes: set[str]) -> dict[str, str]:
        """``{inode: name of the process that holds it}``."""
        wanted = {f"socket:[{inode}]": inode for inode in inodes}
        owners: dict[str, str] = {}
        for pid in filter(str.isdigit, os.listdir(self.path("proc"))):
            if len(owners) == len(wanted):
                break
            folder = self.path(f"proc/{pid}/fd")
            try:
                for descriptor in os.listdir(folder):
                    inode = wanted.get(os.readlink(f"{folder}/{descriptor}"))
                    if inode and inode not in owners:
                        owners[inode] = self.text(f"proc/{pid}/comm").strip()
            except OSError:  # it ended, or it isn't ours to see
                continue
        return owners

    def disk(self, folder: str) -> Json:
        """``{"path", "total_bytes", "free_bytes"}`` of the filesystem that holds, or will hold, the folder."""
        path = self.path(folder)
        while not os.path.exists(path):
            path = os.path.dirname(path)
        usage = shutil.disk_usage(path)
        return {"path": folder, "total_bytes": usage.total, "free_bytes": usage.free}

    def trusted_ca_files(self) -> list[str]:
        """What an administrator has put under /usr/local/share/ca-certificates."""
        folder = "/usr/local/share/ca-certificates"
        found = []
        for parent, _folders, names in os.walk(self.path(folder)):
            relative = os.path.relpath(parent, self.path(folder))
            found += [os.path.normpath(f"{folder}/{relative}/{name}") for name in names if name.endswith(".crt")]
        return sorted(found)

    def docker(self, path: str, *, timeout_seconds: float = 30) -> Json:
        """The engine behind a unix socket. ``answering`` is False, and the rest empty, when there is none."""
        facts: Json = {
            "present": shutil.which("dockerd", path="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
            is not None,
            "socket": path,
            "sdk": importlib.util.find_spec("docker") is not None,
            "cli": cli_version(),
            "answering": False,
            "version": "",
            "storage_driver": "",
            "root_dir": "/var/lib/docker",
            "swarm": "inactive",
            "containers": [],
            "others": [],
            "mounts": [],
            "networks": [],
            "ports": [],
            "volumes": [],
        }
        try:
            info, containers, networks, volumes = (
                self._ask(path, "/info", timeout_seconds),
                self._ask(path, "/containers/json?all=1", timeout_seconds),
                self._ask(path, "/networks", timeout_seconds),
                self._ask(path, f"/volumes?filters={PLATFORMS}", timeout_seconds)["Volumes"] or [],
            )
        except (OSError, http.client.HTTPException, ValueError):
            return facts
        ours, ports = parse_containers(containers)
        for container in ours:
            container.update(self._settings(path, container["name"], timeout_seconds))
        facts.update(
            present=True,
            answering=True,
            version=info.get("ServerVersion", ""),
            storage_driver=info.get("Driver", ""),
            root_dir=info.get("DockerRootDir") or facts["root_dir"],
            swarm=(info.get("Swarm") or {}).get("LocalNodeState") or "inactive",
            containers=ours,
            others=unlabelled(containers),
            mounts=[asdict(mount) for mount in mounts_of(containers)],
            ports=ports,
            networks=parse_networks(networks),
            volumes=[{"name": one["Name"], "platform": _owner(one.get("Labels"))} for one in volumes],
        )
        return facts

    def records(self, sockets: Iterable[str], *, timeout_seconds: float = 5) -> list[Json]:
        """What the swarm of the first engine that answers as a manager has recorded, of ``GET /configs``."""
        for path in sockets:
            try:
                configs: list[Json] = self._ask(path, f"/configs?filters={RECORDS}", timeout_seconds)
            except (OSError, http.client.HTTPException, ValueError):
                continue
            return configs
        return []

    def _settings(self, path: str, name: str, timeout_seconds: float) -> Json:
        """What can be changed in a container without making it anew; of one that is gone meanwhile, nothing."""
        try:
            settings = self._ask(path, f"/containers/{name}/json", timeout_seconds)["HostConfig"]
        except (OSError, http.client.HTTPException, ValueError):
            settings = {}
        return {
            "memory_bytes": settings.get("Memory") or 0,
            "restart_policy": (settings.get("RestartPolicy") or {}).get("Name") or "",
        }

    def daemon(self) -> tuple[str, list[str]]:
        """The process of dockerd: a text that no other process has, and its command line; '' when it can't be seen."""
        pid = self.text("run/docker.pid").strip()
        arguments = self.text(f"proc/{pid or 'none'}/cmdline").split("\0")[:-1]
        fields = self.text(f"proc/{pid or 'none'}/stat").rpartition(")")[2].split()
        # Another process may have got the number since.
        if len(fields) < 20 or not arguments or os.path.basename(arguments[0]) != "dockerd":
            return "", []
        return f"{pid} {fields[19]} {self.text('proc/sys/kernel/random/boot_id').strip()}", arguments

    def running(self, path: str, *, timeout_seconds: float = 30) -> list[Json] | None:
        """The running containers of the engine behind a unix socket; None when none answers."""
        try:
            found: list[Json] = self._ask(path, "/containers/json", timeout_seconds)
        except (OSError, http.client.HTTPException, ValueError):
            return None
        return found

    def trusted_ca_pending(self) -> bool:
        """Whether update-ca-certificates has yet to be run for one of ``trusted_ca_files``."""
        return any(
            not self.exists(f"etc/ssl/certs/{os.path.basename(file).removesuffix('.crt')}.pem")
            for file in self.trusted_ca_files()
        )

    @staticmethod
    def _ask(path: str, resource: str, timeout_seconds: float) -> Any:
        connection = _UnixConnection(path, timeout_seconds)
        try:
            connection.request("GET", resource)
            response = connection.getresponse()
            body = response.read()
            if response.status != 200:
                raise http.client.HTTPException(f"{resource}: {response.status}")
            return json.loads(body)
        finally:
            connection.close()


def reload_engine(path: str, pid: int, seconds: float) -> None:
    """Have the engine read its configuration again; return once it says that it has. Raises ``PlatformError``."""
    connection = _UnixConnection(path, seconds)
    try:
        filters = quote(json.dumps({"type": ["daemon"], "event": ["reload"]}))
        connection.request("GET", f"/events?filters={filters}")
        events = connection.getresponse()
        os.kill(pid, signal.SIGHUP)
        if events.readline():
            return
        reason = "it ended"
    except (OSError, http.client.HTTPException) as error:
        reason = str(error)
    finally:
        connection.close()
    raise PlatformError(
        f"the engine was told to read its configuration again, and did not within {seconds:g} s ({reason}): look at "
        "its log (journalctl -u docker, or /var/log/docker.log); the next run tries it again"
    )


def all_containers(path: str) -> list[Json]:
    """``GET /containers/json`` of all containers, stopped ones too; none where no engine answers."""
    try:
        found: list[Json] = Host._ask(path, "/containers/json?all=1", 30)
    except (OSError, http.client.HTTPException, ValueError):
        return []
    return found


def wait_for_engine(path: str, seconds: float) -> None:
    """Return once the engine behind the socket answers; raise ``PlatformError`` when it doesn't in time."""
    end = time.monotonic() + seconds
    while True:
        try:
            Host._ask(path, "/_ping", 3)
        except ValueError:  # it said OK, which is not JSON
            return
        except (OSError, http.client.HTTPException) as error:
            if time.monotonic() > end:
                raise PlatformError(
                    f"the engine did not answer on {path} within {seconds:g} s ({error}): look at its log "
                    "(journalctl -u docker, or /var/log/docker.log)"
                ) from error
        time.sleep(0.2)


def look(
    host: Host, *, docker_socket: str = "/run/docker.sock", files: Iterable[str] = (), folders: Iterable[str] = ()
) -> Json:
    """Everything, as the fact ``docker_host`` (shape: the module's RETURN)."""
    complete, bounding = parse_capabilities(
        host.text("proc/self/status"), host.text("proc/sys/kernel/cap_last_cap").strip()
    )
    modules = host.modules(bounding)
    routes = parse_routes(host.text("proc/net/route"))
    default: Json = next((route for route in routes if route["cidr"] == "0.0.0.0/0"), {})
    docker = host.docker(docker_socket)
    name = os.uname()
    return {
        "hostname": name.nodename,
        "architecture": name.machine,
        "boot_id": host.text("proc/sys/kernel/random/boot_id").strip(),
        "distribution": parse_os_release(host.text("etc/os-release")),
        "kernel": {
            "release": name.release,
            "ipvs": all(modules[module] != "missing" for module in IPVS_MODULES),
            "modules": modules,
            "parameters": {name: host.text(f"proc/sys/{name.replace('.', '/')}").strip() for name in PARAMETERS},
        },
        "cgroup_version": host.cgroup_version(),
        "capabilities_complete": complete,
        "systemd": host.text("proc/1/comm").strip() == "systemd",
        "apparmor": host.text("sys/module/apparmor/parameters/enabled").strip() == "Y",
        "mtu": host.mtu(default.get("interface", "")),
        "interface": default.get("interface", ""),
        "address": _address_towards(default.get("gateway", "")),
        "addresses": parse_local_addresses(host.text("proc/net/fib_trie")),
        "routes": sorted({route["cidr"] for route in routes if route["cidr"] != "0.0.0.0/0"}),
        "listening": host.listening(),
        "disk": host.disk(docker["root_dir"]),
        "memory": parse_meminfo(host.text("proc/meminfo")),
        "cpus": len(os.sched_getaffinity(0)),
        "trusted_ca_files": host.trusted_ca_files(),
        "trusted_ca_pending": host.trusted_ca_pending(),
        "etc_hosts": parse_etc_hosts(host.text("etc/hosts")),
        "hosts_lines": [asdict(line) for line in parse_lines(host.text("etc/hosts"))],
        "docker": docker,
        "files": {file: host.can_read(file) for file in files},
        "folders": {folder: host.names(folder) for folder in folders},
    }


def _address_towards(gateway: str) -> str:
    """The address that this machine uses towards its gateway ('' without one). Sends nothing."""
    if not gateway:
        return ""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((gateway if gateway != "0.0.0.0" else "192.0.2.1", 9))
        except OSError:
            return ""
        return str(probe.getsockname()[0])
