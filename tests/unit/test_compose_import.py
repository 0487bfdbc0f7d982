# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From a compose file, as Docker's parser shows it, to the inventory's entries."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.plugin_utils.compose_import import parser
from ansible_collections.fungap.swarm.plugins.plugin_utils.compose_import.choice import Asked
from ansible_collections.fungap.swarm.plugins.plugin_utils.compose_import.result import (
    Result,
    app_name,
    report,
    result_of,
)
from ansible_collections.fungap.swarm.plugins.plugin_utils.compose_import.variables import StandIns, stand_ins
from ansible_collections.fungap.swarm.plugins.plugin_utils.specs import read_specs

ROOT = Path(__file__).resolve().parents[2]
SPECS = read_specs(str(ROOT / "roles"))
CATALOG = ("grafana", "nodejs", "proxy")
WEB: dict[str, Any] = {
    "image": "team/web:1",
    "ports": [{"target": 3000, "published": "80", "protocol": "tcp"}],
    "deploy": {"resources": {"limits": {"cpus": "0.5", "memory": "134217728"}}},
    "healthcheck": {"disable": True},
}
DB: dict[str, Any] = {"image": "postgres:17"}


def given(text: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(text) or {}
    return found


def bring_in(
    services: dict[str, Any],
    *,
    marks: dict[str, str] | None = None,
    env_files: dict[str, dict[str, str]] | None = None,
    unread: dict[str, list[str]] | None = None,
    there: dict[str, str] | None = None,
    more: dict[str, Any] | None = None,
    **asked: Any,
) -> Result:
    parsed = parser.Parsed(
        {"services": services, **(more or {})}, StandIns({}, marks or {}, {}), env_files or {}, unread or {}, ""
    )
    who = Asked(**{"app": "shop", "folder": "/srv/shop", "hosts": ("shop.example.com",), "catalog": CATALOG, **asked})
    return result_of(parsed, who, there or {}, "compose.yml", SPECS)


def port(target: int, protocol: str = "tcp") -> dict[str, Any]:
    return {"target": target, "published": str(target), "protocol": protocol, "mode": "ingress"}


CHOICES: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({"app": {"ports": [port(80)]}, "db": {}}, {}, "app 80"),
    ({"app": {"ports": [port(443), port(80)]}}, {}, "app 80"),
    ({"app": {"ports": [port(8443), port(8080)]}}, {}, "app 8443"),
    ({"app": {"ports": [port(80)]}, "db": {"image": "mysql:8", "ports": [port(3306)]}}, {}, "app 80"),
    # The one that nobody with a port waits for.
    ({"page": {"ports": [port(80)], "depends_on": {"api": {}}}, "api": {"ports": [port(8000)]}}, {}, "page 80"),
    ({"page": {"ports": [port(80)]}, "api": {"ports": [port(8000)]}}, {}, "page, api publish a port"),
    ({"page": {"ports": [port(80)]}, "api": {"ports": [port(8000)]}}, {"service": "api"}, "api 8000"),
    ({"page": {"ports": [port(80)]}, "api": {"ports": [port(8000)]}}, {"service": "ap"}, "no service ap"),
    ({"lb": {"image": "traefik:3", "ports": [port(80)]}, "api": {"ports": [port(8000)]}}, {}, "api 8000"),
    ({"app": {"ports": [port(53, "udp")]}}, {}, "publishes a TCP port"),
    ({"app": {}}, {"port": 25565}, "app 25565"),
    ({"app": {}, "b": {}}, {"port": 25565}, "publishes a TCP port"),
    ({"app": {"expose": ["9000"]}}, {"service": "app"}, "app 9000"),
    ({"app": {}}, {"service": "app"}, "give -e service_port="),
    ({"db": {"image": "postgres:17", "ports": [port(5432)]}, "job": {}}, {}, "publishes a TCP port"),
    ({"ui": {"image": "adminer:4", "ports": [port(8080)]}}, {}, "ui 8080"),
    ({"ui": {"image": "mongo-express:1", "ports": [port(81)]}, "db": {"ports": [port(27017)], "image": "mongo:8"}}, {},
     "ui 81"),
    ({"ui": {"image": "adminer:4", "ports": [port(8080)]}, "app": {"ports": [port(80)]}}, {}, "app 80"),
    ({"app": {"ports": [port(80)], "profiles": ["dev"]}}, {}, "publishes a TCP port"),
    ({"app": {"ports": [port(80)], "profiles": ["dev"]}}, {"profiles": ("dev",)}, "app 80"),
]  # fmt: skip


