# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A compose file brought in with Docker's own parser, which needs no engine."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.plugin_utils.compose_import import parser
from ansible_collections.fungap.swarm.plugins.plugin_utils.compose_import.choice import Asked
from ansible_collections.fungap.swarm.plugins.plugin_utils.compose_import.result import (
    Result,
    beside,
    bind_sources,
    report,
    result_of,
)
from ansible_collections.fungap.swarm.plugins.plugin_utils.specs import read_specs

from ..compose_parser import compose_parser

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTED = ROOT / "docs" / "import.md"
SECRET = "hunter22"


@pytest.fixture(scope="module")
def program() -> str:
    try:
        return str(compose_parser())
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"Debian's package with Docker's parser can't be had here: {error}")


def read(program: str, folder: Path, text: str) -> parser.Parsed:
    (folder / "compose.yml").write_text(text)
    return parser.parse(program, [str(folder / "compose.yml")], {})


def entry(parsed: parser.Parsed, folder: Path, service: str = "") -> Result:
    asked = Asked(app="shop", folder=str(folder), hosts=("shop.example.com",), service=service)
    there = beside(str(folder), bind_sources(parsed.model))
    return result_of(parsed, asked, there, "compose.yml", read_specs(str(ROOT / "roles")))


def bring_in(program: str, folder: Path, text: str) -> Result:
    return entry(read(program, folder, text), folder)


# What a service says -> what the entry has of it. YAML's quirks and compose's own are read as Docker reads them.
QUIRKS: list[tuple[str, str]] = [
    ("environment: {A: yes, B: 0644, C: 1e3, D: null}",
     "environment: {A: 'yes', B: '420', C: '1000', D: '{{ compose_shop_d }}'}"),
    ("environment: [A=b=c, D]", "environment: {A: b=c, D: '{{ compose_shop_d }}'}"),
    ("environment: {A: '$${B}', C: 'x${D:-y}'}", "environment: {A: '${B}', C: xy}"),
    ("environment: {A: '${B}-${C}'}", "environment: {A: '{{ compose_shop_b }}-{{ compose_shop_c }}'}"),
    ("environment: {A: '${B_TOKEN:-abc}'}", "environment: {A: '{{ vault_shop_b_token }}'}"),
    ("command: run --a 'b c'", "service: {command: [run, --a, b c]}"),
    ("stop_grace_period: 1m30s", "stop_grace_seconds: 90"),
    ("mem_limit: 1gb\ncpus: 1.5", "limits: {cpus: 1.5, memory: 1G}"),
    ("mem_limit: ${MEM}\ncpus: ${CPUS}",
     "limits: {cpus: '{{ compose_shop_cpus }}', memory: '{{ compose_shop_mem }}'}"),
    ("deploy: {replicas: 2}", "replicas: 2"),
    ("user: 1000:1000\ncap_add: [NET_ADMIN]", "service: {user: '1000:1000', cap_add: [NET_ADMIN]}"),
    ("volumes: ['up:/srv/up', '${DIR}:/srv/dir']", "volumes: {up: /srv/up, dir: /srv/dir}"),
    ("volumes: ['${OTHER_DIR:-./nothing}:/srv/dir']", "volumes: {nothing: /srv/dir}"),
    ("extra_hosts: ['a.example.com:192.0.2.1']", "service: {extra_hosts: [a.example.com=192.0.2.1]}"),
    ("ulimits: {nofile: {soft: 1024, hard: 2048}}", "service: {ulimits: {nofile: {soft: 1024, hard: 2048}}}"),
    ("healthcheck: {test: 'curl $$HOST', interval: 5s, timeout: 3s, retries: 3}",
     "health: {test: [CMD-SHELL, curl $HOST]}"),
    ("read_only: ${RO}\ntmpfs: /run", "service: {read_only: true, volumes: [{type: tmpfs, target: /run}]}"),
]  # fmt: skip


def test_quirks_of_yaml_and_of_compose(program: str, tmp_path: Path) -> None:
    """The parser is started once for all of them: each is a service, and in turn the app itself."""
    common = "image: team/web:1\nports: ['${PORT:-80}:3000']\n"
    services = [
        f"  q{index}:\n" + re.sub("^", "    ", common + said, flags=re.MULTILINE) + "\n"
        for index, (said, _expected) in enumerate(QUIRKS)
    ]
    parsed = read(program, tmp_path, "services:\n" + "".join(services) + "volumes: {up: }\n")
    wrong = []
    for index, (said, expected) in enumerate(QUIRKS):
        result = entry(parsed, tmp_path, f"q{index}")
        app, wanted = result.apps["shop"], {"port": 3000, **yaml.safe_load(expected)}
        app["volumes"] = {name: folder for name, folder in app["volumes"].items() if folder}  # of the others
        left = {key: app.get(key) for key in wanted}
        wrong += [f"{said}: {left}"] if left != wanted else []
        wrong += [f"{said}: {result.refused}"] if result.refused else []
    assert wrong == []


