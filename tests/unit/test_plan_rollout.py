# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a rollout has come to, look by look."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.module_utils.stack.model import (
    Node,
    Service,
    Task,
    comparable_template,
    parse_node,
)
from ansible_collections.fungap.swarm.plugins.module_utils.stack.rollout import (
    assess,
    default_deadline,
    failing_tasks,
    is_hopeless,
    satisfies,
    settle_seconds,
)
from ansible_collections.fungap.swarm.plugins.module_utils.stack.watch import Look, watch

OLD, NEW = {"Image": "box:1"}, {"Image": "box:2"}
NODES = [
    Node("n1", "manager1", True, True, {"node.role": "manager", "node.hostname": "manager1"}),
    Node("n2", "worker1", True, True, {"node.role": "worker", "node.labels.disk": "fast", "node.id": "n2"}),
]


def service(replicas: int | None = 2, **more: Any) -> Service:
    placement = more.pop("placement", {})
    defaults: dict[str, Any] = {
        "id": "s",
        "name": "web",
        "version": 1,
        "spec": {"TaskTemplate": {"Placement": placement}},
        "template": NEW,
        "mode": "global" if replicas is None else "replicated",
        "replicas": replicas,
        "has_health_check": True,
    }
    return Service(**{**defaults, **more})


def task(slot: int = 1, state: str = "running", template: dict[str, Any] = NEW, **more: Any) -> Task:
    defaults: dict[str, Any] = {
        "id": f"t{slot}{state}{template['Image']}",
        "service_id": "s",
        "slot": slot,
        "node_id": f"n{slot}",
        "state": state,
        "desired": "running" if state in ("new", "pending", "preparing", "starting", "running") else "shutdown",
        "message": "",
        "error": "",
        "exit_code": None,
        "container_id": "",
        "template": template,
    }
    return Task(**{**defaults, **more})


SHOT = {"Image": "box:2", "RestartPolicy": {"Condition": "on-failure"}}
CHECKED = {**SHOT, "ContainerSpec": {"Healthcheck": {"Test": ["CMD", "x"]}}}
ONCE = service(1, template=SHOT, spec={"TaskTemplate": SHOT})
ON_WORKERS = {"Constraints": ["node.role == worker"]}


