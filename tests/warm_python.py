# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A Python for the modules that Ansible runs: what nearly all of them import is imported once.

Ansible starts a Python for each module and sends it the module's code on standard input. ``stand_in`` makes a program
that does the same by a process forked from a server, which has Ansible's and Docker's libraries in memory. Two thirds
of what a module costs are their imports.

A machine of the tests has such a server of its own (molecule/shared/machines.yml). There, this file is all that is
there of the tests: it is run as a program, and systemd listens for the server.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import marshal
import os
import selectors
import signal
import socket
import subprocess
import sys
import threading
import traceback
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# What it sends: its standard streams, and its environment and folder. It gets the exit code, as a shell says it.
# Arguments, or another user, are for Python itself.
PROGRAM = """\
#!{python} -IS
import os, sys
if len(sys.argv) > 1 or os.getuid() != {user}:
    os.execv({python!r}, [{python!r}, *sys.argv[1:]])
import array, marshal, _socket
server = _socket.socket(_socket.AF_UNIX)
server.connect({address!r})
call = marshal.dumps((dict(os.environ), os.getcwd()))
streams = array.array("i", [0, 1, 2])
server.sendmsg([len(call).to_bytes(4, "big")], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, streams)])
server.sendall(call)
os._exit(int(server.recv(16) or b"250"))
"""


def write_program(program: Path, address: str) -> None:
    program.write_text(PROGRAM.format(python=sys.executable, user=os.getuid(), address=address))
    program.chmod(0o755)


def stand_in(folder: str) -> tuple[str, subprocess.Popen[bytes]]:
    """The path of a ``python`` in the folder, and its server, which ends when its standard input is closed."""
    address, program = f"{folder}/modules", Path(folder, "python")
    write_program(program, address)
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.warm_python", address],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert server.stdout
    if not server.stdout.readline():
        raise RuntimeError("there is no Python for modules")
    return str(program), server


def serve(server: socket.socket, lives_by: int | None) -> bool:
    """Answer calls. True in the process of a call, which has to run what it was sent.

    ``lives_by``: a file that is closed when the server has to end; without one it ends when Python's packages are
    others than those it has loaded: systemd starts it anew for the next call.
    """
    packages = _packages()
    # For the processes that are forked from this one: they find it in memory.
    import ansible.module_utils.basic  # noqa: F401

    for name in ("docker", "yaml"):
        with suppress(ModuleNotFoundError):  # a machine has them once they are installed
            importlib.import_module(name)
    gc.freeze()  # what is loaded stays: the collector need not look at it, and its pages remain common
    waiting = selectors.DefaultSelector()
    waiting.register(server, selectors.EVENT_READ)
    if lives_by is not None:
        waiting.register(lives_by, selectors.EVENT_READ)
    print("ready", flush=True)
    while waiting.get_map():
        for key, _ in waiting.select():
            if key.fileobj not in waiting.get_map():
                continue  # its caller was killed just when it ended
            if key.fileobj is server:
                if lives_by is None and packages != _packages():
                    waiting.unregister(server)
                    continue
                connection, _ = server.accept()
                streams, environment, folder = _read(connection)
                if (pid := os.fork()) == 0:
                    waiting.close()
                    server.close()
                    connection.close()
                    _become(streams, environment, folder)
                    return True
                for stream in streams:
                    os.close(stream)
                ended = os.pidfd_open(pid)
                waiting.register(ended, selectors.EVENT_READ, (pid, connection))
                # Readable is what nobody writes to when its other end is gone: the caller was killed.
                waiting.register(connection, selectors.EVENT_READ, pid)
            elif isinstance(key.data, tuple):
                pid, connection = key.data
                waiting.unregister(key.fileobj)
                os.close(key.fd)
                if connection in waiting.get_map():
                    waiting.unregister(connection)
                code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
                _answer(connection, code if code >= 0 else 128 - code)
            elif key.data:
                waiting.unregister(key.fileobj)
                os.kill(key.data, signal.SIGKILL)
            else:
                for one in waiting.get_map().values():
                    if isinstance(one.data, int):
                        os.kill(one.data, signal.SIGKILL)
                return False
    return False


def _packages() -> list[int]:
    """When something was last added to, or removed from, the folders that Python's packages are in."""
    return [os.stat(folder).st_mtime_ns for folder in sys.path if os.path.isdir(folder)]


def _answer(connection: socket.socket, code: int) -> None:
    with connection, suppress(OSError):  # who asked may have been killed meanwhile
        connection.sendall(str(code).encode())


def _read(connection: socket.socket) -> tuple[Sequence[int], Mapping[str, str], str]:
    """The caller's streams, environment and folder."""
    size, streams, *_ = socket.recv_fds(connection, 4, 3)
    environment, folder = marshal.loads(connection.recv(int.from_bytes(size, "big"), socket.MSG_WAITALL))
    return streams, environment, folder


def _become(streams: Sequence[int], environment: Mapping[str, str], folder: str) -> None:
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    sys.argv = [""]
    # What this server itself was found by is no module's.
    sys.path[:] = [place for place in sys.path if place not in ("", str(ROOT))]


def _run(source: bytes) -> int:
    """Run a program as Python itself would, with all that it does at its end; its exit code."""
    code: object = 0
    try:
        exec(compile(source, "<stdin>", "exec"), {"__name__": "__main__"})
    except SystemExit as ended:
        code = ended.code
    except BaseException as error:
        # Without the frame of this function.
        traceback.print_exception(type(error), error, error.__traceback__ and error.__traceback__.tb_next)
        code = 1
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and not thread.daemon:
            thread.join()
    atexit._run_exitfuncs()
    if code is not None and not isinstance(code, int):
        print(code, file=sys.stderr)
        code = 1
    return (code or 0) & 0xFF


def main(arguments: Sequence[str]) -> bool:
    """``<address>``: be the server of a stand-in. ``<address> <program>``: write the program of a machine.

    Nothing: be the server of a machine, whose socket systemd has opened (sd_listen_fds(3)).
    """
    if len(arguments) == 2:
        write_program(Path(arguments[1]), arguments[0])
        return False
    if not arguments:
        return serve(socket.socket(fileno=3), None)
    server = socket.socket(socket.AF_UNIX)
    server.bind(arguments[0])
    server.listen(64)
    return serve(server, 0)


if __name__ == "__main__" and main(sys.argv[1:]):
    ended = 1
    try:
        ended = _run(sys.stdin.buffer.read())
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        # What is in memory need not be taken apart: that takes longer than many a module.
        os._exit(ended)
