# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a stack as it is and as it is wanted comes to."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.module_utils.stack.model import (
    CONVERGED,
    ROLLED_BACK,
    STUCK,
    UNVERIFIED,
    Desired,
    Item,
    Observed,
    Revision,
    Service,
    Task,
    dump_revision,
    normalise,
    parse_revision,
    parse_service,
    parse_stack,
    parse_task,
)
from ansible_collections.fungap.swarm.plugins.module_utils.stack.plan import (
    RemoveNetwork,
    RemoveService,
    before_and_after,
    differences,
    drift,
    fingerprint,
    image_drift,
    kept_counts,
    kept_revisions,
    no_action_fingerprint,
    plan_absent,
    plan_present,
    plan_prune,
    rollback_target,
)


def spec(image: str = "box:1", env: tuple[str, ...] = ("A=1",), config: str = "", **more: Any) -> dict[str, Any]:
    container: dict[str, Any] = {"Image": image, "Env": list(env)}
    if config:
        container["Configs"] = [{"ConfigName": config}]
    return {"Name": "app_web", "Mode": {"Replicated": {}}, "TaskTemplate": {"ContainerSpec": container, **more}}


def service(name: str = "web", live: dict[str, Any] | None = None, replicas: int | None = 2) -> Service:
    live = live or spec()
    return Service(
        id=f"id-{name}",
        name=name,
        version=1,
        spec=live,
        template=live["TaskTemplate"],
        mode="replicated",
        replicas=replicas,
    )


def compose(replicas: int | None = 2, config: str = "", **more: Any) -> dict[str, Any]:
    deploy = {} if replicas is None else {"deploy": {"replicas": replicas}}
    found: dict[str, Any] = {"services": {"web": {"image": "box:1", **deploy}}, **more}
    if config:
        found["configs"] = {"settings": {"external": True, "name": config}}
    return found


def revision(
    number: int = 1, verdict: str = CONVERGED, wanted: dict[str, Any] | None = None, text: str = "one\n"
) -> Revision:
    return Revision(
        number=number,
        compose=compose() if wanted is None else wanted,
        text=text,
        specs={"web": spec()},
        verdict=verdict,
        when="2026-01-01T00:00:00Z",
        id=f"record-{number}",
    )


def desired(wanted: dict[str, Any] | None = None, text: str = "one\n", **more: Any) -> Desired:
    return Desired(
        stack="app", compose=compose() if wanted is None else wanted, text=text, path="/s/app/compose.yml", **more
    )


def test_a_diff_shows_no_hash_of_a_password() -> None:
    users = {"route": {"basic_auth": {"users": {"alice": "$2y$08$" + "a." * 26 + "a"}}}}
    _before, after = before_and_after(Observed(), desired(release={"app": users}), {})
    assert '"alice": "(not shown)"' in after
    assert "$2y$" not in after


def with_secret(name: str) -> dict[str, Any]:
    found = spec()
    found["TaskTemplate"]["ContainerSpec"]["Secrets"] = [{"SecretName": name}]
    return found


RUNS = Observed(services={"web": service()}, revisions=[revision()], file_text="one\n")
A, B = Item("config", "i1", "app_settings_a"), Item("config", "i2", "app_settings_b")
S = Item("secret", "i3", "app_key_s")


