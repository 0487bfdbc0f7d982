# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A build's context as one archive: the same files make the same bytes, whoever owns them, whenever they were made."""

from __future__ import annotations

import fnmatch
import gzip
import hashlib
import io
import os
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError


@dataclass(frozen=True)
class Context:
    """``archive``: a tar compressed by gzip. ``sha256``: of what is in it, hexadecimal."""

    sha256: str
    archive: bytes


def pack(folder: str, include: Mapping[str, str] | None = None) -> Context:
    """Pack ``folder`` without what its .dockerignore names.

    ``include``: more of it, path in the context -> file or folder elsewhere. The same .dockerignore counts for these.
    """
    if not os.path.isfile(os.path.join(folder, "Dockerfile")):
        raise PlatformError(f"there is no Dockerfile in {folder}")
    patterns = _ignore_patterns(folder)
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for path in _walk(folder, "", patterns):
            _add(tar, os.path.join(folder, path), path)
        for path, source in sorted((include or {}).items()):
            _include(tar, source, path, patterns)
    content = plain.getvalue()
    return Context(hashlib.sha256(content).hexdigest(), gzip.compress(content, 6, mtime=0))


def _ignore_patterns(folder: str) -> list[str]:
    """The patterns of .dockerignore. Exceptions ("!") are refused: what is left out stays left out."""
    path = os.path.join(folder, ".dockerignore")
    if not os.path.exists(path):
        return []
    with open(path, encoding="utf-8") as file:
        lines = [line.strip() for line in file]
    patterns = [line.strip("/") for line in lines if line and not line.startswith("#")]
    exceptions = [pattern for pattern in patterns if pattern.startswith("!")]
    if exceptions:
        raise PlatformError(f"{path}: exceptions are not supported: {', '.join(exceptions)}")
    return patterns


def _is_ignored(path: str, patterns: list[str]) -> bool:
    """Whether a pattern names ``path`` itself; a folder that is ignored is not entered."""
    if path == "Dockerfile":  # the engine builds by it, whatever .dockerignore says
        return False
    parts = path.split("/")
    for pattern in patterns:
        wanted = pattern.split("/")
        if wanted[0] == "**":
            wanted = wanted[1:]
            if len(wanted) <= len(parts) and _match(parts[-len(wanted) :], wanted):
                return True
        elif _match(parts, wanted):
            return True
    return False


def _match(parts: list[str], wanted: list[str]) -> bool:
    return len(parts) == len(wanted) and all(map(fnmatch.fnmatchcase, parts, wanted))


def _include(tar: tarfile.TarFile, source: str, path: str, patterns: list[str]) -> None:
    """Put a file or folder that lies elsewhere at ``path`` of the context."""
    if not os.path.exists(source):
        raise PlatformError(f"there is no {source} to include as {path}")
    _add(tar, source, path)
    if os.path.isdir(source):
        for below in _walk(source, "", patterns, at=f"{path}/"):
            _add(tar, os.path.join(source, below), f"{path}/{below}")


def _walk(folder: str, under: str, patterns: list[str], at: str = "") -> Iterator[str]:
    """Relative paths of everything to pack, in the order of their names. ``at``: where the folder is in the context."""
    for name in sorted(os.listdir(os.path.join(folder, under))):
        path = f"{under}/{name}" if under else name
        if _is_ignored(at + path, patterns):
            continue
        yield path
        full = os.path.join(folder, path)
        if os.path.isdir(full) and not os.path.islink(full):
            yield from _walk(folder, path, patterns, at)


def _add(tar: tarfile.TarFile, full: str, path: str) -> None:
    entry = tarfile.TarInfo(path)
    if os.path.islink(full):
        entry.type, entry.linkname, entry.mode = tarfile.SYMTYPE, os.readlink(full), 0o777
        tar.addfile(entry)
    elif os.path.isdir(full):
        entry.type, entry.mode = tarfile.DIRTYPE, 0o755
        tar.addfile(entry)
    elif os.path.isfile(full):
        entry.mode = 0o755 if os.stat(full).st_mode & 0o111 else 0o644
        entry.size = os.path.getsize(full)
        with open(full, "rb") as file:
            tar.addfile(entry, file)
    else:
        raise PlatformError(f"{full} is neither a file nor a folder")
