"""The monitoring's files as their own programs read them: promtool, amtool, the blackbox exporter's check."""

from __future__ import annotations

import json
import math
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import docker
import pytest
import requests
import yaml

from ansible_collections.fungap.swarm.plugins.module_utils.docker.archives import tar_entry
from ansible_collections.fungap.swarm.plugins.module_utils.docker.engine import Engine
from ansible_collections.fungap.swarm.plugins.module_utils.stack.operation import HOST_SOCKET
from ansible_collections.fungap.swarm.plugins.module_utils.stack.validation import validation_of
from ansible_collections.fungap.swarm.plugins.plugin_utils import pki
from ansible_collections.fungap.swarm.plugins.plugin_utils.compose import render as render_compose

from .. import images
from ..waiting import patience, until, wait_for
from ..warm_ansible import ansible_playbook

ROOT = Path(__file__).resolve().parents[2]
ROLE = ROOT / "roles" / "monitoring"
SECRET = "not-to-be-seen"
NAMES = (
    "prometheus",
    "alertmanager",
    "grafana",
    "node-exporter",
    "blackbox-exporter",
    "swarm-exporter",
    "mysqld-exporter",
    "elasticsearch-exporter",
)
PAGES = {"prometheus": "p.example", "alertmanager": "a.example", "grafana": "g.example"}
EVERYTHING: dict[str, Any] = {
    "monitoring_images": {name: {"ref": f"registry:5000/{name}@sha256:{'0' * 64}"} for name in NAMES},
    "monitoring_hosts": PAGES,
    "monitoring_slack_webhook_url": f"https://slack.example/{SECRET}",
    "monitoring_webhook_url": f"https://hook.example/{SECRET}",
    "monitoring_deadman_url": f"https://deadman.example/{SECRET}",
    "monitoring_mail": {
        "to": "a@example.com",
        "from": "b@example.com",
        "smarthost": "mail.example.com:587",
        "username": "u",
        "password": SECRET,
    },
    "monitoring_registry_metrics": "172.30.0.4:5001",
    "monitoring_certificates": [{"name": "registry", "address": "172.30.0.2:5000"}],
    "monitoring_mysql_endpoints": [{"name": "main", "host": "db.example.com", "username": "u", "password": SECRET}],
    "monitoring_elasticsearch_urls": [f"https://u:{SECRET}@search.example.com:9200"],
    "monitoring_alerts": {"HostCpuHigh": {"above": 0.9}},
    "monitoring_alert_routes": [{"receiver": "dba", "matchers": ['alertname=~"Mysql.*"']}],
    "monitoring_alert_receivers": [{"name": "dba", "pagerduty_configs": [{"routing_key_file": "/run/secrets/pager"}]}],
    "monitoring_alert_secrets": {"pager": SECRET},
}
OWN_RULES = """groups:
  - name: shop
    rules:
      - {alert: ShopEmpty, expr: sum(shop_items) == 0, for: 5m, labels: {severity: warning}}
"""
LITTLE = {
    "monitoring_images": {
        name: {"ref": f"registry:5000/{name}@sha256:{'0' * 64}"} for name in NAMES if name != "grafana"
    }
}


@dataclass(frozen=True)
class Rendered:
    """What the role hands to ``swarm_stack``."""

    compose: dict[str, Any]
    configs: dict[str, str]
    secrets: dict[str, str]


def render(directory: Path, variables: dict[str, Any], *, own_ca: bool = True) -> Rendered:
    for name in ("grafana", "registry-metrics"):
        (directory / f"{name}.password").write_text(SECRET)
    (directory / "templates").symlink_to(ROLE / "templates")
    secrets = {
        "ca": {"certificate": "the CA"},
        "certificates": {"proxy": {"given": not own_ca}},
        "passwords": {name: {"file": str(directory / f"{name}.password")} for name in ("grafana", "registry-metrics")},
    }
    wanted = ("compose", "configs", "secrets")
    values = ("lookup('ansible.builtin.template', 'compose.yml.j2')", "__monitoring_configs", "__monitoring_secrets")
    play = {
        "hosts": "localhost",
        "gather_facts": False,
        "vars_files": [f"{ROLE}/defaults/main.yml", f"{ROLE}/vars/main.yml"],
        "tasks": [
            {
                "fungap.swarm.config_files": {
                    "files": [
                        {"path": f"{directory}/{name}.json", "content": f"{{{{ {value} | to_json }}}}"}
                        for name, value in zip(wanted, values, strict=True)
                    ]
                }
            }
        ],
    }
    (directory / "play.yml").write_text(json.dumps([play]))
    (directory / "variables.json").write_text(
        json.dumps(
            {
                "monitoring_secrets": secrets,
                "role_path": str(ROLE),
                "ansible_python_interpreter": "{{ ansible_playbook_python }}",
                **variables,
            }
        )
    )
    options = ["-i", "localhost,", "-c", "local", f"-e@{directory}/variables.json"]
    done = ansible_playbook().run(*options, f"{directory}/play.yml")
    assert done.code == 0, done.output
    text, configs, contents = (json.loads((directory / f"{name}.json").read_text()) for name in wanted)
    return Rendered(render_compose("monitoring", text, configs, contents).compose, configs, contents)


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Rendered:
    own = tmp_path_factory.mktemp("own") / "shop.yml"
    own.write_text(OWN_RULES)
    return render(tmp_path_factory.mktemp("everything"), {**EVERYTHING, "monitoring_rule_files": [str(own)]})


