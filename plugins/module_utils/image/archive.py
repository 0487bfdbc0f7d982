# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Archives of images (``docker save``): those that are there, the one that is meant, and what an engine can read."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import IO

from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.module_utils.host.files import sha256_of
from ansible_collections.fungap.swarm.plugins.module_utils.image.model import ARCHIVE_SUFFIXES, Archive


def find_archives(folder: str | None, names: Iterable[str], archive_sha256: Mapping[str, str]) -> dict[str, Archive]:
    found = {}
    for name in names if folder else ():
        for suffix in ARCHIVE_SUFFIXES:
            path = os.path.join(folder or "", name + suffix)
            if name not in found and os.path.isfile(path):
                status = os.stat(path)
                found[name] = Archive(path, status.st_size, status.st_mtime_ns, archive_sha256.get(name, ""))
    return found


def refuse_another(file: IO[bytes], sha256: str) -> None:
    """Raise where a file is not the one that is known by its SHA-256."""
    found = sha256_of(file)
    if found != sha256:
        raise PlatformError(f"{file.name} is another file: its SHA-256 is {found}, and has to be {sha256}")


@contextmanager
def open_archive(path: str, sha256: str = "") -> Iterator[IO[bytes]]:
    """An archive as an engine can load it: those before 23.0 don't know zstd, where its tool helps.

    ``sha256``: what that of the file has to be; what is read then is the file that was judged.
    """
    # Without a buffer, whose end would be where zstd goes on.
    with open(path, "rb", buffering=0) as file:
        if sha256:
            refuse_another(file, sha256)
            file.seek(0)
        if not path.endswith(".zst") or not shutil.which("zstd"):
            yield file
            return
        with subprocess.Popen(["zstd", "-q", "-d", "-c"], stdin=file, stdout=subprocess.PIPE) as process:
            yield output_of(process)
    if process.returncode:
        raise PlatformError(f"{path} is no archive that zstd can read")


def output_of(process: subprocess.Popen[bytes]) -> IO[bytes]:
    if process.stdout is None:
        raise PlatformError("the output of a tool is not a pipe")
    return process.stdout
