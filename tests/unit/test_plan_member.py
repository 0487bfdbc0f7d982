"""Every decision about a node's membership is a row here."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.module_utils.member.actions import Action, Quorum
from ansible_collections.fungap.swarm.plugins.module_utils.member.difference import describe
from ansible_collections.fungap.swarm.plugins.module_utils.member.model import (
    Circumstances,
    EngineMembership,
    Entry,
    Swarm,
    SwarmSettings,
    WantedNode,
)
from ansible_collections.fungap.swarm.plugins.module_utils.member.plan import MembersPlan, choose_swarm, plan_members
from ansible_collections.fungap.swarm.plugins.module_utils.member.raft import RaftLog
from ansible_collections.fungap.swarm.plugins.module_utils.member.repair import repair
from ansible_collections.fungap.swarm.plugins.module_utils.member.settling import unsettled

ADDRESSES = {"m1": "10.0.0.1", "m2": "10.0.0.2", "m3": "10.0.0.3", "w1": "10.0.0.21", "w2": "10.0.0.22"}
FRESH = EngineMembership(hostname="")


def want(name: str, state: str | None = None, **more: Any) -> WantedNode:
    state = state or ("manager" if name.startswith("m") else "worker")
    return WantedNode(name, state, socket=f"/{name}.sock", address=ADDRESSES.get(name), **more)


def member(
    name: str, *, manager: bool | None = None, knows: tuple[str, ...] = ("m1",), **more: Any
) -> EngineMembership:
    """What the engine of a node in the swarm says."""
    is_manager = name.startswith("m") if manager is None else manager
    given: dict[str, Any] = {
        "state": "active",
        "hostname": name,
        "node_id": f"id-{name}",
        "address": ADDRESSES[name],
        "is_manager": is_manager,
        "managers": {f"id-{manager}": f"{ADDRESSES[manager]}:2377" for manager in knows},
    }
    return EngineMembership(**{**given, **more})


def row(name: str, **more: Any) -> Entry:
    """The managers' row of a node."""
    is_manager = more.pop("manager", name.startswith("m"))
    given: dict[str, Any] = {
        "id": f"id-{name}",
        "hostname": name,
        "role": "manager" if is_manager else "worker",
        "address": ADDRESSES[name],
        "manager_address": f"{ADDRESSES[name]}:2377" if is_manager else "",
        "reachable": is_manager,
        "created": "2026-01-01",
    }
    return Entry(**{**given, **more})


def swarm(*rows: Entry, manageable: bool = True) -> Swarm:
    return Swarm(rows, exists=True, manageable=manageable)


def phrases(plan: MembersPlan) -> list[str]:
    return [str(action) for action in plan.actions]


def BROKEN(name: str, **more: Any) -> EngineMembership:
    """An engine that can't read a manager's data: it knows nothing, its disk tells who it is."""
    known = {"state": "error", "node_id": f"id-{name}", "holds_data": True, "error": "no space left on device", **more}
    return EngineMembership(hostname=name, **known)


def LEFT(name: str, agreed: int | None, last: int = 0, *, term: int = 2, **more: Any) -> EngineMembership:
    """A manager that misses the majority, with a copy of the swarm that goes so far."""
    log = RaftLog((term, agreed), (term, last or agreed)) if agreed else None
    known = {"cluster_id": "c1", "error": "no leader", "holds_data": True, "log": log, **more}
    return member(name, knows=("m1", "m2", "m3"), **known)


RECOVER = Circumstances(recover_quorum=True)
GHOST = {"id": "id-old", "state": "down", "created": "2025-01-01"}
READY = {"state": "ready", "role": "worker", "availability": "active", "labels": {}}
THREE = (row("m1"), row("m2"), row("m3"))
ONE_MANAGER = {"m1": member("m1")}
ONE_AND_ONE = {"m1": member("m1"), "w1": member("w1")}