@pytest.mark.parametrize(("services", "asked", "expected"), CHOICES)
def test_which_service_is_the_app(services: dict[str, Any], asked: dict[str, Any], expected: str) -> None:
    services = {name: {"image": "team/x:1", "healthcheck": {"disable": True}, **one} for name, one in services.items()}
    try:
        result = bring_in(services, **asked)
    except PlatformError as error:
        told = error.message
    else:
        (main,) = set(services) - set(result.apps["shop"].get("services", {})) - {"lb"}
        told = f"{main} {result.apps['shop']['port']}"
    assert expected in told


# What the app's own service says -> what is different from WEB in the entry, and the notes' places.
SHAPES: list[tuple[str, str, list[str]]] = [
    ("{}", "{}", []),
    ("environment: {A: b, C: 'd$$e'}", "environment: {A: b, C: d$e}", []),
    ("environment: {A: '{% b {{.Node.ID}}'}", "environment: {A: '{% b {{.Node.ID}}'}", []),
    ("environment: {A: '{% {{.Node.ID}} ://a:hunter22@b'}",
     "environment: {A: \"{{ '{%' }} {{ '{{' }}.Node.ID}} ://a:{{ vault_shop_a_password }}@b\"}", []),
    ("environment: {A: }", 'environment: {A: "{{ compose_shop_a }}"}', []),
    ("environment: {DB_PASSWORD: hunter22}", 'environment: {DB_PASSWORD: "{{ vault_shop_db_password }}"}', []),
    ("environment: {EMPTY_PASSWORD: 'yes', TOKEN: ''}", "environment: {EMPTY_PASSWORD: 'yes', TOKEN: ''}", []),
    ("environment: {KEY_FILE: /run/x}", "environment: {KEY_FILE: /run/x}", []),
    (
        "environment: {URL: 'postgres://me:hunter22@db:5432/x'}",
        'environment: {URL: "postgres://me:{{ vault_shop_url_password }}@db:5432/x"}',
        [],
    ),
    (
        "environment: {DB_PASSWORD_FILE: /run/secrets/pw}\nsecrets: [{source: pw}]",
        'environment: {DB_PASSWORD: "{{ vault_shop_pw }}"}',
        ["web.secrets"],
    ),
    ("command: [run, --api-token, hunter22]",
     'service: {command: [run, --api-token, "{{ vault_shop_api_token }}"]}', []),
    ("command: [sh, -c, 'a --password=hunter22 b']",
     'service: {command: [sh, -c, "a --password={{ vault_shop_password }} b"]}', []),
    ("command: [sh, -c, 'DB_PASSWORD=hunter22 a']",
     'service: {command: [sh, -c, "DB_PASSWORD={{ vault_shop_db_password }} a"]}', []),
    ("command: [mysqladmin, -phunter22, ping]",
     'service: {command: [mysqladmin, "-p{{ vault_shop_web_password }}", ping]}', []),
    ("healthcheck: {test: [CMD, redis-cli, -a, hunter22], interval: 5s, timeout: 3s, retries: 3}",
     'health: {test: [CMD, redis-cli, -a, "{{ vault_shop_web_password }}"]}', []),
    ("labels: {page.widget.key: hunter22}",
     'service: {labels: {page.widget.key: "{{ vault_shop_page_widget_key }}"}}', []),
    ("logging: {driver: splunk, options: {splunk-token: hunter22}}",
     'service: {logging: {driver: splunk, options: {splunk-token: "{{ vault_shop_splunk_token }}"}}}', []),
    ("environment: {SALT: 0123456789abcdef0123456789abcdef}", 'environment: {SALT: "{{ vault_shop_salt }}"}', []),
    ("environment: {A_PASSWORD: hunter22, B: 'x hunter22 y', C: hunter220}",
     'environment: {A_PASSWORD: "{{ vault_shop_a_password }}", B: "x {{ vault_shop_a_password }} y", C: hunter220}',
     []),
    ("command: [sh, -c, 'a --password $$B']", "service: {command: [sh, -c, 'a --password $$B']}", []),
    ("command: \nentrypoint: [a]", "service: {entrypoint: [a]}", []),
    ("healthcheck: {test: [CMD, a, '$$B'], interval: 5s, timeout: 3s, retries: 3}", "health: {test: [CMD, a, $B]}", []),
    ("healthcheck: {test: [CMD-SHELL, a], interval: 1m30s, retries: 4}",
     "{health: {test: [CMD-SHELL, a], interval_seconds: 10, retries: 4}, update: {monitor_seconds: 40}}",
     ["web.healthcheck"]),
    ("healthcheck: ", "health: {path: ''}", ["web.healthcheck"]),
    ("healthcheck: {test: [NONE]}", "{}", []),
    ("deploy: {resources: {limits: {memory: '536870912'}}}", "limits: {cpus: 1, memory: 512M}", []),
    ("deploy: {}", "limits: {cpus: 1, memory: 512M}", ["web.deploy.resources"]),
    ("deploy: \nmem_limit: '1073741824'\ncpus: 2", "limits: {cpus: 2, memory: 1G}", []),
    ("deploy: {replicas: 3, resources: {limits: {memory: 128M}}, restart_policy: {condition: any, delay: 5s}}",
     "{replicas: 3, limits: {cpus: 1, memory: 128M}, restart: {delay_seconds: 5}}", []),
    ("stop_grace_period: 1m0s", "stop_grace_seconds: 60", []),
    ("restart: unless-stopped", "{}", []),
    ("user: '1000'\nread_only: true\ntmpfs: ['/run:size=1m']\nshm_size: '67108864'",
     "service: {user: '1000', read_only: true, volumes: [{type: tmpfs, target: /run},"
     " {type: tmpfs, target: /dev/shm, tmpfs: {size: 67108864}}]}", []),
    ("volumes: [{type: volume, source: up_loads, target: /srv/up}]", "volumes: {up-loads: /srv/up}", []),
    ("volumes: [{type: volume, source: a, target: /a}, {type: volume, source: a, target: /b, read_only: true}]",
     "{volumes: {a: /a}, service: {volumes: ['a:/b:ro']}}", []),
    ("volumes: [{type: bind, source: ./data, target: /srv/data}]", "volumes: {web-data: /srv/data}", ["web.volumes"]),
    ("volumes: [{type: bind, source: ./app.conf, target: /etc/app.conf}]", "{}", ["web.volumes"]),
    ("volumes: [{type: bind, source: /var/run/docker.sock, target: /var/run/docker.sock}]", "{}", ["web.volumes"]),
    ("volumes: [{type: bind, source: /etc/localtime, target: /etc/localtime}]", "{}", ["web.volumes"]),
    ("volumes: [{type: volume, target: /code/node_modules}]", "{}", ["web.volumes"]),
    ("privileged: true\nnetwork_mode: host\ndevices: [{source: /dev/fuse}]", "{}",
     ["web.privileged", "web.network_mode", "web.devices"]),
    ("container_name: shop_web\nlinks: ['db:database', 'cache']", "{}", ["web.links", "web.container_name"]),
    ("labels: {traefik.enable: 'true', team: a}", "service: {labels: {team: a}}", ["web.labels"]),
    ("configs: [{source: c}]", "{}", ["web.configs"]),
    ("networks: {back: {aliases: [shop]}}", "{}", ["web.networks.back.aliases"]),
    ("uts: host\ncpu_shares: 5\nhostname: a", "{}", ["web.hostname", "web.uts", "web.cpu_shares"]),
    ("image: web", "{}", ["web.image"]),
]  # fmt: skip


