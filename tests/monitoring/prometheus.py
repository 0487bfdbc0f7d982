"""The pages of a running platform's monitoring, asked as an operator does: through the proxy, with the login."""

from __future__ import annotations

import base64
import http.client
import json
import socket
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from ..load.live import Live


class Page:
    """``name``: prometheus, alertmanager or grafana."""

    def __init__(self, live: Live, name: str) -> None:
        self.address, _, port = live.where.address.rpartition(":")
        self.port = int(port)
        self.host: str = live.variables["monitoring_hosts"][name]
        self.trust = ssl.create_default_context(cafile=live.where.ca)
        self.secrets = Path(live.where.ca).parent
        self.login = base64.b64encode(f"admin:{self.password('monitoring')}".encode()).decode()

    def password(self, name: str) -> str:
        return (self.secrets / f"{name}.password").read_text().strip()

    def ask(
        self, path: str, *, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, bytes, http.client.HTTPMessage]:
        """Status, body and headers of the answer; with a body it is sent as JSON by POST."""
        connection = http.client.HTTPConnection(self.host, timeout=15)
        plain = socket.create_connection((self.address, self.port), timeout=15)
        connection.sock = self.trust.wrap_socket(plain, server_hostname=self.host)
        try:
            sent = {"Authorization": f"Basic {self.login}", "Content-Type": "application/json", **(headers or {})}
            method = "GET" if body is None else "POST"
            connection.request(method, path, body=None if body is None else json.dumps(body), headers=sent)
            answer = connection.getresponse()
            return answer.status, answer.read(), answer.headers
        finally:
            connection.close()


class Prometheus(Page):
    def __init__(self, live: Live) -> None:
        super().__init__(live, "prometheus")

    def get(self, path: str, **parameters: str) -> Any:
        """What the HTTP API answers, e.g. for "query" or "rules"."""
        status, body, _ = self.ask(f"/api/v1/{path}?{urlencode(parameters)}")
        if status != 200:
            raise OSError(f"Prometheus answers {status} to {path} {parameters}: {body[:300].decode()}")
        return json.loads(body)["data"]

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The series of an instant query: [{metric: labels, value: [time, text]}]."""
        result: list[dict[str, Any]] = self.get("query", query=expression)["result"]
        return result