ROWS: list[tuple[str, list[WantedNode], dict[str, EngineMembership], Swarm, list[str]]] = [
    # --- nothing to do ---
    ("members are left alone", [want("m1"), want("w1")], ONE_AND_ONE, swarm(row("m1"), row("w1")), []),
    ("no nodes", [], {}, Swarm(), []),
    ("absent and not there", [want("w1", "absent")], {"w1": FRESH}, swarm(row("m1")), []),
    ("absent, engine gone, not listed", [want("w1", "absent")], {}, swarm(row("m1")), []),
    ("absent while there is no swarm", [want("w1", "absent")], {"w1": FRESH}, Swarm(), []),
    ("an unlisted row without prune", [want("m1")], ONE_MANAGER, swarm(row("m1"), row("w1")), []),
    (
        "an address that isn't given isn't compared",
        [replace(want("m1"), address=None)],
        {"m1": member("m1", address="10.9.9.9")},
        swarm(row("m1")),
        [],
    ),
    (
        "labels and availability that aren't given are left",
        [want("m1")],
        ONE_MANAGER,
        swarm(row("m1", labels={"a": "1"}, availability="drain")),
        [],
    ),
    # --- joining ---
    (
        "fresh engines",
        [want("m1", bootstrap=True), want("w1"), want("w2")],
        {"m1": FRESH, "w1": FRESH, "w2": FRESH},
        Swarm(),
        ["start a swarm on m1", "join w1 as worker", "join w2 as worker"],
    ),
    (
        "the bootstrap node first, then managers, then workers, however listed",
        [want("w1"), want("m2"), want("m1", bootstrap=True)],
        {"m1": FRESH, "m2": FRESH, "w1": FRESH},
        Swarm(),
        ["start a swarm on m1", "join m2 as manager", "join w1 as worker"],
    ),
    (
        "a new worker",
        [want("m1"), want("w1"), want("w2")],
        {**ONE_AND_ONE, "w2": FRESH},
        swarm(row("m1"), row("w1")),
        ["join w2 as worker"],
    ),
    (
        "a new worker with labels and availability",
        [want("m1"), want("w1", labels={"b": "", "a": "1"}, availability="drain")],
        {"m1": member("m1"), "w1": FRESH},
        swarm(row("m1")),
        ["join w1 as worker", "set availability drain and labels a=1, b= of w1"],
    ),
    (
        "active is what a new node is anyway",
        [want("m1"), want("w1", labels={}, availability="active")],
        {"m1": member("m1"), "w1": FRESH},
        swarm(row("m1")),
        ["join w1 as worker"],
    ),
    (
        "a node in another swarm",
        [want("m1"), want("w1")],
        {"m1": member("m1"), "w1": member("w1", node_id="id-foreign")},
        swarm(row("m1")),
        ["w1 leaves its swarm (it is in another swarm)", "join w1 as worker"],
    ),
    (
        "a manager whose row is gone, of a swarm that lives on",
        [want("m1"), want("w1")],
        {"m1": member("m1"), "w1": member("w1", node_id="id-gone", manager=True, cluster_id="c1")},
        replace(swarm(row("m1")), cluster_id="c1"),
        ["w1 leaves its swarm (it is in another swarm)", "join w1 as worker"],
    ),
    (
        "a manager that can't read its data, while others of its swarm lead it",
        [want("m1"), want("m2"), want("m3")],
        {"m1": member("m1"), "m2": member("m2"), "m3": BROKEN("m3")},
        swarm(row("m1"), row("m2"), row("m3", state="down", reachable=False)),
        [
            "demote m3 to worker",
            "m3 leaves its swarm (the managers see it down; its engine: no space left on device)",
            "remove the entry id-m3 of m3",
            "join m3 as manager",
        ],
    ),
    (
        "a node half-way into some swarm",
        [want("m1"), want("w1")],
        {"m1": member("m1"), "w1": EngineMembership("pending")},
        swarm(row("m1")),
        ["w1 leaves its swarm (it never got into this swarm)", "join w1 as worker"],
    ),
    (
        "a node in error",
        [want("m1"), want("w1")],
        {"m1": member("m1"), "w1": EngineMembership("error", error="x509: expired")},
        swarm(row("m1")),
        ["w1 leaves its swarm (its swarm state is an error: x509: expired)", "join w1 as worker"],
    ),
    (
        "workers of a dead swarm follow a new manager",
        [want("m1", bootstrap=True), want("w1")],
        {"m1": FRESH, "w1": member("w1")},
        Swarm(),
        ["start a swarm on m1", "w1 leaves its swarm (it is in another swarm)", "join w1 as worker"],
    ),
    (
        "a worker of a dead swarm becomes the first manager",
        [want("m1", bootstrap=True)],
        {"m1": member("m1", manager=False, node_id="id-was-worker", knows=("m2",))},
        Swarm(),
        ["m1 leaves its swarm (it is in another swarm)", "start a swarm on m1"],
    ),
    # --- ghosts ---
    (
        "a re-created worker",
        [want("m1"), want("w1")],
        {"m1": member("m1"), "w1": FRESH},
        swarm(row("m1"), row("w1", **GHOST)),
        ["remove the entry id-old of w1 (left by a former engine)", "join w1 as worker"],
    ),
    (
        "a ghost beside a member",
        [want("m1"), want("w1")],
        ONE_AND_ONE,
        swarm(row("m1"), row("w1"), row("w1", **GHOST)),
        ["remove the entry id-old of w1 (left by a former engine)"],
    ),
    (
        "a re-created manager of three: its ghost is demoted first",
        [want("m1"), want("m2"), want("m3")],
        {"m1": member("m1"), "m2": member("m2"), "m3": FRESH},
        swarm(row("m1"), row("m2"), row("m3", reachable=False, **GHOST)),
        [
            "demote the old entry id-old of m3 (left by a former engine)",
            "remove the entry id-old of m3 (left by a former engine)",
            "join m3 as manager",
        ],
    ),
    (
        "a ghost, seen from the managers' machine",
        [replace(want("w1"), socket=None)],
        {},
        swarm(row("m1"), row("w1"), row("w1", **GHOST)),
        ["remove the entry id-old of w1 (left by a former engine)"],
    ),
    (
        "a manager's ghost that can't be removed from here: join as a worker, to be promoted later",
        [want("m3")],
        {"m3": FRESH},
        swarm(row("m1"), row("m2"), row("m3", reachable=False, **GHOST), manageable=False),
        ["join m3 as manager".replace("manager", "worker")],
    ),
    (
        "after a restart alone: the former manager's row is of no weight any more",
        [want("m1"), want("m2")],
        {"m1": member("m1"), "m2": FRESH},
        swarm(row("m1"), row("m2", id="id-old", state="down", manager_address="", reachable=False)),
        [
            "remove the entry id-old of m2 (left by a former engine)",
            "join m2 as manager",
        ],
    ),
    (
        "a manager's ghost, seen from the managers' machine",
        [replace(want("m3"), socket=None)],
        {},
        swarm(*THREE, row("m3", reachable=False, **GHOST)),
        [
            "demote the old entry id-old of m3 (left by a former engine)",
            "remove the entry id-old of m3 (left by a former engine)",
        ],
    ),
    (
        "not listed yet, seen from the managers' machine",
        [replace(want("w1", labels={"a": "1"}), socket=None)],
        {},
        swarm(row("m1")),
        ["set labels a=1 of w1"],
    ),
    (
        "as wanted, seen from the managers' machine",
        [replace(want("w1", labels={"a": "1"}, availability="drain"), socket=None)],
        {},
        swarm(row("m1"), row("w1", labels={"a": "1"}, availability="drain")),
        [],
    ),
    # --- addresses ---
    (
        "a worker moved",
        [want("m1"), want("w1")],
        {"m1": member("m1"), "w1": member("w1", address="10.0.0.99")},
        swarm(row("m1"), row("w1")),
        [
            "w1 leaves its swarm (its address changed from 10.0.0.99 to 10.0.0.21)",
            "remove the entry id-w1 of w1",
            "join w1 as worker",
        ],
    ),
    (
        "a moved worker keeps labels, availability and env labels",
        [want("m1"), want("w1")],
        {"m1": member("m1"), "w1": member("w1", address="10.0.0.99")},
        swarm(row("m1"), row("w1", labels={"a": "1", "fungap.env.web.1": "ready"}, availability="pause")),
        [
            "w1 leaves its swarm (its address changed from 10.0.0.99 to 10.0.0.21)",
            "remove the entry id-w1 of w1",
            "join w1 as worker",
            "set availability pause and labels a=1 and its env labels of w1",
        ],
    ),
    (
        "one of three managers moved",
        [want("m1"), want("m2"), want("m3")],
        {"m1": member("m1"), "m2": member("m2"), "m3": member("m3", address="10.0.0.99")},
        swarm(row("m1"), row("m2"), row("m3", manager_address="10.0.0.99:2377")),
        [
            "demote m3 to worker",
            "m3 leaves its swarm (its address changed from 10.0.0.99 to 10.0.0.3)",
            "remove the entry id-m3 of m3",
            "join m3 as manager",
        ],
    ),
    (
        "the only manager moved: first of all the swarm, the rest follows",
        [want("m1"), want("w1")],
        {"m1": member("m1", address="10.0.0.99"), "w1": FRESH},
        swarm(row("m1", manager_address="10.0.0.99:2377")),
        ["restart the swarm from m1 alone (its address changed from 10.0.0.99 to 10.0.0.1)"],
    ),
    (
        "a worker that knows a manager at its former address only",
        [want("m1"), want("w1")],
        {"m1": member("m1"), "w1": member("w1", managers={"id-m1": "10.0.0.99:2377"})},
        swarm(row("m1"), row("w1", state="down")),
        [
            "w1 leaves its swarm (the managers it knows are elsewhere now)",
            "remove the entry id-w1 of w1",
            "join w1 as worker",
        ],
    ),
    (
        "a worker that stays down",
        [want("m1"), want("w1")],
        {"m1": member("m1"), "w1": member("w1", state="pending", error="certificate has expired")},
        swarm(row("m1"), row("w1", state="down")),
        [
            "w1 leaves its swarm (the managers see it down; its engine: certificate has expired)",
            "remove the entry id-w1 of w1",
            "join w1 as worker",
        ],
    ),
    (
        "one of three managers stays down",
        [want("m1"), want("m2"), want("m3")],
        {"m1": member("m1"), "m2": member("m2"), "m3": member("m3", state="pending", knows=("m1", "m2"))},
        swarm(row("m1"), row("m2"), row("m3", state="down", reachable=False)),
        [
            "demote m3 to worker",
            "m3 leaves its swarm (the managers see it down; its engine: pending)",
            "remove the entry id-m3 of m3",
            "join m3 as manager",
        ],
    ),
    (
        "one of three managers moved, and has a ghost",
        [want("m1"), want("m2"), want("m3")],
        {"m1": member("m1"), "m2": member("m2"), "m3": member("m3", address="10.0.0.99")},
        swarm(row("m1"), row("m2"), row("m3", manager_address="10.0.0.99:2377"), row("m3", reachable=False, **GHOST)),
        [
            "demote m3 to worker",
            "m3 leaves its swarm (its address changed from 10.0.0.99 to 10.0.0.3)",
            "remove the entry id-m3 of m3",
            "demote the old entry id-old of m3 (left by a former engine)",
            "remove the entry id-old of m3 (left by a former engine)",
            "join m3 as manager",
        ],
    ),
    (
        "a moved manager that can't be demoted from here: joins as a worker, to be promoted later",
        [want("m3")],
        {"m3": member("m3", address="10.0.0.99")},
        swarm(*THREE, manageable=False),
        ["m3 leaves its swarm (its address changed from 10.0.0.99 to 10.0.0.3)", "join m3 as worker"],
    ),
    # --- roles ---
    (
        "promote",
        [want("m1"), want("w1", "manager")],
        ONE_AND_ONE,
        swarm(row("m1"), row("w1")),
        ["promote w1 to manager"],
    ),
    (
        "promotions come before demotions, so one can take over from the other",
        [want("m1", "worker"), want("w1", "manager")],
        ONE_AND_ONE,
        swarm(row("m1"), row("w1")),
        ["promote w1 to manager", "demote m1 to worker"],
    ),
    (
        "one of three steps down",
        [want("m1"), want("m2"), want("m3", "worker")],
        {name: member(name) for name in ("m1", "m2", "m3")},
        swarm(*THREE),
        ["demote m3 to worker"],
    ),
    (
        "one of three steps down, and so may another on its own docker host: roles are changed from one",
        [want("m3", "worker")],
        {"m3": member("m3")},
        replace(swarm(*THREE), roles_elsewhere=True),
        [],
    ),
    (
        "a worker is promoted from the docker host that changes the roles",
        [want("w1", "manager")],
        {"w1": member("w1")},
        replace(swarm(row("m1"), row("w1")), roles_elsewhere=True),
        [],
    ),
    (
        "a silent manager steps down",
        [want("m1"), want("m2"), replace(want("m3", "worker"), socket=None)],
        {"m1": member("m1"), "m2": member("m2")},
        swarm(row("m1"), row("m2"), row("m3", state="down", reachable=False)),
        ["demote m3 to worker"],
    ),
    (
        "promoted from the managers' machine, with labels",
        [replace(want("w1", "manager", labels={"a": ""}), socket=None)],
        {},
        swarm(row("m1"), row("w1")),
        ["promote w1 to manager", "set labels a= of w1"],
    ),
    (
        "nothing a manager must do is planned where none can be reached",
        [want("w1", "manager", labels={"a": "1"}, availability="drain")],
        {"w1": member("w1")},
        swarm(row("m1"), row("w1"), manageable=False),
        [],
    ),
    # --- labels and availability ---
    (
        "labels exactly",
        [want("m1", labels={"b": "2"})],
        ONE_MANAGER,
        swarm(row("m1", labels={"a": "1"})),
        ["set labels b=2 of m1"],
    ),
    ("an empty value", [want("m1", labels={"a": ""})], ONE_MANAGER, swarm(row("m1")), ["set labels a= of m1"]),
    (
        "an empty value is there already",
        [want("m1", labels={"a": ""})],
        ONE_MANAGER,
        swarm(row("m1", labels={"a": ""})),
        [],
    ),
    (
        "an empty value is removed",
        [want("m1", labels={})],
        ONE_MANAGER,
        swarm(row("m1", labels={"a": ""})),
        ["set labels (none) of m1"],
    ),
    (
        "env labels are another's",
        [want("m1", labels={"a": "1"})],
        ONE_MANAGER,
        swarm(row("m1", labels={"a": "1", "fungap.env.web.1": "ready"})),
        [],
    ),
    (
        "availability",
        [want("m1", availability="drain")],
        ONE_MANAGER,
        swarm(row("m1")),
        ["set availability drain of m1"],
    ),
    (
        "availability back",
        [want("m1", availability="active")],
        ONE_MANAGER,
        swarm(row("m1", availability="pause")),
        ["set availability active of m1"],
    ),
    # --- absent ---
    (
        "a worker goes: drained, out, off the list",
        [want("m1"), want("w1", "absent")],
        ONE_AND_ONE,
        swarm(row("m1"), row("w1")),
        ["drain w1", "w1 leaves its swarm", "remove the entry id-w1 of w1"],
    ),
    (
        "a worker whose engine is gone",
        [want("m1"), want("w1", "absent")],
        ONE_MANAGER,
        swarm(row("m1"), row("w1", state="down")),
        ["remove the entry id-w1 of w1"],
    ),
    (
        "nobody could take the tasks: no drain",
        [want("m1"), want("w1", "absent")],
        ONE_AND_ONE,
        swarm(row("m1", availability="drain"), row("w1")),
        ["w1 leaves its swarm", "remove the entry id-w1 of w1"],
    ),
    (
        "one of three managers goes: demoted before it is removed",
        [want("m1"), want("m2"), want("m3", "absent")],
        {name: member(name) for name in ("m1", "m2", "m3")},
        swarm(*THREE),
        ["drain m3", "demote m3 to worker", "m3 leaves its swarm", "remove the entry id-m3 of m3"],
    ),
    (
        "absent, in another swarm",
        [want("m1"), want("w1", "absent")],
        {"m1": member("m1"), "w1": member("w1", node_id="id-foreign")},
        swarm(row("m1")),
        ["w1 leaves its swarm"],
    ),
    (
        "absent, and no swarm is live",
        [want("w1", "absent")],
        {"w1": member("w1")},
        Swarm(),
        ["w1 leaves its swarm"],
    ),
    (
        "absent, can't read its data, and another manager has it: by its row",
        [want("m1"), want("m2"), want("m3", "absent")],
        {"m1": member("m1"), "m2": member("m2"), "m3": BROKEN("m3")},
        swarm(row("m1"), row("m2"), row("m3", state="down", reachable=False)),
        ["demote m3 to worker", "m3 leaves its swarm", "remove the entry id-m3 of m3"],
    ),
    (
        "absent, can't read its data, and another manager has it: by the swarm's ID",
        [want("m1"), want("m2", "absent")],
        {"m1": member("m1"), "m2": BROKEN("m2", cluster_id="c1")},
        replace(swarm(row("m1")), cluster_id="c1"),
        ["m2 leaves its swarm"],
    ),
    (
        "absent, listed under another name",
        [want("m1"), want("w1", "absent")],
        ONE_AND_ONE,
        swarm(row("m1"), row("w1", hostname="renamed")),
        ["drain w1", "w1 leaves its swarm", "remove the entry id-w1 of w1"],
    ),
    (
        "absent, and no manager can be asked to remove it",
        [want("w1", "absent")],
        {"w1": member("w1")},
        swarm(row("m1"), row("w1"), manageable=False),
        ["w1 leaves its swarm"],
    ),
    (
        "a manager takes over before the other goes",
        [want("m1", "absent"), want("m2")],
        {"m1": member("m1"), "m2": FRESH},
        swarm(row("m1")),
        [
            "join m2 as manager",
            "drain m1",
            "demote m1 to worker",
            "m1 leaves its swarm",
            "remove the entry id-m1 of m1",
        ],
    ),
]


