"""Reset asks first, keeps data unless told otherwise, and leaves nothing behind."""

from __future__ import annotations

import json

from .conftest import HOST, NODES, Platform, traces


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


def test_an_app_that_left_the_inventory_is_named_and_taken_away(platform: Platform) -> None:
    without = platform.run("-e", json.dumps({"apps": {}}), playbook="playbooks/status.yml")
    assert (
        """stack web runs and is not in the inventory: ansible-playbook site.yml -e '{"apps_absent": ["web"]}'"""
        in (without.output)
    )
    assert f"https://{HOST}" not in without.output
    platform.run("--tags", "app", "-e", json.dumps({"apps": {}, "apps_absent": ["web"]}))
    assert "web_web" not in [service["Spec"]["Name"] for service in platform.engine("manager1").services()]
    for node in NODES:
        volumes = platform.engine(node).volumes()["Volumes"] or []
        assert [volume["Name"] for volume in volumes if volume["Name"].startswith("web_env_")] == []
    assert "stack web" not in platform.run("-e", json.dumps({"apps": {}}), playbook="playbooks/status.yml").output


def test_reset_leaves_nothing(platform: Platform) -> None:
    assert traces(platform)
    memory = platform.secrets / f"in-force-{platform.name}.json"
    assert memory.exists()
    platform.reset(volumes=True)
    assert not memory.exists()
    assert traces(platform) == []
    assert platform.secrets.exists(), "the controller's secrets are the operator's"
    confirmed = json.dumps({"reset_confirmed": platform.name})
    assert platform.run("-e", confirmed, playbook="playbooks/reset.yml").changed == 0