@pytest.mark.parametrize(
    ("observed", "wanted", "actions"),
    [
        pytest.param(RUNS, desired(), [], id="nothing to do"),
        pytest.param(replace(RUNS, services={"web": service(replicas=5)}), desired(), [], id="scaled by hand"),
        pytest.param(
            Observed(),
            desired(items=frozenset({("config", "app_settings_a"), ("secret", "app_key_s")})),
            [
                "create config app_settings_a",
                "create secret app_key_s",
                "write /s/app/compose.yml",
                "deploy stack app: it was never deployed",
            ],
            id="first",
        ),
        pytest.param(
            Observed(services={"web": service()}, file_text="one\n"),
            desired(),
            ["deploy stack app: what runs was never recorded"],
            id="killed before the record",
        ),
        pytest.param(
            RUNS,
            desired(release={"app": {"hosts": ["b"]}}),
            ["record a revision of stack app: its services stay as they are"],
            id="only what is known of it changed",
        ),
        pytest.param(
            replace(RUNS, revisions=[replace(revision(), release={"app": {}})]),
            desired(),
            [],
            id="the caller describes nothing",
        ),
        pytest.param(replace(RUNS, file_text=None), desired(), ["write /s/app/compose.yml"], id="file missing"),
        pytest.param(replace(RUNS, file_text="x"), desired(), ["write /s/app/compose.yml"], id="file edited"),
        pytest.param(
            RUNS,
            desired(compose(3), text="two\n"),
            ["write /s/app/compose.yml", "deploy stack app: the compose file changed"],
            id="changed",
        ),
        pytest.param(
            replace(RUNS, services={"web": service(live=spec("box:2"))}),
            desired(),
            ["deploy stack app: what runs is not as it was deployed"],
            id="drift",
        ),
        pytest.param(
            replace(RUNS, services={}),
            desired(),
            ["deploy stack app: what runs is not as it was deployed"],
            id="removed",
        ),
        pytest.param(
            replace(RUNS, services={"web": service(), "more": service("more")}),
            desired(),
            ["deploy stack app: what runs is not as it was deployed"],
            id="one too many",
        ),
        pytest.param(
            replace(RUNS, services={"web": service(live=spec("box:2"))}),
            desired(compose(3), text="two\n"),
            [
                "write /s/app/compose.yml",
                "deploy stack app: the compose file changed and what runs is not as it was deployed",
            ],
            id="changed and drift",
        ),
        pytest.param(
            replace(RUNS, revisions=[revision(), revision(2, ROLLED_BACK, compose(3))]),
            desired(),
            [],
            id="what failed is not in force",
        ),
        pytest.param(
            replace(RUNS, revisions=[revision(), revision(2, ROLLED_BACK, compose(3), "two\n")]),
            desired(compose(3), text="two\n"),
            ["write /s/app/compose.yml", "deploy stack app: the compose file changed"],
            id="what failed is tried again",
        ),
        pytest.param(
            replace(RUNS, revisions=[revision(verdict=UNVERIFIED)]), desired(), [], id="unverified is in force"
        ),
        pytest.param(
            replace(RUNS, revisions=[revision(verdict="failed")]),
            desired(),
            ["deploy stack app: what runs was never recorded"],
            id="a first deploy that failed",
        ),
        pytest.param(replace(RUNS, items=[A]), desired(), ["remove config app_settings_a"], id="left over"),
        pytest.param(
            replace(RUNS, items=[A], services={"web": service(live=spec("box:2"))}),
            desired(),
            ["deploy stack app: what runs is not as it was deployed"],
            id="pruned after the verdict only",
        ),
        pytest.param(
            RUNS,
            desired(items=frozenset({("secret", "app_key_s")})),
            ["create secret app_key_s", "deploy stack app: a config or secret was missing"],
            id="secret removed by hand",
        ),
    ],
)
def test_plan_present(observed: Observed, wanted: Desired, actions: list[str]) -> None:
    assert [str(action) for action in plan_present(observed, wanted)] == actions


@pytest.mark.parametrize(
    ("revisions", "items", "live", "keep", "removed"),
    [
        ([], [], {}, 5, []),
        ([revision(wanted=compose(config="app_settings_a"))], [A], {}, 5, []),
        ([revision(wanted=compose(config="app_settings_a"))], [A, B], {}, 5, ["remove config app_settings_b"]),
        ([revision()], [A], {"web": service(live=spec(config="app_settings_a"))}, 5, []),
        ([revision()], [S], {}, 5, ["remove secret app_key_s"]),
        ([revision(wanted=compose(secrets={"key": {"external": True, "name": S.name}}))], [S], {}, 5, []),
        ([revision()], [S], {"web": service(live=with_secret(S.name))}, 5, []),
        (
            [
                revision(1, wanted=compose(config="app_settings_a")),
                revision(2, wanted=compose(config="app_settings_b")),
            ],
            [A, B],
            {},
            1,
            ["forget revision 1", "remove config app_settings_a"],
        ),
        (
            [revision(1), revision(2, STUCK, compose(config="app_settings_b"))],
            [B],
            {},
            5,
            ["remove config app_settings_b"],
        ),
    ],
)
def test_plan_prune(
    revisions: list[Revision], items: list[Item], live: dict[str, Service], keep: int, removed: list[str]
) -> None:
    observed = Observed(services=live, revisions=revisions, items=items)
    assert [str(action) for action in plan_prune(observed, keep=keep)] == removed


