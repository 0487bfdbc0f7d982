# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What one needs to understand a failed test: kept in ``.cache/test-logs/failed/<test>`` before all is taken away.

For each container of the test's platforms: how it was made, and its last lines. For each node: services, tasks, nodes,
and the last lines of every container in it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

import docker

from .steps import LOGS

LINES = 300
TIMEOUT_SECONDS = 10
Unreachable = (OSError, docker.errors.DockerException)


def left_by(prefixes: Iterable[str]) -> list[str]:
    """Containers, volumes and networks of this machine whose names begin so."""
    wanted, engine = tuple(prefixes), docker.from_env()
    names = [str(one.name) for one in engine.containers.list(all=True, ignore_removed=True)]
    names += [str(one.name) for one in engine.volumes.list()] + [str(one.name) for one in engine.networks.list()]
    return [name for name in names if name.startswith(wanted)]


def collect(test: str, prefixes: Iterable[str]) -> Path:
    """Keep what there is; an engine that doesn't answer is left out. Returns the folder."""
    folder = LOGS / "failed" / re.sub(r"[^\w.-]+", "-", test)
    folder.mkdir(parents=True, exist_ok=True)
    wanted = tuple(prefixes)
    with suppress(*Unreachable):
        _write_containers(docker.APIClient("unix:///var/run/docker.sock", version="auto"), wanted, folder)
    for socket in _sockets(wanted):
        node = folder / f"{socket.parent.parent.name}-{socket.parent.name}"
        node.mkdir(exist_ok=True)
        with suppress(*Unreachable):
            engine = docker.APIClient(f"unix://{socket}", version="auto", timeout=TIMEOUT_SECONDS)
            _write_containers(engine, ("",), node)
            for what in ("nodes", "services", "tasks"):  # a worker has none of them
                (node / f"{what}.json").write_text(json.dumps(getattr(engine, what)(), indent=1))
    return folder


def _sockets(prefixes: tuple[str, ...]) -> Iterator[Path]:
    for folder in Path("/run").iterdir():
        if folder.name.startswith(prefixes):
            yield from folder.glob("*/docker.sock")


def _write_containers(engine: docker.APIClient, prefixes: tuple[str, ...], folder: Path) -> None:
    for container in engine.containers(all=True):
        name = container["Names"][0].lstrip("/")
        if not name.startswith(prefixes):
            continue
        with suppress(docker.errors.DockerException):  # it may be gone by now
            (folder / f"{name}.json").write_text(json.dumps(engine.inspect_container(container["Id"]), indent=1))
            (folder / f"{name}.log").write_bytes(engine.logs(container["Id"], tail=LINES))
