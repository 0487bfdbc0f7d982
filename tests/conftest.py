# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How all tests are run: what goes together, in which order, and beside what.

pytest-xdist runs groups of tests side by side in a few processes ("lanes"). Here stands what it can't know: which tests
share a platform (a group), which groups are long (they start first), which wait for the engine, and which for a quiet
machine. The process that hands out the tests also keeps the timeline.
"""

from __future__ import annotations

import gc
import os
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any

import pytest
from xdist.scheduler import LoadScopeScheduling

from . import checkout, evidence, timeline
from .engine.service import engine_answers, stop_engine, use_engine
from .quiet import Token
from .steps import LOGS, TOLD
from .waiting import SPEED, measured_slowness, wait_for

HERE = Path(__file__).resolve().parent
# The folder in which the processes of one run meet; its name is in the environment.
RUN = "FUNGAP_TEST_RUN"
# These copy the storage of a registry.
NEED_SEED = (
    *("platform", "interrupted", "monitoring", "cicd", "load"),
    *("molecule/app", "molecule/proxy", "molecule/monitoring"),
)
NEED_ENGINE = ("integration", "molecule", "platform", "monitoring", "cicd", "load", "smoke")
# What mostly waits needs no token: it runs beside whatever needs a quiet machine. So does what leaves it the CPUs.
BESIDE = ("monitoring", "lint", "sanity")
QUIET = ("test_2_hostile_clients.py", "test_2_zero_loss.py", "test_3_rollout_failures.py")
# The order in which groups start: what others wait for, then the longest, then all that are not named here.
FIRST = (
    *("engine", "lint", "unit", "platform", "interrupted", "molecule/cluster", "cicd"),
    *("molecule", "integration/swarm_stack", "integration/app_role", "integration/swarm_member", "integration/prune"),
    *("integration/cron", "integration/swarm_exporter", "integration/env_volume", "integration/proxy_config"),
    *("integration/image_catalog",),
)
# Monitoring, ansible-lint and sanity use what a quiet machine leaves idle.
LAST = ("monitoring", "load", "lint/ansible-lint", "sanity")
# Containers of a group begin with the name of these.
OWN_PLATFORMS = {
    "platform": ("site",),
    "smoke": ("site",),
    "interrupted": ("killed",),
    "load": ("load",),
    "monitoring": ("alerts",),
    "cicd": ("cicd", "ci"),
}


def stage_of(item: pytest.Item) -> str:
    return item.path.relative_to(HERE).parts[0]


def group_of(test: str) -> str:
    """Tests of a group run one after the other in one process, since they share what they bring up.

    ``test``: as pytest names it, for example ``tests/molecule/test_scenarios.py::test_scenario[app]``.
    """
    path, _, function = test.partition("::")
    _, stage, *_, file = path.split("/")
    if stage == "integration":
        return f"{stage}/{file.removeprefix('test_').removesuffix('.py')}"
    if stage in ("molecule", "lint"):
        return f"{stage}/{function.partition('[')[2].rstrip(']')}"
    return "interrupted" if file == "test_4_interrupted.py" else stage


def rank(group: str) -> tuple[int, int]:
    for half, names in ((2, LAST), (0, FIRST)):
        for place, name in enumerate(names):
            if group == name or group.startswith(f"{name}/"):
                return half, place
    return 1, 0


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: (rank(group_of(item.nodeid)), group_of(item.nodeid)))
    gc.freeze()  # the tests themselves stay to the end: the collector need not look at them again and again


class Groups(LoadScopeScheduling):  # type: ignore[misc]  # xdist carries no types
    """Gives each process a group at a time, in the order of the tests."""

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)

    def _reschedule(self, node: Any) -> None:
        """Keep groups back as long as a process has tests of its own.

        A process begins its last test only when it knows what comes next. xdist itself hands out the next group one
        test earlier, and a long one would wait behind a long test while another process is free.
        """
        if not self.workqueue or self._pending_of(self.assigned_work[node]) <= 1:
            super()._reschedule(node)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Groups:
    return Groups(config, log)


# --- in each process that runs tests ---


@pytest.fixture(scope="session")
def run_dir() -> Path:
    return Path(os.environ[RUN])


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> Iterator[None]:
    token = _token(item.config)
    timeline.take()
    item.stash[_BEGAN] = (time.time(), timeline.cpu_seconds())
    if stage_of(item) not in BESIDE and not token.is_held:
        token.take(quiet=False)
    try:
        return (yield)
    finally:
        # Not before a group's end: what began before a quiet one is finished before it, instead of after it.
        if nextitem is None or group_of(nextitem.nodeid) != group_of(item.nodeid):
            token.give_back()


_BEGAN = pytest.StashKey[tuple[float, float]]()
_TOKEN = pytest.StashKey[Token]()


def _token(config: pytest.Config) -> Token:
    return config.stash.setdefault(_TOKEN, Token(Path(os.environ[RUN])))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """What needs the engine waits until it is there with the images."""
    if stage_of(item) not in NEED_ENGINE or not any(stage_of(one) == "engine" for one in item.session.items):
        return
    for what in ("engine", "seed") if group_of(item.nodeid) in NEED_SEED else ("engine",):
        state = Path(os.environ[RUN], what)
        wait_for(f"what stage engine brings up ({what})", state.exists, 1500)
        if state.read_text() != "up":
            pytest.fail("there is no engine, or its images could not be made", pytrace=False)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    if item.path.name in QUIET:
        with timeline.span("wait: a quiet machine"):
            _token(item.config).take(quiet=True)
    return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[Any]:
    failed = call.excinfo and not call.excinfo.errisinstance(pytest.skip.Exception)
    if failed and call.when != "teardown" and stage_of(item) in NEED_ENGINE and stage_of(item) != "molecule":
        evidence.collect(item.nodeid.removeprefix("tests/"), containers_of(item.nodeid, timeline.lane()))
    if call.when == "teardown":
        began, cpu = item.stash[_BEGAN]
        used = timeline.cpu_seconds() - cpu
        row = {"began": began, "ended": time.time(), "cpu_seconds": round(used, 2), "causes": timeline.take()}
        item.user_properties += [("timeline", row), ("told", TOLD.copy())]
        TOLD.clear()
    return (yield)


# --- in the process that hands them out ---


class Overseer:
    """Keeps the slot, the engine and the timeline, and says how it goes."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.started = time.monotonic()
        self.cpu = timeline.machine_cpu()
        self.rows: list[timeline.Row] = []
        self.seconds: dict[str, float] = {}
        self.told: dict[str, list[str]] = {}
        self.engines = timeline.Engines()
        self._open = ExitStack()
        self._lock = threading.Lock()
        self._engine: IO[str] | None = None
        if needs_engine(config.args):
            self._open.enter_context(checkout.claimed())
            self._engine = self._open.enter_context(use_engine())
        self.engine_ran = engine_answers()
        os.environ[RUN] = self._open.enter_context(tempfile.TemporaryDirectory(prefix="fungap-tests-"))
        os.environ[SPEED] = f"{max(1.0, measured_slowness()):.2f}"
        os.environ.update(checkout.molecule_environment())
        os.environ.update(kept_code())

    def pytest_sessionstart(self) -> None:
        LOGS.mkdir(parents=True, exist_ok=True)
        self.engines.start()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        test = report.nodeid.removeprefix("tests/")
        self.seconds[test] = self.seconds.get(test, 0) + report.duration
        if report.failed:
            self._say(f"{test}: FAILED after {self.seconds[test]:.1f} s\n{report.longreprtext[-6000:]}")
        if report.when != "teardown":
            return
        properties: dict[str, Any] = dict(report.user_properties)
        self.told.setdefault(test.partition("/")[0], []).extend(properties.get("told", ()))
        if "timeline" not in properties:
            return
        worker = getattr(getattr(report, "node", None), "gateway", None)
        row = timeline.as_row(test, worker.id if worker else "", properties["timeline"])
        row.seconds = round(self.seconds[test], 1)
        names = containers_of(report.nodeid, row.worker)
        row.engine_cpu_seconds = round(self.engines.used(names, row.began, row.ended), 1)
        self.rows.append(row)
        if row.seconds >= timeline.SHOWN_SECONDS:
            self._say(f"{row.seconds:7.1f} s  {test}")

    def _say(self, line: str) -> None:
        reporter = self.config.pluginmanager.get_plugin("terminalreporter")
        assert reporter
        with self._lock:
            reporter.ensure_newline()
            reporter.write_line(f"{time.monotonic() - self.started:6.0f}  {line}")

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionfinish(self) -> Iterator[None]:
        self.engines.stop()
        if self._engine and not self.engine_ran and engine_answers():
            stop_engine(self._engine)
        return (yield)

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        for stage, lines in self.told.items():
            if lines:
                terminalreporter.section(stage)
                terminalreporter.write("\n".join(lines) + "\n")
        wall = time.monotonic() - self.started
        machine = {what: seconds - self.cpu[what] for what, seconds in timeline.machine_cpu().items()}
        if self.rows:
            timeline.save(self.rows, LOGS / "timeline.json")
            terminalreporter.section("where the time went")
            terminalreporter.write("\n".join(timeline.tables(self.rows, wall, machine)) + "\n")

    @pytest.hookimpl(trylast=True)
    def pytest_unconfigure(self) -> None:
        self._open.close()
        reporter = self.config.pluginmanager.get_plugin("terminalreporter")
        stats = reporter.stats if reporter else {}
        passed, failed, skipped = (
            sum(len(stats.get(kind, ())) for kind in kinds)
            for kinds in (("passed", "xpassed"), ("failed", "error"), ("skipped", "xfailed"))
        )
        print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""), flush=True)


def containers_of(test: str, worker: str) -> list[str]:
    """What the names of a test's containers begin with."""
    stage, _, part = group_of(test).partition("/")
    if stage == "integration":
        return [f"t{checkout.SLOT}-lab-{worker}-"]
    platforms = (part,) if stage == "molecule" else OWN_PLATFORMS.get(stage, ())
    return [checkout.name(platform) for platform in platforms]


def kept_code() -> dict[str, str]:
    """Settings with which Python keeps the compiled code of Ansible's modules (see tests/site)."""
    folder = LOGS.parent / "code"
    (folder / str(sys.implementation.cache_tag)).mkdir(parents=True, exist_ok=True)
    paths = [str(HERE / "site"), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {"PYTHONPATH": os.pathsep.join(paths), "FUNGAP_TEST_CODE": str(folder)}


def needs_engine(paths: Sequence[str]) -> bool:
    """Whether tests in these files and folders make containers."""
    stages = {part for path in paths for part in Path(path.partition("::")[0]).parts}
    return bool(stages & {*NEED_ENGINE, "engine"}) or not stages & {"unit", "lint", "sanity"}


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Overseer(config), "overseer")
