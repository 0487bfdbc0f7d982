# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a volume holds, through its node's engine: read, copied, and compared."""

from __future__ import annotations

import hashlib
import os
import tarfile
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import IO

from ansible_collections.fungap.swarm.plugins.module_utils.app_volume import model
from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.module_utils.docker.archives import ChunkFile
from ansible_collections.fungap.swarm.plugins.module_utils.docker.engine import Engine

# Copied as a part of what it lies in: the engine leaves a folder into which it unpacks as that is.
ABOVE, FOLDER = "/", "/volume"
BLOCK_BYTES = 1024 * 1024


def mounted(engine: Engine, app: str, volume: str) -> AbstractContextManager[str]:
    """A container that never starts, and through which the engine reads and writes a volume."""
    labels = {model.LABEL_HELPER: model.HELPER, model.LABEL_APP: app}
    return engine.containers.helper(None, labels, volume=volume, target=FOLDER)


def chunks(engine: Engine, helper: str, volume: str) -> Iterator[bytes]:
    """A tar of all that the volume holds, with the folder itself."""
    found = engine.containers.read_archive(helper, FOLDER)
    if found is None:
        raise PlatformError(f"volume {volume} on {engine.socket} can't be read")
    return found


def digest_of(stream: Iterable[bytes]) -> tuple[str, int]:
    """(one SHA-256 for all that a tar holds, the bytes of its files)."""
    entries, size = [], 0
    with as_platform_error("read a volume"), tarfile.open(fileobj=ChunkFile(stream), mode="r|") as archive:
        for entry in archive:
            content = entry.linkname
            if entry.isreg():
                size += entry.size
                content = _sha256(archive.extractfile(entry))
            name = os.path.normpath(entry.name)
            owner = f"{entry.uid}:{entry.gid}"
            entries.append(model.Entry(name, entry.type.decode(), entry.mode & 0o7777, owner, content))
    return model.digest(entries), size


def _sha256(file: IO[bytes] | None) -> str:
    found = hashlib.sha256()
    while file and (block := file.read(BLOCK_BYTES)):
        found.update(block)
    return found.hexdigest()


def volume_digest(engine: Engine, app: str, volume: str) -> tuple[str, int]:
    """The same of a volume, as its engine reads it now."""
    with mounted(engine, app, volume) as helper:
        return digest_of(chunks(engine, helper, volume))


@contextmanager
def as_platform_error(doing: str) -> Iterator[None]:
    """What a disk or an archive has to say, as our one exception."""
    try:
        yield
    except (OSError, tarfile.TarError) as error:
        raise PlatformError(f"cannot {doing}: {error}") from error