@pytest.mark.parametrize(("said", "expected", "places"), SHAPES)
def test_what_the_app_s_own_service_becomes(said: str, expected: str, places: list[str]) -> None:
    result = bring_in({"web": {**WEB, **given(said)}}, there={"./data": "nothing", "./app.conf": "file"})
    (app,) = result.apps.values()
    plain = {
        "image": "shop",
        "port": 3000,
        "hosts": ["shop.example.com"],
        "health": {"enabled": False},
        "limits": {"cpus": 0.5, "memory": "128M"},
    }
    wanted = {**plain, **given(expected)}
    if "healthcheck" not in said or "NONE" in said:
        wanted["health"] = {"enabled": False}
    if wanted["limits"] == {"cpus": 0.5, "memory": "128M"}:
        del wanted["limits"]  # the default
    assert app == wanted
    assert [one.split(": ")[0] for one in result.notes] == places
    assert result.refused == []
    assert not re.search(r"hunter22\b", result.text + report(result))


# Another service's -> its entry, and the notes' places.
OTHERS: list[tuple[str, str, list[str]]] = [
    ("image: redis", "image: redis:latest", ["db.image"]),
    ("image: team/db", "image: team/db", ["db.image"]),
    ("image: db@sha256:" + "0f" * 32, "image: db@sha256:" + "0f" * 32, []),
    ("restart: 'no'", "deploy: {restart_policy: {condition: none}}", []),
    ("restart: on-failure:3", "deploy: {restart_policy: {condition: on-failure, max_attempts: 3}}", []),
    ("scale: 2\nmem_limit: '1048576000'\ncpus: 0.5",
     "deploy: {replicas: 2, resources: {limits: {cpus: '0.5', memory: 1000M}}}", []),
    ("volumes: [{type: volume, source: data, target: /d, read_only: true}]\ntmpfs: [/t]",
     "volumes: ['data:/d:ro', {type: tmpfs, target: /t}]", []),
    ("ports: [{target: 5432, published: '5432', protocol: tcp}, {target: 53, protocol: udp}]", "{}", ["db.ports"]),
    ("healthcheck: {test: [CMD, 'a$$b'], interval: 5s}", "healthcheck: {test: [CMD, a$$b], interval: 5s}", []),
    ("environment: {A: 'x$$y'}\nhostname: db1", "{environment: {A: x$$y}, hostname: db1}", []),
    ("build: {context: ./db, args: {V: '1'}}", "image: shop-db", []),
]  # fmt: skip


