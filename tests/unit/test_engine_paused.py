# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is held for a while is let go again, whatever the engine answers."""

from __future__ import annotations

from typing import Any

import docker
import pytest
import requests

from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.module_utils.docker import client
from ansible_collections.fungap.swarm.plugins.module_utils.docker.engine import Engine

# runc 1.1 with cgroup v1, on processes that start others all the time; it has thawed them.
FREEZE = docker.errors.APIError("500", explanation="OCI runtime pause failed: unable to freeze: unknown")
BUSY = docker.errors.APIError("409", explanation="container web is restarting")


class Api:
    """One container. ``answers``: of each pause what is raised, and whether the container is paused all the same."""

    def __init__(self, answers: list[tuple[BaseException | None, bool]], state: dict[str, Any]) -> None:
        self.answers, self.state, self.asked = answers, state, 0

    def inspect_container(self, _name: str) -> dict[str, Any]:
        return {"State": self.state}

    def pause(self, _name: str) -> None:
        error, done = self.answers[self.asked]
        self.asked += 1
        self.state["Paused"] = done
        if error:
            raise error

    def unpause(self, _name: str) -> None:
        assert self.state["Paused"], "container web is not paused"
        self.state["Paused"] = False


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client.time, "sleep", lambda _seconds: None)


def held(api: Api) -> bool:
    """Whether the container was paused while it was to be."""
    one = Engine("/nowhere")
    one.api = api
    with one.containers.paused("web"):
        return bool(api.state["Paused"])


@pytest.mark.parametrize(
    ("answers", "state", "asked", "paused"),
    [
        pytest.param([(None, True)], {"Running": True, "Paused": False}, 1, True, id="paused"),
        pytest.param([], {"Running": True, "Paused": True}, 0, True, id="a killed run has left it so"),
        pytest.param([], {"Running": False, "Paused": False}, 0, False, id="it doesn't run"),
        pytest.param(
            [(FREEZE, False), (FREEZE, False), (None, True)],
            {"Running": True, "Paused": False},
            3,
            True,
            id="by chance",
        ),
    ],
)
def test_a_container_is_held_and_goes_on(
    answers: list[tuple[BaseException | None, bool]], state: dict[str, Any], asked: int, paused: bool
) -> None:
    api = Api(answers, dict(state))
    assert held(api) == paused
    assert (api.asked, api.state["Paused"]) == (asked, False)


@pytest.mark.parametrize(
    ("answers", "raised", "asked"),
    [
        pytest.param([(FREEZE, False)] * 12, PlatformError, 10, id="never"),
        pytest.param([(BUSY, False)], PlatformError, 1, id="another reason"),
        pytest.param([(requests.exceptions.ReadTimeout("60 s"), True)], PlatformError, 1, id="paused after all"),
        pytest.param([(SystemExit(143), True)], SystemExit, 1, id="ended meanwhile"),
    ],
)
def test_a_pause_that_fails_leaves_nothing_paused(
    answers: list[tuple[BaseException | None, bool]], raised: type[BaseException], asked: int
) -> None:
    api = Api(answers, {"Running": True, "Paused": False})
    with pytest.raises(raised):
        held(api)
    assert (api.asked, api.state["Paused"]) == (asked, False)
