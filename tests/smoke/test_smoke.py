# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A platform by the installed collection and the ansible-core that tests/cores.py puts in front, from nothing to reset.

Each playbook is a program of its own: nothing of what makes the other tests fast is between.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import ansible
import pytest

from ..installed import install
from ..load.live import Run
from ..platform.conftest import Platform, traces
from ..steps import tell
from ..waiting import wait_for

REPLICAS = 2


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    folder = tmp_path_factory.mktemp("installed")
    install(folder, "smoke")
    platform = Platform("site", str(folder))
    try:
        yield platform
    finally:
        confirmed = {"reset_confirmed": platform.name, "reset_volumes": True}
        done = play(platform, "playbooks/reset.yml", **confirmed)
        assert done.code == 0, done.output[-6000:]
        assert traces(platform) == []


def play(platform: Platform, playbook: str, **values: object) -> Run:
    return platform.live.launch(playbook, *(["-e", json.dumps(values)] if values else [])).wait()


def test_from_nothing_to_a_rollout_and_back(platform: Platform) -> None:
    up = play(platform, "site.yml")
    assert up.code == 0, up.output[-6000:]
    assert platform.answers()
    again = play(platform, "site.yml")
    assert (again.code, again.changed) == (0, 0), again.output[-6000:]
    scaled = play(platform, "playbooks/scale.yml", app="web", replicas=REPLICAS)
    assert scaled.code == 0, scaled.output[-6000:]
    wait_for("the replicas", lambda: platform.running("web_web") == REPLICAS, 30)
    back = play(platform, "playbooks/rollback.yml", app="web")
    assert back.code == 0, back.output[-6000:]
    said = play(platform, "playbooks/status.yml")
    assert said.code == 0, said.output[-6000:]
    assert "web" in said.output
    tell(f"ansible-core {ansible.release.__version__}: site.yml {up.seconds:.0f} s, again {again.seconds:.0f} s")
