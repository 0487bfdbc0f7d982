# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What every module does with its plan: check mode writes nothing, ``changed`` and the diff are the plan's."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from unittest import mock

import pytest
from ansible.module_utils import basic
from ansible.module_utils.basic import AnsibleModule

try:
    from ansible.module_utils.testing import patch_module_args
except ImportError:  # before ansible-core 2.19

    @contextmanager
    def patch_module_args(args: Mapping[str, Any]) -> Iterator[None]:
        with mock.patch.object(basic, "_ANSIBLE_ARGS", json.dumps({"ANSIBLE_MODULE_ARGS": args}).encode()):
            yield


from ansible_collections.fungap.swarm.plugins.module_utils.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.module_utils.runner import Plan, run


class Recorded:
    """An operation that notes whether it was applied."""

    def __init__(self, plan: Plan, error: PlatformError | None = None, found: Sequence[str] = ()) -> None:
        self.planned, self.error, self.found = plan, error, found
        self.applied: list[Plan] = []

    def plan(self) -> Plan:
        if self.error:
            raise self.error
        return self.planned

    def apply(self, plan: Plan) -> Mapping[str, Any]:
        self.applied.append(plan)
        return {"id": "new", "warnings": self.found} if self.found else {"id": "new"}


def outcome(operation: Recorded, capsys: pytest.CaptureFixture[str], *, check: bool = False) -> dict[str, Any]:
    with patch_module_args({"_ansible_check_mode": check}), pytest.raises(SystemExit):
        run(lambda _params: operation, {})
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


ACTS = Plan(actions=["write a"], before="old", after="new", result={"id": "old"})
TENDS = Plan(upkeep=["push again"], result={"id": "old"})
RESTS = Plan(before="old", after="old", result={"id": "old"})


@pytest.mark.parametrize(
    ("plan", "check", "applied", "changed", "diff", "id_"),
    [
        pytest.param(ACTS, False, 1, True, {"before": "old", "after": "new"}, "new", id="acts"),
        pytest.param(ACTS, True, 0, True, {"before": "old", "after": "new"}, "old", id="acts, check mode"),
        pytest.param(TENDS, False, 1, False, {}, "new", id="upkeep is no change"),
        pytest.param(TENDS, True, 0, False, {}, "old", id="upkeep, check mode"),
        pytest.param(RESTS, False, 0, False, {}, "old", id="nothing to do"),
        pytest.param(RESTS, True, 0, False, {}, "old", id="nothing to do, check mode"),
    ],
)
def test_run(
    capsys: pytest.CaptureFixture[str],
    plan: Plan,
    check: bool,
    applied: int,
    changed: bool,
    diff: dict[str, str],
    id_: str,
) -> None:
    operation = Recorded(plan)
    found = outcome(operation, capsys, check=check)
    assert operation.applied == [plan] * applied
    assert (found["changed"], found["diff"], found["id"]) == (changed, diff, id_)
    assert found["actions"] == list(plan.actions)


@pytest.mark.parametrize(("check", "told"), [(False, ["one", "two"]), (True, ["one"])])
def test_what_is_found_while_acting_is_told_too(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, check: bool, told: list[str]
) -> None:
    warned: list[str] = []
    monkeypatch.setattr(AnsibleModule, "warn", lambda _self, text: warned.append(text))
    outcome(Recorded(replace(ACTS, warnings=["one"]), found=["one", "two"]), capsys, check=check)
    assert warned == told


def test_an_error_fails_the_module_with_its_details(capsys: pytest.CaptureFixture[str]) -> None:
    operation = Recorded(ACTS, PlatformError("no answer", node="worker1"))
    found = outcome(operation, capsys)
    assert (found["failed"], found["msg"], found["node"]) == (True, "no answer", "worker1")
    assert operation.applied == []


def test_warnings_are_shown(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[str] = []
    monkeypatch.setattr(AnsibleModule, "warn", lambda _module, text: shown.append(text))
    outcome(Recorded(Plan(warnings=["a tag"])), capsys)
    assert shown == ["a tag"]
