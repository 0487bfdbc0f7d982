# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Grafana's dashboards are what bin/dashboards.py makes, and hold together."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted((ROOT / "roles/monitoring/files/dashboards").glob("*.json"))
DASHBOARDS = {file.stem: json.loads(file.read_text()) for file in FILES}
EACH = pytest.mark.parametrize("name", DASHBOARDS)
# They are delivered as swarm configs.
MAX_BYTES = 400_000


def panels(name: str) -> list[dict[str, Any]]:
    return [panel for panel in DASHBOARDS[name]["panels"] if panel["type"] != "row"]


def data_sources(part: Any) -> Iterator[Any]:
    """Every data source that is named anywhere in it."""
    if isinstance(part, dict):
        for key, value in part.items():
            if key == "datasource":
                yield value
            else:
                yield from data_sources(value)
    elif isinstance(part, list):
        for value in part:
            yield from data_sources(value)


def test_dashboards_are_current() -> None:
    command = [sys.executable, "bin/dashboards.py", "--check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_dashboard_has_an_id_of_its_own() -> None:
    ids = [dashboard["uid"] for dashboard in DASHBOARDS.values()]
    assert len(ids) == len(set(ids)) >= 7
    assert all(len(one) <= 40 for one in ids)


@EACH
def test_fits_into_a_swarm_config(name: str) -> None:
    assert (ROOT / f"roles/monitoring/files/dashboards/{name}.json").stat().st_size < MAX_BYTES


@EACH
def test_each_panel_says_what_it_shows(name: str) -> None:
    for panel in panels(name):
        assert panel["title"]
        assert panel["description"].endswith("."), panel["title"]
        # In a table a unit is for one column: text is no number.
        assert ("unit" in panel["fieldConfig"]["defaults"]) == (panel["type"] != "table"), panel["title"]
        assert panel["targets"], panel["title"]
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])


@EACH
def test_there_is_one_data_source(name: str) -> None:
    found = list(data_sources(DASHBOARDS[name]))
    assert found
    assert all(one == {"type": "prometheus", "uid": "prometheus"} for one in found)


@EACH
def test_panels_lie_beside_each_other(name: str) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARDS[name]["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24, panel["title"]
        cells = set(
            itertools.product(range(place["x"], place["x"] + place["w"]), range(place["y"], place["y"] + place["h"]))
        )
        assert not cells & taken, panel["title"]
        taken |= cells


@EACH
def test_a_chosen_variable_exists(name: str) -> None:
    dashboard = DASHBOARDS[name]
    known = {variable["name"] for variable in dashboard.get("templating", {}).get("list", [])}
    for variable in known:
        assert f"${variable}" in json.dumps(dashboard["panels"]), variable
    for other in ("node", "host", "stack", "service"):
        if other not in known:
            assert f"${other}" not in json.dumps(dashboard["panels"])


@pytest.mark.parametrize("name", ["manager", "workers", "services", "proxy", "load_test", "platform"])
def test_deploys_and_rollbacks_are_marked(name: str) -> None:
    marks = DASHBOARDS[name]["annotations"]["list"]
    assert [mark["name"] for mark in marks] == ["Deploys", "Rollbacks", "Failed rollouts"]
    for mark in marks:
        assert mark["useValueForTime"] == "on"
        assert "timestamp_seconds" in mark["expr"]
        # Older versions of Grafana read the one, newer ones the other.
        assert mark["target"]["expr"] == mark["expr"]
        assert (mark["target"]["refId"], mark["target"]["interval"]) == ("Anno", mark["step"])


@EACH
def test_curves_beside_each_other_have_no_area(name: str) -> None:
    """Of fourteen areas one above the other none is seen."""
    for panel in panels(name):
        if panel["type"] == "timeseries":
            custom = panel["fieldConfig"]["defaults"]["custom"]
            assert ("stacking" in custom) == bool(custom["fillOpacity"]), panel["title"]


@EACH
def test_colours_follow_limits(name: str) -> None:
    """Bars have colours along a scale otherwise, from green to red, whatever is good."""
    for panel in panels(name):
        if panel["type"] in ("stat", "state-timeline"):
            assert panel["fieldConfig"]["defaults"]["color"] == {"mode": "thresholds"}, panel["title"]
