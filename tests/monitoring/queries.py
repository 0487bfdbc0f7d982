"""What Grafana would ask Prometheus for a dashboard: its panels', variables' and annotations' queries, ready to run."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DASHBOARDS = Path(__file__).resolve().parents[2] / "roles" / "monitoring" / "files" / "dashboards"
# As Grafana fills them in for the last hour at a scrape interval of 15 s.
INTERVALS = {"__rate_interval": "1m", "__interval": "15s", "__range": "1h"}
LABEL_VALUES = re.compile(r"label_values\((?P<metric>.+), *(?P<label>\w+)\)")


@dataclass(frozen=True)
class Query:
    """``where``: dashboard and panel, variable or annotation. ``expression``: PromQL without variables."""

    where: str
    expression: str


def dashboards(folder: Path = DASHBOARDS) -> dict[str, dict[str, Any]]:
    """Name of the file -> the dashboard."""
    return {file.stem: json.loads(file.read_text()) for file in sorted(folder.glob("*.json"))}


def queries(dashboard: Mapping[str, Any]) -> list[Query]:
    """All of them, with every variable at "All": Grafana lists the values, which comes to the same where all exist."""
    variables = dashboard.get("templating", {}).get("list", [])
    values = {**INTERVALS, **{variable["name"]: ".+" for variable in variables}}
    return [Query(f"{dashboard['title']}: {where}", fill(text, values)) for where, text in _all(dashboard)]


def panels(dashboard: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Those that show something, with those of collapsed rows."""
    return [panel for panel in _panels(dashboard["panels"]) if panel["type"] != "row"]


def targets(dashboard: Mapping[str, Any], panel: Mapping[str, Any]) -> list[tuple[dict[str, Any], str]]:
    """A panel's targets, and for each the API's path and the expression: ``query_range up``."""
    values = {**INTERVALS, **{variable["name"]: ".+" for variable in dashboard.get("templating", {}).get("list", [])}}
    return [
        (target, f"{'query' if target.get('instant') else 'query_range'} {fill(target['expr'], values)}")
        for target in panel["targets"]
    ]


def _all(dashboard: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for variable in dashboard.get("templating", {}).get("list", []):
        yield f"variable {variable['name']}", values_query(variable["query"]["query"])
    for mark in dashboard.get("annotations", {}).get("list", []):
        yield f"annotation {mark['name']}", mark["expr"]
    for panel in _panels(dashboard["panels"]):
        for target in panel.get("targets", []):
            legend = f" ({target['legendFormat']})" if len(panel["targets"]) > 1 else ""
            yield f"{panel['title']}{legend}", target["expr"]


def _panels(panels: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Collapsed rows' too."""
    for panel in panels:
        yield panel
        yield from _panels(panel.get("panels") or [])


def values_query(query: str) -> str:
    """PromQL with one series for each value of ``label_values(<series>, <label>)``, which is Grafana's own."""
    found = LABEL_VALUES.fullmatch(query)
    if not found:
        raise ValueError(f"not a query of a variable: {query}")
    return f"count by ({found['label']}) ({found['metric']})"


def fill(text: str, values: Mapping[str, str]) -> str:
    """Grafana's $name and ${name} replaced; one that is not known is an error."""

    def value(found: re.Match[str]) -> str:
        return values[found[1] or found[2]]

    return re.sub(r"\$(?:(\w+)|\{(\w+)\})", value, text)
