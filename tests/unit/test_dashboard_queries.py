# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The queries that are taken from the dashboards for the test on a running platform."""

from __future__ import annotations

import re

import pytest

from tests.monitoring.queries import dashboards, fill, queries, values_query


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("label_values(up, job)", "count by (job) (up)"),
        ('label_values(up{a="b, c"}, job)', 'count by (job) (up{a="b, c"})'),
    ],
)
def test_a_variable_is_asked_by_its_label(query: str, expected: str) -> None:
    assert values_query(query) == expected


def test_what_is_no_variable_is_refused() -> None:
    with pytest.raises(ValueError, match="query_result"):
        values_query("query_result(up)")


def test_variables_are_filled_in() -> None:
    assert (
        fill('rate(a{b=~"$node"}[$__range]) + ${node}', {"node": ".*", "__range": "1h"}) == 'rate(a{b=~".*"}[1h]) + .*'
    )


def test_an_unknown_variable_is_an_error() -> None:
    with pytest.raises(KeyError, match="nobody"):
        fill("up{a=~'$nobody'}", {})


@pytest.mark.parametrize("name", dashboards())
def test_every_panel_variable_and_mark_is_asked(name: str) -> None:
    dashboard = dashboards()[name]
    found = queries(dashboard)
    targets = [target for panel in dashboard["panels"] for target in panel.get("targets", [])]
    others = dashboard["annotations"]["list"] + dashboard["templating"].get("list", [])
    assert len(found) == len(targets) + len(others)
    assert len({query.where for query in found}) == len(found)
    assert not [query for query in found if re.search(r"\$|\{\{", query.expression)]
