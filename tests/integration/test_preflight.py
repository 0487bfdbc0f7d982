# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The preflight as a person meets it: ansible-playbook on a wrong inventory, and on a right one."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
import pytest
import yaml

from ansible_collections.fungap.swarm.plugins.module_utils.core.digest import secret_digest
from ansible_collections.fungap.swarm.plugins.module_utils.folder.model import MARKER, marker_text
from ansible_collections.fungap.swarm.plugins.module_utils.stack.model import Revision, dump_revision
from ansible_collections.fungap.swarm.plugins.plugin_utils import pki
from ansible_collections.fungap.swarm.plugins.plugin_utils.app import resolve_app
from ansible_collections.fungap.swarm.plugins.plugin_utils.preflight.inputs import utc_now
from ansible_collections.fungap.swarm.plugins.plugin_utils.release import of_inventory

from .. import cores
from ..engine_socket import Handler, engine_at
from ..waiting import patience
from ..warm_ansible import ansible_playbook

ROOT = Path(__file__).resolve().parents[2]
NAME = "pf-refused"
SECONDS_MAX = 30  # two or three on an idle machine

ROLE = [{"hosts": "all", "gather_facts": False, "roles": [{"role": "fungap.swarm.preflight"}]}]
SHOW = {
    "hosts": "all",
    "gather_facts": False,
    "tasks": [
        {
            "ansible.builtin.copy": {
                "content": "{{ dict(ansible_play_hosts_all | zip(ansible_play_hosts_all | map('extract', hostvars, "
                "['ansible_facts', 'platform']))) | to_json }}",
                "dest": "{{ playbook_dir }}/platform.json",
            },
            "delegate_to": "vm1",
            "run_once": True,
        }
    ],
}


@dataclass
class Run:
    """One run of ansible-playbook."""

    code: int
    output: str
    seconds: float

    @property
    def changed(self) -> int:
        return sum(int(number) for number in re.findall(r"changed=(\d+)", self.output))