@pytest.mark.parametrize(("said", "expected", "places"), OTHERS)
def test_what_another_service_becomes(said: str, expected: str, places: list[str]) -> None:
    result = bring_in({"web": WEB, "db": {**DB, **given(said)}})
    assert result.apps["shop"]["services"] == {"db": {**DB, **given(expected)}}
    assert [one.split(": ")[0] for one in result.notes] == places
    assert result.refused == []


def test_images_of_the_catalog() -> None:
    build = {"context": "src", "args": {"A": "1", "B": None}, "target": "prod", "dockerfile": "Dockerfile.prod"}
    services = {"web": {**WEB, "build": build}, "worker": {**DB, "build": build}, "docs": {"build": {"context": ".."}}}
    result = bring_in(services)
    assert result.images == {
        "shop": {"build": {"context": "/srv/shop/src", "args": {"A": "1"}}},
        "shop-docs": {"build": {"context": "/srv"}},
    }
    assert result.apps["shop"]["services"]["worker"]["image"] == "shop"
    assert [one.split(": ")[0] for one in result.notes] == ["web.build.target", "web.build.dockerfile"]
    # A name that the platform's own catalog has is not taken from it.
    assert list(bring_in({"web": WEB}, app="grafana").images) == ["grafana-app"]


def test_a_builds_secrets_stay() -> None:
    args = {"NPM_TOKEN": "hunter22"}
    result = bring_in({"web": {**WEB, "build": {"context": "https://me:hunter22@git.example.com/a", "args": args}}})
    assert result.images["shop"]["build"] == {
        "context": "https://me:{{ vault_shop_context_password }}@git.example.com/a",
        "args": {"NPM_TOKEN": "{{ vault_shop_npm_token }}"},
    }
    assert "hunter22" not in report(result)
    assert [one.split(": ")[0] for one in result.notes] == ["web.build.context"]


