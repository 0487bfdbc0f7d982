# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where the time of a test run goes.

Within a test, ``span`` times what it waits for and ``playbook`` the roles of each ansible-playbook. The process that
hands out the tests adds up what they report, with the CPU that they and their engines used. It writes
``.cache/test-logs/timeline.json`` and the tables at the end of a run.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import docker

SHOWN_SECONDS = 5
SHOWN_CAUSES = 10
SAMPLE_SECONDS = 2


# --- within a test ---


class _Stopwatch:
    """Seconds by cause. Of nested spans each counts only what the inner ones leave."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self._inner: list[float] = []

    @contextmanager
    def span(self, cause: str) -> Iterator[None]:
        began = time.monotonic()
        self._inner.append(0)
        try:
            yield
        finally:
            lasted = time.monotonic() - began
            self.seconds[cause] += max(lasted - self._inner.pop(), 0)
            if self._inner:
                self._inner[-1] += lasted

    def add(self, cause: str, seconds: float) -> None:
        """Book seconds of the innermost open span on a cause of their own."""
        self.seconds[cause] += seconds
        if self._inner:
            self._inner[-1] += seconds


_stopwatch = _Stopwatch()
span = _stopwatch.span


def take() -> dict[str, float]:
    """Seconds by cause since the last call."""
    found = {cause: round(seconds, 2) for cause, seconds in _stopwatch.seconds.items() if seconds >= 0.05}
    _stopwatch.seconds.clear()
    return found


class Playbook:
    """Times an ansible-playbook by its roles. ``environment``: what it needs to be run with."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._folder = Path(tempfile.mkdtemp(prefix="phases-"))
        self.environment = {
            "FUNGAP_PHASES_FILE": str(self._folder),
            "ANSIBLE_CALLBACKS_ENABLED": "fungap.swarm.phases,fungap.swarm.prefork",
        }

    @contextmanager
    def awaited(self) -> Iterator[None]:
        """While a test waits for its end."""
        try:
            with span(f"{self.name}: start of Ansible"):
                yield
                for file in self._folder.iterdir():
                    with suppress(ValueError):  # of a run that was killed
                        for task in json.loads(file.read_text()):
                            _stopwatch.add(f"{self.name}: {task['phase'] or task['task']}", task["seconds"])
        finally:
            shutil.rmtree(self._folder, ignore_errors=True)


@contextmanager
def playbook(name: str) -> Iterator[dict[str, str]]:
    """Time an ansible-playbook that runs meanwhile. Yields its environment."""
    run = Playbook(name)
    with run.awaited():
        yield run.environment


def lane() -> str:
    """The name that xdist gives to this process; empty without xdist."""
    return os.environ.get("PYTEST_XDIST_WORKER", "")


_elsewhere: list[float] = []
used_elsewhere = _elsewhere.append  # CPU seconds that another process used for this one


def cpu_seconds() -> float:
    """The CPU that this process and its ended children have used, and others for it."""
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system + sum(_elsewhere)


def children_cpu(process: int) -> float:
    """The CPU seconds of a process' ended children (``cutime`` and ``cstime`` in proc_pid_stat(5))."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[13:15])) / os.sysconf("SC_CLK_TCK")


# --- the whole run ---


@dataclass
class Row:
    """A test: its wall time, the CPU of its own processes and of its containers, and seconds by cause."""

    test: str
    worker: str
    began: float
    ended: float
    seconds: float = 0
    cpu_seconds: float = 0
    engine_cpu_seconds: float = 0
    causes: dict[str, float] = field(default_factory=dict)


class Engines(threading.Thread):
    """Reads what every container of this machine has used of the CPU, as long as tests run; cgroup v1 and v2."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.samples: list[tuple[float, str, float]] = []  # when, container's name, CPU seconds since the last one
        self._names: dict[str, str] = {}
        self._used: dict[str, float] = {}
        self._enough = threading.Event()

    def run(self) -> None:
        while not self._enough.wait(SAMPLE_SECONDS):
            now = time.time()
            for container, used in _container_cpu().items():
                before = self._used.get(container, 0.0)
                if used < before:  # it was started anew, and counts from nothing
                    before = 0.0
                self._used[container] = used
                self.samples.append((now, self._name_of(container), used - before))

    def stop(self) -> None:
        self._enough.set()

    def _name_of(self, container: str) -> str:
        if container not in self._names:
            try:
                engine = docker.APIClient("unix:///var/run/docker.sock", version="auto", timeout=5)
                self._names[container] = engine.inspect_container(container)["Name"].lstrip("/")
            except (OSError, docker.errors.DockerException):
                self._names[container] = "a build's"
        return self._names[container]

    def used(self, prefixes: Iterable[str], began: float, ended: float) -> float:
        """CPU seconds of the containers whose names begin so, within a time."""
        wanted = tuple(prefixes)
        return sum(used for when, name, used in self.samples if began <= when <= ended and name.startswith(wanted))


