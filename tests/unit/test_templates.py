# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the roles' YAML templates and variables come to, read as their programs read them."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar

from ansible_collections.fungap.swarm.plugins.plugin_utils.monitoring import elasticsearch_logins

try:
    from ansible.template import trust_as_template

    TRUSTED = {"trusted_as_template": True}
except ImportError:  # before ansible-core 2.19, each text is a template, and nobody loads plugins unasked
    from ansible.plugins.loader import init_plugin_loader

    import ansible_collections.fungap.swarm as collection

    init_plugin_loader()
    # Which Ansible's own finder would have read; pytest's came first.
    collection._collection_meta = {}

    def trust_as_template(text: str) -> str:
        return text

    TRUSTED = {}

ROLES = Path(__file__).resolve().parents[2] / "roles"


def templar(role: str, **variables: Any) -> Templar:
    """With the role's own defaults and variables, and what the play gives."""
    loader = DataLoader()
    own: dict[str, Any] = {}
    for file in ("defaults/main.yml", "vars/main.yml"):
        own |= loader.load_from_file(str(ROLES / role / file), **TRUSTED)
    return Templar(loader, variables={"role_path": str(ROLES / role), **own, **variables})


def render(role: str, template: str, **variables: Any) -> Any:
    """What is in the YAML that a template comes to."""
    text = trust_as_template((ROLES / role / "templates" / template).read_text())
    return yaml.safe_load(str(templar(role, **variables).template(text)))


def test_a_nodes_engine_listens_on_unix_sockets_alone() -> None:
    daemon = templar("swarm_node", swarm_node_mtu=1500).template(trust_as_template("{{ __swarm_node_daemon }}"))
    assert daemon["hosts"] == ["unix:///run/docker.sock", "unix:///run/node/docker.sock"]


def test_the_registry_has_tls_and_a_login() -> None:
    config = render("registry", "config.yml.j2")
    assert config["http"]["tls"] == {
        "certificate": "/etc/docker/registry/tls.crt",
        "key": "/etc/docker/registry/tls.key",
        "minimumtls": "tls1.2",
    }
    assert config["auth"]["htpasswd"]["path"] == "/etc/docker/registry/htpasswd"


def test_the_registrys_debug_server_is_where_nginx_alone_gets() -> None:
    """It asks for no login: never on all of the registry's addresses."""
    assert "debug" not in render("registry", "config.yml.j2")["http"]
    figures = {"port": 5001, "address": "172.30.0.4", "registry_address": "169.254.92.194"}
    config = render("registry", "config.yml.j2", registry_metrics=figures)
    assert config["http"]["debug"] == {"addr": "169.254.92.194:5001", "prometheus": {"enabled": True}}


def test_a_proxy_is_on_every_node() -> None:
    proxy = render("proxy", "compose.yml.j2", proxy_image="proxy")["services"]["proxy"]
    assert proxy["deploy"]["mode"] == "global"
    assert [(port["published"], port["mode"]) for port in proxy["ports"]] == [(80, "host"), (443, "host")]


ROUTE = {"name": "web", "hosts": ["web.example.com"], "upstream": "tasks.web_web", "port": 3000}
PAGE = {**ROUTE, "name": "monitoring-grafana", "hosts": ["grafana.example.com"], "auth": True}


CERTIFICATE = {"given": True, "until": "2027-01-01T00:00:00Z"}
SECRETS = {
    "ca": {"certificate": "authority"},
    "certificates": {
        "proxy": {"given": True, "not_after": CERTIFICATE["until"]},
        "proxy-state": {"certificate": "mutual", "key_file": "/proxy-state.key"},
    },
}