def test_a_job_before_the_app() -> None:
    job = {"image": "team/web:1", "command": ["migrate", "$$A"], "environment": {"A": "1"}, "restart": "on-failure"}
    web = {
        **WEB,
        "environment": {"A": "1", "B": "2"},
        "depends_on": {"job": {"condition": "service_completed_successfully"}},
    }
    result = bring_in({"web": web, "job": job})
    assert result.apps["shop"]["before"] == ["migrate", "$A"]
    assert "services" not in result.apps["shop"]
    assert result.notes == []
    # With another image it is a service that ends.
    result = bring_in({"web": web, "job": {**job, "image": "team/tool:1", "restart": "no"}})
    assert result.apps["shop"]["services"]["job"]["deploy"] == {"restart_policy": {"condition": "none"}}
    result = bring_in({"web": web, "job": {**job, "image": "team/tool:1", "restart": ""}})
    assert result.apps["shop"]["services"]["job"]["deploy"] == {"restart_policy": {"condition": "on-failure"}}
    assert [one.split(": ")[0] for one in result.notes] == ["web.depends_on"]


def test_names_within_the_stack() -> None:
    """The app itself is web there; who asks for it by its own name finds it."""
    page = {"image": "team/page:1", "environment": {"API": "http://api:3000/v1"}}
    result = bring_in({"api": WEB, "page": page})
    assert result.apps["shop"]["service"] == {"networks": {"default": {"aliases": ["api"]}}}
    assert "service" not in bring_in({"api": WEB, "page": {**page, "environment": {"USER": "api"}}}).apps["shop"]
    result = bring_in({"api": WEB, "web": page})
    assert list(result.apps["shop"]["services"]) == ["web2"]
    assert result.refused == []


def test_values_of_env_files_stay_where_they_are() -> None:
    files = {
        "web": {"DB_PASSWORD": "hunter22", "DB_HOST": "hidden-host", "DEBUG": "false"},
        "db": {"PGPASSWORD": "hunter22"},
    }
    result = bring_in({"web": {**WEB, "environment": {"DEBUG": "true"}}, "db": DB}, env_files=files)
    app = result.apps["shop"]
    assert app["environment"] == {
        "DB_HOST": "{{ compose_shop_db_host }}",
        "DB_PASSWORD": "{{ vault_shop_db_password }}",
        "DEBUG": "true",
    }
    # It is the same password.
    assert app["services"]["db"]["environment"] == {"PGPASSWORD": "{{ vault_shop_db_password }}"}
    assert "hunter22" not in report(result, "")
    assert "hidden-host" not in report(result, "")
    result = bring_in({"web": WEB}, unread={"web": ["x.env"]})
    assert [one.split(": ")[0] for one in result.notes] == ["web.env_file"]


def test_without_a_host_name_the_preflight_would_refuse_it() -> None:
    result = bring_in({"web": WEB}, hosts=())
    assert result.apps["shop"]["hosts"] == ["GIVE-A-HOST-NAME"]
    assert [one.split(": ")[0] for one in result.notes] == ["hosts"]


@pytest.mark.parametrize(
    ("services", "expected"),
    [
        ({"web": WEB, "a" * 32: DB}, "is not a service's name"),
        ({"web": {**WEB, "deploy": {"replicas": 2}, "volumes": [{"type": "volume", "source": "a", "target": "/a"}]}},
         "apps.shop.replicas is more than 1, and one node has the volume a"),
    ],
)  # fmt: skip
def test_what_the_preflight_refuses_is_said(services: dict[str, Any], expected: str) -> None:
    result = bring_in(services)
    (refused,) = result.refused
    assert expected in refused
    assert refused in report(result, "")


def test_models_parts_beside_the_services() -> None:
    mounts = {"volumes": [{"type": "volume", "source": one, "target": f"/{one}"} for one in ("far", "old", "env")]}
    more = {
        "volumes": {"far": {"driver_opts": {"type": "nfs"}}, "old": {"external": True}, "env": {}},
        "networks": {"default": {}, "front": None, "back": {"external": True}},
    }
    result = bring_in({"web": {**WEB, **mounts}}, more=more)
    assert result.apps["shop"]["volumes"] == {"far": "/far", "old": "/old", "env-data": "/env"}
    places = ["volumes.far", "volumes.old", "networks.back", "networks"]
    assert [one.split(": ")[0] for one in result.notes] == places


