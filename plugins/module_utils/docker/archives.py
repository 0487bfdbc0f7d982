# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Tars as the engine takes them: what is unpacked in a container."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable


def tar_entry(path: str, content: str, mode: int, uid: int = 0, gid: int = 0) -> tuple[tarfile.TarInfo, bytes]:
    """A file of a ``tar_of``."""
    entry, data = tarfile.TarInfo(path.lstrip("/")), content.encode()
    entry.mode, entry.uid, entry.gid, entry.size = mode, uid, gid, len(data)
    return entry, data


def tar_of(entries: Iterable[tuple[tarfile.TarInfo, bytes]]) -> bytes:
    """An archive that the engine unpacks in a container."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for entry, data in entries:
            tar.addfile(entry, io.BytesIO(data))
    return archive.getvalue()


class ChunkFile(io.RawIOBase):
    """Chunks as a file, for tarfile's stream mode."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._rest = b""

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        while size < 0 or len(self._rest) < size:
            chunk = next(self._chunks, None)
            if chunk is None:
                break
            self._rest += chunk
        size = len(self._rest) if size < 0 else size
        data, self._rest = self._rest[:size], self._rest[size:]
        return data
