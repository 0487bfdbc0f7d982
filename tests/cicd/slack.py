"""A stand-in for Slack, which can't be had here: a real HTTP server that takes what an incoming webhook takes."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@contextmanager
def slack(path: str, address: str = "127.0.0.1", port: int = 0) -> Iterator[tuple[str, list[str]]]:
    """Its URL, and the texts that were posted there. Another path is refused: it is the secret."""
    texts: list[str] = []

    class Webhook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            known = self.path == path
            if known:
                texts.append(json.loads(body)["text"])
            self.send_response(200 if known else 404)
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer((address, port), Webhook)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://{address}:{server.server_address[1]}{path}", texts
    finally:
        server.shutdown()
        server.server_close()
