# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which values a service of a compose file may have, and two of them merged."""

from __future__ import annotations

import json
import shutil
from typing import Any

import pytest
import yaml

from ansible_collections.fungap.swarm.plugins.module_utils.docker.engine import Engine
from ansible_collections.fungap.swarm.plugins.plugin_utils.compose_forms import merged, plain_dollars, volume
from ansible_collections.fungap.swarm.plugins.plugin_utils.compose_service import interpolated, misshapen

SHAPES: list[tuple[str, list[str]]] = [
    ("image: a", []),
    ("image: 'Redis'", ["image"]),
    ("image: 'redis:7 '", ["image"]),
    ("image: registry.example.com:5000/team/redis-x__y:7.2-alpine@sha256:" + "0f" * 32, []),
    ("environment: {A: 1, B: x, C: 1.5}", []),
    ("environment: [A=1, B=]", []),
    ("environment: A=1", ["environment"]),
    ("environment: 5", ["environment"]),
    ("environment: [A]", ["environment[0]"]),
    ("environment: {A: , B: true, C: [x]}", ["environment.A", "environment.B", "environment.C"]),
    ("configs: 5", ["configs"]),
    ("configs: [a, {source: b, mode: 0440}]", []),
    ("secrets: [{target: b}, 5]", ["secrets[0].source", "secrets[1]"]),
    ("labels: x", ["labels"]),
    ("networks: [a]", []),
    ("networks: {a: , b: {aliases: [c]}}", []),
    ("networks: {a: 1, b: {aliases: c}, c: {ipv4_address: 10.0.0.1}}",
     ["networks.a", "networks.b.aliases", "networks.c.ipv4_address"]),
    ("volumes: ['/a:/b', '/b', {type: tmpfs, target: /t, tmpfs: {size: 1}}]", []),
    ("volumes: /a:/b", ["volumes"]),
    ("volumes: ['/a:b', b, {type: tmpfs, target: t}]", ["volumes[0]", "volumes[1]", "volumes[2].target"]),
    ("volumes: ['/a:/b:z', 'a:', {type: foo, target: /x}, {type: bind}]",
     ["volumes[0]", "volumes[1]", "volumes[2].type", "volumes[3].target"]),
    ("ports: ['80:80/tcp', {target: 1, published: 2, mode: host}]", []),
    ("ports: ['80', 80, '1-2:1-2', '127.0.0.1:1:1', {target: 0, published: 1}]",
     ["ports[0]", "ports[1]", "ports[2]", "ports[3]", "ports[4].target"]),
    ("deploy:", ["deploy"]),
    ("deploy: {replicas: '3', mode: globl}", ["deploy.replicas", "deploy.mode"]),
    ("deploy: {replicas: -1, update_config: {parallelism: -1}}",
     ["deploy.replicas", "deploy.update_config.parallelism"]),
    ("deploy: {mode: replicated-job}", []),
    ("deploy: {resources: {limits: {cpus: 0.5, memory: lots}}}",
     ["deploy.resources.limits.cpus", "deploy.resources.limits.memory"]),
    ("deploy: {resources: {limits: {cpus: '0.5', memory: 128M, pids: 5}}}", []),
    ("deploy: {placement: {constraints: [node.role == worker, a = b]}}", ["deploy.placement.constraints[1]"]),
    ("deploy: {placement: {constraints: node.role == worker}}", ["deploy.placement.constraints"]),
    ("deploy: {restart_policy: {condition: none, delay: 5s}, update_config: {order: start-first}}", []),
    ("deploy: {restart_policy: {condition: never, delay: 5}}",
     ["deploy.restart_policy.condition", "deploy.restart_policy.delay"]),
    ("healthcheck: {test: [CMD, x], interval: 1m30s, retries: 3}", []),
    ("healthcheck: {test: {a: b}, interval: 5 s}", ["healthcheck.test", "healthcheck.interval"]),
    ("stop_grace_period: 10", ["stop_grace_period"]),
    ("user: 2000", ["user"]),
    ("init: 'yes'", ["init"]),
    ("command: [sleep, 1]", ["command[1]"]),
    ("command: {a: b}", ["command"]),
    ("ulimits: {nofile: 5, core: {soft: 1}}", ["ulimits.core.hard"]),
    ("logging: {driver: json-file, options: {max-size: 1m, max-file: 3}}", []),
    ("logging: json-file", ["logging"]),
    ("imge: a", ["imge"]),
    ("restart: always", ["restart"]),
    ("x-anything: {a: [1, null]}", []),
    ("5", [""]),
    ("[image]", [""]),
    ("", [""]),
]  # fmt: skip


@pytest.mark.parametrize(("service", "wrong"), SHAPES)
def test_shapes(service: str, wrong: list[str]) -> None:
    found = list(misshapen(yaml.safe_load(service)))
    assert [one.place for one in found] == wrong
    assert all(one.problem and one.cure for one in found)


def test_what_is_accepted_is_what_docker_takes() -> None:
    """By the CLI's own parser, which speaks to no engine for it."""
    if not shutil.which("docker"):
        pytest.skip("this machine has no docker CLI")
    right = [yaml.safe_load(text) for text, wrong in SHAPES if not wrong]
    services = {f"s{number}": {"image": "a", **one} for number, one in enumerate(right)}
    engine = Engine("/nonexistent")
    assert engine.stacks.problems("x", json.dumps({"version": "3.9", "services": services})) == []


