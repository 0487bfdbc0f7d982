"""What the followers of a service say that they serve: their words to a verdict."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.module_utils.stack.compose import FOLLOWED_VERSION, follows, version_of
from ansible_collections.fungap.swarm.plugins.module_utils.stack.following import Told, doubt_of, parse_told, serving
from ansible_collections.fungap.swarm.plugins.module_utils.stack.following_look import Following
from ansible_collections.fungap.swarm.plugins.module_utils.stack.model import Service, Task
from ansible_collections.fungap.swarm.plugins.plugin_utils.compose import render

TOLD = """\
version new
task t1
node manager1
serves new
refused
task t2
node worker1
serves old
refused new
| nginx: [emerg] invalid value "banana"
| task t3
"""
ONE, TWO = Told("manager1", "new"), Told("worker1", "old", "new", 'nginx: [emerg] invalid value "banana"\ntask t3')
WAITS = Told("worker2", "old")


def test_what_they_have_told_is_read() -> None:
    assert parse_told(TOLD) == {"t1": ONE, "t2": TWO}
    assert parse_told("version new\n") == {}


@pytest.mark.parametrize(
    ("told", "why", "is_late"),
    [
        ({"t1": ONE, "t2": Told("worker1", "new")}, "", False),
        ({}, "nobody has told yet whether it serves new", False),
        ({"t1": ONE}, "manager1 serves new (wanted: new); 1 of the tasks have told nothing", False),
        ({"t1": ONE, "t2": WAITS}, "manager1 serves new, worker2 serves old (wanted: new)", False),
        (
            {"t1": ONE, "t2": TWO},
            "manager1 serves new, worker1 serves old (wanted: new); worker1 refuses new: "
            'nginx: [emerg] invalid value "banana" task t3',
            True,
        ),
        # Whoever has not made up its mind is waited for.
        (
            {"t1": WAITS, "t2": TWO},
            "worker1 worker2 serve old (wanted: new); worker1 refuses new: "
            'nginx: [emerg] invalid value "banana" task t3',
            False,
        ),
    ],
)
def test_the_verdict_waits_for_all_and_names_each(told: dict[str, Told], why: str, is_late: bool) -> None:
    assert doubt_of("new", ["t1", "t2"], {**told, "of a task that is gone": Told("x", "older")}) == (why, is_late)


def test_nodes_that_serve_the_same_are_said_together() -> None:
    assert serving([ONE, WAITS, Told("worker1", "old"), Told("worker3")]) == (
        "manager1 serves new, worker3 serves nothing, worker1 worker2 serve old"
    )


COMPOSE = {
    "x-follows": {"proxy": "state"},
    "services": {
        "proxy": {"image": "a"},
        "state": {"image": "a", "configs": ["routes"], "environment": {"MANAGERS": "3"}},
    },
}


def rendered(routes: str) -> dict[str, object]:
    return render("proxy", COMPOSE, {"routes": routes}, {}).compose


def test_a_version_is_of_the_contents() -> None:
    one, same, other = rendered("a"), rendered("a"), rendered("b")
    assert one == same
    versions = [follows(compose)["proxy"] for compose in (one, other)]
    assert versions == [("state", version_of(compose, "state")) for compose in (one, other)]
    assert versions[0] != versions[1]
    assert one["services"]["state"]["environment"] == {"MANAGERS": "3", FOLLOWED_VERSION: versions[0][1]}
    assert one["services"]["proxy"] == other["services"]["proxy"]
    assert follows({"services": {}}) == {}


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"x-follows": ["proxy"]}, "x-follows: must be a mapping of services"),
        ({"x-follows": {"proxy": "other"}}, "x-follows: service other is not defined"),
        ({"x-follows": {"proxy": ["state"]}}, "x-follows: must be a mapping of services"),
        (
            {
                "services": {
                    **COMPOSE["services"],
                    "state": {"image": "a", "configs": ["routes"], "environment": ["A=1"]},
                }
            },
            "services.state.environment: must be a mapping, since proxy follows the service",
        ),
    ],
)
def test_who_follows_whom_has_to_make_sense(given: dict[str, object], problem: str) -> None:
    with pytest.raises(PlatformError, match=problem):
        render("proxy", {**COMPOSE, **given}, {"routes": "a"}, {})


TEMPLATE = {"ContainerSpec": {"Image": "a"}}
PROXY = Service(id="s1", name="proxy", version=1, spec={}, template=TEMPLATE, mode="global", replicas=None)


def task(name: str, **more: object) -> Task:
    given = {"service_id": "s1", "state": "running", "desired": "running", "template": TEMPLATE, **more}
    return Task(id=name, slot=0, node_id=name, message="", error="", exit_code=None, container_id="c", **given)


def test_only_what_the_new_version_was_told_counts() -> None:
    compose = rendered("a")
    _leader, version = follows(compose)["proxy"]
    old, new = "version old\ntask t1\nserves old\n", f"version {version}\ntask t1\nnode manager1\nserves {version}\n"
    asked: list[str] = []
    answers: list[list[str] | None] = [None, [], [old], [old, new]]

    def look(service: str) -> list[str] | None:
        asked.append(service)
        return answers[len(asked) - 1]

    times = itertools.count()
    following = Following("proxy", compose, look, clock=lambda: float(next(times)))
    tasks = [task("t1"), task("gone", state="shutdown", desired="shutdown"), task("other", service_id="s2")]
    # What is not there yet can't have told anything.
    starting = [[task("t1"), task("t2", state="starting")], [task("t1"), task("older", template={})], []]
    assert [following(PROXY, some) for some in starting] == [("", False)] * 3
    assert asked == []
    nobody = f"nobody has told yet whether it serves {version}"
    # Where no task of the state runs here, the proxies are believed.
    assert [following(PROXY, tasks)[0] for _ in answers] == ["", nobody, nobody, ""]
    assert set(asked) == {"proxy_state"}
    assert following.told == {"t1": Told("manager1", version)}
    assert following(replace(PROXY, name="state"), tasks) == ("", False)
    assert len(asked) == len(answers)


def test_nobody_is_asked_all_the_time() -> None:
    now, asked = [0.0], []
    following = Following("proxy", rendered("a"), lambda name: asked.append(name), clock=lambda: now[0])  # type: ignore[func-returns-value]
    for now[0] in (0.0, 0.1, 0.4, 0.6, 0.9):
        following(PROXY, [task("t1")])
    assert len(asked) == 2
