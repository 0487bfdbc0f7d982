"""A whole platform of the tests' own, under load. Its tests get a quiet machine: an overloaded one answers late."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from .live import NODES, ROOT, Live, Settings, our_settings, platform, settings

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
def live() -> Iterator[Live]:
    with platform(settings(ours)) as live:
        yield live
