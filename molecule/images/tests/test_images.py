"""What the images do that the role made."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ansible_collections.fungap.swarm.plugins.module_utils.core.digest import secret_digest
from tests import checkout, images
from tests.waiting import patience, wait_for

PLATFORM = checkout.name("images")

Start = Callable[..., str]


@pytest.fixture
def image() -> Callable[[str], str]:
    """This checkout's image of a name."""
    return images.image


@pytest.fixture
def start(host: Any) -> Iterator[Start]:
    """Start a container, return its name; it goes away at the end."""
    started: list[str] = []

    def run(image: str, options: str = "") -> str:
        name = f"{PLATFORM}-{len(started)}"
        started.append(name)
        host.run(f"docker rm -fv {name}")
        host.check_output(f"docker run -d --name {name} {options} {image}")
        return name

    yield run
    for name in started:
        host.run(f"docker rm -fv {name}")


def address(host: Any, container: str) -> str:
    return str(host.check_output(f"docker inspect -f '{{{{.NetworkSettings.IPAddress}}}}' {container}"))


def fetch(host: Any, url: str) -> str:
    """The body of ``url``, as soon as it answers."""
    wait_for(url, lambda: host.run(f"curl --noproxy '*' -fsS {url}").rc == 0, 10)
    return str(host.check_output(f"curl --noproxy '*' -fsS {url}"))


def test_every_image_says_what_it_is_made_of(host: Any, image: Callable[[str], str]) -> None:
    for name in ("node", "registry", "proxy", "express-app"):
        label = host.check_output(
            f"docker inspect -f '{{{{index .Config.Labels \"io.fungap.recipe\"}}}}' {image(name)}"
        )
        assert image(name) == f"fungap/{name}:{label[:12]}"


def test_a_node_has_an_engine_and_what_it_calls(host: Any, image: Callable[[str], str]) -> None:
    tools = "docker-init iptables ip modprobe mount ps"
    found = host.check_output(
        f"docker run --rm {image('node')} sh -ec 'dockerd --version; docker --version; "
        f"for tool in {tools}; do command -v $tool; done'"
    )
    assert found.count("version 26.1") == 2
    assert len(found.splitlines()) == 8


def test_the_registry_answers(host: Any, image: Callable[[str], str], start: Start) -> None:
    container = start(image("registry"))
    assert fetch(host, f"http://{address(host, container)}:5000/v2/") == "{}"


def test_the_proxy_takes_a_mounted_configuration(
    host: Any, image: Callable[[str], str], start: Start, tmp_path: Any
) -> None:
    """One for the official image too: its user, its paths, and the stream module, which is built in there."""
    (tmp_path / "nginx.conf").write_text(
        "user nginx;\ninclude /etc/nginx/modules-enabled/*.conf;\nevents {}\n"
        "stream { server { listen 81; proxy_pass 127.0.0.1:80; } }\n"
        "http { access_log /var/log/nginx/access.log;\n"
        "  server { listen 80; location / { return 200 hello; } } }\n"
    )
    container = start(image("proxy"), f"-v {tmp_path}/nginx.conf:/etc/nginx/nginx.conf:ro")
    assert fetch(host, f"http://{address(host, container)}:81/") == "hello"
    wait_for("its log", lambda: '"GET / HTTP/1.1" 200' in host.check_output(f"docker logs {container}"), 10)
    begin = time.monotonic()
    host.check_output(f"docker stop -t 20 {container}")
    assert time.monotonic() - begin < 15 * patience()
    assert host.check_output(f"docker inspect -f '{{{{.State.ExitCode}}}}' {container}") == "0"


def test_the_app_reads_its_env_and_stops_in_time(
    host: Any, image: Callable[[str], str], start: Start, tmp_path: Any
) -> None:
    (tmp_path / ".env").write_text("GREETING=e7\n")
    container = start(image("express-app"), f"-v {tmp_path}:/usr/src/app/env:ro")
    said = json.loads(fetch(host, f"http://{address(host, container)}:3000/"))
    assert said["version"] == "1.0.0"
    assert said["env_version"] == secret_digest(b"GREETING=e7\n")
    assert said["greeting"] == "e7"
    assert host.run(f"docker exec {container} node healthcheck.js").rc == 0
    begin = time.monotonic()
    host.check_output(f"docker stop -t 20 {container}")
    assert time.monotonic() - begin < 15 * patience()
    assert host.check_output(f"docker inspect -f '{{{{.State.ExitCode}}}}' {container}") == "0"


def test_versions_differ_by_a_build_argument(host: Any, start: Start) -> None:
    tags = host.check_output(f"docker images --format '{{{{.Repository}}}}:{{{{.Tag}}}}' fungap/{PLATFORM}-app").split()
    said = {json.loads(fetch(host, f"http://{address(host, start(tag))}:3000/"))["version"] for tag in tags}
    assert said == {"1.0.0", "2.0.0"}
