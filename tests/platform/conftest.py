"""A whole platform of the tests' own, under load. It should run alone: an overloaded machine answers late."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from ..load.live import TOLD, Live, platform, settings


@pytest.fixture(scope="session")
def live() -> Iterator[Live]:
    with platform(settings()) as live:
        yield live


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """What the load cost, also when all is well."""
    if TOLD:
        terminalreporter.section("under load")
        terminalreporter.write("\n".join(TOLD) + "\n")
