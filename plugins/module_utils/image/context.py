# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is put into a build's context: another Dockerfile, and the authorities that a network's own proxy needs."""

from __future__ import annotations

import glob
import gzip
import hashlib
import io
import tarfile
from collections.abc import Iterable
from typing import IO

from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError

TRUSTED_CA_GLOB = "/usr/local/share/ca-certificates/*.crt"


def repack(packed: IO[bytes], changed: IO[bytes], dockerfile: str) -> None:
    """Write a build's context with another Dockerfile in it."""
    content = dockerfile.encode()
    with tarfile.open(fileobj=packed) as source, tarfile.open(fileobj=changed, mode="w:gz", compresslevel=1) as target:
        for entry in source:
            if entry.name != "Dockerfile":
                target.addfile(entry, source.extractfile(entry) if entry.isreg() else None)
        entry = tarfile.TarInfo("Dockerfile")
        entry.size = len(content)
        target.addfile(entry, io.BytesIO(content))
    changed.seek(0)


def authorities_context(base: str, authorities: Iterable[bytes]) -> io.BytesIO:
    """A build's context that adds trusted authorities to an image, whatever tools it has."""
    bundle = b"\n".join(authorities)
    dockerfile = (
        f"FROM {base}\nCOPY trusted.crt /usr/local/share/ca-certificates/trusted.crt\n"
        "RUN mkdir -p /etc/ssl/certs"
        " && cat /usr/local/share/ca-certificates/trusted.crt >> /etc/ssl/certs/ca-certificates.crt\n"
        # The official Node.js has a bundle of its own, and so has npm by it.
        "ENV NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt\n"
    )
    result = io.BytesIO()
    with gzip.open(result, "wb") as packed, tarfile.open(fileobj=packed, mode="w") as tar:
        for name, content in (("Dockerfile", dockerfile.encode()), ("trusted.crt", bundle)):
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    result.seek(0)
    return result


def read_authorities(paths: list[str] | None) -> list[bytes]:
    """The contents of the trusted certificates; every one that can't be read in one failure."""
    contents, problems = [], []
    for path in sorted(glob.glob(TRUSTED_CA_GLOB)) if paths is None else paths:
        try:
            with open(path, "rb") as file:
                contents.append(file.read())
        except OSError as error:
            problems.append(f"{path}: {error.strerror}")
    if problems:
        raise PlatformError("trusted certificates can't be read: " + "; ".join(problems))
    return contents


def authorities_hash(authorities: list[bytes]) -> str:
    """The part of a recipe that trusted certificates are; "" for none."""
    return hashlib.sha256(b"".join(authorities)).hexdigest() if authorities else ""