USES: list[tuple[str, list[str]]] = [
    ("image: 'a:${TAG}'", ["text TAG"]),
    ("image: 'a:${TAG:-1}'", []),
    ("image: 'a:$${TAG}'", []),
    ("image: 'a:${A:+b}'", []),
    ("environment: {A: '${DB_PASSWORD:-x}'}", ["text DB_PASSWORD"]),
    ("environment: ['A=$B', 'C=${D:?e}']", ["text B", "text D"]),
    ("ports: ['${PORT}:80']\nenvironment: {P: '${PORT}'}", ["port PORT"]),
    ("mem_limit: ${M}", ["bytes M"]),
    ("mem_limit: ${M}m", ["count M"]),
    ("cpus: ${C}", ["cpus C"]),
    ("deploy: {replicas: $N}", ["count N"]),
    ("healthcheck: {interval: '${I}'}", ["duration I"]),
    ("read_only: ${R}", ["switch R"]),
    ("restart: ${R}", ["policy R"]),
    # As the parser parts a volume that it does not fill in.
    ("volumes: [{type: volume, source: '${DIR}', target: /a}]", ["path DIR"]),
    ("volumes: [{type: volume, source: '${DIR', target: '-./a}'}]", []),
    ("volumes: [{type: volume, source: './${DIR}', target: /a}]", ["text DIR"]),
]


@pytest.mark.parametrize(("said", "expected"), USES)
def test_stand_ins_for_variables(said: str, expected: list[str]) -> None:
    forms = {"30s": "duration", "1": "count", "true": "switch", "always": "policy"}
    found = stand_ins({"services": {"web": given(said)}}, {})

    def form(value: str) -> str:
        if value in forms:
            return forms[value]
        return {"/": "path", "v": "text", "1": "cpus" if "." in value else "bytes"}.get(value[0], "port")

    assert [f"{form(value)} {name}" for name, value in found.values.items()] == expected


def test_a_value_that_a_person_gives_stands_in_for_nothing() -> None:
    found = stand_ins({"services": {"web": {"image": "a:${TAG}"}}}, {"TAG": "3"})
    assert (found.values, found.marks) == ({"TAG": "3"}, {})


def test_a_stand_in_becomes_a_reference_wherever_it_is() -> None:
    marks = {"valueof20011x": "TAG", "20018": "PORT", "1073720025": "MEM", "1.20032": "CPUS"}
    limits = {"limits": {"memory": "1073720025", "cpus": "1.20032"}}
    web = {**WEB, "image": "a:valueof20011x", "ports": [port(20018)], "deploy": {"resources": limits}}
    result = bring_in({"web": {**web, "environment": {"P": "http://x:20018/"}}}, marks=marks)
    app = result.apps["shop"]
    assert app["port"] == "{{ compose_shop_port }}"
    assert app["limits"] == {"cpus": "{{ compose_shop_cpus }}", "memory": "{{ compose_shop_mem }}"}
    assert app["environment"] == {"P": "http://x:{{ compose_shop_port }}/"}
    assert result.images["shop"]["pull"] == "a:{{ compose_shop_tag }}"
    assert set(result.needed) == {"compose_shop_port", "compose_shop_cpus", "compose_shop_mem", "compose_shop_tag"}
    assert list(SPECS.unknown(result.needed)) == []


@pytest.mark.parametrize("text", ["{{ lookup('pipe', 'id') }}", "{% raw %}", "{# a #}", "a\n{{ b }}"])
def test_braces_of_the_file_are_no_template(text: str) -> None:
    result = bring_in({"web": {**WEB, "environment": {"A": text}}})
    (line,) = [one for one in result.text.splitlines() if "A: !unsafe" in one]
    loaded = yaml.safe_load(result.text.replace("!unsafe ", ""))
    assert loaded["apps"]["shop"]["environment"]["A"] == text, line


def test_what_a_terminal_would_obey_is_not_printed() -> None:
    assert "\x1b" not in report(bring_in({"web": {**WEB, "image": "a\x1b[2J", "x\x1b": "1"}}))