@pytest.mark.parametrize(
    ("wanted", "engines", "seen", "expected"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS]
)
def test_plan(wanted: list[WantedNode], engines: dict[str, EngineMembership], seen: Swarm, expected: list[str]) -> None:
    assert phrases(plan_members(wanted, engines, seen)) == expected


@pytest.mark.parametrize(
    ("wanted", "engine", "steps"),
    [
        pytest.param(
            want("m3"),
            member("m3", address="10.0.0.99"),
            [
                ("demote", "manager", "id-m3"),
                ("leave", "node", "id-m3"),
                ("remove", "manager", "id-m3"),
                ("join", "node", ""),
            ],
            id="moved",
        ),
        pytest.param(
            want("m3", "absent"),
            member("m3"),
            [
                ("drain", "manager", "id-m3"),
                ("demote", "manager", "id-m3"),
                ("leave", "node", "id-m3"),
                ("remove", "manager", "id-m3"),
            ],
            id="absent",
        ),
        pytest.param(want("m3", "worker"), member("m3"), [("demote", "manager", "id-m3")], id="demoted"),
        pytest.param(want("m3", labels={"a": ""}), member("m3"), [("update", "manager", "id-m3")], id="labelled"),
        pytest.param(
            want("m3"),
            FRESH,
            [("demote", "manager", "id-m3"), ("remove", "manager", "id-m3"), ("join", "node", "")],
            id="re-created",
        ),
    ],
)
def test_on_whose_engine_and_for_which_row(
    wanted: WantedNode, engine: EngineMembership, steps: list[tuple[str, str, str]]
) -> None:
    engines = {"m1": member("m1"), "m2": member("m2"), "m3": engine}
    third = row("m3", manager_address=f"{engine.address}:2377")
    actions = plan_members([want("m1"), want("m2"), wanted], engines, swarm(row("m1"), row("m2"), third)).actions
    assert [(action.kind, action.side, action.node_id) for action in actions] == steps


