"""What monitoring sees, whom it tells, and who gets to see it."""

from __future__ import annotations

import json
import re
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.checkout import name, port, subnet
from tests.promql import rules, selectors
from tests.waiting import patience, until

PLATFORM = name("monitoring")
SECRETS = Path(f"/etc/{PLATFORM}/secrets")
DOCKER = f"docker --host unix:///run/{PLATFORM}/manager1/docker.sock"
HTTPS_PORT, SLACK_PORT = port("monitoring", 1), port("monitoring", 2)
JOBS = {
    "alertmanager": 1,
    "blackbox-exporter": 1,
    "certificates": 1,
    "engine-exporter": 2,
    "node-exporter": 1,
    "prometheus": 1,
    "registry": 1,
    "routes": 3,
    "swarm-exporter": 1,
    "web": 2,
}

# What the rules read and nobody tells here: there is no database, no container died, no service has been updated, no
# app has a schedule, and no certificate comes by ACME.
UNTOLD = {
    *{"mysql_up", "elasticsearch_cluster_health_status", "elasticsearch_scrape_success"},
    *{"container_restarts_total", "swarm_service_update_timestamp_seconds", "service:updating:bool"},
    *{"swarm_cron_last_timestamp_seconds", "swarm_cron_next_timestamp_seconds"},
    *{"certificate_until_seconds", "certificate_renewal_failures"},
}


def curl(host: Any, page: str, path: str, options: str = "", login: bool = True) -> str:
    password = (SECRETS / "monitoring.password").read_text().strip()
    user = f"--user admin:{password}" if login else ""
    host_name = f"{page}.localhost"
    return str(
        host.check_output(
            f"curl --noproxy '*' -sS --max-time 10 --cacert {SECRETS}/ca.crt "
            f"--resolve {host_name}:{HTTPS_PORT}:127.0.0.1 {user} {options} 'https://{host_name}:{HTTPS_PORT}{path}'"
        )
    )


def ask(host: Any, path: str) -> Any:
    """Prometheus' API, through the proxy."""
    return json.loads(curl(host, "prometheus", path))["data"]


def query(host: Any, expression: str) -> list[Any]:
    found: list[Any] = json.loads(
        curl(host, "prometheus", "/api/v1/query", f"--get --data-urlencode 'query={expression}'")
    )["data"]["result"]
    return found


def test_every_target_is_found_and_scraped(host: Any) -> None:
    def targets() -> dict[str, list[dict[str, Any]]]:
        by_job: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for target in ask(host, "/api/v1/targets?state=active")["activeTargets"]:
            by_job[target["labels"]["job"]].append(target)
        return by_job

    def amiss() -> tuple[dict[str, int], dict[str, str]]:
        """How many of which job there are, and what is wrong with those that are not up."""
        now = targets()
        every = [target for found in now.values() for target in found]
        errors = {target["scrapeUrl"]: target["lastError"] for target in every if target["health"] != "up"}
        return {job: len(found) for job, found in now.items()}, errors

    seen: tuple[dict[str, int], dict[str, str]] = ({}, {})

    def all_up() -> bool:
        nonlocal seen
        seen = amiss()
        return seen == (JOBS, {})

    # At one moment: a busy machine may be late with one of them in the next.
    until(all_up, 120)
    assert seen == (JOBS, {})


def test_figures_carry_their_place(host: Any) -> None:
    until(lambda: len(query(host, 'up{job="web"}')) == 2)
    assert {result["metric"]["task"] for result in query(host, "visits_total")} == {"web.1", "web.2"}
    containers = query(host, 'container_memory_usage_bytes{stack="web"}')
    assert {(one["metric"]["service"], one["metric"]["task"]) for one in containers} == {
        ("web", "web.1"),
        ("web", "web.2"),
    }
    assert [result["value"][1] for result in query(host, 'swarm_service_replicas_running{stack="web"}')] == ["2"]
    assert len(query(host, "count by (instance) (node_load1)")) == 1
    assert query(host, "registry_http_in_flight_requests")


def test_an_app_gets_nothing_of_the_registrys_figures(host: Any) -> None:
    """Neither where its debug server is, nor where nginx asks for Prometheus' password."""
    registry = json.loads(host.check_output(f"docker inspect {PLATFORM}-registry"))[0]["NetworkSettings"]["Networks"]
    task = host.check_output(f"{DOCKER} ps -q --filter name=^web_web").split()[0]

    request = r"printf 'GET /metrics HTTP/1.0\r\n\r\n'"

    def ask_from_the_app(script: str) -> str:
        return str(host.run(f"{DOCKER} exec {task} timeout 5 bash -c %s", script).stdout)

    for endpoint in registry.values():
        plain = f"exec 3<>/dev/tcp/{endpoint['IPAddress']}/5001 && {request} >&3 && cat <&3"
        assert "registry_http" not in ask_from_the_app(plain)
    told = ask_from_the_app(f"({request}; sleep 2) | openssl s_client -quiet -connect {subnet('monitoring')}.4:5001")
    assert "401 Authorization Required" in told


def test_every_route_is_probed_with_its_certificate(host: Any) -> None:
    until(lambda: [result["value"][1] for result in query(host, "probe_success")] == ["1", "1", "1"])
    probed = {result["metric"]["host"]: result["value"][1] for result in query(host, "probe_success")}
    assert probed == {"web.localhost": "1", "prometheus.localhost": "1", "alertmanager.localhost": "1"}
    assert all(
        float(result["value"][1]) > 30 * 86400 for result in query(host, "probe_ssl_earliest_cert_expiry - time()")
    )


