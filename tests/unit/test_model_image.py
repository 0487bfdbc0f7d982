"""The catalog's parsers."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.module_utils.image.model import (
    Build,
    Entry,
    Mirrors,
    by_digest,
    is_made_for,
    local_tag,
    parse_apt_sources,
    parse_bases,
    parse_catalog,
    parse_registry_auth,
    recipe_of,
)

BOOTSTRAP = {"build": {"bootstrap": "trixie", "packages": ["ca-certificates"]}}


def test_a_catalog_becomes_entries() -> None:
    entries = parse_catalog(
        {
            "base": {"internal": True, **BOOTSTRAP},
            "app": {"pull": "app:1", "push": False, "build": {"context": "/a", "base": "base", "args": {"V": 2}}},
        }
    )
    assert entries["base"].internal
    assert entries["base"].build
    assert entries["base"].build.packages == ("ca-certificates",)
    assert entries["app"].build
    assert entries["app"].build.args == {"V": "2"}
    assert not entries["app"].push


@pytest.mark.parametrize(
    ("catalog", "said"),
    [
        ({"Web": {}}, "Web is no image name"),
        ({"u:hunter22@x": {}}, "(not shown) is no image name"),
        ({"web": {"u:hunter22@x": 1, "from": 1}}, "web: unknown (not shown), from; known are"),
        (
            {"web": {"build": {"context": "/w", "include": {"../u:hunter22@x": "/a"}}}},
            "web: build.include leads out of the context: (not shown)",
        ),
        ({"web": "nginx"}, "web: must be a dictionary"),
        (
            {"web": {"from": "nginx"}},
            "web: unknown from; known are build, follow, internal, missing, optional",
        ),
        ({"web": {"source": "hub"}}, "source must be one of pull, build, archive"),
        ({"web": {"missing": "warn"}}, "web: missing must be one of fail, skip"),
        ({"web": {"push": "no"}}, "web: push must be true or false"),
        ({"web": {"build": "./web"}}, "web: build must be a dictionary"),
        ({"web": {"build": {"dockerfile": "x"}}}, "web: build: unknown dockerfile"),
        (
            {"web": {"build": {"base": "web"}}},
            "web: build needs either bootstrap (a Debian suite) or context (a folder)",
        ),
        ({"web": {"build": {"context": "/w", "bootstrap": "trixie"}}}, "web: build needs either"),
        ({"web": {"build": {"context": "/w", "args": ["a"]}}}, "web: build.args must be a dictionary"),
        ({"web": {"build": {"context": "/w", "include": ["a"]}}}, "web: build.include must be a dictionary"),
        ({"web": {"build": {"bootstrap": "trixie", "include": {"a": "/a"}}}}, "beside a context"),
        (
            {"web": {"build": {"context": "/w", "include": {"../a": "/a", "/b": "/b", "c..d": "/c"}}}},
            "web: build.include leads out of the context: ../a, /b",
        ),
        ({"web": {"build": {"bootstrap": "trixie", "packages": "a"}}}, "web: build.packages must be a list"),
        ({"web": {"build": {"context": "/w", "base": "gone"}}}, "web: its base 'gone' is not in the catalog"),
        ({"web": {"build": {"context": "/w", "base": "web"}}}, "web: it is its own base"),
    ],
)
def test_a_wrong_catalog_is_refused(catalog: dict[str, Any], said: str) -> None:
    with pytest.raises(PlatformError) as caught:
        parse_catalog(catalog)
    assert said in caught.value.message


def test_an_entry_is_read_whole() -> None:
    given = {
        "pull": "app:1",
        "source": "pull",
        "missing": "skip",
        "internal": True,
        "optional": True,
        "push": False,
        "follow": True,
        "build": {"context": "/a", "base": "app0", "include": {"inner/x": "/x"}, "args": {"V": 2}},
    }
    build = Build(context="/a", base="app0", include={"inner/x": "/x"}, args={"V": "2"})
    entries = parse_catalog({"app": given, "app0": {"build": {"bootstrap": "trixie", "packages": ["ab"]}}})
    assert entries["app"] == Entry("app", "app:1", build, "pull", True, True, "skip", push=False, follow=True)
    assert entries["app0"] == Entry("app0", build=Build(bootstrap="trixie", packages=("ab",)))


def test_bases_are_known_by_full_references() -> None:
    bases = {"node:14-alpine": "nodejs", "docker.io/library/node:14-alpine": "nodejs", "node": "other"}
    assert parse_bases(bases, {"nodejs", "other"}) == {
        "docker.io/library/node:14-alpine": "nodejs",
        "docker.io/library/node:latest": "other",
    }


def test_wrong_bases_are_told_at_once() -> None:
    with pytest.raises(PlatformError) as caught:
        parse_bases({"a": "gone", "b": "one", "library/b": "two"}, {"one", "two"})
    assert caught.value.details["problems"] == [
        "a: 'gone' is not in the catalog",
        "library/b: one and two are both to stand in for docker.io/library/b:latest",
    ]


@pytest.mark.parametrize("key", ["internal", "optional", "push", "follow"])
def test_a_switch_is_true_or_false(key: str) -> None:
    with pytest.raises(PlatformError, match=f"^the image catalog is wrong: app: {key} must be true or false$"):
        parse_catalog({"app": {"pull": "app:1", key: "yes"}})


def test_all_mistakes_are_told_at_once() -> None:
    with pytest.raises(PlatformError) as caught:
        parse_catalog({"a": {"x": 1}, "b": {"y": 1}})
    assert len(caught.value.details["problems"]) == 2


def test_a_recipe_is_stable_and_tells_its_parts_apart() -> None:
    assert recipe_of("build", {"a": 1, "b": 2}) == recipe_of("build", {"b": 2, "a": 1})
    assert recipe_of("ab", "c") != recipe_of("a", "bc")
    assert local_tag("web", "0123456789abcdef") == "fungap/web:0123456789ab"


DEB822 = """
Types: deb deb-src
# a comment
URIs: https://mirror.example/debian/
Suites: bookworm bookworm-updates
Components: main