class Inventory:
    """A copy of inventories/local to spoil."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        shutil.copytree(ROOT / "inventories" / "local", folder)
        self.set(
            platform_name=NAME,
            platform_subnet="10.66.77.0/24",
            registry_address=f"{NAME}-registry:5000",
            proxy_http_port=18081,
            proxy_https_port=18444,
        )
        hosts = self.read("hosts.yml")
        for group in ("swarm_managers", "swarm_workers"):
            for variables in hosts[group]["hosts"].values():
                variables["swarm_node_address"] = variables["swarm_node_address"].replace("172.30.0.", "10.66.77.")
        self.write("hosts.yml", hosts)

    def read(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = yaml.safe_load((self.folder / name).read_text())
        return found

    def write(self, name: str, content: dict[str, Any]) -> None:
        (self.folder / name).write_text(yaml.safe_dump(content))

    def set(self, **variables: Any) -> None:
        self.write("group_vars/all.yml", {**self.read("group_vars/all.yml"), **variables})

    def set_host(self, host: str, **variables: Any) -> None:
        hosts = self.read("hosts.yml")
        for group in hosts.values():
            if host in group["hosts"]:
                group["hosts"][host] = {**(group["hosts"][host] or {}), **variables}
                break
        self.write("hosts.yml", hosts)

    def play(self, playbook: Path, *arguments: str) -> Run:
        begin = time.monotonic()
        done = ansible_playbook().run("-i", str(self.folder), str(playbook), *arguments)
        return Run(done.code, done.output, time.monotonic() - begin)


@pytest.fixture
def inventory(tmp_path: Path) -> Inventory:
    return Inventory(tmp_path / "inventory")


@pytest.fixture
def preflight(tmp_path: Path) -> Path:
    """A playbook of nothing but the role, and a look at what it gave."""
    path = tmp_path / "preflight.yml"
    path.write_text(yaml.safe_dump([*ROLE, SHOW]))
    return path


def traces() -> list[str]:
    """Whatever the platform of this test would have left on this machine."""
    engine = docker.from_env()
    label = {"label": f"io.fungap.platform={NAME}"}
    found = [container.name for container in engine.containers.list(all=True, ignore_removed=True, filters=label)]
    found += [network.name for network in engine.networks.list(filters=label)]
    found += [volume.name for volume in engine.volumes.list() if volume.name.startswith(NAME)]
    return found + [path for path in (f"/etc/{NAME}", f"/run/{NAME}") if os.path.exists(path)]


@pytest.mark.parametrize("arguments", [[], ["--check", "--diff"]], ids=["real", "check"])
def test_a_wrong_inventory_is_refused_in_seconds_and_nothing_is_changed(
    inventory: Inventory, arguments: list[str]
) -> None:
    (inventory.folder / "files" / "web.env").write_text("GREETING=hello\nhunter2\n")
    inventory.set(
        platfrom_subnet="10.66.78.0/24",
        platform_node_pool="10.66.76.0/23",
        proxy_http_port="{{ 80 + 999999 }}",
        docker_engine_start_seconds="soon",
    )
    inventory.set_host("worker1", swarm_node_host="vm9")
    inventory.set_host("worker2", swarm_node_address="{{ hostvars['manager1'].swarm_node_address }}")
    run = inventory.play(ROOT / "playbooks" / "site.yml", *arguments)
    assert run.code != 0
    for variable, value, cure in (
        ("platfrom_subnet", "(not shown)", "did you mean platform_subnet?"),
        ("platform_subnet", "10.66.77.0/24", "choose a network apart"),
        ("proxy_http_port", "1000079", "1 to 65535"),
        ("docker_engine_start_seconds", "(not shown)", "write a whole number"),
        ("swarm_node_host", "(not shown)", "did you mean vm1?"),
        ("swarm_node_address", "10.66.77.11", "give each node its own"),
        ("apps.web.env_file", "files/web.env", "NAME=value"),
    ):
        block = re.search(rf"{re.escape(variable)} = {re.escape(value)}\n\s+problem: .+\n\s+cure: .+", run.output)
        assert block, run.output
        assert cure in block.group(0)
    assert "The inventory has 7 problems; nothing was changed." in run.output
    assert "hunter2" not in run.output
    assert run.changed == 0
    assert run.seconds < SECONDS_MAX * patience()
    assert traces() == []


FIRST = "pf-first"  # another platform on the machine


@pytest.fixture
def first(run_module: Callable[..., dict[str, Any]]) -> Iterator[tuple[str, Path]]:
    """What a platform has on its machine beside folders of its own: its registry's name and its CA's folder."""
    name = f"{NAME}-shared"
    folder = Path(f"/etc/docker/certs.d/{name}:5000")
    volumes = docker.from_env().volumes
    volume = volumes.create(f"{NAME}-worker1", labels={"io.fungap.platform": FIRST})
    line = {"owner": f"{FIRST}-registry", "entry": f"10.66.79.2 {name}"}
    run_module("hosts_entry", line)
    folder.mkdir(parents=True)
    (folder / MARKER).write_text(marker_text(FIRST))
    (folder / "ca.crt").write_text("the CA of the first")
    yield name, folder
    shutil.rmtree(folder)
    run_module("hosts_entry", {**line, "entry": ""})
    volume.remove()


def test_a_second_platform_leaves_what_is_the_firsts(
    inventory: Inventory, preflight: Path, first: tuple[str, Path]
) -> None:
    """Before anything is changed, with names that are free; and a reset of the second takes nothing of the first's."""
    name, folder = first
    inventory.set(registry_address=f"{name}:5000")
    for arguments in ([], ["--check", "--diff"]):
        run = inventory.play(ROOT / "playbooks" / "site.yml", *arguments)
        assert run.code != 0
        for variable, problem, cure in (
            (f"registry_address = {name}:5000", f"is 10.66.79.2 in /etc/hosts there ({FIRST}-registry)", "registry-"),
            (f"registry_address = {name}:5000", f"{folder} belongs to platform {FIRST}", f"registry-{NAME}:5000"),
            (f"platform_name = {NAME}", f"a volume {NAME}-worker1 already, which is platform {FIRST}'s", f"{NAME}-2"),
        ):
            assert re.search(
                rf"vm1: {re.escape(variable)}\n\s+problem: .*{re.escape(problem)}\n\s+cure: .*{re.escape(cure)}",
                run.output,
            ), run.output
        assert "The inventory has 3 problems; nothing was changed." in run.output
        assert run.changed == 0
    reset = inventory.play(
        ROOT / "playbooks" / "reset.yml", "-e", f"reset_confirmed={NAME}", "-e", "reset_volumes=true"
    )
    assert reset.code == 0, reset.output
    assert (folder / "ca.crt").read_text() == "the CA of the first"
    assert f"10.66.79.2 {name}\n" in Path("/etc/hosts").read_text()
    # The names that were proposed.
    inventory.set(registry_address=f"registry-{NAME}:5000", platform_name=f"{NAME}-2")
    again = inventory.play(preflight)
    assert again.code == 0, again.output