def test_certificates_that_no_route_shows_are_watched(host: Any) -> None:
    seen = until(lambda: query(host, "certificate_seen"))
    assert [(one["metric"]["host"], one["value"][1]) for one in seen] == [("registry", "1")]
    for left in (
        'probe_ssl_earliest_cert_expiry{host="registry"}',
        "swarm_platform_ca_certificate_expiry_timestamp_seconds",
    ):
        assert [float(one["value"][1]) > 30 * 86400 for one in query(host, f"{left} - time()")] == [True]


def test_requests_are_counted_from_the_proxys_log(host: Any) -> None:
    for _ in range(5):
        curl(host, "web", "/", login=False)
    until(lambda: query(host, 'proxy_requests_total{host="web.localhost", code="200"}'))
    counted = query(host, 'sum by (code) (proxy_requests_total{host="web.localhost"})')
    assert {result["metric"]["code"] for result in counted} >= {"200"}


def test_the_rules_are_loaded_and_healthy(host: Any) -> None:
    groups = ask(host, "/api/v1/rules")["groups"]
    loaded = [rule for group in groups for rule in group["rules"]]
    assert len(loaded) > 20
    assert [rule["name"] for rule in loaded if rule["health"] == "err"] == []
    assert [rule["query"] for rule in loaded if rule["name"] == "HostCpuHigh"] == ['host:cpu_busy:ratio{job=""} > 0.99']


def test_the_rules_select_who_tells_their_figures(host: Any) -> None:
    """What Prometheus has by a name that a rule reads comes from a job that the rule selects."""

    def told() -> set[tuple[str, str]]:
        found = query(host, 'count by (__name__, job) ({__name__=~".+"})')
        return {(one["metric"]["__name__"], one["metric"].get("job", "")) for one in found}

    wanted = [one for rule in rules() for one in selectors(rule["expr"])]
    by_name = {one.name: re.compile(str(one.job)) for one in wanted}
    # What rules record comes after some rounds of what they read.
    until(lambda: by_name.keys() - {name for name, _job in told()} <= UNTOLD, 120)
    found = {(name, job) for name, job in told() if name in by_name}
    assert {(name, job) for name, job in found if not by_name[name].fullmatch(job)} == set()
    assert by_name.keys() - {name for name, _job in found} <= UNTOLD


@pytest.fixture
def slack() -> Iterator[list[dict[str, Any]]]:
    """What an HTTP server in Slack's place is told."""
    messages: list[dict[str, Any]] = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            messages.append({"path": self.path, **json.loads(body)})
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = HTTPServer(("", SLACK_PORT), Receiver)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield messages
    server.shutdown()
    server.server_close()


def test_an_alert_reaches_slack(host: Any, slack: list[dict[str, Any]]) -> None:
    managers = until(lambda: ask(host, "/api/v1/alertmanagers")["activeAlertmanagers"])
    assert len(managers) == 1
    alert = {
        "labels": {"alertname": "Rehearsal", "severity": "critical", "stack": "web", "platform": PLATFORM},
        "annotations": {"summary": "It burns", "description": "Only a test.", "runbook": "docs/monitoring.md"},
    }
    begun = time.monotonic()
    curl(host, "alertmanager", "/api/v2/alerts", f"--json '{json.dumps([alert])}'")
    mine = until(lambda: [one for one in slack if "Rehearsal" in json.dumps(one)], 60)
    assert mine, slack
    assert time.monotonic() - begun < 60 * patience()
    assert mine[0]["path"] == "/services/T0/B0/not-to-be-seen"
    told = mine[0]["attachments"][0]
    assert told["title"] == f"CRITICAL: Rehearsal on {PLATFORM}"
    assert "It burns" in told["text"]
    assert "Deadman" not in json.dumps(slack)


@pytest.mark.parametrize("page", ["prometheus", "alertmanager"])
def test_nobody_gets_in_without_the_password(host: Any, page: str) -> None:
    code = "-o /dev/null -w '%{http_code}'"
    assert curl(host, page, "/-/healthy", code, login=False) == "401"
    assert curl(host, page, "/-/healthy", f"--user admin:wrong {code}", login=False) == "401"
    assert curl(host, page, "/-/healthy", code) == "200"


def test_no_secret_is_anywhere_but_in_secrets(host: Any) -> None:
    password = (SECRETS / "monitoring.password").read_text().strip()
    services = host.check_output(f"{DOCKER} service inspect $({DOCKER} service ls -q)")
    shown = '{{json .Spec.Labels}} {{printf "%s" .Spec.Data}}'
    configs = host.check_output(f"{DOCKER} config inspect --format '{shown}' $({DOCKER} config ls -q)")
    files = host.check_output(f"cat /etc/{PLATFORM}/stacks/*/*")
    for text in (services, configs, files):
        assert "not-to-be-seen" not in text
        assert password not in text
    assert "/run/secrets/slack_url" in configs


def test_what_is_kept_is_what_was_asked_for(host: Any) -> None:
    flags = ask(host, "/api/v1/status/flags")
    assert flags["storage.tsdb.retention.time"] == "3d"
    assert flags["storage.tsdb.retention.size"] in ("2GB", "2GiB")
    assert flags["web.enable-admin-api"] == flags["web.enable-lifecycle"] == "false"


def test_what_has_no_image_is_left_out(host: Any) -> None:
    names = host.check_output(f"{DOCKER} stack services --format '{{{{.Name}}}}' monitoring").split()
    assert sorted(names) == [
        f"monitoring_{name}"
        for name in (
            "alertmanager",
            "blackbox-exporter",
            "engine-exporter",
            "node-exporter",
            "prometheus",
            "swarm-exporter",
        )
    ]
