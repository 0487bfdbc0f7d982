"""Contexts: the same files, the same bytes."""

from __future__ import annotations

import gzip
import io
import os
import tarfile
from pathlib import Path

import pytest

from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.plugin_utils.build_context import Context, pack


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for path in ("Dockerfile", "a/deep/x.log", "a/y.js", "node_modules/m/index.js", "z.log"):
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(path)
    return tmp_path


def names(context: Context) -> list[str]:
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(context.archive))) as tar:
        return [member.name for member in tar.getmembers() if not member.isdir()]


def test_time_and_owner_do_not_count(folder: Path) -> None:
    before = pack(str(folder))
    os.utime(folder / "z.log", (1, 1))
    (folder / "a/y.js").chmod(0o600)
    assert pack(str(folder)) == before


@pytest.mark.parametrize("change", ["content", "name", "mode", "link"])
def test_what_counts(folder: Path, change: str) -> None:
    before = pack(str(folder))
    file = folder / "a/y.js"
    if change == "content":
        file.write_text("other")
    elif change == "name":
        file.rename(folder / "a/z.js")
    elif change == "mode":
        file.chmod(0o755)
    else:
        (folder / "link").symlink_to("a/y.js")
    assert pack(str(folder)).sha256 != before.sha256


@pytest.mark.parametrize(
    ("ignore", "left"),
    [
        ("", ["Dockerfile", "a/deep/x.log", "a/y.js", "node_modules/m/index.js", "z.log"]),
        ("# comment\n\nnode_modules/\n", ["Dockerfile", "a/deep/x.log", "a/y.js", "z.log"]),
        ("*.log\nnode_modules", ["Dockerfile", "a/deep/x.log", "a/y.js"]),
        ("**/*.log\nnode_modules", ["Dockerfile", "a/y.js"]),
        ("a/deep\nDockerfile\n/z.log", ["Dockerfile", "a/y.js", "node_modules/m/index.js"]),
        ("*\n!a\n", ["Dockerfile", "a/deep/x.log", "a/y.js"]),
        ("*\n!a\na/deep\n", ["Dockerfile", "a/y.js"]),
        ("a\n!a/deep/*.log\nnode_modules\n*.log\n", ["Dockerfile", "a/deep/x.log"]),
        ("**\n!**/*.js\n", ["Dockerfile", "a/y.js", "node_modules/m/index.js"]),
    ],
)
def test_what_is_ignored(folder: Path, ignore: str, left: list[str]) -> None:
    (folder / ".dockerignore").write_text(ignore)
    assert [name for name in names(pack(str(folder))) if name != ".dockerignore"] == left


def test_what_is_included(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    for path in ("lib/x.py", "lib/__pycache__/x.pyc", "lock"):
        file = elsewhere / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(path)
    (folder / ".dockerignore").write_text("**/__pycache__\na\nnode_modules\nz.log\n.dockerignore")
    include = {"code/lib": str(elsewhere / "lib"), "code/lock": str(elsewhere / "lock")}
    context = pack(str(folder), include)
    assert names(context) == ["Dockerfile", "code/lib/x.py", "code/lock"]
    (elsewhere / "lib/x.py").write_text("other")
    assert pack(str(folder), include).sha256 != context.sha256
    with pytest.raises(PlatformError, match=r"there is no .*/gone to include as code/gone"):
        pack(str(folder), {"code/gone": str(elsewhere / "gone")})


def test_what_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PlatformError, match="no Dockerfile"):
        pack(str(tmp_path / "a"))
