"""The warm Python runs what it is sent as Python itself does."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.steps import ROOT
from tests.waiting import wait_for
from tests.warm_python import stand_in, write_program


@pytest.fixture(scope="module", params=["python", "warm", "machine"])
def program(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if request.param == "python":
        yield sys.executable
        return
    folder = tmp_path_factory.mktemp("python")
    if request.param == "warm":
        path, server = stand_in(str(folder))
        with server:
            yield path
        return
    with Machine(folder) as machine, machine.serve() as server:
        yield str(machine.program)
        server.kill()


class Machine:
    """What systemd does on a machine: it listens, and starts the server for what comes."""

    def __init__(self, folder: Path) -> None:
        self.program = folder / "python"
        self.packages = folder / "packages"
        self.packages.mkdir()
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(f"{folder}/socket")
        self._socket.listen()
        write_program(self.program, f"{folder}/socket")

    def __enter__(self) -> Machine:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def serve(self) -> subprocess.Popen[bytes]:
        given = self._socket.fileno()
        return subprocess.Popen(
            ["bash", "-c", f"exec {sys.executable} -m tests.warm_python 3<&{given}"],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(self.packages)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            pass_fds=[given],
        )


def run(program: str, code: str, *arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {"WHO": "you", "PATH": "/usr/bin:/bin"}
    command = [program, *arguments]
    return subprocess.run(
        command, input=code, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=60
    )


LATE = (0, "late\n", "")
TRACEBACK = """Traceback (most recent call last):
  File "<stdin>", line 1, in <module>
ZeroDivisionError: division by zero
"""


@pytest.mark.parametrize(
    ("code", "ended"),
    [
        ("import os; print(os.environ['WHO'], os.getcwd())", (0, "you {folder}\n", "")),
        ("import os; print(sorted(os.environ.keys() - {'LC_CTYPE', '_'}))", (0, "['PATH', 'WHO']\n", "")),
        ("import sys; print('no', file=sys.stderr); sys.exit(3)", (3, "", "no\n")),
        ("import atexit; atexit.register(print, 'last'); print('first')", (0, "first\nlast\n", "")),
        ("import sys; print(sys.argv, __name__)", (0, "[''] __main__\n", "")),
        ("import sys; sys.exit('why')", (1, "", "why\n")),
        ("import sys; sys.exit(256 + 7)", (7, "", "")),
        ("1 / 0", (1, "", TRACEBACK)),
        ("import threading, time; threading.Thread(target=lambda: (time.sleep(0.3), print('late'))).start()", LATE),
        ("import os; os.fork() and os._exit(0); print('a child goes on')", (0, "a child goes on\n", "")),
    ],
)
def test_what_comes_on_standard_input(program: str, tmp_path: Path, code: str, ended: tuple[int, str, str]) -> None:
    done = run(program, code, folder=tmp_path)
    expected = (ended[0], ended[1].replace("{folder}", str(tmp_path)), ended[2])
    assert (done.returncode, done.stdout, done.stderr) == expected


def test_arguments_are_its_own(program: str, tmp_path: Path) -> None:
    assert run(program, "", "-c", "import sys; print(sys.argv[1:])", "x", folder=tmp_path).stdout == "['x']\n"


def test_who_kills_it_kills_what_it_runs(program: str, tmp_path: Path) -> None:
    code = "import os, time; open('pid', 'w').write(str(os.getpid())); time.sleep(600)"
    with subprocess.Popen([program], cwd=tmp_path, stdin=subprocess.PIPE) as child:
        assert child.stdin
        child.stdin.write(code.encode())
        child.stdin.close()
        wait_for("it to run", lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text() != "")
        child.kill()
    process = Path("/proc", (tmp_path / "pid").read_text())
    wait_for("its end", lambda: not process.exists() or "State:\tZ" in (process / "status").read_text())


def test_other_packages_are_another_server_s(tmp_path: Path) -> None:
    """What was installed since is found: the server ends after what it runs, and the next one answers."""
    with Machine(tmp_path) as machine, machine.serve() as first:
        assert run(str(machine.program), "print('one')", folder=tmp_path).stdout == "one\n"
        (machine.packages / "new.py").write_text("says = 'two'\n")
        with subprocess.Popen([machine.program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as waiting:
            assert waiting.stdin
            waiting.stdin.write(b"import new; print(new.says)")
            waiting.stdin.close()
            assert first.wait(60) == 0
            with machine.serve() as second:
                assert waiting.stdout
                assert waiting.stdout.read() == b"two\n"
                second.kill()
