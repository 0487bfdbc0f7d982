# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The test machines of two checkouts stay apart: ports, networks, names, locks."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import ipvs
import pytest
import run
import vm


@pytest.fixture
def machine(tmp_path: Path) -> vm.Vm:
    (tmp_path / "host_key.pub").write_text("ssh-ed25519 AAAA host_key\n")
    return vm.Vm(tmp_path, 20123, 20124, 20125)


# --- ports ---


def test_two_checkouts_try_other_ports() -> None:
    here, there = vm.wanted_ports("00000001"), vm.wanted_ports("00000002")
    assert not set(here) & set(there)


@pytest.mark.parametrize("checkout", ["00000000", "ffffffff", vm.CHECKOUT])
def test_no_port_is_one_that_kernel_or_swarm_hand_out(checkout: str) -> None:
    ports = vm.wanted_ports(checkout)
    assert len(set(ports)) == 3
    assert all(20000 <= port < 30000 for port in ports)


def test_a_port_in_use_leads_to_another_one() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        used = other.getsockname()[1]
        found = vm.free_ports([used, used, used])
    assert used not in found
    assert len(set(found)) == 3


def test_a_free_port_is_taken_as_wanted() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    assert vm.free_ports([port]) == [port]


def test_ssh_and_ansible_use_the_port_of_the_machine(machine: vm.Vm) -> None:
    machine._write_ssh_config()
    config = dict(line.split(maxsplit=1) for line in machine.ssh_config.read_text().splitlines())
    variables = machine.ansible_variables()
    assert config["Port"] == str(variables["ansible_port"]) == "20123"
    assert config["HostName"] == variables["ansible_host"]
    assert config["User"] == variables["ansible_user"]


def test_the_host_key_counts_at_any_port(machine: vm.Vm) -> None:
    machine._write_ssh_config()
    config = dict(line.split(maxsplit=1) for line in machine.ssh_config.read_text().splitlines())
    known = Path(config["UserKnownHostsFile"])
    assert config["StrictHostKeyChecking"] == "yes"
    assert known.read_text() == f"{config['HostKeyAlias']} ssh-ed25519 AAAA\n"
    assert known.parent == machine.folder


# --- one run at a time ---


def test_a_second_run_is_refused_and_told_who_is_at_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vm, "CACHE", tmp_path / "vm")
    refused = pytest.raises(vm.VmError, match=f"process {os.getpid()} uses this checkout's machine")
    with vm.alone(), refused, vm.alone():
        pass
    with vm.alone():
        pass


def test_another_checkout_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vm, "CACHE", tmp_path / "here")
    with vm.alone():
        monkeypatch.setattr(vm, "CACHE", tmp_path / "there")
        with vm.alone():
            pass


# --- images ---


def test_the_archives_are_those_of_this_checkouts_catalog(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commands: list[list[str]] = []

    def fake(command: list[str], **options: Any) -> None:
        assert options["check"]
        commands.append(command)

    monkeypatch.setattr(run, "ARCHIVES", tmp_path / "images")
    monkeypatch.setattr(subprocess, "run", fake)
    assert run.save_images() == tmp_path / "images"
    ((*start, variables),) = commands
    assert str(vm.ROOT / "playbooks/images.yml") in start
    assert start[-3:] == ["--tags", "images", "--extra-vars"]
    assert json.loads(variables)["images_save_dir"] == str(tmp_path / "images")


# --- the network of the machine with IPVS ---


def network(checkout: str, *routes: str) -> str:
    return str(ipvs.free_network(checkout, ["default", *routes]))


@pytest.mark.parametrize(
    ("checkout", "routes", "expected"),
    [
        ("0", [], "10.64.0.0/24"),
        ("1", [], "10.64.1.0/24"),
        ("1", ["10.64.1.0/24"], "10.64.2.0/24"),
        ("1", ["10.64.1.7"], "10.64.2.0/24"),
        ("1", ["10.64.0.0/16"], "10.65.0.0/24"),
        # A company's network: what is narrower wins over it.
        ("1", ["10.0.0.0/8", "172.17.0.0/16"], "10.64.1.0/24"),
        # The last one is taken: on from the first.
        ("3fff", ["10.127.255.0/24"], "10.64.0.0/24"),
    ],
)
def test_the_network_is_free(checkout: str, routes: list[str], expected: str) -> None:
    assert network(checkout, *routes) == expected


def test_no_free_network_is_said() -> None:
    with pytest.raises(vm.VmError, match="no network"):
        network("0", *(f"10.{second}.0.0/16" for second in range(64, 128)))


def test_both_ends_are_in_the_network() -> None:
    link = ipvs.Link(IPv4Network("10.64.1.0/24"))
    assert (link.here, link.there) == ("10.64.1.1", "10.64.1.2")
    assert "Address=10.64.1.2/24\nGateway=10.64.1.1\n" in link.networkd_file()


def test_the_kernel_takes_the_interfaces_name() -> None:
    assert vm.CHECKOUT in ipvs.TAP
    assert len(ipvs.TAP) <= 15
