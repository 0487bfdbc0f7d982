"""The scheduler of the apps' cron: when a slot is, and what is done for it."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import islice
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from swarm_exporter.cron import job
from swarm_exporter.cron.model import Entry, Run, Schedule, State, orphans, parse_schedules, parse_state, parse_states
from swarm_exporter.cron.plan import KEPT_RUNS, KEPT_SECONDS, LATE_SECONDS, acts, decide
from swarm_exporter.cron.scheduler import Scheduler
from swarm_exporter.cron.times import slots
from swarm_exporter.engine import Conflict, EngineError

Json = dict[str, Any]
MINUTELY = Schedule("shop", "cleanup", "s1", "* * * * *", "UTC", ("sh", "-c", "echo a b"), "forbid", 600)
NOON = int(datetime(2026, 11, 30, 12, tzinfo=ZoneInfo("UTC")).timestamp())
BEFORE = State(MINUTELY.timing, NOON - 60, upcoming=NOON)


def local(expression: str, timezone: str, after: str, count: int = 2) -> list[str]:
    begin = int(datetime.fromisoformat(after).replace(tzinfo=ZoneInfo(timezone)).timestamp())
    found = islice(slots(expression, timezone, begin), count)
    return [datetime.fromtimestamp(slot, ZoneInfo(timezone)).isoformat() for slot in found]


@pytest.mark.parametrize(
    ("expression", "timezone", "after", "expected"),
    [
        ("15 3 * * *", "Asia/Seoul", "2026-11-30T12:00", ["2026-12-01T03:15:00+09:00", "2026-12-02T03:15:00+09:00"]),
        ("15 3 * * *", "UTC", "2026-11-30T03:15", ["2026-12-01T03:15:00+00:00", "2026-12-02T03:15:00+00:00"]),
        # Berlin puts its clocks forward on 29 March 2026 at 2:00: what would run at 2:30 runs right after.
        (
            "30 2 * * *",
            "Europe/Berlin",
            "2026-03-28T12:00",
            ["2026-03-29T03:00:00+02:00", "2026-03-30T02:30:00+02:00"],
        ),
        # And back on 25 October at 3:00: 2:30 is twice, and runs once.
        (
            "30 2 * * *",
            "Europe/Berlin",
            "2026-10-24T12:00",
            ["2026-10-25T02:30:00+02:00", "2026-10-26T02:30:00+01:00"],
        ),
        # Every so often goes by what passes, not by the clock's face.
        (
            "*/30 * * * *",
            "Europe/Berlin",
            "2026-10-25T02:30",
            ["2026-10-25T02:00:00+01:00", "2026-10-25T02:30:00+01:00"],
        ),
        ("0 0 29 2 *", "UTC", "2026-01-01T00:00", ["2028-02-29T00:00:00+00:00", "2032-02-29T00:00:00+00:00"]),
    ],
)
def test_slots(expression: str, timezone: str, after: str, expected: list[str]) -> None:
    assert local(expression, timezone, after) == expected


def test_what_was_once_is_never_a_slot_again() -> None:
    """Where a clock has been put back, its face is no reason to run a second time."""
    zone = ZoneInfo("Europe/Berlin")
    second = int(datetime(2026, 10, 25, 2, 10, tzinfo=zone, fold=1).timestamp())
    assert next(slots("30 2 * * *", "Europe/Berlin", second)) > second


def run(slot: int, result: str = "", created: float = 0, ended: float = 0) -> Run:
    return Run(slot, f"run-{slot}", created or slot, result, f"{result or 'running'} on worker1", ended)


FORBID, ALLOW = MINUTELY, replace(MINUTELY, overlap="allow")
OPEN = replace(BEFORE, open=(NOON - 60,))
CASES: dict[str, tuple[Schedule, State | None, Sequence[Run], float, Json]] = {
    "a new one waits for its next slot": (FORBID, None, (), NOON + 1, {"through": NOON + 1, "upcoming": NOON + 60}),
    "nothing is due": (FORBID, replace(BEFORE, through=NOON - 30), (), NOON - 1, {"upcoming": NOON}),
    "its time has come": (FORBID, BEFORE, (), NOON, {"start": (NOON,), "open": (NOON,), "upcoming": NOON + 60}),
    "late, but in time": (FORBID, BEFORE, (), NOON + LATE_SECONDS - 1, {"start": (NOON,), "open": (NOON,)}),
    "late, and it is missed": (
        FORBID,
        BEFORE,
        (),
        NOON + LATE_SECONDS + 1,
        {
            "start": (NOON + 60,),
            "open": (NOON + 60,),
            "counts": {"missed": 1},
            "told": ("missed", "not begun within 60 s"),
        },
    ),
    "nobody was there for long": (
        FORBID,
        BEFORE,
        (),
        NOON + 600,
        {
            "start": (NOON + 540,),
            "counts": {"missed": 9, "skipped": 1},
            "last": {"missed": NOON + 600, "skipped": NOON + 600},
        },
    ),
    "who began it died before saying so": (FORBID, BEFORE, [run(NOON)], NOON + 5, {"start": (), "open": (NOON,)}),
    "an earlier one is at work": (
        FORBID,
        OPEN,
        [run(NOON - 60)],
        NOON,
        {
            "start": (),
            "open": (NOON - 60,),
            "counts": {"skipped": 1},
            "told": ("skipped", "an earlier run had not ended"),
        },
    ),
    "beside an earlier one": (ALLOW, OPEN, [run(NOON - 60)], NOON, {"start": (NOON,), "open": (NOON - 60, NOON)}),
    "an earlier one has just ended": (
        FORBID,
        OPEN,
        [run(NOON - 60, "succeeded", ended=NOON - 20)],
        NOON,
        {"start": (NOON,), "open": (NOON,), "counts": {"succeeded": 1}, "last": {"succeeded": NOON - 20}},
    ),
    "it failed": (
        FORBID,
        OPEN,
        [run(NOON - 60, "failed", ended=NOON - 20)],
        NOON - 10,
        {
            "counts": {"failed": 1},
            "last": {"failed": NOON - 20},
            "told": ("failed", "failed on worker1"),
            "seconds": 40,
        },
    ),
    "it is too late": (
        replace(FORBID, deadline_seconds=30),
        OPEN,
        [run(NOON - 60)],
        NOON - 30,
        {
            "counts": {"failed": 1},
            "told": ("failed", "not at its end after 30 s: running on worker1"),
            "remove": (f"run-{NOON - 60}",),
        },
    ),
    "its service is gone": (
        FORBID,
        OPEN,
        [],
        NOON - 30,
        {"counts": {"failed": 1}, "told": ("failed", "its service was taken away before it ended")},
    ),
    "another timing begins now": (
        FORBID,
        replace(BEFORE, timing="0 3 * * * UTC", through=NOON - 86400),
        (),
        NOON + 5,
        {"start": (), "through": NOON + 5, "upcoming": NOON + 60, "counts": {}},
    ),
    "a clock that was put back runs nothing twice": (
        FORBID,
        replace(BEFORE, through=NOON),
        (),
        NOON - 300,
        {"start": ()},
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_decide(case: str) -> None:
    schedule, state, runs, now, expected = CASES[case]
    found = decide(schedule, state, runs, now)
    seen = {
        **vars(found.state),
        "start": found.start,
        "remove": found.remove,
        "told": (found.state.history[-1].result, found.state.history[-1].detail) if found.state.history else None,
        "seconds": found.state.history[-1].seconds if found.state.history else None,
    }
    assert {key: seen[key] for key in expected} == expected
    assert parse_state(found.state.dump()) == found.state, "it is remembered as it is"
    # Upon the same look with what was begun, nothing is to be done again.
    again = decide(schedule, found.state, [*runs, *map(run, found.start)], now)
    assert (again.start, again.state) == ((), found.state)


def test_services_of_what_has_ended_are_kept_for_a_while() -> None:
    first = NOON - 10 * 60
    ended = [run(first + 60 * number, "succeeded", ended=NOON) for number in range(10)]
    state = replace(BEFORE, through=NOON)
    assert decide(FORBID, state, ended, NOON + 1).remove == (ended[0].service,)
    assert decide(FORBID, state, ended, NOON + KEPT_SECONDS + 1).remove == tuple(
        one.service for one in ended[:-KEPT_RUNS]
    )


def test_history_is_bounded() -> None:
    state = BEFORE
    for number in range(30):
        state = state.told(Entry(number, "succeeded", "done", "true"), number)
    assert [entry.slot for entry in state.history] == list(range(20, 30))
    assert state.counts == {"succeeded": 30}


def node(name: str, *, leads: bool = False, state: str = "ready") -> Json:
    manager = {"ManagerStatus": {"Leader": leads}}
    return {"ID": name, "Status": {"State": state}, "Description": {"Hostname": name}, **manager}


def scheduler_task(node_id: str, state: str = "running") -> Json:
    return {"NodeID": node_id, "Status": {"State": state}}


@pytest.mark.parametrize(
    ("nodes", "tasks", "who"),
    [
        ([node("a"), node("b", leads=True)], ["a", "b"], "b"),
        ([node("a"), node("b"), node("c", leads=True)], ["a", "b"], "a"),  # the leader is drained, say
        ([node("a", state="down", leads=True), node("b"), node("c")], ["a", "b", "c"], "b"),
    ],
)
def test_one_acts(nodes: list[Json], tasks: list[str], who: str) -> None:
    there = [scheduler_task(one) for one in tasks]
    assert [one for one in tasks if acts(one, nodes, there)] == [who]


def test_who_sees_no_scheduler_acts_itself() -> None:
    assert acts("a", [node("a"), node("b", leads=True)], [scheduler_task("b", "starting")])


SERVICE: Json = {
    "ID": "s1",
    "CreatedAt": "2026-11-30T00:00:00.123456789Z",
    "Spec": {
        "Name": "shop_web",
        "Labels": {
            "com.docker.stack.namespace": "shop",
            "io.fungap.cron": '{"cleanup": {"schedule": "* * * * *", "timezone": "UTC",'
            ' "command": ["sh", "-c", "echo a b"], "overlap": "forbid", "deadline_seconds": 600}}',
        },
        "TaskTemplate": {
            "ContainerSpec": {
                "Image": "registry:5000/shop@sha256:1",
                "Labels": {"com.docker.stack.namespace": "shop"},
                "Hostname": "shop-slot-{{.Task.Slot}}",
                "Env": ["A=1"],
                "Args": ["node", "server.js"],
                "Healthcheck": {"Test": ["CMD", "wget"]},
                "Mounts": [{"Type": "volume", "Source": "shop_env_1", "Target": "/env", "ReadOnly": True}],
                "Secrets": [{"SecretID": "x"}],
            },
            "Resources": {"Limits": {"MemoryBytes": 1}},
            "RestartPolicy": {"Condition": "any"},
            "Placement": {"Constraints": ["node.labels.x == ready"]},
            "Networks": [{"Target": "n1", "Aliases": ["web"]}],
            "ForceUpdate": 3,
        },
        "Mode": {"Replicated": {"Replicas": 3}},
        "UpdateConfig": {"Parallelism": 1},
        "EndpointSpec": {"Mode": "dnsrr", "Ports": [{"TargetPort": 80}]},
    },
}


def test_a_run_has_what_the_app_has_now() -> None:
    assert list(parse_schedules([SERVICE])) == [MINUTELY]
    spec = job.spec_of(MINUTELY, NOON, SERVICE)
    assert spec["Name"] == f"shop_jobs_cron-cleanup-{NOON}"
    container = spec["TaskTemplate"]["ContainerSpec"]
    own = SERVICE["Spec"]["TaskTemplate"]["ContainerSpec"]
    assert {key: container[key] for key in ("Image", "Env", "Mounts", "Secrets")} == {
        key: own[key] for key in ("Image", "Env", "Mounts", "Secrets")
    }
    assert container["Args"] == ["sh", "-c", "echo a b"]
    assert container["Healthcheck"] == {"Test": ["NONE"]}
    assert "Hostname" not in container
    assert spec["TaskTemplate"]["Networks"] == [{"Target": "n1"}], "nobody takes it for a replica"
    assert spec["TaskTemplate"]["RestartPolicy"] == {"Condition": "none"}
    assert spec["EndpointSpec"] == {"Mode": "dnsrr"}
    assert spec["Mode"] == {"Replicated": {"Replicas": 1}}, "of a job that failed, a new leader starts another task"
    assert not {"UpdateConfig", "RollbackConfig"} & set(spec)


@pytest.mark.parametrize(
    ("status", "node_state", "expected"),
    [
        (None, "ready", ("", "swarm makes its task")),
        ({"State": "pending", "Err": "no suitable node"}, "", ("", "waits for a node: no suitable node")),
        ({"State": "running"}, "ready", ("", "running on w")),
        ({"State": "complete"}, "ready", ("succeeded", "done on w")),
        (
            {"State": "failed", "Err": "task: non-zero exit (3)", "ContainerStatus": {"ExitCode": 3}},
            "ready",
            ("failed", "failed on w: task: non-zero exit (3), exit code 3"),
        ),
        ({"State": "running"}, "down", ("failed", "node w was lost while it ran there: whether it ended is not known")),
    ],
)
def test_what_its_task_says(status: Json | None, node_state: str, expected: tuple[str, str]) -> None:
    labels = {"io.fungap.cron.run": "shop/cleanup", "io.fungap.cron.slot": str(NOON)}
    service = {"ID": "r", "CreatedAt": "2026-11-30T12:00:00Z", "Spec": {"Labels": labels}}
    tasks = [{"ServiceID": "r", "NodeID": "w" if node_state else "", "Status": status}] if status else []
    (found,) = job.parse_runs([service], tasks, [node("w", state=node_state)])["shop/cleanup"]
    assert (found.slot, found.result, found.detail) == (NOON, *expected)


class Swarm:
    """A swarm's raft: one service of a name, one writer a version."""

    def __init__(self) -> None:
        self.configs: list[Json] = []
        self.services: list[Json] = [SERVICE]
        self.broken = ""

    def get(self, path: str, *, filters: Mapping[str, Any] | None = None, **_: Any) -> Any:
        label = (filters or {}).get("label", [""])[0]
        if path == "/info":
            return {"Swarm": {"NodeID": "a"}}
        if path == "/nodes":
            return [node("a", leads=True)]
        return [one for one in vars(self).get(path[1:], []) if label in one["Spec"]["Labels"]]

    def send(self, _method: str, path: str, body: Any = None, **query: Any) -> None:
        if self.broken and self.broken in path:
            raise EngineError("died")
        if path in ("/services/create", "/configs/create"):
            there: list[Json] = getattr(self, path.split("/")[1])
            if any(one["Spec"]["Name"] == body["Name"] for one in there):
                raise Conflict("409")
            there.append(
                {"ID": body["Name"], "Spec": body, "CreatedAt": "2026-11-30T12:00:01Z", "Version": {"Index": 1}}
            )
        elif path.endswith("/update"):
            (config,) = (one for one in self.configs if path == f"/configs/{one['ID']}/update")
            if config["Version"]["Index"] != query["version"]:
                raise Conflict("out of sequence")
            config.update(Spec=body, Version={"Index": query["version"] + 1})
        else:
            there = getattr(self, path.split("/")[1])
            there[:] = [one for one in there if one["ID"] != path.split("/")[2]]

    def runs(self) -> list[str]:
        return [one["Spec"]["Name"] for one in self.services if one is not SERVICE]