@pytest.mark.parametrize(
    ("one", "tasks", "outcome", "running", "wanted"),
    [
        pytest.param(service(), [], "waiting", 0, 2, id="no task yet"),
        pytest.param(service(0), [], "converged", 0, 0, id="scaled to nothing"),
        pytest.param(service(), [task(1), task(2)], "converged", 2, 2, id="created"),
        pytest.param(service(), [task(1)], "waiting", 1, 2, id="one missing"),
        pytest.param(service(), [task(1), task(2, "starting")], "waiting", 1, 2, id="not healthy yet"),
        pytest.param(service(), [task(1), task(2, "pending")], "waiting", 1, 2, id="not placed"),
        pytest.param(service(), [task(1), task(2), task(3)], "waiting", 3, 2, id="one too many"),
        pytest.param(service(), [task(1), task(2), task(2, id="twin")], "waiting", 3, 2, id="two in one slot"),
        pytest.param(
            service(update_state="completed"),
            [task(slot, **twin) for slot in (1, 2) for twin in ({"desired": "shutdown"}, {"state": "starting"})],
            "waiting",
            0,
            2,
            id="two in each slot: swarm stops the ones that run",
        ),
        pytest.param(
            service(), [task(1), task(2), task(2, "starting", id="twin")], "waiting", 2, 2, id="the second still starts"
        ),
        pytest.param(service(), [task(1), task(2), task(1, "failed")], "converged", 2, 2, id="restarted"),
        pytest.param(service(), [task(1), task(2), task(1, "shutdown", OLD)], "converged", 2, 2, id="replaced"),
        pytest.param(service(), [task(1), task(2, template=OLD)], "waiting", 1, 2, id="old version still runs"),
        pytest.param(service(), [task(1), task(2), task(3, template=OLD)], "waiting", 2, 2, id="old one too many"),
        pytest.param(service(), [task(1), task(2, service_id="other")], "waiting", 1, 2, id="another service's"),
        pytest.param(service(), [task(1, template=OLD), task(2, template=OLD)], "waiting", 0, 2, id="not begun"),
        pytest.param(service(update_state="updating"), [task(1), task(2)], "waiting", 2, 2, id="still monitored"),
        pytest.param(service(update_state="completed"), [task(1), task(2)], "converged", 2, 2, id="updated"),
        pytest.param(service(update_state="completed"), [task(1)], "waiting", 1, 2, id="updated, one died"),
        pytest.param(service(update_state="paused"), [task(1), task(2)], "failed", 2, 2, id="paused"),
        pytest.param(service(update_state="rollback_started"), [task(1)], "waiting", 1, 2, id="rolling back"),
        pytest.param(service(update_state="rollback_completed"), [task(1), task(2)], "failed", 2, 2, id="rolled back"),
        pytest.param(service(update_state="rollback_paused"), [task(1)], "failed", 1, 2, id="rollback failed"),
        pytest.param(
            service(update_state="paused", update_started="before"), [task(1), task(2)], "converged", 2, 2, id="stale"
        ),
        pytest.param(service(None), [task(0, node_id="n1"), task(0, node_id="n2")], "converged", 2, 2, id="everywhere"),
        pytest.param(service(None), [task(0, node_id="n1")], "waiting", 1, 2, id="not everywhere"),
        pytest.param(service(None, placement=ON_WORKERS), [task(0, node_id="n2")], "converged", 1, 1, id="on workers"),
        pytest.param(service(None, placement=ON_WORKERS), [task(0, node_id="n1")], "waiting", 1, 1, id="on managers"),
        pytest.param(
            service(None, mode="replicated-job", total_completions=2, job_iteration=3),
            [task(1, "complete", job_iteration=3), task(2, "complete", job_iteration=3)],
            "converged",
            2,
            2,
            id="job done",
        ),
        pytest.param(
            service(None, mode="replicated-job", total_completions=2, job_iteration=3),
            [task(1, "complete", job_iteration=3), task(2, "complete", job_iteration=2)],
            "waiting",
            1,
            2,
            id="job of an earlier deploy",
        ),
        pytest.param(ONCE, [task(1, "complete", SHOT)], "converged", 1, 1, id="a one-shot is done"),
        pytest.param(ONCE, [task(1, "running", SHOT)], "converged", 1, 1, id="a one-shot at work"),
        pytest.param(ONCE, [task(1, "starting", SHOT)], "waiting", 0, 1, id="a one-shot that starts"),
        pytest.param(ONCE, [task(1, "failed", SHOT)], "waiting", 0, 1, id="a one-shot that failed"),
        pytest.param(
            ONCE, [task(1, "failed", SHOT), task(1, "complete", SHOT)], "converged", 1, 1, id="done at the second try"
        ),
        pytest.param(
            ONCE, [task(1, "complete", SHOT), task(1, "starting", SHOT)], "waiting", 0, 1, id="done, and started anew"
        ),
        pytest.param(
            ONCE, [task(1, "complete", {**SHOT, "ContainerSpec": {}})], "waiting", 0, 1, id="an earlier one-shot"
        ),
        pytest.param(replace(ONCE, replicas=2), [task(1, "complete", SHOT)], "waiting", 1, 2, id="one of two is done"),
        pytest.param(
            replace(ONCE, update_state="paused"), [task(1, "complete", SHOT)], "converged", 1, 1, id="paused by its end"
        ),
        pytest.param(
            replace(ONCE, update_state="updating"), [task(1, "complete", SHOT)], "waiting", 1, 1, id="done, monitored"
        ),
        pytest.param(
            replace(ONCE, replicas=None, mode="global"),
            [task(0, "complete", SHOT, node_id="n1"), task(0, "running", SHOT, node_id="n2")],
            "converged",
            2,
            2,
            id="done here, at work there",
        ),
        pytest.param(service(1), [task(1, "complete")], "waiting", 0, 1, id="what is started again is not done"),
        pytest.param(
            service(1, template=CHECKED),
            [task(1, "complete", CHECKED)],
            "waiting",
            0,
            1,
            id="with a health check it is there to run",
        ),
    ],
)
def test_assess(one: Service, tasks: list[Task], outcome: str, running: int, wanted: int) -> None:
    state = assess(one, tasks, NODES, stale_update="before")
    assert (state.outcome, state.running, state.wanted) == (outcome, running, wanted)


