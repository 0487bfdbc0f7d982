# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From a compose file as it is written to the one that is deployed."""

from __future__ import annotations

import hashlib
import time
from typing import Any

import pytest
import yaml

from ansible_collections.fungap.swarm.plugins.module_utils.core.digest import secret_digest
from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.module_utils.stack.compose import (
    full_names_on,
    named_items,
    own_networks,
    replicas,
    with_replicas,
)
from ansible_collections.fungap.swarm.plugins.module_utils.stack.model import without_short_names
from ansible_collections.fungap.swarm.plugins.module_utils.stack.plan import fingerprint
from ansible_collections.fungap.swarm.plugins.plugin_utils.compose import as_wanted, render

SHORT = "services: {web: {image: a}}"


def hashed(name: str, content: str) -> str:
    return f"{name}_{hashlib.sha256(content.encode()).hexdigest()[:12]}"


def test_the_name_of_a_secret_does_not_help_to_guess_it() -> None:
    (name,) = render("app", "services: {web: {image: a, secrets: [key]}}", {}, {"key": "letmein"}).secrets
    assert name != hashed("app_key", "letmein")
    started = time.process_time()
    secret_digest.__wrapped__(b"letmein")
    assert time.process_time() - started > 0.005


def test_contents_become_external_items_named_by_their_hash() -> None:
    text = "services: {web: {image: a, configs: [settings], secrets: [{source: key, target: /run/key}]}}"
    found = render("app", text, {"settings": "colour=red"}, {"key": "hidden"})
    config, secret = hashed("app_settings", "colour=red"), f"app_key_{secret_digest(b'hidden')}"
    assert found.compose["configs"] == {"settings": {"external": True, "name": config}}
    assert found.compose["secrets"] == {"key": {"external": True, "name": secret}}
    assert (found.configs, found.secrets) == ({config: "colour=red"}, {secret: "hidden"})
    assert "hidden" not in found.text
    assert yaml.safe_load(found.text) == found.compose


def test_a_changed_content_is_another_name_and_an_equal_one_is_not() -> None:
    text = "services: {web: {image: a, configs: [c]}}"
    one, same, other = (render("app", text, {"c": content}, {}).text for content in ("1", "1", "2"))
    assert one == same != other


@pytest.mark.parametrize(
    ("text", "path", "value"),
    [
        ("version: '3.8'\n" + SHORT, ["version"], "3.8"),
        (SHORT, ["version"], "3.9"),
        ("services: {web: {image: a, ports: [22:22]}}", ["services", "web", "ports"], ["22:22"]),
        ("services: {web: {image: a, labels: {day: 2026-01-01}}}", ["services", "web", "labels", "day"], "2026-01-01"),
        ("services: {web: {image: a, x: 0440}}", ["services", "web", "x"], 0o440),
        ("services: {web: {image: a, x: 1.5}}", ["services", "web", "x"], 1.5),
        ("services: {web: {image: a, x: '1.50'}}", ["services", "web", "x"], "1.50"),
        ("services: {web: {image: a, x: 1e3}}", ["services", "web", "x"], 1000.0),
        ("services: {web: {image: a, x: 010.1.1.1}}", ["services", "web", "x"], "010.1.1.1"),
        ("services: {web: {image: a, x: yes}}", ["services", "web", "x"], True),
        ("services: {web: {image: a, x: -}}", ["services", "web", "x"], "-"),
        ("x-a: &a {image: a}\nservices: {web: {<<: *a, x: 1}}", ["services", "web", "image"], "a"),
        ({"services": {"web": {"image": "a"}}}, ["services", "web", "image"], "a"),
        ("services: {web: {image: a, command: echo $$HOME}}", ["services", "web", "command"], "echo $$HOME"),
    ],
)
def test_yaml_is_read_as_docker_reads_it(text: Any, path: list[str], value: Any) -> None:
    found = render("app", text, {}, {})
    for read in (found.compose, yaml.safe_load(found.text)):
        for key in path:
            read = read[key]
        assert read == value


