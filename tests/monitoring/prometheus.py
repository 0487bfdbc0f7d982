"""The Prometheus of a running platform, asked from inside its container: no route, no login, no port is needed."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

from ..load.live import Live

CONTAINER = {"label": "com.docker.swarm.service.name=monitoring_prometheus", "status": "running"}


class Prometheus:
    def __init__(self, live: Live) -> None:
        self.live = live

    def get(self, path: str, **parameters: str) -> Any:
        """What the HTTP API answers, e.g. for "query" or "rules"."""
        for node in self.live.managers:
            engine = self.live.engine(node)
            for container in engine.containers(filters=CONTAINER):
                url = f"http://127.0.0.1:9090/api/v1/{path}?{urlencode(parameters)}"
                run = engine.exec_create(container["Id"], ["wget", "-q", "-O", "-", url], stderr=False)
                answer = engine.exec_start(run["Id"])
                if answer:
                    return json.loads(answer)["data"]
                raise OSError(f"Prometheus does not answer, or refuses {path} {parameters}")
        raise OSError("Prometheus does not run")

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The series of an instant query: [{metric: labels, value: [time, text]}]."""
        result: list[dict[str, Any]] = self.get("query", query=expression)["result"]
        return result
