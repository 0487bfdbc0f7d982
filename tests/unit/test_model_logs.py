"""Logs of services, as the Engine API gives them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.module_utils.stack.access_log import Requests, parse_request
from ansible_collections.fungap.swarm.plugins.module_utils.stack.logs import (
    LogLine,
    latest,
    parse_duration,
    parse_line,
    problem_in,
    task_names,
)
from ansible_collections.fungap.swarm.plugins.plugin_utils.routes import app_requests
from ansible_collections.fungap.swarm.plugins.plugin_utils.status import access_lines, log_lines

WHEN = "2026-11-22T15:00:00.123456789Z"
DETAILS = "com.docker.swarm.node.id=n1,com.docker.swarm.service.id=s1,com.docker.swarm.task.id=t1"
NODES = {"n1": "worker1"}


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("10m", 600), ("1h30m", 5400), ("2d", 172800)])
def test_durations(text: str, seconds: int) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["10", "10 m", "m", "yesterday", "1.5h", "10m!"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(PlatformError, match="as 10m"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("line", "parsed"),
    [
        (f"{WHEN} {DETAILS} hello  world", LogLine(WHEN, "web.1", "worker1", "hello  world")),
        (f"{WHEN} {DETAILS} ", LogLine(WHEN, "web.1", "worker1", "")),
        (f"{WHEN} {DETAILS} \x1b[31mred\x1b[0m\tand\x07\r\n", LogLine(WHEN, "web.1", "worker1", "red\tand")),
        (
            f"{WHEN} {DETAILS.replace('t1', 'abcdefghijklmnop').replace('n1', 'gone')} x",
            LogLine(WHEN, "abcdefghijkl", "gone", "x"),
        ),
        (f"{WHEN} {DETAILS} a  ", LogLine(WHEN, "web.1", "worker1", "a  ")),
        (f"{WHEN} com.docker.swarm.node.id=n1 x", LogLine(WHEN, "", "worker1", "x")),
        ("what is this", None),
        ("", None),
    ],
)
def test_a_line(line: str, parsed: LogLine | None) -> None:
    assert parse_line(line, {"t1": "web.1"}, NODES) == parsed


def test_what_the_engine_says_of_a_node_that_it_did_not_reach() -> None:
    said = "Error grabbing logs: rpc error: code = Unknown desc = warning: incomplete log stream."
    assert problem_in(f"{said}\n") == said
    assert not problem_in(f"{WHEN} {DETAILS} Error grabbing logs: by the app")


@pytest.mark.parametrize(
    ("task", "name"),
    [
        ({"ID": "t1", "ServiceID": "s1", "Slot": 2, "NodeID": "n1"}, "web.2"),
        ({"ID": "t1", "ServiceID": "s1", "NodeID": "n1"}, "web.worker1"),
        ({"ID": "t1", "ServiceID": "s1"}, "web.?"),
    ],
)
def test_names_of_tasks(task: dict[str, Any], name: str) -> None:
    service = {"ID": "s1", "Spec": {"Name": "shop_web", "Labels": {"com.docker.stack.namespace": "shop"}}}
    assert task_names([service], [task, {"ID": "t2", "ServiceID": "other"}], NODES) == {"t1": name}


def test_a_service_without_a_stack_keeps_its_name() -> None:
    assert task_names([{"ID": "s1", "Spec": {"Name": "web"}}], [{"ID": "t1", "ServiceID": "s1"}], {}) == {"t1": "web.?"}


def test_the_latest_lines_of_all_tasks_in_order() -> None:
    lines = [LogLine(f"2026-11-22T15:00:0{second}Z", "web.1", "a", str(second)) for second in (3, 1, 4, 2)]
    assert [line.text for line in latest(lines, 3)] == ["2", "3", "4"]


def test_columns() -> None:
    rows = [
        {"when": WHEN, "task": "web.1", "node": "worker1", "text": "up"},
        {"when": WHEN, "task": "web.10", "node": "a", "text": ""},
    ]
    assert log_lines(rows) == [
        "2026-11-22T15:00:00.123Z  web.1   worker1  up",
        "2026-11-22T15:00:00.123Z  web.10  a",
    ]
    assert log_lines([]) == ["Nothing was logged."]


@pytest.mark.parametrize(
    ("host", "uri", "is_its"),
    [
        ("web.example.com", "/", True),
        ("web.example.com", "/a?next=/api/x", True),
        ("web.example.com", "/api", False),
        ("web.example.com", "/api/x?y=1", False),
        ("web.example.com", "//api/./x", False),
        ("web.example.com", "/%61pi/x", False),
        ("web.example.com", "/apix", True),
        ("web.example.com", "/api/own/1", True),
        ("www.example.com", "/api", True),
        ("other.example.com", "/", False),
        ("", "/", False),
    ],
)
def test_which_requests_are_an_apps(host: str, uri: str, is_its: bool) -> None:
    apps = {
        "web": {"hosts": ["web.example.com", "www.example.com"], "route": {"paths": ["/", "/api/own/"]}},
        "api": {"hosts": ["web.example.com"], "route": {"paths": ["/api/"]}},
        "job": {},
    }
    asked = [Requests(one["host"], one["paths"], one["other_paths"]) for one in app_requests(apps, "web")]
    line = json.dumps({"host": host, "uri": uri, "status": 200})
    assert any(one.have(parse_request(line)) for one in asked) is is_its
    assert not any(one.have(parse_request("nginx: [warn] [1]")) for one in asked)
    for app, said in (("none", "there are: api, job, web"), ("job", "apps.job.hosts is empty")):
        with pytest.raises(PlatformError, match=said):
            app_requests(apps, app)


def test_requests_in_columns() -> None:
    request = {
        "host": "web.example.com",
        "method": "GET",
        "uri": "/a?b=1",
        "status": 502,
        "request_time": 0.034,
        "remote_addr": "203.0.113.7",
        "upstream_addr": "",
    }
    line = {"when": WHEN, "task": "proxy.worker1", "node": "worker1", "text": json.dumps(request)}
    head, shown = access_lines([line])
    assert head.split() == ["TIME", "STATUS", "SECONDS", "CLIENT", "PROXY", "ON", "REPLICA", "REQUEST"]
    wanted = "2026-11-22T15:00:00.123Z 502 0.034 203.0.113.7 worker1 - GET https://web.example.com/a?b=1"
    assert shown.split() == wanted.split()
    assert "proxy_access_log_enabled" in access_lines([])[0]