LOCKED = {"m1": member("m1", state="locked")}
LEADERLESS = {"m1": member("m1", knows=("m1", "m2", "m3"), error="no leader")}


HOLDS = {"fungap.volume.wiki.uploads": "here"}
ONE_HOLDS = swarm(row("m1"), row("w1", labels=HOLDS))
BLANKED = swarm(row("m1"), row("w1", state="down", labels=HOLDS))


@pytest.mark.parametrize(
    ("wanted", "engines", "seen", "changes", "message"),
    [
        ([want("m1"), want("w1", "absent")], ONE_AND_ONE, ONE_HOLDS, {}, "can't take out of the swarm the node w1"),
        ([want("m1"), want("w1", "absent")], ONE_MANAGER, BLANKED, {}, "can't take out of the swarm the node w1"),
        ([want("m1")], ONE_MANAGER, ONE_HOLDS, {"prune": True}, "can't take out of the swarm the node w1"),
        ([want("m1"), want("w1", availability="drain")], ONE_AND_ONE, ONE_HOLDS, {}, "can't drain w1"),
        ([want("m1"), want("w1", availability="drain")], ONE_MANAGER, ONE_HOLDS, {}, "can't drain w1"),
        # A blank engine in the place of the one that had them.
        ([want("m1"), want("w1")], {**ONE_MANAGER, "w1": FRESH}, BLANKED, {}, "the entry of the former engine of w1"),
    ],
)
def test_a_node_that_has_volumes_does_not_go_without_a_word(
    wanted: list[WantedNode],
    engines: dict[str, EngineMembership],
    seen: Swarm,
    changes: dict[str, Any],
    message: str,
) -> None:
    with pytest.raises(PlatformError, match=f"{message}.* wiki_uploads.*move.yml -e volume=wiki_uploads") as refused:
        plan_members(wanted, engines, seen, Circumstances(**changes))
    assert """-e '{"swarm_member_volumes_left": ["wiki_uploads"]}'""" in refused.value.message
    assert plan_members(wanted, engines, seen, Circumstances(**changes, volumes_left=("wiki_uploads",))).actions


def test_a_node_that_has_volumes_is_otherwise_as_any_other() -> None:
    for availability in (None, "active", "pause"):
        plan_members([want("m1"), want("w1", availability=availability)], ONE_AND_ONE, ONE_HOLDS)
    drained = swarm(row("m1"), row("w1", labels=HOLDS, availability="drain"))
    assert not plan_members([want("m1"), want("w1", availability="drain")], ONE_AND_ONE, drained).actions
    whole = [want("m1", "absent"), want("w1", "absent")]
    assert plan_members(whole, ONE_AND_ONE, ONE_HOLDS, Circumstances(dissolve=True)).actions
    # A worker that moves takes its labels along.
    moved = {**ONE_AND_ONE, "w1": member("w1", address="10.0.0.99")}
    update = plan_members([want("m1"), want("w1")], moved, ONE_HOLDS).actions[-1]
    assert update.carried_labels == HOLDS


