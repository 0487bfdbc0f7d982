"""An engine on this machine, if none runs, and the catalog's images in it, by the collection's own means."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .. import images, seed, timeline
from ..steps import run_step
from .service import engine_answers

PLAYBOOK = ("ansible-playbook", "-i", "inventories/local")


@contextmanager
def told(file: Path) -> Iterator[None]:
    """Tell all who wait how it went, as soon as it is known."""
    unfinished = file.with_suffix(".new")
    unfinished.write_text("failed")
    try:
        yield
        unfinished.write_text("up")
    finally:
        unfinished.rename(file)


def test_engine_and_images(run_dir: Path) -> None:
    with told(run_dir / "engine"):
        if not engine_answers():
            with timeline.playbook("engine.yml") as environment:
                run_step("engine-engine", [*PLAYBOOK, "playbooks/engine.yml"], env=environment)
        with timeline.playbook("images.yml") as environment:
            # Built, whatever can be reached from here: all tests ask for those.
            wanted = ["-e", json.dumps({"images_optional": optional_images(), "images_source": "build"})]
            run_step("engine-images", [*PLAYBOOK, *wanted, "playbooks/images.yml"], env=environment, limit_seconds=1500)


def optional_images() -> list[str]:
    """All that can be built: no test builds one for itself."""
    return [name for name, entry in images.catalog().items() if entry.optional and entry.build and not entry.missing]


def test_registry_storage(run_dir: Path) -> None:
    with told(run_dir / "seed"), timeline.span("pushes into the registry that others copy"):
        seed.make()
