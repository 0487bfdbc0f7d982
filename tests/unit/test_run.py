# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Runs of two checkouts share the engine: the one that started it stops it only if nobody else uses it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import run


def test_the_engine_is_not_stopped_under_another_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "ENGINE_LOCK", tmp_path / "lock")
    here, there = run.use_engine(), run.use_engine()
    assert not run.is_only_user(here)
    there.close()
    assert run.is_only_user(here)
    here.close()