@pytest.mark.parametrize(
    ("wanted", "engines", "seen", "circumstances", "expected"),
    [
        pytest.param(
            [want("m1"), want("w1")],
            {**LOCKED, "w1": FRESH},
            Swarm(),
            Circumstances(can_unlock=True),
            ["unlock m1"],
            id="unlock first",
        ),
        pytest.param(
            [want("m1"), want("m2"), want("m3")],
            {"m1": member("m1"), "m2": member("m2"), "m3": member("m3", state="locked")},
            swarm(*THREE),
            Circumstances(can_unlock=True),
            ["unlock m3"],
            id="unlock one of three",
        ),
        pytest.param(
            [want("m1", bootstrap=True)],
            LEADERLESS,
            Swarm(),
            Circumstances(recover_quorum=True),
            ["restart the swarm from m1 alone (the other managers are lost)"],
            id="recover quorum",
        ),
        *(
            pytest.param(
                [want("m1", bootstrap=True), want("m2"), want("m3")],
                {"m1": FRESH, **engines},
                Swarm(),
                RECOVER,
                [f"restart the swarm from {name} alone (the other managers are lost)"],
                id=f"recover quorum: {why}",
            )
            for why, name, engines in (
                ("the later copy", "m3", {"m2": LEFT("m2", 40), "m3": LEFT("m3", 41)}),
                ("of a later term", "m3", {"m2": LEFT("m2", 99, term=2), "m3": LEFT("m3", 41, term=3)}),
                ("of as many agreed entries, the longer", "m3", {"m2": LEFT("m2", 40), "m3": LEFT("m3", 40, 41)}),
                ("the first of equal ones", "m2", {"m2": LEFT("m2", 40), "m3": LEFT("m3", 40)}),
                (
                    "of equal ones, the one that reads it",
                    "m3",
                    {"m2": LEFT("m2", 40, state="error"), "m3": LEFT("m3", 40)},
                ),
                (
                    "the later one, though its disk is full",
                    "m2",
                    {"m2": LEFT("m2", 41, state="error"), "m3": LEFT("m3", 40)},
                ),
            )
        ),
        pytest.param(
            [want("m1", bootstrap=True), want("m2", "absent"), want("m3", "worker")],
            {"m1": LEFT("m1", 40), "m2": LEFT("m2", 40), "m3": LEFT("m3", 39)},
            Swarm(),
            RECOVER,
            ["restart the swarm from m1 alone (the other managers are lost)"],
            id="recover quorum: no later copy on a node that is no manager any more",
        ),
        pytest.param(
            [want("m1"), want("m2")],
            {"m1": member("m1", knows=("m1", "m2")), "m2": FRESH},
            swarm(row("m1"), row("m2", id="id-old")),
            Circumstances(recover_quorum=True),
            ["restart the swarm from m1 alone (the other managers are lost)"],
            id="recover quorum before the swarm has noticed",
        ),
        pytest.param(
            [want("m1")],
            ONE_MANAGER,
            swarm(row("m1"), row("w1"), row("w2", state="down")),
            Circumstances(prune=True),
            ["drain w1", "remove the entry id-w1 of w1", "remove the entry id-w2 of w2"],
            id="prune",
        ),
        pytest.param(
            [want("m1"), want("w1", "absent")],
            ONE_AND_ONE,
            swarm(row("m1"), row("w1")),
            Circumstances(drain=False),
            ["w1 leaves its swarm", "remove the entry id-w1 of w1"],
            id="no drain",
        ),
        pytest.param(
            [want("m1", "absent")],
            ONE_MANAGER,
            swarm(row("m1")),
            Circumstances(dissolve=True),
            ["m1 leaves its swarm"],
            id="dissolve",
        ),
        pytest.param(
            [want("m1", "absent")],
            ONE_MANAGER,
            swarm(row("m1"), row("m1", manager=False, **GHOST)),
            Circumstances(dissolve=True),
            ["m1 leaves its swarm", "remove the entry id-old of m1"],
            id="dissolve, with a ghost",
        ),
        pytest.param(
            [want("m1", "absent")],
            {"m1": BROKEN("m1", cluster_id="c1")},
            Swarm(),
            Circumstances(dissolve=True),
            ["m1 leaves its swarm"],
            id="dissolve what can't be read",
        ),
        pytest.param(
            [want("m1", "absent"), want("m2", bootstrap=True)],
            {"m1": BROKEN("m1", cluster_id="c1"), "m2": FRESH},
            Swarm(),
            Circumstances(dissolve=True),
            ["start a swarm on m2", "m1 leaves its swarm"],
            id="dissolve, and another begins",
        ),
        pytest.param(
            [want("w1")],
            {"w1": FRESH},
            Swarm(exists=True),
            Circumstances(can_join_elsewhere=True),
            ["join w1 as worker"],
            id="join elsewhere",
        ),
    ],
)
def test_plan_with_circumstances(
    wanted: list[WantedNode],
    engines: dict[str, EngineMembership],
    seen: Swarm,
    circumstances: Circumstances,
    expected: list[str],
) -> None:
    assert phrases(plan_members(wanted, engines, seen, circumstances)) == expected


@pytest.mark.parametrize(
    ("wanted", "engines", "seen", "message"),
    [
        pytest.param(
            [want("m1", "worker")], ONE_MANAGER, swarm(row("m1")), "can't demote m1: it is the last", id="demote last"
        ),
        pytest.param(
            [want("m1", "absent")], ONE_MANAGER, swarm(row("m1")), "can't remove m1 .*the last", id="remove last"
        ),
        pytest.param(
            [want("m1"), want("m2", "worker")],
            {"m1": member("m1"), "m2": member("m2")},
            swarm(row("m1"), row("m2"), row("m3", state="down", reachable=False)),
            "can't demote m2: the swarm would lose its quorum, 1 of 2",
            id="quorum",
        ),
        pytest.param(
            [want("m1"), want("m2", "worker"), want("m3", "absent")],
            {name: member(name) for name in ("m1", "m2", "m3")},
            swarm(row("m1", reachable=True), row("m2"), row("m3", reachable=False)),
            "lose its quorum",
            id="quorum, step by step",
        ),
        pytest.param(
            [want("m2")],
            {"m2": member("m2", is_manager=False, address="10.0.0.99")},
            swarm(row("m1"), row("m2"), manageable=False),
            r"can't let m2 leave and join again \(its address changed .*lose its quorum, 1 of 2",
            id="a manager that can't be demoted from here",
        ),
        pytest.param([want("m1")], {"m1": FRESH}, Swarm(), "no node may start one", id="no bootstrap"),
        pytest.param(
            [want("w1", bootstrap=True)], {"w1": FRESH}, Swarm(), "no node may start one", id="worker can't bootstrap"
        ),
        pytest.param([want("m1")], LOCKED, swarm(row("m1")), "m1: the swarm is locked", id="locked"),
        pytest.param(
            [want("m1", bootstrap=True)],
            LEADERLESS,
            Swarm(),
            "m1 holds a swarm .*no leader.*10.0.0.2:2377, 10.0.0.3",
            id="no leader",
        ),
        pytest.param(
            [want("m1", bootstrap=True), want("m2")],
            {"m1": FRESH, "m2": member("m2", knows=("m1", "m2", "m3"))},
            Swarm(),
            "m2 holds a swarm that can't decide",
            id="a fresh node never overrules a manager with data",
        ),
        pytest.param(
            [want("m1"), want("m2")],
            {"m1": member("m1", knows=("m1", "m2")), "m2": FRESH},
            swarm(row("m1"), row("m2", id="id-old")),
            "m1 holds a swarm that can't decide.*10.0.0.2:2377",
            id="a re-created manager is no longer there, whatever the list still says",
        ),
        pytest.param(
            [want("m1"), want("w1")],
            {"m1": member("m1"), "w1": member("w1", node_id="id-foreign", manager=True, cluster_id="c2")},
            replace(swarm(row("m1")), cluster_id="c1"),
            "w1 holds the data of swarm c2, .*would be lost.*unix:///w1.sock swarm leave --force",
            id="a manager of another swarm",
        ),
        pytest.param(
            [want("m1", bootstrap=True)],
            {"m1": BROKEN("m1", node_id="")},
            Swarm(),
            "m1 can't read the swarm .*no space left.*left as it is.*free space on its disk",
            id="the only manager in error, which knows nothing of itself",
        ),
        pytest.param(
            [want("m1", bootstrap=True)],
            {"m1": BROKEN("m1", node_id="", state="pending")},
            Swarm(),
            "m1 holds a swarm that can't decide",
            id="the only manager, pending",
        ),
        pytest.param(
            [want("m1", bootstrap=True), want("m2"), want("m3")],
            {name: BROKEN(name, error="wal: crc mismatch") for name in ("m1", "m2", "m3")},
            Swarm(),
            "m1, m2, m3 can't read the swarm .*put back the folder",
            id="three managers in error",
        ),
        pytest.param(
            [want("m1", bootstrap=True), want("w1")],
            {"m1": FRESH, "w1": BROKEN("w1", cluster_id="c1")},
            Swarm(),
            "w1 holds the data of swarm c1",
            id="a worker that was the manager, beside a blank one",
        ),
        pytest.param(
            [want("m1", "absent")],
            {"m1": BROKEN("m1", cluster_id="c1")},
            Swarm(),
            "m1 holds the data of swarm c1, .*no space left.*swarm leave --force",
            id="absent, with the only data",
        ),
        pytest.param(
            [want("m1", "absent"), want("m2", bootstrap=True)],
            {"m1": BROKEN("m1", cluster_id="c1"), "m2": FRESH},
            Swarm(),
            "m1 holds the data of swarm c1",
            id="absent, with the only data, beside a new manager",
        ),
        pytest.param(
            [want("m1", "absent"), want("m2", bootstrap=True)],
            {"m1": EngineMembership("inactive", "m1", holds_data=True), "m2": FRESH},
            Swarm(),
            "m1 holds the data of a swarm that can't be told",
            id="absent, an engine that has forgotten that it is in a swarm, beside a new manager",
        ),
        pytest.param(
            [want("m1", "absent"), want("m2", "absent")],
            {name: member(name, knows=("m1", "m2"), error="no leader") for name in ("m1", "m2")},
            Swarm(),
            "m1 holds the data of a swarm that can't be told.*no leader",
            id="absent, without a leader",
        ),
        pytest.param(
            [want("m1"), want("m2", "absent")],
            {"m1": member("m1"), "m2": BROKEN("m2", cluster_id="c2")},
            replace(swarm(row("m1")), cluster_id="c1"),
            "m2 holds the data of swarm c2",
            id="absent, a manager of another swarm",
        ),
        pytest.param(
            [want("m1")],
            {"m1": EngineMembership("inactive", "m1", holds_data=True)},
            swarm(row("m2")),
            "m1 holds the data of a swarm that can't be told",
            id="an engine that has forgotten that it is in a swarm",
        ),
        pytest.param(
            [replace(want("w1"), socket=None)],
            {},
            swarm(row("m1"), row("w1"), row("w1", id="id-other")),
            "2 live nodes of this name",
            id="two of a name",
        ),
        pytest.param(
            [want("m1"), want("w1", "manager")],
            ONE_AND_ONE,
            swarm(row("m1", manager_address="10.0.0.99:2377"), row("w1")),
            "can't make w1 a manager.*10.0.0.99:2377",
            id="no manager joins where raft names a former address",
        ),
    ],
)
def test_refusals(wanted: list[WantedNode], engines: dict[str, EngineMembership], seen: Swarm, message: str) -> None:
    with pytest.raises(PlatformError, match=message):
        plan_members(wanted, engines, seen)


