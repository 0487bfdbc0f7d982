"""What panels show of recorded answers, by Grafana's published library: numbers are numbers, text stays text.

After a change of queries: ``python -m tests.monitoring.grafana.record IMAGE``.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .. import node
from .queries import dashboards, panels, targets

HERE = Path(__file__).resolve().parent / "grafana"
RECORDED: dict[str, Any] = json.loads((HERE / "answers.json").read_text())
# What a number is not shown as, and neither is anything else.
NONSENSE = re.compile(r"NaN|Infinity|undefined|\[object|Invalid")


@pytest.fixture(scope="module")
def shown() -> dict[str, dict[str, Any]]:
    """Dashboard and panel -> {panel, fields: [{name, type, texts, colors}], unknown: units}."""
    every = {
        f"{dashboard['title']}: {panel['title']}": (panel, targets(dashboard, panel))
        for dashboard in dashboards().values()
        for panel in panels(dashboard)
    }
    given = [
        {"panel": panel, "targets": [{"target": target, "answer": RECORDED[query]} for target, query in asked]}
        for panel, asked in every.values()
    ]
    command = ["node", str(HERE / "render.cjs"), str(node.libraries(HERE))]
    done = subprocess.run(command, input=json.dumps(given), text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    rendered = json.loads(done.stdout)
    return {where: {"panel": every[where][0], **one} for where, one in zip(every, rendered, strict=True)}


def fields(shown: dict[str, dict[str, Any]], kind: str) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Name, field and panel of every field of a type: number, string or time."""
    for where, one in shown.items():
        for field in one["fields"]:
            if field["type"] == kind:
                yield f"{where}, {field['name']}", field, one["panel"]


def units(panel: dict[str, Any]) -> set[str]:
    overridden = (one for override in panel["fieldConfig"]["overrides"] for one in override["properties"])
    found = (one["value"] for one in overridden if one["id"] == "unit")
    return {unit for unit in (panel["fieldConfig"]["defaults"].get("unit"), *found) if unit}


def test_every_query_is_recorded_and_none_too_many() -> None:
    every = [(dashboard, panel) for dashboard in dashboards().values() for panel in panels(dashboard)]
    assert RECORDED.keys() == {query for dashboard, panel in every for _, query in targets(dashboard, panel)}
    assert [query for query, answer in RECORDED.items() if not answer["data"]["result"]] == []


def test_every_unit_is_known(shown: dict[str, dict[str, Any]]) -> None:
    assert [(where, one["unknown"]) for where, one in shown.items() if one["unknown"]] == []


def test_nothing_is_shown_as_nonsense(shown: dict[str, dict[str, Any]]) -> None:
    found = [*fields(shown, "number"), *fields(shown, "string")]
    texts = [(where, text) for where, field, _ in found for text in field["texts"]]
    assert len(texts) > 300
    assert [(where, text) for where, text in texts if NONSENSE.search(text)] == []


def test_text_stays_text(shown: dict[str, dict[str, Any]]) -> None:
    found = [(where, field["values"], field["texts"]) for where, field, _ in fields(shown, "string")]
    assert len(found) > 15
    assert [one for one in found if one[1] != one[2]] == []


def test_counts_have_no_fractions(shown: dict[str, dict[str, Any]]) -> None:
    counts = [(where, field["texts"]) for where, field, panel in fields(shown, "number") if "none" in units(panel)]
    assert len(counts) > 20
    assert [(where, texts) for where, texts in counts if "." in "".join(texts)] == []


def test_no_column_says_the_same_of_all(shown: dict[str, dict[str, Any]]) -> None:
    """A value that is always 1 is there for its labels, which are columns already."""
    columns = [(where, field) for where, field, panel in fields(shown, "number") if panel["type"] == "table"]
    assert [where for where, field in columns if set(field["values"]) == {1} and "missing" not in where] == []


def test_what_is_missing_catches_the_eye(shown: dict[str, dict[str, Any]]) -> None:
    """Of the services that were recorded one has all its replicas, one lacks one, and one has none."""
    bars = [field for field in shown["Services and rollouts: Replicas"]["fields"] if field["type"] == "number"]
    assert {bar["name"]: bar["texts"][-1] for bar in bars} == {
        "proxy proxy": "all",
        "shop web": "some missing",
        "shop mailer": "none",
    }
    assert len({bar["colors"][-1] for bar in bars}) == 3
