"""A run that is killed at any task is completed by the next one; reset leaves nothing behind."""

from __future__ import annotations

import random
import subprocess
from pathlib import Path

from .conftest import NAME, SECRETS, Platform

POINTS = 10
CONFIRMED = ("-e", f"reset_confirmed={NAME}")


def reset(platform: Platform, *, volumes: bool) -> None:
    data = f'{{"reset_volumes": {"true" if volumes else "false"}}}'
    platform.run(*CONFIRMED, "-e", data, playbook="playbooks/reset.yml")


def traces(platform: Platform) -> list[str]:
    """All that a platform could leave on a docker host."""
    outer = platform.outer
    found = [
        f"container {item.name}"
        for item in outer.containers.list(all=True, ignore_removed=True)
        if item.name.startswith(NAME)
    ]
    found += [f"volume {item.name}" for item in outer.volumes.list() if item.name.startswith(NAME)]
    found += [f"network {item.name}" for item in outer.networks.list() if item.name.startswith(NAME)]
    found += [str(path) for path in (Path("/etc", NAME), Path("/run", NAME)) if path.exists()]
    found += [str(path) for path in Path("/etc/docker/certs.d").glob(f"{NAME}*")]
    found += ["/etc/hosts"] if NAME in Path("/etc/hosts").read_text() else []
    for tool in (["iptables-save"], ["ip", "route"]):
        rules = subprocess.run(tool, check=True, capture_output=True, text=True).stdout
        found += [f"{tool[0]}: {line}" for line in rules.splitlines() if "172.30.9." in line]
    return found


def test_reset_needs_confirmation(platform: Platform) -> None:
    refused = platform.play(playbook="playbooks/reset.yml")
    assert refused.code != 0
    assert f"-e reset_confirmed={NAME}" in refused.output
    assert platform.answers()


def test_reset_keeps_data_unless_asked_and_the_same_swarm_comes_back(platform: Platform) -> None:
    before = {name: node["ID"] for name, node in platform.members().items()}
    reset(platform, volumes=False)
    assert {trace.split()[0] for trace in traces(platform)} == {"volume"}
    platform.run()
    assert platform.answers()
    assert {name: node["ID"] for name, node in platform.members().items()} == before


def test_killed_at_random_tasks_and_completed_by_the_next_run(platform: Platform) -> None:
    """Each point on a platform that starts from nothing, so that every task has something to do."""
    reset(platform, volumes=True)
    tasks = platform.command("--list-tasks")
    count = sum(
        "TAGS:" in line and "play #" not in line
        for line in subprocess.run(tasks, check=True, capture_output=True, text=True).stdout.splitlines()
    )
    chance = random.Random()
    seed = chance.randrange(10**6)
    chance.seed(seed)
    # One point in each tenth of the run: anywhere, and everywhere.
    points = [chance.randint(count * i // POINTS + 1, max(count * (i + 1) // POINTS, 1)) for i in range(POINTS)]
    print(f"\nseed {seed}, of {count} tasks: {points}")
    for point in points:
        name = platform.run_and_kill(point)
        platform.run()
        assert platform.answers()
        again = platform.run()
        print(f"  killed at task {point:3} ({name or 'was over'}): completed; then changed={again.changed}")
        assert again.changed == 0, again.output
        reset(platform, volumes=True)


def test_reset_leaves_nothing(platform: Platform) -> None:
    platform.run()
    assert traces(platform)
    reset(platform, volumes=True)
    assert traces(platform) == []
    assert SECRETS.exists(), "the controller's secrets are the operator's"
    again = platform.run(*CONFIRMED, playbook="playbooks/reset.yml")
    assert again.changed == 0