@pytest.mark.parametrize(
    ("verdicts", "keep", "kept"),
    [
        ("", 5, []),
        ("ccc", 5, [3, 2, 1]),
        ("ccc", 2, [3, 2]),
        ("cfcfc", 2, [5, 3, 4]),
        ("cffff", 2, [1, 5, 4]),
        ("ffff", 2, [4, 3]),
        ("fc", 5, [2, 1]),
        ("fc", 1, [2]),
        # One at least: what is in force.
        ("ccc", 0, [3]),
        ("c", -1, [1]),
    ],
)
def test_kept_revisions(verdicts: str, keep: int, kept: list[int]) -> None:
    found = [revision(number, CONVERGED if one == "c" else STUCK) for number, one in enumerate(verdicts, start=1)]
    assert [one.number for one in kept_revisions(found, keep)] == kept


@pytest.mark.parametrize(
    ("recorded", "wanted", "live", "counts"),
    [
        pytest.param(2, 2, 2, {}, id="nothing by hand"),
        pytest.param(2, 2, 5, {"web": 5}, id="scaled by hand"),
        pytest.param(2, 2, 0, {"web": 0}, id="scaled to nothing"),
        pytest.param(2, 3, 5, {}, id="the file's number changed and wins"),
        pytest.param(2, 5, 5, {}, id="the file follows"),
        pytest.param(None, None, 4, {"web": 4}, id="one by default"),
        pytest.param(2, 2, None, {}, id="global"),
    ],
)
def test_kept_counts(recorded: int | None, wanted: int | None, live: int | None, counts: dict[str, int]) -> None:
    observed = Observed(services={"web": service(replicas=live)}, revisions=[revision(wanted=compose(recorded))])
    assert kept_counts(desired(compose(wanted)), observed) == counts


def test_kept_counts_of_each_service() -> None:
    wanted = {"services": {name: {"deploy": {"replicas": 1}} for name in ("a", "b", "c")}}
    live = {name: service(name, replicas=count) for name, count in (("a", 1), ("b", 3), ("c", 4), ("gone", 5))}
    observed = Observed(services=live, revisions=[revision(wanted=wanted)])
    assert kept_counts(desired(wanted), observed) == {"b": 3, "c": 4}


def test_kept_counts_without_a_record() -> None:
    assert kept_counts(desired(), Observed(services={"web": service(replicas=7)})) == {}


@pytest.mark.parametrize(
    ("revisions", "target"),
    [
        pytest.param([], None, id="the first"),
        pytest.param([revision(1, "failed")], None, id="never ran"),
        pytest.param([revision(1, wanted=compose(9))], 1, id="the one in force"),
        pytest.param([revision(1, wanted=compose(9)), revision(2, STUCK)], 1, id="not what failed"),
        pytest.param([revision(1, wanted=compose(9)), revision(2)], None, id="drift of the one in force"),
        pytest.param([revision(1, UNVERIFIED, compose(9))], 1, id="in force unverified"),
        pytest.param([revision(1, wanted=compose(9)), revision(2, UNVERIFIED)], 1, id="the same, unverified"),
        pytest.param([revision(1, UNVERIFIED)], None, id="the same, unverified and alone"),
        pytest.param(
            [revision(1, wanted=compose(9)), revision(2, wanted=compose(8)), revision(3, UNVERIFIED)],
            2,
            id="the same, unverified: the newest that converged",
        ),
        pytest.param(
            [revision(1, UNVERIFIED, compose(9)), revision(2, STUCK, compose(8)), revision(3, UNVERIFIED)],
            None,
            id="the same, unverified: none that converged",
        ),
    ],
)
def test_rollback_target(revisions: list[Revision], target: int | None) -> None:
    found = rollback_target(Observed(revisions=revisions), desired())
    assert (found.number if found else None) == target


