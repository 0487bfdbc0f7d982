"""The platform as it came up."""

from __future__ import annotations

import json
import re
import ssl
import stat
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
import yaml

from ansible_collections.fungap.swarm.plugins.module_utils.docker.engine import Engine
from ansible_collections.fungap.swarm.plugins.module_utils.folder.model import MARKER, marker_text
from ansible_collections.fungap.swarm.plugins.plugin_utils import pki
from ansible_collections.fungap.swarm.plugins.plugin_utils.said import parse_rows

from ..load.live import ROOT
from ..waiting import patience
from .conftest import INVENTORY, NODES, Platform


def test_the_installed_collection_is_what_runs(platform: Platform) -> None:
    shown = platform.run("-vv", playbook="playbooks/status.yml").output
    paths = set(re.findall(r"^task path: (\S+):\d+$", shown, re.MULTILINE))
    assert paths
    assert [path for path in paths if not Path(path).is_relative_to(platform.live.where.installed)] == []


def test_https_answers_from_every_replica(platform: Platform) -> None:
    names = platform.replicas()
    print(f"\nreplicas that answered: {', '.join(sorted(names))}")
    assert len(names) == 3


def test_app_reads_its_env_file(platform: Platform) -> None:
    assert platform.app()["greeting"] == "Hello from the swarm"


def test_what_was_waited_for_was_shown(platform: Platform) -> None:
    """Each in a rollout's way: what, since how many seconds, and how far it is."""
    shown = re.findall(r"^  (\S+) +\d+ s  (.*)", platform.bringing_up, re.MULTILINE)
    registry = f"{platform.name}-registry"
    for name, words in {
        "images": r"\d of \d pushed",
        "proxy": r"service proxy: .*, \d of 3 tasks of its current version run",
        "web": r"service web: .*, \d of 3 tasks of its current version run",
        registry: f"container {registry}: ",
    }.items():
        assert any(one == name and re.match(words, said) for one, said in shown), shown


def test_answer_hides_what_is_behind(platform: Platform) -> None:
    status, headers, _ = platform.get()
    assert status == 200
    assert "x-powered-by" not in headers
    assert "server" not in headers
    assert headers["strict-transport-security"].startswith("max-age=63072000")


def test_http_is_sent_to_https(platform: Platform) -> None:
    status, headers = platform.plain_get("/some/where?x=1")
    assert (status, headers["location"]) == (301, f"https://web.localhost:{platform.https_port}/some/where?x=1")


def test_nodes_and_roles(platform: Platform) -> None:
    members = platform.members()
    assert {name: node["Spec"]["Role"] for name, node in members.items()} == {
        "manager1": "manager",
        "worker1": "worker",
        "worker2": "worker",
    }
    assert all(node["Status"]["State"] == "ready" for node in members.values())


def test_engines_are_reached_by_their_sockets_only(platform: Platform) -> None:
    for node in NODES:
        folder = Path("/run", platform.name, node)
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert platform.container(node).attrs["HostConfig"]["PortBindings"] in (None, {})


def test_registry_refuses_anonymous(platform: Platform) -> None:
    trust = ssl.create_default_context(cafile=platform.live.where.ca)
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"https://{platform.subnet}.2:5000/v2/_catalog", context=trust, timeout=5)
    assert refused.value.code == 401


def test_every_service_runs_by_digest_from_the_platforms_registry(platform: Platform) -> None:
    for service in platform.engine("manager1").services():
        image = service["Spec"]["TaskTemplate"]["ContainerSpec"]["Image"]
        assert image.startswith(f"{platform.name}-registry:5000/")
        assert "@sha256:" in image


def test_short_names_are_an_apps_own(platform: Platform) -> None:
    engine = platform.engine("manager1")
    tasks = engine.tasks(filters={"service": "web_web", "desired-state": "running"})
    attached = [one for task in tasks for one in task["NetworksAttachments"]]
    own = {
        address.partition("/")[0]
        for one in attached
        if one["Network"]["Spec"]["Name"] == "web_default"
        for address in one["Addresses"]
    }
    container = engine.containers(filters={"label": "com.docker.swarm.service.name=web_web"})[0]["Id"]
    manager = Engine(platform.live.where.node_socket.format(node="manager1"))
    ask = (
        "const names = process.argv.slice(1); const found = {}; for (const name of names) require('dns').lookup(name, "
        + (
            "{all: true, family: 4}, (error, all) => { found[name] = error ? error.code : all.map(one => one.address); "
            "if (Object.keys(found).length === names.length) console.log(JSON.stringify(found)) })"
        )
    )
    names = ["web", "proxy", "prometheus", "proxy_proxy", "tasks.web_web"]
    found = json.loads(manager.containers.exec(container, ["node", "-e", ask, *names])[1])
    assert len(own) == 3
    assert set(found["web"]) == own
    assert {found["proxy"], found["prometheus"]} <= {"ENOTFOUND", "EAI_AGAIN"}
    # Where all apps are, the full names.
    assert len(found["proxy_proxy"]) == 3
    assert len(found["tasks.web_web"]) == 3


