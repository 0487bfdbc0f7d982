"""What clients of the edge see, and what happens to them while things change."""

from __future__ import annotations

import json
from typing import Any

from tests.checkout import name, port
from tests.waiting import wait_for

PLATFORM = name("proxy")
HTTP_PORT, HTTPS_PORT = port("proxy", 0), port("proxy", 1)
URL = f"https://web.localhost:{HTTPS_PORT}"
CURL = (
    f"curl --noproxy '*' -sS --max-time 10 --cacert /etc/{PLATFORM}/secrets/ca.crt "
    f"--resolve web.localhost:{HTTPS_PORT}:127.0.0.1 --resolve web.localhost:{HTTP_PORT}:127.0.0.1"
)
DOCKER = f"docker --host unix:///run/{PLATFORM}/manager1/docker.sock"


def ask(host: Any, options: str = "", path: str = "/") -> str:
    return str(host.check_output(f"{CURL} {options} {URL}{path}"))


def test_both_replicas_answer_over_https(host: Any) -> None:
    wait_for("a good answer", lambda: host.run(f"{CURL} -f {URL}/").rc == 0, 10)  # a new name is known after a second
    assert {ask(host) for _ in range(30)} == {"web-slot-1", "web-slot-2"}


def test_a_client_keeps_its_replica(host: Any) -> None:
    cookie = "--cookie platform_sticky=00112233445566778899aabbccddeeff"
    assert len({ask(host, cookie) for _ in range(10)}) == 1


def test_plain_http_is_sent_to_https(host: Any) -> None:
    told = host.check_output(
        f"{CURL} -o /dev/null -w '%{{http_code}} %{{redirect_url}}' http://web.localhost:{HTTP_PORT}/x"
    )
    assert told == f"301 {URL}/x"


def test_a_challenge_comes_to_what_asks_for_certificates(host: Any) -> None:
    """Through every proxy. The managers know what has come of it; until there is one, the platform's own is served."""
    challenge = f"http://web.localhost:{HTTP_PORT}/.well-known/acme-challenge/metrics"
    for _ in range(4):
        assert host.check_output(f"{CURL} -o /dev/null -w '%{{http_code}}' {challenge}") == "404"
    state = host.check_output(f"{DOCKER} ps --quiet --filter label=com.docker.swarm.service.name=proxy_state")
    kept = f"{DOCKER} exec {state} cat /var/lib/proxy/acme/status"
    wait_for("what has come of asking", lambda: '"failures": 0' not in host.check_output(kept), 30)
    told = json.loads(host.check_output(kept))["certificates"]["web"]
    assert (told["names"], list(told["left_out"])) == ([], ["web.localhost"])


def test_the_proxy_runs_on_every_node(host: Any) -> None:
    nodes = host.check_output(
        f"{DOCKER} service ps proxy_proxy --filter desired-state=running --format '{{{{.Node}}}}'"
    )
    assert set(nodes.split()) == {"manager1", "worker1"}


def test_the_network_is_the_stacks_own(host: Any) -> None:
    network = json.loads(host.check_output(f"{DOCKER} network inspect public"))[0]
    assert network["Driver"] == "overlay"
    assert network["Labels"]["com.docker.stack.namespace"] == "proxy"


def test_the_key_stands_in_no_argv_and_no_log(host: Any) -> None:
    secret = host.file(f"/etc/{PLATFORM}/secrets/proxy.key").content_string.splitlines()[1]
    assert secret not in host.check_output(f"cat /etc/{PLATFORM}/stacks/proxy/compose.yml")
    assert secret not in host.check_output(f"{DOCKER} service inspect proxy_proxy")


def test_a_broken_edge_configuration_is_refused_and_harms_nobody(host: Any) -> None:
    edge = f"/etc/{PLATFORM}/edge"
    image = host.check_output(f"docker inspect --format '{{{{.Image}}}}' {PLATFORM}-edge")
    validate = f"docker run --rm --pull never --network none -v {edge}:{edge}:ro --entrypoint nginx {image} -t -c"
    assert host.run(f"{validate} {edge}/nginx.conf").rc == 0
    host.check_output(
        f"sed 's/proxy_pass http;/proxy_pass nothing_like_this{{;/' {edge}/nginx.conf > {edge}/broken.conf"
    )
    assert host.run(f"{validate} {edge}/broken.conf").rc != 0
    host.check_output(f"rm {edge}/broken.conf")
    assert ask(host)


def test_a_worker_may_die(host: Any) -> None:
    host.check_output(f"docker kill {PLATFORM}-worker1")
    try:
        for _ in range(10):
            assert ask(host)
    finally:
        host.check_output(f"docker start {PLATFORM}-worker1")
