# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How tests are run: what goes together, what waits for what, what two checkouts leave to each other."""

from __future__ import annotations

import fcntl
import threading
from pathlib import Path

import pytest

from tests import checkout, run
from tests.conftest import group_of, needs_engine, rank
from tests.engine import service
from tests.quiet import Token
from tests.waiting import wait_for


def test_the_engine_is_not_stopped_under_another_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "LOCK", tmp_path / "lock")
    stopped: list[str] = []
    monkeypatch.setattr(service, "_stop", lambda: stopped.append("engine"))
    here, there = service.use_engine(), service.use_engine()
    service.stop_engine(here)
    assert stopped == []
    there.close()
    service.stop_engine(here)
    assert stopped == ["engine"]
    here.close()


@pytest.mark.parametrize(
    ("test", "group"),
    [
        ("tests/unit/test_run.py::test_groups", "unit"),
        ("tests/integration/test_prune.py::test_the_playbook", "integration/prune"),
        ("tests/molecule/test_scenarios.py::test_scenario[app]", "molecule/app"),
        ("tests/lint/test_lint.py::test_lint[mypy tools]", "lint/mypy tools"),
        ("tests/platform/test_2_life.py::test_restart_of_a_node[worker1]", "platform"),
        ("tests/platform/test_4_interrupted.py::test_killed[0]", "interrupted"),
    ],
)
def test_groups(test: str, group: str) -> None:
    assert group_of(test) == group


def test_what_others_wait_for_comes_first_and_what_wants_quiet_last() -> None:
    groups = ["sanity", "load", "monitoring", "molecule/app", "molecule/cluster", "unit", "lint/mypy", "engine"]
    expected = ["engine", "lint/mypy", "unit", "molecule/cluster", "molecule/app"]
    expected += ["monitoring", "load", "sanity"]
    assert sorted(groups, key=rank) == expected


@pytest.mark.parametrize(
    ("paths", "needed"),
    [
        (["tests/unit"], False),
        (["tests/unit/test_run.py::test_groups", "tests/lint"], False),
        (["tests/unit", "tests/integration/test_prune.py"], True),
        (["tests/engine"], True),
        (["tests"], True),
    ],
)
def test_who_needs_an_engine(paths: list[str], needed: bool) -> None:
    assert needs_engine(paths) is needed


@pytest.mark.parametrize(
    ("chosen", "folders"),
    [
        (["lint", "unit"], ["tests/lint", "tests/unit"]),
        (["cicd"], ["tests/engine", "tests/cicd"]),
        (["tests/integration/test_prune.py"], ["tests/engine", "tests/integration/test_prune.py"]),
    ],
)
def test_a_stage_brings_the_engine_along_that_it_needs(chosen: list[str], folders: list[str]) -> None:
    assert run.command(chosen, 2)[-len(folders) :] == folders


def test_quiet_is_alone_and_is_not_overtaken(tmp_path: Path) -> None:
    first, quiet, late = (Token(tmp_path) for _ in range(3))
    order: list[str] = []

    def take(token: Token, name: str, *, alone: bool) -> None:
        token.take(quiet=alone)
        order.append(name)

    first.take(quiet=False)
    waits = threading.Thread(target=take, args=(quiet, "quiet"), kwargs={"alone": True}, daemon=True)
    waits.start()
    while not (tmp_path / "quiet.door").exists() or _is_open(tmp_path / "quiet.door"):
        pass
    comes_later = threading.Thread(target=take, args=(late, "late"), kwargs={"alone": False}, daemon=True)
    comes_later.start()
    assert order == []
    first.give_back()
    waits.join(10)
    assert order == ["quiet"]
    quiet.give_back()
    comes_later.join(10)
    assert order == ["quiet", "late"]


def _is_open(lock: Path) -> bool:
    with lock.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


def test_platforms_share_no_subnet_and_no_port() -> None:
    subnets = {checkout.subnet(platform) for platform in checkout.PLATFORMS}
    ports = {checkout.port(platform, number) for platform in checkout.PLATFORMS for number in range(checkout.PORTS)}
    assert len(subnets) == len(checkout.PLATFORMS)
    assert len(ports) == len(checkout.PLATFORMS) * checkout.PORTS
    assert max(ports) < 32768, "not of those that the kernel gives to clients"
    with pytest.raises(ValueError, match="add it to PLATFORMS"):
        checkout.name("nobody")


def test_what_is_there_is_found_after_its_deadline() -> None:
    assert wait_for("a message that has come", lambda: True, seconds=-200) < 1