def test_two_platforms_of_one_name_leave_each_others_alone(inventory: Inventory, preflight: Path) -> None:
    """Of two inventories, each with its own secrets, the second neither changes nor removes what the first has made."""
    folder, secrets = Path(f"/etc/{NAME}"), inventory.folder / ".secrets"
    secrets.mkdir(mode=0o700, exist_ok=True)
    mine, theirs = (pki.make_ca(f"{NAME} platform CA", pki.new_key(), utc_now()) for _ in range(2))
    theirs_id = pki.key_id(theirs)
    site, reset = (ROOT / "playbooks" / f"{name}.yml" for name in ("site", "reset"))
    confirmed, replaced = f"reset_confirmed={NAME}", f"platform_id_replaced={theirs_id}"
    folder.mkdir()
    try:
        (folder / MARKER).write_text(marker_text(NAME, theirs_id))
        (folder / "x").write_text("the first's")
        for has, says in (("", "has no ca.crt"), (mine, f"has the secrets of one whose ID is {pki.key_id(mine)}")):
            if has:
                (secrets / "ca.crt").write_text(has)
            for arguments in ([], ["--check", "--diff"]):
                run = inventory.play(site, *arguments)
                assert run.code != 0
                assert re.search(
                    rf"platform_secrets_dir = {secrets}\n +problem: {says}, and the platform {NAME} there has the ID "
                    rf"{theirs_id}\n +cure: .* bring a copy of its folder .* -e {replaced}\n",
                    run.output,
                ), run.output
                assert run.changed == 0
            refused = inventory.play(reset, "-e", confirmed)
            assert refused.code != 0
            assert f"/etc/{NAME} belongs to another platform {NAME}: its ID is {theirs_id}" in refused.output
            assert f"-e {replaced}" in " ".join(refused.output.split())
            assert not (secrets / "ca.key").exists()
        assert (folder / "x").read_text() == "the first's"
        assert inventory.play(preflight, "-e", replaced).code == 0
        # Who has the first's secrets goes on, and takes it away.
        (secrets / "ca.crt").write_text(theirs)
        assert inventory.play(preflight).code == 0
        assert inventory.play(reset, "-e", confirmed).code == 0
        assert not folder.exists()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def test_a_right_inventory_gives_every_host_the_platform(inventory: Inventory, preflight: Path) -> None:
    inventory.set(
        short="{{ platform_name }}",
        platform_config_dir="/etc/{{ short }}",
        ansible_become=True,  # as root, without sudo on the machine
        unrelated="{{ only_known_elsewhere }}",
    )
    run = inventory.play(preflight)
    assert run.code == 0, run.output
    assert run.seconds < SECONDS_MAX * patience()
    platforms = yaml.safe_load((preflight.parent / "platform.json").read_text())
    assert set(platforms) == {"vm1", "manager1", "worker1", "worker2"}
    platform = platforms["worker2"]
    assert all(one == platform for one in platforms.values())
    assert platform["name"] == NAME
    assert platform["config_dir"] == f"/etc/{NAME}"
    assert platform["nodes"][0]["socket"] == f"/run/{NAME}/manager1/docker.sock"
    assert platform["registry"]["ip"] == "10.66.77.2"
    assert platform["apps"]["web"]["env_file"] == str(inventory.folder / "files" / "web.env")
    assert traces() == []


