# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the facts of a docker host say about machines unlike this one."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.fungap.swarm.plugins.module_utils.docker.program import parse_version
from ansible_collections.fungap.swarm.plugins.module_utils.host.look import (
    Host,
    cli_version,
    parse_capabilities,
    parse_containers,
    parse_etc_hosts,
    parse_listening,
    parse_local_addresses,
    parse_meminfo,
    parse_networks,
    parse_os_release,
    parse_routes,
    unlabelled,
)

from ..engine_socket import Handler, engine_at

ROUTES = """Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0
docker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0
eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
"""
TCP = """  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 11 1 x
   1: 00000000:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 12 1 x
   2: 0100007F:1F90 0100007F:9999 01 00000000:00000000 00:00000000 00000000     0        0 13 1 x
"""
TCP6 = """  sl  local_address    remote_address    st tx rx tr tm retr uid timeout inode
   0: 00000000000000000000000000000000:01BB 00000000000000000000000000000000:0000 0A 0:0 0:0 0 0 0 21 1 x
   1: 0000000000000000FFFF00000100007F:0CEA 00000000000000000000000000000000:0000 0A 0:0 0:0 0 0 0 22 1 x
"""
FIB = """Main:
  +-- 0.0.0.0/0 3 0 5
           |-- 127.0.0.1
              /32 host LOCAL
     +-- 192.0.2.0/24 2 0 2
        |-- 192.0.2.0
           /24 link UNICAST
        |-- 192.0.2.2
           /32 host LOCAL
        |-- 192.0.2.255
           /32 link BROADCAST
Local:
        |-- 192.0.2.2
           /32 host LOCAL
        |-- 10.0.0.5
           /32 host LOCAL
"""


def test_routes() -> None:
    assert parse_routes(ROUTES) == [
        {"cidr": "0.0.0.0/0", "interface": "eth0", "gateway": "192.0.2.1"},
        {"cidr": "172.17.0.0/16", "interface": "docker0", "gateway": "0.0.0.0"},
        {"cidr": "192.0.2.0/24", "interface": "eth0", "gateway": "0.0.0.0"},
    ]
    assert parse_routes("") == []


def test_listening() -> None:
    assert parse_listening(TCP) == [("127.0.0.1", 8080, "11"), ("0.0.0.0", 80, "12")]
    assert parse_listening(TCP6) == [("::", 443, "21"), ("127.0.0.1", 3306, "22")]


def test_local_addresses() -> None:
    assert parse_local_addresses(FIB) == ["10.0.0.5", "192.0.2.2"]


def test_small_files() -> None:
    text = 'NAME="Ubuntu"\nID=ubuntu\nVERSION_ID="24.04"\nVERSION_CODENAME=noble\n'
    assert parse_os_release(text) == {"id": "ubuntu", "version": "24.04", "codename": "noble"}
    assert parse_os_release("") == {"id": "", "version": "", "codename": ""}
    assert parse_etc_hosts("127.0.0.1 localhost vm # me\n# no\n10.0.0.1 vm registry\n") == {
        "localhost": "127.0.0.1",
        "vm": "127.0.0.1",
        "registry": "10.0.0.1",
    }
    assert parse_meminfo("MemTotal:  4 kB\nMemAvailable: 2 kB\n") == {"total_bytes": 4096, "available_bytes": 2048}


@pytest.mark.parametrize(
    ("bounding", "last", "complete"),
    [
        ("000001ffffffffff", "40", True),
        ("000001fffeffffff", "40", False),
        ("0000003fffffffff", "37", True),
        ("", "40", False),
    ],
)
def test_capabilities(bounding: str, last: str, complete: bool) -> None:
    assert parse_capabilities(f"CapBnd:\t{bounding}\n", last)[0] is complete


