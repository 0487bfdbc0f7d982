# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Volumes as a whole: into an archive, out of it, and beside each other.

They are read and written where they lie on the docker host, which is as fast as its disk, needs no container and no
image, and lets one take another's place by renaming what is in it.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tarfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import IO, Any

from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.module_utils.docker.engine import Engine
from ansible_collections.fungap.swarm.plugins.module_utils.host.files import sha256_of, sync_directory, write_marker


class HashingFile:
    """A file that knows the SHA-256 of what has been written to it."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._hash = hashlib.sha256()

    def write(self, data: bytes) -> int:
        self._hash.update(data)
        return self._file.write(data)

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()


def path_of(engine: Engine, volume: str) -> str:
    """Where a volume's files lie."""
    path = engine.volumes.path(volume)
    if path is None:
        raise PlatformError(f"there is no volume {volume} on {engine.socket}")
    if not os.path.isdir(path):
        raise PlatformError(f"volume {volume} is said to lie in {path}, which is not on this machine")
    return path


def archive(root: str, target: str) -> dict[str, Any]:
    """Write all that is in a folder into a tar that only root may read; its ``sha256``, ``bytes`` and ``files``."""
    count = 0
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with _as_platform_error(f"write {target}"), os.fdopen(descriptor, "wb") as file:
        hashing = HashingFile(file)
        # As a stream: the hash is of what is in the file, byte by byte.
        with tarfile.open(fileobj=hashing, mode="w|", format=tarfile.PAX_FORMAT) as tar:  # type: ignore[call-overload]
            for path, name in _walk(root):
                # tarfile itself leaves sockets out.
                entry = tar.gettarinfo(path, name)
                if entry is None:
                    continue
                count += 1
                if entry.isreg():
                    with open(path, "rb") as content:
                        tar.addfile(entry, content)
                else:
                    tar.addfile(entry)
        size = file.tell()
        os.fsync(file.fileno())
    return {"sha256": hashing.sha256, "bytes": size, "files": count}


def _walk(root: str) -> Iterator[tuple[str, str]]:
    """(path, name in the archive) of the folder itself and of everything in it, folders before what they hold."""
    yield root, "."
    for folder, folders, files in os.walk(root):
        for name in sorted([*folders, *files]):
            path = os.path.join(folder, name)
            yield path, os.path.relpath(path, root)


def digest(path: str) -> str:
    """The SHA-256 of a file."""
    with _as_platform_error(f"read {path}"), open(path, "rb") as file:
        return sha256_of(file)


def check_archive(path: str) -> int:
    """Return the number of entries. Raises if the file is not our archive or an entry escapes the folder.

    Nothing may come twice, nor lie below a link: what is unpacked later would be written where the link leads. Names
    are unpacked as they stand in the archive, so none may have a ``..``: below a link that leads elsewhere, too.
    What Python's ``data`` filter refuses besides (a link to an absolute path, a FIFO) homes have, and it leads nowhere.
    """
    names: set[str] = set()
    files: set[str] = set()
    links: set[str] = set()
    with _as_platform_error(f"read {path}"), tarfile.open(path, "r:") as tar:
        for entry in tar:
            name = os.path.normpath(entry.name)
            hard = os.path.normpath(entry.linkname) if entry.islnk() else ""
            why = _why_not_ours(entry, name) or ("it is there twice" if name in names else "")
            if not why and (hard in links or any(above in links for one in (name, hard) for above in _above(one))):
                why = "it leads through a link"
            if not why and hard and hard not in files:
                why = "it is a link to what is no file before it"
            if why:
                raise PlatformError(f"{path} is not an archive of ours: {entry.name!r}: {why}")
            names.add(name)
            if entry.issym():
                links.add(name)
            elif entry.isreg() or entry.islnk():
                files.add(name)
    return len(names)


