# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which images belong to a checkout: they follow from its recipes, not from what the engine got last."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import images


@pytest.fixture
def role(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The role of another checkout, which has the same files so far."""
    copy = tmp_path / "roles" / "images"
    shutil.copytree(images.ROLE, copy)
    monkeypatch.setattr(images, "ROLE", copy)
    forget()
    yield copy
    forget()


def forget() -> None:
    images.catalog.cache_clear()
    images.reference.cache_clear()


def engine_with(monkeypatch: pytest.MonkeyPatch, *tags: str) -> None:
    class Engine:
        def __init__(self, socket: str) -> None:
            assert socket == images.SOCKET
            self.images = self

        def tags(self, reference: str) -> dict[str, str]:
            return {tag: "sha256:0" for tag in tags if tag == reference}

    monkeypatch.setattr(images, "Engine", Engine)


def references(*names: str) -> dict[str, str]:
    forget()
    return {name: images.reference(name) for name in names}


@pytest.mark.usefixtures("role")
def test_the_same_recipes_elsewhere_make_the_same_images(monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = references("base", "node", "proxy")
    monkeypatch.undo()  # our own role again
    assert references("base", "node", "proxy") == theirs


def test_only_what_has_another_recipe_is_another_image(role: Path) -> None:
    before = references("base", "node", "proxy")
    with (role / "files" / "node" / "Dockerfile").open("a") as file:
        file.write("ENV ANOTHER=engine\n")
    after = references("base", "node", "proxy")
    assert {name for name in after if after[name] != before[name]} == {"node"}


def test_another_base_makes_all_that_is_built_on_it_another_image(role: Path) -> None:
    before = references("base", "node", "proxy")
    defaults = role / "defaults" / "main.yml"
    text = defaults.read_text()
    assert text.count("packages: [ca-certificates]") == 1
    defaults.write_text(text.replace("packages: [ca-certificates]", "packages: [ca-certificates, tzdata]"))
    after = references("base", "node", "proxy")
    assert not set(after.values()) & set(before.values())


def test_an_image_of_the_engine_is_taken_by_its_recipe(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = images.reference("node")
    engine_with(monkeypatch, "fungap/node:000000000000", wanted)
    assert images.image("node") == wanted


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("node", """ansible-playbook playbooks/images.yml -e '{"images_names": ["node"]}'"""),
        # Internal: it is made with what is built on it.
        ("base", "ansible-playbook playbooks/images.yml"),
    ],
)
def test_another_checkouts_image_is_refused_with_the_command_that_makes_ours(
    name: str, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine_with(monkeypatch, f"fungap/{name}:000000000000")
    with pytest.raises(images.MissingImageError) as raised:
        images.image(name)
    assert str(raised.value) == f"the engine lacks {images.reference(name)}; make it: {command}"


@pytest.mark.parametrize(("name", "why"), [("nix", "it is not in the catalog"), ("grafana", "how to build it")])
def test_what_no_recipe_makes_is_said(name: str, why: str) -> None:
    with pytest.raises(images.MissingImageError, match=f"no image {name}: .*{why}"):
        images.reference(name)