@pytest.mark.parametrize(
    ("one", "tasks", "said"),
    [
        (service(), [], "service web: no task yet, 0 of 2 tasks of its current version run"),
        (service(), [task(1)], "service web: no task yet, 1 of 2 tasks of its current version run"),
        (
            service(),
            [task(1, "starting"), task(2, "pending")],
            "service web: pending, starting, 0 of 2 tasks of its current version run",
        ),
        (
            service(),
            [task(1), task(2), task(3)],
            "service web: too many, 3 of 2 tasks of its current version run",
        ),
        (service(), [task(1), task(2)], "service web: converged, 2 of 2 tasks of its current version run"),
        (
            service(update_state="rollback_started"),
            [task(1)],
            "service web: rollback started, 1 of 2 tasks of its current version run",
        ),
        (
            service(update_state="paused", update_message="update paused due to failure"),
            [task(1)],
            "service web: update paused due to failure, 1 of 2 tasks of its current version run",
        ),
        (service(update_state="paused"), [], "service web: paused, 0 of 2 tasks of its current version run"),
        (
            service(None, mode="replicated-job", total_completions=2),
            [task(1, "complete")],
            "service web: tasks of the job complete, 1 of 2 tasks of its current version run",
        ),
        (
            service(None, mode="global-job", total_completions=7, placement=ON_WORKERS),
            [task(0, "complete")],
            "service web: tasks of the job complete, 1 of 1 tasks of its current version run",
        ),
    ],
)
def test_what_a_state_says(one: Service, tasks: list[Task], said: str) -> None:
    assert str(assess(one, tasks, NODES)) == said


@pytest.mark.parametrize("state", ["", "updating", "rollback_started", "completed", "paused"])
def test_two_looks_are_equal_while_nothing_happens(state: str) -> None:
    def key(*tasks: Task, update_state: str = state) -> tuple[str, ...]:
        return assess(service(update_state=update_state), tasks, NODES).key

    assert key(task(1), task(2)) == key(task(2), task(1)) == (state, "t1runningbox:2", "t2runningbox:2")
    assert key(task(1), task(2)) != key(task(1), task(2, id="next"))
    assert key(task(1)) != key(task(1), update_state="other")
    assert assess(service(update_state="paused", update_started="x"), [], NODES, stale_update="x").key == ("",)


@pytest.mark.parametrize(
    ("one", "tasks", "doubled"),
    [
        pytest.param(service(), [task(1), task(2), task(2, id="twin")], True, id="two in one slot"),
        pytest.param(service(), [task(1), task(2)], False, id="one in each"),
        pytest.param(service(), [task(1), task(2), task(3)], False, id="a slot too many: scaled down a moment ago"),
        pytest.param(service(3), [task(1), task(2), task(2, id="twin")], False, id="a slot is still empty"),
        pytest.param(service(), [task(1), task(1, id="twin"), task(2, "starting")], False, id="still starting"),
        pytest.param(service(), [task(1), task(2), task(2, template=OLD)], False, id="the other is an old one"),
        pytest.param(
            service(update_state="updating"), [task(1), task(2), task(2, id="twin")], False, id="swarm is at work"
        ),
        pytest.param(service(None), [task(0, node_id="n1"), task(0, node_id="n2")], False, id="global"),
    ],
)
def test_a_slot_with_two_tasks_is_noticed_when_swarm_is_done(one: Service, tasks: list[Task], doubled: bool) -> None:
    assert assess(one, tasks, NODES).is_doubled is doubled


@pytest.mark.parametrize(
    ("down", "wanted"),
    [({"ready": False}, 1), ({"active": False}, 1), ({}, 2)],
)
def test_a_global_service_needs_no_task_where_none_can_be(down: dict[str, bool], wanted: int) -> None:
    nodes = [NODES[0], replace(NODES[1], **down)]
    assert assess(service(None), [task(0, node_id="n1")], nodes).wanted == wanted