@pytest.mark.parametrize(
    ("text", "configs", "message"),
    [
        ("services: [", {}, "is not YAML"),
        ("", {}, "has no services"),
        ("a: 1", {}, "has no services"),
        ("services: {}", {}, "has no services"),
        ("- a", {}, "has no services"),
        ("services: {web: {image: 'a:${TAG}'}}", {}, r"services.web.image: has a lone \$"),
        ("services: {web: {image: a, command: [sh, $HOME]}}", {}, r"services.web.command\[1\]: has a lone"),
        ("services: {web: {image: a, command: $$$HOME}}", {}, "lone"),
        ("services: {web: {image: a, env_file: .env}}", {}, "services.web.env_file"),
        ("services: {web: {image: a, environment: [A]}}", {}, r"services.web.environment\[0\]: has no value"),
        ("services: {web: {image: a, environment: {A: }}}", {}, "services.web.environment.A: is empty"),
        ("services: {web: {image: a, environment: A=1}}", {}, "services.web.environment: must be a list or a mapping"),
        ("services: {web: {image: a, configs: 5}}", {}, "services.web.configs: must be a list, not a whole number"),
        ("services: {web: {image: a, secrets: [5]}}", {}, r"services.web.secrets\[0\]: must be text or a mapping"),
        ("services: {web: {image: a, networks: x}}", {}, "services.web.networks: must be a list or a mapping"),
        ("services: {web: {image: a, deploy: 1}}", {}, "services.web.deploy: must be a mapping"),
        ("services: {web: [image]}", {}, "services.web: must be a mapping, not a list"),
        ("services: {web: }", {}, "services.web: is empty"),
        (f"{SHORT}\nconfigs: [c]", {}, "configs: must be a mapping"),
        (f"{SHORT}\nnetworks: {{n: 1}}", {}, "networks.n: must be a mapping"),
        ("services: {web: {image: a, configs: [c]}}\nconfigs: {c: {file: ./c}}", {}, "configs.c.file"),
        ("services: {web: {image: a, secrets: [c]}}\nsecrets: {c: {file: ./c}}", {}, "secrets.c.file"),
        ("services: {web: {image: a, configs: [c]}}", {}, "services.web.configs: c is not defined"),
        ("services: {web: {image: a, secrets: [{source: c}]}}", {}, "services.web.secrets: c is not defined"),
        ("services: {web: {image: a, networks: [n]}}", {}, "services.web.networks: n is not defined"),
        ("services: {web: {image: a, networks: {n: {}}}}", {}, "services.web.networks: n is not defined"),
        (SHORT, {"c": "1"}, "configs.c: no service uses it"),
        ("services: {web: {image: a, configs: [c]}}", {"c": ""}, "configs.c: 0 bytes"),
        ("services: {web: {image: a, configs: [c]}}", {"c": 5}, "configs.c: give its content as text"),
        ("services: {web: {image: a, configs: [c]}}", {"c": "x" * 1_000_001}, "configs.c: 1000001 bytes"),
        (
            "services: {web: {image: a, configs: [c]}}\nconfigs: {c: {external: true}}",
            {"c": "1"},
            "given as content and",
        ),
        (f"services: {{web: {{image: a, configs: [{'c' * 60}]}}}}", {"c" * 60: "1"}, "more than 64"),
        (f"services: {{web: {{image: a, labels: {{a: {'x' * 200_000}}}}}}}", {}, "more than 200000"),
        ({"services": {"web": {"image": {1, 2}}}}, {}, "holds what compose files can't"),
    ],
)
def test_refused(text: Any, configs: dict[str, Any], message: str) -> None:
    with pytest.raises(PlatformError, match=message):
        render("app", text, configs, {})


def test_every_problem_is_named_at_once() -> None:
    with pytest.raises(PlatformError, match=r"lone \$.*env_file.*networks: n"):
        render("app", "services: {web: {image: $A, env_file: b, networks: [n]}}", {}, {})


def test_a_secret_stands_in_no_error() -> None:
    with pytest.raises(PlatformError) as error:
        render("app", SHORT, {}, {"key": "hidden"})
    assert "hidden" not in error.value.message


@pytest.mark.parametrize("name", ["", "A", "a b", "-a", "a_", "a" * 41, "../a"])
def test_stack_names(name: str) -> None:
    with pytest.raises(PlatformError, match="stack name"):
        render(name, SHORT, {}, {})


@pytest.mark.parametrize(
    ("definition", "count"),
    [
        ({}, 1),
        ({"deploy": None}, 1),
        ({"deploy": {"replicas": 0}}, 0),
        ({"deploy": {"replicas": 3}}, 3),
        ({"deploy": {"mode": "global"}}, None),
        ({"deploy": {"mode": "replicated-job", "replicas": 2}}, None),
    ],
)
def test_replicas(definition: dict[str, Any], count: int | None) -> None:
    assert replicas({"services": {"web": definition}}, "web") == count