def cycle(swarm: Swarm, now: float) -> float:
    return Scheduler(swarm, "cron_scheduler", clock=lambda: now).cycle()  # type: ignore[arg-type]


def test_a_slot_is_run_once_whoever_dies_when() -> None:
    swarm = Swarm()
    cycle(swarm, NOON - 30)
    assert not swarm.runs()
    swarm.broken = "update"  # between the run and its record
    cycle(swarm, NOON)
    assert swarm.runs() == [f"shop_jobs_cron-cleanup-{NOON}"]
    swarm.broken = ""
    for later in (1, 2, 3):
        cycle(swarm, NOON + later)
    assert swarm.runs() == [f"shop_jobs_cron-cleanup-{NOON}"]
    (state,) = parse_states(swarm.configs).values()
    assert (state.open, state.through, state.upcoming) == ((NOON,), NOON, NOON + 60)


def test_of_two_that_decide_at_once_one_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    swarm = Swarm()
    cycle(swarm, NOON - 30)
    slow = Swarm()
    slow.configs, slow.services = copy.deepcopy(swarm.configs), [*swarm.services]
    slow.send = swarm.send  # type: ignore[method-assign]  # it has looked already
    cycle(swarm, NOON)
    known = copy.deepcopy(swarm.configs)
    cycle(slow, NOON)
    assert (len(swarm.runs()), swarm.configs) == (1, known)
    assert "out of sequence" in capsys.readouterr().out


def test_what_nobody_schedules_any_more_is_forgotten(capsys: pytest.CaptureFixture[str]) -> None:
    swarm = Swarm()
    cycle(swarm, NOON - 30)
    assert cycle(swarm, NOON - 2) == pytest.approx(2)
    assert orphans([], ["shop/cleanup"]) == ["shop/cleanup"]
    swarm.services.clear()
    cycle(swarm, NOON)
    assert (swarm.configs, swarm.runs()) == ([], [])
    assert capsys.readouterr().out == ""


def test_nothing_is_begun_upon_an_old_look(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    swarm = Swarm()
    cycle(swarm, NOON - 30)
    moments = iter([0.0, 60.0])
    monkeypatch.setattr("swarm_exporter.cron.scheduler.time.monotonic", lambda: next(moments))
    cycle(swarm, NOON)
    assert not swarm.runs()
    assert "the look took too long" in capsys.readouterr().out
