"""The tables and the problems that an operator sees."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from types import MappingProxyType, SimpleNamespace
from typing import Any
from unittest.mock import patch

import pytest
from ansible.plugins.action import ActionBase

from ansible_collections.fungap.swarm.plugins.action import platform_status as action
from ansible_collections.fungap.swarm.plugins.module_utils.stack.model import (
    Revision,
    dump_revision,
    parse_scheduled_runs,
    tasks_still_there,
)
from ansible_collections.fungap.swarm.plugins.module_utils.stack.status import (
    node_row,
    revision_row,
    service_row,
    what_inventories_said,
)
from ansible_collections.fungap.swarm.plugins.plugin_utils.status import (
    certificate_problems,
    history_lines,
    in_maintenance,
    platform_notes,
    problems,
    status_lines,
    strangers,
)

NODE = {
    "name": "manager1",
    "role": "manager",
    "state": "ready",
    "availability": "active",
    "address": "172.30.0.11",
    "leader": True,
    "reachability": "reachable",
    "engine": "26.1.5",
    "volumes": ["wiki_uploads"],
}
SERVICE = {
    "name": "web_web",
    "mode": "replicated",
    "running": 3,
    "wanted": 3,
    "image": "registry:5000/web@sha256:" + "ab" * 32,
    "nodes": ["manager1", "worker1", "worker2"],
    "update": "",
    "error": "",
}


@pytest.mark.parametrize(
    ("node", "service", "problem"),
    [
        ({"state": "down"}, {}, "node manager1 is down"),
        ({"availability": "drain"}, {}, "node manager1 is set to drain"),
        ({"leader": False}, {}, "the swarm has no leader"),
        ({}, {"running": 1}, "service web_web runs 1 of 3"),
        ({}, {"running": 0, "error": "No such image"}, "service web_web runs 0 of 3: No such image"),
        ({}, {"update": "paused"}, "the last update of service web_web ended as paused"),
    ],
)
def test_each_problem_is_named(node: dict[str, Any], service: dict[str, Any], problem: str) -> None:
    assert problems([NODE | node], [SERVICE | service], {}) == [problem]
    assert f"! {problem}" in status_lines([NODE | node], [SERVICE | service], {})


def test_where_volumes_are() -> None:
    nodes = [NODE | {"volumes": ["wiki_index", "wiki_uploads"]}, NODE | {"name": "worker1", "volumes": ["wiki_index"]}]
    lines = status_lines(nodes, [SERVICE], {})
    assert lines[lines.index("VOLUME        ON") + 1 :][:2] == [
        "wiki_index    manager1 worker1",
        "wiki_uploads  manager1",
    ]
    release = {"app": {"volumes": {"uploads": "/srv/uploads", "mail": "/srv/mail"}}}
    stack = {**STACK, "revisions": [{**REVISION, "release": {**REVISION["release"], **release}}]}
    lost = "volume wiki_mail of app wiki is on no node of the swarm: its services wait for it"
    assert problems(nodes, [SERVICE], {"wiki": stack}) == [lost]


def test_nothing_wrong() -> None:
    assert problems([NODE], [SERVICE], {}) == []
    assert "web_web  3/3       manager1 worker1 worker2  registry:5000/web@sha256:abababababab" in status_lines(
        [NODE], [SERVICE], {}
    )


REVISION = {
    "number": 7,
    "when": "2026-01-01T10:00:00Z",
    "kind": "deploy",
    "who": "me@here",
    "why": "sale",
    "verdict": "converged",
    "cause": "",
    "images": {"web": "registry:5000/web@sha256:" + "ab" * 32},
    "release": {
        "app": {"image": "team/web:42"},
        "image": "registry:5000/web@sha256:" + "ab" * 32,
        "env": {"digest": "e1"},
    },
}
FAILED = {**REVISION, "number": 8, "verdict": "rolled_back", "cause": "it died\nlog: oops", "release": {}, "why": ""}
STACK = {"in_force": 7, "revisions": [FAILED, REVISION], "drift": [], "locked_by": "", "services": {"web": {}}}


def test_history() -> None:
    assert history_lines(None) == ["It was never deployed."]
    assert history_lines(STACK) == [
        "REVISION  SINCE                 WHAT    WHO      IMAGE                     ENV  VERDICT      WHY",
        "8         2026-01-01T10:00:00Z  deploy  me@here  web@sha256:abababababab        rolled back",
        "7 *       2026-01-01T10:00:00Z  deploy  me@here  team/web:42 abababababab  e1   converged    sale",
        "",
        "8 rolled back:",
        "it died",
        "log: oops",
        "",
        "* in force",
    ]


def test_history_has_what_ran_once() -> None:
    run = {"when": "2026-01-02T10:00:00Z", "who": "me@here", "why": "auditors", "what": "node report.js", "revision": 7}
    lines = history_lines({**STACK, "runs": [{**run, "detail": "done on worker1"}]})
    assert lines[-2:] == [
        "RAN                   WHO      REVISION  COMMAND         ENDED            WHY",
        "2026-01-02T10:00:00Z  me@here  7         node report.js  done on worker1  auditors",
    ]


def test_history_has_what_ran_on_schedule_beside_it() -> None:
    history = [
        {"slot": slot, "result": result, "detail": detail, "what": "node clean.js", "seconds": 2.0}
        for slot, result, detail in ((1767350700, "succeeded", "done on w"), (1767437100, "missed", "not begun"))
    ]
    labels = {"io.fungap.cron.owner": "web/clean", "io.fungap.cron.state": json.dumps({"history": history})}
    other = {"io.fungap.cron.owner": "shop/clean", "io.fungap.cron.state": json.dumps({"history": history})}
    scheduled = parse_scheduled_runs([{"Spec": {"Labels": labels}}, {"Spec": {"Labels": other}}], "web")
    run = {
        "when": "2026-01-02T10:50:00Z",
        "who": "me@here",
        "why": "",
        "what": "true",
        "revision": 7,
        "detail": "done on w",
    }
    assert history_lines({**STACK, "runs": [run], "scheduled_runs": scheduled})[-4:] == [
        "RAN                   WHO         REVISION  COMMAND        ENDED                 WHY",
        "2026-01-03T10:45:00Z  cron clean            node clean.js  missed: not begun",
        "2026-01-02T10:50:00Z  me@here     7         true           done on w",
        "2026-01-02T10:45:00Z  cron clean            node clean.js  succeeded: done on w",
    ]


def test_schedules_without_a_scheduler_are_told() -> None:
    release = {**REVISION["release"], "app": {"cron": {"clean": {}}}}  # type: ignore[dict-item]
    stack = {**STACK, "revisions": [{**REVISION, "release": release}]}
    there = {"nodes": [], "services": [], "stacks": {"web": stack}}
    said = "app web has schedules and no scheduler runs: site.yml brings it"
    platform_ = {**PLATFORM, "apps": {"web": {}}}
    assert said in strangers(platform_, there)
    assert said not in strangers(platform_, {**there, "stacks": {"web": stack, "cron": {**STACK, "revisions": []}}})


def test_a_digest_is_shown_once() -> None:
    release = {**REVISION["release"], "app": {"image": "team/web:42@sha256:" + "ab" * 32}}  # type: ignore[dict-item]
    row = {**REVISION, "release": release}
    assert "  team/web:42 abababababab  e1 " in history_lines({**STACK, "revisions": [row]})[1]


def test_status_shows_what_is_in_force_and_what_was_changed_by_hand() -> None:
    stack = {**STACK, "drift": ["web.Image: 1 -> 2"], "locked_by": "deploy of web by me@here"}
    lines = status_lines([NODE], [SERVICE], {"web": stack})
    assert "web    7         2026-01-01T10:00:00Z  deploy  me@here  team/web:42 abababababab  e1" in lines
    assert "! changed by hand since the deploy of web: web.Image: 1 -> 2" in lines
    assert "! at work: deploy of web by me@here" in lines


@pytest.mark.parametrize(
    ("revisions", "said"),
    [
        pytest.param("off", "", id="never"),
        pytest.param("off on", "since 2026-11-02 by me@here: moving the database.", id="on"),
        pytest.param("off on on", "since 2026-11-02 by me@here: moving the database.", id="a deploy since"),
        pytest.param("on off on", "since 2026-11-03 by me@here: moving the database.", id="once before"),
        pytest.param("on off", "", id="over"),
        pytest.param("off failed", "", id="one that failed"),
        pytest.param("older", "", id="of an older version"),
    ],
)
def test_maintenance_is_told_with_how_it_ends(revisions: str, said: str) -> None:
    routes: dict[str, dict[str, Any]] = {"off": {"maintenance": {"enabled": False}}, "older": {}}
    rows = [
        {
            "number": number,
            "verdict": "unhealthy" if word == "failed" else "converged",
            "release": {"app": {"route": routes.get(word, {"maintenance": {"enabled": True}})}},
            "when": f"2026-11-0{number}",
            "who": "me@here",
            "why": "moving the database",
        }
        for number, word in enumerate(revisions.split(), 1)
    ]
    (line,) = in_maintenance("web", rows, in_force=len(rows)) or [""]
    ends = " playbooks/maintenance.yml -e app=web -e on=false ends it"
    assert line == (f"app web is in maintenance {said}{ends}" if said else "")


def test_a_service_that_is_gone_is_missed() -> None:
    problem = "service web_web is gone, which revision 7 has: site.yml brings it back"
    removed = {"web": {**STACK, "services": {}}}
    assert problems([NODE], [], removed) == [problem]
    assert problems([NODE], [], {"web": {**STACK, "services": {"web": {}}}}) == []
    assert problems([NODE], [], {"web": {**STACK, "services": {}, "in_force": 0}}) == []
    one = object.__new__(action.ActionModule)
    one._task = SimpleNamespace(
        check_mode=False, args={"title": "", "strict": True, "platform": {**PLATFORM, "apps": {}, "certificates": {}}}
    )
    one._display = SimpleNamespace(display=lambda _text: None)
    one._look = lambda *_: {"nodes": [NODE], "services": [], "stacks": removed}
    with patch.object(ActionBase, "run", lambda *_, **__: {}):
        assert one.run()["msg"] == problem


def test_a_stack_of_many_images_has_them_counted() -> None:
    images = {name: f"registry:5000/{name}@sha256:{'ab' * 32}" for name in ("a", "b", "c")}
    for release in ({}, {"settings": {}, "pages": []}):
        row = {**REVISION, "release": release, "images": images}
        assert "3 images" in history_lines({**STACK, "revisions": [row]})[1]


def task(state: str, desired: str = "running", **more: Any) -> dict[str, Any]:
    return {"ServiceID": "s1", "NodeID": "n1", "DesiredState": desired, "Status": {"State": state, **more}}


@pytest.mark.parametrize(
    ("mode", "tasks", "running", "wanted", "error"),
    [
        ({"Replicated": {"Replicas": 2}}, [task("running"), task("running")], 2, 2, ""),
        ({"Replicated": {"Replicas": 2}}, [task("running"), task("starting")], 1, 2, ""),
        ({"Replicated": {"Replicas": 1}}, [task("running", "shutdown")], 0, 1, ""),
        ({"Replicated": {"Replicas": 1}}, [task("rejected", "shutdown", Err="No such image")], 0, 1, "No such image"),
        ({"Replicated": {"Replicas": 1}}, [task("running"), task("failed", "shutdown", Err="old")], 1, 1, ""),
        ({"Replicated": {"Replicas": 1}}, [task("failed", "shutdown", Err="it died")], 0, 1, "it died"),
        ({"Replicated": {"Replicas": 1}}, [task("failed", "shutdown")], 0, 1, ""),
        ({"Global": {}}, [task("running"), task("starting")], 1, 2, ""),
    ],
)
def test_service_row(mode: dict[str, Any], tasks: list[dict[str, Any]], running: int, wanted: int, error: str) -> None:
    spec = {"Name": "web_web", "Mode": mode, "TaskTemplate": {"ContainerSpec": {"Image": "web"}}}
    row = service_row({"ID": "s1", "Spec": spec}, tasks, {"n1": "manager1"})
    assert (row["running"], row["wanted"], row["error"]) == (running, wanted, error)
    assert row["mode"] == next(iter(mode)).lower()
    assert row["update"] == ""


@pytest.mark.parametrize(
    ("mode", "of_the_dead", "running", "wanted", "error"),
    [
        pytest.param({"Replicated": {"Replicas": 2}}, task("running", "shutdown"), 2, 2, "", id="replaced elsewhere"),
        pytest.param({"Replicated": {"Replicas": 3}}, task("running"), 2, 3, "", id="not replaced yet"),
        pytest.param({"Replicated": {"Replicas": 3}}, task("starting"), 2, 3, "", id="it was starting"),
        pytest.param({"Global": {}}, task("running"), 2, 2, "", id="on every node that is up"),
        pytest.param(
            {"Replicated": {"Replicas": 3}},
            task("failed", "shutdown", Err="it died before"),
            2,
            3,
            "it died before",
            id="it had ended by then",
        ),
    ],
)
def test_what_a_dead_node_ran_does_not_count(
    mode: dict[str, Any], of_the_dead: dict[str, Any], running: int, wanted: int, error: str
) -> None:
    """Swarm, and its own count of replicas, go on showing it as running."""
    nodes = [{"ID": "n1", "Status": {"State": "ready"}}, {"ID": "n2", "Status": {"State": "down"}}]
    tasks = [task("running"), task("running"), {**of_the_dead, "NodeID": "n2"}]
    spec = {"Name": "web_web", "Mode": mode, "TaskTemplate": {"ContainerSpec": {"Image": "web"}}}
    row = service_row({"ID": "s1", "Spec": spec}, tasks_still_there(tasks, nodes), {"n1": "manager1", "n2": "dead"})
    assert (row["running"], row["wanted"], row["error"]) == (running, wanted, error)
    assert row["nodes"] == ["manager1"] * running


def test_what_waits_for_a_node_is_still_there() -> None:
    pending = {key: value for key, value in task("pending").items() if key != "NodeID"}
    unknown = {"ID": "n1", "Status": {"State": "unknown"}}  # its manager is new, and has yet to hear of it
    assert tasks_still_there([pending, task("running")], [unknown]) == [pending, task("running")]


@pytest.mark.parametrize(
    ("condition", "tasks", "counts"),
    [
        ("none", [("complete", "shutdown")], (0, 0, 1)),
        ("on-failure", [("complete", "shutdown"), ("failed", "shutdown")], (0, 0, 1)),
        ("none", [("failed", "shutdown")], (0, 1, 0)),
        ("none", [("running", "running")], (1, 1, 0)),
        ("any", [("complete", "shutdown")], (0, 1, 0)),
    ],
)
def test_what_is_done_is_not_missed(condition: str, tasks: list[tuple[str, str]], counts: tuple[int, int, int]) -> None:
    template = {"ContainerSpec": {"Image": "kit"}, "RestartPolicy": {"Condition": condition}}
    spec = {"Name": "web_job", "Mode": {"Replicated": {"Replicas": 1}}, "TaskTemplate": template}
    seen = [{**task(state, desired), "ID": "t", "Slot": 1, "Spec": template} for state, desired in tasks]
    row = service_row({"ID": "s1", "Spec": spec}, seen, {"n1": "manager1"})
    assert (row["running"], row["wanted"], row["done"]) == counts
    lines = status_lines([], [row], {})
    assert any(line.startswith("web_job  done") for line in lines) is bool(counts[2])
    assert any(line.startswith("! service web_job runs 0 of 1") for line in lines) is (counts[0] < counts[1])


def test_service_row_names_the_service_its_image_and_where_it_runs() -> None:
    spec = {
        "Name": "web_web",
        "Mode": {"Replicated": {"Replicas": 3}},
        "TaskTemplate": {"ContainerSpec": {"Image": "web"}},
    }
    tasks = [task("running"), {**task("running"), "NodeID": "n2"}, {**task("running"), "ServiceID": "s2"}]
    service = {"ID": "s1", "Spec": spec, "UpdateStatus": {"State": "updating"}}
    assert service_row(service, tasks, {"n1": "manager1"}) == {
        "name": "web_web",
        "mode": "replicated",
        "running": 2,
        "wanted": 3,
        "done": 0,
        "image": "web",
        "nodes": ["?", "manager1"],
        "update": "updating",
        "error": "",
    }


@pytest.mark.parametrize(
    ("manager", "leader", "reachability"),
    [
        ({"Leader": True, "Reachability": "reachable"}, True, "reachable"),
        ({"Reachability": "unreachable"}, False, "unreachable"),
        (None, False, ""),
    ],
)
def test_node_row(manager: dict[str, Any] | None, leader: bool, reachability: str) -> None:
    node: dict[str, Any] = {
        "Description": {"Hostname": "manager1", "Engine": {"EngineVersion": "26.1.5"}},
        "Spec": {
            "Role": "manager",
            "Availability": "active",
            "Labels": {"fungap.volume.wiki.uploads": "here", "disk": "ssd"},
        },
        "Status": {"State": "ready", "Addr": "172.30.0.11"},
        "ManagerStatus": manager,
    }
    assert node_row(node) == {**NODE, "leader": leader, "reachability": reachability}
    node["Status"] = {"State": "down"}
    assert node_row(node)["address"] == ""


def test_revision_row() -> None:
    release = {"image": "web", "env": {"digest": "e1"}}
    compose = {"services": {"web": {"image": "web@sha256:1"}}}
    revision = Revision(
        7, compose, "text", {}, "stuck", "2026-01-01", "it died", "id", "me@here", "sale", "deploy", release
    )
    assert revision_row(revision) == {
        "number": 7,
        "when": "2026-01-01",
        "kind": "deploy",
        "who": "me@here",
        "why": "sale",
        "verdict": "stuck",
        "cause": "it died",
        "images": {"web": "web@sha256:1"},
        "release": release,
    }


def test_what_inventories_said() -> None:
    def record(stack: str, number: int, release: dict[str, Any]) -> dict[str, Any]:
        revision = Revision(number, {}, "", {}, "converged", "2026-01-01", who="me@here", kind="site", release=release)
        data = base64.b64encode(dump_revision(stack, revision).encode()).decode()
        labels = {"io.fungap.stack": stack, "io.fungap.revision": str(number)}
        return {"ID": "id", "Spec": {"Labels": labels, "Data": data}}

    word = {"app": {"replicas": 3}, "image": "web@sha256:1", "env": "e1"}
    records = [record("web", 9, {"inventory": word, "app": {}}), record("proxy", 1, {}), record("web", 10, {})]
    row = {"when": "2026-01-01", "kind": "site", "who": "me@here", "verdict": "converged"}
    assert what_inventories_said(records) == {
        "web": {
            "revisions": [
                {**row, "number": 10, "release": {"inventory": {}}},
                {**row, "number": 9, "release": {"inventory": word}},
            ]
        },
        "proxy": {"revisions": [{**row, "number": 1, "release": {"inventory": {}}}]},
    }


PLATFORM: dict[str, Any] = {
    "name": "fungap",
    "apps": {"web": {"hosts": ["web.localhost"]}, "later": {"hosts": ["later.localhost"]}},
    "monitoring": {
        "enabled": True,
        "hosts": {"prometheus": "prometheus.localhost", "grafana": "grafana.localhost"},
    },
    "nodes": [],
    "proxy": {"https_port": 8443, "address": "127.0.0.1"},
}


def a_stack(*services: str, hosts: tuple[str, ...] = ()) -> dict[str, Any]:
    release = {"app": {"hosts": list(hosts)}} if hosts else {}
    return {
        "in_force": 2,
        "revisions": [{"number": 2, "release": release}, {"number": 1, "release": {"app": {"hosts": ["old"]}}}],
        "services": {name: {} for name in services},
    }


def a_node(name: str, hostname: str = "", address: str = "") -> dict[str, Any]:
    return {"name": name, "hostname": hostname or name, "address": address}


def seen(*services: str, nodes: Mapping[str, str] = MappingProxyType({}), **stacks: dict[str, Any]) -> dict[str, Any]:
    return {
        "nodes": [{"name": name, "address": address} for name, address in nodes.items()],
        "services": [{"name": name} for name in services],
        "stacks": stacks,
    }


def test_notes_tell_where_what_is_there_is_reached() -> None:
    passwords = {
        "monitoring": {"user": "admin", "file": "/s/monitoring.password"},
        "grafana": {"file": "/s/grafana.password"},
    }
    web = a_stack("web", hosts=("web.localhost", "by-a-deploy.localhost"))
    there = ("web_web", "monitoring_prometheus", "monitoring_grafana")
    assert platform_notes(PLATFORM, {"passwords": passwords}, seen(*there, web=web)) == [
        "URL          https://web.localhost:8443/",
        "URL          https://by-a-deploy.localhost:8443/",
        "Prometheus   https://prometheus.localhost:8443/",
        "Grafana      https://grafana.localhost:8443/",
        "Login        admin, with the password in /s/monitoring.password",
        "             in Grafana itself admin, with the one in /s/grafana.password",
    ]
    web["revisions"][0]["release"]["app"]["route"] = {"paths": ["/api/", "/files"]}
    assert platform_notes(PLATFORM, {"passwords": passwords}, seen(*there, web=web))[:2] == [
        "URL          https://web.localhost:8443/api",
        "URL          https://web.localhost:8443/files",
    ]
    web = a_stack("web", hosts=("web.localhost", "by-a-deploy.localhost"))
    left_out = {"grafana": "there is no archive of it"}
    assert platform_notes(PLATFORM, {"passwords": passwords}, seen(*there[:2], web=web), left_out=left_out)[2:] == [
        "Prometheus   https://prometheus.localhost:8443/",
        "Login        admin, with the password in /s/monitoring.password",
        "Left out     grafana: there is no archive of it",
    ]
    assert platform_notes(PLATFORM, {"passwords": passwords}, seen()) == []
    removed = a_stack(hosts=("web.localhost",))
    assert platform_notes(PLATFORM, {"passwords": passwords}, seen(web=removed)) == [], "nothing answers there"
    sources = {"registry": "build", "node": "pull", "proxy": "pull", "base-of-mine": "bootstrap"}
    assert platform_notes(PLATFORM, {}, seen(), sources=sources) == [
        "Official     node, proxy",
        "Built        base-of-mine, registry",
    ]


def test_notes_tell_of_each_machine_and_of_those_that_were_not_asked() -> None:
    disk = {"path": "/var/lib/docker", "free_bytes": 3e9, "total_bytes": 40e9}
    assert platform_notes(PLATFORM, {}, seen(), {"vm1": disk}) == ["Disk         3 GB of 40 GB free at /var/lib/docker"]
    platform = {**PLATFORM, "silent": {"vm3": "no route to host"}}
    assert platform_notes(platform, {}, seen(), {"vm1": disk, "vm2": disk}) == [
        "Disk         3 GB of 40 GB free at /var/lib/docker on vm1",
        "Disk         3 GB of 40 GB free at /var/lib/docker on vm2",
        "Not asked    vm3: no route to host",
    ]


UNLESS = "(unless swarm_member_prune is false)"
STRANGERS: list[tuple[dict[str, Any], dict[str, Any], list[str]]] = [
    ({"apps": {"web": {}}}, seen("web_web", web=a_stack("web")), []),
    (
        {"apps": {"web": {}, "removed": {}, "later": {}}},
        seen("web_web", web=a_stack("web"), removed=a_stack()),
        [f"app {name} of the inventory is not deployed: site.yml deploys it" for name in ("removed", "later")],
    ),
    (
        {},
        seen("old_web", old=a_stack("web")),
        [
            "stack old runs and is not in the inventory: "
            """ansible-playbook site.yml -e '{"apps_absent": ["old"]}' takes it away"""
        ],
    ),
    (
        {},
        seen("old_web", old=a_stack("web", hosts=("a.localhost", "b.localhost"))),
        [
            "stack old runs and is not in the inventory: ansible-playbook site.yml -e "
            """'{"apps_absent": ["old"]}' takes it away, and its route (a.localhost, b.localhost)"""
        ],
    ),
    ({}, seen(old=a_stack()), []),
    ({}, seen("monitoring_prometheus", monitoring=a_stack("prometheus")), []),
    (
        {},
        seen("certificates_acme", certificates=a_stack("acme")),
        ["stack certificates runs and is not in the inventory: ansible-playbook site.yml takes it away"],
    ),
    (
        {"monitoring": {"enabled": False, "hosts": {}}},
        seen("monitoring_prometheus", monitoring=a_stack("prometheus")),
        ["stack monitoring runs and is not in the inventory: ansible-playbook site.yml takes it away"],
    ),
    ({}, seen("by_hand"), ["service by_hand was made by hand: docker service rm by_hand takes it away"]),
    (
        {"nodes": [a_node("manager1"), a_node("worker1")]},
        seen(nodes={"manager1": "10.0.0.1", "worker2": "10.0.0.2"}),
        [
            "node worker1 of the inventory is not in the swarm: site.yml brings it in",
            f"node worker2 is not in the inventory: site.yml takes it out of the swarm {UNLESS}",
        ],
    ),
    # Machines whose host name isn't their inventory's name; the second one is silent.
    (
        {"nodes": [a_node("vm1", "debian"), a_node("vm2", address="10.0.0.2")]},
        seen(nodes={"debian": "10.0.0.1", "ubuntu": "10.0.0.2"}),
        [],
    ),
    (
        {"nodes": [a_node("vm1", "debian", address="10.0.0.1")]},
        seen(nodes={"ubuntu": "10.0.0.2"}),
        [
            "node vm1 of the inventory is not in the swarm: site.yml brings it in",
            f"node ubuntu is not in the inventory: site.yml takes it out of the swarm {UNLESS}",
        ],
    ),
]


@pytest.mark.parametrize(("inventory", "there", "said"), STRANGERS)
def test_what_runs_and_is_not_wanted_is_said(inventory: dict[str, Any], there: dict[str, Any], said: list[str]) -> None:
    assert strangers({**PLATFORM, "apps": {}, **inventory}, there) == said


def containers(*names: str, platform: str = "fungap-jenkins", state: str = "running") -> list[dict[str, str]]:
    return [{"name": name, "platform": platform, "state": state} for name in names]


JENKINS = ("fungap-jenkins", "fungap-jenkins-proxy")


@pytest.mark.parametrize(
    ("host", "found", "named"),
    [
        pytest.param("", {"vm1": containers(*JENKINS), "vm2": []}, "vm1", id="taken out of the group"),
        pytest.param("vm2", {"vm1": containers(*JENKINS), "vm2": containers(*JENKINS)}, "vm1", id="moved"),
        pytest.param("vm1", {"vm1": containers(*JENKINS)}, "", id="where it is to be"),
        pytest.param("", {"vm1": containers(*JENKINS, state="exited")}, "", id="stopped"),
        pytest.param("", {"vm1": containers("other-jenkins", platform="other-jenkins")}, "", id="of another platform"),
        pytest.param("", {"vm1": containers("fungap-manager1", platform="fungap")}, "", id="of the platform itself"),
    ],
)
def test_a_jenkins_that_nobody_wants_is_named(host: str, found: dict[str, Any], named: str) -> None:
    said = strangers({**PLATFORM, "apps": {}, "jenkins": {"host": host}}, seen(), found)
    way = f"docker rm --force {' '.join(JENKINS)} there takes it away; its volumes stay"
    assert said == ([f"Jenkins runs on {named} and is not in the inventory: {way}"] if named else [])


@pytest.mark.parametrize(
    ("left_out", "found", "shown"),
    [
        pytest.param({}, [], True, id="made in this run"),
        pytest.param({"jenkins": "registry does not answer"}, [], False, id="its image could not be had"),
        pytest.param({"jenkins": "x"}, containers("fungap-jenkins-proxy"), False, id="its proxy alone"),
        pytest.param({"jenkins": "x"}, containers("fungap-jenkins", state="exited"), False, id="it is stopped"),
        pytest.param({"jenkins": "x"}, containers("fungap-jenkins"), True, id="it runs on"),
        pytest.param({"jenkins-agent": "x"}, [], True, id="its agent's image could not be had"),
    ],
)
def test_where_jenkins_is_is_told_where_it_runs(
    left_out: dict[str, str], found: list[dict[str, str]], shown: bool
) -> None:
    jenkins = {"host": "vm1", "platform": "fungap-jenkins", "name": "jenkins.localhost", "https_port": 443}
    secrets = {"passwords": {"jenkins": {"file": "/s/j"}, "jenkins-webhook": {"file": "/s/w"}}}
    lines = platform_notes(
        {**PLATFORM, "jenkins": jenkins}, secrets, seen(), left_out=left_out, containers={"vm1": found}
    )
    assert [line.split()[0] for line in lines] == ["Jenkins", "admin,", "Webhook"] * shown + ["Left"] * len(left_out)


@pytest.mark.parametrize(
    ("certificates", "proxy", "lines"),
    [
        ({}, {}, []),
        ({"registry": {"until": "2027-01-01T00:00:00Z", "due": False}}, {"pending": ""}, []),
        (
            {"registry": {"until": "2027-01-01T00:00:00Z", "due": True}},
            {},
            [
                "the certificate of the registry is valid until 2027-01-01T00:00:00Z: "
                "the next deploy, rollback, scaling, prune or site.yml renews it"
            ],
        ),
        (
            {"jenkins": {"until": "2027-01-01T00:00:00Z", "due": True}},
            {"pending": "it expires soon"},
            [
                "the certificate of Jenkins is valid until 2027-01-01T00:00:00Z: the next backup or site.yml renews it",
                "the certificate of the proxy is to be made anew (it expires soon): "
                "the next deploy, rollback, scaling or site.yml does it",
            ],
        ),
        (
            {"proxy": {"until": "2027-01-01T00:00:00Z", "due": True}},
            {"pending": "it expires soon"},
            [
                "the certificate of the proxy is to be made anew (it expires soon): "
                "the next deploy, rollback, scaling, prune or site.yml does it",
            ],
        ),
    ],
)
def test_certificates_that_end_soon_are_named(
    certificates: dict[str, Any], proxy: dict[str, Any], lines: list[str]
) -> None:
    assert certificate_problems({"certificates": certificates}, {"certificates": {"proxy": proxy}}) == lines
    left = certificate_problems({"certificates": certificates}, {})
    assert left == [line for line in lines if "of the proxy" not in line]


def test_no_certificate_is_shown_that_nobody_keeps() -> None:
    certificate = {"fingerprint": "AB:CD", "not_after": "2027-12-01T00:00:00Z"}
    for pending, shown in (("", "SHA-256 AB:CD, until 2027-12-01T00:00:00Z"), ("its names changed", "to be made anew")):
        proxy = {"certificates": {"proxy": {**certificate, "pending": pending}}, "ca": {"certificate_file": "/ca.crt"}}
        assert f"{'Certificate':<12} {shown}" in platform_notes(PLATFORM, proxy, seen())


@pytest.mark.parametrize(
    ("running", "wait_seconds", "check_mode", "followed"),
    [
        pytest.param(3, 180, False, False, id="all is well"),
        pytest.param(1, 180, False, True, id="something is starting"),
        pytest.param(1, 0, False, False, id="nobody wants to wait"),
        pytest.param(1, 180, True, False, id="check mode"),
    ],
)
def test_what_is_still_starting_is_waited_for_in_the_open(
    monkeypatch: pytest.MonkeyPatch, running: int, wait_seconds: int, check_mode: bool, followed: bool
) -> None:
    seen = {"nodes": [NODE], "services": [{**SERVICE, "running": running, "error": ""}]}
    found: list[dict[str, Any]] = []

    def follow(_action: Any, _module: str, args: dict[str, Any], _vars: Any, **_options: Any) -> dict[str, Any]:
        found.append(args)
        return {"nodes": [NODE], "services": [SERVICE]}

    monkeypatch.setattr(action, "run_followed", follow)
    one = object.__new__(action.ActionModule)
    one._task, one._display = SimpleNamespace(check_mode=check_mode), SimpleNamespace()
    one._execute_module = lambda *_, **__: seen
    args = {"manager_sockets": ["/s"], "platform": {"name": "fungap"}, "wait_seconds": wait_seconds}
    services = one._look(args, None)["services"]
    assert services[0]["running"] == (3 if followed else running)
    asked = [(args["wait_seconds"], args["progress"]) for args in found]
    assert asked == ([(180, "/run/.fungap.progress")] if followed else [])