def _container_cpu() -> dict[str, float]:
    """Container -> CPU seconds, its own containers' too."""
    root, found = Path("/sys/fs/cgroup"), {}
    if not (root / "cgroup.controllers").exists():
        for file in root.glob("cpu*/docker/*/cpuacct.usage"):
            with suppress(OSError):
                found[file.parent.name] = int(file.read_text()) / 1e9
        return found
    # Where the engine's cgroup driver puts them: cgroupfs, systemd.
    for file in (*root.glob("docker/*/cpu.stat"), *root.glob("system.slice/docker-*.scope/cpu.stat")):
        with suppress(OSError, ValueError):
            container = file.parent.name.removeprefix("docker-").removesuffix(".scope")
            found[container] = int(file.read_text().split()[1]) / 1e6
    return found


def save(rows: Iterable[Row], file: Path) -> None:
    file.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n")


def causes(rows: Iterable[Row]) -> list[tuple[str, float, int]]:
    """Cause, seconds in all, in how many tests; the most expensive first."""
    seconds: defaultdict[str, float] = defaultdict(float)
    tests: defaultdict[str, int] = defaultdict(int)
    for row in rows:
        for cause, lasted in row.causes.items():
            seconds[cause] += lasted
            tests[cause] += 1
    return sorted(((cause, lasted, tests[cause]) for cause, lasted in seconds.items()), key=lambda one: -one[1])


def tables(rows: Iterable[Row], wall_seconds: float, machine: Mapping[str, float]) -> Iterator[str]:
    """Lines for a person. ``machine``: CPU seconds of the whole machine, by what they were used for."""
    all_rows = list(rows)
    yield "seconds  CPU tests  CPU engines  test, and what it waited for"
    for row in sorted(all_rows, key=lambda row: -row.seconds):
        if row.seconds < SHOWN_SECONDS:
            break
        longest = sorted(row.causes.items(), key=lambda one: -one[1])[:2]
        waits = "; ".join(f"{cause} {lasted:.0f} s" for cause, lasted in longest if lasted >= 1)
        yield f"{row.seconds:7.1f} {row.cpu_seconds:10.1f} {row.engine_cpu_seconds:12.1f}  {row.test}  ({waits})"
    yield ""
    yield "seconds  tests  the most expensive causes"
    for cause, lasted, count in causes(all_rows)[:SHOWN_CAUSES]:
        yield f"{lasted:7.1f} {count:6}  {cause}"
    yield ""
    busy = ", ".join(f"{what} {seconds:.0f} s" for what, seconds in machine.items())
    yield f"in all {wall_seconds:.0f} s; CPU: {busy}"


def machine_cpu() -> dict[str, float]:
    """CPU seconds of this machine since its start: used, and idle."""
    numbers = [int(one) / os.sysconf("SC_CLK_TCK") for one in Path("/proc/stat").read_text().split("\n")[0].split()[1:]]
    idle = numbers[3] + numbers[4]
    return {"used": sum(numbers[:8]) - idle, "idle": idle}


def as_row(test: str, worker: str, report: Mapping[str, Any]) -> Row:
    """A test's row from what its process reports."""
    return Row(test=test, worker=worker, **report)
