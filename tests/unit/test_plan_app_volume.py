"""On which node an app's volumes are, and what is done about it."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.fungap.swarm.plugins.module_utils.app_volume import model
from ansible_collections.fungap.swarm.plugins.module_utils.app_volume.contents import digest_of
from ansible_collections.fungap.swarm.plugins.module_utils.app_volume.look import (
    dump_volumes,
    own_constraints,
    parse_volumes,
    seen_nodes,
)
from ansible_collections.fungap.swarm.plugins.module_utils.app_volume.model import Entry, SeenVolume
from ansible_collections.fungap.swarm.plugins.module_utils.app_volume.move_plan import plan_move
from ansible_collections.fungap.swarm.plugins.module_utils.app_volume.plan import (
    SeenNode,
    Wish,
    by_docker_host,
    plan_absent,
    plan_volumes,
    warnings,
)
from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.module_utils.docker.archives import tar_entry, tar_of

OURS, COPY, FOREIGN = SeenVolume(True), SeenVolume(True, "a"), SeenVolume(False)


def node(name: str, here: str = "", leaving: str = "", **more: Any) -> SeenNode:
    return SeenNode(name, frozenset(here.split()), frozenset(leaving.split()), **{"volumes": {}, **more})


def up(name: str = "a", **more: Any) -> SeenNode:
    """A node with the volume, and its label."""
    return node(name, "up", **{"volumes": {"up": OURS}, **more})


MANAGER = node("m", is_manager=True)
UP = ("up",)
CASES: list[tuple[str, Wish, list[SeenNode], str, list[str]]] = [
    ("a worker before a manager", Wish("w", UP), [MANAGER, node("a")], "a", ["create volume w_up on a", "place on a"]),
    ("the only node", Wish("w", UP), [MANAGER], "m", ["create volume w_up on m", "place on m"]),
    (
        "the fewest volumes",
        Wish("w", UP),
        [node("a", others=1), node("b")],
        "b",
        ["create volume w_up on b", "place on b"],
    ),
    (
        "not where it may not be",
        Wish("w", UP),
        [node("a", fits=False), node("b", others=3)],
        "b",
        ["create volume w_up on b", "place on b"],
    ),
    (
        "not where nobody can look",
        Wish("w", UP),
        [node("a", volumes=None), node("b")],
        "b",
        ["create volume w_up on b", "place on b"],
    ),
    ("it is there", Wish("w", UP, UP), [MANAGER, up(), node("b")], "a", []),
    ("its node is silent", Wish("w", UP, UP), [MANAGER, node("a", "up", volumes=None)], "a", []),
    ("its node is down", Wish("w", UP, UP), [MANAGER, up(is_ready=False)], "a", []),
    (
        "another swarm, or a killed run",
        Wish("w", UP, UP),
        [MANAGER, node("a", volumes={"up": OURS})],
        "a",
        ["place on a"],
    ),
    ("a copy that is the only one", Wish("w", UP), [node("b", volumes={"up": COPY})], "b", ["place on b"]),
    (
        "one more goes to the first",
        Wish("w", ("new", "up"), UP),
        [node("b"), up()],
        "a",
        ["create volume w_new on a", "place on a"],
    ),
    ("adopted by a label", Wish("w", UP), [node("a", "up", volumes={"up": FOREIGN})], "a", []),
    (
        "a move that was killed before its copy was proved",
        Wish("w", UP, UP),
        [node("a", "", "up", volumes={"up": OURS}), node("b", volumes={"up": COPY})],
        "a",
        ["place on a", "remove volume w_up from b (a move has left it"],
    ),
    (
        "and what is no copy of it stays",
        Wish("w", UP, UP),
        [node("a", "", "up", volumes={"up": OURS}), node("b", volumes={"up": OURS})],
        "a",
        ["place on a"],
    ),
    (
        "a move that was killed behind that",
        Wish("w", UP, UP),
        [node("a", "", "up", volumes={"up": OURS}), node("b", "up", volumes={"up": COPY})],
        "b",
        ["remove volume w_up from a (a move has left it", "no longer say that volume w_up is on a"],
    ),
    (
        "and behind the removal",
        Wish("w", UP, UP),
        [node("a", "", "up"), node("b", "up", volumes={"up": COPY})],
        "b",
        ["no longer say that volume w_up is on a"],
    ),
    ("of a silent one nothing is taken", Wish("w", UP, UP), [node("a", "", "up", volumes=None), up("b")], "b", []),
    (
        "nothing is taken for one that is silent",
        Wish("w", UP, UP),
        [node("a", "", "up", volumes={"up": OURS}), node("b", "up", volumes=None)],
        "b",
        [],
    ),
    (
        "given up by name",
        Wish("w", UP, UP, UP),
        [node("a", "up"), node("b")],
        "a",
        ["no longer say that volume w_up is on a", "create volume w_up on a", "place on a"],
    ),
    ("given up, and it is there", Wish("w", UP, UP, UP), [up(), node("b")], "a", []),
]


@pytest.mark.parametrize(("wish", "nodes", "home", "actions"), [case[1:] for case in CASES], ids=[c[0] for c in CASES])
def test_plan_volumes(wish: Wish, nodes: list[SeenNode], home: str, actions: list[str]) -> None:
    found, planned = plan_volumes(wish, nodes)
    assert found == home
    assert len(planned) == len(actions), [str(one) for one in planned]
    for one, begin in zip(planned, actions, strict=True):
        assert str(one).startswith(begin)


REFUSED: list[tuple[Wish, list[SeenNode], str]] = [
    (
        Wish("w", UP, UP),
        [node("a", "up"), node("b")],
        r"w_up is lost: it is not on a, where it was, any more.*apps_volumes_anew",
    ),
    (Wish("w", UP, UP), [node("a"), node("b")], r"w_up is lost: it is not on any node any more"),
    (Wish("w", UP, UP), [node("a"), node("b", volumes=None)], r"lost.* b can't be asked: bring it back"),
    (Wish("w", UP), [node("a", "up"), node("b")], r"w_up is lost"),
    (Wish("w", UP, UP), [node("a", "", "up"), node("b")], r"w_up is lost: it is not on a, where it was"),
    (Wish("w", UP, UP), [up("a"), up("b")], r"w_up is said to be on a, b.*--label-rm fungap.volume.w.up NODE"),
    (
        Wish("w", UP),
        [node(name, volumes={"up": OURS}) for name in "ab"],
        r"on a, b, and no label says which one counts",
    ),
    (
        Wish("w", UP),
        [node("a", volumes={"up": FOREIGN})],
        r"nothing shows that it is the app's.*fungap.volume.w.up=here a",
    ),
    (Wish("w", ("up", "x")), [up(), node("b", "x", volumes={"x": OURS})], r"can't be placed.*w_up on a, w_x on b"),
    (Wish("w", UP), [up(fits=False), node("b")], r"on a, which the constraints.*move.yml -e volume=w_up -e to=NODE"),
    (Wish("w", UP), [node("a", is_active=False), node("b", is_ready=False)], r"no node can take the volumes of app w"),
]


@pytest.mark.parametrize(("wish", "nodes", "words"), REFUSED)
def test_refused(wish: Wish, nodes: list[SeenNode], words: str) -> None:
    with pytest.raises(PlatformError, match=words):
        plan_volumes(wish, nodes)


def test_warnings() -> None:
    assert warnings(up(), "w") == []
    assert "is down" in warnings(up(is_ready=False), "w")[0]
    assert "takes no tasks" in warnings(up(is_active=False), "w")[0]


@pytest.mark.parametrize(
    ("target", "nodes", "words"),
    [
        ("b", [up(), node("b")], ""),
        ("b", [up(), node("b", volumes={"up": COPY})], ""),
        ("b", [node("a", "", "up", volumes={"up": OURS}), node("b")], ""),
        ("a", [up(), node("b")], r"w_up is on a already"),
        ("c", [up(), node("b")], r"there is no node c: the swarm has a, b"),
        ("b", [node("a"), node("b")], r"w_up is on no node"),
        ("b", [up(), up("c"), node("b")], r"said to be on a, c"),
        ("b", [up(), node("b", is_ready=False)], r"b is not ready"),
        ("b", [up(), node("b", is_active=False)], r"b is not ready"),
        ("b", [up(), node("b", fits=False)], r"don't allow b"),
        ("b", [up(), node("b", volumes=None)], r"b can't be asked what it has"),
        ("b", [node("a", "up", volumes=None), node("b")], r"a can't be asked what it has"),
        ("b", [node("a", "up"), node("b")], r"w_up is not on a, where it was"),
        ("b", [up(), node("b", volumes={"up": OURS})], r"there is a volume w_up on b already.*docker volume rm w_up"),
        ("b", [up(), node("b", volumes={"up": FOREIGN})], r"there is a volume w_up on b already"),
        ("b", [up(), node("b", volumes={"up": SeenVolume(True, "c")})], r"there is a volume w_up on b already"),
    ],
)
def test_move(target: str, nodes: list[SeenNode], words: str) -> None:
    if words:
        with pytest.raises(PlatformError, match=words):
            plan_move("w", "up", target, nodes)
    else:
        move = plan_move("w", "up", target, nodes)
        assert (move.volumes, move.source, move.target) == (UP, "a", "b")


def test_all_of_an_app_go_together() -> None:
    nodes = [node("a", "up cache", volumes={"up": OURS, "cache": OURS}), node("b")]
    assert plan_move("w", "up", "b", nodes).volumes == ("cache", "up")


def test_absent() -> None:
    nodes = [up(), node("b", volumes={"up": FOREIGN, "x": OURS})]
    with pytest.raises(PlatformError, match=r"still mounted by service w_web: take the app away first"):
        plan_absent("w", UP, nodes, {"service w_web"})
    assert [str(one) for one in plan_absent("w", UP, nodes, ())] == [
        "no longer say that volume w_up is on a",
        "remove volume w_up from a (asked away by name)",
    ]


def test_names_and_labels() -> None:
    assert model.constraint("w", "up") == "node.labels.fungap.volume.w.up == here"
    labels = {"fungap.volume.w.up": "here", "fungap.volume.w.x": "leaving", "fungap.env.w.0": "ready", "disk": "ssd"}
    assert model.volumes_said(labels) == ["w_up", "w_x"]
    assert (model.labelled("w", "here", labels), model.labelled("w", "leaving", labels)) == ({"up"}, {"x"})
    assert model.labelled("v", "here", labels) == frozenset()
    assert model.split_name("w_up") == ("w", "up")
    assert model.split_name("w_env_0123456789ab") is None
    assert [model.why_no_name(name) == "" for name in ("up", "a-1", "env", "", "A", "a_b", "-a", 5, None)] == [
        *(True, True),
        *[False] * 7,
    ]


def test_seen_volumes() -> None:
    found = model.seen_volumes(
        "w",
        [
            {"Name": "w_up", "Labels": model.volume_labels("w", "up")},
            {"Name": "w_x", "Labels": model.volume_labels("w", "x", "a")},
            {"Name": "w_y", "Labels": None},
            {"Name": "v_up", "Labels": {}},
            {"Name": "w_env_0123456789ab", "Labels": {}},
        ],
    )
    assert found == {"up": OURS, "x": COPY, "y": FOREIGN}


def test_mounts() -> None:
    def service(name: str, *mounts: dict[str, Any]) -> dict[str, Any]:
        return {"ID": name, "Spec": {"Name": name, "TaskTemplate": {"ContainerSpec": {"Mounts": list(mounts)}}}}

    found = model.mounts(
        "w",
        [
            service("w_web", {"Type": "volume", "Source": "w_up"}, {"Type": "bind", "Source": "/w_up"}),
            service("w_x", {"Type": "volume"}, {"Type": "volume", "Source": "v_up"}),
        ],
    )
    assert [(one.service, one.volume) for one in found] == [("w_web", "up")]


def test_digest() -> None:
    one, other = Entry("a", "0", 0o644, "0:0", "x"), Entry("b", "5", 0o755, "0:0", "")
    assert model.digest([one, other]) == model.digest([other, one])
    for changed in (
        Entry("c", "0", 0o644, "0:0", "x"),
        Entry("a", "2", 0o644, "0:0", "x"),
        Entry("a", "0", 0o600, "0:0", "x"),
        Entry("a", "0", 0o644, "1:0", "x"),
        Entry("a", "0", 0o644, "0:0", "y"),
    ):
        assert model.digest([changed, other]) != model.digest([one, other])


def test_what_other_docker_hosts_do_first() -> None:
    """A label says what is there, so it follows what that call has done."""
    nodes = [node("a", volumes=None), node("b", volumes={})]
    _home, actions = plan_volumes(Wish("w", UP), nodes)
    assert by_docker_host(actions, ["b"]) == (actions, {})
    assert by_docker_host(actions, ["m"]) == ([], {"b": {"create": ["up"]}})
    nodes = [node("a", "", "up", volumes={"up": OURS}), node("b", "up", volumes={"up": COPY})]
    _home, actions = plan_volumes(Wish("w", UP, UP), nodes)
    assert by_docker_host(actions, ["b"]) == ([], {"a": {"discard": ["up"]}})


def archive(*files: tuple[str, str, int]) -> list[bytes]:
    entries = []
    for name, content, mode in files:
        entry, data = tar_entry(name, content, mode, 1000, 1001)
        entries.append((entry, data))
    text = tar_of(entries)
    return [text[start : start + 700] for start in range(0, len(text), 700)]


def test_what_two_volumes_hold_is_compared_in_whatever_order_it_is_read() -> None:
    one, other = ("volume/a", "x" * 2000, 0o644), ("volume/b", "y", 0o600)
    found, size = digest_of(archive(one, other))
    assert (digest_of(archive(other, one)), size) == ((found, 2001), 2001)
    for changed in (
        ("volume/a", "x" * 1999 + "z", 0o644),
        ("volume/a", "x" * 2000, 0o600),
        ("volume/c", one[1], 0o644),
    ):
        assert digest_of(archive(changed, other))[0] != found
    with pytest.raises(PlatformError, match="cannot read a volume"):
        digest_of([b"no archive at all"] * 100)


def raw(name: str, labels: dict[str, str] | None = None, **more: Any) -> dict[str, Any]:
    """A node of GET /nodes."""
    return {
        "ID": more.get("id", f"id-{name}"),
        "Spec": {"Role": more.get("role", "worker"), "Availability": "active", "Labels": labels},
        "Description": {"Hostname": name},
        "Status": {"State": more.get("state", "ready")},
    }


def test_nodes_are_read_with_what_their_engines_have() -> None:
    labels = {"fungap.volume.w.up": "here", "fungap.volume.w.x": "leaving", "fungap.volume.v.y": "here", "disk": "ssd"}
    listed = [raw("a", labels), raw("m", role="manager"), raw("b", labels, state="down", id="ghost"), raw("b")]
    nodes, ids = seen_nodes("w", listed, {"a": {"up": OURS}, "b": {}}, ["node.labels.disk == ssd"])
    assert ids == {"a": "id-a", "b": "id-b", "m": "id-m"}
    assert nodes == [
        node("a", "up", "x", volumes={"up": OURS}, others=3),
        node("b", fits=False),
        node("m", volumes=None, fits=False, is_manager=True),
    ]


def test_what_services_ask_of_the_node_that_is_to_have_their_volumes() -> None:
    def service(name: str, *constraints: str) -> dict[str, Any]:
        return {"ID": name, "Spec": {"TaskTemplate": {"Placement": {"Constraints": list(constraints)}}}}

    services = [
        service("one", "node.role == worker", "node.labels.fungap.volume.w.up == here"),
        service("two", "node.labels.fungap.env.w.0 == ready", "node.role == worker"),
        service("other", "node.hostname == x"),
        {"ID": "three", "Spec": {"TaskTemplate": {}}},
    ]
    found = own_constraints(services, ["one", "two", "three"])
    assert found == ["node.role == worker", "node.labels.fungap.env.w.0 == ready"]


def test_what_another_docker_host_has_travels_through_the_playbook() -> None:
    found = {"a": {"up": COPY}, "b": {}}
    assert parse_volumes(dump_volumes(found)) == found