def test_containers_and_networks() -> None:
    containers = [
        {
            "Names": ["/fungap-edge"],
            "Labels": {"io.fungap.platform": "fungap", "io.fungap.node": "edge", "io.fungap.spec": "abc"},
            "Image": "nginx",
            "ImageID": "sha256:1",
            "State": "running",
            "Ports": [
                {"IP": "0.0.0.0", "PrivatePort": 80, "PublicPort": 80, "Type": "tcp"},
                {"PrivatePort": 1, "Type": "tcp"},
            ],
            "NetworkSettings": {"Networks": {"fungap": {"IPAddress": "172.30.0.3"}}},
        },
        {
            "Names": ["/proxy.1.x"],
            "Labels": {"com.docker.swarm.service.name": "proxy_nginx"},
            "Ports": [{"IP": "::", "PrivatePort": 443, "PublicPort": 443, "Type": "tcp"}],
        },
    ]
    ours, ports = parse_containers(containers)
    assert ours == [
        {
            "name": "fungap-edge",
            "platform": "fungap",
            "node": "edge",
            "image": "nginx",
            "image_id": "sha256:1",
            "spec": "abc",
            "state": "running",
            "addresses": {"fungap": "172.30.0.3"},
        }
    ]
    assert ports == [
        {"port": 80, "address": "0.0.0.0", "container": "fungap-edge", "platform": "fungap", "service": ""},
        {"port": 443, "address": "::", "container": "proxy.1.x", "platform": "", "service": "proxy_nginx"},
    ]
    assert unlabelled(containers) == ["proxy.1.x"]
    networks = [
        {"Name": "n", "Labels": None, "Scope": "swarm", "IPAM": {"Config": [{"Subnet": "10.0.0.0/24"}]}},
        {"Name": "host", "Options": {"com.docker.network.driver.mtu": "1400"}},
    ]
    assert parse_networks(networks) == [
        {"name": "host", "platform": "", "scope": "local", "subnets": [], "mtu": 1400},
        {"name": "n", "platform": "", "scope": "swarm", "subnets": ["10.0.0.0/24"], "mtu": 1500},
    ]


def write(root: Path, files: dict[str, str]) -> Host:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return Host(str(root))


def test_modules_are_looked_up_and_not_loaded(tmp_path: Path) -> None:
    folder = f"lib/modules/{os.uname().release}"
    host = write(
        tmp_path,
        {
            "proc/modules": "vxlan 1 0 - Live 0x0\n",
            "proc/filesystems": "nodev\toverlay\n",
            f"{folder}/modules.builtin": "kernel/net/bridge/br_netfilter.ko\n",
            f"{folder}/modules.dep": "kernel/net/ipvs/ip_vs.ko.xz: a\nkernel/net/ipvs/ip_vs_rr.ko.xz:\n",
        },
    )
    everything = (1 << 41) - 1
    assert host.modules(everything) == {
        "ip_vs": "loadable",
        "ip_vs_rr": "loadable",
        "xt_ipvs": "missing",
        "overlay": "builtin",
        "vxlan": "loaded",
        "br_netfilter": "builtin",
    }
    assert host.modules(everything & ~(1 << 16))["ip_vs"] == "missing"  # it may not load modules
    write(tmp_path, {"proc/sys/kernel/modules_disabled": "1\n"})
    assert host.modules(everything)["ip_vs"] == "missing"
    write(tmp_path, {"proc/net/ip_vs": ""})
    assert host.modules(everything)["xt_ipvs"] == "builtin"
    # ip_vs alone leaves that trace: what can be loaded is not built in.
    write(tmp_path, {"proc/sys/kernel/modules_disabled": "0\n", f"{folder}/modules.dep": "net/xt_ipvs.ko.xz:\n"})
    assert host.modules(everything)["xt_ipvs"] == "loadable"


def test_mtu_without_a_default_route_is_the_smallest(tmp_path: Path) -> None:
    host = write(
        tmp_path,
        {
            "sys/class/net/eth0/mtu": "1500\n",
            "sys/class/net/eth0/device/x": "",
            "sys/class/net/eth1/mtu": "1460\n",
            "sys/class/net/eth1/device/x": "",
            "sys/class/net/docker0/mtu": "900\n",
        },
    )
    assert host.mtu("eth0") == 1500
    assert host.mtu("") == 1460
    assert Host(str(tmp_path / "empty")).mtu("") == 1500


