# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What lies in the folder of an engine's part in a swarm: what can't be looked at doesn't count as nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.fungap.swarm.plugins.module_utils.member.model import EngineMembership, SwarmData
from ansible_collections.fungap.swarm.plugins.module_utils.member.on_disk import read_swarm_data


def test_there_is_none(tmp_path: Path) -> None:
    assert read_swarm_data(str(tmp_path / "swarm")) == SwarmData()
    (tmp_path / "swarm" / "raft").mkdir(parents=True)
    assert read_swarm_data(str(tmp_path / "swarm")) == SwarmData()


def test_a_managers(tmp_path: Path) -> None:
    (tmp_path / "swarm" / "raft" / "wal-v3-encrypted").mkdir(parents=True)
    assert read_swarm_data(str(tmp_path / "swarm")) == SwarmData(is_managers=True)


def test_it_cant_be_looked_at(tmp_path: Path) -> None:
    (tmp_path / "swarm").mkdir()
    (tmp_path / "swarm" / "raft").symlink_to("raft")  # root is denied nothing; this it can't read either
    assert "symbolic links" in read_swarm_data(str(tmp_path / "swarm")).unreadable
    (tmp_path / "swarm" / "raft").unlink()
    (tmp_path / "swarm" / "raft").touch()
    assert "Not a directory" in read_swarm_data(str(tmp_path / "swarm")).unreadable


def test_who_listens_is_out_of_sight(tmp_path: Path) -> None:
    found = read_swarm_data(str(tmp_path / "root" / "var" / "lib" / "docker" / "swarm"))
    assert found.unreadable == f"{tmp_path}/root/var/lib/docker is not there"


@pytest.mark.parametrize(
    ("state", "holds"), [("error", True), ("pending", True), ("locked", True), ("active", False), ("inactive", False)]
)
def test_only_the_engine_says_that_there_is_none(state: str, holds: bool) -> None:
    found = EngineMembership.parse({"Swarm": {"LocalNodeState": state}}, SwarmData(unreadable="Input/output error"))
    assert found.holds_data is holds
    assert found.error == ("its data can't be looked at: Input/output error" if holds else "")
