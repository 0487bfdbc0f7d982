# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The proxies' state on the managers: what is wanted there, and the archives that it keeps."""

from __future__ import annotations

import http.client
import io
import json
import socket
import ssl
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import formatdate, parsedate_to_datetime
from pathlib import Path

from platform_acme.plan import Told, parse_wanted

NAME, SERVED_AS, PORT = "tasks.proxy_state", "proxy-state", 8444
CLIENT, LEAVES, STATUS = "/acme/client", "/acme/leaves", "/acme/status"
_SECONDS = 10


class StateError(Exception):
    """A manager's task does not answer, or not as it should."""


@dataclass(frozen=True)
class States:
    """``context``: with the certificate by which the managers know us."""

    context: ssl.SSLContext
    name: str = NAME

    def addresses(self) -> list[str]:
        try:
            found = socket.getaddrinfo(self.name, PORT, socket.AF_INET, socket.SOCK_STREAM)
        except OSError:
            return []
        return sorted({str(one[4][0]) for one in found})

    def ask(self, address: str) -> Told:
        """What a manager's task says."""
        with self._connected(address) as connection:
            listed = _answer(connection, "GET", "/acme.json")
            if listed.status != 200:
                raise StateError(f"{address}: it says {listed.status} to what is wanted")
            wanted = parse_wanted(json.loads(listed.read()))
            version, managers = (str(listed.headers[f"X-State-{name}"]) for name in ("Version", "Managers"))
            return Told(version, int(managers), wanted, _written(connection, CLIENT), _written(connection, LEAVES))

    def fetch(self, address: str) -> bytes:
        """The archive of the client's folder."""
        with self._connected(address) as connection:
            answer = _answer(connection, "GET", CLIENT)
            if answer.status != 200:
                raise StateError(f"{address}: it says {answer.status} to the archive")
            return answer.read()

    def give(self, address: str, contents: Mapping[str, bytes], written: Mapping[str, int]) -> None:
        """Have a manager's task keep these, each as of its time."""
        with self._connected(address) as connection:
            for path, content in contents.items():
                answer = _answer(connection, "PUT", path, content, {"Date": formatdate(written[path], usegmt=True)})
                answer.read()
                if answer.status not in (201, 204):
                    raise StateError(f"{address}: it says {answer.status} to what it is to keep")

    @contextmanager
    def _connected(self, address: str) -> Iterator[http.client.HTTPSConnection]:
        connection = http.client.HTTPSConnection(SERVED_AS, PORT, context=self.context, timeout=_SECONDS)
        try:
            raw = socket.create_connection((address, PORT), _SECONDS)
            connection.sock = self.context.wrap_socket(raw, server_hostname=SERVED_AS)
            yield connection
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise StateError(f"{address}: {error}") from error
        finally:
            connection.close()


def _written(connection: http.client.HTTPSConnection, path: str) -> int:
    answer = _answer(connection, "HEAD", path)
    answer.read()
    return int(parsedate_to_datetime(answer.headers["Last-Modified"]).timestamp()) if answer.status == 200 else 0


def _answer(
    connection: http.client.HTTPSConnection,
    method: str,
    path: str,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
) -> http.client.HTTPResponse:
    connection.request(method, path, body, dict(headers or {}))
    return connection.getresponse()


def pack(folder: Path) -> bytes:
    """A folder as an archive."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        archive.add(folder, ".")
    return content.getvalue()


def pack_files(files: Mapping[str, bytes]) -> bytes:
    """Files as an archive that a shell unpacks, for their owner alone."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(data), 0o400
            archive.addfile(entry, io.BytesIO(data))
    return content.getvalue()


def unpack(archive: bytes, folder: Path) -> None:
    """The opposite of ``pack``."""
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as opened:
        opened.extractall(folder, filter="data")
