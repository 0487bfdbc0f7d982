"""A whole platform of the tests' own, under load. Its tests get a quiet machine: an overloaded one answers late.

It is brought up by release 1.0.0 and brought forward by the checkout, as its users' platforms are.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from .. import installed
from .live import NODES, ROOT, Live, Settings, our_settings, platform, settings
from .upgrade import RELEASE, Upgrade

# Another number than three of nodes, for a measurement: every third one is a manager.
WANTED = int(os.environ.get("FUNGAP_LOAD_NODES", "3"))


def ours() -> Settings:
    inventory = Path(__file__).resolve().parent / "inventory"
    if len(NODES) == WANTED:
        return replace(our_settings("load", inventory), has_small_disk=True)
    groups = {
        "manager": {f"manager{number + 1}": 11 + number for number in range(WANTED // 3)},
        "worker": {f"worker{number + 1}": 21 + number for number in range(WANTED - WANTED // 3)},
    }
    where = our_settings("load", inventory, {**groups["manager"], **groups["worker"]})
    file = ROOT / ".cache" / "inventories" / "load-nodes.json"
    hosts = {f"swarm_{role}s": {"hosts": {node: {} for node in nodes}} for role, nodes in groups.items()}
    file.write_text(json.dumps(hosts))
    return replace(where, ansible_arguments=("-i", str(file), *where.ansible_arguments))


@pytest.fixture(scope="package")
def upgrade(tmp_path_factory: pytest.TempPathFactory) -> Upgrade | None:
    """What is to bring the platform up, and what it tells of it; None where there is no such release here."""
    commit = installed.release_commit(RELEASE) if settings(ours).is_ours else ""
    if not commit:
        return None
    folder = tmp_path_factory.mktemp("release")
    installed.install_release(folder, "release", commit)
    return Upgrade(folder)


@pytest.fixture(scope="package")
def live(upgrade: Upgrade | None) -> Iterator[Live]:
    with platform(settings(ours), upgrade.bring_up if upgrade else Live.up) as live:
        yield live
