"""A small load test of the platform, by the playbook, as an operator runs it."""

from __future__ import annotations

import csv
import json
import uuid
from pathlib import Path
from typing import Any

import pytest

from ..load.live import Run
from ..waiting import patience, wait_for
from .conftest import Platform

BOUNDS = {"load_test_deadline_seconds": 20, "load_test_timeout_seconds": 5, "loops": 2, "ramp_seconds": 2}


@pytest.fixture
def reports(tmp_path: Path) -> Path:
    return tmp_path / "reports"


def load_test(platform: Platform, reports: Path, **given: Any) -> Run:
    extra = {"app": "web", "load_test_report_dir": str(reports), **BOUNDS, **given}
    return platform.play("-e", json.dumps(extra), playbook="playbooks/load_test.yml")


def report(reports: Path) -> dict[str, Any]:
    (file,) = reports.glob("*.json")
    found: dict[str, Any] = json.loads(file.read_text())
    return found


def proxied(platform: Platform, path: str) -> int:
    """How many requests for a path the proxies have logged, on all nodes."""
    lines = 0
    for node in ("manager1", "worker1", "worker2"):
        engine = platform.engine(node)
        for container in engine.containers(filters={"label": "com.docker.swarm.service.name=proxy_proxy"}):
            lines += engine.logs(container["Id"]).decode(errors="replace").count(path)
    return lines


def nothing_is_left(platform: Platform) -> bool:
    return not [
        one
        for one in platform.outer.containers.list(all=True, ignore_removed=True)
        if one.name == f"{platform.name}-load-test"
    ]


def test_every_user_is_answered_as_often_as_asked_for(platform: Platform, reports: Path) -> None:
    mark = uuid.uuid4().hex
    done = load_test(platform, reports, users=20, path=f"/healthz?{mark}")
    assert done.code == 0, done.output[-6000:]
    assert done.changed == 0
    found = report(reports)
    (step,) = found["steps"]
    assert (step["users"], step["requests"], step["errors"]) == (20, 40, 0)
    # A line is written after the answer, and read by the engine after that.
    wait_for("the proxies' logs", lambda: proxied(platform, mark) >= 40, 10)
    assert proxied(platform, mark) == 40
    # The last of 20 users comes after 1.9 s.
    assert 1.9 <= step["seconds"] < 10 * patience()
    assert 0 < step["p50_seconds"] <= step["p95_seconds"] <= step["max_seconds"] + 0.1
    assert 0 < step["cpu_percent"] <= 100
    (row,) = csv.DictReader(next(reports.glob("*.csv")).open())
    assert (row["users"], row["requests"], row["errors"]) == ("20", "40", "0")
    assert "passed: up to 20 users in 2 s" in done.output
    assert nothing_is_left(platform)


def test_capacity_goes_up_step_by_step(platform: Platform, reports: Path) -> None:
    # 100 %: the limit of the CPU can't be what ends it, on whatever machine.
    capacity = {"profile": "capacity", "users": 10, "users_step": 10, "users_max": 20, "pause_seconds": 1}
    done = load_test(platform, reports, **capacity, cpu_percent_max=100)
    assert done.code == 0, done.output[-6000:]
    found = report(reports)
    assert [(step["users"], step["requests"], step["errors"]) for step in found["steps"]] == [(10, 20, 0), (20, 40, 0)]
    assert found["limit_users"] == 20
    assert "limit: not reached with 20 users (10 users/s arriving" in done.output


def test_answers_that_are_errors_fail_the_play(platform: Platform, reports: Path) -> None:
    done = load_test(platform, reports, users="10,20", path="/slow?seconds=nonsense")
    assert done.code != 0
    assert "failed at 10 users: 20 of 20 requests failed" in done.output
    assert "code=400" in done.output
    found = report(reports)
    # No second step after a bad one.
    assert [(step["requests"], step["errors"]) for step in found["steps"]] == [(20, 20)]
    assert nothing_is_left(platform)


def test_its_time_is_up_even_when_nobody_answers(platform: Platform, reports: Path) -> None:
    done = load_test(platform, reports, users=4, load_test_deadline_seconds=4, path="/slow?seconds=30")
    assert done.code != 0
    assert "not answered in time" in done.output
    (step,) = report(reports)["steps"]
    assert step["errors"] == 8
    assert step["seconds"] < 10 * patience()
    assert nothing_is_left(platform)


def test_a_protected_platform_wants_its_name(platform: Platform, reports: Path) -> None:
    refused = load_test(platform, reports, users=20, load_test_protected=True)
    assert refused.code != 0
    assert f"-e load_test_confirmed={platform.name}" in " ".join(refused.output.split())
    assert not reports.exists()
