"""A platform with its monitoring, and handles on it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ..load.live import TOLD, Live, Settings, platform, settings, wait_for
from .prometheus import Prometheus

NAME = "mo-platform"
OURS = Settings(
    name=NAME,
    inventory=str(Path(__file__).resolve().parent / "inventory"),
    address="127.0.0.1:18554",
    ca=f"/var/tmp/{NAME}/secrets/ca.crt",
    node_socket=f"/run/{NAME}/{{node}}/docker.sock",
    registry=f"{NAME}-registry:5000",
    registry_config=f"/etc/{NAME}/registry-client",
    has_small_disk=False,
)


@pytest.fixture(scope="session")
def live() -> Iterator[Live]:
    """The platform: one of our own, or the one that FUNGAP_LIVE_PLATFORM describes."""
    given = settings()
    with platform(OURS if given.is_ours else given) as live:
        yield live


@pytest.fixture(scope="session")
def prometheus(live: Live) -> Prometheus:
    found = Prometheus(live)
    wait_for("Prometheus and its first scrapes", lambda: bool(found.query("up")), 120)
    return found


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """What was seen, also when all is well."""
    if TOLD:
        terminalreporter.section("monitoring")
        terminalreporter.write("\n".join(TOLD) + "\n")
