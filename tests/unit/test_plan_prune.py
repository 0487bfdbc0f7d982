"""What a clean-up keeps and what it takes away: one row, one decision."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.module_utils.prune.plan import (
    LocalImage,
    human,
    last_push,
    needed_images,
    parse_images,
    plan_images,
    plan_registry,
)
from ansible_collections.fungap.swarm.plugins.module_utils.registry.model import (
    Blob,
    Manifest,
    Reference,
    Storage,
    parse_manifest,
    parse_reference,
)
from ansible_collections.fungap.swarm.plugins.module_utils.registry.storage import read_storage, remove_repository
from ansible_collections.fungap.swarm.plugins.module_utils.stack.model import Revision, parse_revision
from ansible_collections.fungap.swarm.plugins.plugin_utils.prune import prune_summary

REGISTRY = "registry:5000"
NOW = 1_000_000.0
HOUR = 3600.0
OLD = NOW - 10 * HOUR


def digest(letter: str) -> str:
    return "sha256:" + letter * 64


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("registry:5000/web", Reference("registry:5000", "web")),
        ("registry:5000/team/web:42", Reference("registry:5000", "team/web", "42")),
        ("registry:5000/web@sha256:ab", Reference("registry:5000", "web", "", "sha256:ab")),
        ("registry:5000/web:42@sha256:ab", Reference("registry:5000", "web", "42", "sha256:ab")),
        ("quay.io/team/web:1", Reference("quay.io", "team/web", "1")),
        ("localhost/web", Reference("localhost", "web")),
        ("team/web:1", Reference("", "team/web", "1")),
        ("nginx:1.26", Reference("", "nginx", "1.26")),
    ],
)
def test_references(text: str, reference: Reference) -> None:
    assert parse_reference(text) == reference


@pytest.mark.parametrize(
    ("content", "children", "blobs"),
    [
        ({"config": {"digest": "c"}, "layers": [{"digest": "l1"}, {"digest": "l2"}]}, set(), {"c", "l1", "l2"}),
        ({"mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [{"digest": "m"}]}, {"m"}, set()),
        ({"manifests": []}, set(), set()),
        ({"schemaVersion": 1, "fsLayers": [{"blobSum": "l"}, {"blobSum": "l"}]}, set(), {"l"}),
    ],
)
def test_manifests_of_every_kind(content: dict[str, Any], children: set[str], blobs: set[str]) -> None:
    assert parse_manifest(json.dumps(content).encode(), "web@x") == (children, blobs)


@pytest.mark.parametrize("content", [b"", b"no json", b"[]", b'{"config": {}}', b'{"layers": [{}]}', b'{"layers": 1}'])
def test_what_is_not_understood_stops_everything(content: bytes) -> None:
    with pytest.raises(PlatformError, match="web@x"):
        parse_manifest(content, "web@x")


# --- needed by the swarm ---


def spec(name: str, image: str) -> dict[str, Any]:
    return {"Name": name, "TaskTemplate": {"ContainerSpec": {"Image": image}}}


def task(state: str, image: str, service: str = "s1") -> dict[str, Any]:
    return {"ServiceID": service, "Status": {"State": state}, "Spec": spec("", image)["TaskTemplate"]}


def revision(number: int, image: str, verdict: str = "converged", written: str = "") -> Revision:
    specs = {"web": spec("web_web", image)} if image else {}
    return Revision(number, {"services": {"web": {"image": written or image}}}, "", specs, verdict, "")


WEB = {"ID": "s1", "Spec": spec("web_web", "a")}


@pytest.mark.parametrize(
    ("services", "tasks", "revisions", "needed"),
    [
        ([], [], {}, {}),
        ([WEB], [], {}, {"a": ["service web_web"]}),
        (
            [{**WEB, "PreviousSpec": spec("web_web", "b")}],
            [],
            {},
            {"a": ["service web_web"], "b": ["service web_web before its last update"]},
        ),
        ([WEB], [task("running", "b"), task("preparing", "c")], {}, {key: ["service web_web"] for key in "abc"}),
        ([WEB], [task("shutdown", "b"), task("failed", "c")], {}, {"a": ["service web_web"]}),
        ([], [task("running", "b", "gone")], {}, {"b": ["service ?"]}),
        ([{"ID": "s2", "Spec": {"Name": "plugin", "TaskTemplate": {}}}], [], {}, {}),
        (
            [WEB],
            [],
            {"web": [revision(1, "b"), revision(2, "a")]},
            {"a": ["service web_web", "revision 2 of web"], "b": ["revision 1 of web"]},
        ),
        (
            [],
            [],
            {"web": [replace(revision(1, "a"), compose={"services": {"web": {"build": "."}}})]},
            {"a": ["revision 1 of web"]},
        ),
        # The spec has the digest that the file's tag stood for then; what the file says counts too.
        (
            [],
            [],
            {"web": [revision(1, "web:1@d", written="web:1")]},
            {"web:1@d": ["revision 1 of web"], "web:1": ["revision 1 of web"]},
        ),
        # One that never ran is nothing to go back to; of those that ran all that are recorded.
        (
            [],
            [],
            {"web": [*(revision(number, str(number)) for number in range(1, 6)), revision(6, "", "stuck", "broken")]},
            {str(number): [f"revision {number} of web"] for number in range(1, 6)},
        ),
        ([], [], {"web": [revision(1, "x", "unverified")]}, {"x": ["revision 1 of web"]}),
    ],
)
def test_what_a_swarm_needs(
    services: list[Any], tasks: list[Any], revisions: dict[str, Any], needed: dict[str, Any]
) -> None:
    assert needed_images(services, tasks, revisions) == needed


def test_a_record_of_a_swarm_is_read() -> None:
    record = {
        "revision": 3,
        "compose": {"services": {"web": {"image": "x"}}},
        "text": "",
        "specs": {"web": spec("web_web", "x")},
        "verdict": "converged",
        "when": "",
        "cause": "",
        "who": "somebody",
    }
    config = {"ID": "c", "Spec": {"Data": base64.b64encode(json.dumps(record).encode()).decode()}}
    assert needed_images([], [], {"web": [parse_revision(config)]}) == {"x": ["revision 3 of web"]}


# --- the registry ---


def image(letter: str, repository: str = "web", **more: Any) -> Manifest:
    blobs = more.pop("blobs", {digest(letter.upper()), digest("L")})
    return Manifest(repository, digest(letter), more.pop("pushed", OLD), blobs=frozenset(blobs), **more)


def index(letter: str, *children: str, **more: Any) -> Manifest:
    return image(letter, blobs=(), children=frozenset(digest(child) for child in children), **more)


def storage(
    *manifests: Manifest, loose: dict[str, Blob] | None = None, repositories: dict[str, float] | None = None
) -> Storage:
    digests = {one for manifest in manifests for one in (manifest.digest, *manifest.blobs)}
    return Storage(
        manifests=manifests,
        blobs={**{one: Blob(100, OLD) for one in digests}, **(loose or {})},
        repositories={**{one.repository: OLD for one in manifests}, **(repositories or {})},
    )


A, B, C = image("a"), image("b", tags=("2",)), image("c")
TAGGED = image("d", tags=("3", "4"))
NEEDED = {f"{REGISTRY}/web@{digest('a')}": ["service web_web"]}


@pytest.mark.parametrize(
    ("seen", "needed", "actions"),
    [
        pytest.param(storage(), {}, [], id="empty"),
        pytest.param(storage(A), NEEDED, [], id="needed"),
        pytest.param(
            storage(A, B),
            NEEDED,
            [f"delete web@sha256:{'b' * 12} (2)", "free 200 B (2 blobs)"],
            id="the other goes, the layer they share stays",
        ),
        pytest.param(
            storage(A, TAGGED),
            NEEDED,
            [f"delete web@sha256:{'d' * 12} (3, 4)", "free 200 B (2 blobs)"],
            id="one that has two tags",
        ),
        pytest.param(
            storage(A, B, C),
            {**NEEDED, f"{REGISTRY}/web:2": ["revision 1 of web"]},
            [f"delete web@sha256:{'c' * 12}", "free 200 B (2 blobs)"],
            id="needed by tag",
        ),
        pytest.param(
            storage(A, image("b", tags=("latest",))),
            {**NEEDED, f"{REGISTRY}/web": ["revision 1 of web"]},
            [],
            id="needed by the tag that goes without saying",
        ),
        pytest.param(
            storage(A, loose={digest("f"): Blob(7, NOW - HOUR)}, repositories={"gone": NOW - HOUR}),
            NEEDED,
            ["remove repository gone", "free 7 B (1 blob)"],
            id="left just long enough ago",
        ),
        pytest.param(
            storage(A, B),
            {**NEEDED, f"{REGISTRY}/web:1@{digest('b')}": ["x"]},
            [],
            id="of tag and digest the digest counts",
        ),
        pytest.param(
            storage(A, image("a", "other")),
            NEEDED,
            [f"delete other@sha256:{'a' * 12}", "remove repository other"],
            id="needed in one repository, not in the other",
        ),
        pytest.param(
            storage(A),
            {f"docker.io/web@{digest('a')}": ["another registry's"]},
            [f"delete web@sha256:{'a' * 12}", "remove repository web", "free 300 B (3 blobs)"],
            id="another registry's image",
        ),
        pytest.param(storage(A), {"docker.io/x:1": ["another's"], **NEEDED}, [], id="needed, after another registry's"),
        pytest.param(storage(A, image("b", pushed=NOW - HOUR + 1)), NEEDED, [], id="young"),
        pytest.param(
            storage(A, image("b", pushed=NOW - HOUR)),
            NEEDED,
            [f"delete web@sha256:{'b' * 12}", "free 200 B (2 blobs)"],
            id="just old enough",
        ),
        pytest.param(storage(index("a", "b"), B), NEEDED, [], id="a list's parts stay with it"),
        pytest.param(storage(index("a", "b"), index("b", "c"), C), NEEDED, [], id="a list of lists"),
        pytest.param(storage(index("a", "b", "e"), B), NEEDED, [], id="a part that was never pushed"),
        pytest.param(
            storage(A, B, index("e", "b")),
            NEEDED,
            [f"delete web@sha256:{'e' * 12}", f"delete web@sha256:{'b' * 12} (2)", "free 300 B (3 blobs)"],
            id="a list goes before its parts",
        ),
        pytest.param(storage(B, index("e", "b", pushed=NOW)), {}, [], id="parts of a young list"),
        pytest.param(
            storage(A, loose={digest("f"): Blob(7, OLD), digest("0"): Blob(9, NOW - 60)}),
            NEEDED,
            ["free 7 B (1 blob)"],
            id="what a killed run left, not what a push has begun",
        ),
        pytest.param(
            storage(A, repositories={"gone": OLD, "begun": NOW - 60}),
            NEEDED,
            ["remove repository gone"],
            id="an empty repository, not one that is being pushed to",
        ),
    ],
)
def test_what_goes_from_a_registry(seen: Storage, needed: dict[str, list[str]], actions: list[str]) -> None:
    found = plan_registry(seen, needed, address=REGISTRY, now=NOW, grace_seconds=HOUR)
    assert [str(action) for action in found.actions] == actions
    gone = {action.manifest for action in found.deletions}
    assert gone | set(found.kept) == set(seen.manifests)
    assert not gone & set(found.kept)


def test_why_an_image_stays() -> None:
    lists, young = index("a", "b"), image("c", pushed=NOW - 600)
    needed = {**NEEDED, f"{REGISTRY}/web:x@{digest('a')}": ["service web_web", "revision 2 of web"]}
    absent = f"{REGISTRY}/web@{digest('9')}"
    found = plan_registry(
        storage(lists, B, young),
        {**needed, absent: ["revision 1 of web"]},
        address=REGISTRY,
        now=NOW,
        grace_seconds=HOUR,
    )
    assert found.kept == {
        lists: ["service web_web", "revision 2 of web"],
        B: ["part of sha256:" + "a" * 12],
        young: ["pushed 10 min ago"],
    }
    assert found.missing == {absent: ["revision 1 of web"]}


def test_a_push_that_is_going_on_is_heard() -> None:
    assert last_push(storage(A)) == 0
    assert last_push(storage(A, loose={digest("f"): Blob(7, NOW - 5)})) == NOW - 5
    assert last_push(Storage(last_upload=NOW - 3)) == NOW - 3


def test_a_storage_is_read_where_it_lies(tmp_path: Path) -> None:
    top = tmp_path / "docker" / "registry" / "v2"

    def write(path: str, content: str) -> None:
        (top / path).parent.mkdir(parents=True, exist_ok=True)
        (top / path).write_text(content)

    def blob(letter: str, content: str) -> None:
        write(f"blobs/sha256/{letter * 2}/{letter * 64}/data", content)

    for repository, letters in (("web", "ab"), ("web/inner", "b")):
        for letter in letters:
            write(f"repositories/{repository}/_manifests/revisions/sha256/{letter * 64}/link", digest(letter))
    write("repositories/web/_manifests/tags/2/current/link", digest("b"))
    write(f"repositories/web/_manifests/tags/2/index/sha256/{'a' * 64}/link", digest("a"))
    write(f"repositories/web/_manifests/revisions/sha256/{'9' * 64}/link", digest("9"))  # leads nowhere
    write("repositories/begun/_uploads/1/data", "half")
    (top / "repositories/bare/_layers").mkdir(parents=True)
    blob("a", json.dumps({"config": {"digest": digest("c")}, "layers": [{"digest": digest("d")}]}))
    blob("b", json.dumps({"manifests": [{"digest": digest("a")}]}))
    blob("d", "layer")

    seen = read_storage(str(tmp_path))
    assert {(one.name, one.tags, one.children, one.blobs) for one in seen.manifests} == {
        (f"web@{digest('a')}", (), frozenset(), frozenset({digest("c"), digest("d")})),
        (f"web@{digest('b')}", ("2",), frozenset({digest("a")}), frozenset()),
        (f"web/inner@{digest('b')}", (), frozenset({digest("a")}), frozenset()),
    }
    assert seen.blobs.keys() == {digest("a"), digest("b"), digest("d")}
    assert seen.repositories.keys() == {"web", "web/inner", "begun", "bare"}
    assert seen.repositories["bare"] == 0
    assert seen.last_upload == (top / "repositories/begun/_uploads/1/data").stat().st_mtime

    remove_repository(str(tmp_path), "web")
    assert read_storage(str(tmp_path)).repositories.keys() == {"web/inner", "begun", "bare"}
    remove_repository(str(tmp_path), "web/inner")
    remove_repository(str(tmp_path), "bare")
    assert [path.name for path in (top / "repositories").iterdir()] == ["begun"]


def test_a_registry_that_was_never_pushed_to(tmp_path: Path) -> None:
    seen = read_storage(str(tmp_path))
    assert plan_registry(seen, {}, address=REGISTRY, now=NOW, grace_seconds=0).actions == []
    with pytest.raises(PlatformError, match="no folder"):
        read_storage(str(tmp_path / "none"))


# --- engines ---


def local(*names: str, used_by: tuple[str, ...] = (), created: float = OLD, made_for: str = "") -> LocalImage:
    return LocalImage("sha256:" + "1" * 64, names, 1000, created, used_by, made_for)


WANTED = f"{REGISTRY}/web@{digest('a')}"
SPARE = f"{REGISTRY}/web@{digest('b')}"


@pytest.mark.parametrize(
    ("seen", "gone", "kept"),
    [
        pytest.param(local(WANTED), None, "needed", id="needed"),
        pytest.param(local(SPARE), (SPARE,), None, id="not needed"),
        pytest.param(local(SPARE, used_by=("web.1", "web.2")), None, "used by web.1, web.2", id="containers use it"),
        pytest.param(local(SPARE, created=NOW - HOUR + 60), None, "made 59 min ago", id="young"),
        pytest.param(local(SPARE, created=NOW - HOUR), (SPARE,), None, id="just old enough"),
        pytest.param(local(f"{REGISTRY}/web:7", WANTED), None, "needed", id="one of its names is needed"),
        pytest.param(local(f"{REGISTRY}/tagged:1"), None, "needed", id="needed by tag"),
        pytest.param(
            local(f"{REGISTRY}/web:7", SPARE), (f"{REGISTRY}/web:7", SPARE), None, id="none of its names is needed"
        ),
        pytest.param(local("nginx:1"), None, None, id="someone else's"),
        pytest.param(local("nginx:1", SPARE), (SPARE,), None, id="someone else's name stays"),
        pytest.param(local("registry:50000/web:1"), None, None, id="another registry"),
        pytest.param(local(), (), None, id="no name"),
        pytest.param(local(used_by=("x",)), None, "used by x", id="no name, but a container"),
        pytest.param(local(created=NOW), None, "made 0 min ago", id="no name yet"),
        pytest.param(local("fungap/proxy:new"), None, "needed", id="current recipe"),
        pytest.param(local("fungap/proxy:old"), ("fungap/proxy:old",), None, id="old recipe"),
        pytest.param(local("fungap/proxy:old", used_by=("edge",)), None, "used by edge", id="old recipe that runs"),
        pytest.param(local("fungap/other:old"), None, None, id="not of the catalog"),
        pytest.param(
            local("fungap/proxy:old", "fungap/proxy:new"), ("fungap/proxy:old",), "needed", id="two recipes, one image"
        ),
        pytest.param(local("fungap/proxy:old", WANTED), ("fungap/proxy:old",), "needed", id="made here, needed there"),
    ],
)
def test_what_goes_from_an_engine(seen: LocalImage, gone: tuple[str, ...] | None, kept: str | None) -> None:
    removals, stays = plan_images(
        "worker1",
        [local("someone/elses:1"), seen],
        [f"{REGISTRY}/web:7@{digest('a')}", f"{REGISTRY}/tagged:1"],
        platform="fungap",
        others=(),
        registry=REGISTRY,
        catalog=["fungap/proxy:new", "fungap/base:new"],
        now=NOW,
        grace_seconds=HOUR,
    )
    assert [removal.names for removal in removals] == ([] if gone is None else [gone])
    assert stays.get(seen) == kept


FORMER, CURRENT = "fungap/proxy:old", "fungap/proxy:new"


@pytest.mark.parametrize(
    ("seen", "others", "gone", "kept"),
    [
        pytest.param(local(FORMER, made_for="fungap"), ("two",), (FORMER,), None, id="its own"),
        pytest.param(local(FORMER, made_for="two"), ("two",), None, None, id="the other's"),
        pytest.param(local(FORMER, made_for="two"), (), None, None, id="the other's, which is away"),
        pytest.param(local(FORMER), ("two",), None, None, id="it doesn't say whose"),
        pytest.param(local(FORMER), (), (FORMER,), None, id="it doesn't say whose, and nobody else is there"),
        pytest.param(local(CURRENT, made_for="two"), ("two",), None, None, id="the other's, used by both"),
        pytest.param(local(CURRENT, made_for="fungap"), ("two",), None, "needed", id="its own, current"),
        pytest.param(
            local(FORMER, SPARE, made_for="two"), ("two",), (SPARE,), None, id="the other's, pushed to its own"
        ),
        pytest.param(local(made_for="fungap"), ("two",), (), None, id="its own without a name"),
        pytest.param(local(made_for="two"), ("two",), None, None, id="the other's without a name"),
        pytest.param(local(), ("two",), None, None, id="anybody's without a name"),
    ],
)
def test_what_two_platforms_have_on_one_engine(
    seen: LocalImage, others: tuple[str, ...], gone: tuple[str, ...] | None, kept: str | None
) -> None:
    removals, stays = plan_images(
        "host",
        [seen],
        [],
        platform="fungap",
        others=others,
        registry=REGISTRY,
        catalog=[CURRENT],
        now=NOW,
        grace_seconds=HOUR,
    )
    assert [removal.names for removal in removals] == ([] if gone is None else [gone])
    assert stays.get(seen) == kept


def test_an_engines_answer_is_read() -> None:
    images = [
        {"Id": "i1", "RepoTags": ["<none>:<none>"], "RepoDigests": ["<none>@<none>"], "Size": 1, "Created": 2},
        {"Id": "i2", "RepoTags": None, "RepoDigests": [WANTED], "Size": 3, "Created": 4},
        {"Id": "i3", "RepoTags": ["web:1"], "RepoDigests": None, "Size": 5, "Created": 6},
        {"Id": "i4", "RepoTags": ["web:2"], "Size": 7, "Created": 8, "Labels": {"io.fungap.made-for": "two"}},
    ]
    containers = [{"ImageID": "i2", "Names": ["/web.2"]}, {"ImageID": "i2", "Names": ["/web.1"]}]
    assert parse_images(images, containers) == [
        LocalImage("i1", (), 1, 2),
        LocalImage("i2", (WANTED,), 3, 4, ("web.1", "web.2")),
        LocalImage("i3", ("web:1",), 5, 6),
        LocalImage("i4", ("web:2",), 7, 8, made_for="two"),
    ]


def test_an_action_says_what_it_does() -> None:
    removals, _ = plan_images(
        "worker1",
        [local(SPARE, f"{REGISTRY}/web:7"), local()],
        [],
        platform="fungap",
        others=(),
        registry=REGISTRY,
        catalog=[],
        now=NOW,
        grace_seconds=0,
    )
    assert [str(removal) for removal in removals] == [
        f"remove {REGISTRY}/web@sha256:{'b' * 12}, {REGISTRY}/web:7 from worker1 (1.0 kB)",
        f"remove sha256:{'1' * 12}, which has no name from worker1 (1.0 kB)",
    ]


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (999, "999 B"), (1500, "1.5 kB"), (2.5e6, "2.5 MB"), (3e9, "3.0 GB"), (4e12, "4.0 TB")],
)
def test_sizes(size: float, text: str) -> None:
    assert human(size) == text


def test_the_summary() -> None:
    registry = {
        "bytes_freed": 12_300_000,
        "bytes_used": 45_600_000,
        "removed": [1, 2],
        "kept": [1, 2, 3],
        "removed_repositories": ["old"],
        "missing": {WANTED: ["revision 1 of web"]},
        "window_seconds": 2.5,
    }
    engines = {"worker1": {"bytes_freed": 7_800_000, "removed": [{"size_bytes": 9_000_000}], "kept": [1]}}
    assert prune_summary(registry, [{"engines": engines, "silent": ["worker2"]}], False) == [
        "WHERE     FREED    IMAGES GONE  KEPT",
        "registry  12.3 MB  2            3",
        "worker1   7.8 MB   1            1",
        "The registry takes 45.6 MB.",
        "Repositories that were empty and are gone - old.",
        "Nothing could be pushed for 2.5 s.",
        "! worker2 does not answer: its images are as they were.",
        f"! {WANTED} is not in the registry: revision 1 of web.",
    ]
    assert "worker1   at most 9.0 MB  1             1" in prune_summary(
        registry, [{"engines": engines, "silent": []}], True
    )
    assert prune_summary({}, [{"engines": engines, "silent": []}], False) == [
        "WHERE    FREED   IMAGES GONE  KEPT",
        "worker1  7.8 MB  1            1",
        "! The machine of the registry does not answer: its images are as they were.",
    ]
