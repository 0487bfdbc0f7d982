# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A registry's storage, read where it lies.

The registry's API shows what has a tag. What was pushed and lost its tag since, which a service may well run by
its digest, stands only in the storage, with the time of its last push:

    repositories/<name>/_manifests/revisions/sha256/<digest>/link
    repositories/<name>/_manifests/tags/<tag>/current/link
    repositories/<name>/_uploads/<id>/data
    blobs/sha256/<two digits>/<digest>/data
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import suppress

from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.module_utils.registry.model import (
    Blob,
    Manifest,
    Storage,
    parse_manifest,
)

_TOP = os.path.join("docker", "registry", "v2")
# The parts of a repository. Its other folders are repositories below its name.
_PARTS = ("_manifests", "_layers", "_uploads")


def read_storage(root: str) -> Storage:
    """All of the registry whose data lies in ``root``. What vanishes while it is read is left out."""
    top = os.path.join(root, _TOP)
    if not os.path.isdir(root):
        raise PlatformError(f"the registry's data can't be read: there is no folder {root} on this host")
    manifests: list[Manifest] = []
    repositories: dict[str, float] = {}
    uploads = [0.0]
    for name, path in _repositories(os.path.join(top, "repositories")):
        manifests += _manifests(root, name, path)
        repositories[name] = max(_writes(path), default=0)
        uploads += _writes(os.path.join(path, "_uploads"))
    return Storage(
        manifests=sorted(manifests, key=lambda one: one.name),
        blobs=dict(_blobs(os.path.join(top, "blobs"))),
        repositories=repositories,
        last_upload=max(uploads),
    )


def pushed(root: str, repository: str, digest: str) -> float | None:
    """When a manifest was last pushed, seconds since the epoch; None when it isn't there."""
    parts = ("repositories", *repository.split("/"), "_manifests", "revisions", *digest.split(":"), "link")
    try:
        return os.stat(os.path.join(root, _TOP, *parts)).st_mtime
    except FileNotFoundError:
        return None


def used_bytes(root: str) -> int:
    """The space that the files below ``root`` take on their filesystem."""
    total = 0
    for folder, _folders, files in os.walk(root):
        for file in files:
            with suppress(FileNotFoundError):
                total += os.lstat(os.path.join(folder, file)).st_blocks * 512
    return total


def remove_repository(root: str, name: str) -> None:
    """Remove a repository's parts, and its folder if no other one lies in it. Nothing may write to the registry."""
    top = os.path.join(root, _TOP, "repositories")
    path = os.path.join(top, *name.split("/"))
    try:
        for part in _PARTS:
            with suppress(FileNotFoundError):  # not every repository has every part
                shutil.rmtree(os.path.join(path, part))
        while path != top and not os.listdir(path):
            os.rmdir(path)
            path = os.path.dirname(path)
    except OSError as error:
        raise PlatformError(f"cannot remove repository {name} from {root}: {error}") from error


def _repositories(top: str) -> Iterator[tuple[str, str]]:
    """(name, path) of every repository."""
    for path, folders, _files in os.walk(top):
        if set(folders) & set(_PARTS):
            yield os.path.relpath(path, top).replace(os.sep, "/"), path
        folders[:] = [folder for folder in folders if folder not in _PARTS]


def _manifests(root: str, repository: str, path: str) -> Iterator[Manifest]:
    tags: dict[str, list[str]] = {}
    for tag in sorted(_names(os.path.join(path, "_manifests", "tags"))):
        link = _read(os.path.join(path, "_manifests", "tags", tag, "current", "link"))
        if link:
            tags.setdefault(link.decode().strip(), []).append(tag)
    revisions = os.path.join(path, "_manifests", "revisions")
    for algorithm in _names(revisions):
        for hexadecimal in _names(os.path.join(revisions, algorithm)):
            digest = f"{algorithm}:{hexadecimal}"
            content = _read(os.path.join(root, _TOP, "blobs", algorithm, hexadecimal[:2], hexadecimal, "data"))
            written = pushed(root, repository, digest)
            # Neither what is deleted nor a link that leads nowhere is there for the registry.
            if content is not None and written is not None:
                children, blobs = parse_manifest(content, f"{repository}@{digest}")
                yield Manifest(repository, digest, written, tuple(tags.get(digest, ())), children, blobs)


def _blobs(top: str) -> Iterator[tuple[str, Blob]]:
    for algorithm in _names(top):
        for start in _names(os.path.join(top, algorithm)):
            for hexadecimal in _names(os.path.join(top, algorithm, start)):
                with suppress(FileNotFoundError):
                    status = os.stat(os.path.join(top, algorithm, start, hexadecimal, "data"))
                    yield f"{algorithm}:{hexadecimal}", Blob(status.st_size, status.st_mtime)


def _writes(path: str) -> Iterator[float]:
    """When each file below a folder was last written."""
    for folder, _folders, files in os.walk(path):
        for file in files:
            with suppress(FileNotFoundError):
                yield os.lstat(os.path.join(folder, file)).st_mtime


def _names(path: str) -> list[str]:
    try:
        return os.listdir(path)
    except (FileNotFoundError, NotADirectoryError):
        return []


def _read(path: str) -> bytes | None:
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        return None
