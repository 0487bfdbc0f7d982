"""Databases outside the platform: a real MariaDB, and a real Elasticsearch, of its own libraries."""

from __future__ import annotations

import io
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

from .. import checkout, images
from ..java import libraries, need_programs
from ..load.live import Live
from ..steps import tell
from ..waiting import wait_for
from .conftest import ADDRESS as SEARCH_ADDRESS
from .conftest import SEARCH_PORT
from .prometheus import Prometheus

HERE = Path(__file__).resolve().parent
ADDRESS, PASSWORD = f"{checkout.subnet('alerts')}.9", 'say "friend" #1'
DATABASE = f"{checkout.name('alerts')}-mariadb"
SERVER = f"""
FROM BASE
RUN apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends mariadb-server
RUN install -d -o mysql /run/mysqld
RUN printf '%s\\n' "CREATE USER exporter IDENTIFIED BY '{PASSWORD.replace('"', chr(92) + '"')}';" \\
    "GRANT PROCESS, REPLICATION CLIENT, SELECT ON *.* TO exporter;" > /init.sql
CMD ["mariadbd", "--user=mysql", "--bind-address=0.0.0.0", "--init-file=/init.sql"]
"""


@pytest.fixture
def server(live: Live) -> Iterator[Any]:
    """MariaDB on the platform's bridge: outside the swarm, within its reach."""
    text = SERVER.replace("BASE", images.image("base"), 1)
    image, _ = live.outer.images.build(fileobj=io.BytesIO(text.encode()), rm=True, tag=f"{DATABASE}:test")
    network = {live.where.name: live.outer.api.create_endpoint_config(ipv4_address=ADDRESS)}
    container = live.outer.containers.create(
        image.id, name=DATABASE, networking_config=network, network=live.where.name
    )
    try:
        container.start()
        yield container
    finally:
        container.remove(force=True, v=True)
        live.outer.images.remove(f"{DATABASE}:test", force=True)


@pytest.fixture
def search(live: Live, tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:  # noqa: ARG001  # its bridge has the address
    """Elasticsearch on the docker host, with an index that it can't put a copy of anywhere."""
    need_programs()
    command = [
        "java",
        "-Xmx384m",
        "-XX:TieredStopAtLevel=1",
        "-cp",
        f"{libraries(HERE / 'elasticsearch' / 'pom.xml')}/*",
    ]
    command += ["groovy.ui.GroovyMain", str(HERE / "elasticsearch" / "run.groovy")]
    log = tmp_path / "log"
    with log.open("wb") as output:
        server = subprocess.Popen(
            [*command, str(tmp_path), SEARCH_ADDRESS, str(SEARCH_PORT)], stdout=output, stderr=subprocess.STDOUT
        )
    try:
        index = Request(f"http://{SEARCH_ADDRESS}:{SEARCH_PORT}/things", method="PUT")
        wait_for(f"Elasticsearch ({log})", lambda: urlopen(index, timeout=10).status == 200)
        yield server
    finally:
        server.terminate()
        server.wait(30)


def test_databases_that_the_inventory_names(
    live: Live, prometheus: Prometheus, server: Any, search: subprocess.Popen[bytes]
) -> None:
    endpoint = {"name": "main", "host": ADDRESS, "username": "exporter", "password": PASSWORD}
    named = {
        "monitoring_mysql_endpoints": [endpoint],
        "monitoring_elasticsearch_urls": [f"http://{SEARCH_ADDRESS}:{SEARCH_PORT}"],
    }
    live.play("site.yml", "-e", json.dumps(named))

    def value(expression: str) -> list[str]:
        return [series["value"][1] for series in prometheus.query(expression)]

    wait_for("MySQL's figures", lambda: value('mysql_up{instance="main"}') == ["1"])
    assert float(value("mysql_global_status_uptime")[0]) > 0
    # Yellow: the copy of the index has no second node to be on.
    wait_for("Elasticsearch's", lambda: value('elasticsearch_cluster_health_status{color="yellow"}') == ["1"])
    assert value("elasticsearch_cluster_health_unassigned_shards") == ["1"]
    assert float(value("elasticsearch_jvm_memory_used_bytes")[0]) > 0
    search.terminate()
    wait_for("its end", lambda: value('elasticsearch_scrape_success{collector="cluster-info"}') == ["0"])
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