@pytest.fixture(scope="module")
def little(tmp_path_factory: pytest.TempPathFactory) -> Rendered:
    """Without Grafana, receivers, pages, databases; with a certificate of one's own."""
    return render(tmp_path_factory.mktemp("little"), LITTLE, own_ca=False)


def check(image: str, program: str, arguments: list[str], rendered: Rendered, directory: Path) -> str:
    """Run a program of the image over the files, which lie where the compose file puts them; return its output.

    ``image``: a name of the catalog, or a reference.
    """
    client = docker.from_env()
    binds = []
    for service in rendered.compose["services"].values():
        for reference in service.get("configs", []):
            file = directory / reference["source"]
            file.write_text(rendered.configs[reference["source"]])
            binds.append(f"{file}:{reference['target']}:ro")
    for name in rendered.secrets:
        (directory / name).write_text(SECRET)
        binds.append(f"{directory / name}:/run/secrets/{name}:ro")
    output: bytes = client.containers.run(
        image if ":" in image else images.image(image),
        arguments,
        entrypoint=program,
        volumes=sorted(set(binds)),
        remove=True,
        network_mode="none",
        # Else the volumes that images declare stay: docker-py takes the container alone away.
        tmpfs={"/prometheus": "", "/alertmanager": ""},
        stderr=True,
    )
    return output.decode()


@pytest.mark.parametrize("which", ["everything", "little"])
def test_prometheus_takes_its_files(which: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    rendered = request.getfixturevalue(which)
    output = check("prometheus", "promtool", ["check", "config", "/etc/prometheus/prometheus.yml"], rendered, tmp_path)
    assert "prometheus.yml is valid prometheus config file syntax" in output
    own = 1 if which == "everything" else 0
    assert output.count("rules found") == len(list((ROLE / "files" / "rules").glob("*.yml"))) + own


@pytest.mark.parametrize("which", ["everything", "little"])
def test_alertmanager_takes_its_file(which: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    rendered = request.getfixturevalue(which)
    output = check("alertmanager", "amtool", ["check-config", "/etc/alertmanager/alertmanager.yml"], rendered, tmp_path)
    assert "SUCCESS" in output


def judged(rendered: Rendered, **configs: str) -> list[tuple[int, str]]:
    """What the images of Prometheus and Alertmanager say, asked as ``swarm_stack`` asks them before a deploy."""
    variables = yaml.safe_load((ROLE / "vars" / "main.yml").read_text())["__monitoring_validations"]
    commands = {"prometheus": ("promtool", "check config"), "alertmanager": ("amtool", "check-config")}
    found = []
    for service, (entrypoint, words) in commands.items():
        file = f"/etc/{service}/{service}.yml"
        assert entrypoint in variables
        assert file in variables
        command = [*words.split(), file]
        validation = replace(
            validation_of(rendered.compose, service, command, [entrypoint]), image=images.image(service)
        )
        # In the swarm a config is called by its content: here by its key.
        names = {one.name: one.name.rpartition("_")[0].removeprefix("monitoring_") for one in validation.files}
        contents = {**rendered.configs, **rendered.secrets, **configs}
        files = [tar_entry(one.path, contents[names[one.name]], one.mode, one.uid, one.gid) for one in validation.files]
        found.append(Engine(HOST_SOCKET).containers.run_once(validation.container(), files, timeout_seconds=60))
    return found


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("", "", ("", "")),
        ("own-shop.yml", OWN_RULES.replace("== 0", "= 0"), ("own-shop.yml", "")),
        ("own-shop.yml", OWN_RULES.replace("expr", "exprr"), ("field exprr not found", "")),
        ("alertmanager.yml", "route: {receiver: nobody}\nreceivers: []\n", ("", 'undefined receiver "nobody"')),
    ],
)
def test_what_they_would_not_start_with_is_refused(
    name: str, text: str, says: tuple[str, str], everything: Rendered
) -> None:
    for (code, output), said in zip(judged(everything, **({name: text} if name else {})), says, strict=True):
        assert (code == 0) is (said == ""), output
        assert said in output


