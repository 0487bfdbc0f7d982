# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is done so that nodes hold the versions of an env file, case by case."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.module_utils.env_volume.model import EnvVolume
from ansible_collections.fungap.swarm.plugins.module_utils.env_volume.plan import (
    Copy,
    Desired,
    Label,
    Observed,
    Remove,
    RemoveHelper,
    Unlabel,
    Write,
    age_order,
    labels_after,
    lacking,
    plan_env_volume,
)


def volumes(*versions: str) -> dict[str, EnvVolume]:
    """Made in the order of their names; one with a ``?`` wasn't made by us."""
    return {
        version.rstrip("?"): EnvVolume(version.rstrip("?"), created=version, managed="?" not in version)
        for version in versions
    }


def seen(volumes_of: dict[str, dict[str, EnvVolume]], labels: dict[str, str] | None = None, **more: Any) -> Observed:
    """``labels``: node -> versions in one string; by default all volumes are labelled."""
    given = {node: " ".join(found) for node, found in volumes_of.items()} if labels is None else labels
    return Observed(volumes_of, {node: frozenset(text.split()) for node, text in given.items()}, **more)


@pytest.mark.parametrize(
    ("observed", "desired", "expected"),
    [
        pytest.param(seen({"n1": {}}, {"n1": ""}), Desired("v1"), [Write("n1", "v1"), Label("n1", "v1")], id="new"),
        pytest.param(seen({"n1": volumes("v1")}), Desired("v1"), [], id="no-op"),
        pytest.param(
            seen({"n1": volumes("v1", "v2"), "n2": volumes("v2")}),
            Desired("v1", content=False),
            [Copy("n2", "v1", "n1"), Label("n2", "v1")],
            id="back to a version that a node holds",
        ),
        pytest.param(
            seen({"n1": volumes("v1", "v2"), "n2": volumes("v1")}, {"n1": "v1", "n2": "v1"}),
            Desired("v1", content=False, keep=0),
            [Remove("n1", "v2")],
            id="back to a version that all hold",
        ),
        pytest.param(
            seen({"n1": volumes("v1")}, {"n1": ""}),
            Desired("v1"),
            [Write("n1", "v1"), Label("n1", "v1")],
            id="interrupted: volume without its label",
        ),
        pytest.param(
            seen({"n1": volumes("v1")}, {}),
            Desired("v1"),
            [Write("n1", "v1"), Label("n1", "v1")],
            id="nothing is known of the node's labels",
        ),
        pytest.param(
            seen({"n1": {}}, {"n1": "v1"}),
            Desired("v1"),
            [Unlabel("n1", "v1"), Write("n1", "v1"), Label("n1", "v1")],
            id="label without its volume",
        ),
        pytest.param(
            seen({"n1": volumes("v1?")}, {"n1": "v1"}),
            Desired("v1"),
            [Unlabel("n1", "v1"), Write("n1", "v1", anew=True), Label("n1", "v1")],
            id="an engine made an empty volume",
        ),
        pytest.param(
            seen({"n1": volumes("v1?")}, {"n1": ""}, in_use={"n1": frozenset({"v1"})}),
            Desired("v1"),
            [Write("n1", "v1"), Label("n1", "v1")],
            id="and a container holds it",
        ),
        pytest.param(
            seen({"n1": volumes("v1")}),
            Desired("v2"),
            [Write("n1", "v2"), Label("n1", "v2")],
            id="changed content: the older one stays",
        ),
        pytest.param(
            seen({"n1": volumes("v1", "v2"), "n2": {}}),
            Desired("v2"),
            [Copy("n2", "v1", "n1"), Write("n2", "v2"), Label("n2", "v1"), Label("n2", "v2")],
            id="a new node gets what is kept",
        ),
        pytest.param(
            seen({"n1": {}, "n2": volumes("v2")}, {"n1": "", "n2": "v2", "far": "v1 v2"}, elsewhere={"v1": "far"}),
            Desired("v1", content=False, labels=False),
            [Copy("n1", "v1", "far"), Copy("n1", "v2", "n2"), Copy("n2", "v1", "far")],
            id="another docker host gives what no node of this one has",
        ),
        pytest.param(
            seen({"n1": volumes("v1?")}, {"n1": "", "far": "v1"}, elsewhere={"v1": "far"}),
            Desired("v1", content=False, labels=False),
            [Copy("n1", "v1", "far", anew=True)],
            id="another docker host gives what an engine made an empty volume of",
        ),
        pytest.param(
            seen({"n1": {}}, {"n1": "", "far": "v1"}, elsewhere={"v1": "far"}),
            Desired("v1", labels=False),
            [Write("n1", "v1")],
            id="the file itself comes before a copy",
        ),
        pytest.param(
            seen({"n1": volumes("v1")}, {"n1": "v1", "far": "v1"}, elsewhere={"v1": "far"}),
            Desired("v1", content=False, labels=False),
            [],
            id="copied already",
        ),
        pytest.param(
            seen({"n1": {}}, {"n1": "v1", "n2": "v1"}),
            Desired("v2"),
            [Unlabel("n1", "v1"), Write("n1", "v2"), Label("n1", "v2")],
            id="an older version that nobody can give",
        ),
        pytest.param(
            seen({"n1": volumes("v1", "v2", "v3")}),
            Desired("v4", keep=2),
            [Unlabel("n1", "v1"), Remove("n1", "v1"), Write("n1", "v4"), Label("n1", "v4")],
            id="the oldest beyond keep goes",
        ),
        pytest.param(
            seen({"n1": volumes("v1", "v2", "v3")}),
            Desired("v1", keep=1),
            [Unlabel("n1", "v2"), Remove("n1", "v2")],
            id="rolled back: the current one isn't old",
        ),
        pytest.param(
            seen({"n1": volumes("v1", "v2", "v3")}, referenced=frozenset({"v1"})),
            Desired("v4", keep=1),
            [
                Unlabel("n1", "v2"),
                Unlabel("n1", "v3"),
                Remove("n1", "v2"),
                Remove("n1", "v3"),
                Write("n1", "v4"),
                Label("n1", "v4"),
            ],
            id="a service refers to it: it stays and takes a place",
        ),
        pytest.param(
            seen({"n1": volumes("v1"), "n2": volumes("v1")}, in_use={"n2": frozenset({"v1"})}),
            Desired("v2", keep=0),
            [Write("n1", "v2"), Write("n2", "v2"), Label("n1", "v2"), Label("n2", "v2")],
            id="a container refers to it: it stays everywhere",
        ),
        pytest.param(
            seen({"n1": volumes("v1", "v2")}),
            Desired("v2", keep=0, keep_versions=frozenset({"v1"})),
            [],
            id="kept by name",
        ),
        pytest.param(
            seen({"n1": volumes("v1", "v2")}, {"n1": "v1 v2", "n2": "v1 v2"}),
            Desired("v2", keep=0),
            [Unlabel("n1", "v1"), Unlabel("n2", "v1"), Remove("n1", "v1")],
            id="labels of nodes elsewhere go first",
        ),
        pytest.param(
            seen({"n1": volumes("v1", "v2?")}, {"n1": "v1"}),
            Desired("v1", keep=0),
            [],
            id="a volume that isn't ours is left alone",
        ),
        pytest.param(
            seen({"n1": {}}, {"n1": ""}),
            Desired("v1", labels=False),
            [Write("n1", "v1")],
            id="no manager: no labels",
        ),
        pytest.param(
            seen({}, {"n1": "v1", "n2": ""}),
            Desired(None, keep=None, ready={"n2": frozenset({"v1"}), "n1": frozenset({"v1"})}),
            [Label("n2", "v1")],
            id="only labels",
        ),
        pytest.param(
            seen({"n1": volumes("v1")}, {"n1": "v1"}, helpers={"n1": ("id",)}),
            Desired("v1"),
            [RemoveHelper("n1", "id")],
            id="a killed run's container",
        ),
        pytest.param(
            seen({"n1": volumes("v1", "v2")}, {"n1": "v2", "n2": "v2"}),
            Desired(None, absent=True),
            [Unlabel("n1", "v2"), Unlabel("n2", "v2"), Remove("n1", "v1"), Remove("n1", "v2")],
            id="absent",
        ),
        pytest.param(seen({"n1": {}}, {"n1": ""}), Desired(None, absent=True), [], id="absent already"),
        pytest.param(
            seen({"n1": volumes("v1")}, {"n1": ""}, in_use={"n1": frozenset({"v1"})}),
            Desired(None, absent=True),
            [],
            id="absent, and a container holds it",
        ),
        pytest.param(
            seen({"n1": volumes("v1", "v2"), "n2": volumes("v1?", "v2")}, {"n1": "v1 v2", "n2": "v2"}),
            Desired("v1", content=False),
            [Copy("n2", "v1", "n1", anew=True), Label("n2", "v1")],
            id="back to a version that an engine made an empty volume of",
        ),
        pytest.param(
            seen({"n1": volumes("v1"), "n2": {}}, {"n1": "v1", "n2": ""}),
            Desired(None, keep=None),
            [],
            id="only labels: nothing is copied",
        ),
        pytest.param(
            seen({}, {"n1": "v1 v2", "n2": "v2"}),
            Desired(
                None,
                keep=None,
                ready={"n1": frozenset({"v3"})},
                lost={"n1": frozenset({"v1"}), "n3": frozenset({"v1"})},
            ),
            [Unlabel("n1", "v1"), Label("n1", "v3")],
            id="only labels: what another docker host did not find is no longer offered",
        ),
        pytest.param(
            seen({}, {}),
            Desired(None, keep=None, ready={"n3": frozenset({"v1"})}),
            [Label("n3", "v1")],
            id="only labels, of a node without any",
        ),
    ],
)
def test_plan(observed: Observed, desired: Desired, expected: list[Any]) -> None:
    actions = plan_env_volume(observed, desired)
    assert actions == expected
    assert all(str(action) for action in actions)