def _why_not_ours(entry: tarfile.TarInfo, name: str) -> str:
    if not (entry.isreg() or entry.isdir() or entry.issym() or entry.islnk() or entry.isfifo()):
        return "it is a device"
    if name == "." and not entry.isdir():
        return "it is in the place of the folder itself"
    for one in (entry.name, entry.linkname if entry.islnk() else ""):
        if one.startswith("/") or ".." in one.split("/"):
            return "it leads out of its folder"
    link = os.path.normpath(os.path.join(os.path.dirname(name), entry.linkname)) if entry.issym() else ""
    return "it leads out of its folder" if link == ".." or link.startswith("../") else ""


def _above(name: str) -> Iterator[str]:
    """The folders that a name lies in."""
    while (name := os.path.dirname(name)) not in ("", "/"):
        yield name


def unpack(path: str, root: str) -> None:
    """Put what ``archive`` wrote into an empty folder, with owners, modes and times."""
    with _as_platform_error(f"unpack {path}"), tarfile.open(path, "r:") as tar:
        extra: dict[str, Any] = {"filter": "fully_trusted"} if hasattr(tarfile, "fully_trusted_filter") else {}
        tar.extractall(root, numeric_owner=True, **extra)


def copy(source: str, target: str, duplicate: Callable[[str, str], None] | None = None) -> None:
    """Copy all that is in a folder into an empty one, with owners, modes and times."""
    with _as_platform_error(f"copy {source}"):
        (duplicate or _duplicate)(source, target)


def _duplicate(source: str, target: str) -> None:
    shutil.copytree(source, target, symlinks=True, dirs_exist_ok=True, copy_function=_copy_file)
    for folder, folders, _files in os.walk(source):
        for path in (folder, *(os.path.join(folder, name) for name in folders)):
            twin = os.path.join(target, os.path.relpath(path, source))
            status = os.lstat(path)
            os.chown(twin, status.st_uid, status.st_gid, follow_symlinks=False)


def _copy_file(source: str, target: str) -> str:
    shutil.copy2(source, target, follow_symlinks=False)
    status = os.lstat(source)
    os.chown(target, status.st_uid, status.st_gid, follow_symlinks=False)
    # Changing the owner takes special bits away.
    if not os.path.islink(target):
        os.chmod(target, status.st_mode & 0o7777)
    return target


def move(source: str, target: str) -> None:
    """Move all that is in a folder into an empty one on the same filesystem, and its owner and mode; takes no time."""
    with _as_platform_error(f"move {source}"):
        status = os.stat(source)
        for name in os.listdir(source):
            os.rename(os.path.join(source, name), os.path.join(target, name))
        os.chown(target, status.st_uid, status.st_gid)
        os.chmod(target, status.st_mode & 0o7777)


def mark(root: str) -> None:
    """Write beside a volume's files that all that belongs into it is there; it goes with the volume."""
    with _as_platform_error(f"mark {root}"):
        write_marker(_mark_of(root))


def unmark(root: str) -> None:
    with _as_platform_error(f"unmark {root}"):
        os.unlink(_mark_of(root))
        sync_directory(os.path.dirname(root))


def is_marked(root: str) -> bool:
    return os.path.exists(_mark_of(root))


def _mark_of(root: str) -> str:
    return os.path.join(os.path.dirname(root), "fungap-complete")


def empty(root: str) -> None:
    """Remove all that is in a folder."""
    with _as_platform_error(f"empty {root}"):
        for entry in os.scandir(root):
            if entry.is_dir(follow_symlinks=False):
                shutil.rmtree(entry.path)
            else:
                os.unlink(entry.path)


def fresh_volume(engine: Engine, name: str, labels: Mapping[str, str]) -> str:
    """A volume with nothing in it, in place of one of that name; its path."""
    engine.volumes.remove(name)
    engine.volumes.create(name, labels)
    return path_of(engine, name)


@contextmanager
def _as_platform_error(doing: str) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError, shutil.Error, tarfile.TarError) as error:
        raise PlatformError(f"cannot {doing}: {error}") from error
