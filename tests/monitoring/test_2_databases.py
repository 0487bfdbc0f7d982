"""Databases outside the platform: a real MariaDB; in the place of Elasticsearch, which can't be had, an HTTP server."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from ..load.live import Live, tell
from ..waiting import wait_for
from .prometheus import Prometheus

ADDRESS, PASSWORD = "172.30.20.9", 'say "friend" #1'
SEARCH_HOST, SEARCH_PORT = "172.30.20.1", 18601
SERVER = f"""
FROM BASE
RUN apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends mariadb-server
RUN install -d -o mysql /run/mysqld
RUN printf '%s\\n' "CREATE USER exporter IDENTIFIED BY '{PASSWORD.replace('"', chr(92) + '"')}';" \\
    "GRANT PROCESS, REPLICATION CLIENT, SELECT ON *.* TO exporter;" > /init.sql
CMD ["mariadbd", "--user=mysql", "--bind-address=0.0.0.0", "--init-file=/init.sql"]
"""
ANSWERS: dict[str, Any] = {
    "/": {"name": "search", "cluster_name": "search", "version": {"number": "8.15.0", "lucene_version": "9.11.1"}},
    "/_cluster/health": {
        "cluster_name": "search",
        "status": "green",
        "timed_out": False,
        "number_of_nodes": 1,
        "number_of_data_nodes": 1,
        "active_primary_shards": 3,
        "active_shards": 3,
    },
}


@pytest.fixture
def server(live: Live) -> Iterator[Any]:
    """MariaDB on the platform's bridge: outside the swarm, within its reach."""
    images = live.outer.images.list(filters={"label": "io.fungap.recipe", "reference": "fungap/base"})
    text = SERVER.replace("BASE", images[0].id, 1)
    image, _ = live.outer.images.build(fileobj=io.BytesIO(text.encode()), rm=True, tag="mo-mariadb:test")
    network = {live.where.name: live.outer.api.create_endpoint_config(ipv4_address=ADDRESS)}
    container = live.outer.containers.create(
        image.id, name="mo-mariadb", networking_config=network, network=live.where.name
    )
    try:
        container.start()
        yield container
    finally:
        container.remove(force=True, v=True)
        live.outer.images.remove("mo-mariadb:test", force=True)


@pytest.fixture
def search(live: Live) -> Iterator[None]:  # noqa: ARG001  # its bridge has the address
    class Elasticsearch(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(ANSWERS.get(self.path.partition("?")[0], {})).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("X-Elastic-Product", "Elasticsearch")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: Any) -> None:
            pass

    listener = ThreadingHTTPServer((SEARCH_HOST, SEARCH_PORT), Elasticsearch)
    threading.Thread(target=listener.serve_forever, daemon=True).start()
    yield
    listener.shutdown()
    listener.server_close()


@pytest.mark.usefixtures("search")
def test_databases_that_the_inventory_names(live: Live, prometheus: Prometheus, server: Any) -> None:
    endpoint = {"name": "main", "host": ADDRESS, "username": "exporter", "password": PASSWORD}
    named = {
        "monitoring_mysql_endpoints": [endpoint],
        "monitoring_elasticsearch_urls": [f"http://{SEARCH_HOST}:{SEARCH_PORT}"],
    }
    live.play("site.yml", "-e", json.dumps(named))

    def value(expression: str) -> list[str]:
        return [series["value"][1] for series in prometheus.query(expression)]

    wait_for("MySQL's figures", lambda: value('mysql_up{instance="main"}') == ["1"])
    assert float(value("mysql_global_status_uptime")[0]) > 0
    wait_for("Elasticsearch's", lambda: value('elasticsearch_cluster_health_status{color="green"}') == ["1"])
    server.stop(timeout=10)
    seconds = wait_for("its end to be seen", lambda: value('mysql_up{instance="main"}') == ["0"])
    tell(f"MySQL's end was seen after {seconds:.0f} s")
    wait_for("its alert", lambda: value('ALERTS{alertname="MysqlDown", instance="main"}') == ["1"])
    try:
        assert PASSWORD not in json.dumps([live.manager.services(), live.manager.configs()])
    finally:
        live.play("site.yml")
        wait_for("the exporter to go", lambda: "monitoring_mysqld-exporter" not in names(live))


def names(live: Live) -> set[str]:
    return {service["Spec"]["Name"] for service in live.manager.services()}
