"""Record what a real Prometheus answers to the dashboards' queries, for the test of what Grafana shows of it.

``python -m tests.monitoring.grafana.record IMAGE``, with an image of Prometheus, writes answers.json anew from
figures.txt. That takes three minutes: the alerts among it have to fire first.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import urlopen

from ... import checkout
from ..queries import dashboards, panels, targets

HERE = Path(__file__).resolve().parent
FIGURES, ANSWERS = HERE / "figures.txt", HERE / "answers.json"
RULES = HERE.parents[2] / "roles" / "monitoring" / "files" / "rules"
PORT, FIGURES_PORT = checkout.port("monitoring", 3), checkout.port("monitoring", 4)
NAME = f"{checkout.name('monitoring')}-recorded"
# The page of this server that has no figures is there for `up` of the registry.
CONFIGURATION = f"""
global: {{scrape_interval: 5s, evaluation_interval: 5s}}
rule_files: [/rules/*.yml]
scrape_configs:
  - {{job_name: exporters, honor_labels: true, static_configs: [{{targets: ["127.0.0.1:{FIGURES_PORT}"]}}]}}
  - {{job_name: registry, metrics_path: /nothing, static_configs: [{{targets: ["127.0.0.1:{FIGURES_PORT}"]}}]}}
"""
SECONDS, STEP_SECONDS, POINTS = 170, 15, 4


def figures(text: str, started: float, now: float) -> str:
    """What there is to scrape: see the head of figures.txt."""

    def line(found: re.Match[str]) -> str:
        name, labels, value = found[1], found[2], float(found[3])
        if name.endswith(("_total", "_sum", "_bucket")):
            value *= now - started
        elif name.endswith(("_timestamp_seconds", "_cert_expiry")):
            value += started
        return f"{name}{labels} {value!r}"

    return re.sub(r"^(\w+)(\{.*\}) (\S+)$", line, text, flags=re.MULTILINE)


@contextmanager
def prometheus(image: str) -> Iterator[str]:
    """A Prometheus' address that has scraped the figures for long enough."""
    started = time.time()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.end_headers()
            if self.path == "/metrics":
                with suppress(BrokenPipeError):  # Prometheus, when it was late
                    self.wfile.write(figures(FIGURES.read_text(), started, time.time()).encode())

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", FIGURES_PORT), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "prometheus.yml").write_text(CONFIGURATION)
        Path(folder).chmod(0o755)
        run = ["docker", "run", "--rm", "--detach", f"--name={NAME}", "--network=host", f"--volume={RULES}:/rules:ro"]
        run += [f"--volume={folder}:/configuration:ro", image, "--config.file=/configuration/prometheus.yml"]
        run += ["--storage.tsdb.path=/tmp/recorded", f"--web.listen-address=127.0.0.1:{PORT}"]
        subprocess.run(run, check=True)
        try:
            time.sleep(SECONDS)
            yield f"http://127.0.0.1:{PORT}"
        finally:
            subprocess.run(["docker", "rm", "--force", NAME], check=True)
            server.shutdown()


def ask(address: str, query: str, end: int) -> dict[str, Any]:
    """The answer as it comes. ``query``: ``query`` or ``query_range``, and the expression."""
    path, _, expression = query.partition(" ")
    parameters = {"query": expression, "time": str(end)}
    if path == "query_range":
        start = end - (POINTS - 1) * STEP_SECONDS
        parameters = {"query": expression, "start": str(start), "end": str(end), "step": str(STEP_SECONDS)}
    with urlopen(f"{address}/api/v1/{path}?{urlencode(parameters)}") as answer:
        found: dict[str, Any] = json.load(answer)
        return found


def main(image: str) -> None:
    every = [(dashboard, panel) for dashboard in dashboards().values() for panel in panels(dashboard)]
    wanted = sorted({query for dashboard, panel in every for _, query in targets(dashboard, panel)})
    with prometheus(image) as address:
        end = int(time.time())
        answers = {query: ask(address, query, end) for query in wanted}
    for query, answer in answers.items():
        if not answer["data"]["result"]:
            print(f"nothing for {query}")
    lines = (f"{json.dumps(query)}: {json.dumps(answer)}" for query, answer in answers.items())
    ANSWERS.write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main(sys.argv[1])
