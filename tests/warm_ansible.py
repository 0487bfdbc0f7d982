# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""ansible-playbook for tests that start it a hundred times: the same program, whose code is loaded once.

A server imports Ansible and forks a process for each call, which runs ``ansible-playbook`` from its command line on, as
its own program would. What that saves is half of a short run: Ansible's imports, and the packing of each module.
"""

from __future__ import annotations

import atexit
import fcntl
import gc
import hashlib
import importlib
import json
import os
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import IO, Any

from . import timeline, warm_python
from .steps import weigh_session
from .warm_reading import keep_templates, share_files

ROOT = Path(__file__).resolve().parents[1]
END_SECONDS = 30
KEPT_SECONDS = 86400


@dataclass(frozen=True)
class Done:
    """A call that has ended. ``code``: as a shell says it; -9 if it was killed. ``output``: both of its streams."""

    code: int
    output: str


class WarmAnsible:
    """The server's client. Several threads can use it at once. ``environment``: of all calls."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._folder = tempfile.TemporaryDirectory(prefix="warm-ansible-")
        self._address = f"{self._folder.name}/socket"
        log = Path(self._folder.name, "log")
        with log.open("wb") as output:
            self._server = subprocess.Popen(
                [sys.executable, "-m", "tests.warm_ansible", self._address],
                cwd=ROOT,
                env={**os.environ, **environment},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=output,
            )
        assert self._server.stdout
        if not self._server.stdout.readline():
            raise RuntimeError(log.read_text())

    def run(self, *arguments: str, environment: Mapping[str, str] | None = None) -> Done:
        """Run ``ansible-playbook`` with arguments, in the checkout."""
        with tempfile.TemporaryFile() as output:
            code, used = ask(
                self._address, arguments, {**os.environ, **self._environment, **(environment or {})}, output
            )
            timeline.used_elsewhere(used)
            output.seek(0)
            return Done(code, output.read().decode(errors="replace"))

    def close(self) -> None:
        """End the server with all that it runs, and remove the folder in which Ansible keeps its packed modules."""
        assert self._server.stdin
        self._server.stdin.close()
        before = timeline.cpu_seconds()
        self._server.wait(END_SECONDS)
        # The CPU of all its calls comes with its end. It is booked on those who called, not on who is the last.
        timeline.used_elsewhere(before - timeline.cpu_seconds())
        self._folder.cleanup()


def ask(address: str, arguments: Sequence[str], environment: Mapping[str, str], output: IO[bytes]) -> tuple[int, float]:
    """One call of the server at ``address``, from this folder; the program's exit code, and the CPU seconds it used."""
    call = json.dumps({"arguments": arguments, "environment": dict(environment), "folder": os.getcwd()}).encode()
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(address)
        socket.send_fds(connection, [len(call).to_bytes(4, "big")], [output.fileno()])
        connection.sendall(call)
        code, _, used = connection.recv(32).partition(b" ")
        return int(code or b"-9"), float(used or 0)


@contextmanager
def stand_in() -> Iterator[str]:
    """A folder for the PATH of what starts ``ansible-playbook`` many times with the same settings, as molecule does.

    Its ``ansible-playbook`` starts the server with the settings that it is called with first. At the end, the CPU that
    the server's calls used is booked.
    """
    with tempfile.TemporaryDirectory(prefix="warm-ansible-") as folder:
        os.mkfifo(f"{folder}/keep")
        program = Path(folder, "ansible-playbook")
        program.write_text(f"#!{sys.executable} -E\nimport sys\nsys.path.insert(0, {str(ROOT)!r})\n" + STAND_IN)
        program.chmod(0o755)
        # The server's standard input: it ends when this is closed.
        keep = os.open(f"{folder}/keep", os.O_RDWR)
        used = Path(folder, "used")
        used.touch()
        try:
            yield folder
        finally:
            os.close(keep)
            timeline.used_elsewhere(sum(map(float, used.read_text().split())))


STAND_IN = """
from tests.warm_ansible import pass_on
sys.exit(pass_on(__file__))
"""


def pass_on(program: str) -> int:
    """What the stand-in does: start the server if it is not there, and call it."""
    folder = os.path.dirname(program)
    address = f"{folder}/socket"
    with open(f"{folder}/lock", "w") as lock, open(f"{folder}/log", "ab") as log, open(f"{folder}/keep", "rb") as keep:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.exists(address):
            command = [sys.executable, "-m", "tests.warm_ansible", address]
            environment = {**os.environ, "PYTHONPATH": str(ROOT)}
            with subprocess.Popen(
                command, env=environment, stdin=keep, stdout=subprocess.PIPE, stderr=log, start_new_session=True
            ) as server:
                assert server.stdout
                if not server.stdout.readline():
                    return 250
                server.returncode = 0  # it goes on without this process
    code, used = ask(address, sys.argv[1:], os.environ, sys.stdout.buffer)
    with open(f"{folder}/used", "a") as all_used:
        all_used.write(f"{used}\n")
    return code


@cache
def ansible_playbook(stdout_callback: str = "default") -> WarmAnsible:
    """This process' own server, with plain output. It ends with the process."""
    path = f"{ROOT}/.venv/bin:{os.environ['PATH']}"
    settings = {"PATH": path, "NO_COLOR": "1", "ANSIBLE_NOCOLOR": "1", "ANSIBLE_STDOUT_CALLBACK": stdout_callback}
    server = WarmAnsible(settings)
    atexit.register(server.close)
    return server


