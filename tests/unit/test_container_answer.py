# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Waiting for a container's answer: what is told meanwhile, when it is over, and what is said then."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.fungap.swarm.plugins.module_utils.container_answer import operation
from ansible_collections.fungap.swarm.plugins.module_utils.container_answer.plan import (
    Seen,
    describe,
    failure,
    is_hopeless,
    parse_container,
    quoted,
)
from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError

REFUSED = "connection refused"


@pytest.mark.parametrize(
    ("seen", "said"),
    [
        (Seen("running", problem=REFUSED), "container r: starting, no answer yet (connection refused)"),
        (Seen("running", status=503), "container r: starting, answers with 503, not yet with 401"),
        (Seen("running", status=401), "container r: running, answers with 401"),
        (Seen("running", deaths=2, status=401), "container r: running, answers with 401"),
        (
            Seen("restarting", deaths=2, exit_code=7, problem=REFUSED),
            "container r: restarting, died 2 times, last with exit code 7, no answer yet (connection refused)",
        ),
        (Seen("exited", exit_code=1, problem=REFUSED), "container r: exited, last with exit code 1, no answer"),
        (Seen("absent", problem="timed out"), "container r: absent, no answer yet (timed out)"),
    ],
)
def test_what_is_told(seen: Seen, said: str) -> None:
    assert describe("r", seen, 401).startswith(said)


@pytest.mark.parametrize(
    ("seen", "looks_gone", "expected"),
    [
        (Seen("running"), 0, False),
        (Seen("running", deaths=2), 0, False),
        (Seen("running", deaths=3), 0, True),
        (Seen("restarting", deaths=3), 0, True),
        (Seen("exited"), 1, False),
        (Seen("exited"), 7, False),
        (Seen("exited"), 8, True),
        (Seen("absent"), 8, True),
    ],
)
def test_what_never_comes_is_not_waited_for(seen: Seen, looks_gone: int, expected: bool) -> None:
    assert is_hopeless(seen, looks_gone) is expected


def test_what_is_said_at_the_end() -> None:
    seen = Seen("running", status=503)
    assert failure("j", "http://j/login", seen, 200, seconds=300.4, hopeless=False, log="one\ntwo\n").splitlines() == [
        "container j was to answer http://j/login with 200. Not there after 300 s. Seen last: "
        "container j: starting, answers with 503, not yet with 200",
        "    log: one",
        "    log: two",
        "Look at docker logs j, mend what it says, and run it again",
    ]
    assert "Given up after 4 s: it does not stay up" in failure("j", "u", seen, 200, seconds=4, hopeless=True, log="")


def test_what_a_java_program_says_is_not_hidden_by_its_stack() -> None:
    """As Jenkins writes it where Configuration as Code does not know a setting."""
    frames = "\n".join(f"\tat io.jenkins.plugins.casc.A.b(A.java:{number})" for number in range(60))
    cause = (
        "io.jenkins.plugins.casc.UnknownAttributesException: crumbIssuer: Invalid elements: excludeClientIPFromCrumb."
    )
    log = f"""SEVERE hudson.util.BootFailure#publish: Failed to initialize Jenkins
{cause}
{frames}
Caused: io.jenkins.plugins.casc.ConfigurationAsCodeBootFailure
\tat jdk.internal.reflect.DirectMethodHandleAccessor.invoke(Unknown Source)
\tat PluginClassLoader for configuration-as-code//io.jenkins.plugins.casc.X.init(X.java:1)
\t... 8 more
"""
    said = failure("j", "u", Seen("running", status=503), 200, seconds=300, hopeless=False, log=log)
    assert [line.strip()[5:] for line in said.splitlines() if line.startswith("    log: ")] == [
        "SEVERE hudson.util.BootFailure#publish: Failed to initialize Jenkins",
        cause,
        "Caused: io.jenkins.plugins.casc.ConfigurationAsCodeBootFailure",
    ]
    many = "\n".join(map(str, range(50)))
    assert "    log: 30\n" in failure("j", "u", Seen("exited"), 200, seconds=1, hopeless=True, log=many)
    assert "    log: 29\n" not in failure("j", "u", Seen("exited"), 200, seconds=1, hopeless=True, log=many)


