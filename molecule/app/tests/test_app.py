"""The app as its clients and its swarm see it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ansible_collections.fungap.swarm.plugins.module_utils.core.digest import secret_digest
from tests.checkout import name

PLATFORM = name("app")
MANAGER = f"docker --host unix:///run/{PLATFORM}/manager1/docker.sock"
ENV_FILE = Path(__file__).resolve().parents[1] / "files" / "web.env"
VERSION = secret_digest(ENV_FILE.read_bytes())


def containers(host: Any) -> list[str]:
    return str(host.check_output(f"{MANAGER} ps --quiet --filter label=com.docker.swarm.service.name=web_web")).split()


def ask(host: Any, container: str) -> dict[str, Any]:
    """What a replica answers in its own network."""
    script = "fetch('http://127.0.0.1:3000/').then(answer => answer.text()).then(console.log)"
    answer: dict[str, Any] = json.loads(host.check_output(f'{MANAGER} exec {container} node -e "{script}"'))
    return answer


def test_every_replica_answers_with_its_env_file(host: Any) -> None:
    answers = [ask(host, container) for container in containers(host)]
    assert len({answer["replica"] for answer in answers}) == 2
    assert {answer["env_version"] for answer in answers} == {VERSION}
    assert {answer["greeting"] for answer in answers} == {"hello from the env file"}


def test_replicas_are_healthy(host: Any) -> None:
    for container in containers(host):
        assert host.check_output(f"{MANAGER} inspect --format '{{{{.State.Health.Status}}}}' {container}") == "healthy"


def test_the_env_file_is_the_apps_alone(host: Any) -> None:
    container = containers(host)[0]
    assert host.check_output(f"{MANAGER} exec {container} stat -c '%a' /usr/src/app/env/.env") == "600"
    assert host.run(f"{MANAGER} exec {container} sh -c 'echo >> /usr/src/app/env/.env'").rc != 0


def test_the_node_says_that_it_holds_the_version(host: Any) -> None:
    node = json.loads(host.check_output(f"{MANAGER} node inspect manager1"))[0]
    assert node["Spec"]["Labels"] == {f"fungap.env.web.{VERSION}": "ready"}


def test_it_runs_by_digest_within_its_limits(host: Any) -> None:
    task = json.loads(host.check_output(f"{MANAGER} service inspect web_web"))[0]["Spec"]["TaskTemplate"]
    assert f"{PLATFORM}:5000/express-app@sha256:" in task["ContainerSpec"]["Image"]
    assert task["Resources"]["Limits"] == {"NanoCPUs": 500_000_000, "MemoryBytes": 128 * 1024 * 1024}


def test_what_the_env_file_says_is_in_no_rendered_file(host: Any) -> None:
    assert host.run(f"grep --recursive --quiet 'hello from' /etc/{PLATFORM}/stacks").rc == 1