def test_files_and_folders(tmp_path: Path) -> None:
    host = write(
        tmp_path,
        {
            "usr/local/share/ca-certificates/company/root.crt": "x",
            "usr/local/share/ca-certificates/a.crt": "x",
            "usr/local/share/ca-certificates/readme": "x",
            "sys/fs/cgroup/cgroup.controllers": "cpu",
        },
    )
    folder = "/usr/local/share/ca-certificates"
    assert host.trusted_ca_files() == [f"{folder}/a.crt", f"{folder}/company/root.crt"]
    assert host.names(folder) == ["a.crt", "company", "readme"]
    assert host.names("/nowhere") is None
    assert not host.can_read("/nowhere")
    assert host.can_read(f"{folder}/a.crt")
    assert host.cgroup_version() == 2
    assert host.disk("/var/lib/docker")["free_bytes"] > 0


class Engine(Handler):
    """An engine's answers, as far as they are asked for."""

    answers: dict[str, Any] = {
        "/info": {
            "ServerVersion": "26.1.5",
            "Driver": "overlay2",
            "DockerRootDir": "/data",
            "Swarm": {"LocalNodeState": "active"},
        },
        "/containers/json?all=1": [],
        "/networks": [],
        "/volumes?filters=%7B%22label%22%3A%20%5B%22io.fungap.platform%22%5D%7D": {
            "Volumes": [{"Name": "two-manager1", "Labels": {"io.fungap.platform": "two"}}]
        },
        "/configs?filters=%7B%22label%22%3A%20%5B%22io.fungap.revision%22%5D%7D": [{"ID": "record"}],
    }

    def do_GET(self) -> None:
        self.answer(self.answers[self.path])


@pytest.fixture
def engine_socket(tmp_path: Path) -> Iterator[str]:
    path = str(tmp_path / "docker.sock")
    with engine_at(path, Engine):
        yield path


def test_an_engine_that_answers(engine_socket: str) -> None:
    facts = Host().docker(engine_socket)
    assert (facts["answering"], facts["version"], facts["storage_driver"]) == (True, "26.1.5", "overlay2")
    assert (facts["root_dir"], facts["swarm"], facts["present"]) == ("/data", "active", True)
    assert facts["volumes"] == [{"name": "two-manager1", "platform": "two"}]


def test_an_engine_that_does_not(tmp_path: Path) -> None:
    assert not Host().docker(str(tmp_path / "none.sock"))["answering"]
    deaf = socket.socket(socket.AF_UNIX)
    deaf.bind(str(tmp_path / "deaf.sock"))
    deaf.listen()
    assert not Host().docker(str(tmp_path / "deaf.sock"), timeout_seconds=0.1)["answering"]
    deaf.close()


CLI = [
    ("Docker version 20.10.24+dfsg1, build 297e128", "20.10.24"),
    ("Docker version 28.2.2, build e6534b4", "28.2.2"),
    ("Emulate Docker CLI using podman. Create /etc/containers/nodocker to quiet msg.\npodman version 4.3.1", "4.3.1"),
    ("", ""),
]


@pytest.mark.parametrize(("text", "version"), CLI)
def test_which_docker_cli_it_is(text: str, version: str) -> None:
    assert parse_version(text) == version


def test_the_docker_cli_that_says_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cli = tmp_path / "docker"
    monkeypatch.setenv("PATH", str(tmp_path))
    for text, version in (("#!/bin/sh\necho Docker version 25.0.1, build a\n", "25.0.1"), ("#!/bin/sh\nexit 1\n", "")):
        cli.write_text(text)
        cli.chmod(0o755)
        assert cli_version() == version


def test_the_first_manager_that_answers_tells_what_is_recorded(engine_socket: str, tmp_path: Path) -> None:
    class Worker(Handler):
        def do_GET(self) -> None:
            # As an engine 20.10.24 that is no manager answers to /configs.
            self.send_error(503, "This node is not a swarm manager")

    worker, gone = str(tmp_path / "worker.sock"), str(tmp_path / "gone.sock")
    with engine_at(worker, Worker):
        assert Host().records([gone, worker, engine_socket, worker]) == [{"ID": "record"}]
        assert Host().records([gone, worker]) == []
