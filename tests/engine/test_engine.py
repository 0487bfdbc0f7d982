"""An engine on this machine, if none runs, and the catalog's images in it, by the collection's own means."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from .. import timeline
from ..steps import run_step
from .service import engine_answers

PLAYBOOK = ("ansible-playbook", "-i", "inventories/local")


@pytest.fixture(autouse=True, scope="module")
def say_so(run_dir: Path) -> Iterator[list[str]]:
    """Tell all who wait whether the engine is there with the images."""
    done: list[str] = []
    yield done
    (run_dir / "engine.new").write_text("up" if len(done) == 2 else "failed")
    (run_dir / "engine.new").rename(run_dir / "engine")


def test_engine(say_so: list[str]) -> None:
    if not engine_answers():
        with timeline.playbook("engine.yml") as environment:
            run_step("engine-engine", [*PLAYBOOK, "playbooks/engine.yml"], env=environment)
    assert engine_answers()
    say_so.append("engine")


def test_images(say_so: list[str]) -> None:
    with timeline.playbook("images.yml") as environment:
        run_step("engine-images", [*PLAYBOOK, "playbooks/images.yml"], env=environment, limit_seconds=1500)
    say_so.append("images")