@pytest.mark.parametrize(
    ("constraints", "fits"),
    [
        ([], True),
        (["node.role == worker"], True),
        (["node.role==worker"], True),
        (["node.role != worker"], False),
        (["node.role == Worker"], True),
        (["node.labels.disk == fast"], True),
        (["node.labels.disk == slow"], False),
        (["node.labels.none == x"], False),
        (["node.labels.none != x"], True),
        (["node.role == worker", "node.labels.disk == slow"], False),
        (["nonsense"], False),
        (["node.id == n2"], True),
        (["node.id == N2"], False),
    ],
)
def test_satisfies(constraints: list[str], fits: bool) -> None:
    assert satisfies(NODES[1], constraints) is fits


@pytest.mark.parametrize(
    ("now", "before", "seconds"),
    [
        (service(), None, 0),
        (service(has_health_check=False, monitor_seconds=7), None, 7),
        (service(has_health_check=False), service(template=OLD), 0),
        (service(has_health_check=False), service(), 0),
        (service(placement=ON_WORKERS), service(), 2),
        (service(placement=ON_WORKERS), service(template=OLD), 0),
        (service(None, mode="replicated-job", has_health_check=False), None, 0),
    ],
)
def test_settle_seconds(now: Service, before: Service | None, seconds: float) -> None:
    assert settle_seconds(now, before) == seconds


def a_spec(update: dict[str, Any], health: dict[str, Any] | None = None, **container: Any) -> dict[str, Any]:
    found = {"Healthcheck": health, **container} if health else container
    return {"Name": "web", "TaskTemplate": {"ContainerSpec": found}, "UpdateConfig": update}


SECOND = 1_000_000_000
HEALTH = {"Test": ["CMD", "x"], "Interval": 5 * SECOND, "Retries": 3, "StartPeriod": 20 * SECOND}


@pytest.mark.parametrize(
    ("specs", "count", "seconds"),
    [
        pytest.param([], 1, 60, id="nothing"),
        pytest.param([a_spec({"Order": "start-first"})], 1, 65, id="the default monitor"),
        pytest.param([a_spec({})], 1, 75, id="stop-first waits for the old task"),
        pytest.param([a_spec({}, StopGracePeriod=30 * SECOND)], 1, 95, id="its grace"),
        pytest.param(
            [a_spec({"Order": "start-first", "Monitor": 30 * SECOND, "Parallelism": 1})], 3, 150, id="one by one"
        ),
        pytest.param([a_spec({"Order": "start-first", "Monitor": 30 * SECOND})], 3, 90, id="all at once"),
        pytest.param([a_spec({"Order": "start-first", "Monitor": 30 * SECOND, "Parallelism": 2})], 3, 120, id="pairs"),
        pytest.param([a_spec({"Order": "start-first", "Delay": 10 * SECOND, "Parallelism": 1})], 2, 90, id="delay"),
        pytest.param([a_spec({"Order": "start-first"}, HEALTH)], 1, 100, id="health check"),
        pytest.param(
            [a_spec({"Order": "start-first"}, {**HEALTH, "Retries": 6})], 1, 115, id="health check, more retries"
        ),
        pytest.param([a_spec({"Order": "start-first"}, {"Test": ["CMD"]})], 1, 155, id="health check by default"),
        pytest.param([a_spec({}, HEALTH)], 1, 110, id="health check, after the old task has stopped"),
        pytest.param([a_spec({"Order": "start-first"}, {"Test": ["NONE"]})], 1, 65, id="health check off"),
        pytest.param([a_spec({})], 0, 60, id="no task"),
        pytest.param([a_spec({}), a_spec({"Order": "start-first"})], 1, 75, id="the slowest"),
    ],
)
def test_deadline_seconds(specs: list[dict[str, Any]], count: int, seconds: float) -> None:
    assert default_deadline(specs, {"web": count}) == seconds


def test_a_global_service_has_a_task_on_each_node() -> None:
    one_by_one = a_spec({"Order": "start-first", "Parallelism": 1})
    assert default_deadline([one_by_one], {}, nodes=4) == 80
    assert default_deadline([one_by_one], {}) == 65
    assert default_deadline([one_by_one], {"web": 2}, nodes=4) == 70


