"""Programs that tests run: with a log of their own, a limit, and the lines that say why they failed."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from .waiting import patience

ROOT = Path(__file__).resolve().parents[1]
LOGS = ROOT / ".cache" / "test-logs"
CAUSE_LINES = 12
LEAST = 19  # niceness of what leaves the CPUs to all else
# What tests say at the end of their run, also when all is well.
TOLD: list[str] = []


def tell(text: str) -> None:
    """Say something now (pytest -s) and at the end of the run."""
    print(text, flush=True)
    TOLD.append(text)


def run_step(
    name: str,
    command: Sequence[str | Path],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path = ROOT,
    limit_seconds: float = 900,
    gives_way: bool = False,
) -> None:
    """Run a command that has to succeed. Its output is in ``.cache/test-logs/<name>.log``.

    ``gives_way``: it leaves the CPUs to everything else.
    """
    LOGS.mkdir(parents=True, exist_ok=True)
    log = LOGS / f"{name}.log"
    with log.open("wb") as output:
        output.write(f"$ {' '.join(map(str, command))}\n".encode())
        output.flush()
        child = subprocess.Popen(
            ["nice", "-n", str(LEAST), *command] if gives_way else command,
            cwd=cwd,
            env={**os.environ, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        if gives_way:
            weigh_session(child.pid)
        try:
            code = child.wait(limit_seconds * patience())
        except BaseException:  # its time is up, or the tests are being stopped: nothing of it may stay
            end(child)
            raise
    if code:
        lines = log.read_text(errors="replace").splitlines()
        raise AssertionError("\n".join([f"{name} ended with {code}:", *causes(lines), f"whole output: {log}"]))


def weigh_session(process: int, niceness: int = LEAST) -> None:
    """Have the scheduler weigh a session by the niceness of its processes, which otherwise counts within it alone.

    It is a wish: some kernels have no such groups (sched(7), autogroup), and refuse too many wishes of a second.
    """
    if niceness:
        with suppress(OSError):
            Path(f"/proc/{process}/autogroup").write_text(str(niceness))


def end(child: subprocess.Popen[bytes]) -> None:
    """End a program with all that it started: politely, so that it can clean up, then not."""
    for wanted, grace_seconds in ((signal.SIGINT, 30), (signal.SIGKILL, 5)):
        try:
            os.killpg(child.pid, wanted)
            child.wait(grace_seconds)
            return
        except (ProcessLookupError, PermissionError):
            return
        except subprocess.TimeoutExpired:
            continue


def causes(lines: Sequence[str]) -> Sequence[str]:
    """The lines of a tool's output that say why it failed.

    What Ansible gives as its error, then the verdicts on tests, tasks and files, then pytest's own lines.
    """
    told = dict.fromkeys(
        line[:600]
        for pattern in (r"(E +)?\[ERROR\]: ", r"FAILED |ERROR |fatal: |failed: |CRITICAL|stopped: ", r"E {2,}\S")
        for line in lines
        if re.match(pattern, line)
    )
    return list(told)[:CAUSE_LINES] or [line[:300] for line in lines[-CAUSE_LINES:]]