@pytest.mark.parametrize(
    ("recorded", "live", "found"),
    [
        ({}, {}, []),
        ({"a": 1}, {"a": 1}, []),
        ({"a": 1}, {"a": 2}, [("a", "1", "2")]),
        ({"a": {"b": "x"}}, {"a": {"b": "y"}}, [("a.b", '"x"', '"y"')]),
        ({"a": {"b": "x"}}, {"a": {}}, [("a.b", '"x"', "(absent)")]),
        ({}, {"a": {"b": 1}}, [("a.b", "(absent)", "1")]),
        ({"a": None}, {}, []),
        ({"a": {}}, {"a": None}, []),
        ({"a": 0}, {}, []),
        ({"a": False}, {"a": True}, [("a", "false", "true")]),
        ({"a": False}, {}, [("a", "false", "(absent)")]),
        ({"a": ["x", {"c": 1, "b": 2}]}, {}, [("a", '["x", {"b": 2, "c": 1}]', "(absent)")]),
        ({"Env": ["A=1"]}, {"Env": ["A=1"]}, []),
        ({"Env": ["A=1", "B=2"]}, {"Env": ["B=2", "A=1"]}, []),
        ({"Env": ["A=1"]}, {"Env": ["A=1", "B=2"]}, [("Env.B", "(absent)", '"2"')]),
        ({"Env": ["A=1"]}, {"Env": ["A=2=3"]}, [("Env.A", '"1"', '"2=3"')]),
        ({"Env": ["A=1"]}, {}, [("Env.A", '"1"', "(absent)")]),
        ({"Args": ["a"]}, {"Args": ["b"]}, [("Args", '["a"]', '["b"]')]),
        ({"Args": ["a"]}, {}, [("Args", '["a"]', "(absent)")]),
    ],
)
def test_differences(recorded: Any, live: Any, found: list[tuple[str, str, str]]) -> None:
    assert list(differences(recorded, live)) == found


@pytest.mark.parametrize(
    ("live", "lines"),
    [
        ({"web": service()}, []),
        ({}, ["web: as deployed -> (absent)"]),
        ({"web": service(), "x": service("x")}, ["x: (absent) -> created by hand"]),
        ({"web": service(live=spec(env=()))}, ['web.TaskTemplate.ContainerSpec.Env.A: "1" -> (absent)']),
    ],
)
def test_drift(live: dict[str, Service], lines: list[str]) -> None:
    assert [str(entry) for entry in drift(revision(), live)] == lines


def test_image_drift_names_the_services_that_docker_would_leave_alone() -> None:
    assert image_drift(revision(), {"web": service(live=spec("box:2"))}) == ["web"]
    assert image_drift(revision(), {"web": service(live=spec(env=()))}) == []
    assert image_drift(None, {"web": service()}) == []


@pytest.mark.parametrize(
    ("before", "after", "live", "refused"),
    [
        ({"in": None}, {"in": None}, {"app_in": "1"}, False),
        ({"in": None}, {"in": {"driver": "overlay"}}, {"app_in": "1"}, True),
        ({"in": None}, {"in": {"driver": "overlay"}}, {}, False),
        ({"in": None}, {"in": {"driver": "overlay"}, "b": None}, {"app_in": "1"}, True),
        ({"in": None}, {"b": {"driver": "overlay"}}, {"app_in": "1"}, False),
        ({"in": {"name": "n"}}, {"in": {"name": "n", "attachable": True}}, {"n": "1"}, True),
        ({"in": {"external": True}}, {"in": {"external": True, "name": "b"}}, {"app_in": "1"}, False),
    ],
)
def test_a_network_that_exists_cannot_change(before: Any, after: Any, live: dict[str, str], refused: bool) -> None:
    observed = replace(RUNS, revisions=[revision(wanted=compose(networks=before))], networks=live)
    wanted = desired(compose(3, networks=after))
    if refused:
        with pytest.raises(PlatformError, match="definition of network in changed"):
            plan_present(observed, wanted)
    else:
        plan_present(observed, wanted)


def test_the_diff_shows_file_contents_and_drift() -> None:
    observed = Observed(
        services={"web": service(live=spec(env=("A=9",)))},
        items=[replace(A, data="colour=red")],
        revisions=[revision(wanted=compose(config=A.name))],
    )
    before, after = before_and_after(observed, desired(compose(config=B.name), "two\n"), {B.name: "colour=blue\n"})
    title, field = "# as it runs, where that is not as it was deployed", "web.TaskTemplate.ContainerSpec.Env.A"
    assert before == f'one\n\n# config settings\ncolour=red\n\n{title}\n{field}: "9"\n'
    assert after == f'two\n\n# config settings\ncolour=blue\n\n{title}\n{field}: "1"\n'


