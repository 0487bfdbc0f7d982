"""Which certificates on the docker hosts a passing verb renews, while the clock moves."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any

import pytest

from ansible_collections.fungap.swarm.plugins.module_utils.config_files.model import PathState, digested
from ansible_collections.fungap.swarm.plugins.plugin_utils import pki
from ansible_collections.fungap.swarm.plugins.plugin_utils.renewal import installed, kept, places

NOW = datetime.datetime(2026, 11, 22, 12, 0, tzinfo=datetime.timezone.utc)
DAY = datetime.timedelta(days=1)
KEY = pki.new_key()
CA = pki.KeyPair(pki.make_ca("lab CA", KEY, NOW), KEY)
LEAF = pki.issue(CA, pki.new_key(), ["registry"], (), NOW)
LATER = pki.issue(CA, pki.new_key(), ["registry"], (), NOW + 200 * DAY)
PLACES = places("/etc/lab", "registry:5000", "vm1", "vm9", ["vm1", "vm2"])
REGISTRY, JENKINS = "/etc/lab/registry/tls.crt", "/etc/lab/jenkins/proxy/tls.crt"
TRUSTED = "/etc/lab/certs.d/registry:5000/ca.crt"


def tree(**contents: str) -> dict[str, Any]:
    return {path: digested(PathState("file", content, 0o644), "key") for path, content in contents.items()}


def look(contents: Mapping[str, str]) -> dict[str, Any]:
    return {"/etc/lab": tree(**contents)}


def due(trees: dict[str, Any], days: float) -> dict[str, bool]:
    return {what: found["due"] for what, found in installed(PLACES, trees, NOW + days * DAY).items()}


@pytest.mark.parametrize(
    ("days", "registry", "ca"),
    [
        (0, False, False),
        (334.9, False, False),
        (335.1, True, False),
        # Ended: a pull that has failed already doesn't keep the next deploy from curing it.
        (400, True, False),
        (3256, True, False),
        (3258, True, True),
        (4000, True, True),
    ],
)
def test_what_is_due_as_time_goes_by(days: float, registry: bool, ca: bool) -> None:
    trees = {"vm1": look({REGISTRY: LEAF, TRUSTED: CA.certificate})}
    assert due(trees, days) == {"registry": registry, "ca": ca}


@pytest.mark.parametrize(("days", "due"), [(0, False), (334.9, False), (335.1, True), (400, True)])
def test_the_proxys_is_due_by_the_controllers_copy(days: float, due: bool) -> None:
    assert kept("proxy", LEAF, NOW + days * DAY) == {"proxy": {"until": pki.not_after(LEAF), "due": due}}
    assert kept("proxy", "", NOW) == kept("proxy", "nothing", NOW) == {}


@pytest.mark.parametrize("what", ["registry", "jenkins"])
def test_what_was_installed_and_not_read_is_due(what: str) -> None:
    path, marker = {
        "registry": (REGISTRY, "/etc/lab/registry/.restart-pending"),
        "jenkins": (JENKINS, "/etc/lab/jenkins/proxy/.reload-pending"),
    }[what]
    host = {"registry": "vm1", "jenkins": "vm9"}[what]
    assert due({host: look({path: LEAF})}, 0) == {what: False}
    assert due({host: look({path: LEAF, marker: ""})}, 0) == {what: True}


def test_of_several_copies_the_one_that_ends_first_counts() -> None:
    old = pki.make_ca("lab CA", KEY, NOW - 3300 * DAY)
    trees = {"vm1": look({TRUSTED: CA.certificate}), "vm2": look({TRUSTED: old})}
    ids = [pki.key_id(old)]
    assert installed(PLACES, trees, NOW) == {"ca": {"until": pki.not_after(old), "due": True, "authorities": ids}}
    other = pki.make_ca("lab CA", pki.new_key(), NOW)
    both = installed(PLACES, {**trees, "vm1": look({TRUSTED: other})}, NOW)["ca"]["authorities"]
    assert both == sorted([*ids, pki.key_id(other)])


def test_a_chain_is_known_by_its_leaf() -> None:
    assert due({"vm1": look({REGISTRY: LEAF + CA.certificate})}, 340) == {"registry": True}


@pytest.mark.parametrize(
    "trees",
    [
        {},
        # Not looked at, not there, of no certificate, broken.
        {"vm1": {}},
        {"vm1": {"/etc/lab": {}}},
        {"vm1": look({REGISTRY: "nothing"})},
        {"vm1": look({REGISTRY: "-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n"})},
        {"vm2": look({REGISTRY: LEAF})},
    ],
)
def test_what_is_not_known_is_left_to_site(trees: dict[str, Any]) -> None:
    assert installed(PLACES, trees, NOW + 400 * DAY) == {}


def test_another_controllers_newer_certificate_is_left_alone() -> None:
    assert due({"vm1": look({REGISTRY: LATER})}, 340) == {"registry": False}


def test_nothing_is_known_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pki, "MISSING_LIBRARY", "No module named 'cryptography'")
    assert installed(PLACES, {"vm1": look({REGISTRY: LEAF})}, NOW) == kept("proxy", LEAF, NOW) == {}


def test_a_look_tells_a_certificate_and_no_key() -> None:
    key = pki.new_key()
    told = digested(PathState("file", f"{key}{LEAF}", 0o600), "key")
    assert told["certificate"] == LEAF
    assert "PRIVATE" not in str(told)
    assert digested(PathState("file", key, 0o600), "key")["certificate"] == ""
    assert digested(PathState("file", None, 0o600), "key")["certificate"] == ""
