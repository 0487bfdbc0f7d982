"""A platform with its monitoring, and handles on it."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from .. import checkout
from ..load.live import Live, Settings, our_settings, platform, settings
from ..waiting import wait_for
from .prometheus import Prometheus

# The tests listen there, in the place of Slack and of whoever expects signs of life. It is the docker host.
ADDRESS = f"{checkout.subnet('alerts')}.1"
# Of this run alone: the tests that run beside these have secrets of their own, and are searched too.
WEBHOOK_SECRET = f"not-to-be-seen-{secrets.token_hex(8)}"
SLACK_PORT, SEARCH_PORT = checkout.port("alerts", 2), checkout.port("alerts", 3)


def ours() -> Settings:
    listener = f"http://{ADDRESS}:{SLACK_PORT}"
    return our_settings(
        "alerts",
        Path(__file__).resolve().parent / "inventory",
        platform_slack_webhook_url=f"{listener}/services/T0/B0/{WEBHOOK_SECRET}",
        monitoring_deadman_url=f"{listener}/deadman",
    )


@pytest.fixture(scope="package")
def live() -> Iterator[Live]:
    """The platform: one of our own, or the one that FUNGAP_LIVE_PLATFORM describes."""
    with platform(settings(ours)) as live:
        yield live


@pytest.fixture(scope="package")
def prometheus(live: Live) -> Prometheus:
    found = Prometheus(live)
    wait_for("Prometheus and its first scrapes", lambda: bool(found.query("up")), 120)
    return found