@pytest.mark.parametrize(
    ("wanted", "engines", "message"),
    [
        pytest.param(
            [want("m1", bootstrap=True), want("m2")],
            {"m1": LEFT("m1", 40), "m2": LEFT("m2", None, state="error")},
            "m1, m2 hold .*whose copy is the newest can't be told.*--force-new-cluster",
            id="a log that can't be read",
        ),
        pytest.param(
            [want("m1", bootstrap=True), want("m2")],
            {"m1": LEFT("m1", 40, 42), "m2": LEFT("m2", 41, 41)},
            "whose copy is the newest can't be told",
            id="each has what the other has not",
        ),
        pytest.param(
            [want("m1", bootstrap=True), want("m2")],
            {"m1": LEFT("m1", 40), "m2": LEFT("m2", 41, cluster_id="c2")},
            r"m1, m2 hold the data of different swarms \(c1, c2\)",
            id="of different swarms",
        ),
        pytest.param(
            [want("m1", bootstrap=True), want("m2", "absent")],
            {"m1": LEFT("m1", 40), "m2": LEFT("m2", 41)},
            "m2 has the newest copy and is not to be a manager.*unix:///m2.sock",
            id="a node that is to go has the later copy",
        ),
        pytest.param(
            [want("m1", bootstrap=True), want("m2", "worker")],
            {"m1": LEFT("m1", 40), "m2": LEFT("m2", 41)},
            "m2 has the newest copy and is not to be a manager",
            id="a node that is to be a worker has it",
        ),
    ],
)
def test_no_quorum_is_recovered_from_a_copy_that_may_be_an_older_one(
    wanted: list[WantedNode], engines: dict[str, EngineMembership], message: str
) -> None:
    with pytest.raises(PlatformError, match=message):
        plan_members(wanted, engines, Swarm(), RECOVER)


@pytest.mark.parametrize(
    ("node", "engine", "seen", "waits"),
    [
        ("w1", FRESH, swarm(row("m1")), False),
        ("w1", member("w1"), swarm(row("m1"), row("w1")), False),
        ("w1", member("w1"), swarm(row("m1"), row("w1", state="unknown")), True),
        ("w1", member("w1", state="pending"), swarm(row("m1"), row("w1", state="down")), True),
        ("w1", member("w1", node_id="id-foreign"), swarm(row("m1")), False),
        ("w1", member("w1", address="10.0.0.99"), swarm(row("m1"), row("w1", state="down")), False),
        ("w1", member("w1", managers={"id-m1": "10.0.0.99:2377"}), swarm(row("m1"), row("w1", state="down")), False),
        ("w1", member("w1", state="locked"), Swarm(), False),
        ("w1", member("w1"), Swarm(), False),
        ("m1", member("m1"), Swarm(), True),
        ("m1", member("m1", state="locked"), Swarm(), False),
        ("m1", member("m1", state="pending", is_manager=False), Swarm(), True),
        # It restarts, and reads what it has.
        ("m1", member("m1", state="error", node_id="", is_manager=False, holds_data=True), Swarm(), True),
        ("m1", member("m1", state="error", node_id="", is_manager=False), Swarm(), False),
        ("w1", member("w1", state="error"), swarm(row("m1"), row("w1", state="down")), True),
        ("w1", None, swarm(row("m1"), row("w1"), row("w1", id="id-other")), True),
        ("w1", None, swarm(row("m1"), row("w1"), row("w1", **GHOST)), False),
    ],
)
def test_what_may_come_right_by_itself(node: str, engine: EngineMembership | None, seen: Swarm, waits: bool) -> None:
    engines = {node: engine} if engine else {}
    assert unsettled([want(node)], engines, seen) == ([node] if waits else [])
    assert unsettled([want(node, "absent")], engines, seen) == []


@pytest.mark.parametrize(
    ("error", "cure"),
    [
        ("write /var/lib/docker/swarm/state.json: no space left on device", "free space"),
        ("can't initialize raft node: open /var/lib/docker/swarm/raft/wal-v3-encrypted: permission denied", "mount"),
        ("mkdir /var/lib/docker/swarm/raft/snap-v3-encrypted: read-only file system", "mount, owner, mode"),
        ("open /var/lib/docker/swarm/raft/wal-v3-encrypted/0.wal: operation not permitted", "mount, owner, mode"),
        (
            "error while loading TLS certificate: certificate (1 - abc) not valid after Mon: x509: expired",
            "out of date",
        ),
        # moby's daemon/cluster/errors.go, read at 20e75ce: this one and the next two.
        ("Swarm certificates have expired. To replace them, leave the swarm and join again.", "out of date"),
        ("Swarm is encrypted and needs to be unlocked before it can be used.", "unlock_key"),
        ("swarm could not be unlocked: invalid key provided", "unlock_key"),
        ("can't initialize raft node: irreparable WAL error: wal: crc mismatch", "from a copy"),
        ("/var/lib/docker/swarm/raft/snap-v3-encrypted/1.snap: unexpected EOF", "from a copy"),
        ("read /var/lib/docker/swarm/raft/wal-v3-encrypted/0.wal: input/output error", "from a copy"),
        ("context deadline exceeded", "engine's log"),
        (
            "its data can't be looked at: [Errno 13] Permission denied: '/proc/7/root/var/lib/docker/swarm/raft'",
            "as root",
        ),
        ("its data can't be looked at: /proc/0/root/var/lib/docker is not there", "PID namespace"),
        ("its data can't be looked at: [Errno 5] Input/output error: '/proc/7/root'", "from a copy"),
    ],
)
def test_what_helps(error: str, cure: str) -> None:
    assert cure in repair(error)