def test_no_secret_in_any_argv_or_log_of_the_engines(platform: Platform) -> None:
    secrets = [path.read_text().strip() for path in platform.secrets.glob("*.password")]
    secrets += [(platform.secrets / "proxy.key").read_text().splitlines()[1]]
    assert len(secrets) >= 2
    commands = b"".join(path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()).decode(
        errors="replace"
    )
    specs = json.dumps([platform.engine("manager1").services(), platform.engine("manager1").configs()])
    for secret in secrets:
        assert secret not in commands
        assert secret not in specs


def test_stacks_are_compose_files_that_a_person_can_read(platform: Platform) -> None:
    for stack in ("proxy", "web"):
        assert "services:" in Path("/etc", platform.name, "stacks", stack, "compose.yml").read_text()


def test_folders_say_whose_they_are_and_what_the_inventory_said(platform: Platform) -> None:
    config = Path("/etc", platform.name)
    own_id = pki.key_id((platform.secrets / "ca.crt").read_text())
    for folder in (config, Path("/run", platform.name), Path(f"/etc/docker/certs.d/{platform.name}-registry:5000")):
        assert (folder / MARKER).read_text() == marker_text(platform.name, own_id)
    assert stat.S_IMODE((config / "said").stat().st_mode) == 0o600
    [row] = parse_rows((config / "said").read_text())
    assert "@" in row.who
    assert {"group swarm_managers", "platform_subnet"} <= set(row.said)


def test_check_mode_finds_nothing_to_do(platform: Platform) -> None:
    done = platform.run("--check", "--diff")
    assert done.changed == 0, done.output


@pytest.mark.parametrize("tag", ["docker_engine", "swarm_node", "swarm_member"])
def test_a_run_of_one_tag_needs_nothing_of_the_others(platform: Platform, tag: str) -> None:
    """Ansible judges the arguments of all roles, whatever the tag."""
    assert platform.run("--tags", tag).changed == 0


def test_second_run_changes_nothing_and_no_engine_hears_of_it(platform: Platform) -> None:
    # Events have whole seconds: what happened before is not to be counted.
    time.sleep(1.5)
    since = time.time()
    done = platform.run()
    until = time.time() + 1
    assert done.changed == 0, done.output
    assert platform.events(since, until) == []


def test_status_says_that_all_is_well(platform: Platform) -> None:
    done = platform.run(playbook="playbooks/status.yml")
    assert "All nodes are ready, all services run as wanted." in done.output


def test_a_new_app_whose_env_file_would_hide_code_gets_no_route(platform: Platform) -> None:
    apps = yaml.safe_load((INVENTORY / "group_vars/all.yml").read_text())["apps"]
    apps["second"] = {**apps["web"], "hosts": ["second.localhost"], "env_target": "/usr/src/app"}
    before = time.time()
    refused = platform.play("-e", json.dumps({"apps": apps}))
    assert refused.code != 0
    assert "/usr/src/app" in refused.output
    assert "app.js" in refused.output
    assert platform.events(before, time.time()) == []


def test_a_wrong_setting_is_refused_before_anything_changes(platform: Platform) -> None:
    before = time.time()
    asked = json.dumps({"app": "web", "settings": {"update": {"monitor_second": 120}}})
    refused = platform.play("-e", asked, playbook="playbooks/deploy.yml")
    assert refused.code != 0
    assert "settings.update.monitor_second = (not shown)" in refused.output
    assert platform.events(before, time.time()) == []


def test_wrong_inventory_is_refused_before_anything_changes(platform: Platform, tmp_path: Path) -> None:
    extra = tmp_path / "extra.yml"
    extra.write_text("all:\n  vars:\n    platfrom_name: oops\n")
    since = time.time()
    refused = platform.play(inventories=[extra])
    assert refused.code != 0
    assert refused.changed == 0
    assert "platfrom_name" in refused.output
    assert "did you mean platform_name?" in refused.output
    assert platform.events(since, time.time() + 1) == []


def test_preflight_alone_takes_seconds(platform: Platform) -> None:
    start = time.monotonic()
    platform.run(playbook="playbooks/preflight.yml")
    seconds = time.monotonic() - start
    print(f"\npreflight alone: {seconds:.1f} s")
    assert seconds < 30 * patience()


def test_generated_files_of_the_checkout_are_untouched() -> None:
    assert not (ROOT / "tests" / "platform" / "inventory" / ".secrets").exists()
