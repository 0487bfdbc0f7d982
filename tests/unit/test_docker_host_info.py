# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The controller's half of the look at a docker host."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar

from ansible_collections.fungap.swarm.plugins.action.docker_host_info import ActionModule

try:
    from ansible.template import trust_as_template
except ImportError:  # before ansible-core 2.19

    def trust_as_template(text: str) -> str:
        return text


@pytest.mark.parametrize(
    ("template", "args", "failed"),
    [
        ("/run/{{ name }}", {"trees": ["/run/x"]}, None),
        ("{{ 'hunter2' | from_json }}", None, "trees can't be resolved"),
        ("{{ 'hunter2' ", None, "trees can't be resolved"),
        ("/run/hunter2/{{ nobody }}", None, "trees can't be resolved"),
    ],
)
def test_a_variable_that_fails_is_told_without_its_template(
    monkeypatch: pytest.MonkeyPatch, template: str, args: dict[str, Any] | None, failed: str | None
) -> None:
    started: list[dict[str, Any]] = []

    def execute(_self: ActionModule, module_args: dict[str, Any], **_more: Any) -> dict[str, Any]:
        started.append({key: value for key, value in module_args.items() if key != "digest_key"})
        return {}

    monkeypatch.setattr(ActionModule, "_execute_module", execute)
    variables = {"wanted": [trust_as_template(template)], "name": "x"}
    task = SimpleNamespace(args={"variables": {"trees": "wanted"}}, async_val=0, check_mode=False, diff=False)
    action = ActionModule.__new__(ActionModule)
    action._task, action._templar = task, Templar(loader=DataLoader(), variables=variables)
    monkeypatch.setattr("ansible.plugins.action.ActionBase.run", lambda *_args, **_more: {})
    found = action.run(task_vars=variables)
    assert started == ([args] if args else [])
    assert found.get("msg") == failed
    assert "hunter2" not in repr(found)