def test_replicas_of_a_service_that_is_not_there() -> None:
    assert replicas({"services": {}}, "web") is None


def test_with_replicas_leaves_the_original() -> None:
    compose: dict[str, Any] = {"services": {"web": {}, "b": {"deploy": {"replicas": 1, "mode": "replicated"}}}}
    found = with_replicas(compose, {"web": 3, "b": 0})
    assert found["services"] == {
        "web": {"deploy": {"replicas": 3}},
        "b": {"deploy": {"replicas": 0, "mode": "replicated"}},
    }
    assert compose["services"]["web"] == {}


def test_named_items() -> None:
    compose = {
        "configs": {"a": {"external": True, "name": "app_a_1"}, "b": {"external": True}, "c": {"file": "x"}, "d": None}
    }
    assert named_items(compose, "config") == {"app_a_1", "b"}
    assert named_items(compose, "secret") == frozenset()


def test_own_networks() -> None:
    networks = {"in": None, "out": {"external": True}, "own": {"driver": "overlay"}}
    assert own_networks({"networks": networks}) == {"in": {}, "own": {"driver": "overlay"}}
    assert own_networks({}) == {}


RENDERED = render("app", SHORT, {}, {})
SEEN: dict[str, Any] = {
    "in_force": 3,
    "settled": fingerprint(RENDERED.compose, RENDERED.text),
    "revisions": [{"number": 4, "release": {"image": "b"}}, {"number": 3, "release": {"image": "a"}}],
}


@pytest.mark.parametrize(
    ("args", "seen", "wanted"),
    [
        ({}, SEEN, True),
        ({"release": {"image": "a"}, "base_revision": 3}, SEEN, True),
        ({"release": {"image": "b"}}, SEEN, False),
        ({"base_revision": 2}, SEEN, False),
        ({}, {}, False),
        ({}, {**SEEN, "settled": ""}, False),
        ({}, {**SEEN, "settled": fingerprint(RENDERED.compose, RENDERED.text + "#")}, False),
    ],
)
def test_a_look_shows_that_a_deploy_has_nothing_to_do(args: dict[str, Any], seen: dict[str, Any], wanted: bool) -> None:
    assert as_wanted(RENDERED, args, seen) is wanted


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (SHORT, set()),
        ("x-full-names: [public]\nnetworks: {public: {external: true}}", {"public"}),
        ("x-full-names: [apps]\nnetworks: {apps: {external: true, name: public}, default: {}}", {"public"}),
        ("x-full-names: [apps]\nnetworks: {apps: }", {"apps"}),
        ("x-full-names: ", set()),
    ],
)
def test_where_services_have_their_full_names_only(text: str, expected: set[str]) -> None:
    assert full_names_on(yaml.safe_load(text)) == expected


@pytest.mark.parametrize(
    ("wish", "problem"),
    [("[public]", "network public is not defined"), ("public", "must be a list of the file's networks")],
)
def test_full_names_on_no_network_are_refused(wish: str, problem: str) -> None:
    with pytest.raises(PlatformError, match=f"x-full-names: {problem}"):
        render("app", f"x-full-names: {wish}\n{SHORT}", {}, {})


@pytest.mark.parametrize(
    ("networks", "expected"),
    [
        ([("public", ["web"])], [("public", [])]),
        ([("public", ["web"]), ("app_default", ["web"])], [("public", []), ("app_default", ["web"])]),
        ([("public", ["shop", "web"])], [("public", ["shop"])]),
        # Asked for by name, and added by the CLI all the same.
        ([("public", ["web", "web"])], [("public", ["web"])]),
        ([("public", ["web", "other"])], [("public", ["web", "other"])]),
        ([("public", None)], [("public", None)]),
        ([("others", ["web"])], [("others", ["web"])]),
        ([], []),
    ],
)
@pytest.mark.parametrize("old", [False, True])
def test_a_services_short_name_is_taken_from_a_network(networks: Any, expected: Any, old: bool) -> None:
    """``old``: where the CLI once put the networks."""

    def spec(attached: Any) -> dict[str, Any]:
        found = [{"Target": target, **({} if names is None else {"Aliases": names})} for target, names in attached]
        where = {"TaskTemplate": {}, "Networks": found} if old else {"TaskTemplate": {"Networks": found}}
        return {"Name": "app_web", "Labels": {"com.docker.stack.namespace": "app"}, **where}

    given = spec(networks)
    assert without_short_names(given, {"public"}) == spec(expected)
    assert given == spec(networks)
    assert without_short_names(given, ()) == given