def test_choice_among_swarms() -> None:
    wanted = [want("m1", bootstrap=True), want("w1"), want("w2")]
    engines = {"m1": member("m1"), "w1": member("w1", manager=True), "w2": member("w2")}
    ours, other = [row("m1")], [row("w1", manager=True), row("w2")]
    assert choose_swarm(wanted, engines, {"w1": other, "m1": ours}) == "m1"  # a manager's, though it has fewer
    assert choose_swarm([want("m1", "worker"), want("w1"), want("w2")], engines, {"m1": ours, "w1": other}) == "w1"
    assert choose_swarm(wanted, {}, {"/other.sock": ours}) == "/other.sock"
    assert choose_swarm(wanted, engines, {}) is None


def test_quorum_counts_both_kinds() -> None:
    assert Quorum.of(swarm(row("m1"), row("m2", reachable=False), row("w1"))) == Quorum(2, 1)


@pytest.mark.parametrize(
    ("actions", "managers", "reachable"),
    [
        ([], 3, 2),
        ([Action("init", "m4", "node")], 4, 3),
        ([Action("promote", "w1", "manager")], 4, 3),
        ([Action("join", "m4", "node", role="manager")], 4, 3),
        ([Action("join", "w2", "node", role="worker")], 3, 2),
        ([Action("force_new_cluster", "m1", "node")], 1, 1),
        ([Action("demote", "m1", "manager", node_id="id-m1")], 2, 1),
        ([Action("demote", "m3", "manager", node_id="id-m3")], 2, 2),
        ([Action("demote", "w1", "manager", node_id="id-w1")], 3, 2),
        ([Action("leave", "m1", "node", node_id="id-m1")], 3, 1),
        ([Action("leave", "w1", "node", node_id="id-w1")], 3, 2),
        (
            [Action("demote", "m1", "manager", node_id="id-m1"), Action("leave", "m1", "node", node_id="id-m1")],
            2,
            1,
        ),
        ([Action("drain", "m1", "manager", node_id="id-m1")], 3, 2),
    ],
)
def test_quorum_after_what_is_done(actions: list[Action], managers: int, reachable: int) -> None:
    seen = swarm(row("m1"), row("m2"), row("m3", reachable=False), row("w1"))
    assert Quorum.of(seen).after(actions, seen) == Quorum(managers, reachable)


def test_stages() -> None:
    names = ("m1", "m2", "m3", "w1", "w2")
    labelled = [want(name, labels={"a": ""}) for name in ("w2", "m1", "m2")]
    wanted = [want("w1", "absent"), want("m3", "worker"), *labelled]
    seen = swarm(*THREE, row("w1"), row("w2"))
    plan = plan_members(wanted, {name: member(name) for name in names}, seen)
    assert [(one.name, one.stage) for one in plan.nodes] == [("m1", 0), ("m2", 0), ("w2", 1), ("w1", 2), ("m3", 2)]


@pytest.mark.parametrize(
    ("ghost", "address", "gone"),
    [
        ({"state": "down", "address": "10.0.0.9"}, "10.0.0.21", True),
        ({"state": "ready", "address": "10.0.0.21"}, "10.0.0.21", True),
        ({"state": "ready", "address": "10.0.0.9"}, "10.0.0.21", False),
        ({"state": "ready", "address": "10.0.0.9"}, None, False),
        ({"state": "down", "address": "10.0.0.9"}, None, True),
    ],
)
def test_an_engine_that_may_still_use_its_row_is_waited_for(
    ghost: dict[str, str], address: str | None, gone: bool
) -> None:
    seen = swarm(row("m1"), row("w1"), row("w1", id="id-old", created="2025-01-01", **ghost))
    plan = plan_members([want("m1"), replace(want("w1"), address=address)], ONE_AND_ONE, seen)
    assert [(action.kind, action.node_id, action.gone) for action in plan.actions] == [("remove", "id-old", gone)]


def test_a_manager_that_the_raft_data_has_elsewhere_is_warned_of() -> None:
    seen = swarm(row("m1", manager_address="10.0.0.99:2377"))
    warnings = plan_members([want("m1")], ONE_MANAGER, seen).warnings
    assert len(warnings) == 1
    assert warnings[0].startswith("m1 moved to 10.0.0.1, but the swarm's raft data keeps 10.0.0.99:2377: ")
    assert plan_members([want("m1")], ONE_MANAGER, swarm(row("m1"))).warnings == []


def test_before_and_after() -> None:
    wanted = [want("m1"), want("w1", labels={"a": ""}, availability="drain"), want("w2", "absent")]
    engines = {"m1": member("m1"), "w1": FRESH, "w2": member("w2")}
    seen = swarm(row("m1", labels={"fungap.env.web.1": "ready", "b": "1"}), row("w2"))
    before, after = describe(wanted, engines, seen, plan_members(wanted, engines, seen))
    same = {"state": "ready", "role": "manager", "availability": "active", "labels": {"b": "1"}}
    assert before["m1"] == after["m1"] == same
    assert before["w1"] == {"state": "absent"}
    assert after["w1"] == {"state": "ready", "role": "worker", "availability": "drain", "labels": {"a": ""}}
    assert before["w2"]["state"] == "ready"
    assert after["w2"] == {"state": "absent"}


@pytest.mark.parametrize(
    ("node", "engine", "seen", "was", "becomes"),
    [
        pytest.param(want("w1"), FRESH, swarm(row("m1")), {"state": "absent"}, READY, id="joins"),
        pytest.param(
            want("w1"),
            member("w1", node_id="id-foreign"),
            swarm(row("m1")),
            {"state": "in another swarm"},
            READY,
            id="another swarm's",
        ),
        pytest.param(
            want("w1"), EngineMembership("pending"), swarm(row("m1")), {"state": "pending"}, READY, id="half-way"
        ),
        pytest.param(
            want("w1"),
            member("w1", state="pending"),
            swarm(row("m1"), row("w1", state="down", labels={"a": "1"}, availability="pause")),
            {**READY, "state": "down", "labels": {"a": "1"}, "availability": "pause"},
            {**READY, "labels": {"a": "1"}, "availability": "pause"},
            id="joins again, and keeps what it had",
        ),
        pytest.param(
            replace(want("w1", labels={"b": ""}), socket=None),
            None,
            swarm(row("m1"), row("w1", labels={"a": "1"})),
            {**READY, "labels": {"a": "1"}},
            {**READY, "labels": {"b": ""}},
            id="from the managers' machine",
        ),
        pytest.param(
            want("w1"),
            FRESH,
            swarm(row("m1"), row("w1", **GHOST)),
            {"state": "absent"},
            READY,
            id="a ghost is not the node",
        ),
        pytest.param(want("w1"), member("w1"), swarm(row("m1"), row("w1")), READY, READY, id="stays"),
    ],
)
def test_what_the_diff_says_of_a_node(
    node: WantedNode, engine: EngineMembership | None, seen: Swarm, was: dict[str, Any], becomes: dict[str, Any]
) -> None:
    engines = {"m1": member("m1"), **({"w1": engine} if engine else {})}
    before, after = describe([want("m1"), node], engines, seen, plan_members([want("m1"), node], engines, seen))
    assert (before["w1"], after["w1"]) == (was, becomes)


