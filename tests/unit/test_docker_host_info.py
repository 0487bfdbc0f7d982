# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The look at a docker host: the controller's half, and the module's first lines."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar

from ansible_collections.fungap.swarm.plugins.action.docker_host_info import ActionModule
from ansible_collections.fungap.swarm.plugins.modules import docker_host_info

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


def test_an_old_python_is_told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """By the file's first lines: in an older Python what they import can't be read."""
    monkeypatch.setattr(sys, "version_info", (3, 9, 2, "final", 0))
    monkeypatch.setitem(sys.modules, "ansible_collections.fungap.swarm.plugins.module_utils.host.info", None)
    with pytest.raises(SystemExit):
        # By itself: the collection loader of ansible-core 2.17 has runpy take it for a folder.
        exec(Path(docker_host_info.__file__).read_text(), {"__name__": "__main__"})
    told = json.loads(capsys.readouterr().out)
    assert (told["failed"], told["old_python"]) == (True, "3.9.2")
    assert told["msg"] == "Python 3.9.2 is too old, 3.10 or newer is needed"