def test_a_host_out_of_reach_is_one_of_the_problems(inventory: Inventory, preflight: Path) -> None:
    inventory.set_host("vm1", ansible_connection="ssh", ansible_host="127.0.0.1", ansible_port=1)
    inventory.set(platform_colour="red")
    run = inventory.play(preflight)
    assert run.code != 0
    assert "The inventory has 2 problems" in run.output
    assert re.search(
        r"vm1: ansible_host = 127.0.0.1\n\s+problem: can't be looked at: .*(refused|resolve|reset)", run.output
    )
    assert "platform_colour = (not shown)" in run.output
    assert run.seconds < SECONDS_MAX * patience()


def test_entries_of_apps_are_nothing_for_a_log(inventory: Inventory, preflight: Path) -> None:
    """They have the apps' environment, and the hashes of their logins."""
    web = {"image": "express-app", "port": 3000, "environment": {"TOKEN": "plaintext-of-a-token"}}
    inventory.set(apps={"web": web})
    done = ansible_playbook().run("-vv", "-i", str(inventory.folder), str(preflight))
    assert done.code == 0, done.output
    assert "plaintext" not in done.output


@pytest.fixture
def core(request: pytest.FixtureRequest) -> Path | None:
    """The programs of an ansible-core in an environment of its own, which is kept."""
    version: str | None = request.param
    if version is None:
        return None
    return cores.environment(version) / "bin"


