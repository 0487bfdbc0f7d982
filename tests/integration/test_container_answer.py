"""``container_answer`` with real containers: one that takes its time, one that dies, one that never is ready."""

from __future__ import annotations

import json
import re
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import docker
import pytest

from ansible_collections.fungap.swarm.plugins.module_utils.container_answer.plan import DEATHS

from ..images import image
from ..waiting import patience
from ..warm_ansible import ansible_playbook

# Deaf, then not ready, then ready: whoever asks brings it on.
SLOW = """
let asked = 0;
require('http').createServer((request, response) => {
  asked += 1;
  if (asked <= 6) return request.socket.destroy();
  response.statusCode = asked <= 9 ? 503 : 401;
  response.end();
}).listen(3000);
"""
NEVER = (
    "require('http').createServer((request, response) => { response.statusCode = 503; response.end(); }).listen(3000)"
)
DYING = "console.log('no such disk'); process.exit(7)"
Start = Callable[[str], tuple[str, str]]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start a container as the platform does; its name, and its URL."""
    client = docker.from_env()
    name = f"answer-{uuid.uuid4().hex[:6]}"

    def run(script: str) -> tuple[str, str]:
        container = client.containers.run(
            image("nodejs"), ["node", "-e", script], name=name, detach=True, restart_policy={"Name": "always"}
        )
        container.reload()
        return name, f"http://{container.attrs['NetworkSettings']['Networks']['bridge']['IPAddress']}:3000/v2/"

    yield run
    client.containers.get(name).remove(force=True)


@pytest.fixture
def wait(tmp_path: Path) -> Callable[..., tuple[int, str, float]]:
    """Exit code, output and seconds of the task."""

    def run(name: str, url: str, *options: str, **more: Any) -> tuple[int, str, float]:
        task = {"fungap.swarm.container_answer": {"container": name, "url": url, "status": 401, **more}}
        play = {"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": [task]}
        play["vars"] = {"ansible_python_interpreter": "{{ ansible_playbook_python }}"}
        (tmp_path / "play.yml").write_text(json.dumps([play]))
        started = time.monotonic()
        done = ansible_playbook().run("-i", "localhost,", *options, str(tmp_path / "play.yml"))
        assert not list(Path("/run").glob(f".{name}*"))
        return done.code, done.output, time.monotonic() - started

    return run


def test_each_change_is_told_until_it_answers(start: Start, wait: Callable[..., tuple[int, str, float]]) -> None:
    name, url = start(SLOW)
    code, output, _seconds = wait(name, url)
    assert code == 0, output
    told = [line.partition(" s  ")[2] for line in output.splitlines() if line.startswith(f"  {name} ")]
    assert told[-3:] == [
        f"container {name}: starting, no answer yet (remote end closed connection without response)",
        f"container {name}: starting, answers with 503, not yet with 401",
        f"container {name}: running, answers with 401",
    ]
    assert "RETRYING" not in output
    assert "changed=0" in output


def test_what_dies_is_not_waited_for(start: Start, wait: Callable[..., tuple[int, str, float]]) -> None:
    code, output, seconds = wait(*start(DYING), deadline_seconds=300)
    assert code != 0
    assert [part for part in ("exit code 7", "log: no such disk") if part not in output] == [], output
    # At the third death, or at a later one: a look at what is down can take seconds.
    died = re.search(r"it does not stay up\. Seen last: .* died (\d+) times", output)
    assert died is not None, output
    assert int(died[1]) >= DEATHS, output
    assert seconds < 60 * patience()


def test_at_the_deadline_it_is_told_what_was_seen_last(
    start: Start, wait: Callable[..., tuple[int, str, float]]
) -> None:
    code, output, _seconds = wait(*start(NEVER), deadline_seconds=2)
    assert (code != 0, "answers with 503, not yet with 401" in output) == (True, True), output


def test_check_mode_waits_for_nothing(wait: Callable[..., tuple[int, str, float]]) -> None:
    code, output, _seconds = wait("never-there", "http://127.0.0.1:1/", "--check", deadline_seconds=300)
    assert code == 0, output