Types: deb
URIs: http://mirror.example/security
Suites:
 bookworm-security
"""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", Mirrors()),
        (DEB822, Mirrors("https://mirror.example/debian", "http://mirror.example/security")),
        ("deb http://m.example/debian bookworm main\n", Mirrors(main="http://m.example/debian")),
        ("deb [arch=amd64 signed-by=/a.gpg] http://m.example/d bookworm main", Mirrors(main="http://m.example/d")),
        ("deb http://m.example/s bookworm-security main", Mirrors(security="http://m.example/s")),
        ("# deb http://m.example/debian bookworm main", Mirrors()),
        ("deb-src http://m.example/debian bookworm main", Mirrors()),
        ("deb cdrom:[Debian 12]/ bookworm main\ndeb file:/srv/debian bookworm main", Mirrors()),
        ("deb http://vendor.example/apt sdk-bookworm main", Mirrors()),
        ("Types: deb\nURIs: http://m.example/d\nSuites: bookworm\nEnabled: no\n", Mirrors()),
        ("deb cdrom:/x/ bookworm main\ndeb http://m.example/d/ bookworm", Mirrors("http://m.example/d")),
        (
            "Types: deb-src\nURIs: http://src.example\nSuites: bookworm\n\n"
            "# Ours: of the mirror\nTypes: deb\nURIs:\n http://m.example/d/\nSuites: sid\n bookworm\n",
            Mirrors("http://m.example/d"),
        ),
        ("Types: deb\n", Mirrors()),
        (" lost\n", Mirrors()),
    ],
)
def test_the_hosts_own_mirror_is_found(text: str, expected: Mirrors) -> None:
    assert parse_apt_sources([text], "bookworm") == expected


@pytest.mark.parametrize(
    ("reference", "pinned"),
    [
        ("web", "web@sha256:1"),
        ("web:42", "web@sha256:1"),
        ("hub:5000/team/web", "hub:5000/team/web@sha256:1"),
        ("hub:5000/team/web:42", "hub:5000/team/web@sha256:1"),
        ("hub:5000/web:42@sha256:0", "hub:5000/web@sha256:1"),
        ("web@sha256:0", "web@sha256:1"),
    ],
)
def test_by_digest(reference: str, pinned: str) -> None:
    assert by_digest(reference, "sha256:1") == pinned


def test_credentials_are_read_for_their_registry_only() -> None:
    auth = base64.b64encode(b"platform:a:b").decode()
    text = json.dumps({"auths": {"registry:5000": {"auth": auth}}})
    assert parse_registry_auth(text, "registry:5000") == ("platform", "a:b")
    assert parse_registry_auth(text, "other:5000") is None
    assert parse_registry_auth("{}", "registry:5000") is None


@pytest.mark.parametrize("text", ["no json", "[]", '{"auths": {"r": {"auth": "***"}}}'])
def test_wrong_credentials_are_not_repeated(text: str) -> None:
    with pytest.raises(PlatformError) as caught:
        parse_registry_auth(text, "r")
    assert text not in caught.value.message


@pytest.mark.parametrize(
    ("owner", "others", "own"),
    [("fungap", ("two",), True), ("two", ("two",), False), ("two", (), False), ("", (), True), ("", ("two",), False)],
)
def test_for_whom_an_image_was_made(owner: str, others: tuple[str, ...], own: bool) -> None:
    assert is_made_for(owner, "fungap", others) is own
