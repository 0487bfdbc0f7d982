# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Archives of volumes: their names, which stay, and that nothing is lost or let out on the way."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
from datetime import datetime, timezone
from pathlib import Path

import pytest
from ansible.errors import AnsibleActionFail
from ansible.parsing.dataloader import DataLoader

from ansible_collections.fungap.swarm.plugins.action.volume_restore import ActionModule as Restore
from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.module_utils.volume import operation as volumes
from ansible_collections.fungap.swarm.plugins.module_utils.volume.copy import version_of
from ansible_collections.fungap.swarm.plugins.plugin_utils.backup import (
    archive_name,
    archives_to_delete,
    signed_sha256,
    trusted_sha256,
)

NAMES = [f"p-home-2026112{day}T120000Z.tar" for day in range(1, 5)]


def test_an_archive_is_named_by_volume_and_time() -> None:
    assert archive_name("p-home", datetime(2026, 11, 21, 12, 0, 0, tzinfo=timezone.utc)) == NAMES[0]


@pytest.mark.parametrize(("keep", "gone"), [(0, []), (1, NAMES[:3]), (3, NAMES[:1]), (9, [])])
def test_the_newest_stay(keep: int, gone: list[str]) -> None:
    others = [
        "p-home-2-20200101T000000Z.tar",
        "p-home.tar",
        f"{NAMES[0]}.sha256",
        f"{NAMES[0]}.partial",
        "q-home-20200101T000000Z.tar",
    ]
    assert archives_to_delete([*reversed(NAMES), *others], "p-home", keep) == gone


SUM, OTHER = "0a" * 32, "0b" * 32
SIGNED = signed_sha256("a.tar", SUM, "key")


def test_a_signature_is_a_comment_to_sha256sum(tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_text("content")
    text = signed_sha256("a.tar", volumes.digest(str(tmp_path / "a.tar")), "key")
    assert text.splitlines()[0].endswith("  a.tar")
    assert "key" not in text
    (tmp_path / "a.tar.sha256").write_text(text)
    subprocess.run(["sha256sum", "--check", "--strict", "--quiet", "a.tar.sha256"], cwd=tmp_path, check=True)


@pytest.mark.parametrize(
    ("text", "name", "key", "said"),
    [
        (SIGNED, "a.tar", "key", ""),
        (SIGNED, "a.tar", "another", "is wrong"),
        (SIGNED, "b.tar", "key", "is wrong"),
        (SIGNED.replace(SUM, OTHER), "a.tar", "key", "is wrong"),
        (SIGNED.replace("a.tar", "b.tar"), "b.tar", "key", "is wrong"),
        (SIGNED.replace("0a0a", "0A0A", 1), "a.tar", "key", "is wrong"),
        (f"{OTHER}  a.tar\n{SIGNED}", "a.tar", "key", "is wrong"),
        (f"{SIGNED}{OTHER}  a.tar\n", "a.tar", "key", "is wrong"),
        (SIGNED[:-2], "a.tar", "key", "is wrong"),
        ("# signed: ", "a.tar", "key", "is wrong"),
        (f"{SUM}  a.tar\n", "a.tar", "key", "is not signed"),
        ("", "a.tar", "key", "is not signed"),
        ("\ufffd", "a.tar", "key", "is not signed"),
    ],
)
def test_a_sha256_is_trusted_by_its_signature_alone(text: str, name: str, key: str, said: str) -> None:
    if said:
        with pytest.raises(PlatformError, match=f"{name}.sha256 {said}|signature in {name}.sha256 {said}"):
            trusted_sha256(text, name, key)
    else:
        assert trusted_sha256(text, name, key) == SUM


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"a.tar.sha256": SIGNED, "key": "key\n"}, ""),
        ({"a.tar.sha256": SIGNED}, "there is no file .*/key "),
        ({"key": "key\n"}, "there is no file .*/a.tar.sha256 "),
        ({"a.tar.sha256": f"{SUM}  a.tar\n", "key": "key\n"}, "not signed"),
        ({"a.tar.sha256": SIGNED, "key": "another\n"}, "is wrong"),
    ],
)
def test_an_archive_that_is_not_trusted_is_refused_with_the_cure(
    tmp_path: Path, files: dict[str, str], said: str
) -> None:
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    action = Restore.__new__(Restore)
    action._loader = DataLoader()
    archive, key = str(tmp_path / "a.tar"), str(tmp_path / "key")
    if said:
        with pytest.raises(AnsibleActionFail, match=rf"{archive} can't be trusted: .*{said}.*-e backup_sha256="):
            action._signed(archive, key)
    else:
        assert action._signed(archive, key) == SUM


