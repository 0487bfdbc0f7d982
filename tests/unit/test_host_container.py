# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether a container on a docker host is known to be as wanted."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from ansible.plugins.action import ActionBase

from ansible_collections.fungap.swarm.plugins.action.host_container import ActionModule
from ansible_collections.fungap.swarm.plugins.plugin_utils.host_container import as_wanted, with_spec

CONTAINER: dict[str, Any] = {
    "name": "p-edge",
    "image": "sha256:1",
    "networks": [{"name": "p", "ipv4_address": "172.30.0.3"}],
    "memory": "128M",
    "restart_policy": "unless-stopped",
    "labels": {"io.fungap.platform": "p"},
}
SEEN: dict[str, Any] = {
    "name": "p-edge",
    "image_id": "sha256:1",
    "spec": with_spec(CONTAINER)["labels"]["io.fungap.spec"],
    "state": "running",
    "addresses": {"p": "172.30.0.3"},
    "memory_bytes": 128 * 1024**2,
    "restart_policy": "unless-stopped",
}


@pytest.mark.parametrize(
    ("container", "seen", "wanted"),
    [
        pytest.param(CONTAINER, [{"name": "p-registry"}, SEEN], True, id="as made"),
        pytest.param({**CONTAINER, "command": ["nginx"]}, [SEEN], False, id="a parameter changed"),
        pytest.param(CONTAINER, [], False, id="there is none"),
        pytest.param(CONTAINER, [{**SEEN, "state": "exited"}], False, id="stopped"),
        pytest.param(CONTAINER, [{**SEEN, "state": "paused"}], False, id="paused by a backup that was killed"),
        pytest.param(CONTAINER, [{**SEEN, "image_id": "sha256:2"}], False, id="of another image"),
        pytest.param(CONTAINER, [{**SEEN, "addresses": {}}], False, id="disconnected"),
        pytest.param(CONTAINER, [{**SEEN, "memory_bytes": 0}], False, id="limit lifted by hand"),
        pytest.param(CONTAINER, [{**SEEN, "restart_policy": "no"}], False, id="restart policy set by hand"),
        pytest.param(CONTAINER, [{**SEEN, "spec": ""}], False, id="made by someone else"),
    ],
)
def test_as_wanted(container: dict[str, Any], seen: list[dict[str, Any]], wanted: bool) -> None:
    assert as_wanted(with_spec(container), seen) is wanted


def test_the_label_is_another_for_other_parameters_only() -> None:
    same = dict(reversed(list(CONTAINER.items())))
    assert with_spec(same)["labels"] == with_spec(CONTAINER)["labels"] != with_spec({**CONTAINER, "x": 1})["labels"]


def test_what_a_killed_backup_has_left_paused_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next site.yml, as every run of a role that has the container."""
    asked: list[dict[str, Any]] = []

    def module(_self: ActionModule, _name: str, args: dict[str, Any], **_more: Any) -> dict[str, Any]:
        asked.append(args)
        return {"changed": True}

    monkeypatch.setattr(ActionBase, "run", lambda *_args: {})
    monkeypatch.setattr(ActionModule, "_execute_module", module)
    seen = [{**SEEN, "state": "paused"}]
    action = ActionModule.__new__(ActionModule)
    action._task = SimpleNamespace(args={"container": CONTAINER, "seen": seen})
    assert action.run()["changed"]
    assert asked[0]["paused"] is False
    assert asked[0]["name"] == "p-edge"
