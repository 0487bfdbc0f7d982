"""A whole platform of the tests' own, under load. It should run alone: an overloaded machine answers late."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from ..load.live import TOLD, Live, settings, tell


@pytest.fixture(scope="session")
def live() -> Iterator[Live]:
    """The platform. Each test leaves it as it found it."""
    live = Live(settings())
    try:
        started = time.monotonic()
        live.up()
        tell(f"the platform was up after {time.monotonic() - started:.0f} s")
        yield live
    finally:
        live.down()


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """What the load cost, also when all is well."""
    if TOLD:
        terminalreporter.section("under load")
        terminalreporter.write("\n".join(TOLD) + "\n")