@pytest.mark.parametrize("core", [None, *cores.runnable()], indirect=True)
def test_nothing_of_a_vault_is_shown(core: Path | None, inventory: Inventory, preflight: Path, tmp_path: Path) -> None:
    """Neither of a value that is encrypted in its place, nor of one that is made of such, whatever its variable."""
    password = tmp_path / "password"
    password.write_text("of the test\n")

    def vault(text: str) -> str:
        done = subprocess.run(
            ["ansible-vault", "encrypt_string", "--vault-password-file", str(password), text],
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        return done.stdout

    inventory.set(
        platform_bind="plaintext-of-a-slip",
        images_source="{{ vault_source }}",
        vault_source="plaintext-of-a-name",
        platform_overlay_pool="plaintext-{{ nowhere }}",
        # What fails in a template, and is not Ansible's own error.
        jenkins_host="{{ 'plaintext' ",
        load_test_host="{{ lookup('ansible.builtin.env', 'PF_NOT_SET') | from_json }}",
        platform_node_bridge="{{ 1 // 0 }}",
        platform_source_registries="{{ 'plaintext' | no_such_filter }}",
    )
    with (inventory.folder / "group_vars" / "all.yml").open("a") as file:
        file.write(f"platform_slack_webhook_url: {vault('plaintext of a webhook')}")
        file.write(f"proxy_bind_address: {vault('plaintext-of-an-address')}")
        file.write(f"proxy_memory: {vault('128M')}")
        # Longer than a line, and after a place that is wrong.
        proxy = vault(f"plaintext-of-{'a-proxy' * 20}").replace("\n", "\n  ")
        file.write(f"docker_engine_daemon:\n  hosts: ['tcp://0.0.0.0:2375']\n  http-proxy: {proxy}\n")
    arguments = ("-i", str(inventory.folder), str(preflight), "--vault-password-file", str(password))
    if core is None:
        output = ansible_playbook().run(*arguments).output
    else:
        programs = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(ROOT / "collections")}
        done = subprocess.run(
            [str(core / "ansible-playbook"), *arguments],
            env=programs,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        output = done.stdout
    assert "The inventory has 10 problems; nothing was changed." in output, output
    for variable, problem in (
        ("platform_bind = (not shown)", "is not a variable of this collection"),
        ("images_source = (not shown)", "is not one of the choices"),
        ("platform_overlay_pool", "can't be resolved: 'nowhere' is undefined\n"),
        ("docker_engine_daemon = (not shown)", "lets everyone in"),
        *(
            (name, "can't be resolved: its template fails\n")
            for name in ("jenkins_host", "load_test_host", "platform_node_bridge", "platform_source_registries")
        ),
        ("platform_slack_webhook_url = (not shown)", "has a space or a line break in it"),
        ("proxy_bind_address = (not shown)", "is not an IPv4 address"),
    ):
        assert re.search(rf"{re.escape(variable)}\n\s+problem: {problem}", output), output
    assert "plaintext" not in output


@pytest.fixture
def manager() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """A folder of sockets in which manager1 answers, and what its swarm has recorded."""
    folder = Path(f"/run/{NAME}-older")
    configs: list[dict[str, Any]] = []

    class Manager(Handler):
        def do_GET(self) -> None:
            self.answer(configs)

    shutil.rmtree(folder, ignore_errors=True)
    (folder / "manager1").mkdir(parents=True)
    (folder / MARKER).write_text(marker_text(NAME))
    with engine_at(folder / "manager1/docker.sock", Manager):
        yield str(folder), configs
    shutil.rmtree(folder)


def test_site_stops_with_an_older_copy_and_a_deploy_does_not(
    inventory: Inventory, preflight: Path, manager: tuple[str, list[dict[str, Any]]]
) -> None:
    folder, configs = manager
    inventory.set(platform_run_dir=folder)
    assert inventory.play(preflight).code == 0
    app = yaml.safe_load((preflight.parent / "platform.json").read_text())["vm1"]["apps"]["web"]
    older = of_inventory(
        resolve_app("web", app), "registry:5000/web@sha256:1", secret_digest(Path(app["env_file"]).read_bytes())
    )
    newer = {**older, "env": "another", "app": {**older["app"], "replicas": 7}}
    of = {number: f"revision {number} (site by me{number}@desk, 2026-11-0{number}T10:00:00Z)" for number in (1, 2)}
    for number, word in ((1, older), (2, newer)):
        when, who, release = f"2026-11-0{number}T10:00:00Z", f"me{number}@desk", {"inventory": word}
        revision = Revision(number, {}, "", {}, "converged", when, who=who, kind="site", release=release)
        labels = {"io.fungap.stack": "web", "io.fungap.revision": str(number)}
        data = base64.b64encode(dump_revision("web", revision).encode()).decode()
        configs.append({"ID": str(number), "Spec": {"Labels": labels, "Data": data}})
    site = ROOT / "playbooks" / "site.yml"
    for arguments in ([], ["--check"]):
        run = inventory.play(site, *arguments)
        assert run.code != 0
        assert re.search(
            r"apps\.web\n +problem: is an older copy: .+\n +cure: .* -e apps_older_confirmed=web\n", run.output
        )
        assert f"{of[1]} recorded the same, and {of[2]} a newer one, which differs in replicas, the env " in run.output
        assert "The inventory has 1 problem; nothing was changed." in run.output
        assert run.changed == 0
    assert "is not an app of the inventory" in inventory.play(site, "-e", "apps_older_confirmed=true").output
    # What takes nothing of the inventory is not stopped, nor is one who says that it is meant.
    assert inventory.play(preflight).code == 0
    refuses = [{**ROLE[0], "vars": {"preflight_older_refused": True}}]
    preflight.write_text(yaml.safe_dump(refuses))
    assert inventory.play(preflight).code != 0
    assert inventory.play(preflight, "-e", "apps_older_confirmed=web").code == 0
    assert traces() == []


def test_site_stops_with_an_older_copy_of_the_rest(inventory: Inventory, preflight: Path) -> None:
    """Of a port, of nodes, of a secret: who put the newer one into force, and when; before anything is changed."""
    folder = Path(f"/etc/{NAME}")
    refuses = [{**ROLE[0], "vars": {"preflight_older_refused": True}}, SHOW]
    preflight.write_text(yaml.safe_dump(refuses))

    def run_to_the_end() -> str:
        """What site.yml leaves behind, without the platform."""
        assert inventory.play(preflight).code == 0
        text: str = yaml.safe_load((preflight.parent / "platform.json").read_text())["vm1"]["record"]
        (folder / "said").write_text(text)
        return text

    folder.mkdir()
    try:
        (folder / MARKER).write_text(marker_text(NAME))
        inventory.set(platform_slack_webhook_url="https://hooks.slack.com/services/swordfish")
        first = run_to_the_end()
        assert run_to_the_end() == first
        inventory.set(proxy_http_port=18082, platform_slack_webhook_url="https://hooks.slack.com/services/another")
        inventory.set_host("worker2", swarm_node_availability="drain")
        second = run_to_the_end()
        assert second.startswith(first)
        assert "swordfish" not in second
        [_head, *rows] = second.splitlines()
        assert [set(json.loads(row)["said"]) for row in rows[1:]] == [
            {"platform_slack_webhook_url", "proxy_http_port", "swarm_node_availability"}
        ]
        # The command line is not the inventory.
        assert inventory.play(preflight, "-e", "proxy_http_port=18083").code == 0
        assert yaml.safe_load((preflight.parent / "platform.json").read_text())["vm1"]["record"] == second

        inventory.set(proxy_http_port=18081, platform_slack_webhook_url="https://hooks.slack.com/services/swordfish")
        site = ROOT / "playbooks" / "site.yml"
        for arguments in ([], ["--check"]):
            run = inventory.play(site, *arguments)
            assert run.code != 0
            for subject, differing in (("platform", "platform_slack_webhook_url"), ("proxy", "proxy_http_port")):
                assert re.search(
                    rf"all hosts: {subject}\n +problem: is an older copy: site.yml by \S+@\S+, \S+Z, recorded the "
                    rf"same, and site.yml by \S+@\S+, \S+Z, a newer one, which differs in {differing}\n"
                    r" +cure: .* -e platform_older_confirmed=platform,proxy\n",
                    run.output,
                ), run.output
            assert "The inventory has 2 problems; nothing was changed." in run.output
            assert run.changed == 0
        assert inventory.play(preflight, "-e", "platform_older_confirmed=proxy").code != 0
        assert inventory.play(preflight, "-e", "platform_older_confirmed=proxy,platform").code == 0
        # What takes nothing of the inventory is not stopped.
        preflight.write_text(yaml.safe_dump(ROLE))
        assert inventory.play(preflight).code == 0
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.parametrize("name", ["local", "test", "prod", "cluster"])
def test_the_inventories_have_no_problem_of_their_own(name: str, preflight: Path) -> None:
    """Their machines are not there: that is all that is wrong with them."""
    inventory = Inventory(preflight.parent / "copy")
    inventory.folder = ROOT / "inventories" / name
    run = (
        inventory.play(preflight, "--limit", "!docker_hosts")
        if name == "cluster"
        else inventory.play(
            preflight, "-e", "ansible_ssh_timeout=1", "-e", "ansible_port=1", "-e", "ansible_host=127.0.0.1"
        )
    )
    found = re.findall(r"^\s+(\S.*)\n\s+problem: (.*)$", run.output, re.MULTILINE)
    assert [one for one in found if "can't be looked at" not in one[1] and "held by" not in one[1]] == [], run.output


def test_docker_host_info_looks_and_changes_nothing(run_module: Callable[..., dict[str, Any]]) -> None:
    checked = run_module("docker_host_info", {"files": ["/etc/hostname", "/nowhere"], "folders": ["/etc"]}, check=True)
    looked = run_module("docker_host_info", {"files": ["/etc/hostname", "/nowhere"], "folders": ["/etc"]})
    assert not checked["changed"]
    assert not looked["changed"]
    facts = looked["ansible_facts"]["docker_host"]
    assert set(facts) == set(checked["ansible_facts"]["docker_host"])
    assert facts["hostname"] == os.uname().nodename
    assert facts["docker"]["answering"]
    assert facts["docker"]["version"] == docker.from_env().version()["Version"]
    assert facts["mtu"] == int(Path(f"/sys/class/net/{facts['interface']}/mtu").read_text())
    assert facts["address"] in facts["addresses"]
    assert facts["files"]["/nowhere"] is False
    # What no system call takes is told by its variable, not by the machine.
    none = [f"/etc/{'a' * 256}", "/etc/a\0b", "/etc" + "/aaaa" * 819]
    at = dict.fromkeys(("files", "folders", "trees", "own_folders", "manager_sockets"), none)
    assert run_module("docker_host_info", at)["ansible_facts"]["docker_host"]["own_folders"] == {}
    assert facts["files"]["/etc/hostname"] is True
    assert "hostname" in facts["folders"]["/etc"]
    assert any(cidr in facts["routes"] for network in facts["docker"]["networks"] for cidr in network["subnets"])


def test_docker_host_info_reads_no_tree_of_others(run_module: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    ours, theirs, fixed = (str(tmp_path / name) for name in ("ours", "theirs", "fixed"))
    for folder in (ours, theirs, fixed):
        os.makedirs(f"{folder}/a")
        Path(folder, "a", "x.conf").write_text("x")
        with Path(folder, "images.tar").open("wb") as file:
            file.truncate(4 << 30)
    Path(ours, ".fungap-platform").write_text("platform: p\n")
    trees = [ours, theirs, fixed, "/var/lib", f"{tmp_path}/missing"]
    looked = run_module("docker_host_info", {"trees": trees, "own_folders": [ours, theirs, "/var/lib", trees[4]]})
    assert set(looked["trees"]) == {ours, fixed, trees[4]}
    assert looked["trees"][trees[4]] == {}
    assert looked["trees"][ours][f"{ours}/a/x.conf"]["digest"]
    assert looked["trees"][ours][f"{ours}/images.tar"]["digest"] == ""


def test_docker_host_info_needs_nothing_installed(tmp_path: Path) -> None:
    """No SDK, no engine: facts all the same, and quickly (processor time: other tests may run beside it)."""
    script = (
        "import sys, time; sys.path.insert(0, sys.argv[1]); sys.modules['docker'] = None\n"
        "from ansible_collections.fungap.swarm.plugins.module_utils.host.look import Host, look\n"
        "begin = time.process_time(); facts = look(Host(), docker_socket=sys.argv[2])\n"
        "assert not facts['docker']['answering'], facts\n"
        "print(time.process_time() - begin)"
    )
    done = subprocess.run(
        ["/usr/bin/python3", "-c", script, str(ROOT / "collections"), str(tmp_path / "none.sock")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert float(done.stdout) < 0.3 * patience()


@pytest.mark.parametrize("part", [("--tags", "backup"), ("--skip-tags", "jenkins"), ("--tags", "images,jenkins")])
def test_a_restore_is_whole_or_not_at_all(inventory: Inventory, part: tuple[str, str]) -> None:
    what = ("-e", "backup_name=jenkins", "-e", "backup_archive=x.tar.gz", "-e", f"backup_confirmed={NAME}")
    run = inventory.play(ROOT / "playbooks" / "restore.yml", *what, *part)
    assert run.code != 0
    assert "A restore is done whole or not at all" in run.output
    assert run.changed == 0


def test_a_machine_with_an_old_python_is_told(inventory: Inventory, preflight: Path) -> None:
    """By a real one: what pyenv or the system has of a version that ansible-core still speaks with."""
    versions = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv", "versions")
    found = [
        *versions.glob("3.[89].*/bin/python"),
        *(Path(p) for p in map(shutil.which, ("python3.9", "python3.8")) if p),
    ]
    if not found:
        pytest.skip("there is no Python 3.8 or 3.9 on this machine")
    inventory.set_host("vm1", ansible_python_interpreter=str(found[0]))
    run = inventory.play(preflight)
    assert run.code != 0
    assert re.search(
        r"vm1: ansible_python_interpreter = 3\.[89]\.\d+\n\s+problem: is too old for the modules", run.output
    )
    assert "3.10 or newer" in run.output