def test_merged_extended_and_anchored(program: str, tmp_path: Path) -> None:
    (tmp_path / "common.yml").write_text("services: {base: {image: 'team/web:1', user: '1000'}}\n")
    text = """
    x-all: &all {restart: always, environment: {A: b}}
    services:
      web: {<<: *all, extends: {file: common.yml, service: base}, ports: ["8080-8081:8080-8081", "53:53/udp"]}
      worker: {<<: *all, extends: web, ports: !reset [], image: "team/worker:1"}
    """
    result = bring_in(program, tmp_path, text)
    app = result.apps["shop"]
    assert (app["port"], app["service"], app["environment"]) == (8080, {"user": "1000"}, {"A": "b"})
    assert app["services"] == {"worker": {"image": "team/worker:1", "user": "1000", "environment": {"A": "b"}}}
    assert any("8081, 53/udp" in one for one in result.notes)


def test_no_secret_comes_along(program: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the shell, from .env, from an env file, from the file itself."""
    for name in ("TAG", "DB_PASSWORD", "PLAIN"):
        monkeypatch.setenv(name, SECRET)
    (tmp_path / ".env").write_text(f"TAG={SECRET}\nOTHER={SECRET}\n")
    (tmp_path / "web.env").write_text(f"API_TOKEN={SECRET}\nNAME={SECRET}\nDEBUG=true\n")
    text = f"""
    services:
      web:
        image: team/web:${{TAG:-1}}
        ports: ["80:80"]
        env_file: [web.env, {{path: absent.env, required: true}}]
        environment: {{DB_PASSWORD: , URL: "http://a:{SECRET}@b/", A: "${{OTHER}}", PLAIN: }}
        command: [a, --password, {SECRET}]
      db: {{image: "postgres:17", env_file: web.env, environment: {{POSTGRES_PASSWORD: {SECRET}}}}}
    """
    result = bring_in(program, tmp_path, text)
    assert SECRET not in report(result, "") + repr(result)
    assert result.images["shop"]["pull"] == "team/web:1"
    db = result.apps["shop"]["services"]["db"]["environment"]
    assert list(db) == ["POSTGRES_PASSWORD", "API_TOKEN", "DEBUG", "NAME"]
    assert db["DEBUG"] == "true"
    assert any("absent.env is not there" in one for one in result.notes)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("services: {web: {ports: ['80:80']}}", "neither an image nor a build context"),
        ("services: {web: {image: a, prots: []}}", "prots"),
        ("services: {web: {image: a, environment: {A: '${x y}'}}}", "invalid interpolation format"),
        ("services: [", "refuses"),
    ],
)
def test_what_docker_refuses_is_refused(program: str, tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(PlatformError, match=re.escape(told)):
        bring_in(program, tmp_path, text)


def blocks() -> list[str]:
    """The documented example: the compose file, the inventory's file, what is told."""
    found = re.findall(r"```(?:yaml)?\n(.*?)```", DOCUMENTED.read_text().partition("## An example")[2], re.DOTALL)
    return found[:3]


def test_the_documented_example(program: str, tmp_path: Path) -> None:
    """By the playbook: in check mode, written, and not written over."""
    folder, home = tmp_path / "wiki", tmp_path / "home"
    (folder / "src").mkdir(parents=True)
    (home / ".docker/cli-plugins").mkdir(parents=True)
    (home / ".docker/cli-plugins/docker-compose").symlink_to(program)
    compose, inventory, told = blocks()
    (folder / "docker-compose.yml").write_text(compose)
    (folder / "app.env").write_text(f"SESSION_SECRET={SECRET}\n")
    command = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", "localhost,", "playbooks/import.yml"]
    command += [
        "-e",
        f"compose={folder}/docker-compose.yml",
        "-e",
        "host=wiki.example.com",
        "-e",
        f"into={tmp_path}/a.yml",
    ]

    def run(*options: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "HOME": str(home), "DB_PASSWORD": SECRET}
        return subprocess.run(
            [*command, *options], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120
        )

    done = run("--check", "--diff")
    assert "changed=1" in done.stdout, done.stdout + done.stderr
    assert not (tmp_path / "a.yml").exists()
    assert SECRET not in done.stdout
    assert told.strip() in done.stdout
    assert "changed=1" in run().stdout
    assert (tmp_path / "a.yml").read_text().replace(str(folder), "/srv/wiki") == inventory
    again = run()
    assert again.returncode == 2
    assert "is there already and is not overwritten" in again.stdout + again.stderr