def a_home(root: Path) -> dict[str, tuple[int, bytes | str]]:
    """A folder like Jenkins' home; what is in it."""
    (root / "jobs" / "a b").mkdir(parents=True)
    (root / "jobs" / "a b" / "config.xml").write_bytes(b"<x/>\xff")
    (root / "secret.key").write_text("s")
    (root / "secret.key").chmod(0o600)
    (root / "empty").mkdir(mode=0o700)
    (root / "last").symlink_to("jobs/a b")
    (root / "war").symlink_to("/usr/share/jenkins")
    return content(root)


def content(root: Path) -> dict[str, tuple[int, bytes | str]]:
    return {
        str(path.relative_to(root)): (
            path.lstat().st_mode,
            os.readlink(path) if path.is_symlink() else path.read_bytes() if path.is_file() else b"",
        )
        for path in root.rglob("*")
    }


def test_what_goes_in_comes_out(tmp_path: Path) -> None:
    (source := tmp_path / "source").mkdir()
    (target := tmp_path / "target").mkdir()
    before = a_home(source)
    os.utime(source / "secret.key", (1, 1))
    made = volumes.archive(str(source), str(tmp_path / "x.tar"))
    assert (tmp_path / "x.tar").stat().st_mode & 0o777 == 0o600
    assert made["sha256"] == volumes.digest(str(tmp_path / "x.tar"))
    assert made["bytes"] == (tmp_path / "x.tar").stat().st_size
    assert volumes.check_archive(str(tmp_path / "x.tar")) == made["files"]
    volumes.unpack(str(tmp_path / "x.tar"), str(target))
    assert content(target) == before
    assert (target / "secret.key").stat().st_mtime == 1


@pytest.mark.skipif(not hasattr(tarfile, "data_filter"), reason="a Python without filters")
def test_what_pythons_data_filter_would_refuse_or_change_is_put_back(tmp_path: Path) -> None:
    """Three things that homes have, and that lead out of no folder: see architecture.md."""
    (source := tmp_path / "source").mkdir()
    (target := tmp_path / "target").mkdir()
    a_home(source)
    os.mkfifo(source / "pipe")
    (source / "tool").write_text("#!/bin/sh")
    (source / "tool").chmod(0o6755)
    before = content(source)
    volumes.archive(str(source), str(tmp_path / "x.tar"))
    refused, changed = {}, []
    with tarfile.open(tmp_path / "x.tar") as tar:
        for entry in tar:
            try:
                if tarfile.data_filter(entry, str(target)).mode not in (None, entry.mode):
                    changed.append(entry.name)
            except tarfile.FilterError as error:
                refused[entry.name] = type(error)
    assert refused == {"war": tarfile.AbsoluteLinkError, "pipe": tarfile.SpecialFileError}
    assert changed == ["tool"]
    assert volumes.check_archive(str(tmp_path / "x.tar"))
    volumes.unpack(str(tmp_path / "x.tar"), str(target))
    assert content(target) == before


def test_copies_and_moves_are_whole(tmp_path: Path) -> None:
    for name in ("source", "copy", "moved"):
        (tmp_path / name).mkdir()
    before = a_home(tmp_path / "source")
    volumes.copy(str(tmp_path / "source"), str(tmp_path / "copy"))
    assert content(tmp_path / "copy") == before
    volumes.move(str(tmp_path / "copy"), str(tmp_path / "moved"))
    assert content(tmp_path / "moved") == before
    assert content(tmp_path / "copy") == {}
    volumes.empty(str(tmp_path / "moved"))
    assert content(tmp_path / "moved") == {}


