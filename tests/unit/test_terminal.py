"""A terminal in a replica: which one is meant, and how one gets there."""

from __future__ import annotations

import re
from typing import Any

import pytest

from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.module_utils.stack.model import Task
from ansible_collections.fungap.swarm.plugins.module_utils.stack.replica import replica_of
from ansible_collections.fungap.swarm.plugins.plugin_utils.terminal import controllers_words, exec_words

NODES = {"n1": "worker1", "n2": "worker2"}


def task(slot: int, node: str, state: str = "running") -> Task:
    return Task(f"t{slot}{node}", "s", slot, node, state, "running", "", "", None, f"c{slot}{node}", {})


REPLICAS = [task(2, "n2"), task(1, "n1", "failed"), task(1, "n1"), task(3, "n1"), task(4, "n9")]
GLOBAL = [task(0, "n2"), task(0, "n1")]


@pytest.mark.parametrize(
    ("tasks", "wanted", "found"),
    [
        (REPLICAS, "", ("web.1", "worker1", "c1n1")),
        (REPLICAS, "2", ("web.2", "worker2", "c2n2")),
        (REPLICAS, "worker1", ("web.1", "worker1", "c1n1")),
        (REPLICAS, "worker2", ("web.2", "worker2", "c2n2")),
        (GLOBAL, "", ("web.worker1", "worker1", "c0n1")),
        (GLOBAL, "worker2", ("web.worker2", "worker2", "c0n2")),
    ],
)
def test_replica(tasks: list[Task], wanted: str, found: tuple[str, str, str]) -> None:
    one = replica_of("web", tasks, NODES, wanted)
    assert (one.name, one.node, one.container) == found


@pytest.mark.parametrize(
    ("tasks", "wanted", "words"),
    [
        ([], "", "no replica of web runs"),
        ([task(1, "n9")], "", "no replica of web runs"),  # its node is down
        (REPLICAS, "4", "there are: 1 (on worker1), 2 (on worker2), 3 (on worker1)"),
    ],
)
def test_no_replica(tasks: list[Task], wanted: str, words: str) -> None:
    with pytest.raises(PlatformError, match=re.escape(words)):
        replica_of("web", tasks, NODES, wanted)


INSIDE = ["docker", "--host", "unix:///run/x/docker.sock", "exec", "--interactive", "--tty", "c1", "sh", "-c", "a b"]
SSH: dict[str, Any] = {
    "transport": "ssh",
    "is_root": False,
    "executable": "ssh",
    "host": "192.0.2.1",
    "user": "me",
    "port": 2222,
    "key_file": "/k e y",
    "args": ["-C -o ControlMaster=auto", None, "-o 'ProxyCommand=ssh -W %h:%p gate'"],
}


@pytest.mark.parametrize(
    ("connection", "words"),
    [
        ({"transport": "local", "is_root": True}, INSIDE),
        ({"transport": "local", "is_root": False}, ["sudo", *INSIDE]),
        (
            SSH,
            [
                *("ssh", "-t", "-C", "-o", "ControlMaster=auto", "-o", "ProxyCommand=ssh -W %h:%p gate"),
                *("-p", "2222", "-i", "/k e y", "-l", "me", "--", "192.0.2.1"),
                "sudo docker --host unix:///run/x/docker.sock exec --interactive --tty c1 sh -c 'a b'",
            ],
        ),
        (
            {**SSH, "is_root": True, "user": "", "port": None, "key_file": None, "args": []},
            [
                *("ssh", "-t", "--", "192.0.2.1"),
                "docker --host unix:///run/x/docker.sock exec --interactive --tty c1 sh -c 'a b'",
            ],
        ),
    ],
)
def test_the_way_there(connection: dict[str, Any], words: list[str]) -> None:
    inside = exec_words("/run/x/docker.sock", "c1", ["sh", "-c", "a b"], tty=True)
    assert controllers_words(inside, connection, tty=True) == words


def test_without_a_terminal_none_is_asked_for() -> None:
    inside = exec_words("/run/x/docker.sock", "c1", ["sh"], tty=False)
    words = controllers_words(inside, SSH, tty=False)
    assert "-t" not in words
    assert "--tty" not in words[-1]


def test_another_connection_has_none() -> None:
    with pytest.raises(PlatformError, match="Run there: sudo docker --host"):
        controllers_words(INSIDE, {"transport": "podman", "is_root": False}, tty=True)
