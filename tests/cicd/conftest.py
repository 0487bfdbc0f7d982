"""What was seen and how long it took, also when all is well."""

from __future__ import annotations

from typing import Any

from ..load.live import TOLD


def pytest_terminal_summary(terminalreporter: Any) -> None:
    if TOLD:
        terminalreporter.section("cicd")
        terminalreporter.write("\n".join(TOLD) + "\n")
