"""A job that is followed while it works."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ansible_collections.fungap.swarm.plugins.plugin_utils import background

STARTED = json.dumps({"started": 1, "finished": 0, "ansible_job_id": "j1"})


@pytest.mark.parametrize(
    ("output", "data", "text"),
    [
        ("", None, ""),
        (STARTED, None, ""),
        (STARTED + "service web: 1 of 3", None, "service web: 1 of 3"),
        (
            '{"changed": true, "finished": true}\nservice web: 3 of 3\n',
            {"changed": True, "finished": True},
            "service web: 3 of 3",
        ),
        ('{"failed": true, "msg": "it {died}"}', {"failed": True, "msg": "it {died}"}, ""),
    ],
)
def test_parse_job(output: str, data: dict[str, Any] | None, text: str) -> None:
    assert background.parse_job(output) == (data, text)


class Task:
    async_val = 0


class Action:
    """Answers as a target would, one look after the other."""

    def __init__(self, *looks: str) -> None:
        self._task = Task()
        self.looks = list(looks)
        self.removed = ""

    def _execute_module(self, *_: Any, **__: Any) -> dict[str, Any]:
        assert self._task.async_val > 0
        return {"ansible_job_id": "j1", "results_file": "/root/j 1"}

    def _low_level_execute_command(self, command: str) -> dict[str, Any]:
        if command.startswith("rm"):
            self.removed = command
            return {"stdout": ""}
        return {"stdout": self.looks.pop(0)}


def test_a_job_is_followed_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background, "PAUSE_SECONDS", 0)
    action = Action(STARTED, STARTED + "1 of 3", STARTED + "1 of 3", STARTED + "2 of 3", '{"changed": true}3 of 3')
    told: list[str] = []
    done = background.run_followed(
        action, "module", {}, {}, progress="/p", show=lambda _seconds, text: told.append(text)
    )
    assert done == {"changed": True}
    assert told == ["1 of 3", "2 of 3", "3 of 3"]
    assert action.removed == "rm -f '/root/j 1' /p"
    assert action._task.async_val == 0