@pytest.mark.parametrize(
    ("tasks", "target", "found"),
    [
        pytest.param([task(1), task(2)], NEW, [], id="all run"),
        pytest.param([task(1, "failed")], NEW, ["t1failedbox:2"], id="failed"),
        pytest.param([task(1, "rejected")], NEW, ["t1rejectedbox:2"], id="rejected"),
        pytest.param([task(1, "pending")], NEW, ["t1pendingbox:2"], id="not placed"),
        pytest.param([task(1, "failed", OLD)], NEW, [], id="another version"),
        pytest.param([task(1, "failed", OLD)], None, ["t1failedbox:1"], id="version unknown: not the current one"),
        pytest.param([task(1, "shutdown")], NEW, [], id="stopped in order"),
        pytest.param([task(1, "complete", exit_code=0)], NEW, ["t1completebox:2"], id="ended, which none should"),
        pytest.param([task(1, "shutdown", exit_code=137)], NEW, ["t1shutdownbox:2"], id="killed"),
        pytest.param([task(1, "shutdown", exit_code=143)], NEW, [], id="stopped by the signal"),
        pytest.param(
            [task(1, "failed", updated="1", exit_code=7), task(1, "shutdown", updated="2", exit_code=137)],
            NEW,
            ["t1failedbox:2"],
            id="its successor, killed by the rollback",
        ),
        pytest.param(
            [task(1, "shutdown", exit_code=137), task(2, "failed")],
            NEW,
            ["t2failedbox:2", "t1shutdownbox:2"],
            id="what died by itself before what was killed",
        ),
        pytest.param([task(1, "failed", service_id="x")], NEW, [], id="another service's"),
        pytest.param(
            [task(1, "failed", updated="1"), task(1, "starting", updated="2")],
            NEW,
            ["t1failedbox:2"],
            id="its successor",
        ),
        pytest.param(
            [task(1, "failed", updated="1", id="a"), task(1, "failed", updated="2", id="b")],
            NEW,
            ["b"],
            id="the newest",
        ),
        pytest.param(
            [
                task(1, "failed", updated="1", node_id="n1", id="a"),
                task(1, "failed", updated="2", node_id="n2", id="b"),
            ],
            NEW,
            ["b"],
            id="the newest of a slot, on whatever node",
        ),
        pytest.param(
            [task(0, "failed", node_id="n1", id="a"), task(0, "failed", node_id="n2", id="b")],
            NEW,
            ["a", "b"],
            id="a global service's, of each node",
        ),
        pytest.param([task(1, "remove")], NEW, [], id="removed in order"),
        pytest.param(
            [task(1, "shutdown", updated="1"), task(2, "failed", updated="2")],
            NEW,
            ["t2failedbox:2"],
            id="stopped in order, then one fails",
        ),
        pytest.param(
            [task(1, "failed", updated="1"), task(1, "starting", updated="2"), task(2, "failed", updated="3")],
            NEW,
            ["t1failedbox:2", "t2failedbox:2"],
            id="its successor, then another one",
        ),
        pytest.param(
            [task(1, "pending"), task(2, "failed")], NEW, ["t2failedbox:2", "t1pendingbox:2"], id="the dead first"
        ),
        pytest.param(
            [
                task(1, "failed", updated="1", id="a", error="task: non-zero exit (7)", exit_code=7),
                task(1, "failed", updated="2", id="b", error="starting container failed: context canceled"),
            ],
            NEW,
            ["a"],
            id="its successor's start was cut short by the rollback",
        ),
        pytest.param(
            [task(slot, "failed") for slot in range(1, 9)],
            NEW,
            [f"t{slot}failedbox:2" for slot in range(1, 5)],
            id="four",
        ),
    ],
)
def test_failing_tasks(tasks: list[Task], target: dict[str, Any] | None, found: list[str]) -> None:
    assert [one.id for one in failing_tasks(service(), target, tasks)] == found


def test_a_job_s_task_ends_well() -> None:
    for state in ("complete", "shutdown", "remove"):
        assert failing_tasks(service(mode="replicated-job"), NEW, [task(1, state, exit_code=0)]) == []
    assert failing_tasks(service(mode="replicated-job"), NEW, [task(1, "complete", exit_code=1)])


def test_failing_tasks_leaves_out_what_was_there_before() -> None:
    assert failing_tasks(service(), NEW, [task(1, "failed")], frozenset({"t1failedbox:2"})) == []


