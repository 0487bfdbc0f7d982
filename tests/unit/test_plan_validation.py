# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a service's image is to judge before a deploy, and what is told of its refusal."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.module_utils.env_volume.model import LABEL_HELPER
from ansible_collections.fungap.swarm.plugins.module_utils.stack.compose import ItemFile
from ansible_collections.fungap.swarm.plugins.module_utils.stack.validation import (
    is_in_force,
    leftovers,
    refusal,
    validation_of,
)

COMMAND = ["nginx", "-t"]


def compose(**changes: Any) -> dict[str, Any]:
    proxy = {
        "image": "proxy@sha256:1",
        "configs": [{"source": "routes", "target": "/etc/nginx/routes.conf"}],
        "secrets": [{"source": "key", "target": "tls.key", "mode": 0o400, "uid": "101"}],
        "volumes": [{"type": "tmpfs", "target": "/tmp"}, {"type": "volume", "source": "v", "target": "/v"}, "/x:/x"],
        "cap_drop": ["ALL"],
        "cap_add": ["CHOWN"],
        "hostname": "proxy",
    }
    return {
        "services": {"proxy": {**proxy, **changes}, "other": {"image": "other"}},
        "configs": {"routes": {"external": True, "name": "proxy_routes_1"}, "plain": None},
        "secrets": {"key": {"external": True, "name": "proxy_key_1"}},
    }


def test_a_container_has_what_the_service_will_have() -> None:
    found = validation_of(compose(), "proxy", COMMAND)
    assert (found.image, found.tmpfs) == ("proxy@sha256:1", ("/tmp",))
    assert list(found.files) == [
        ItemFile("config", "proxy_routes_1", "/etc/nginx/routes.conf", 0o444, 0, 0),
        ItemFile("secret", "proxy_key_1", "/run/secrets/tls.key", 0o400, 101, 0),
    ]
    body = found.container()
    host = body["HostConfig"]
    assert (body["Image"], body["Cmd"]) == ("proxy@sha256:1", COMMAND)
    assert (host["NetworkMode"], host["AutoRemove"], host["LogConfig"]) == ("none", True, {"Type": "none"})
    assert (host["CapDrop"], host["CapAdd"], host["Tmpfs"]) == (["ALL"], ["CHOWN"], {"/tmp": ""})
    assert str(found) == "validate service proxy by 'nginx -t' of its image"
    assert "Entrypoint" not in body
    other = validation_of(compose(), "proxy", ["check"], ["promtool"])
    assert (other.container()["Entrypoint"], other.container()["Cmd"]) == (["promtool"], ["check"])
    assert str(other) == "validate service proxy by 'promtool check' of its image"
    assert is_in_force(other, compose())
    assert not is_in_force(validation_of(compose(image="new"), "proxy", ["check"], ["promtool"]), compose())


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ("plain", "/plain"),
        ({"source": "plain"}, "/plain"),
        ({"source": "plain", "target": "etc/plain"}, "/etc/plain"),
        ({"source": "plain", "target": "/etc/plain"}, "/etc/plain"),
    ],
)
def test_a_config_lies_where_docker_puts_it(given: Any, path: str) -> None:
    (config, _secret) = validation_of(compose(configs=[given]), "proxy", COMMAND).files
    assert (config.name, config.path, config.mode) == ("plain", path, 0o444)


def test_a_service_that_is_not_there_is_named() -> None:
    with pytest.raises(PlatformError, match=r"validate\.service: the compose file has no service edge"):
        validation_of(compose(), "edge", COMMAND)


def renamed(kind: str) -> dict[str, Any]:
    changed = compose()
    next(iter(changed[f"{kind}s"].values()))["name"] = "another"
    return changed


@pytest.mark.parametrize(
    ("in_force", "expected"),
    [
        pytest.param(None, False, id="the first one"),
        pytest.param({"services": {"other": {}}}, False, id="without the service"),
        pytest.param(compose(), True, id="the same"),
        pytest.param(compose(hostname="other", deploy={"replicas": 3}), True, id="what its image has no part in"),
        pytest.param(compose(image="proxy@sha256:2"), False, id="another image"),
        pytest.param(renamed("config"), False, id="another config"),
        pytest.param(renamed("secret"), False, id="another secret"),
        pytest.param(compose(configs=[{"source": "routes", "target": "/r"}]), False, id="a config at another place"),
        pytest.param(compose(cap_add=[]), False, id="other capabilities"),
    ],
)
def test_what_runs_is_not_judged_again(in_force: dict[str, Any] | None, expected: bool) -> None:
    assert is_in_force(validation_of(compose(), "proxy", COMMAND), in_force) is expected


ROUTES = """\
server_name all;
# From apps.api
server {
    client_max_body_size 1m;
}
# From apps.web
# A comment from elsewhere
server {
    client_max_body_size banana;
}
"""
CONTENTS = {("config", "proxy_routes_1"): ROUTES, ("secret", "proxy_key_1"): "not\nto\nbe\nseen"}


@pytest.mark.parametrize(
    ("output", "said", "cure"),
    [
        pytest.param(
            'nginx: [emerg] "client_max_body_size" directive invalid value in /etc/nginx/routes.conf:9\nfailed\n',
            "Line 9 there is 'client_max_body_size banana;', and comes from apps.web.\n",
            "Correct apps.web in the inventory, or in what was asked for, and run it again",
            id="a line of an app",
        ),
        pytest.param(
            "nginx: [emerg] unknown x in /etc/nginx/routes.conf:1",
            "Line 1 there is 'server_name all;'.\n",
            "Correct the variables that it is made of, and run it again",
            id="a line of nobody's",
        ),
        pytest.param(
            'nginx: [emerg] cannot load certificate key "/run/secrets/tls.key"',
            "tls.key",
            "Correct the variables that it is made of, and run it again",
            id="no line",
        ),
        pytest.param(
            "unexpected end in /run/secrets/tls.key:2",
            "tls.key:2",
            "Correct the variables that it is made of, and run it again",
            id="a line of a secret",
        ),
        pytest.param(
            "unknown in /etc/nginx/mime.types:2", "mime.types:2", "Correct the variables", id="a file of the image's"
        ),
    ],
)
def test_a_refusal_has_the_commands_words_the_variable_and_the_cure(output: str, said: str, cure: str) -> None:
    message = refusal("proxy", validation_of(compose(), "proxy", COMMAND), output, CONTENTS)
    assert message.startswith(
        "stack proxy: the image of service proxy refuses the new configuration. Nothing was changed. 'nginx -t' says:\n"
    )
    assert all(f"  {line}" in message.splitlines() for line in output.strip().splitlines())
    assert said in message
    assert message.splitlines()[-1].startswith(cure)
    assert "seen" not in message


def test_what_a_killed_run_left_behind_is_known_by_its_age() -> None:
    rows = [{"Id": "new", "Created": 1000}, {"Id": "old", "Created": 700}]
    assert leftovers(rows, 1010) == ["old"]
    assert validation_of(compose(), "proxy", COMMAND).container()["Labels"] == {LABEL_HELPER: "validation"}
