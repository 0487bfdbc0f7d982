"""A job that is followed while it works."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.plugins.action import ActionBase

from ansible_collections.fungap.swarm.plugins.action.background_job import ActionModule as BackgroundJob
from ansible_collections.fungap.swarm.plugins.plugin_utils import background
from ansible_collections.fungap.swarm.plugins.plugin_utils.kinds.variables import KINDS

JOB = {"ansible_job_id": "j1.77", "results_file": "/root/j 1"}
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
        ([""] * 4, "11", "swarm_stack: killed on the target. The next run"),
        (["null"] * 4, "11", "swarm_stack: killed on the target. The next run"),
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


def test_a_job_that_ansible_has_killed_at_its_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background, "PAUSE_SECONDS", 0)
    killed = json.dumps({"failed": True, "msg": "Timeout exceeded", "child_pid": 7})
    action = Action(STARTED + "1 of 3", killed + "2 of 3")
    done = background.follow(action, JOB, "images", progress="/p", show=lambda _seconds, _text: None)
    assert done["failed"]
    assert "images: not done within its time, and killed, after it had told: 2 of 3. The next run" in done["msg"]
    assert action.removed
    said = {"failed": True, "msg": "Timeout exceeded"}  # in a module's own words
    assert background.follow(Action(json.dumps(said)), JOB, "images", show=lambda _s, _t: None) == said


def test_a_wait_has_its_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its job goes on, and so do its files: the wait may be begun anew."""
    clock = iter([0.0, 1.0, 29.0, 31.0])
    monkeypatch.setattr(background, "time", SimpleNamespace(monotonic=clock.__next__, sleep=lambda _seconds: None))
    action = Action(*[STARTED + "1 of 3"] * 3)
    done = background.follow(
        action, JOB, "images", progress="/p", show=lambda _seconds, _text: None, deadline_seconds=30
    )
    assert done == {"failed": True, "msg": "images: not done after 31 s, and goes on, after it had told: 1 of 3"}
    assert (action.looks, action.removed) == ([], "")


def test_no_deadline_that_an_inventory_may_set_is_cut_off() -> None:
    """Of a rollout, of its rollback, and of the wait for the lock before them."""
    longest = 7 * 86400
    for name in ("app_deadline_seconds", "app_lock_seconds", "proxy_deadline_seconds", "monitoring_deadline_seconds"):
        assert not KINDS[name].why(longest)
        assert KINDS[name].why(longest + 1)
    assert 3 * longest <= background.LIMIT_SECONDS


class Display:
    def __init__(self) -> None:
        self.lines: list[str] = []

    def display(self, line: str) -> None:
        self.lines.append(line)


def test_every_wait_is_shown_in_the_same_way(monkeypatch: pytest.MonkeyPatch) -> None:
    display = Display()
    background.shown(display, "fungap-registry")(3.4, "one\ntwo")
    assert display.lines == ["  fungap-registry    3 s  one", "  fungap-registry    3 s  two"]
    # What runs in the background beside the play, too: a rollout's own words, or how many images are pushed.
    monkeypatch.setattr(background, "PAUSE_SECONDS", 0)
    first, second = "service proxy_proxy: starting, 1 of 3 tasks run", "service proxy_proxy: running, 3 of 3 tasks run"
    looks = [STARTED, STARTED + first, STARTED + first, '{"changed": true}' + second]
    done, display = wait_for_job({**JOB, "progress": "/etc/x/.proxy.progress"}, "proxy", looks, monkeypatch)
    assert done["changed"]
    assert display.lines == [f"  proxy    0 s  {first}", f"  proxy    0 s  {second}"]


def test_what_is_printed_is_shown_once() -> None:
    said: list[str] = []
    show = background.Streamed(SimpleNamespace(display=said.append), "web")
    show(1, "running on worker1")
    show(2, "running on worker1\none\ntwo")
    show(3, "done on worker1\none\ntwo\nthree")
    show.lines(["one", "two", "three", "four"])
    show(4, "")
    assert said == ["  web    1 s  running on worker1", "one", "two", "  web    3 s  done on worker1", "three", "four"]


def test_a_job_that_tells_nothing_is_said_to_be_at_work(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 1.0, 16.0, 17.0, 40.0])
    monkeypatch.setattr(background, "time", SimpleNamespace(monotonic=clock.__next__, sleep=lambda _seconds: None))
    _done, display = wait_for_job(JOB, "it", [STARTED] * 3 + ['{"changed": true}'], monkeypatch)
    assert display.lines == ["  it   16 s  at work", "  it   40 s  at work"]


def wait_for_job(
    job: dict[str, Any], what: str, looks: list[str], monkeypatch: pytest.MonkeyPatch
) -> tuple[dict[str, Any], Display]:
    """The module background_job on a target that answers so."""
    target, display = Action(*looks), Display()
    action = object.__new__(BackgroundJob)
    action._display, action._task = display, Task()
    monkeypatch.setattr(ActionBase, "run", lambda *_args, **_more: {})
    params = {"job": job, "what": what, "deadline_seconds": 1800}
    monkeypatch.setattr(BackgroundJob, "validate_argument_spec", lambda *_args, **_more: (None, params))
    monkeypatch.setattr(
        BackgroundJob, "_low_level_execute_command", lambda _self, cmd: target._low_level_execute_command(cmd)
    )
    return action.run(), display
