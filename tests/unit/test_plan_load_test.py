"""Which steps a load test has, when it ends, and what it says."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import yaml

from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.module_utils.load_test.model import (
    CpuSample,
    Measured,
    Step,
    busy_share,
    parse_proc_stat,
    parse_report,
)
from ansible_collections.fungap.swarm.plugins.module_utils.load_test.plan import (
    Profile,
    check_bounds,
    check_confirmation,
    choose_profile,
    judge,
    why_over,
)
from ansible_collections.fungap.swarm.plugins.plugin_utils.load_test import as_csv, lines

from .test_roles import ROLES_DIR

PROFILES = yaml.safe_load((ROLES_DIR / "load_test/defaults/main.yml").read_text())["load_test_profiles"]
LOAD, CAPACITY = Profile((20,), 2, 2), Profile((10,), 2, users_step=10, users_max=30, cpu_percent_max=80)


def measured(users: int = 10, cpu: float | None = 0.5, loops: int = 1, **more: Any) -> Measured:
    counted = {"answered": users * loops, "failed": 0, "p50_seconds": 0.1, "p95_seconds": 0.2, "max_seconds": 0.3}
    return Measured(Step(users, 10, loops), begin=100, end=110, mean_seconds=0.1, cpu=cpu, **{**counted, **more})


@pytest.mark.parametrize(
    ("profile", "changes", "users", "requests"),
    [
        pytest.param("load", {}, [200, 400], [1000, 2000], id="the first server's load"),
        pytest.param("load", {"users": "200"}, [200], [1000], id="one step"),
        pytest.param("load", {"users": "5,7", "loops": "1"}, [5, 7], [5, 7], id="two steps, as text"),
        pytest.param("load", {"users": 3, "loops": None, "ramp_seconds": ""}, [3], [15], id="empty changes are none"),
        pytest.param("capacity", {"users_max": 1250}, [1000, 1100, 1200], [1000, 1100, 1200], id="capacity"),
        pytest.param("capacity", {"users_max": 10}, [1000], [1000], id="the first step at least"),
        pytest.param(
            "capacity", {"users": 10, "users_step": 5, "users_max": 20}, [10, 15, 20], [10, 15, 20], id="small"
        ),
    ],
)
def test_the_steps_of_a_profile(profile: str, changes: dict[str, Any], users: list[int], requests: list[int]) -> None:
    steps = check_bounds(choose_profile(profile, PROFILES, changes), requests_max=20000, deadline_seconds=300)
    assert [step.users for step in steps] == users
    assert [step.requests for step in steps] == requests


def test_bounds_are_allowed() -> None:
    profile = Profile((1,), 2, 5, users_step=1, users_max=100)
    steps = check_bounds(profile, requests_max=500, deadline_seconds=3)
    assert (len(steps), steps[-1]) == (100, Step(100, 2, 5))
    assert choose_profile("a", {"a": {"users": 1, "ramp_seconds": 0, "users_step": 0}}, {}) == Profile((1,), 0)


def test_the_capacity_profile_is_the_origins() -> None:
    profile = choose_profile("capacity", PROFILES, {})
    assert [step.users for step in profile.steps()][:14:12] == [1000, 2200]
    assert (profile.ramp_seconds, profile.loops, profile.pause_seconds, profile.cpu_percent_max) == (10, 1, 180, 80)


@pytest.mark.parametrize(
    ("profile", "changes", "said"),
    [
        ("lod", {}, "there is no profile 'lod'; there are: capacity, load"),
        ("load", {"users": "many"}, "users must be a whole number"),
        ("load", {"ramp_seconds": [1]}, "ramp_seconds must be a number"),
        ("load", {"ramp_seconds": "-0.5"}, "ramp_seconds is -0.5: it must be at least 0"),
        ("load", {"users": 0}, "users is 0: it must be at least 1"),
        ("load", {"loops": 0}, "loops is 0: it must be at least 1"),
        ("load", {"user": 5}, "profile load has no setting user"),
        ("load", {"users": []}, "profile load needs users"),
        ("load", {"loops": 1000}, "is 400000 requests; load_test_requests_max allows 20000"),
        ("load", {"ramp_seconds": 300}, "a ramp of 300 s has no place in load_test_deadline_seconds, 300"),
        ("capacity", {"users_step": 1}, "that is more than 100 steps"),
    ],
)
def test_what_is_refused(profile: str, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(PlatformError) as refused:
        check_bounds(choose_profile(profile, PROFILES, changes), requests_max=20000, deadline_seconds=300)
    assert said in refused.value.message


@pytest.mark.parametrize("value", ["hunter22", ["hunter22"], [1, "hunter22"], {"a": "hunter22"}, {"hunter22"}])
@pytest.mark.parametrize("key", ["users", "ramp_seconds", "loops", "users_step", "cpu_percent_max"])
def test_what_is_no_number_is_not_shown(key: str, value: Any) -> None:
    with pytest.raises(PlatformError) as refused:
        choose_profile("a", {"a": {"users": 1, "ramp_seconds": 1, key: value}}, {})
    assert refused.value.message.startswith(f"{key} must be a ")
    assert "hunter22" not in refused.value.message


@pytest.mark.parametrize(
    ("protected", "confirmed", "passes"),
    [(False, "", True), (True, "prod", True), (True, "", False), (True, "test", False), (True, "true", False)],
)
def test_a_protected_platform_wants_its_name(protected: bool, confirmed: str, passes: bool) -> None:
    if passes:
        check_confirmation("prod", protected=protected, confirmed=confirmed)
        return
    with pytest.raises(PlatformError, match="-e load_test_confirmed=prod"):
        check_confirmation("prod", protected=protected, confirmed=confirmed)


@pytest.mark.parametrize(
    ("profile", "one", "said"),
    [
        pytest.param(LOAD, measured(), "", id="well"),
        pytest.param(LOAD, measured(cpu=1.0), "", id="no limit of the CPU"),
        pytest.param(LOAD, measured(cpu=None), "", id="not measured, not asked for"),
        pytest.param(CAPACITY, measured(cpu=0.8), "", id="at the limit"),
        pytest.param(CAPACITY, measured(cpu=0.81), "CPU 81% is above 80 %", id="above it"),
        pytest.param(CAPACITY, measured(cpu=None), "the CPU could not be measured", id="not measured"),
        pytest.param(
            LOAD,
            measured(failed=3, causes={"code=500": 2, "timed out": 1}),
            "3 of 10 requests failed (2 x code=500; 1 x timed out)",
            id="failed",
        ),
        pytest.param(
            LOAD,
            measured(failed=7, causes={"a": 1, "b": 2, "d": 1, "c": 3}),
            "7 of 10 requests failed (3 x c; 2 x b; 1 x a)",
            id="the three most frequent causes",
        ),
        pytest.param(
            LOAD, measured(answered=6), "4 of 10 requests failed (4 not answered in time)", id="not all answered"
        ),
    ],
)
def test_why_no_step_follows(profile: Profile, one: Measured, said: str) -> None:
    assert why_over(profile, one, 0.0) == said


def test_some_errors_may_be_allowed() -> None:
    assert why_over(LOAD, measured(failed=1), 0.1) == ""
    assert why_over(LOAD, measured(failed=2), 0.1) != ""


@pytest.mark.parametrize(
    ("profile", "results", "text", "failed", "limit"),
    [
        pytest.param(LOAD, [measured(20)], "passed: up to 20 users in 10 s", False, None, id="passed"),
        pytest.param(
            LOAD, [measured(10), measured(20, failed=1)], "failed at 20 users: 1 of 20", True, None, id="failed"
        ),
        pytest.param(
            CAPACITY,
            [measured(2100, cpu=0.79), measured(2200, cpu=0.9)],
            "limit: 2100 users (210 users/s arriving, 210 requests/s), CPU 79%; at 2200 users CPU 90% is above 80 %",
            False,
            2100,
            id="the CPU's limit",
        ),
        pytest.param(
            CAPACITY, [measured(10), measured(20, failed=5)], "at 20 users 5 of 20", False, 10, id="errors' limit"
        ),
        pytest.param(
            CAPACITY,
            [measured(100, loops=2)],
            "limit: not reached with 100 users (10 users/s arriving, 20 requests/s), CPU 50%",
            False,
            100,
            id="several loops: more requests than users",
        ),
        pytest.param(
            CAPACITY,
            [replace(measured(100, cpu=0), step=Step(100, 0, 1))],
            "with 100 users (10 users/s arriving, 10 requests/s), CPU 0%",
            False,
            100,
            id="all at once",
        ),
        pytest.param(CAPACITY, [measured(10)], "limit: not reached with 10 users", False, 10, id="not reached"),
        pytest.param(CAPACITY, [measured(10, cpu=0.9)], "limit: below 10 users", False, None, id="below the first"),
        pytest.param(CAPACITY, [measured(10, failed=10)], "limit: below 10 users", True, None, id="nothing works"),
        pytest.param(CAPACITY, [measured(10, cpu=None)], "the CPU could not be measured", True, None, id="not known"),
    ],
)
def test_the_verdict(profile: Profile, results: list[Measured], text: str, failed: bool, limit: int | None) -> None:
    verdict = judge(profile, results, 0.0)
    assert text in verdict.text
    assert (verdict.failed, verdict.limit_users) == (failed, limit)


def test_the_busy_share_is_that_between_two_times() -> None:
    # Idle, then busy from 10 to 12, then idle: 2 CPUs of 100 ticks/s.
    samples = [CpuSample(8, 0, 0), CpuSample(10, 0, 400), CpuSample(12, 400, 800), CpuSample(14, 400, 1200)]
    assert busy_share(samples, 10, 12) == 1.0
    assert busy_share(samples, 9, 11) == 0.5
    assert busy_share(samples, 11, 13) == 0.5
    assert busy_share(samples, 8, 14) == pytest.approx(1 / 3)
    assert busy_share(samples, 7, 9) is None
    assert busy_share(samples, 13, 15) is None
    assert busy_share([], 1, 2) is None
    assert busy_share(samples, 11, 11) is None
    assert busy_share([CpuSample(8, 1, 1), CpuSample(8, 2, 3), CpuSample(9, 3, 5)], 8, 9) == 0.5


def test_the_kernels_counters_are_read() -> None:
    text = "cpu  100 5 50 800 40 1 4 0 70 0\ncpu0 1 2 3 4\n"
    assert parse_proc_stat(text, 7) == CpuSample(7, busy=160, total=1000)


def test_the_last_report_of_a_log_counts() -> None:
    assert parse_report('noise\nload-step: {"a": 1}\nload-step: {"a": 2}\nload-step: {"a": 3}\nend') == {"a": 3}
    assert parse_report("noise") is None


def test_the_table_names_what_failed() -> None:
    shown = lines([measured(20, loops=2), measured(40, cpu=None, failed=1, causes={"code=500": 1})])
    assert shown[0].split() == ["STEP", "USERS", "REQUESTS", "ERRORS", "RATE", "MEAN", "P50", "P95", "MAX", "CPU"]
    assert shown[1].split() == [
        "1",
        "20",
        "40",
        "0",
        "4.0/s",
        "0.10",
        "s",
        "0.10",
        "s",
        "0.20",
        "s",
        "0.30",
        "s",
        "50",
        "%",
    ]
    assert shown[2].split()[-1] == "-"
    assert shown[3] == "! step 2: 1 x code=500"


def test_the_csv_has_plain_numbers() -> None:
    head, row = as_csv([measured(20)]).splitlines()
    assert dict(zip(head.split(","), row.split(","), strict=True))["cpu_percent"] == "50.0"
