"""An inventory as it is brought to where it is used: all of it, and nothing beside it."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible.errors import AnsibleError

from ansible_collections.fungap.swarm.plugins.lookup.folder_files import read_folder

FILES = {
    "hosts.yml": "all:\n",
    "group_vars/all.yml": "a: 1\n",
    "files/web.env": "A=1\n",
    ".secrets/ca.key": "never\n",
    ".git/config": "never\n",
}


@pytest.fixture
def inventory(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        path = tmp_path / "inventory" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path / "inventory"


def read(folder: Path) -> dict[str, str]:
    return read_folder(str(folder), [".secrets"])


def test_files_of_all_folders_but_those_left_out(inventory: Path) -> None:
    left_out = (".secrets", ".git")
    wanted = {name: text for name, text in FILES.items() if not name.startswith(left_out)}
    assert read(inventory) == wanted


def test_what_is_linked_is_there(inventory: Path, tmp_path: Path) -> None:
    """As where several inventories share their group_vars."""
    (inventory / "group_vars").rename(tmp_path / "shared")
    (inventory / "group_vars").symlink_to(tmp_path / "shared")
    (inventory / "hosts.yml").rename(tmp_path / "machines.yml")
    (inventory / "hosts.yml").symlink_to("../machines.yml")
    found = read(inventory)
    assert (found["group_vars/all.yml"], found["hosts.yml"]) == ("a: 1\n", "all:\n")


def test_a_link_to_a_folder_above_is_not_followed_round_and_round(inventory: Path) -> None:
    (inventory / "files" / "again").symlink_to("..")
    assert set(read(inventory)) == {"hosts.yml", "group_vars/all.yml", "files/web.env"}


def test_a_folder_that_is_not_there_has_no_files(tmp_path: Path) -> None:
    assert read(tmp_path / "nowhere") == {}


@pytest.mark.parametrize(
    ("content", "problem"), [(b"\xff\xfe", "is no text"), (b"x" * 1_000_001, "is too big"), (None, "cannot read")]
)
def test_what_can_be_no_part_of_an_inventory_is_named(inventory: Path, content: bytes | None, problem: str) -> None:
    path = inventory / "files" / "odd"
    if content is None:
        path.symlink_to("nowhere")
    else:
        path.write_bytes(content)
    with pytest.raises(AnsibleError, match=problem) as caught:
        read(inventory)
    assert str(path) in str(caught.value)
