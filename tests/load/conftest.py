"""A whole platform of the tests' own, under load. Its tests get a quiet machine: an overloaded one answers late.

It is brought up by release 1.0.0 and brought forward by the checkout, as its users' platforms are.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from .. import installed
from .live import Live, Settings, our_settings, platform, settings
from .upgrade import RELEASE, Upgrade


def ours() -> Settings:
    return replace(our_settings("load", Path(__file__).resolve().parent / "inventory"), has_small_disk=True)


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
