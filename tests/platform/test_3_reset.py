"""Reset asks first, keeps data unless told otherwise, and leaves nothing behind."""

from __future__ import annotations

import json

from .conftest import Platform, traces


def test_reset_needs_confirmation(platform: Platform) -> None:
    refused = platform.play(playbook="playbooks/reset.yml")
    assert refused.code != 0
    assert f"-e reset_confirmed={platform.name}" in refused.output
    assert platform.answers()


def test_reset_keeps_data_unless_asked_and_the_same_swarm_comes_back(platform: Platform) -> None:
    before = {name: node["ID"] for name, node in platform.members().items()}
    platform.reset(volumes=False)
    assert {trace.split()[0] for trace in traces(platform)} == {"volume"}
    platform.run()
    assert platform.answers()
    assert {name: node["ID"] for name, node in platform.members().items()} == before


def test_reset_leaves_nothing(platform: Platform) -> None:
    assert traces(platform)
    platform.reset(volumes=True)
    assert traces(platform) == []
    assert platform.secrets.exists(), "the controller's secrets are the operator's"
    confirmed = json.dumps({"reset_confirmed": platform.name})
    assert platform.run("-e", confirmed, playbook="playbooks/reset.yml").changed == 0
