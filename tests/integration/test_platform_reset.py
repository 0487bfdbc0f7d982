# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a reset takes off the controller."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.fungap.swarm.plugins.module_utils.memory.model import Memory

RunModule = Callable[..., dict[str, Any]]
MEMORY = Memory("web", 7, "c1", "2026-11-28T10:00:00Z", ("manager1",)).dump()


@pytest.fixture
def reset(run_module: RunModule) -> RunModule:
    """A reset of a platform of which nothing is on this machine."""
    platform = f"lab-{uuid.uuid4().hex[:6]}"

    def run(path: Path, *, check: bool = False) -> dict[str, Any]:
        return run_module("platform_reset", {"platform": platform, "memory_file": str(path)}, check=check)

    return run


def test_what_the_controller_remembers_is_named_and_goes(reset: RunModule, tmp_path: Path) -> None:
    path = tmp_path / "in-force.json"
    path.write_text(MEMORY)
    would = reset(path, check=True)
    assert would["listing"] == [f"remove what the controller remembers to be in force: {path}"]
    assert path.exists()
    assert reset(path)["actions"] == [f"remove memory {path}"]
    assert not path.exists()
    assert not reset(path)["changed"]


@pytest.mark.parametrize("kind", ["a folder", "a link", "another file", "half of one"])
def test_what_is_none_stays(reset: RunModule, tmp_path: Path, kind: str) -> None:
    path = tmp_path / "path"
    if kind == "a folder":
        path.mkdir()
        (path / "letter").touch()
    elif kind == "a link":
        (tmp_path / "file").write_text(MEMORY)
        path.symlink_to("file")
    else:
        path.write_text("hello" if kind == "another file" else MEMORY[:-20])
    done = reset(path)
    assert not done["changed"]
    assert done["listing"][-1].startswith(f"keep {path} on the controller: it is ")
    assert path.exists()
    assert kind != "a folder" or (path / "letter").exists()
