"""What happens to a platform: restarts, nodes that come and go."""

from __future__ import annotations

import base64
import datetime
import json
import os
import re
import socket
import ssl
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ansible_collections.fungap.swarm.plugins.plugin_utils import pki

from ..waiting import wait_for
from .conftest import HOST, NODES, Platform

WORKER3 = """
swarm_workers:
  hosts:
    worker3:
      swarm_node_address: SUBNET.23
      swarm_node_labels: {zone: attic}
"""


def identities(platform: Platform) -> dict[str, str]:
    return {name: node["ID"] for name, node in platform.members().items()}


def running_on(platform: Platform, node: str, service: str) -> int:
    """As the node's own engine says: of one that has just restarted, a manager still tells what was before."""
    label = f"com.docker.swarm.service.name={service}"
    return len(platform.engine(node).containers(filters={"label": label, "status": "running"}))


def settle(platform: Platform) -> None:
    """All nodes ready, all proxies and replicas running, the way in open."""
    wait_for("all nodes ready", platform.all_ready)
    wait_for("a proxy on each node", lambda: all(running_on(platform, node, "proxy_proxy") == 1 for node in NODES))
    wait_for("3 replicas of the app", lambda: sum(running_on(platform, node, "web_web") for node in NODES) == 3)
    wait_for("an HTTPS answer", platform.answers)


def take_off(platform: Platform, node: str) -> None:
    """All replicas to the other nodes: swarm gives none to a node that comes back, so they may all be on one."""
    engine = platform.engine("manager1")
    for availability, is_done in (
        ("drain", lambda: sum(running_on(platform, one, "web_web") for one in NODES if one != node) == 3),
        ("active", lambda: running_on(platform, node, "proxy_proxy") == 1),
    ):

        def update(availability: str = availability) -> object:
            member = platform.members()[node]
            spec = {**member["Spec"], "Availability": availability}
            return engine.update_node(member["ID"], member["Version"]["Index"], spec)

        # Swarm may have written the node meanwhile.
        wait_for(f"{node} to be told {availability}", update, 10)
        wait_for(f"{node}: {availability}", is_done)
    settle(platform)


@pytest.mark.parametrize("node", NODES)
def test_restart_of_a_node(platform: Platform, node: str) -> None:
    before = identities(platform)
    platform.container(node).restart(timeout=60)
    settle(platform)
    assert identities(platform) == before


def test_kill_of_the_manager(platform: Platform) -> None:
    before = identities(platform)
    take_off(platform, "manager1")
    platform.container("manager1").kill()
    # The other nodes go on serving.
    wait_for("an HTTPS answer without the manager", platform.answers, 15)
    platform.container("manager1").start()
    settle(platform)
    assert identities(platform) == before


def test_restart_of_all_nodes_at_once(platform: Platform) -> None:
    before = identities(platform)
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda node: platform.container(node).restart(timeout=60), NODES))
    settle(platform)
    assert identities(platform) == before
    assert platform.run().changed == 0


def test_worker_comes_and_goes_by_inventory_alone(platform: Platform, tmp_path: Path) -> None:
    extra = tmp_path / "worker3.yml"
    extra.write_text(WORKER3.replace("SUBNET", platform.subnet))
    platform.run(inventories=[extra])
    members = platform.members()
    assert members["worker3"]["Spec"]["Role"] == "worker"
    assert members["worker3"]["Spec"]["Labels"]["zone"] == "attic"
    assert members["worker3"]["Status"]["State"] == "ready"
    assert platform.run(inventories=[extra]).changed == 0

    # The inventory as it was before: somebody's older copy, or meant.
    refused = platform.play()
    assert refused.code != 0
    assert re.search(
        r"all hosts: nodes\n +problem: is an older copy: .* differs in group swarm_workers, .*swarm_node_labels\n",
        refused.output,
    ), refused.output
    assert set(platform.members()) == {*NODES, "worker3"}
    platform.run("-e", "platform_older_confirmed=nodes")
    assert set(platform.members()) == set(NODES)
    assert (
        platform.outer.containers.list(all=True, ignore_removed=True, filters={"name": f"{platform.name}-worker3"})
        == []
    )
    settle(platform)
    assert platform.run().changed == 0


def test_prune_takes_what_nothing_needs_and_leaves_the_rest(platform: Platform) -> None:
    image = f"{platform.name}-registry:5000/abandoned:1"
    push = f"set -e; tar -cf - -T /dev/null | docker import - {image}; docker push -q {image}; docker rmi {image}"
    config = f"/etc/{platform.name}/registry-client"
    subprocess.run(["sh", "-c", push], check=True, env={**os.environ, "DOCKER_CONFIG": config})
    settings = {
        "registry_prune_grace_seconds": 0,
        "registry_prune_quiet_seconds": 1,
        # What else this machine's engine holds is none of the test's business.
        "images_prune_grace_seconds": 10**9,
    }
    arguments = ("-e", json.dumps(settings))
    would = platform.run("--check", "--diff", *arguments, playbook="playbooks/prune.yml")
    assert "(1): nothing needs it" in would.output
    done = platform.run(*arguments, playbook="playbooks/prune.yml")
    assert done.changed == 1
    # With it go repositories of which only layers were planted.
    assert re.search(r"gone - (\S+, )*abandoned\b", done.output)
    assert platform.run(*arguments, playbook="playbooks/prune.yml").changed == 0
    settle(platform)
    assert platform.run().changed == 0