def serve(address: str) -> None:
    """Answer calls until standard input is closed."""
    from ansible import release
    from ansible.cli.playbook import PlaybookCLI

    _load_plugins()
    _share_packed_modules()
    keep_templates(_kept("templates", f"{release.__version__} {version('jinja2')} {sys.version}".encode()))
    collection = importlib.import_module("ansible_collections.fungap.swarm")
    share_files(Path(*collection.__path__, "roles").glob("*/*/*.yml"))
    # Ansible runs the modules of this machine by what it itself is run by.
    sys.executable, modules = warm_python.stand_in(os.path.dirname(address))
    gc.freeze()  # what is loaded stays: the collector need not look at it, and its pages remain common
    running: set[int] = set()
    with modules, socket.socket(socket.AF_UNIX) as server, selectors.DefaultSelector() as waiting:
        server.bind(address)
        server.listen(16)
        waiting.register(server, selectors.EVENT_READ)
        waiting.register(sys.stdin, selectors.EVENT_READ)
        print("ready", flush=True)
        while sys.stdin not in [key.fileobj for key, _ in waiting.select()]:
            connection, _ = server.accept()
            running = {pid for pid in running if os.waitpid(pid, os.WNOHANG) == (0, 0)}
            if (child := os.fork()) == 0:
                server.close()
                _answer(connection, PlaybookCLI, modules.pid)
            running.add(child)
            connection.close()
        for pid in running:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, signal.SIGKILL)


def _load_plugins() -> None:
    """Load what each run of Ansible begins with: its index of plugins, those it always uses, and the collection's own.

    Half of a short run is the parsing of their documentation.
    """
    from ansible import constants
    from ansible.plugins import loader

    loader.init_plugin_loader()
    warnings.filterwarnings("ignore", message="AnsibleCollectionFinder has already been configured")
    importlib.import_module("ansible_collections.ansible.builtin")
    for kind, names in {
        loader.inventory_loader: constants.INVENTORY_ENABLED,
        loader.callback_loader: ["ansible.posix.json", "fungap.swarm.phases", "fungap.swarm.prefork"],
        loader.connection_loader: ["local", "ssh"],
        loader.become_loader: ["sudo"],
        loader.shell_loader: ["sh"],
        loader.strategy_loader: ["linear"],
        loader.cache_loader: ["memory"],
        # One of them brings all of Ansible's own, which each task's process would load and wrap anew.
        loader.filter_loader: ["ansible.builtin.bool"],
        loader.test_loader: ["ansible.builtin.failed"],
        loader.action_loader: [f"ansible.builtin.{name}" for name in ("normal", "assert", "debug", "set_fact", "copy")],
    }.items():
        for name in names:
            kind.get(name, class_only=True)
    list(loader.callback_loader.all(class_only=True))
    for folder in ("plugin_utils", "action", "filter"):
        for file in sorted((ROOT / "plugins" / folder).glob("[!_]*.py")):
            importlib.import_module(f"ansible_collections.fungap.swarm.plugins.{folder}.{file.stem}")


def _share_packed_modules() -> None:
    """Have all servers of this checkout keep the modules that Ansible packs in one folder, named by their content.

    Ansible itself keeps them by their names alone, in a folder of each process.
    """
    from ansible import constants, release

    content = hashlib.sha256(f"{release.__version__} {sys.version}".encode())
    for file in [ROOT / "requirements-collections.txt", *sorted((ROOT / "plugins").rglob("*.py"))]:
        content.update(f"{file.relative_to(ROOT)}\0".encode() + file.read_bytes())
    Path(constants.DEFAULT_LOCAL_TMP, "ansiballz_cache").symlink_to(_kept("packed", content.digest()))


def _kept(what: str, made_by: bytes) -> Path:
    """The checkout's folder for what follows from ``made_by``; those that nobody has used for a day go."""
    kept = ROOT / ".cache" / what / hashlib.sha256(made_by).hexdigest()[:16]
    kept.mkdir(parents=True, exist_ok=True)
    os.utime(kept)
    for old in kept.parent.iterdir():
        with suppress(FileNotFoundError):  # another server may be removing it, too
            if old.stat().st_mtime < time.time() - KEPT_SECONDS:
                shutil.rmtree(old, ignore_errors=True)
    return kept


def _answer(connection: socket.socket, cli: Any, modules: int) -> None:
    """One call, in a process of its own, which ends here. ``modules``: the process whose children are its modules."""
    code, before = 250, timeline.children_cpu(modules)
    try:
        os.setsid()
        weigh_session(os.getpid(), os.getpriority(os.PRIO_PROCESS, 0))
        size, (output,), *_ = socket.recv_fds(connection, 4, 1)
        call = json.loads(connection.recv(int.from_bytes(size, "big"), socket.MSG_WAITALL))
        arguments: Sequence[str] = call["arguments"]
        os.environ.clear()
        os.environ.update(call["environment"])
        os.chdir(call["folder"])
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(output, 1)
        os.dup2(output, 2)
        try:
            cli.cli_executor(["ansible-playbook", *arguments])
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        used = timeline.cpu_seconds() + timeline.children_cpu(modules) - before
        connection.sendall(f"{code} {used:.2f}".encode())
        # Not by sys.exit: that would run what the server has registered for its own end.
        os._exit(0)


if __name__ == "__main__":
    serve(sys.argv[1])
