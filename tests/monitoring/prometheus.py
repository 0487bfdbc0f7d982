"""The Prometheus of a running platform, asked as an operator does: through the proxy, with the login."""

from __future__ import annotations

import base64
import http.client
import json
import socket
import ssl
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from ..load.live import Live


class Prometheus:
    def __init__(self, live: Live) -> None:
        self.address, _, port = live.where.address.rpartition(":")
        self.port = int(port)
        self.name: str = live.variables["monitoring_hosts"]["prometheus"]
        self.trust = ssl.create_default_context(cafile=live.where.ca)
        password = (Path(live.where.ca).parent / "monitoring.password").read_text().strip()
        self.login = base64.b64encode(f"admin:{password}".encode()).decode()

    def get(self, path: str, **parameters: str) -> Any:
        """What the HTTP API answers, e.g. for "query" or "rules"."""
        connection = http.client.HTTPConnection(self.name, timeout=15)
        plain = socket.create_connection((self.address, self.port), timeout=15)
        connection.sock = self.trust.wrap_socket(plain, server_hostname=self.name)
        try:
            headers = {"Authorization": f"Basic {self.login}"}
            connection.request("GET", f"/api/v1/{path}?{urlencode(parameters)}", headers=headers)
            answer = connection.getresponse()
            body = answer.read()
        finally:
            connection.close()
        if answer.status != 200:
            raise OSError(f"Prometheus answers {answer.status} to {path} {parameters}: {body[:300].decode()}")
        return json.loads(body)["data"]

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The series of an instant query: [{metric: labels, value: [time, text]}]."""
        result: list[dict[str, Any]] = self.get("query", query=expression)["result"]
        return result
