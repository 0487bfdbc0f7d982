# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A build's context as one archive: the same files make the same bytes, whoever owns them, whenever they were made."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass

from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.module_utils.docker.ignore import Ignored


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
    ignored = Ignored(folder)
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for path in ignored.rest(folder):
            _add(tar, os.path.join(folder, path), path)
        for path, source in sorted((include or {}).items()):
            _include(tar, source, path, ignored)
    content = plain.getvalue()
    return Context(hashlib.sha256(content).hexdigest(), gzip.compress(content, 6, mtime=0))


def _include(tar: tarfile.TarFile, source: str, path: str, ignored: Ignored) -> None:
    """Put a file or folder that lies elsewhere at ``path`` of the context."""
    if not os.path.exists(source):
        raise PlatformError(f"there is no {source} to include as {path}")
    _add(tar, source, path)
    if os.path.isdir(source):
        for below in ignored.rest(source, at=f"{path}/"):
            _add(tar, os.path.join(source, below), f"{path}/{below}")


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
