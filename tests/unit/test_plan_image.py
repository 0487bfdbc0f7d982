"""Which images are made and pushed: one row, one decision."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.fungap.swarm.plugins.module_utils.image.model import Archive, parse_catalog
from ansible_collections.fungap.swarm.plugins.module_utils.image.plan import (
    Circumstances,
    choose,
    listing,
    plan_images,
    push_progress,
    remote_reference,
    remote_tag,
    resolve,
    wanted_names,
)

CATALOG = {
    "base": {"internal": True, "build": {"bootstrap": "trixie"}},
    "nodejs": {"internal": True, "pull": "node:20", "build": {"context": "/nodejs", "base": "base"}},
    "proxy": {"pull": "nginx:1.26", "build": {"context": "/proxy", "base": "base"}},
    "app": {"build": {"context": "/app", "base": "nodejs"}},
    "tool": {"pull": "tool:1", "push": False},
}
SEEN = Circumstances(
    contexts={"nodejs": "1", "proxy": "2", "app": "3"},
    archives={"proxy": Archive("/archive/proxy.tar", 1, 1)},
    trusted_ca="ca",
)


def targets(source: str, *names: str, seen: Circumstances = SEEN, catalog: Any = CATALOG) -> Any:
    return resolve(parse_catalog(catalog), names, source, seen)


@pytest.mark.parametrize(
    ("source", "names", "made", "missing"),
    [
        ("build", ["proxy"], ["bootstrap base", "build proxy"], []),
        ("build", ["app"], ["bootstrap base", "build nodejs", "build app"], []),
        ("build", ["proxy", "app"], ["bootstrap base", "build proxy", "build nodejs", "build app"], []),
        ("build", ["tool"], [], ["tool"]),
        ("build", ["none"], [], ["none"]),
        ("pull", ["proxy"], ["pull proxy"], []),
        ("pull", ["app"], ["pull nodejs", "build app"], []),
        ("pull", ["tool", "proxy"], ["pull tool", "pull proxy"], []),
        ("archive", ["proxy"], ["load proxy"], []),
        ("archive", ["proxy", "app", "tool"], ["load proxy"], ["app", "tool"]),
    ],
)
def test_every_source_makes_what_it_can(source: str, names: list[str], made: list[str], missing: list[str]) -> None:
    found, problems = targets(source, *names)
    assert [f"{target.how} {target.name}" for target in found.values()] == made
    assert sorted(problems) == missing


def test_what_stands_on_a_missing_base_names_it() -> None:
    catalog = {"low": {"pull": "low:1"}, "high": {"build": {"context": "/h", "base": "low"}}}
    _, problems = targets("build", "high", catalog=catalog)
    assert problems["high"].startswith("its base low can't be had: ")


@pytest.mark.parametrize(
    ("present", "in_registry", "push", "actions"),
    [
        ([], [], False, ["make base", "make proxy", "make nodejs", "make app"]),
        (["base"], [], False, ["make proxy", "make nodejs", "make app"]),
        (["proxy", "app"], [], False, []),
        (["base", "nodejs", "proxy"], [], False, ["make app"]),
        (["nodejs", "proxy"], [], False, ["make app"]),
        (["proxy"], [], False, ["make base", "make nodejs", "make app"]),
        (["proxy", "app"], [], True, ["push proxy", "push app"]),
        (["proxy", "app"], ["proxy"], True, ["push app"]),
        (["proxy", "app"], ["proxy", "app"], True, []),
        (["base", "nodejs", "app"], ["app"], True, ["make proxy", "push proxy"]),
    ],
)
def test_only_what_is_lacking_is_done(
    present: list[str], in_registry: list[str], push: bool, actions: list[str]
) -> None:
    found, _ = targets("build", "proxy", "app")
    plan = plan_images(found, present, registry_address="r:5000" if push else "", in_registry=in_registry)
    assert [f"{type(action).__name__.lower()} {action.target.name}" for action in plan] == actions


def test_nodes_pull_by_digest() -> None:
    assert remote_reference("web", "sha256:1", "registry:5000") == "registry:5000/web@sha256:1"


def test_an_image_that_stays_out_of_the_registry_is_not_pushed() -> None:
    found, _ = targets("pull", "tool")
    assert plan_images(found, ["tool"], registry_address="r:5000") == []


@pytest.mark.parametrize(
    ("change", "touched"),
    [
        ({}, []),
        ({"trusted_ca": "other"}, ["app", "base", "nodejs", "proxy"]),
        ({"generation": "2"}, ["app", "base", "nodejs", "proxy"]),
        ({"contexts": {**SEEN.contexts, "proxy": "x"}}, ["proxy"]),
        ({"contexts": {**SEEN.contexts, "nodejs": "x"}}, ["app", "nodejs"]),
    ],
)
def test_a_recipe_changes_with_what_it_is_made_of(change: dict[str, Any], touched: list[str]) -> None:
    before, _ = targets("build", "proxy", "app")
    after, _ = targets("build", "proxy", "app", seen=replace(SEEN, **change))
    assert sorted(name for name in before if before[name].recipe != after[name].recipe) == touched


FULL: dict[str, Any] = {
    "base": {"internal": True, "build": {"bootstrap": "trixie", "packages": ["ca-certificates"]}},
    "app": {"build": {"context": "/app", "base": "base", "args": {"VERSION": "1"}}},
    "bare": {"build": {"context": "/bare"}},
    "tool": {"pull": "tool:1"},
}


@pytest.mark.parametrize(
    ("source", "change", "touched"),
    [
        ("build", {}, []),
        ("build", {"base": {"internal": True, "build": {"bootstrap": "bookworm"}}}, ["app", "base"]),
        (
            "build",
            {"base": {"internal": True, "build": {"bootstrap": "trixie", "packages": ["curl"]}}},
            ["app", "base"],
        ),
        ("build", {"app": {"build": {"context": "/app", "base": "base", "args": {"VERSION": "2"}}}}, ["app"]),
        ("build", {"app": {"build": {"context": "/app", "args": {"VERSION": "1"}}}}, ["app"]),
        ("pull", {"tool": {"pull": "tool:2"}}, ["tool"]),
    ],
)
def test_a_recipe_changes_with_its_entry(source: str, change: dict[str, Any], touched: list[str]) -> None:
    names = ["base", "app", "bare"] if source == "build" else ["tool"]
    before, _ = targets(source, *names, catalog=FULL)
    after, _ = targets(source, *names, catalog={**FULL, **change})
    assert sorted(name for name in before if before[name].recipe != after[name].recipe) == touched


def test_an_image_without_a_base_is_built_anew_when_asked() -> None:
    before, after = (
        targets("build", "bare", seen=Circumstances(generation=word), catalog=FULL)[0]["bare"] for word in ("", "2")
    )
    assert before.recipe != after.recipe


def test_kinds_of_recipes_differ() -> None:
    """What is asked for is hashed with its kind and its name."""
    archives = {name: Archive(f"/{name}.tar", 1, 1) for name in ("tool", "bare")}
    loaded, _ = targets("archive", "tool", "bare", seen=Circumstances(archives=archives), catalog=FULL)
    smaller = {"tool": Archive("/tool.tar", 2, 1)}
    changed, _ = targets("archive", "tool", seen=Circumstances(archives=smaller), catalog=FULL)
    recipes = [loaded["tool"].recipe, loaded["bare"].recipe, changed["tool"].recipe]
    assert len(set(recipes)) == 3


def test_what_a_target_is_made_from() -> None:
    catalog = parse_catalog(FULL)
    found, _ = targets("build", "app", "bare", catalog=FULL)
    assert {name: (one.how, one.base, one.build) for name, one in found.items()} == {
        "base": ("bootstrap", "", catalog["base"].build),
        "app": ("build", "base", catalog["app"].build),
        "bare": ("build", "", catalog["bare"].build),
    }
    loaded, _ = targets("archive", "proxy")
    assert (loaded["proxy"].how, loaded["proxy"].archive) == ("load", "/archive/proxy.tar")
    short = loaded["proxy"].recipe[:12]
    assert str(plan_images(loaded, [])[0]) == f"load proxy from /archive/proxy.tar as fungap/proxy:{short}"
    assert str(plan_images(found, ["base", "bare"])[0]) == f"build app as fungap/app:{found['app'].recipe[:12]}"
    assert remote_tag(loaded["proxy"], "r:5000") == f"r:5000/proxy:{short}"
    assert listing(found, ["bare"]) == [f"bare: {found['bare'].image} (build)"]


@pytest.mark.parametrize(
    ("source", "name", "why"),
    [
        ("build", "none", "it is not in the catalog"),
        ("archive", "app", "there is no archive of it"),
        ("build", "tool", "the catalog doesn't say how to build it"),
        ("pull", "empty", "the catalog doesn't say how to build it nor where to pull it"),
    ],
)
def test_why_an_image_cannot_be_had(source: str, name: str, why: str) -> None:
    assert targets(source, name, catalog={**CATALOG, "empty": {}})[1] == {name: why}


def test_authorities_only_touch_official_images_that_others_are_built_on() -> None:
    before, _ = targets("pull", "proxy", "app")
    after, _ = targets("pull", "proxy", "app", seen=replace(SEEN, trusted_ca=""))
    assert sorted(name for name in before if before[name].recipe != after[name].recipe) == ["app", "nodejs"]


def test_where_its_sha256_is_known_an_archive_is_what_that_says() -> None:
    def proxy(sha256: str, modified: int = 1) -> Circumstances:
        archives = {"proxy": Archive("/archive/proxy.tar", 1, modified, sha256)}
        return replace(SEEN, archives=archives, sha256_known=True)

    (one, touched, other), _ = zip(
        *(targets("archive", "proxy", seen=seen) for seen in (proxy("a"), proxy("a", 2), proxy("b"))), strict=True
    )
    assert one == touched
    assert one["proxy"].recipe != other["proxy"].recipe
    assert one["proxy"].archive_sha256 == "a"
    found, problems = targets("archive", "proxy", seen=proxy(""))
    assert (found, list(problems)) == ({}, ["proxy"])
    assert problems["proxy"] == "images_archive_sha256 has others, and not that of /archive/proxy.tar"


def test_another_archive_is_another_image() -> None:
    before, _ = targets("archive", "proxy")
    after, _ = targets("archive", "proxy", seen=replace(SEEN, archives={"proxy": Archive("/archive/proxy.tar", 1, 2)}))
    assert before["proxy"].recipe != after["proxy"].recipe


def test_actions_say_what_they_do() -> None:
    found, _ = targets("pull", "proxy")
    phrases = [str(action) for action in plan_images(found, [], registry_address="r:5000")]
    assert phrases == [
        f"pull proxy from nginx:1.26 as {found['proxy'].image}",
        f"push proxy to {remote_tag(found['proxy'], 'r:5000')}",
    ]


@pytest.mark.parametrize(
    ("optional", "names"),
    [
        ([], ["app", "tool"]),
        (["extra"], ["app", "tool", "extra"]),
        (["tool"], ["app", "tool"]),
        (["no"], ["app", "tool", "no"]),
    ],
)
def test_optional_images_are_had_where_they_are_named(optional: list[str], names: list[str]) -> None:
    catalog = {
        "base": {"internal": True, "pull": "base:1"},
        "app": {"build": {"context": "/app", "base": "base"}},
        "extra": {"optional": True, "pull": "extra:1"},
        "tool": {"pull": "tool:1"},
    }
    assert wanted_names(parse_catalog(catalog), optional) == names


NODE = "docker.io/library/node:14"
STANDING_IN = replace(SEEN, bases={NODE: "nodejs"}, dockerfiles={"web": "ARG V\nFROM node:$V\nFROM node:14"})
WEB = {**CATALOG, "web": {"build": {"context": "/web", "args": {"V": 14}}}}


def web(catalog: Any = WEB, source: str = "build", **change: Any) -> Any:
    return targets(source, "web", seen=replace(STANDING_IN, **change), catalog=catalog)


def test_what_stands_in_for_an_image_is_made_before_what_is_built_on_it() -> None:
    found, problems = web()
    assert not problems
    assert list(found) == ["base", "nodejs", "web"]
    assert found["web"].stand_ins == {NODE: "nodejs"}
    assert found["web"].bases == ("nodejs",)
    plan = plan_images(found, [])
    assert [action.target.name for action in plan] == ["base", "nodejs", "web"]
    assert [action.target.name for action in plan_images(found, ["base", "web"])] == [], (
        "a base is made for what lacks it"
    )
    pulled, _ = web(source="pull")
    assert [f"{target.how} {target.name}" for target in pulled.values()] == ["pull nodejs", "build web"]


@pytest.mark.parametrize(
    ("change", "touched"),
    [
        ({}, False),
        ({"bases": {}}, True),
        ({"bases": {NODE: "base"}}, True),
        ({"bases": {NODE: "nodejs", "docker.io/library/node:20": "base"}}, False),
        ({"contexts": {**SEEN.contexts, "nodejs": "x"}}, True),
        ({"trusted_ca": "other"}, True),
        ({"build_args": {"http_proxy": "p"}}, False),
        ({"dockerfiles": {**STANDING_IN.dockerfiles, "proxy": "FROM node:14"}}, False),
    ],
)
def test_a_recipe_changes_with_what_stands_in(change: dict[str, Any], touched: bool) -> None:
    assert (web(**change)[0]["web"].recipe != web()[0]["web"].recipe) is touched


def test_what_nothing_stands_in_for_has_the_recipe_that_it_had() -> None:
    without, _ = targets("build", "proxy", "app")
    with_bases, _ = targets(
        "build", "proxy", "app", seen=replace(STANDING_IN, dockerfiles={"app": "ARG BASE\nFROM $BASE"})
    )
    assert {name: one.recipe for name, one in with_bases.items()} == {name: one.recipe for name, one in without.items()}


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"dockerfiles": {"web": "FROM node:$W"}}, "FROM node:$W in its Dockerfile: W has no value"),
        ({"bases": {NODE: "web"}}, f"web, which stands in for {NODE}, can't be had: it is built on itself"),
        ({"bases": {NODE: "tool"}}, f"tool, which stands in for {NODE}, can't be had: the catalog doesn't say how"),
        (
            {"dockerfiles": {**STANDING_IN.dockerfiles, "nodejs": "FROM node:14"}},
            f"nodejs, which stands in for {NODE}, can't be had: nodejs, which stands in for {NODE}, can't be had: ",
        ),
    ],
)
def test_why_an_image_cannot_be_built_on_what_stands_in(change: dict[str, Any], why: str) -> None:
    found, problems = web(**change)
    assert "web" not in found
    assert problems["web"].startswith(why)


@pytest.mark.parametrize(
    ("done", "told"),
    [
        ((), "0 of 2 pushed, not yet: proxy, express-app"),
        (("proxy",), "1 of 2 pushed, not yet: express-app"),
        (("express-app", "proxy"), "2 of 2 pushed"),
    ],
)
def test_how_far_pushes_are(done: tuple[str, ...], told: str) -> None:
    assert push_progress(["proxy", "express-app"], done) == told


# --- source auto ---

CHOICES = parse_catalog(
    {
        "both": {"pull": "hub/both:1", "build": {"context": "/both"}},
        "base": {"internal": True, "pull": "hub/base:1", "build": {"bootstrap": "trixie"}},
        "on-base": {"build": {"context": "/on-base", "base": "base"}},
        "official": {"pull": "hub/official:1"},
        "told": {"pull": "hub/told:1", "build": {"context": "/told"}, "source": "build"},
    }
)


def image_by(name: str, **sources: str) -> str:
    """The local name of an image where these have their sources."""
    entries = {one: replace(entry, source=sources.get(one) or entry.source) for one, entry in CHOICES.items()}
    return resolve(entries, [name], "pull", Circumstances())[0][name].image


@pytest.mark.parametrize(
    ("names", "present", "sources", "open_ones"),
    [
        pytest.param(["both"], [], {}, ["both"], id="its registry has to be asked"),
        pytest.param(["both"], [image_by("both", both="build")], {"both": "build"}, [], id="built before"),
        pytest.param(["both"], [image_by("both", both="pull")], {"both": "pull"}, [], id="pulled before"),
        pytest.param(
            ["both"],
            [image_by("both", both=one) for one in ("build", "pull")],
            {"both": "pull"},
            [],
            id="both are there",
        ),
        pytest.param(["both"], ["fungap/both:000000000000"], {}, ["both"], id="an older recipe"),
        pytest.param(["official", "told"], [], {"official": "pull", "told": "build"}, [], id="one way only"),
        pytest.param(["on-base"], [], {"on-base": "build"}, ["base"], id="of what is built, its base"),
        pytest.param(["on-base"], [image_by("base", base="pull")], {"base": "pull"}, [], id="the base is there"),
        pytest.param(["unknown"], [], {}, [], id="what is not in the catalog is said later"),
    ],
)
def test_the_source_auto(names: list[str], present: list[str], sources: dict[str, str], open_ones: list[str]) -> None:
    chosen, asked = choose(CHOICES, names, Circumstances(), present)
    assert {name: chosen[name].source for name in sources} == sources
    assert asked == open_ones
