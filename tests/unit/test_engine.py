"""What engines of different versions answer, and what is made of it."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch
from urllib.parse import parse_qs, urlsplit

import pytest

from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.module_utils.docker import cli
from ansible_collections.fungap.swarm.plugins.module_utils.docker.engine import Engine
from ansible_collections.fungap.swarm.plugins.module_utils.docker.images import pushed_digest, space_of_layers
from ansible_collections.fungap.swarm.plugins.module_utils.prune import images as image_prune

from ..engine_socket import Handler, engine_at

DIGEST = "sha256:" + "a" * 64
LINE = {"status": f"1.0: digest: {DIGEST} size: 1570"}


@pytest.mark.parametrize(
    ("messages", "digest"),
    [
        ([{"status": "The push refers to repository [r:5000/web]"}, LINE], DIGEST),  # containerd's store
        ([LINE, {"progressDetail": {}, "aux": {"Tag": "1.0", "Digest": DIGEST, "Size": 1570}}], DIGEST),  # overlay2
        ([{"status": "Pushed", "id": "4fc242d58285"}, {"status": f"v1.2-rc.1_x: digest: {DIGEST} size: 9"}], DIGEST),
        # Instead of an index that is not all here.
        ([LINE, {"aux": {"manifestPushedInsteadOfIndex": True}}], DIGEST),
        ([{"status": f"1.0: digest: {DIGEST[:-1]} size: 1570"}], ""),
        ([{"status": "Pushed"}, {}, {"status": None}], ""),
        ([], ""),
    ],
)
def test_the_digest_of_a_push(messages: list[dict[str, Any]], digest: str) -> None:
    assert pushed_digest(messages) == digest


@pytest.mark.parametrize(
    ("usage", "size"),
    [
        ({"LayersSize": 12, "Images": []}, 12),
        ({"LayersSize": 0}, 0),
        ({}, 0),
        ({"LayersSize": 12, "ImageUsage": {"TotalSize": 12}}, 12),
        ({"ImageUsage": {"TotalSize": 12, "TotalCount": 1}}, 12),
        ({"ImageUsage": {}}, 0),
        ({"ImageUsage": None, "LayersSize": 12}, 12),
    ],
)
def test_the_space_that_images_take(usage: dict[str, Any], size: int) -> None:
    assert space_of_layers(usage) == size


class Choosy(Handler):
    """Speaks 1.44 to 1.52 as a 29.1 does, and says so."""

    asked: list[str] = []

    def do_GET(self) -> None:
        self.asked.append(self.path)
        if self.path.startswith("/v1.41/"):
            self._say(400, {"message": "client version 1.41 is too old. Minimum supported API version is 1.44"})
        elif self.path == "/_ping":
            self._say(200, "OK")
        else:
            self._say(200, {"path": self.path} if "_ping" not in self.path else "OK")

    def _say(self, status: int, what: Any) -> None:
        body = what.encode() if isinstance(what, str) else json.dumps(what).encode()
        self.send_response(status)
        self.send_header("Api-Version", "1.52")
        self.send_header("Content-Type", "text/plain" if isinstance(what, str) else "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Starting(Choosy):
    def do_GET(self) -> None:
        self._say(503, "starting")


class Frozen(Choosy):
    """Takes connections, as the socket of a paused engine does, and answers the first question too late."""

    def do_GET(self) -> None:
        if self.path == "/_ping":
            time.sleep(4)
        with suppress(BrokenPipeError):
            super().do_GET()


class Plain(Handler):
    """Says nothing of versions."""

    def do_GET(self) -> None:
        self.answer({"path": self.path})


class Quick(Choosy):
    """A command's output comes together with the head of the answer, as a real engine's does now and then."""

    def do_GET(self) -> None:
        self._say(200, "OK" if self.path == "/_ping" else {"ExitCode": 3})

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        if self.path.endswith("/c1/exec"):
            self._say(201, {"Id": "e1"})
        else:
            pieces = b"".join(bytes([fd, 0, 0, 0, 0, 0, 0, 4]) + text for fd, text in ((1, b"one\n"), (2, b"two\n")))
            self.wfile.write(
                b"HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.multiplexed-stream\r\n\r\n" + pieces
            )


def test_what_a_quick_command_writes_is_not_lost(tmp_path: Path) -> None:
    with engine_at(tmp_path / "socket", Quick):
        assert Engine(str(tmp_path / "socket")).containers.exec("c1", ["true"]) == (3, "one\ntwo\n")


def test_an_engine_that_is_frozen_is_not_waited_for_without_end(tmp_path: Path) -> None:
    with engine_at(tmp_path / "socket", Frozen):
        assert "timed out" in Engine(str(tmp_path / "socket"), timeout_seconds=1).silence()


def test_what_says_no_version_is_asked_in_the_oldest(tmp_path: Path) -> None:
    with engine_at(tmp_path / "socket", Plain):
        assert Engine(str(tmp_path / "socket")).info() == {"path": "/v1.41/info"}


def test_an_engine_is_spoken_to_in_its_own_version(tmp_path: Path) -> None:
    with engine_at(tmp_path / "socket", Choosy):
        engine = Engine(str(tmp_path / "socket"))
        assert engine.is_answering()
        assert engine.info() == {"path": "/v1.52/info"}
    assert not [path for path in Choosy.asked if path == "/version"], "it would start two programs"


def test_an_engine_that_does_not_answer_yet_says_why_and_is_asked_again(tmp_path: Path) -> None:
    engine = Engine(str(tmp_path / "socket"))
    assert "No such file or directory" in engine.silence()
    with engine_at(tmp_path / "socket", Starting):
        assert engine.silence() == f"cannot connect on {tmp_path}/socket: starting"
    (tmp_path / "socket").unlink()
    with engine_at(tmp_path / "socket", Choosy):
        assert engine.silence() == ""
    with pytest.raises(PlatformError, match="cannot read the engine's info"):
        engine.info()


class Steps:
    """An engine with containerd's store: each step of a build is an image, in sight once the next one is gone."""

    def __init__(self, _socket: str, **_options: Any) -> None:
        self.stack = ["sha256:base", "sha256:step", "sha256:top"]
        self.images = self.containers = self

    def all(self) -> list[dict[str, Any]]:
        return [{"Id": image, "RepoTags": [], "RepoDigests": [], "Size": 1, "Created": 0} for image in self.stack[-1:]]

    def with_labels(self, _labels: Any) -> list[dict[str, Any]]:
        return []

    def platforms_beside(self, _platform: str) -> set[str]:
        return set()

    def layer_bytes(self) -> int:
        return len(self.stack)

    def untag(self, reference: str) -> None:
        if reference != "sha256:base":  # in use by what can't be seen
            self.stack.remove(reference)


