# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Run the stages of `make test`: all, or those named as arguments. The last line of output is the sum.

Two lanes run side by side, since what needs an engine mostly waits: one brings the engine and the images up, the other
lints and runs the quick tests; whichever is free takes the next of what needs the engine, the longest first. What is
timed, and what is measured under load, comes last, alone. Every step's output is in .cache/test-logs; a failed one's
last lines are shown.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parents[1]
LOGS = ROOT / ".cache" / "test-logs"
STAGES = (
    *("lint", "unit", "sanity", "install", "engine"),
    *("integration", "molecule", "platform", "monitoring", "cicd", "load"),
)
NEED_ENGINE = {"integration", "molecule", "platform", "monitoring", "cicd", "load"}
TAIL_LINES = 60
CAUSE_LINES = 12
# What needs an engine makes containers, folders in /run and the like.
AS_ROOT = [] if os.geteuid() == 0 else ["sudo", "--preserve-env", "--set-home", "env", f"PATH={os.environ['PATH']}"]


@dataclass(frozen=True)
class Result:
    """What one step says: a tool or a scenario counts as one test, pytest's tests each."""

    stage: str
    step: str
    seconds: float
    passed: int = 0
    failed: int = 0
    skipped: tuple[str, ...] = ()
    causes: tuple[str, ...] = ()