@pytest.mark.parametrize(
    ("service", "places"),
    [
        ({"environment": {"A": "a$$b", "B": "5"}}, []),
        (
            {"environment": {"A": "${B:-c}", "B": "$C"}},
            ["environment.A", "environment.B"],
        ),
        ({"environment": ["A=$$$B", "C=$$"]}, ["environment[0]"]),
        ({"command": ["a", "$B"], "image": "x:$TAG", "init": True}, ["command[1]", "image"]),
    ],
)
def test_nothing_is_filled_in(service: dict[str, Any], places: list[str]) -> None:
    assert [one.place for one in interpolated(service)] == places


def test_doubled_dollars_are_one() -> None:
    assert plain_dollars({"a$$": ["b$$c", 1], "d": {"e": "$$$$"}}) == {"a$$": ["b$c", 1], "d": {"e": "$$"}}


ENV = {"type": "volume", "source": "e", "target": "/env"}


@pytest.mark.parametrize(
    ("base", "extra", "expected"),
    [
        # Mappings are merged, at any depth; what is neither is replaced.
        ({"a": {"b": {"c": 1}}}, {"a": {"b": {"d": 2}}}, {"a": {"b": {"c": 1, "d": 2}}}),
        ({"image": "a", "init": True}, {"image": "b"}, {"image": "b", "init": True}),
        # Lists are appended.
        ({"cap_add": ["A"]}, {"cap_add": ["B", "A"]}, {"cap_add": ["A", "B"]}),
        ({"dns": "1.1.1.1"}, {"dns": ["8.8.8.8"]}, {"dns": ["1.1.1.1", "8.8.8.8"]}),
        (
            {"deploy": {"placement": {"constraints": ["a == b"]}}},
            {"deploy": {"placement": {"constraints": ["c == d"], "preferences": [{"spread": "e"}]}}},
            {"deploy": {"placement": {"constraints": ["a == b", "c == d"], "preferences": [{"spread": "e"}]}}},
        ),
        # Commands are replaced.
        ({"command": ["a"]}, {"command": ["b"]}, {"command": ["b"]}),
        ({"entrypoint": "a"}, {"entrypoint": ["b"]}, {"entrypoint": ["b"]}),
        (
            {"healthcheck": {"test": ["CMD", "a"], "retries": 3}},
            {"healthcheck": {"test": "b"}},
            {"healthcheck": {"test": "b", "retries": 3}},
        ),
        # Of two forms.
        ({"environment": {"A": "1", "B": "2"}}, {"environment": ["B=3", "C=x=y"]}, {"environment": {
            "A": "1", "B": "3", "C": "x=y"
        }}),
        ({"environment": ["A=1"]}, {"environment": {"B": 2}}, {"environment": {"A": "1", "B": 2}}),
        ({"labels": ["a"]}, {"labels": {"b": "c"}}, {"labels": {"a": "", "b": "c"}}),
        (
            {"deploy": {"labels": {"a": "1"}}},
            {"deploy": {"labels": ["b=2"]}},
            {"deploy": {"labels": {"a": "1", "b": "2"}}},
        ),
        ({"networks": ["a", "b"]}, {"networks": ["c", "a"]}, {"networks": ["a", "b", "c"]}),
        (
            {"networks": ["a"]},
            {"networks": {"b": {"aliases": ["x"]}}},
            {"networks": {"a": None, "b": {"aliases": ["x"]}}},
        ),
        (
            {"networks": {"a": {"aliases": ["x"]}}},
            {"networks": {"a": {"aliases": ["y"]}, "b": None}},
            {"networks": {"a": {"aliases": ["x", "y"]}, "b": None}},
        ),
        (
            {"networks": {"a": {"aliases": ["x"]}}},
            {"networks": ["a", "b"]},
            {"networks": {"a": {"aliases": ["x"]}, "b": None}},
        ),
        ({"extra_hosts": ["a:1"]}, {"extra_hosts": {"b": "2"}}, {"extra_hosts": ["a:1", "b:2"]}),
        # Each target once.
        ({"volumes": [ENV]}, {"volumes": ["/s:/s:ro"]}, {"volumes": [
            ENV, {"type": "bind", "source": "/s", "target": "/s", "read_only": True}
        ]}),
        ({"volumes": [ENV]}, {"volumes": [{"type": "volume", "target": "/env", "read_only": True}]}, {"volumes": [
            {**ENV, "read_only": True}
        ]}),
        ({"secrets": [{"source": "a", "target": "/x"}]}, {"secrets": ["b"]}, {"secrets": [
            {"source": "a", "target": "/x"}, {"source": "b"}
        ]}),
        (
            {"configs": ["a"]},
            {"configs": [{"source": "b", "target": "a"}]},
            {"configs": [{"source": "b", "target": "a"}]},
        ),
        ({"ports": ["80:80"]}, {"ports": ["80:80", "81:80"]}, {"ports": [
            {"target": 80, "published": 80, "protocol": "tcp", "mode": "ingress"},
            {"target": 80, "published": 81, "protocol": "tcp", "mode": "ingress"},
        ]}),
    ],
)  # fmt: skip
def test_merged_by_composes_own_rules(base: dict[str, Any], extra: dict[str, Any], expected: dict[str, Any]) -> None:
    assert merged(base, extra) == expected


@pytest.mark.parametrize(
    ("short", "long"),
    [
        ("/a", {"type": "volume", "target": "/a"}),
        ("/a:/b", {"type": "bind", "source": "/a", "target": "/b"}),
        ("data:/b:rw", {"type": "volume", "source": "data", "target": "/b"}),
        ("data:/b:ro,nocopy", {
            "type": "volume", "source": "data", "target": "/b", "read_only": True, "volume": {"nocopy": True}
        }),
        ("./a:/b:rslave", {"type": "bind", "source": "./a", "target": "/b", "bind": {"propagation": "rslave"}}),
    ],
)  # fmt: skip
def test_volumes_in_the_long_form(short: str, long: dict[str, Any]) -> None:
    assert volume(short) == long
