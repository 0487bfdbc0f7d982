"""The warm Python runs what it is sent as Python itself does."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.waiting import wait_for
from tests.warm_python import stand_in


@pytest.fixture(scope="module", params=["python", "warm"])
def program(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if request.param == "python":
        yield sys.executable
        return
    path, server = stand_in(str(tmp_path_factory.mktemp("python")))
    with server:
        yield path


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