def test_the_diff_shows_a_service_that_is_gone_and_no_secret() -> None:
    secret = Item("secret", "i9", "app_settings_a", data="hidden")
    observed = Observed(items=[secret, replace(A, data="a\n")], revisions=[revision(wanted=compose(config=A.name))])
    before, after = before_and_after(observed, desired(compose(config=A.name)), {A.name: "a\n"})
    title = "\n# as it runs, where that is not as it was deployed\n"
    assert (before, after) == (f"one\n{title}web: (absent)\n", f"one\n{title}web: as deployed\n")


def test_plan_absent_takes_services_first_and_nothing_of_nothing() -> None:
    observed = replace(RUNS, items=[A, S], networks={"app_default": "n1"})
    assert [str(action) for action in plan_absent(observed, desired())] == [
        "remove service app_web",
        "remove network app_default",
        "remove config app_settings_a",
        "remove secret app_key_s",
        "forget revision 1",
        "remove /s/app/compose.yml",
    ]
    assert plan_absent(Observed(), desired()) == []


def test_plan_absent_removes_by_id() -> None:
    services, networks = {"web": service()}, {"app_default": "n1"}
    assert plan_absent(Observed(services=services, networks=networks), desired()) == [
        RemoveService("id-web", "app_web"),
        RemoveNetwork("n1", "app_default"),
    ]


def test_normalise_drops_what_a_deploy_keeps_and_ids() -> None:
    live = {
        "Name": "app_web",
        "Mode": {"Replicated": {"Replicas": 4}},
        "TaskTemplate": {
            "ForceUpdate": 3,
            "ContainerSpec": {
                "Secrets": [{"SecretID": "x", "SecretName": "app_key_s"}],
                "Configs": [{"ConfigID": "x", "ConfigName": "app_c"}],
            },
            "Networks": [{"Target": "n1"}, {"Target": "n2"}],
        },
    }
    found = normalise(live, {"n1": "public"})
    assert found["Mode"] == {"Replicated": {}}
    assert found["TaskTemplate"] == {
        "ContainerSpec": {"Secrets": [{"SecretName": "app_key_s"}], "Configs": [{"ConfigName": "app_c"}]},
        "Networks": [{"Target": "public"}, {"Target": "n2"}],
    }
    assert live["Mode"] == {"Replicated": {"Replicas": 4}}
    assert parse_service({"ID": "i", "Version": {"Index": 1}, "Spec": live}, "app", {"n1": "public"}).spec == found


@pytest.mark.parametrize(("live", "mode", "refused"), [
    ("replicated", "", False), ("replicated", "replicated", False), ("global", "global", False),
    ("replicated", "global", True), ("global", "", True), ("replicated", "replicated-job", True),
])  # fmt: skip
def test_the_mode_of_a_service_that_is_there_cannot_change(live: str, mode: str, refused: bool) -> None:
    wanted: dict[str, Any] = {"services": {"web": {"image": "box:1", "deploy": {"mode": mode} if mode else None}}}
    observed = replace(RUNS, services={"web": replace(service(), mode=live)})
    if refused:
        with pytest.raises(PlatformError, match=f"service web is {live} and would become {mode or 'replicated'}"):
            plan_present(observed, desired(wanted))
    else:
        plan_present(observed, desired(wanted))


@pytest.mark.parametrize(
    ("mode", "name", "replicas"),
    [
        ({"Replicated": {"Replicas": 3}}, "replicated", 3),
        ({"Replicated": {"Replicas": 0}}, "replicated", 0),
        ({"Global": {}}, "global", None),
        ({"ReplicatedJob": {"TotalCompletions": 2}}, "replicated-job", None),
        ({"GlobalJob": {}}, "global-job", None),
    ],
)
def test_parse_service(mode: dict[str, Any], name: str, replicas: int | None) -> None:
    live = {
        "ID": "i",
        "Version": {"Index": 7},
        "Spec": {**spec(), "Mode": mode, "UpdateConfig": {"Monitor": 2_000_000_000}},
    }
    found = parse_service(live, "app", {})
    assert (found.name, found.mode, found.replicas, found.monitor_seconds) == ("web", name, replicas, 2.0)