def test_prune_goes_on_until_nothing_is_left_that_it_has_not_tried() -> None:
    engine = Steps("")
    with patch.object(image_prune, "Engine", lambda _socket, **_options: engine):
        prune = image_prune.ImagePrune(
            {
                "platform": "fungap",
                "sockets": {"vm": "/s"},
                "needed": [],
                "registry_address": "r:5000",
                "catalog": [],
                "grace_seconds": 0,
            }
        )
        done = prune.apply(prune.plan())["engines"]["vm"]
    assert [one["names"] for one in done["removed"]] == [["sha256:top"], ["sha256:step"], ["sha256:base"]]
    assert done["bytes_freed"] == 2


class Overtaken(Handler):
    """A manager whose service is written by swarm between the first readings and writings.

    Its words are swarmkit's (manager/state/store/memory.go, read at 0ee9cb3), as an engine 26.1 passes them on.
    """

    written: list[tuple[int, dict[str, Any]]] = []
    version = 7

    def do_GET(self) -> None:
        labels = {"a": "1", "b": "2"}
        self.answer("OK" if self.path == "/_ping" else {"Version": {"Index": self.version}, "Spec": {"Labels": labels}})

    def do_POST(self) -> None:
        spec = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        Overtaken.version += 1
        if Overtaken.version < 10:
            told = json.dumps({"message": "rpc error: code = Unknown desc = update out of sequence"}).encode()
            self.send_response(500)
            self.send_header("Content-Length", str(len(told)))
            self.end_headers()
            self.wfile.write(told)
        else:
            version = int(parse_qs(urlsplit(self.path).query)["version"][0])
            self.written.append((version, spec))
            self.answer({"Warnings": None})


def test_a_service_that_swarm_has_written_meanwhile_is_read_again(tmp_path: Path) -> None:
    with engine_at(tmp_path / "socket", Overtaken):
        Engine(str(tmp_path / "socket")).services.set_label("abc", "b", "3")
    assert Overtaken.written == [(9, {"Labels": {"a": "1", "b": "3"}})]


@pytest.mark.parametrize(("refusals", "ends_well"), [(0, True), (2, True), (9, False)])
def test_a_deploy_that_swarm_has_overtaken_is_said_again(tmp_path: Path, refusals: int, ends_well: bool) -> None:
    said: list[list[str]] = []

    def run(_socket: str, arguments: list[str], **_more: Any) -> tuple[int, str]:
        said.append(arguments)
        if "--help" in arguments or len(said) > refusals + 1:
            return 0, "done"
        return 1, "Error response from daemon: rpc error: code = Unknown desc = update out of sequence"

    with patch.object(cli, "run", run):
        deploy = partial(
            Engine(str(tmp_path / "socket")).stacks.deploy, "web", "", resolve_image="never", registry_config=None
        )
        if ends_well:
            assert deploy() == "done"
        else:
            with pytest.raises(PlatformError, match="out of sequence"):
                deploy()
    assert len(said) == 1 + min(refusals + 1, 5)


def framed(kind: int, text: str) -> bytes:
    return bytes([kind, 0, 0, 0]) + len(text).to_bytes(4, "big") + text.encode()


# By moby's api/server/httputils/write_log_stream.go and swarmkit's manager/logbroker/subscription.go, v20.10.24.
AWAY = framed(3, "Error grabbing logs: warning: incomplete log stream. node n1 is not available\n")


@pytest.mark.parametrize(
    ("answers", "log", "problem"),
    [
        ([framed(1, "one\n") + framed(2, "two\n")], "one\ntwo\n", ""),
        ([b""], "", ""),
        ([AWAY, AWAY, framed(2, "no database\n")], "no database\n", ""),
        ([framed(2, "half\n") + AWAY], "half\n", ""),
        ([AWAY], "", "node n1 is not available"),
    ],
)
def test_the_log_of_a_task(tmp_path: Path, answers: list[bytes], log: str, problem: str) -> None:
    asked = iter(answers)

    class Broker(Handler):
        def do_GET(self) -> None:
            body = next(asked, answers[-1]) if "/logs" in self.path else b"OK"
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    with engine_at(tmp_path / "engine", Broker):
        services = Engine(str(tmp_path / "engine")).services
        if problem:
            with pytest.raises(PlatformError, match=problem):
                services.task_log("t1", lines=5, wait_seconds=1)
        else:
            assert services.task_log("t1", lines=5) == log
