"""A job that is followed while it works."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
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
        ("null", None, ""),
        ("[]", None, ""),
        ('"x"', None, ""),
        ("3 of 3", None, ""),
    ],
)
def test_parse_job(output: str, data: dict[str, Any] | None, text: str) -> None:
    assert background.parse_job(output) == (data, text)


class Task:
    async_val = 0


class Action:
    """Answers as a target would, one look after the other."""

    def __init__(self, *looks: str, lives: str = "") -> None:
        self._task = Task()
        self.looks = list(looks)
        self.lives = list(lives)
        self.removed = ""

    def _execute_module(self, *_: Any, **__: Any) -> dict[str, Any]:
        assert self._task.async_val > 0
        return {"ansible_job_id": "j1.77", "results_file": "/root/j 1"}

    def _low_level_execute_command(self, command: str) -> dict[str, Any]:
        if command.startswith("rm"):
            self.removed = command
            return {"stdout": ""}
        if "grep" in command:
            return {"stdout": "", "rc": int(self.lives.pop(0))}
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


class Shell(Action):
    """A machine on which there is little."""

    def __init__(self, folder: Path) -> None:
        self.path = folder
        for program in ("cat", "tr", "grep"):
            (folder / program).symlink_to(shutil.which(program) or "")

    def _low_level_execute_command(self, command: str) -> dict[str, Any]:
        return {"rc": subprocess.run(["/bin/sh", "-c", command], env={"PATH": str(self.path)}, check=False).returncode}


def test_whether_a_job_lives(tmp_path: Path) -> None:
    shell = Shell(tmp_path)
    words = [sys.executable, "-c", "import time; time.sleep(60)", "/x/async_wrapper.py", "j1", "86400"]
    with subprocess.Popen(words) as job:
        assert background._lives(shell, "j1.77")
        assert not background._lives(shell, "j.77")
        job.kill()
    assert not background._lives(shell, "j1.77")


@pytest.mark.parametrize(
    ("looks", "lives", "expected"),
    [
        # Killed: its result file says that it has begun, is empty, or is gone.
        ([STARTED + "1 of 3"] * 4, "11", "after it had told: 1 of 3"),
        ([""] * 4, "11", "swarm_stack was killed on the target. The next run"),
        (["null"] * 4, "11", "swarm_stack was killed on the target. The next run"),
        # It ended while it was asked for; a process is seen again; nobody can say.
        ([STARTED, STARTED, '{"changed": true}'], "1", ""),
        ([STARTED] * 8 + ['{"changed": true}'], "1010", ""),
        ([STARTED] * 8 + ['{"changed": true}'], ["127"] * 4, ""),
    ],
)
def test_a_job_that_is_dead_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch, looks: list[str], lives: str, expected: str
) -> None:
    monkeypatch.setattr(background, "PAUSE_SECONDS", 0)
    monkeypatch.setattr(background, "LOOKS_A_CHECK", 2)
    action = Action(*looks, lives=lives)
    done = background.run_followed(action, "swarm_stack", {}, {}, progress="/p", show=lambda _seconds, _text: None)
    assert bool(done.get("failed")) is bool(expected)
    assert expected in done.get("msg", "")
    assert action.removed == "rm -f '/root/j 1' /p"
    assert action.looks == []