@pytest.mark.parametrize(
    ("test", "has_one"),
    [(None, False), ([], False), (["NONE"], False), (["CMD", "true"], True), (["CMD-SHELL", "true"], True)],
)
def test_a_service_has_a_health_check_unless_it_is_off(test: list[str] | None, has_one: bool) -> None:
    live: dict[str, Any] = {"ID": "i", "Version": {"Index": 7}, "Spec": spec()}
    live["Spec"]["TaskTemplate"]["ContainerSpec"]["Healthcheck"] = {"Test": test}
    assert parse_service(live, "app", {}).has_health_check is has_one


def test_parse_service_reads_its_update_its_label_and_its_job() -> None:
    live: dict[str, Any] = {
        "ID": "i",
        "Version": {"Index": 7},
        "Spec": {
            **spec(),
            "Labels": {"com.docker.stack.image": "box:1"},
            "Mode": {"ReplicatedJob": {"TotalCompletions": 2}},
        },
        "UpdateStatus": {"State": "paused", "Message": "update paused", "StartedAt": "2026-01-01"},
        "JobStatus": {"JobIteration": {"Index": 9}},
    }
    found = parse_service(live, "app", {})
    assert (found.id, found.version, found.image_label) == ("i", 7, "box:1")
    assert (found.update_state, found.update_message, found.update_started) == (
        "paused",
        "update paused",
        "2026-01-01",
    )
    assert (found.total_completions, found.job_iteration) == (2, 9)
    assert found.template == live["Spec"]["TaskTemplate"]
    bare = parse_service({"ID": "i", "Version": {"Index": 7}, "Spec": spec()}, "app", {})
    assert (bare.update_state, bare.update_message, bare.update_started, bare.image_label) == ("", "", "", "")
    assert (bare.total_completions, bare.job_iteration, bare.monitor_seconds) == (1, 0, 5.0)


def test_parse_task() -> None:
    found = parse_task(
        {
            "ID": "t1",
            "ServiceID": "s1",
            "Slot": 2,
            "NodeID": "n1",
            "DesiredState": "shutdown",
            "Spec": {"ContainerSpec": {"Image": "box:1"}, "ForceUpdate": 0, "Placement": {"x": 1}},
            "JobIteration": {"Index": 9},
            "Status": {
                "State": "failed",
                "Message": "started",
                "Err": "task: non-zero exit (3)",
                "Timestamp": "2026-01-01",
                "ContainerStatus": {"ContainerID": "c1", "ExitCode": 3},
            },
        }
    )
    assert found == Task(
        id="t1",
        service_id="s1",
        slot=2,
        node_id="n1",
        state="failed",
        desired="shutdown",
        message="started",
        error="task: non-zero exit (3)",
        exit_code=3,
        container_id="c1",
        template={"ContainerSpec": {"Image": "box:1"}},
        job_iteration=9,
        updated="2026-01-01",
    )
    assert parse_task({"ID": "t2"}) == Task("t2", "", 0, "", "", "", "", "", None, "", {})


def test_parse_stack_takes_what_is_the_stacks() -> None:
    def item(name: str, **labels: str) -> dict[str, Any]:
        return {"ID": f"id-{name}", "Spec": {"Name": name, "Labels": labels, "Data": base64.b64encode(b"x").decode()}}

    def live(name: str, stack: str) -> dict[str, Any]:
        labels = {"com.docker.stack.namespace": stack}
        return {
            "ID": name,
            "Version": {"Index": 1},
            "Spec": {**spec(), "Name": f"{stack}_{name}", "Labels": labels},
        }

    def network(name: str, stack: str) -> dict[str, Any]:
        return {"Id": f"id-{name}", "Name": name, "Labels": {"com.docker.stack.namespace": stack}}

    def record(number: int) -> dict[str, Any]:
        data = base64.b64encode(dump_revision("app", revision(number)).encode()).decode()
        labels = {"io.fungap.stack": "app", "io.fungap.revision": str(number)}
        return {"ID": f"record-{number}", "Spec": {"Name": f"fungap.app.{number}", "Labels": labels, "Data": data}}

    ours = {"io.fungap.stack": "app"}
    found = parse_stack(
        "app",
        configs=[
            item("b", **ours),
            item("a", **ours),
            record(2),
            record(1),
            item("theirs", **{"io.fungap.stack": "x"}),
        ],
        secrets=[item("key", **ours), item("theirs", **{"io.fungap.stack": "x"}), item("nobodys")],
        services=[live("web", "app"), live("web", "x")],
        networks=[network("app_default", "app"), network("x_default", "x")],
        file_text="text",
    )
    assert [(one.kind, one.id, one.name, one.data) for one in found.items] == [
        ("config", "id-a", "a", "x"),
        ("config", "id-b", "b", "x"),
        ("secret", "id-key", "key", ""),
    ]
    assert [one.number for one in found.revisions] == [1, 2]
    assert {name: one.id for name, one in found.services.items()} == {"web": "web"}
    assert (found.networks, found.file_text) == ({"app_default": "id-app_default"}, "text")


