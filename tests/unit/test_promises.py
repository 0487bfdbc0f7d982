# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The table of bin/promises.py fits the code: the lines that it breaks are there, and so are the tests."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROMISES = runpy.run_path(str(ROOT / "bin" / "promises.py"))["PROMISES"]


@pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: promise.says)
def test_line_and_test_are_there(promise: Any) -> None:
    assert (ROOT / promise.file).read_text().count(promise.old) == 1
    file, _colons, name = promise.test.partition("::")
    assert f"def {name}" in (ROOT / "tests" / "unit" / file).read_text()


def test_promises_differ() -> None:
    names = [promise.says for promise in PROMISES]
    assert len(set(names)) == len(names)