def test_a_task_is_compared_without_what_swarm_leaves_out_of_it() -> None:
    of_service = {"ContainerSpec": NEW, "Placement": {"Constraints": ["x"]}, "Runtime": "container", "ForceUpdate": 0}
    assert comparable_template(of_service) == comparable_template({"ContainerSpec": NEW, "Resources": {}})


def test_parse_node() -> None:
    node = parse_node(
        {
            "ID": "n9",
            "Spec": {"Role": "worker", "Availability": "drain", "Labels": {"disk": "fast"}},
            "Description": {
                "Hostname": "worker9",
                "Platform": {"OS": "linux", "Architecture": "x86_64"},
                "Engine": {"Labels": {"zone": "a"}},
            },
            "Status": {"State": "ready", "Addr": "10.0.0.9"},
        }
    )
    assert (node.id, node.name, node.ready, node.active) == ("n9", "worker9", True, False)
    assert node.facts == {
        "node.id": "n9",
        "node.hostname": "worker9",
        "node.ip": "10.0.0.9",
        "node.role": "worker",
        "node.platform.os": "linux",
        "node.platform.arch": "x86_64",
        "node.labels.disk": "fast",
        "engine.labels.zone": "a",
    }
    bare = parse_node({"ID": "n9", "Spec": {"Availability": "active"}})
    assert (bare.name, bare.ready, bare.active) == ("n9", False, True)
    assert set(bare.facts.values()) == {"n9", ""}
    assert satisfies(node, ["node.labels.disk == fast", "engine.labels.zone == a", "node.platform.os == linux"])


def died(slot: int, number: int, **more: Any) -> Task:
    return task(
        **{"slot": slot, "state": "failed", "id": f"{slot}.{number}", "error": "non-zero exit", "exit_code": 1, **more}
    )


def restarts(condition: str, attempts: int = 0) -> Service:
    policy = {"Condition": condition, "MaxAttempts": attempts}
    return service(1, spec={"TaskTemplate": {"RestartPolicy": policy}})


def taken(slot: int, number: int) -> str:
    """As Docker says it of a port that another program has."""
    task_id, endpoint = f"{number}p0s8k2m7xq4v9z1t6w3y5n0b"[:25], f"{number}a3f" * 16
    return (
        "starting container failed: driver failed programming external connectivity on endpoint "
        f"web_app.{slot}.{task_id} ({endpoint}): "
        "Error starting userland proxy: listen tcp4 0.0.0.0:80: bind: address already in use"
    )


THREE_EACH = [died(slot, number) for slot in (1, 2) for number in (1, 2, 3)]


@pytest.mark.parametrize(
    ("one", "tasks", "hopeless"),
    [
        pytest.param(service(), THREE_EACH, True, id="each died three times"),
        pytest.param(service(), [*THREE_EACH, task(1, "starting")], True, id="and the next one starts"),
        pytest.param(service(), [*THREE_EACH, task(1)], False, id="but the next one runs"),
        pytest.param(service(), THREE_EACH[:5], False, id="one died twice"),
        pytest.param(service(), THREE_EACH[:3], False, id="another one has not died"),
        pytest.param(service(3), THREE_EACH, False, id="a third one has not begun"),
        pytest.param(service(), [*THREE_EACH, died(1, 4, exit_code=2)], False, id="of different causes"),
        pytest.param(
            service(),
            [died(one.slot, number, error=taken(one.slot, number)) for number, one in enumerate(THREE_EACH)],
            True,
            id="of the same, told with each one's own name",
        ),
        pytest.param(
            service(),
            [died(one.slot, number, error=f"port {8000 + number} is taken") for number, one in enumerate(THREE_EACH)],
            False,
            id="other numbers are other causes",
        ),
        pytest.param(service(), [died(1, 1, template=OLD)] * 6, False, id="of another version"),
        pytest.param(service(update_state="updating"), THREE_EACH, False, id="an update is swarm's to judge"),
        pytest.param(service(0), [], False, id="scaled to nothing"),
        pytest.param(service(None), [died(0, n, node_id=f"n{n % 2}") for n in range(6)], True, id="on each node"),
        pytest.param(service(None), [died(0, n, node_id=f"n{n % 2}") for n in range(5)], False, id="on one node twice"),
        pytest.param(restarts("none"), [died(1, 1)], True, id="it is never started again"),
        pytest.param(restarts("on-failure"), [died(1, 1)], False, id="it is started again"),
        pytest.param(restarts("on-failure"), [died(1, 1, state="complete")], True, id="it ended and is left so"),
        pytest.param(restarts("any", 1), [died(1, 1), died(1, 2)], True, id="it is started again but once"),
    ],
)
def test_a_service_is_given_up_when_it_can_only_die(one: Service, tasks: list[Task], hopeless: bool) -> None:
    assert is_hopeless(one, tasks, {}) is hopeless