def test_images_of_a_revision() -> None:
    assert revision(wanted={"services": {"web": {"image": "box:1"}, "job": {}}}).images == {"web": "box:1", "job": ""}


def test_a_record_survives_the_swarm() -> None:
    wanted = replace(
        revision(3, ROLLED_BACK),
        cause="web.1: exit code 3",
        who="me@here",
        why="evening",
        kind="deploy",
        release={"image": "box:1", "env": {"digest": "e1", "version": "v1"}},
    )
    data = base64.b64encode(dump_revision("app", wanted).encode()).decode()
    assert parse_revision({"ID": "record-3", "Spec": {"Data": data}}) == wanted
    assert json.loads(base64.b64decode(data))["format"] == 1


def test_diff_of_what_was_never_deployed() -> None:
    wanted = desired(compose(config=A.name), release={"b": 1, "a": 2})
    before, after = before_and_after(Observed(), wanted, {A.name: "colour=red"})
    assert before == ""
    assert after == 'one\n\n# config settings\ncolour=red\n\n# recorded with it\n{\n  "a": 2,\n  "b": 1\n}\n'


def test_diff_shows_what_is_recorded_with_a_revision() -> None:
    seen = replace(RUNS, revisions=[replace(revision(), release={"image": "a"})])
    before, after = before_and_after(seen, desired(release={"image": "b"}), {})
    assert before.endswith('# recorded with it\n{\n  "image": "a"\n}\n')
    assert after.endswith('# recorded with it\n{\n  "image": "b"\n}\n')
    assert before_and_after(seen, desired(release={"image": "a"}), {}) == ("one\n", "one\n")


@pytest.mark.parametrize(
    ("observed", "nothing_left"),
    [
        pytest.param(RUNS, True, id="as deployed"),
        pytest.param(replace(RUNS, services={"web": service(replicas=5)}), True, id="scaled by hand"),
        pytest.param(replace(RUNS, file_text=None), False, id="the file is gone"),
        pytest.param(Observed(), False, id="never deployed"),
        pytest.param(replace(RUNS, revisions=[revision(verdict=STUCK)]), False, id="never ran"),
        pytest.param(replace(RUNS, services={}), False, id="removed by hand"),
        pytest.param(replace(RUNS, services={"web": service(live=spec("box:2"))}), False, id="changed by hand"),
        pytest.param(replace(RUNS, items=[A]), False, id="something to prune"),
        pytest.param(
            replace(RUNS, revisions=[revision(wanted=compose(config="app_settings_a"))]),
            False,
            id="a config is gone",
        ),
        pytest.param(
            replace(RUNS, revisions=[revision(wanted=compose(config="app_settings_a"))], items=[A]),
            True,
            id="there",
        ),
        pytest.param(
            replace(RUNS, revisions=[revision(wanted=compose(secrets={"key": {"external": True, "name": S.name}}))]),
            False,
            id="a secret is gone",
        ),
        pytest.param(
            replace(RUNS, revisions=[revision(number) for number in range(1, 7)]), False, id="a revision to forget"
        ),
    ],
)
def test_settled_is_what_may_be_wanted_without_anything_to_do(observed: Observed, nothing_left: bool) -> None:
    found = no_action_fingerprint(observed, keep=5)
    in_force = observed.in_force
    assert found == (fingerprint(in_force.compose, "one\n") if nothing_left and in_force else "")
    if nothing_left and in_force:
        assert plan_present(observed, desired(dict(in_force.compose))) == []


def test_a_file_that_is_not_as_written_settles_another_wish() -> None:
    found = no_action_fingerprint(replace(RUNS, file_text="edited\n"), keep=5)
    assert found == fingerprint(compose(), "edited\n") != fingerprint(compose(), "one\n")