def figures(count: int) -> str:
    return "".join(f"shop_item_{number} 1\n" for number in range(count))


@pytest.fixture
def hostile_app() -> Iterator[dict[str, str]]:
    """What an app can say, by the path it says it at, and where it listens."""
    said = {
        "/metrics": "shop_orders 7\nswarm_manager_has_leader 1\nnode_cpu_seconds_total 1\nup 0\nroute:up:ratio 1\n",
        "/many": figures(10_001),
        "/long": 'shop_orders{of="' + "x" * 1001 + '"} 1\n',
    }

    class App(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.end_headers()
            self.wfile.write(said[self.path].encode())

        def log_message(self, *args: Any) -> None:
            pass

    gateway = docker.from_env().networks.get("bridge").attrs["IPAM"]["Config"][0]["Gateway"]
    server = ThreadingHTTPServer((gateway, 0), App)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield dict.fromkeys(said, f"{gateway}:{server.server_port}")
    server.shutdown()
    server.server_close()


def test_an_app_cannot_speak_for_the_platform(
    everything: Rendered, hostile_app: dict[str, str], tmp_path: Path
) -> None:
    """A real Prometheus with the role's own job, whose targets stand in the file itself."""
    config = yaml.safe_load(everything.configs["prometheus.yml"])
    (job,) = [one for one in config["scrape_configs"] if one["job_name"] == "apps"]
    del job["http_sd_configs"]
    job["static_configs"] = [
        {"targets": [address], "labels": {"__metrics_path__": path, "path": path, "job": "swarm-exporter"}}
        for path, address in hostile_app.items()
    ]
    # This process answers, beside others that compute.
    seconds = math.ceil(patience())
    short = {"scrape_interval": f"{seconds}s", "scrape_timeout": f"{seconds}s"}
    file = tmp_path / "prometheus.yml"
    file.write_text(yaml.safe_dump({"global": short, "scrape_configs": [job]}))
    container = docker.from_env().containers.run(
        images.image("prometheus"),
        ["--config.file=/etc/prometheus/prometheus.yml", "--storage.tsdb.path=/prometheus"],
        entrypoint="prometheus",
        volumes=[f"{file}:/etc/prometheus/prometheus.yml:ro"],
        tmpfs={"/prometheus": ""},
        user="0:0",
        detach=True,
    )
    try:
        container.reload()
        url = f"http://{container.attrs['NetworkSettings']['Networks']['bridge']['IPAddress']}:9090/api/v1"

        def query(text: str) -> dict[tuple[str, str], str]:
            container.reload()
            assert container.status == "running", container.logs().decode()
            found = requests.get(f"{url}/query", params={"query": text}, timeout=5).json()["data"]["result"]
            return {(one["metric"].get("__name__", ""), one["metric"]["path"]): one["value"][1] for one in found}

        until(lambda: query("shop_orders"), 60)
        wait_for("each app to be asked", lambda: len(query("up")) == len(hostile_app))
        # Ever: at a busy moment the last answer may have come too late.
        assert query("max_over_time(up[1h])") == {("", "/metrics"): "1", ("", "/many"): "0", ("", "/long"): "0"}
        names = {name for name, _path in query('last_over_time({job="apps", __name__!~"up|scrape_.*"}[1h])')}
        assert names == {"shop_orders"}
    finally:
        container.remove(force=True, v=True)


@pytest.mark.parametrize(
    ("labels", "receiver"),
    [
        ("alertname=HostCpuHigh severity=critical node=worker1", "people"),
        ("alertname=Deadman", "deadman"),
        ("alertname=MysqlDown", "dba"),
    ],
)
def test_who_gets_an_alert(labels: str, receiver: str, everything: Rendered, tmp_path: Path) -> None:
    arguments = ["config", "routes", "test", "--config.file=/etc/alertmanager/alertmanager.yml", *labels.split()]
    assert receiver in check("alertmanager", "amtool", arguments, everything, tmp_path).splitlines()


def test_every_receiver_is_told(everything: Rendered, little: Rendered) -> None:
    people, deadman, own = yaml.safe_load(everything.configs["alertmanager.yml"])["receivers"]
    assert set(people) == {"name", "slack_configs", "webhook_configs", "email_configs"}
    assert set(deadman) == {"name", "webhook_configs"}
    assert own == EVERYTHING["monitoring_alert_receivers"][0]
    assert yaml.safe_load(little.configs["alertmanager.yml"])["receivers"] == [{"name": "people"}, {"name": "deadman"}]


def test_the_blackbox_exporter_takes_its_file(everything: Rendered, tmp_path: Path) -> None:
    arguments = ["--config.file=/etc/blackbox/blackbox.yml", "--config.check"]
    assert "Config file is ok" in check("blackbox-exporter", "/bin/blackbox_exporter", arguments, everything, tmp_path)


@pytest.mark.parametrize("age_days", [340, 400])
def test_a_certificates_end_is_told_whoever_signed_it_and_after_it(
    everything: Rendered, tmp_path: Path, age_days: int
) -> None:
    """A real blackbox-exporter, asked as Prometheus asks it."""
    gateway = docker.from_env().networks.get("bridge").attrs["IPAM"]["Config"][0]["Gateway"]
    made, keys = datetime.now(timezone.utc) - timedelta(days=age_days), [pki.new_key(), pki.new_key()]
    authority = pki.KeyPair(pki.make_ca("nobody's", keys[0], made), keys[0])
    certificate = pki.issue(authority, keys[1], ["registry"], (), made)
    (tmp_path / "tls.pem").write_text(keys[1] + certificate)
    (tmp_path / "blackbox.yml").write_text(everything.configs["blackbox.yml"])
    (tmp_path / "ca.crt").write_text(authority.certificate)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "tls.pem")
    server = ThreadingHTTPServer((gateway, 0), BaseHTTPRequestHandler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    container = docker.from_env().containers.run(
        images.image("blackbox-exporter"),
        ["--config.file=/etc/blackbox/blackbox.yml"],
        volumes=[f"{tmp_path}/{name}:/etc/blackbox/{name}:ro" for name in ("blackbox.yml", "ca.crt")],
        detach=True,
    )
    try:
        container.reload()
        url = f"http://{container.attrs['NetworkSettings']['Networks']['bridge']['IPAddress']}:9115/probe"
        asked = {"module": "certificate", "target": f"{gateway}:{server.server_port}"}

        def probe() -> dict[str, float]:
            container.reload()
            assert container.status == "running", container.logs().decode()
            lines = requests.get(url, params=asked, timeout=15).text.splitlines()
            figures = [line.rpartition(" ") for line in lines if not line.startswith("#")]
            return {name: float(value) for name, _space, value in figures}

        told = until(probe, 60)
        assert told["probe_success"] == 1
        assert (
            told["probe_ssl_earliest_cert_expiry"]
            == pki.load_certificate(certificate, "").not_valid_after_utc.timestamp()
        )
        server.shutdown()
        server.server_close()
        assert probe()["probe_success"] == 0
    finally:
        server.shutdown()
        server.server_close()
        container.remove(force=True, v=True)


def test_secrets_are_in_secrets_alone(everything: Rendered) -> None:
    assert SECRET not in json.dumps([everything.compose, everything.configs])
    assert all(SECRET in content for content in everything.secrets.values())


def test_what_is_not_there_is_not_named(little: Rendered) -> None:
    assert little.secrets == {}
    assert "grafana.ini" not in little.configs
    # Its end is watched; the routes' own certificate is not judged by it.
    assert little.configs["ca.crt"] == "the CA"
    assert "tls_config" not in yaml.safe_load(little.configs["blackbox.yml"])["modules"]["route"]["http"]
    assert not {"grafana", "mysqld-exporter", "elasticsearch-1"} & set(little.compose["services"])
    jobs = [job["job_name"] for job in yaml.safe_load(little.configs["prometheus.yml"])["scrape_configs"]]
    assert jobs == ["exporters", "apps", "routes"]


def test_services_are_confined(everything: Rendered) -> None:
    for name, service in everything.compose["services"].items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["deploy"]["endpoint_mode"] == "dnsrr", name
        assert service["deploy"]["resources"]["limits"]["memory"], name
        assert service["healthcheck"]["test"], name
        assert service["logging"]["options"] == {"max-size": "10m", "max-file": "3"}, name
        assert service["user"] == "0:0" or "docker.sock" not in json.dumps(service), name
    assert "docker.sock" not in json.dumps(everything.compose["services"]["prometheus"])


def test_grafana_lets_nobody_in_and_calls_nobody(everything: Rendered) -> None:
    ini = everything.configs["grafana.ini"]
    for section, setting in (
        ("auth.anonymous", "enabled = false"),
        ("analytics", "reporting_enabled = false"),
        ("analytics", "check_for_updates = false"),
        ("news", "news_feed_enabled = false"),
        ("users", "allow_sign_up = false"),
        ("security", "admin_password = $__file{/run/secrets/grafana_password}"),
    ):
        assert setting in ini.partition(f"[{section}]\n")[2].partition("\n[")[0]