def test_the_text_is_what_a_person_would_write(tmp_path: Path) -> None:
    check = {"test": ["CMD-SHELL", "a\nb"], "interval": "5s"}
    service = {**WEB, "environment": {"A": "yes", "B": "0755", "LONG": "word " * 60, "DB_PASSWORD": "hunter22"}}
    result = bring_in({"web": service, "db": {**DB, "healthcheck": check}})
    assert yaml.safe_load(result.text) == {"apps": result.apps, "images_extra": result.images}
    assert list(result.apps["shop"])[:3] == ["image", "port", "hosts"]
    file = tmp_path / "shop.yml"
    file.write_text(result.text)
    lint = [sys.executable, "-m", "yamllint", "-s", "-c", str(ROOT / ".yamllint.yml"), str(file)]
    assert subprocess.run(lint, capture_output=True, text=True, cwd=tmp_path).stdout == ""


@pytest.mark.parametrize(
    ("given_name", "project", "folder", "expected"),
    [
        ("", "", "/srv/my_Shop", "my-shop"),
        ("", "Wiki", "/srv/x", "wiki"),
        ("", "proxy", "/srv/x", "x"),
        ("wiki", "a", "/b", "wiki"),
        ("", "", "/srv/1", ""),
        ("Wiki", "", "/srv/x", ""),
        ("registry", "", "/srv/x", ""),
    ],
)
def test_the_app_s_name(given_name: str, project: str, folder: str, expected: str) -> None:
    if expected:
        assert app_name(given_name, project, folder) == expected
    else:
        with pytest.raises(PlatformError, match="app"):
            app_name(given_name, project, folder)


FAKE = """#!/bin/sh
[ "$1" = version ] && echo "$(cat $(dirname $0)/version)" && exit
env > $(dirname $0)/environment
cat $(dirname $0)/errors >&2
cat $(dirname $0)/model
exit $(cat $(dirname $0)/code)
"""


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A parser that answers what stands in files beside it."""
    folder = tmp_path / "parser"
    folder.mkdir()
    (folder / "docker-compose").write_text(FAKE.replace("#!/bin/sh\n", "#!/bin/sh\nPATH=/usr/bin:/bin\n"))
    (folder / "docker-compose").chmod(0o755)
    contents = {"version": "2.26.1", "errors": "", "code": "0", "model": json.dumps({"services": {"web": WEB}})}
    for name, text in contents.items():
        (folder / name).write_text(text)
    monkeypatch.setattr(parser, "PLUGIN_FOLDERS", (str(folder),))
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    (tmp_path / "compose.yml").write_text("")
    return folder


@pytest.mark.parametrize("version", ["2.26.1-4", "v2.20.0", "5.1.0", "v2.40.3-desktop.1"])
def test_the_parser_is_found(fake: Path, version: str) -> None:
    (fake / "version").write_text(version)
    assert parser.find_parser() == str(fake / "docker-compose")


@pytest.mark.parametrize("version", ["1.29.2", "2.19.9", "nothing"])
def test_without_a_parser_it_is_said_what_to_install(fake: Path, version: str) -> None:
    (fake / "version").write_text(version)
    with pytest.raises(PlatformError, match=r"no docker compose 2\.20 or newer.*install Docker's package"):
        parser.find_parser()


def test_the_parser_sees_no_environment(fake: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DB_PASSWORD", "hunter22")
    parser.parse(str(fake / "docker-compose"), [str(tmp_path / "compose.yml")], {})
    assert "hunter22" not in (fake / "environment").read_text()


def test_what_the_parser_quotes_is_not_shown(fake: Path, tmp_path: Path) -> None:
    (fake / "code").write_text("15")
    (fake / "errors").write_text('level=warning msg="x"\ninvalid interpolation format for A: "hunter22$x{"\n')
    with pytest.raises(PlatformError, match=r"refuses .* invalid interpolation format for A") as caught:
        parser.parse(str(fake / "docker-compose"), [str(tmp_path / "compose.yml")], {})
    assert "hunter22" not in caught.value.message


def test_a_file_without_services(fake: Path, tmp_path: Path) -> None:
    (fake / "model").write_text("{}")
    with pytest.raises(PlatformError, match="has no services"):
        parser.parse(str(fake / "docker-compose"), [str(tmp_path / "compose.yml")], {})
