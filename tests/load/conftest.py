"""A whole platform of the tests' own, under load. Its tests get a quiet machine: an overloaded one answers late."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from .live import Live, Settings, our_settings, platform, settings


def ours() -> Settings:
    return replace(our_settings("load", Path(__file__).resolve().parent / "inventory"), has_small_disk=True)


@pytest.fixture(scope="package")
def live() -> Iterator[Live]:
    with platform(settings(ours)) as live:
        yield live