def proxy_stacks(folder: Path, *given: dict[str, Any]) -> list[dict[str, Any]]:
    """What the role proxy deploys with these variables: compose file, configs and what is recorded with them."""
    (task,) = yaml.safe_load((ROLES / "proxy" / "tasks" / "stack.yml").read_text())
    args = {key: task["fungap.swarm.swarm_stack"][key] for key in ("compose", "configs", "release")}
    text = json.dumps(args)
    for plugin, place in (("template", "templates"), ("file", "files")):
        text = text.replace(f"ansible.builtin.{plugin}', '", f"ansible.builtin.{plugin}', '{ROLES}/proxy/{place}/")
    play = {
        "hosts": "localhost",
        "gather_facts": False,
        "vars_files": [f"{ROLES}/proxy/{part}/main.yml" for part in ("defaults", "vars")],
        "vars": {"ansible_python_interpreter": sys.executable, "deployed": json.loads(text)},
        "tasks": [
            {
                "ansible.builtin.copy": {"content": "{{ deployed | to_json }}", "dest": f"{folder}/{number}"},
                "vars": {"proxy_image": "proxy", "proxy_secrets": SECRETS, **variables},
            }
            for number, variables in enumerate(given)
        ],
    }
    (folder / "play.yml").write_text(json.dumps([play]))
    # Whichever ansible-core this is.
    command = [sys.executable, "-m", "ansible", "playbook", "-i", "localhost,", "-c", "local", f"{folder}/play.yml"]
    done = subprocess.run(command, cwd=ROLES.parent, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return [json.loads((folder / str(number)).read_text()) for number in range(len(given))]


def test_a_release_changes_the_proxys_routes_and_nothing_else_of_it(tmp_path: Path) -> None:
    """Whatever its copy of the inventory says of the proxy, the nodes, the edge and the pages."""
    nodes = [{"name": name, "address": f"192.0.2.{number}"} for number, name in enumerate(("a", "b"), 1)]
    site = {
        "proxy_memory": "200M",
        "proxy_cpus": 0.5,
        "proxy_client_connections": 1000,
        "proxy_header_kilobytes": 64,
        "proxy_unlimited_addresses": ["198.51.100.7"],
        "proxy_acme_upstream": "192.0.2.9:80",
        "proxy_acme_enabled": True,
        "proxy_trusted_addresses": ["172.30.0.3"],
        "proxy_host_addresses": ["172.30.0.1"],
        "proxy_monitoring_network": "monitoring",
        "proxy_network_mtu": 1400,
        "proxy_https_port": 8443,
        "proxy_access_log_enabled": False,
        "proxy_stop_grace_seconds": 40,
        "proxy_drain_seconds": 600,
        "proxy_managers": 3,
        "proxy_health_interval_seconds": 7,
        "proxy_start_interval_enabled": True,
        "proxy_update_monitor_seconds": 20,
        "proxy_network": "shared",
        "proxy_nodes": nodes,
    }
    other = {**ROUTE, "hosts": ["other.example.com"]}
    made, same, changed = proxy_stacks(
        tmp_path,
        {**site, "proxy_routes": [ROUTE, PAGE]},
        {"proxy_in_force": site, "proxy_routes": [ROUTE, PAGE], "proxy_nodes": []},
        {"proxy_in_force": site, "proxy_routes": [other, PAGE], "proxy_memory": "64M"},
    )
    assert made["release"] == {"settings": site, "pages": [PAGE], "certificate": CERTIFICATE}
    assert same == made
    assert {**changed, "configs": None} == {**made, "configs": None}
    assert changed["configs"] == {
        **made["configs"],
        "routes": made["configs"]["routes"]
        .replace("web.example", "other.example")
        .replace("web\\.example", "other\\.example"),
        # The list of what certificates are wanted for.
        "acme": made["configs"]["acme"].replace("web.example", "other.example"),
    }


def test_a_route_is_the_same_whether_the_inventory_or_a_revision_says_it(tmp_path: Path) -> None:
    """A revision's record has its keys in the order of the alphabet."""
    route = {**ROUTE, "headers": {"X-B": "1", "x-a": "2"}, "default_headers": {"X-D": "1", "Referrer-Policy": "2"}}
    recorded = json.loads(json.dumps(route, sort_keys=True))
    one, other = proxy_stacks(tmp_path, {"proxy_routes": [route]}, {"proxy_routes": [recorded]})
    assert one["configs"] == other["configs"]


def test_error_pages_of_an_app_are_files_of_the_proxy(tmp_path: Path) -> None:
    page = "<h1>$uri é</h1>\n"
    route = {**ROUTE, "error_pages": [{"status": [502, 504], "page": page}]}
    (found,) = proxy_stacks(tmp_path, {"proxy_routes": [route]})
    configs = yaml.safe_load(found["compose"])["services"]["state"]["configs"]
    assert {"source": "page-web-1", "target": "/srv/state/page-web-1"} in configs
    assert found["configs"]["page-web-1"] == page
    assert "alias /run/proxy/current/page-web-1;" in found["configs"]["routes"]


def test_users_of_an_app_are_a_secret_of_the_proxy() -> None:
    users = {**ROUTE, "basic_auth": {"users": {"alice": "$2y$08$x"}}}
    proxy = render("proxy", "compose.yml.j2", proxy_image="proxy", proxy_routes=[users, PAGE, PAGE])
    found = [one["target"] for one in proxy["services"]["state"]["secrets"]]
    files = ["tls.crt", "tls.key", "htpasswd", "htpasswd-web"]
    assert found == ["state.crt", "state.key", *(f"/srv/state/{name}" for name in files)]


def test_what_a_proxy_writes_can_not_take_its_memory() -> None:
    """A tmpfs counts as memory."""
    services = render("proxy", "compose.yml.j2", proxy_image="proxy")["services"]
    found = {name: {one["target"]: one["tmpfs"]["size"] for one in services[name]["volumes"]} for name in services}
    size = 16 * 1024**2
    assert found == {"proxy": {"/tmp": size, "/run/proxy": size}, "state": {"/tmp": size}}


def test_a_change_of_a_route_a_certificate_or_a_login_leaves_the_proxies_tasks_as_they_are(tmp_path: Path) -> None:
    users = {**ROUTE, "name": "users", "basic_auth": {"users": {"alice": "$2y$08$x"}}}
    one, other = proxy_stacks(tmp_path, {"proxy_routes": [ROUTE]}, {"proxy_routes": [ROUTE, PAGE, users]})
    services = [yaml.safe_load(found["compose"])["services"] for found in (one, other)]
    assert services[0]["proxy"] == services[1]["proxy"]
    assert services[0]["state"] != services[1]["state"]
    own = {item["source"] for kind in ("configs", "secrets") for item in services[0]["proxy"][kind]}
    assert own == {"follow", "ca", "state-certificate", "state-key"}


@pytest.mark.parametrize(("managers", "constraints"), [(3, ["node.role == manager"]), (0, None)])
def test_the_managers_that_take_tasks_have_the_state_or_all_nodes(managers: int, constraints: list[str] | None) -> None:
    state = render("proxy", "compose.yml.j2", proxy_image="proxy", proxy_managers=managers)["services"]["state"]
    assert state["deploy"].get("placement", {}).get("constraints") == constraints
    assert "ports" not in state


@pytest.mark.parametrize("job", ["exporters", "apps", "routes"])
def test_prometheus_asks_the_swarm_what_there_is(job: str) -> None:
    config = render("monitoring", "prometheus.yml.j2", monitoring_images={})
    found = {one["job_name"]: one for one in config["scrape_configs"]}[job]
    assert [one["url"] for one in found["http_sd_configs"]] == [f"http://swarm-exporter:9180/sd/{job}"]
    assert "static_configs" not in found


def test_alerts_go_to_slack() -> None:
    config = render("monitoring", "alertmanager.yml.j2", monitoring_slack_webhook_url="https://slack.example/x")
    receivers = {one["name"]: one for one in config["receivers"]}
    slack = receivers[config["route"]["receiver"]]["slack_configs"]
    assert [(one["api_url_file"], one["send_resolved"]) for one in slack] == [("/run/secrets/slack_url", True)]


INTERVALS = [
    ("proxy", {}, "proxy", "5s"),
    ("monitoring", {}, "prometheus", "10s"),
    ("proxy", {"proxy_start_interval_enabled": True}, "proxy", "30s"),
    ("monitoring", {"monitoring_start_interval_enabled": True}, "prometheus", "30s"),
    ("proxy", {"proxy_health_interval_seconds": 20}, "proxy", "20s"),
    ("monitoring", {"monitoring_health_interval_seconds": 30}, "prometheus", "30s"),
]


def stack_of(role: str, **variables: Any) -> Any:
    images = {"monitoring_images": {"prometheus": {"ref": "prometheus"}}, "proxy_image": "proxy"}
    files: dict[str, Any] = {"__monitoring_configs": {}, "__monitoring_secrets": {}, "__monitoring_rule_contents": {}}
    return render(role, "compose.yml.j2", **{**images, **files, **variables})


HOSTILE = "$(touch {}) `touch {}`; touch {} \\ 'x' \"y\" #z = $HOME & é "


@pytest.mark.parametrize("shell", [["/bin/sh"], ["bash"], ["busybox", "sh"]], ids=lambda shell: shell[0])
@pytest.mark.parametrize(
    ("user", "password"), [("me", HOSTILE), (HOSTILE, "  two words\\"), ("-n", "A=b"), ("", ""), ("me", "")]
)
def test_what_an_exporter_logs_in_with_is_no_text_for_a_shell(
    tmp_path: Path, shell: list[str], user: str, password: str
) -> None:
    if not shutil.which(shell[0]):
        pytest.skip(f"no {shell[0]} here")
    executed = tmp_path / "executed"
    user, password = user.replace("{}", str(executed)), password.replace("{}", str(executed))
    url = f"https://{quote(user, safe='')}:{quote(password, safe='')}@search:9200/$x"
    images = {name: {"ref": name} for name in ("prometheus", "elasticsearch-exporter")}
    found = elasticsearch_logins([url])
    stack = stack_of("monitoring", monitoring_images=images, __monitoring_elasticsearch=found)
    service = stack["services"]["elasticsearch-1"]
    (tmp_path / "elasticsearch-1").write_text(found[0]["login"])
    told = tmp_path / "exporter"
    told.write_text(
        f"#!{sys.executable}\nimport json, os, sys\nprint(json.dumps([sys.argv[1:], "
        '[os.environ.get(f"ES_{name}", "") for name in ("USERNAME", "PASSWORD")]]))'
    )
    told.chmod(0o755)
    words = [str(word).replace("$$", "$") for word in (*service["entrypoint"][1:], *service["command"])]
    words[1] = words[1].replace("/run/secrets", str(tmp_path)).replace("/bin/elasticsearch_exporter", str(told))
    done = subprocess.run([*shell, *words], check=True, capture_output=True, text=True, env={"PATH": "/usr/bin:/bin"})
    argv, login = json.loads(done.stdout)
    assert argv == ["--es.uri=https://search:9200/$x", "--es.all", "--es.indices"]
    assert login == [user, password]
    assert done.stderr == ""
    assert not executed.exists()


@pytest.mark.parametrize(("role", "variables", "service", "interval"), INTERVALS)
def test_how_often_health_is_asked_for(role: str, variables: dict[str, Any], service: str, interval: str) -> None:
    assert stack_of(role, **variables)["services"][service]["healthcheck"]["interval"] == interval


@pytest.mark.parametrize("word", ["no", "on", "null", "123", "1e3"])
def test_a_name_that_yaml_reads_as_something_else_stays_a_name(word: str) -> None:
    hosts, secrets = {"prometheus": word}, {word: "x"}
    given = {"__monitoring_secrets": secrets, "monitoring_alert_secrets": secrets, "platform_name": word}
    images = {"monitoring_images": {name: {"ref": name} for name in ("prometheus", "alertmanager")}}
    stack = stack_of("monitoring", monitoring_hosts=hosts, **given, **images)
    assert stack["services"]["prometheus"]["deploy"]["labels"]["io.fungap.hosts"] == word
    assert stack["services"]["alertmanager"]["secrets"][0]["source"] == word
    assert stack["volumes"]["prometheus"]["labels"] == {"io.fungap.platform": word}
    config = render("monitoring", "prometheus.yml.j2", monitoring_images={}, platform_name=word)
    assert config["global"]["external_labels"]["platform"] == word


@pytest.mark.parametrize(
    ("role", "service", "variables"),
    [
        ("proxy", "proxy", {"proxy_memory": 268435456}),
        ("monitoring", "prometheus", {"monitoring_limits": {"prometheus": {"memory": 268435456}}}),
    ],
)
def test_memory_in_bytes_is_text_to_the_docker_cli(role: str, service: str, variables: dict[str, Any]) -> None:
    limits = stack_of(role, **variables)["services"][service]["deploy"]["resources"]["limits"]
    assert limits["memory"] == "268435456"


@pytest.mark.parametrize(("variables", "monitor"), [({}, "10s"), ({"proxy_update_monitor_seconds": 3}, "3s")])
def test_how_long_a_changed_proxy_is_watched(variables: dict[str, Any], monitor: str) -> None:
    assert stack_of("proxy", **variables)["services"]["proxy"]["deploy"]["update_config"]["monitor"] == monitor


@pytest.mark.parametrize(("role", "service"), [("proxy", "proxy"), ("monitoring", "prometheus")])
@pytest.mark.parametrize(
    ("cli", "version", "start_interval"),
    [(None, "3.8", None), ("", "3.8", None), ("20.10.24", "3.8", None), ("25.0.0", "3.12", "1s"), ("28", "3.12", "1s")],
)
def test_what_starts_is_asked_more_often_where_the_cli_knows_it(
    role: str, service: str, cli: str | None, version: str, start_interval: str | None
) -> None:
    facts = {} if cli is None else {"ansible_facts": {"docker_host": {"docker": {"cli": cli, "containers": []}}}}
    stack = stack_of(role, **facts)
    assert stack["version"] == version
    assert stack["services"][service]["healthcheck"].get("start_interval") == start_interval


@pytest.mark.parametrize(("folder", "kept"), [("", True), ("/var/backups/jenkins", False)])
def test_the_key_that_signs_archives_is_with_the_agent_only_where_it_makes_archives(folder: str, kept: bool) -> None:
    config = "/etc/p/jenkins"
    copy = f"{config}/platform-secrets/backup-signature.password"
    seen = {path: {"kind": "file"} for path in (copy, f"{config}/platform-secrets/ca.key", f"{config}/agent/old")}
    found = templar(
        "jenkins",
        jenkins_backup_dir=folder,
        jenkins_config_dir=config,
        preflight_host={"trees": {"/etc/p": seen}},
        __jenkins_files=[] if kept else [{"path": copy}],
    )
    assert ("backup-*" in found.template(trust_as_template("{{ __jenkins_own_secrets }}"))) is kept
    stale = found.template(trust_as_template("{{ __jenkins_stale_files }}"))
    assert stale == ([copy] if kept else []) + [f"{config}/agent/old"]


@pytest.mark.parametrize(
    ("secrets", "judged"),
    [
        ({}, False),
        ({"certificates": {}}, False),
        ({"certificates": {"proxy": {"certificate": "x"}}}, False),
        ({"certificates": {"proxy": {"certificate": "x"}, "proxy-state": {}}}, True),
        ({"certificates": {"proxy": {"certificate": "x", "pending": ""}, "proxy-state": {"pending": ""}}}, True),
        # Check mode has made no key for it.
        ({"certificates": {"proxy": {"pending": "its names changed"}, "proxy-state": {}}}, False),
        ({"certificates": {"proxy": {}, "proxy-state": {"pending": "there is none"}}}, False),
    ],
)
def test_nginx_judges_a_certificate_with_its_key_alone(secrets: dict[str, Any], judged: bool) -> None:
    found = templar("proxy", proxy_secrets=secrets).template(trust_as_template("{{ __proxy_has_certificate }}"))
    assert found is judged


@pytest.mark.parametrize(
    ("address", "target"), [("192.0.2.1", "https://192.0.2.1:443$1"), ("2001:db8::1", "https://[2001:db8::1]:443$1")]
)
def test_where_prometheus_asks_for_routes(address: str, target: str) -> None:
    config = render("monitoring", "prometheus.yml.j2", monitoring_images={}, monitoring_probe_address=address)
    (routes,) = [one for one in config["scrape_configs"] if one["job_name"] == "routes"]
    assert routes["relabel_configs"][0]["replacement"] == target


@pytest.mark.parametrize(
    ("host", "target"), [("db.example.com", "db.example.com:3307"), ("2001:db8::1", "[2001:db8::1]:3307")]
)
def test_where_prometheus_finds_a_mysql_server(host: str, target: str) -> None:
    servers = [{"name": "main", "host": host, "port": 3307, "username": "u", "password": "p"}]
    images = {"prometheus": {"ref": "x"}, "mysqld-exporter": {"ref": "x"}}
    config = render("monitoring", "prometheus.yml.j2", monitoring_images=images, monitoring_mysql_endpoints=servers)
    (job,) = [one for one in config["scrape_configs"] if one["job_name"] == "mysql"]
    (found,) = job["static_configs"]
    assert found == {"targets": [target], "labels": {"instance": "main", "__param_auth_module": "client.main"}}


@pytest.mark.parametrize("text", ["on", "null", "0123", "1e3", "1.10"])
def test_names_that_yaml_reads_as_something_else_stay_texts(text: str) -> None:
    monitoring = render(
        "monitoring",
        "compose.yml.j2",
        monitoring_images={name: {"ref": name} for name in ("prometheus", "swarm-exporter")},
        __monitoring_configs={},
        __monitoring_secrets={},
        __monitoring_rule_contents={},
        platform_name=text,
        monitoring_hosts={"prometheus": text},
        monitoring_network=text,
        monitoring_apps_network=text,
        monitoring_limits={"prometheus": {"memory": "134217728"}},
    )
    prometheus = monitoring["services"]["prometheus"]["deploy"]
    assert monitoring["volumes"]["prometheus"]["labels"] == {"io.fungap.platform": text}
    assert prometheus["labels"]["io.fungap.hosts"] == text
    assert prometheus["resources"]["limits"]["memory"] == "134217728"
    assert monitoring["services"]["swarm-exporter"]["environment"]["APPS_NETWORK"] == text
    assert {one["name"] for one in monitoring["networks"].values()} == {text}
    config = render("monitoring", "prometheus.yml.j2", monitoring_images={}, platform_name=text)
    assert config["global"]["external_labels"] == {"platform": text}
    proxy = stack_of("proxy", proxy_network=text, proxy_monitoring_network=text, proxy_memory="268435456")
    assert {one["name"] for name, one in proxy["networks"].items() if name != "state"} == {text}
    assert proxy["services"]["proxy"]["deploy"]["resources"]["limits"]["memory"] == "268435456"
    assert list(render("jenkins", "agent.yml.j2", jenkins_deploy_hosts=[text])["all"]["hosts"]) == [text]
