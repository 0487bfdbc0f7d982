# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What goes from one docker host to another, case by case: a manager m on vm1, workers a and b on vm2, c on vm3."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.fungap.swarm.plugins.plugin_utils.env_copies import env_copies, env_labels

NODES = [
    {"name": name, "host": host, "socket": f"/run/{name}.sock"}
    for name, host in (("m", "vm1"), ("a", "vm2"), ("b", "vm2"), ("c", "vm3"))
]
VERSION = "v2"


def ready(**versions: str) -> dict[str, list[str]]:
    return {node: text.split() for node, text in versions.items()}


def first(left_out: tuple[str, ...] = (), **versions: str) -> dict[str, Any]:
    return {"version": VERSION, "ready": ready(**versions), "left_out": list(left_out)}


def call(host: str, left_out: tuple[str, ...] = (), **versions: str) -> dict[str, Any]:
    """Versions of other docker hosts' nodes are hearsay."""
    return {"__app_host": host, "ready": {"m": [], **ready(**versions)}, "left_out": list(left_out)}


def copies(versions: str, node: str) -> list[dict[str, str]]:
    return [{"version": version, "node": node} for version in versions.split()]


@pytest.mark.parametrize(
    ("delivered", "others", "reads", "copied"),
    [
        pytest.param(
            first(m="v1 v2", a="v1 v2", b="v1 v2", c="v1 v2"),
            [call("vm2", a="v1 v2", b="v1 v2"), call("vm3", c="v1 v2")],
            {},
            {},
            id="all have all",
        ),
        pytest.param(
            first(m="v1 v2", a="v1 v2", b="v1 v2"),
            [call("vm2", a="v1 v2", b="v1 v2"), call("vm3", c="")],
            {"vm1": ["v1", "v2"]},
            {"vm3": copies("v1 v2", "m")},
            id="a new worker on a docker host of its own, and the file is not at hand",
        ),
        pytest.param(
            first(m="v1 v2", a="v1", b="v1"),
            [call("vm2", a="v1 v2", b="v1 v2"), call("vm3", c="v2")],
            {"vm1": ["v1"]},
            {"vm3": copies("v1", "m")},
            id="a new worker, and the file is at hand: what a rollback may want",
        ),
        pytest.param(
            first(m="v1", a="v1 v2", b="v1 v2", c="v1 v2"),
            [call("vm2", a="v1 v2", b="v1 v2"), call("vm3", c="v1 v2")],
            {"vm2": ["v2"]},
            {"vm1": copies("v2", "a")},
            id="the manager's own docker host was away",
        ),
        pytest.param(
            first(m="v1", a="v2", b="v2", c="v2 v3"),
            [call("vm2", a="v2", b="v2"), call("vm3", c="v2 v3")],
            {"vm1": ["v1"], "vm3": ["v2", "v3"]},
            {
                "vm1": copies("v2", "a") + copies("v3", "c"),
                "vm2": copies("v1", "m") + copies("v3", "c"),
                "vm3": copies("v1", "m"),
            },
            id="each has something: read from as few as there need be",
        ),
        pytest.param(
            first(m="v1 v2", a="v1 v2", b="v1 v2", c="v1 v2"),
            [call("vm2", a="v1 v2", b="v1 v2"), call("vm3", c="v1")],
            {"vm1": ["v2"]},
            {"vm3": copies("v2", "m")},
            id="a label lied: the last word is the docker host's own",
        ),
        pytest.param(
            first(m="v1", a="v1", b="v1", c="v1", dead="v1 v2 v3"),
            [call("vm2", a="v1", b="v1"), call("vm3", c="v1")],
            {},
            {"vm1": [], "vm2": [], "vm3": []},
            id="the only node that has it is not there to be asked: to be said on each docker host",
        ),
        pytest.param(
            first(m="v1 v2", a="v1 v2", b="", c=""),
            [call("vm2", ("b",), a="v1 v2", b=""), call("vm3", ("c",), c="")],
            {},
            {},
            id="a node whose engine is silent gets nothing",
        ),
        pytest.param(
            first(("m",), m="v1 v2", a="v2", b="v2", c="v2"),
            [call("vm2", a="v2", b="v2"), call("vm3", c="v2")],
            {},
            {},
            id="and gives nothing",
        ),
        pytest.param(
            {"changed": False, "skipped": True}, [{"skipped": True, "__app_host": "vm2"}], {}, {}, id="no env volume"
        ),
    ],
)
def test_what_goes_where(delivered: Any, others: Any, reads: Any, copied: Any) -> None:
    found = env_copies(delivered, others, NODES)
    assert found["reads"] == reads
    assert found["copies"] == copied


def test_what_each_holds_is_told_to_the_next_call() -> None:
    found = env_copies(first(m="v2", a="v1 v2", dead="v1"), [call("vm2", a="v2", b="v2"), call("vm3", c="v2")], NODES)
    assert found["ready"] == ready(m="v2", a="v2", b="v2", c="v2", dead="v1")


@pytest.mark.parametrize(
    ("delivered", "others", "expected"),
    [
        pytest.param(first(m="v2", a="v2"), [call("vm2", a="v2")], {"ready": {}, "lost": {}}, id="as labelled"),
        pytest.param(
            first(m="v2", a="v1", b="v1"),
            [call("vm2", a="v1 v2", b="v1"), call("vm3", c=""), call("vm2", a="v1 v2", b="v1 v2"), call("vm3", c="v2")],
            {"ready": ready(a="v2", b="v2", c="v2"), "lost": {}},
            id="written by one call, copied by a later one",
        ),
        pytest.param(
            first(m="v2", a="v1 v2", b="v2"),
            [call("vm2", ("b",), a="v2", b="")],
            {"ready": {}, "lost": ready(a="v1")},
            id="not found; of a silent node nobody knows",
        ),
        pytest.param(
            first(m=""), [call("vm1", m="v2")], {"ready": ready(m="v2"), "lost": {}}, id="on the manager's docker host"
        ),
        pytest.param({"skipped": True}, [], {"ready": {}, "lost": {}}, id="no env volume"),
    ],
)
def test_labels(delivered: Any, others: Any, expected: Any) -> None:
    assert env_labels(delivered, others, NODES) == expected
