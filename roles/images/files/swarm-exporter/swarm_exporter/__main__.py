# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Serve /metrics, /healthz and, on a manager, what Prometheus is to scrape (/sd/...).

Environment: MODE (engine or swarm), PORT, ENGINE_SOCKET, CERTIFICATE (the node's own), PLATFORM_CA (that of the
platform's CA), EXPORTERS_NETWORK and APPS_NETWORK (the networks on which the targets' addresses are).
"""

from __future__ import annotations

import json
import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from swarm_exporter import discovery
from swarm_exporter.collector import EngineExporter, SwarmExporter
from swarm_exporter.engine import Engine, EngineError

DEFAULTS = {
    "MODE": "engine",
    "PORT": "9180",
    "ENGINE_SOCKET": "/var/run/docker.sock",
    "CERTIFICATE": "/var/lib/docker/swarm/certificates/swarm-node.crt",
    "PLATFORM_CA": "/certificates/ca.crt",
    "EXPORTERS_NETWORK": "monitoring",
    "APPS_NETWORK": "public",
}


class Server(ThreadingHTTPServer):
    """``answers``: path to what is answered there, which may raise ``EngineError``."""

    daemon_threads = True

    def __init__(self, settings: dict[str, str]) -> None:
        engine = Engine(settings["ENGINE_SOCKET"])
        registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self.answers: dict[str, Any] = {
            "/metrics": lambda: (CONTENT_TYPE_LATEST, generate_latest(registry)),
            "/healthz": lambda: ("text/plain", str(engine.get("/_ping")).encode()),
        }
        if settings["MODE"] == "engine":
            registry.register(EngineExporter(engine, Path(settings["CERTIFICATE"])))
        else:
            exporter = SwarmExporter(engine, Path(settings["PLATFORM_CA"]))
            registry.register(exporter)
            exporters, apps = settings["EXPORTERS_NETWORK"], settings["APPS_NETWORK"]
            self.answers["/sd/exporters"] = lambda: _json(discovery.targets(exporter.state(), "exporter", exporters))
            self.answers["/sd/apps"] = lambda: _json(discovery.targets(exporter.state(), "app", apps))
            self.answers["/sd/routes"] = lambda: _json(discovery.routes(exporter.state()))
        super().__init__(("", int(settings["PORT"])), Handler)


def _json(value: Any) -> tuple[str, bytes]:
    return "application/json", json.dumps(value).encode()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 120  # of a connection that nobody uses
    wbufsize = 65536  # head and body go together
    server: Server

    def do_GET(self) -> None:
        status, kind, body = 404, "text/plain", b"not found\n"
        answer = self.server.answers.get(self.path.partition("?")[0])
        if answer:
            try:
                status, (kind, body) = 200, answer()
            except EngineError as error:
                status, body = 503, f"{error}\n".encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Scrapes are not worth a line."""


def main() -> None:
    settings = {key: os.environ.get(key) or value for key, value in DEFAULTS.items()}
    if settings["MODE"] not in ("engine", "swarm"):
        sys.exit(f"MODE is engine or swarm, not {settings['MODE']!r}")
    Server(settings).serve_forever()


if __name__ == "__main__":
    main()
