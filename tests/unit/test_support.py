"""What the catalog pulls is of lines that their makers still support today."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from ..images import ROLE, catalog

LINES: list[dict[str, Any]] = yaml.safe_load(Path(ROLE, "files", "support.yml").read_text())
# So long an answer without an end counts.
LOOK_AGAIN = timedelta(days=365)
PULLED = {name: entry.pull for name, entry in catalog().items() if entry.pull}


def trouble(pulled: str, lines: list[dict[str, Any]], today: date) -> str:
    """Why an image should not be pulled any more; empty where it may."""
    image, _, tag = pulled.partition("@")[0].rpartition(":")
    known = [one for one in lines if one["image"] == image and tag.startswith(one["line"])]
    if not known:
        return f"{pulled}: roles/images/files/support.yml says nothing of its line"
    until, looked = known[0]["until"], known[0]["looked"]
    if until and until < today:
        return f"{pulled}: its line is not supported since {until}; see {known[0]['source']}"
    if not until and looked + LOOK_AGAIN < today:
        return f"{pulled}: nobody has looked since {looked} whether its line is supported: {known[0]['source']}"
    return ""


@pytest.mark.parametrize("name", PULLED)
def test_what_is_pulled_is_supported(name: str) -> None:
    assert trouble(PULLED[name], LINES, date.today()) == ""


def test_no_line_is_left_over() -> None:
    """Each line is that of an image in the catalog."""
    for line in LINES:
        assert [one for one in PULLED.values() if trouble(one, [line], line["looked"]) == ""], line["image"]


TODAY = date(2026, 11, 29)
ENDS = {"image": "nginx", "line": "1.30.", "until": TODAY, "looked": TODAY, "source": "its page"}
OPEN = {**ENDS, "until": None}


@pytest.mark.parametrize(
    ("pulled", "line", "days", "says"),
    [
        ("nginx:1.30.6", ENDS, 0, ""),
        ("nginx:1.30.6@sha256:0", ENDS, 0, ""),
        ("nginx:1.30.6", ENDS, 1, "not supported since 2026-11-29"),
        ("nginx:1.3.6", ENDS, 0, "says nothing of its line"),
        ("other/nginx:1.30.6", ENDS, 0, "says nothing of its line"),
        ("nginx:1.30.6", OPEN, 365, ""),
        ("nginx:1.30.6", OPEN, 366, "nobody has looked since 2026-11-29"),
    ],
)
def test_when_a_line_is_refused(pulled: str, line: dict[str, Any], days: int, says: str) -> None:
    found = trouble(pulled, [line], TODAY + timedelta(days=days))
    assert (says in found) if says else (found == "")
