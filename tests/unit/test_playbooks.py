# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the playbooks promise each other."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

PLAYBOOKS = Path(__file__).resolve().parents[2] / "playbooks"
# jenkins.yml is a part of others; reset.yml must work on an inventory that is wrong, the other two know no platform.
WITHOUT_PREFLIGHT = {"jenkins.yml", "reset.yml", "engine.yml", "images.yml"}
NAMES = sorted(path.name for path in PLAYBOOKS.glob("*.yml"))


def first(name: str) -> str:
    """The playbook that is run first of all."""
    imported = yaml.safe_load((PLAYBOOKS / name).read_text())[0].get("ansible.builtin.import_playbook")
    return first(imported) if imported else name


@pytest.mark.parametrize("name", NAMES)
def test_the_inventory_is_checked_before_anything_is_changed(name: str) -> None:
    assert (first(name) == "preflight.yml") is (name not in WITHOUT_PREFLIGHT)


def test_site_at_the_root_is_the_playbook() -> None:
    plays = yaml.safe_load((PLAYBOOKS.parent / "site.yml").read_text())
    assert [play["ansible.builtin.import_playbook"] for play in plays] == ["playbooks/site.yml"]
