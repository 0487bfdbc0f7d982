"""What is visible from outside of a registry that the role made."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.checkout import name
from tests.waiting import wait_for

PLATFORM = name("registry")
ADDRESS = f"{PLATFORM}:5000"
CONFIG = f"/etc/{PLATFORM}"
CA = f"{CONFIG}/certs.d/{ADDRESS}/ca.crt"
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


def test_secrets_are_for_root_alone(host: Any) -> None:
    assert host.file(f"{CONFIG}/registry-client").mode == 0o700
    for path in ("registry-client/config.json", "registry/tls.key", "registry/htpasswd"):
        assert host.file(f"{CONFIG}/{path}").mode == 0o600
        assert host.file(f"{CONFIG}/{path}").user == "root"


def test_the_container_is_limited_labelled_and_not_published(host: Any) -> None:
    seen = json.loads(host.check_output(f"docker inspect {PLATFORM}-registry"))[0]
    assert seen["HostConfig"]["Memory"] == 256 * 1024 * 1024
    assert seen["HostConfig"]["RestartPolicy"]["Name"] == "unless-stopped"
    assert not seen["HostConfig"]["PortBindings"]
    assert seen["Config"]["Labels"]["io.fungap.platform"] == PLATFORM
    assert seen["NetworkSettings"]["Networks"][PLATFORM]["IPAddress"].endswith(".2")
