"""What happens to a platform: restarts, nodes that come and go."""

from __future__ import annotations

import json
import os
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ..waiting import wait_for
from .conftest import NODES, Platform

WORKER3 = """
swarm_workers:
  hosts:
    worker3:
      swarm_node_address: SUBNET.23
      swarm_node_labels: {zone: attic}
"""


def identities(platform: Platform) -> dict[str, str]:
    return {name: node["ID"] for name, node in platform.members().items()}


def settle(platform: Platform) -> None:
    """All nodes ready, all replicas running, the way in open."""
    wait_for("all nodes ready", platform.all_ready)
    wait_for("3 replicas of the app", lambda: platform.running("web_web") == 3)
    wait_for("an HTTPS answer", platform.answers)


@pytest.mark.parametrize("node", NODES)
def test_restart_of_a_node(platform: Platform, node: str) -> None:
    before = identities(platform)
    platform.container(node).restart(timeout=60)
    settle(platform)
    assert identities(platform) == before


def test_kill_of_the_manager(platform: Platform) -> None:
    before = identities(platform)
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

    platform.run()
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
