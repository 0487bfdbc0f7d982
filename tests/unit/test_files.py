"""The file system layer, on a real file system."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from ansible_collections.fungap.swarm.plugins.module_utils.config_files.model import ConfigFile, Ownership
from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.module_utils.host import files


def wanted(path: Path, content: str = "new\n", **kwargs: object) -> ConfigFile:
    return ConfigFile(str(path), content, Ownership(0o640), **kwargs)  # type: ignore[arg-type]


def test_stage_and_install(tmp_path: Path) -> None:
    path = tmp_path / "a.conf"
    path.write_text("old\n")
    temporary = files.stage(wanted(path))
    assert path.read_text() == "old\n"
    files.install(temporary, str(path))
    assert path.read_text() == "new\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert os.listdir(tmp_path) == ["a.conf"]


def test_a_leftover_of_a_killed_run_is_used_up(tmp_path: Path) -> None:
    path = tmp_path / "a.conf"
    files.stage(wanted(path, "half"))
    files.install(files.stage(wanted(path)), str(path))
    assert os.listdir(tmp_path) == ["a.conf"]
    assert path.read_text() == "new\n"


def test_the_umask_does_not_matter(tmp_path: Path) -> None:
    old = os.umask(0o077)
    try:
        files.make_directory(str(tmp_path / "one" / "two"), Ownership(0o750))
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "one").stat().st_mode) == 0o755
    assert stat.S_IMODE((tmp_path / "one" / "two").stat().st_mode) == 0o750


def test_a_refused_file_is_named_with_the_validator_s_words(tmp_path: Path) -> None:
    with pytest.raises(PlatformError) as error:
        files.stage(wanted(tmp_path / "a", validate="sh -c 'echo line 3 is bad; exit 2' %s"))
    assert "ended with 2: line 3 is bad" in error.value.message


def test_a_refused_secret_is_not_quoted(tmp_path: Path) -> None:
    with pytest.raises(PlatformError) as error:
        files.stage(wanted(tmp_path / "a", "hunter2", validate="sh -c 'cat \"$0\"; exit 2' %s", secret=True))
    assert "hunter2" not in error.value.message


def test_states(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("nowhere")
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    (tmp_path / "text").write_text("é")
    kinds = {name: files.read_state(str(tmp_path / name)).kind for name in ("link", "binary", "text", "none", "")}
    assert kinds == {"link": "other", "binary": "file", "text": "file", "none": "absent", "": "directory"}
    assert files.read_state(str(tmp_path / "binary")).content is None
    assert files.read_state(str(tmp_path / "text")).content == "é"


def test_remove_takes_trees_links_and_nothing(tmp_path: Path) -> None:
    (tmp_path / "tree" / "deep").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "tree")
    for name in ("link", "tree", "nothing"):
        files.remove(str(tmp_path / name))
    assert os.listdir(tmp_path) == []


def test_an_unknown_user_is_named(tmp_path: Path) -> None:
    with pytest.raises(PlatformError, match="no user 'nobody-here'"):
        files.set_ownership(str(tmp_path), Ownership(0o755, owner="nobody-here"))


def test_of_a_tree_large_files_are_not_read(tmp_path: Path) -> None:
    (tmp_path / "a.conf").write_text("a")
    with (tmp_path / "archive.tar").open("wb") as file:
        file.truncate(4 << 30)
    found = files.read_tree(str(tmp_path))
    assert {path: state.content for path, state in found.items() if state.kind == "file"} == {
        str(tmp_path / "a.conf"): "a",
        str(tmp_path / "archive.tar"): None,
    }
