# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A module that goes on when the controller dies, followed while it works and for as long as it lives.

Ansible's own way, an asynchronous job, but asked for its progress by ``cat`` (10 ms) rather than by a module (300 ms).
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from shlex import quote
from typing import Any, Protocol

# Ansible kills a job then. Modules have deadlines of their own, all within it: a rollout, the rollback of it, and the
# lock before both, each of the 7 days that an inventory may allow.
LIMIT_SECONDS = 3 * 7 * 86400
PAUSE_SECONDS = 0.5
# After so many looks without a result it is asked whether the job lives.
LOOKS_A_CHECK = 10


class Action(Protocol):
    """What is used of an action plugin."""

    _task: Any

    def _execute_module(
        self, module_name: str, module_args: Mapping[str, Any], *, task_vars: Any, wrap_async: bool
    ) -> dict[str, Any]: ...

    def _low_level_execute_command(self, cmd: str) -> dict[str, Any]: ...


def run_followed(
    action: Action,
    module_name: str,
    module_args: Mapping[str, Any],
    task_vars: Any,
    *,
    progress: str,
    show: Callable[[float, str], None],
) -> dict[str, Any]:
    """Run a module as a job; return its result.

    ``progress``: the file on the target in which the module tells how far it is. ``show`` gets the seconds since the
    start and the text, whenever that changed.
    """
    action._task.async_val = LIMIT_SECONDS
    try:
        job = action._execute_module(module_name, module_args, task_vars=task_vars, wrap_async=True)
    finally:
        action._task.async_val = 0
    if job.get("failed") or "results_file" not in job:
        return job
    return follow(action, job, module_name, progress=progress, show=show)


def follow(
    action: Action,
    job: Mapping[str, Any],
    what: str,
    *,
    show: Callable[[float, str], None],
    progress: str = "",
    deadline_seconds: float = math.inf,
) -> dict[str, Any]:
    """Wait for a job; its result, or why there will be none. ``what``: it, as it stands before a colon.

    ``progress`` as above; without, ``show`` gets no text, at each look. At the deadline the job itself goes on.
    """
    start, told = time.monotonic(), ""
    files = " ".join(quote(file) for file in (job["results_file"], progress) if file)
    looks, was_gone = 0, False
    while True:
        output = action._low_level_execute_command(f"cat {files} 2>/dev/null")["stdout"]
        seconds = time.monotonic() - start
        data, text = parse_job(output)
        if text != told or not progress:
            show(seconds, text)
            told = text
        if data is not None:
            action._low_level_execute_command(f"rm -f {files}")
            if is_out_of_time(data):
                return {"failed": True, "msg": f"{what}: not done within its time, and killed{_so_far(told)}. {NEXT}"}
            return data
        looks += 1
        if looks % LOOKS_A_CHECK == 0:
            is_gone = not _lives(action, str(job.get("ansible_job_id") or ""))
            # Looked at once more after it was seen gone: its result may have come in between.
            if is_gone and was_gone:
                action._low_level_execute_command(f"rm -f {files}")
                return {"failed": True, "msg": f"{what}: killed on the target{_so_far(told)}. {NEXT}"}
            was_gone = is_gone
        if seconds > deadline_seconds:
            return {"failed": True, "msg": f"{what}: not done after {seconds:.0f} s, and goes on{_so_far(told)}"}
        time.sleep(PAUSE_SECONDS)


def shown(display: Any, name: str) -> Callable[[float, str], None]:
    """A ``show`` for the operator, the same for all that is waited for. ``name``: of that."""

    def show(seconds: float, text: str) -> None:
        for line in text.splitlines():
            display.display(f"  {name} {seconds:4.0f} s  {line}")

    return show


class Streamed:
    """A ``show`` for what prints: how it is, and each line of its output once. ``name``: of that.

    The text's first line says how it is, the others are all of its output so far.
    """

    def __init__(self, display: Any, name: str) -> None:
        self._display = display
        self._say = shown(display, name)
        self._state, self._seen = "", 0

    def __call__(self, seconds: float, text: str) -> None:
        state, *lines = text.splitlines() or [""]
        if state and state != self._state:
            self._say(seconds, state)
            self._state = state
        self.lines(lines)

    def lines(self, lines: Sequence[str]) -> None:
        """Show those that were not shown yet. ``lines``: all so far."""
        for line in lines[self._seen :]:
            self._display.display(line)
        self._seen = max(self._seen, len(lines))


NEXT = "The next run looks at what it left, and completes it"


def _so_far(told: str) -> str:
    return f", after it had told: {told}" if told else ""


def _lives(action: Action, job_id: str) -> bool:
    """Whether a process of the job is there; also where that can't be asked."""
    # In brackets, so that the shell that asks isn't found itself. Not every machine has pgrep.
    pattern = quote(f"[a]sync_wrapper.py {job_id.partition('.')[0]} ")
    answer = action._low_level_execute_command(
        f"cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' ' | grep -q {pattern}"
    )
    return bool(answer.get("rc") != 1)


def is_out_of_time(data: Mapping[str, Any]) -> bool:
    """Whether Ansible has killed a job at its limit (``async_wrapper``)."""
    return data.get("msg") == "Timeout exceeded" and "child_pid" in data


def parse_job(output: str) -> tuple[dict[str, Any] | None, str]:
    """The job's result, None while it works, and the text of its progress behind it."""
    try:
        data, end = json.JSONDecoder().raw_decode(output.lstrip())
    except ValueError:  # not written yet
        return None, ""
    if not isinstance(data, dict):  # not a result: damaged, or the progress alone, which may begin with a number
        return None, ""
    text = output.lstrip()[end:].strip()
    if data.get("started") and not data.get("finished"):
        return None, text
    return data, text
