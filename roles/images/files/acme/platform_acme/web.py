# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the proxies hand on to us, and whether a host name leads to them."""

from __future__ import annotations

import errno
import http.client
import re
import secrets
import socket
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

CHALLENGES = "/.well-known/acme-challenge/"
_TOKEN = re.compile(r"[A-Za-z0-9_-]{1,128}")
_SECONDS = 5
# An edge spreads connections over the proxies: one that does not serve the name yet is met by one of these.
_TIMES = 3


class Web:
    """Answers challenges from ``folder``, our own probes, and Prometheus."""

    def __init__(self, folder: Path, figures: Callable[[], str], port: int = 8080) -> None:
        self._folder, self._figures = folder, figures
        self._token, self._secret = secrets.token_urlsafe(24), secrets.token_urlsafe(24)
        web = self

        class Handler(BaseHTTPRequestHandler):
            server_version, sys_version = "acme", ""

            def do_GET(self) -> None:
                content = web.content(self.path)
                self.send_response(200 if content is not None else 404)
                self.send_header("Content-Type", "text/plain")
                self.send_header("Content-Length", str(len(content or b"")))
                self.end_headers()
                self.wfile.write(content or b"")

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("0.0.0.0", port), Handler)

    def start(self) -> None:
        Thread(target=self._server.serve_forever, daemon=True).start()

    def content(self, path: str) -> bytes | None:
        """What is answered to a path; None for nothing."""
        if path == "/metrics":
            return self._figures().encode()
        token = path.removeprefix(CHALLENGES)
        if token == path or not _TOKEN.fullmatch(token):
            return None
        if token == self._token:
            return self._secret.encode()
        try:
            return (self._folder / CHALLENGES.strip("/") / token).read_bytes()
        except OSError:
            return None

    def why_not_here(self, name: str) -> str:
        """Why the authority would not come to us by a host name; empty if it would."""
        try:
            found = socket.getaddrinfo(name, 80, type=socket.SOCK_STREAM)
        except OSError as error:
            return f"has no address ({error.strerror})"
        addresses = sorted({str(one[4][0]) for one in found})
        whys = {address: self._why_not_at(address, name) for address in addresses}
        # Where this network has no IPv6, the others tell.
        known = {address: why for address, why in whys.items() if why is not None}
        if not known:
            return f"can't be reached from here: {', '.join(addresses)}"
        return next((f"leads to {address}, which {why}" for address, why in known.items() if why), "")

    def _why_not_at(self, address: str, name: str) -> str | None:
        for _time in range(_TIMES):
            connection = http.client.HTTPConnection(address, 80, timeout=_SECONDS)
            try:
                connection.request("GET", f"{CHALLENGES}{self._token}", headers={"Host": name})
                answer = connection.getresponse()
                body = answer.read(200).decode(errors="replace").strip()
            except OSError as error:
                if ":" in address and error.errno in (errno.ENETUNREACH, errno.EADDRNOTAVAIL):
                    return None
                return f"does not answer ({error.strerror or error})"
            except http.client.HTTPException:
                return "does not speak HTTP"
            finally:
                connection.close()
            if answer.status != 200 or body != self._secret:
                return f"is not this platform's proxy: it says {answer.status} to a question of ours"
        return ""