def test_a_registrys_certificate_near_its_end_is_renewed_by_whatever_passes_by(platform: Platform) -> None:
    """Nodes would lose all pulls when it ends, and nobody need ever run site.yml again."""
    registry, host = platform.container("registry"), Path("/etc", platform.name, "registry")
    now = datetime.datetime.now(datetime.timezone.utc)

    def days_left() -> float:
        try:
            return pki.days_left(ssl.get_server_certificate((f"{platform.subnet}.2", 5000), timeout=5), now)
        except OSError:
            return -1

    def pull(node: str) -> None:
        engine = platform.engine(node)
        [service] = platform.engine("manager1").services(filters={"name": "web_web"})
        image = service["Spec"]["TaskTemplate"]["ContainerSpec"]["Image"]
        config = json.loads(Path("/etc", platform.name, "registry-client", "config.json").read_text())
        [login] = config["auths"].values()
        user, _colon, password = base64.b64decode(login["auth"]).decode().partition(":")
        said = engine.pull(image, auth_config={"username": user, "password": password})
        assert "error" not in said, said

    scale = ("-e", json.dumps({"app": "web", "replicas": platform.running("web_web")}))
    platform.run(*scale, playbook="playbooks/scale.yml")
    # As it was made 340 days ago.
    authority = pki.KeyPair(*((platform.secrets / f"ca.{kind}").read_text() for kind in ("crt", "key")))
    key = pki.new_key()
    old = pki.issue(
        authority, key, [f"{platform.name}-registry"], [f"{platform.subnet}.2"], now - datetime.timedelta(days=340)
    )
    for folder, name in ((platform.secrets, "registry"), (host, "tls")):
        (folder / f"{name}.crt").write_text(old)
        (folder / f"{name}.key").write_text(key)
    registry.restart(timeout=15)
    wait_for("the old certificate", lambda: 24 < days_left() < 26)
    registry.reload()
    began = registry.attrs["State"]["StartedAt"]

    # Who looks is told, and nothing changes.
    told = f"the certificate of the registry is valid until {pki.not_after(old)}: the next deploy"
    assert told in platform.run(playbook="playbooks/status.yml").output
    would = platform.run("--check", "--diff", *scale, playbook="playbooks/scale.yml")
    assert f"{host}/tls.crt" in would.output
    assert "PRIVATE KEY" not in would.output
    registry.reload()
    assert (registry.attrs["State"]["StartedAt"], (host / "tls.crt").read_text()) == (began, old)

    platform.run(*scale, playbook="playbooks/scale.yml")
    assert days_left() > 364
    container = platform.container("registry")
    assert container.id == registry.id
    assert container.attrs["State"]["StartedAt"] != began
    for node in NODES:
        pull(node)

    # Once, and site.yml finds nothing to do either.
    renewed = (host / "tls.crt").read_text()
    assert platform.run(*scale, playbook="playbooks/scale.yml").changed == 0
    assert platform.run("--tags", "registry").changed == 0
    assert platform.container("registry").attrs["State"]["StartedAt"] == container.attrs["State"]["StartedAt"]
    assert (host / "tls.crt").read_text() == renewed
    assert told not in platform.run(playbook="playbooks/status.yml").output


def test_the_proxys_certificate_near_its_end_is_renewed_by_what_is_no_release(platform: Platform) -> None:
    """It is a secret of the swarm; the one that the controller keeps says when it ends."""

    def shown() -> str:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(platform.secrets / "ca.crt")
        with (
            socket.create_connection(("127.0.0.1", platform.https_port), timeout=5) as raw,
            context.wrap_socket(raw, server_hostname=HOST) as connection,
        ):
            return ssl.DER_cert_to_PEM_cert(connection.getpeercert(binary_form=True) or b"")

    def configs() -> list[str]:
        service = platform.engine("manager1").inspect_service("proxy_proxy")
        return sorted(one["ConfigName"] for one in service["Spec"]["TaskTemplate"]["ContainerSpec"]["Configs"])

    prune = ("-e", json.dumps({"images_prune_grace_seconds": 10**9}))
    platform.run(*prune, playbook="playbooks/prune.yml")
    before, files = shown(), configs()
    now = datetime.datetime.now(datetime.timezone.utc)
    authority = pki.KeyPair(*((platform.secrets / f"ca.{kind}").read_text() for kind in ("crt", "key")))
    key = pki.new_key()
    # As it was made 340 days ago.
    old = pki.issue(authority, key, [HOST], [], now - datetime.timedelta(days=340))
    (platform.secrets / "proxy.crt").write_text(old)
    (platform.secrets / "proxy.key").write_text(key)

    told = "the certificate of the proxy is to be made anew (it expires soon)"
    assert told in platform.run(playbook="playbooks/status.yml").output
    would = platform.run("--check", "--diff", *prune, playbook="playbooks/prune.yml")
    assert would.changed > 0
    assert "PRIVATE KEY" not in would.output
    assert (shown(), (platform.secrets / "proxy.crt").read_text()) == (before, old)

    platform.run(*prune, playbook="playbooks/prune.yml")
    renewed = (platform.secrets / "proxy.crt").read_text()
    assert renewed not in (before, old)
    assert pki.days_left(renewed, now) > 364
    assert shown() == renewed
    # Nothing else of the proxy is another one, and it happens once.
    assert configs() == files
    assert platform.run(*prune, playbook="playbooks/prune.yml").changed == 0
    assert told not in platform.run(playbook="playbooks/status.yml").output
    assert platform.run().changed == 0