@pytest.mark.parametrize(
    ("name", "link"), [("../x", ""), ("/etc/x", ""), ("a/../../x", ""), ("a", "../../x"), ("dev", "char")]
)
def test_an_archive_that_leads_out_is_refused(tmp_path: Path, name: str, link: str) -> None:
    with tarfile.open(tmp_path / "x.tar", "w") as tar:
        entry = tarfile.TarInfo(name)
        if link == "char":
            entry.type = tarfile.CHRTYPE
        elif link:
            entry.type, entry.linkname = tarfile.SYMTYPE, link
        tar.addfile(entry, io.BytesIO())
    with pytest.raises(PlatformError, match="not an archive of ours"):
        volumes.check_archive(str(tmp_path / "x.tar"))


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        (["x -> /abs", "x/file"], "through a link"),
        (["a/", "a/x -> ..", "a/x/y/", "a/x/y/file"], "through a link"),
        (["x -> /abs", "x"], "there twice"),
        (["x -> /abs", "y = x"], "through a link"),
        (["x -> /abs", "y = x/file"], "through a link"),
        (["x -> /abs/sub", "x/../file"], "out of its folder"),
        (["x -> /abs/sub", "a/", "a/../x/../file"], "out of its folder"),
        (["x -> /abs/sub", "./../x/file"], "out of its folder"),
        (["x -> /abs/sub", "file", "y = x/../file"], "out of its folder"),
        (["file", "y = ./../file"], "out of its folder"),
        (["x -> /abs/sub", ".//x/./file"], "through a link"),
        (["x -> /abs/sub", f"x/../{'long/' * 40}file"], "out of its folder"),
        (["x -> /abs/sub", f"{'long/' * 40}../x/file"], "out of its folder"),
        ([" -> /abs", "file"], "place of the folder"),
        (["./ -> /abs", "file"], "place of the folder"),
        (["y = file", "file"], "no file before it"),
        (["a/", "y = a"], "no file before it"),
        (["file", "./file"], "there twice"),
        (["..file", "a/", "a/..x -> ..y", "z -> /abs", "b = ..file"], ""),
        (["./", "a/", f"a/{'long/' * 40}file", "a/./file", "y = a//file"], ""),
    ],
)
@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_an_archive_cannot_write_through_a_link_that_it_brings(
    tmp_path: Path, entries: list[str], words: str, form: int
) -> None:
    with tarfile.open(tmp_path / "x.tar", "w", format=form) as tar:
        for text in entries:
            name, kind, target = text.partition(" -> ") if " -> " in text else text.partition(" = ")
            entry = tarfile.TarInfo(name.rstrip("/"))
            entry.linkname = target
            entry.type = {" -> ": tarfile.SYMTYPE, " = ": tarfile.LNKTYPE}.get(
                kind, tarfile.DIRTYPE if name.endswith("/") else tarfile.REGTYPE
            )
            tar.addfile(entry, io.BytesIO())
    if words:
        with pytest.raises(PlatformError, match=words):
            volumes.check_archive(str(tmp_path / "x.tar"))
    else:
        assert volumes.check_archive(str(tmp_path / "x.tar")) == len(entries)
        # Nothing else that Python's own filter refuses is let through.
        with tarfile.open(tmp_path / "x.tar") as tar:
            for one in tar if hasattr(tarfile, "data_filter") else ():
                if one.name != "z":
                    tarfile.data_filter(one, str(tmp_path))


def test_what_is_no_archive_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.tar").write_text("hello" * 1000)
    with pytest.raises(PlatformError, match=r"cannot read .*x\.tar"):
        volumes.check_archive(str(tmp_path / "x.tar"))


@pytest.mark.parametrize(
    ("environment", "version"),
    [
        (["JENKINS_VERSION=2.555.3"], "2.555.3"),
        (["JENKINS_VERSION=2.555/3 x"], "2.555-3-x"),
        (["OTHER=1"], "0123456789ab"),
        (None, "0123456789ab"),
    ],
)
def test_a_version_fits_into_a_volumes_name(environment: list[str] | None, version: str) -> None:
    image = {"Id": "sha256:0123456789abcdef", "Config": {"Env": environment}}
    assert version_of(image, "JENKINS_VERSION") == version