class Runner:
    """Runs steps, one child process each, and keeps their results."""

    def __init__(self) -> None:
        self.results: list[Result] = []
        self.engine_is_up = False
        self.engine_was_tried = threading.Event()
        self._lock = threading.Lock()
        self._children: set[subprocess.Popen[bytes]] = set()
        self._stopping = False

    def step(
        self,
        stage: str,
        step: str,
        command: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        cwd: Path = ROOT,
        junit: Path | None = None,
        limit_seconds: float = 1500,
    ) -> bool:
        """Run a command; return whether it passed. ``junit``: the report it writes, whose tests count one by one."""
        log = LOGS / f"{stage}-{step.replace(' ', '-')}.log"
        start = time.monotonic()
        with log.open("wb") as output:
            output.write(f"$ {' '.join(command)}\n".encode())
            output.flush()
            code = self._run_child(command, {**os.environ, **(env or {})}, cwd, output, limit_seconds)
        result = _result(stage, step, time.monotonic() - start, code, junit)
        if result.failed:
            result = replace(result, causes=_causes(log.read_text(errors="replace").splitlines()))
        self.add(result, log)
        return result.failed == 0

    def add(self, result: Result, log: Path | None = None) -> None:
        """Keep a result and say it."""
        with self._lock:
            self.results.append(result)
            verdict = "FAILED" if result.failed else "ok"
            print(f"{result.stage + ': ' + result.step:<40} {verdict:<7}{result.seconds:7.1f} s", flush=True)
            if result.failed and log:
                lines = log.read_text(errors="replace").splitlines()
                print("\n".join(f"    | {line}" for line in lines[-TAIL_LINES:]))
                print(f"    whole output: {log.relative_to(ROOT)}", flush=True)

    def _run_child(
        self, command: Sequence[str], env: Mapping[str, str], cwd: Path, output: BinaryIO, limit_seconds: float
    ) -> int:
        with self._lock:
            if self._stopping:
                return 1
            try:
                child = subprocess.Popen(
                    command,
                    cwd=cwd,
                    env=dict(env),
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            except OSError as error:
                output.write(f"{error}\n".encode())
                return 127
            self._children.add(child)
        try:
            return child.wait(limit_seconds)
        except subprocess.TimeoutExpired:
            _kill(child)
            output.write(f"\nstopped: not done after {limit_seconds:.0f} s\n".encode())
            return 124
        finally:
            self._children.discard(child)

    def stop(self) -> None:
        """End what still runs, start nothing more."""
        with self._lock:
            self._stopping = True
            for child in list(self._children):
                _kill(child)


def _kill(child: subprocess.Popen[bytes]) -> None:
    """End a step with all that it started: politely, so that fixtures can clean up, then not."""
    for wanted, grace_seconds in ((signal.SIGINT, 30), (signal.SIGKILL, 5)):
        try:
            os.killpg(child.pid, wanted)
            child.wait(grace_seconds)
            return
        except (ProcessLookupError, PermissionError):
            return
        except subprocess.TimeoutExpired:
            continue


def _result(stage: str, step: str, seconds: float, code: int, junit: Path | None) -> Result:
    if junit is None:
        return Result(stage, step, seconds, passed=int(code == 0), failed=int(code != 0))
    try:
        suites = list(ElementTree.parse(junit).getroot().iter("testsuite"))
    except (OSError, ElementTree.ParseError):
        return Result(stage, step, seconds, failed=1)
    total, failed, skipped = (
        sum(int(suite.get(key, 0)) for suite in suites) for key in ("tests", "failures", "skipped")
    )
    failed += sum(int(suite.get("errors", 0)) for suite in suites)
    reasons = tuple(
        f"{case.get('classname')}::{case.get('name')}: {mark.get('message')}"
        for suite in suites
        for case in suite.iter("testcase")
        for mark in case.iter("skipped")
    )
    # pytest can fail with no test failed (a broken conftest), and without any test at all.
    return Result(stage, step, seconds, max(total - failed - skipped, 0), max(failed, int(code != 0)), reasons)


def _causes(lines: Sequence[str]) -> tuple[str, ...]:
    """The lines that say why, of a tool's output: for the end of the run, which is what one sees of it.

    What Ansible gives as its error, then the verdicts on tests, tasks and files, then pytest's own lines.
    """
    told = dict.fromkeys(
        line[:600]
        for pattern in (r"(E +)?\[ERROR\]: ", r"FAILED |ERROR |fatal: |failed: |CRITICAL|stopped: ", r"E {2,}\S")
        for line in lines
        if re.match(pattern, line)
    )
    return tuple(told)[:CAUSE_LINES] or tuple(line[:300] for line in lines[-CAUSE_LINES:])


# --- the stages ---

Stage = Callable[[Runner], None]


def lint(runner: Runner) -> None:
    programs = ["bin/dashboards.py", "bin/docs.py", "bin/promises.py", "bench/run.py"]
    tools = ["tests/run.py", "tests/load/client.py", "tests/vm/run.py", "tests/vm/ipvs.py", *programs]
    for step, command in {
        "ruff check": ["ruff", "check", "--quiet", "."],
        "ruff format": ["ruff", "format", "--check", "--quiet", "."],
        "yamllint": ["yamllint", "--strict", "."],
        "mypy": ["mypy"],
        "mypy tools": ["mypy", *tools],
        "changelog": ["antsibull-changelog", "lint"],
        "ansible-lint": ["ansible-lint", "--offline", "--nocolor"],
    }.items():
        runner.step("lint", step, command)


def unit(runner: Runner) -> None:
    _pytest(runner, "unit", "tests/unit")


def sanity(runner: Runner) -> None:
    """ansible-test, which refuses a link, on a real copy of what ships."""
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    _provide_get_pip()
    with tempfile.TemporaryDirectory(prefix="fungap-sanity-") as folder:
        copy = _build_and_install(runner, "sanity", Path(folder))
        if copy:
            (copy / "tests").mkdir()
            for settings in ("config.yml", "sanity"):
                if (ROOT / "tests" / settings).exists():
                    subprocess.run(["cp", "-r", ROOT / "tests" / settings, copy / "tests"], check=True)
            command = ["ansible-test", "sanity", "--python", python, "--color", "no"]
            runner.step("sanity", "ansible-test", command, cwd=copy)


def install(runner: Runner) -> None:
    """The collection as its users get it: built, installed elsewhere, used from there."""
    with tempfile.TemporaryDirectory(prefix="fungap-install-") as folder:
        installed = _build_and_install(runner, "install", Path(folder))
        if not installed:
            return
        env = {"ANSIBLE_COLLECTIONS_PATH": folder, "ANSIBLE_CONFIG": f"{folder}/ansible.cfg"}
        shipped = {str(path.relative_to(installed)) for path in installed.rglob("*") if path.is_file()}
        strays = sorted(shipped - _own_files() - {"MANIFEST.json", "FILES.json"})
        runner.step(
            "install", "contents", ["sh", "-c", 'echo "ships what git does not know: $*"; exit $#', "sh", *strays]
        )
        runner.step("install", "readme", ["test", "-s", str(installed / "README.md")])
        modules = [f"fungap.swarm.{path.stem}" for path in sorted((installed / "plugins" / "modules").glob("[!_]*.py"))]
        runner.step("install", "ansible-doc", ["ansible-doc", "--type", "module", *modules], env=env, cwd=Path(folder))
        inventory = str(installed / "inventories" / "local")
        command = ["ansible-playbook", "--syntax-check", "-i", inventory, "fungap.swarm.site"]
        runner.step("install", "syntax-check", command, env=env, cwd=Path(folder))


def _build_and_install(runner: Runner, stage: str, folder: Path) -> Path | None:
    (folder / "ansible.cfg").touch()
    build = f"ansible-galaxy collection build --output-path {folder}"
    # With an empty configuration: by the checkout's own, the collection is there already.
    install = (
        f"ANSIBLE_CONFIG={folder}/ansible.cfg ansible-galaxy collection install --no-deps -p {folder} {folder}/*.tar.gz"
    )
    if not runner.step(stage, "build", ["sh", "-c", f"{build} && {install}"]):
        return None
    return folder / "ansible_collections" / "fungap" / "swarm"


def engine(runner: Runner) -> None:
    """An engine on this machine, if none runs, and the catalog's images in it, by the collection's own means."""
    playbook = [*AS_ROOT, "ansible-playbook", "-i", "inventories/local"]
    if not engine_answers() and not runner.step("engine", "engine", [*playbook, "playbooks/engine.yml"]):
        return
    if runner.step("engine", "images", [*playbook, "playbooks/images.yml"]):
        runner.engine_is_up = True


def integration(runner: Runner) -> None:
    _pytest(runner, "integration", "tests/integration", prefix=AS_ROOT)


def molecule(runner: Runner) -> None:
    chosen = os.environ.get("SCENARIOS", "").split()
    for scenario in chosen or [name for name in _scenarios() if name != "platform"]:
        _molecule(runner, "molecule", scenario)


def platform(runner: Runner) -> None:
    _molecule(runner, "platform", "platform")


def monitoring(runner: Runner) -> None:
    """From a cause to its alert in Slack, and every dashboard's queries; seconds and numbers of series are shown."""
    _pytest(runner, "monitoring", "tests/monitoring", prefix=AS_ROOT)
    _show_section("monitoring")


def cicd(runner: Runner) -> None:
    """From a push to an answer over HTTPS; the seconds of each step are shown."""
    _pytest(runner, "cicd", "tests/cicd", prefix=AS_ROOT)
    _show_section("cicd")


def load(runner: Runner) -> None:
    """Requests sent and answered while a platform is changed, and while it fails; the counts are shown."""
    _pytest(runner, "load", "tests/platform", prefix=AS_ROOT)
    log = (LOGS / "load-pytest.log").read_text(errors="replace")
    print("".join(line for line in log.splitlines(keepends=True) if line.startswith("load: ")), flush=True)


def _show_section(stage: str) -> None:
    """What pytest was told to say at its end, in a section of the stage's name."""
    log = (LOGS / f"{stage}-pytest.log").read_text(errors="replace")
    pattern = rf".*^=+ {stage} =+\n(.*?)^=+ .*|.*"
    print(re.sub(pattern, r"\1", log, count=1, flags=re.DOTALL | re.MULTILINE), flush=True)


def _pytest(runner: Runner, stage: str, folder: str, prefix: Sequence[str] = ()) -> None:
    junit = LOGS / f"{stage}.xml"
    junit.unlink(missing_ok=True)
    command = [*prefix, "pytest", "-q", "-ra", "--color=no", "--durations=10", f"--junitxml={junit}", folder]
    runner.step(stage, "pytest", command, junit=junit, limit_seconds=2700)


def _scenarios() -> list[str]:
    return [path.parent.name for path in sorted((ROOT / "molecule").glob("*/molecule.yml"))]


def _molecule(runner: Runner, stage: str, scenario: str) -> None:
    # Molecule makes an ansible.cfg of its own. Its working folder is by default the same for all checkouts of one name,
    # and a link that another one left, which is there no more, ends it.
    folder = f"MOLECULE_EPHEMERAL_DIRECTORY={LOGS.parent / 'molecule' / scenario}"
    command = [*AS_ROOT, "env", "-u", "ANSIBLE_CONFIG", folder, "molecule", "test", "--scenario-name", scenario]
    env = {"ANSIBLE_FORCE_COLOR": "0", "NO_COLOR": "1", "PY_COLORS": "0"}
    # The platform's scenario brings it up more than twenty times.
    runner.step(stage, scenario, command, env=env, limit_seconds=2700 if scenario == "platform" else 1500)


def _own_files() -> set[str]:
    """The tree's files that git knows or would take."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    return set(subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\0"))


def _provide_get_pip() -> None:
    """ansible-test would download a script from a place that no package mirror has; Python carries pip itself."""
    script = Path.home() / ".ansible" / "test" / "cache" / "get_pip_24_2.py"
    if not script.exists():
        script.parent.mkdir(parents=True, exist_ok=True)
        script.write_text(
            "import subprocess, sys\n"
            'python = [sys.executable, "-m"]\n'
            'subprocess.check_call([*python, "ensurepip"])\n'
            'subprocess.check_call([*python, "pip", "install", "--disable-pip-version-check", "pip==24.2"])\n'
        )


# --- the engine that was there or wasn't ---


def engine_answers() -> bool:
    command = [*AS_ROOT, sys.executable, "-c", "import docker; docker.DockerClient('unix:///run/docker.sock').ping()"]
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


def stop_engine() -> None:
    """Stop the engine that the tests started."""
    if Path("/run/systemd/system").is_dir():
        subprocess.run([*AS_ROOT, "systemctl", "stop", "docker.socket", "docker.service"], check=False)
        return
    pid_file = Path("/run/docker.pid")
    if pid_file.exists():
        pid = pid_file.read_text().strip()
        subprocess.run([*AS_ROOT, "kill", "-TERM", pid], check=False)
        for _ in range(300):
            if not pid_file.exists():
                return
            time.sleep(0.1)
        print(f"the engine that the tests started (pid {pid}) has not stopped after 30 s")


# --- all together ---


def in_turn(lane: Sequence[Stage], shared: deque[Stage]) -> Iterator[Stage]:
    """A lane's own stages, then what no lane has taken yet."""
    yield from lane
    with suppress(IndexError):
        while True:
            yield shared.popleft()


def run_lane(runner: Runner, lane: Iterable[Stage], chosen: Sequence[str]) -> None:
    for stage in lane:
        name = stage.__name__
        if name not in chosen:
            continue
        if name in NEED_ENGINE:
            runner.engine_was_tried.wait()
            if not runner.engine_is_up:
                runner.add(Result(name, "no engine", 0, failed=1))
                continue
        try:
            stage(runner)
        except Exception as error:  # a stage that can't even start is a failed test, not the end of the others
            print(f"{name}: {type(error).__name__}: {error}")
            runner.add(Result(name, "could not run", 0, failed=1))
        finally:
            if name == "engine":
                runner.engine_was_tried.set()


def summarize(runner: Runner, seconds: float) -> int:
    """Print the table and the sum; return the number of failures."""
    results = sorted(runner.results, key=lambda result: STAGES.index(result.stage))
    print("\nstage                                     passed  failed  skipped   seconds")
    for result in results:
        name = f"{result.stage}: {result.step}"
        print(f"{name:<40} {result.passed:7} {result.failed:7} {len(result.skipped):8} {result.seconds:9.1f}")
    print(f"{'in all':<40} {seconds:33.1f}")
    reasons = [f"skipped: {reason}" for result in results for reason in result.skipped]
    if reasons:
        print("\n" + "\n".join(reasons))
    for result in results:
        if result.failed:
            print("\n".join([f"\n{result.stage}: {result.step} failed:", *result.causes]))
    passed, failed = sum(result.passed for result in results), sum(result.failed for result in results)
    print(f"\n{passed} passed, {failed} failed" + (f", {len(reasons)} skipped" if reasons else ""), flush=True)
    return failed


def main(chosen: Sequence[str]) -> int:
    unknown = [name for name in chosen if name not in STAGES]
    if unknown:
        print(f"no such stage: {', '.join(unknown)}; there are {', '.join(STAGES)}")
        return 2
    start = time.monotonic()
    LOGS.mkdir(parents=True, exist_ok=True)
    chosen = chosen or STAGES
    needs_engine = bool(NEED_ENGINE.intersection(chosen))
    was_running = engine_answers()
    runner = Runner()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    lanes = [(engine,), (lint, unit, sanity, install)]
    shared: deque[Stage] = deque([platform, integration, molecule, cicd])
    if needs_engine:
        chosen = [*chosen, "engine"]
    threads = [
        threading.Thread(target=run_lane, args=(runner, in_turn(lane, shared), chosen), daemon=True) for lane in lanes
    ]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        run_lane(runner, [monitoring, load], chosen)
    finally:
        runner.stop()
        if "engine" in chosen and not was_running and engine_answers():
            stop_engine()
    return 1 if summarize(runner, time.monotonic() - start) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
