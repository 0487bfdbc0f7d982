"""What is visible from outside of a registry that the role made."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.checkout import name, subnet
from tests.waiting import wait_for

PLATFORM = name("registry")
ADDRESS = f"{PLATFORM}:5000"
CONFIG = f"/etc/{PLATFORM}"
CA = f"{CONFIG}/certs.d/{ADDRESS}/ca.crt"
METRICS = f"{subnet('registry')}.4:5001"
DOCKER = f"DOCKER_CONFIG={CONFIG}/registry-client docker"
IMAGE = f"{ADDRESS}/mol/empty:1"


def status(host: Any, path: str, *options: str) -> str:
    command = f"curl --noproxy '*' -sS -o /dev/null -w '%{{http_code}}' {' '.join(options)} https://{ADDRESS}{path}"
    return str(host.check_output(command))


@pytest.fixture
def pushed(host: Any) -> Iterator[str]:
    host.check_output(f"tar -cf - -T /dev/null | docker import - {IMAGE}")
    digest = host.check_output(
        f"{DOCKER} push -q {IMAGE} >&2; docker inspect -f '{{{{index .RepoDigests 0}}}}' {IMAGE}"
    )
    yield digest
    host.run(f"docker rmi -f {IMAGE} {digest}")


def test_it_says_that_it_is_healthy(host: Any) -> None:
    state = f"docker inspect -f '{{{{.State.Health.Status}}}}' {PLATFORM}-registry"
    wait_for("a healthy registry", lambda: host.check_output(state) == "healthy", 50)


def test_nobody_gets_in_without_a_login(host: Any) -> None:
    assert status(host, "/v2/", "--cacert", CA) == "401"
    assert status(host, "/v2/", "--cacert", CA, "-u", "platform:wrong") == "401"


def test_the_certificate_is_by_the_platforms_ca_and_by_nobody_else(host: Any) -> None:
    assert host.run(f"curl --noproxy '*' -sS https://{ADDRESS}/v2/").rc == 60
    issuer = host.check_output(
        f"openssl s_client -connect {ADDRESS} -CAfile {CA} -verify_hostname {PLATFORM} </dev/null 2>&1"
    )
    assert "Verify return code: 0 (ok)" in issuer
    assert f"issuer=CN = {PLATFORM} platform CA" in issuer


def test_old_tls_is_refused(host: Any) -> None:
    assert host.run(f"openssl s_client -connect {ADDRESS} -tls1_1 </dev/null").rc != 0


def test_an_image_goes_in_and_comes_out_by_digest(host: Any, pushed: str) -> None:
    host.check_output(f"docker rmi -f {IMAGE}")
    host.check_output(f"{DOCKER} pull -q {pushed}")
    assert pushed.split("@")[1] in host.check_output(f"docker images --digests --no-trunc {ADDRESS}/mol/empty")


def test_data_outlives_the_container(host: Any, pushed: str) -> None:
    host.check_output(f"docker restart {PLATFORM}-registry")
    wait_for("the image after a restart", lambda: host.run(f"{DOCKER} pull -q {pushed}").rc == 0, 10)


def test_an_image_can_be_deleted(host: Any, pushed: str) -> None:
    auth = json.loads(host.check_output(f"cat {CONFIG}/registry-client/config.json"))["auths"][ADDRESS]["auth"]
    digest = pushed.split("@")[1]
    assert (
        status(
            host,
            f"/v2/mol/empty/manifests/{digest}",
            "--cacert",
            CA,
            "-X",
            "DELETE",
            "-H",
            f"'Authorization: Basic {auth}'",
        )
        == "202"
    )


def figures(host: Any, path: str, password: str = "") -> tuple[str, str]:
    """Status and text of what nginx answers; 000 while it doesn't."""
    user = f"-u prometheus:{password}" if password else ""
    answer = host.run(
        f"curl --noproxy '*' -sS --max-time 5 --cacert {CA} {user} -w '\\n%{{http_code}}' https://{METRICS}{path}"
    ).stdout
    text, _newline, code = answer.rpartition("\n")
    return code, text


def test_figures_are_shown_to_whoever_has_the_password_and_nothing_else(host: Any) -> None:
    password = host.file(f"{CONFIG}/secrets/registry-metrics.password").content_string.strip()
    assert figures(host, "/metrics")[0] == figures(host, "/metrics", "wrong")[0] == "401"
    code, text = figures(host, "/metrics", password)
    assert (code, "registry_http_in_flight_requests" in text) == ("200", True)
    for path in ("/debug/pprof/", "/debug/vars", "/debug/health"):
        assert figures(host, path, password)[0] == "404"


def test_the_debug_server_is_where_nginx_alone_gets(host: Any) -> None:
    """What asks for no login: not on the platform's network, and no way leads to where it is."""
    config = host.file(f"{CONFIG}/registry/config.yml").content_string
    [address] = re.findall(r"debug:\n    addr: ([0-9.]+):5001\n", config)
    assert host.run(f"curl --noproxy '*' -sS --max-time 5 http://{subnet('registry')}.2:5001/metrics").rc == 7
    assert "registry_http" not in host.run(f"curl --noproxy '*' -s --max-time 5 http://{address}:5001/metrics").stdout
    assert host.run(f"ip -4 route show to match {address} | grep -v default").stdout == ""
    shared = json.loads(host.check_output(f"docker network inspect {PLATFORM}-registry-metrics"))[0]
    assert {one["Name"] for one in shared["Containers"].values()} == {
        f"{PLATFORM}-registry",
        f"{PLATFORM}-registry-metrics",
    }


@pytest.mark.parametrize("container", ["registry", "registry-metrics"])
def test_figures_outlive_a_restart_of_either(host: Any, container: str) -> None:
    password = host.file(f"{CONFIG}/secrets/registry-metrics.password").content_string.strip()
    host.check_output(f"docker restart {PLATFORM}-{container}")
    wait_for("figures again", lambda: figures(host, "/metrics", password)[0] == "200", 20)


def test_secrets_are_for_root_alone(host: Any) -> None:
    assert host.file(f"{CONFIG}/registry-client").mode == 0o700
    for path in ("registry-client/config.json", "registry/tls.key", "registry/htpasswd", "registry/metrics.htpasswd"):
        assert host.file(f"{CONFIG}/{path}").mode == 0o600
        assert host.file(f"{CONFIG}/{path}").user == "root"


def test_the_container_is_limited_labelled_and_not_published(host: Any) -> None:
    seen = json.loads(host.check_output(f"docker inspect {PLATFORM}-registry"))[0]
    assert seen["HostConfig"]["Memory"] == 256 * 1024 * 1024
    assert seen["HostConfig"]["RestartPolicy"]["Name"] == "unless-stopped"
    assert not seen["HostConfig"]["PortBindings"]
    assert seen["Config"]["Labels"]["io.fungap.platform"] == PLATFORM
    assert seen["NetworkSettings"]["Networks"][PLATFORM]["IPAddress"].endswith(".2")