def test_a_container_that_is_not_there() -> None:
    assert parse_container(None) == Seen("absent")
    state = {"Status": "restarting", "ExitCode": 137}
    assert parse_container({"State": state, "RestartCount": 4}) == Seen("restarting", 4, 137)
    # Docker says 0 of one that runs, whatever it died of before.
    assert parse_container({"State": {"Status": "running", "ExitCode": 0}}) == Seen("running")


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class Engine:
    """A container, one look after the other; the last one stays."""

    def __init__(self, *looks: tuple[str, int]) -> None:
        self.looks, self.containers = list(looks), self

    def inspect(self, _name: str) -> dict[str, Any] | None:
        state, restarts = self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]
        code = 0 if state == "running" else 7
        return None if state == "absent" else {"State": {"Status": state, "ExitCode": code}, "RestartCount": restarts}

    def last_exit_code(self, _name: str, *, within_seconds: float) -> int | None:
        return 9 if within_seconds < 60 else None

    def log(self, _name: str, lines: int) -> str:
        return f"the last of {lines} lines"


@pytest.fixture(name="clock")
def fixture_clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(operation, "time", clock)
    return clock


def wait(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, engine: Engine, answers: list[tuple[int, str]], quotes: str = ""
) -> tuple[dict[str, Any], list[str]]:
    """The result, and what was told, of each look."""
    told: list[str] = []
    progress = tmp_path / "progress"

    def ask(_url: str, _ca_file: str | None) -> tuple[int, str]:
        if progress.exists():
            told.append(progress.read_text())
        return answers.pop(0) if len(answers) > 1 else answers[0]

    monkeypatch.setattr(operation, "Engine", lambda _socket: engine)
    monkeypatch.setattr(operation, "ask", ask)
    params = {"container": "r", "url": "https://r/", "status": 401, "ca_file": None, "deadline_seconds": 60}
    one = operation.WaitForAnswer({**params, "quotes": quotes, "docker_socket": "/s", "progress": str(progress)})
    try:
        plan = one.plan()
        assert not plan.actions
        return dict(one.apply(plan)), told
    finally:
        told.append(progress.read_text())


@pytest.mark.usefixtures("clock")
def test_an_answer_ends_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    answers = [(0, REFUSED), (0, REFUSED), (503, ""), (401, "")]
    # What an earlier start died of is past.
    result, told = wait(monkeypatch, tmp_path, Engine(("running", 5)), answers)
    assert result["status"] == 401
    assert list(dict.fromkeys(told)) == [
        "container r: starting, no answer yet (connection refused)",
        "container r: starting, answers with 503, not yet with 401",
        "container r: running, answers with 401",
    ]


@pytest.mark.parametrize(
    ("looks", "answer", "seconds", "said"),
    [
        pytest.param([("running", 0)], (503, ""), 60, "Not there after 6", id="the deadline"),
        pytest.param(
            [("running", 0), ("restarting", 2), ("running", 3)],
            (0, REFUSED),
            0,
            "died 3 times, last with exit code 7",
            id="it dies",
        ),
        pytest.param(
            [("running", 0), ("running", 3)],
            (0, REFUSED),
            0,
            "died 3 times, last with exit code 9",
            id="it is never seen dead",
        ),
        pytest.param([("running", 0), ("exited", 0)], (0, REFUSED), 3, "it does not stay up", id="it has ended"),
        pytest.param([("absent", 0)], (0, REFUSED), 3, "container r: absent", id="there is none"),
    ],
)
def test_what_does_not_answer_is_told(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    clock: Clock,
    looks: list[tuple[str, int]],
    answer: tuple[int, str],
    seconds: float,
    said: str,
) -> None:
    with pytest.raises(PlatformError) as failed:
        wait(monkeypatch, tmp_path, Engine(*looks), [answer])
    assert said in failed.value.message
    assert "    log: the last of 400 lines" in failed.value.message
    assert seconds <= clock.now < seconds + 2


@pytest.mark.usefixtures("clock")
def test_what_a_container_has_to_say_is_returned(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    result, _told = wait(monkeypatch, tmp_path, Engine(("running", 0)), [(401, "")], quotes="the last of ")
    assert result["quoted"] == ["10000 lines"]
    with pytest.raises(PlatformError, match=r"answers, but no line of its log begins with '\[us\] '"):
        wait(monkeypatch, tmp_path, Engine(("running", 0)), [(401, "")], quotes="[us] ")
    log = "[us] b\n[us] a\nc [us] d\n[us] b\r\n"
    assert quoted(log, "[us] ") == ["b", "a"]


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(302 if self.path == "/a?b=c" else 404)
            self.send_header("Location", "/elsewhere")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()


def test_the_answer_is_the_servers_own(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    assert operation.ask(f"http://{server}/a?b=c", None) == (302, "")
    assert operation.ask(f"http://{server}", None) == (404, "")
    assert operation.ask("http://127.0.0.1:1/", None) == (0, "connection refused")
    status, problem = operation.ask(f"https://{server}/", None)
    assert (status, bool(problem)) == (0, True)