def test_the_newest_version_is_the_one_that_was_made_last() -> None:
    def made(version: str, created: str) -> dict[str, EnvVolume]:
        return {version: EnvVolume(version, created=created)}

    observed = seen(
        {
            "n1": {**made("v1", "2026-03"), **made("v2", "2026-01"), **made("v3", "")},
            "n2": {**made("v1", "2026-02"), **made("v2", "2026-04"), "v5": EnvVolume("v5", "2026-09", managed=False)},
        },
        {"n1": "v4"},
    )
    # Of a version that several nodes have the first copy counts; one of unknown age is the oldest.
    assert age_order(observed) == ["v1", "v2", "v4", "v3"]


def test_labels_after() -> None:
    observed = seen({"n1": volumes("v1", "v2"), "n2": {}}, {"n1": "v1 v2", "n2": "", "n3": "v1"})
    desired = Desired("v3", keep=1, ready={"n3": frozenset({"v3"})})
    actions = plan_env_volume(observed, desired)
    assert labels_after(observed, actions, desired) == {"n1": ["v2", "v3"], "n2": ["v2", "v3"], "n3": ["v3"]}


def test_what_a_node_holds_is_what_was_found_on_it() -> None:
    """Also where no manager is at hand that could take the label away."""
    observed = seen({"n1": volumes("v1", "v2?")}, {"n1": "v1 v2 v3", "far": "v1 v2 v3"})
    for labels in (True, False):
        desired = Desired("v1", content=False, labels=labels)
        after = labels_after(observed, plan_env_volume(observed, desired), desired)
        assert after == {"far": ["v1", "v2", "v3"], "n1": ["v1"]}


def test_nodes_that_nobody_can_give_a_version_are_named() -> None:
    def named(observed: Observed, desired: Desired) -> list[str]:
        return lacking(observed, desired, labels_after(observed, plan_env_volume(observed, desired), desired))

    elsewhere = seen({"n1": {}, "n2": {}}, {"n1": "", "n2": "v1", "far": "v1"})
    assert named(elsewhere, Desired("v1", content=False)) == ["n1", "n2"]
    assert named(elsewhere, Desired("v1", content=False, labels=False)) == ["n1", "n2"]
    assert named(elsewhere, Desired("v1")) == []
    brought = seen({"n1": {}}, {"n1": "", "far": "v1"}, elsewhere={"v1": "far"})
    assert named(brought, Desired("v1", content=False, labels=False)) == []
    assert named(seen({"n1": {}, "n2": volumes("v1")}), Desired("v1", content=False)) == []
    assert named(elsewhere, Desired(None, keep=None)) == []


def test_a_version_that_nobody_holds_is_refused() -> None:
    with pytest.raises(PlatformError, match="env version v1 is on no node of the swarm any more"):
        plan_env_volume(seen({"n1": volumes("v2")}), Desired("v1", content=False))