UNCHECKED = service(has_health_check=False, monitor_seconds=30)


@pytest.mark.parametrize(
    ("one", "longest", "runs_for", "hopeless"),
    [
        pytest.param(UNCHECKED, 8, 7, True, id="as the dead ones did"),
        pytest.param(UNCHECKED, 8, 8.6, True, id="no longer than may lie between two looks"),
        pytest.param(UNCHECKED, 8, 10, False, id="longer than they did"),
        pytest.param(UNCHECKED, 0, 0, True, id="they died before anybody looked"),
        pytest.param(UNCHECKED, 0, 2, False, id="and this one has not"),
        pytest.param(UNCHECKED, 50, 40, False, id="longer than it is watched for"),
        pytest.param(replace(UNCHECKED, has_health_check=True), 8, 7, False, id="it may be healthy"),
    ],
)
def test_what_runs_without_a_health_check_is_as_good_as_what_died_as_late(
    one: Service, longest: float, runs_for: float, hopeless: bool
) -> None:
    lives = {died(1, 2).id: longest, "next": runs_for}
    assert is_hopeless(one, [*THREE_EACH, task(2, id="next")], lives) is hopeless


class Clock:
    """Time that passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


BEGUN = Look({"web": service(update_state="updating", update_started="now")}, [task(1), task(2, "starting")], NODES)
DONE = Look({"web": service(update_state="completed", update_started="now")}, [task(1), task(2)], NODES)
GOING_BACK = Look({"web": service(update_state="rollback_started", update_started="now", template=OLD)}, [], NODES)
WENT_BACK = Look(
    {"web": service(update_state="rollback_completed", update_started="now", template=OLD)},
    [task(1, template=OLD), task(2, template=OLD)],
    NODES,
)
BACK_UNSEEN = Look(
    {"web": service(template=OLD)},
    [task(1, template=OLD), task(2, template=OLD)],
    NODES,
)
FRESH = Look({"web": service(has_health_check=False, monitor_seconds=5)}, [task(1), task(2)], NODES)
DYING = Look({"web": service()}, [died(slot, number) for slot in (1, 2) for number in (1, 2, 3)], NODES)
BEGINS = replace(DYING, tasks=[])
# Its health check failed: it ran and was healthy for a while.
WAS_HEALTHY = replace(DYING, tasks=[*DYING.tasks, task(1)])
DATABASE = service(1, id="d", name="db", spec={"TaskTemplate": {}})
FOR_ANOTHER = replace(DYING, services={**DYING.services, "db": DATABASE})
FRESH_DIED = replace(FRESH, tasks=[task(1), task(2, id="next")])


def unwanted(service: Service) -> None:
    raise AssertionError(f"{service.name} has no two tasks in one slot")


@pytest.mark.parametrize(
    ("looks", "known", "verdict", "seconds"),
    [
        pytest.param([DONE], True, "converged", 0, id="at once"),
        pytest.param([BEGUN, BEGUN, DONE], True, "converged", 0.25, id="in a moment"),
        pytest.param([BEGUN], True, "stuck", 30, id="never"),
        pytest.param([BEGUN, GOING_BACK, WENT_BACK], True, "rolled_back", 0.25, id="swarm rolled back"),
        pytest.param([BEGUN, BACK_UNSEEN], True, "rolled_back", 0.1, id="an earlier version runs, whoever did it"),
        pytest.param([FRESH], False, "converged", 5, id="a new service without a health check is watched"),
        pytest.param(
            [FRESH] * 5 + [FRESH_DIED], False, "converged", 5.8, id="again from the start when a task changed"
        ),
        pytest.param([PlatformError("restarting"), DONE], True, "converged", 1, id="the manager restarts"),
        pytest.param([BEGINS, DYING], False, "stuck", 0.1, id="every task of a new service died again and again"),
        pytest.param([DYING], False, "stuck", 30, id="what died before this rollout says nothing of it"),
        pytest.param([BEGINS, WAS_HEALTHY, DYING], False, "stuck", 30, id="it was healthy once"),
        pytest.param(
            [replace(FOR_ANOTHER, tasks=[]), FOR_ANOTHER],
            False,
            "stuck",
            30,
            id="it may wait for another service, which comes up",
        ),
    ],
)
def test_watch(looks: list[Any], known: bool, verdict: str, seconds: float) -> None:
    clock, queue, reports = Clock(), list(looks), []

    def look() -> Look:
        found = queue.pop(0) if len(queue) > 1 else queue[0]
        if isinstance(found, PlatformError):
            raise found
        assert isinstance(found, Look)
        return found

    outcome = watch(
        look,
        {"web": service(template=OLD, update_started="before")} if known else {},
        deadline_seconds=lambda _look: 30,
        reconcile=unwanted,
        report=reports.append,
        clock=clock,
        sleep=clock.sleep,
    )
    assert outcome.verdict == verdict
    assert outcome.seconds == pytest.approx(seconds, abs=0.6)
    assert reports


def test_watch_gives_up_on_replicas_that_die_out_of_step() -> None:
    """Each lives for some seconds and comes again after two; one of them runs at almost every look."""
    clock = Clock()
    one = service(3, has_health_check=False, monitor_seconds=30)

    def look() -> Look:
        tasks = []
        for slot, (lives, begins) in enumerate(((3, 0), (5, 1), (8, 2)), 1):
            number, age = divmod(max(clock.now - begins, 0), lives + 2)
            tasks += [died(slot, done) for done in range(int(number) + (age >= lives))]
            tasks += [task(slot, id=f"{slot}.{int(number)}")] if age < lives else []
        return Look({"web": one}, tasks, NODES)

    outcome = watch(look, {}, deadline_seconds=lambda _look: 130, reconcile=unwanted, clock=clock, sleep=clock.sleep)
    assert (outcome.verdict, outcome.hopeless) == ("stuck", {"web"})
    assert outcome.seconds == pytest.approx(2 + 3 * 8 + 2 * 2, abs=2)


def test_watch_counts_deaths_that_swarm_keeps_no_record_of() -> None:
    """With a short history (task_history_limit: 1) the last dead task of each slot is all that one look shows."""
    clock = Clock()

    def look() -> Look:
        number = int(clock.now // 3)
        tasks = [died(slot, number - 1) for slot in (1, 2) if number]
        return Look(
            {"web": service()}, [*tasks, *(task(slot, "starting", id=f"{slot}.{number}") for slot in (1, 2))], NODES
        )

    outcome = watch(look, {}, deadline_seconds=lambda _look: 130, reconcile=unwanted, clock=clock, sleep=clock.sleep)
    assert (outcome.verdict, outcome.hopeless) == ("stuck", {"web"})
    assert outcome.seconds == pytest.approx(9, abs=1)


def test_watch_gives_up_on_an_engine_that_is_gone() -> None:
    clock = Clock()

    def look() -> Look:
        raise PlatformError("no answer")

    with pytest.raises(PlatformError, match="no answer"):
        watch(look, {}, deadline_seconds=lambda _look: 5, reconcile=unwanted, clock=clock, sleep=clock.sleep)
    assert clock.now == 60


def test_watch_lets_swarm_look_again_once_for_what_it_left_twice() -> None:
    """The first try fails, as it does where somebody else writes the service at that moment."""
    clock, written = Clock(), []
    twice = replace(DONE, tasks=[task(1), task(2), task(2, id="twin")])

    def look() -> Look:
        return DONE if clock.now > 1 and len(written) == 2 else twice

    def reconcile(service: Service) -> None:
        written.append(service.name)
        if len(written) == 1:
            raise PlatformError("update out of sequence")

    outcome = watch(
        look,
        {"web": service(template=OLD, update_started="before")},
        deadline_seconds=lambda _look: 30,
        reconcile=reconcile,
        clock=clock,
        sleep=clock.sleep,
    )
    assert outcome.verdict == "converged"
    assert written == ["web", "web"]