def test_the_diff_says_what_prune_removes() -> None:
    seen = swarm(row("m1"), row("w1"))
    plan = plan_members([want("m1")], ONE_MANAGER, seen, Circumstances(prune=True))
    before, after = describe([want("m1")], ONE_MANAGER, seen, plan)
    assert (before["w1"], after["w1"]) == (READY, {"state": "absent"})


def test_the_diff_of_what_comes_first_says_no_more_than_that() -> None:
    seen = swarm(*THREE)
    engines = {"m1": member("m1"), "m2": member("m2"), "m3": member("m3", state="locked", node_id="")}
    wanted = [want("m1", labels={"a": ""}), want("m2"), want("m3")]
    plan = plan_members(wanted, engines, seen, Circumstances(can_unlock=True))
    before, after = describe(wanted, engines, seen, plan)
    assert before["m1"] == after["m1"] == {**READY, "role": "manager"}
    assert (before["m3"], after["m3"]) == ({"state": "locked"}, {"state": "ready"})


def test_wanted_labels_are_text_and_not_env_volumes() -> None:
    node = WantedNode.parse({"name": "w1", "state": "worker", "labels": {"a": 1, "b": None, "c": ""}})
    assert node.labels == {"a": "1", "b": "", "c": ""}
    with pytest.raises(PlatformError, match=r"w1: label fungap\.env\.web\.1 can't be set here"):
        WantedNode.parse({"name": "w1", "state": "worker", "labels": {"fungap.env.web.1": "ready"}})


def test_a_wanted_node_is_read() -> None:
    given = {
        "name": "w1",
        "state": "manager",
        "hostname": "host1",
        "socket": "/w1.sock",
        "address": "10.0.0.21",
        "data_path_address": "10.1.0.21",
        "availability": "drain",
        "bootstrap": True,
    }
    assert WantedNode.parse(given) == WantedNode(**given)
    assert WantedNode.parse(given).swarm_name == "host1"
    assert WantedNode.parse({"name": "w1", "state": "worker"}) == WantedNode("w1")
    assert WantedNode("w1").swarm_name == "w1"


def test_rows_travel_through_a_playbook() -> None:
    entry = row("w1", labels={"a": "1"})
    assert Entry.from_row(entry.as_row()) == entry
    with pytest.raises(PlatformError, match="no row of a node list"):
        Entry.from_row({"name": "w1"})


def test_settings() -> None:
    settings = SwarmSettings.parse({"task_history_limit": 3, "cert_expiry_days": 30, "autolock": None})
    spec = {
        "Orchestration": {"TaskHistoryRetentionLimit": 5},
        "CAConfig": {"NodeCertExpiry": 7776000000000000},
        "Name": "default",
    }
    assert settings.differences({"Spec": spec}) == {"task_history_limit": (5, 3), "cert_expiry_days": (90, 30)}
    changed = settings.spec(spec)
    assert settings.differences({"Spec": changed}) == {}
    assert changed["Name"] == "default"
    assert SwarmSettings.parse({}).differences({"Spec": spec}) == {}
    locked = SwarmSettings.parse({"autolock": True})
    assert locked.differences({"Spec": spec}) == {"autolock": (False, True)}
    assert locked.differences({"Spec": locked.spec(spec)}) == {}
    assert settings.spec({"CAConfig": {"NodeCertExpiry": 1, "ExternalCAs": None}})["CAConfig"] == {
        "NodeCertExpiry": 2592000000000000,
        "ExternalCAs": None,
    }
    swarm_now = {"DefaultAddrPool": ["10.0.0.0/8"], "SubnetSize": 24, "DataPathPort": 4789}
    assert settings.fixed_differences(swarm_now) == ["default_addr_pool is ['10.0.0.0/8'], wanted ['10.100.0.0/16']"]
    others = {"DefaultAddrPool": ["10.100.0.0/16"], "SubnetSize": 25, "DataPathPort": 4790}
    assert settings.fixed_differences(others) == ["subnet_size is 25, wanted 24", "data_path_port is 4790, wanted 4789"]
    assert settings.fixed_differences({}) == []


@pytest.mark.parametrize(
    ("given", "can"),
    [
        ({}, False),
        ({"subnet_size": 25}, False),
        ({"task_history_limit": 0}, True),
        ({"cert_expiry_days": 30}, True),
        ({"autolock": False}, True),
    ],
)
def test_settings_that_can_change(given: dict[str, Any], can: bool) -> None:
    assert SwarmSettings.parse(given).can_differ() is can


def test_engine_and_manager_json_are_read() -> None:
    info = {
        "Name": "m1",
        "Swarm": {
            "NodeID": "abc",
            "NodeAddr": "10.0.0.1",
            "LocalNodeState": "active",
            "ControlAvailable": True,
            "RemoteManagers": [{"NodeID": "abc", "Addr": "10.0.0.1:2377"}],
            "Cluster": {"ID": "cluster"},
        },
    }
    assert EngineMembership.parse(info) == EngineMembership(
        "active", "m1", "abc", "10.0.0.1", True, "cluster", managers={"abc": "10.0.0.1:2377"}
    )
    inactive = {"Name": "m1", "Swarm": {"NodeID": "", "LocalNodeState": "inactive", "RemoteManagers": None}}
    assert EngineMembership.parse(inactive) == EngineMembership(hostname="m1")
    failed = {"Swarm": {"LocalNodeState": "error", "Error": "x509: expired"}}
    assert EngineMembership.parse(failed) == EngineMembership("error", error="x509: expired")
    assert EngineMembership.parse({}) == EngineMembership()


def test_a_row_of_the_managers_list_is_read() -> None:
    node = {
        "ID": "abc",
        "CreatedAt": "2026-01-01",
        "Spec": {"Role": "manager", "Availability": "drain", "Labels": {"a": "1"}},
        "Description": {"Hostname": "m1"},
        "Status": {"State": "down", "Addr": "10.0.0.1"},
        "ManagerStatus": {"Leader": True, "Reachability": "reachable", "Addr": "10.0.0.1:2377"},
    }
    assert Entry.parse(node) == Entry(
        "abc", "m1", "manager", "drain", "down", "10.0.0.1", {"a": "1"}, "10.0.0.1:2377", True, True, "2026-01-01"
    )
    assert Entry.parse({"ID": "abc"}) == Entry("abc", "", state="unknown")
    unreachable = {"ID": "abc", "ManagerStatus": {"Reachability": "unreachable"}}
    assert not Entry.parse(unreachable).reachable
