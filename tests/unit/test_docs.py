# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The reference is what the specifications say, and the map of the code what is there, not what was once."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def test_reference_is_current() -> None:
    done = subprocess.run(
        [sys.executable, "bin/docs.py", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def decided() -> list[tuple[str, str]]:
    """(file, name) of each row of "Where it is decided"; a file by itself has no name."""
    table = (ROOT / "docs/architecture.md").read_text().partition("## Where it is decided\n")[2].partition("\n## ")[0]
    places = re.findall(r"\| `([^`]+)` \|$", table, re.MULTILINE)
    return [(file, name) for file, _colon, name in (place.partition(":") for place in places)]


@pytest.mark.parametrize(("file", "name"), decided())
def test_where_it_is_decided_is_there(file: str, name: str) -> None:
    text = (ROOT / file).read_text()
    assert not name or re.search(rf"^(?:def|class) {name}\b|^{name}(?::[^=]*)? = ", text, re.MULTILINE)


def test_what_is_decided_where_is_a_table() -> None:
    assert len(decided()) > 30
