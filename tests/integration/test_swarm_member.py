"""Membership of real engines, from every state a node can be in."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import docker
import pytest
import requests

from ansible_collections.fungap.swarm.plugins.module_utils.memory.model import Memory
from ansible_collections.fungap.swarm.plugins.module_utils.memory.operation import memory_path

from ..waiting import until, wait_for
from ..warm_ansible import ansible_playbook
from .conftest import Lab, Node

RunModule = Callable[..., dict[str, Any]]


def wanted(node: Node, state: str = "worker", **more: Any) -> dict[str, Any]:
    """An element of the module's ``nodes``."""
    return {"name": node.name, "state": state, "socket": node.socket, "address": node.address, **more}


def listed(manager: Node) -> dict[str, dict[str, Any]]:
    """{hostname: the managers' row}; fails when a name is there twice."""
    rows = manager.api.nodes()
    names = [row["Description"]["Hostname"] for row in rows]
    assert len(names) == len(set(names)), names
    return dict(zip(names, rows, strict=True))


def roles(manager: Node) -> dict[str, tuple[str, str]]:
    return {name: (row["Spec"]["Role"], row["Status"]["State"]) for name, row in listed(manager).items()}


def versions(manager: Node) -> dict[str, int]:
    return {name: row["Version"]["Index"] for name, row in listed(manager).items()}


def label(manager: Node, name: str, labels: dict[str, str]) -> None:
    def update() -> Any:
        row = listed(manager)[name]
        return manager.api.update_node(row["ID"], row["Version"]["Index"], {**row["Spec"], "Labels": labels})

    # Swarm may have written the node meanwhile.
    wait_for(f"labels of {name}", update, 10)


def ok(result: dict[str, Any]) -> dict[str, Any]:
    assert not result.get("failed"), result.get("msg")
    return result


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    lab = Lab()
    lab.start("manager1", "worker1", "worker2")
    yield lab
    lab.close()


def platform(lab: Lab, *managers: str, **more: dict[str, Any]) -> dict[str, Any]:
    """The module's arguments for all nodes of the lab; ``more``: further keys by node name."""
    managers = managers or ("manager1",)
    nodes = [
        wanted(
            node,
            "manager" if name in managers else "worker",
            **{"bootstrap": name == managers[0], **more.get(name, {})},
        )
        for name, node in lab.nodes.items()
    ]
    return {"nodes": nodes}


ALL_READY = {"manager1": ("manager", "ready"), "worker1": ("worker", "ready"), "worker2": ("worker", "ready")}


def test_fresh_engines_become_a_swarm_and_stay_untouched(lab: Lab, run_module: RunModule) -> None:
    check = ok(run_module("swarm_member", platform(lab), check=True))
    assert check["changed"]
    assert check["actions"] == ["start a swarm on manager1", "join worker1 as worker", "join worker2 as worker"]
    assert lab.nodes["manager1"].api.info()["Swarm"]["LocalNodeState"] == "inactive"

    done = ok(run_module("swarm_member", platform(lab)))
    assert done["changed"]
    assert roles(lab.nodes["manager1"]) == ALL_READY
    swarm = lab.nodes["manager1"].api.inspect_swarm()
    assert (swarm["DefaultAddrPool"], swarm["SubnetSize"], swarm["DataPathPort"]) == (["10.100.0.0/16"], 24, 4789)

    before = versions(lab.nodes["manager1"])
    again = ok(run_module("swarm_member", platform(lab)))
    assert not again["changed"]
    assert again["actions"] == []
    assert not ok(run_module("swarm_member", platform(lab), check=True))["changed"]
    assert versions(lab.nodes["manager1"]) == before


def test_labels_and_availability(lab: Lab, run_module: RunModule) -> None:
    manager = lab.nodes["manager1"]
    env = {"fungap.env.web.0123456789ab": "ready"}
    label(manager, "worker1", env)

    args = platform(lab, worker1={"labels": {"disk": "ssd", "empty": ""}, "availability": "drain"})
    check = ok(run_module("swarm_member", args, check=True))
    assert check["actions"] == ["set availability drain and labels disk=ssd, empty= of worker1"]
    assert check["diff"]["before"]["worker1"]["labels"] == {}
    assert check["diff"]["after"]["worker1"] == {
        "state": "ready",
        "role": "worker",
        "availability": "drain",
        "labels": {"disk": "ssd", "empty": ""},
    }
    assert listed(manager)["worker1"]["Spec"]["Labels"] == env
    assert ok(run_module("swarm_member", args))["changed"]
    spec = listed(manager)["worker1"]["Spec"]
    assert spec["Labels"] == {"disk": "ssd", "empty": "", **env}
    assert spec["Availability"] == "drain"
    before = versions(manager)
    assert not ok(run_module("swarm_member", args))["changed"]
    assert not ok(run_module("swarm_member", platform(lab)))["changed"]  # not given: left as they are
    assert versions(manager) == before

    args = platform(lab, worker1={"labels": {"disk": "ssd"}, "availability": "active"})
    assert ok(run_module("swarm_member", args))["changed"]
    spec = listed(manager)["worker1"]["Spec"]
    assert (spec["Labels"], spec["Availability"]) == ({"disk": "ssd", **env}, "active")

    refused = run_module("swarm_member", platform(lab, worker1={"labels": {"fungap.env.web.1": "x"}}))
    assert "say what a node holds" in refused["msg"]


def test_tokens_are_rotated_and_never_shown(lab: Lab, run_module: RunModule) -> None:
    manager = lab.nodes["manager1"]
    sockets = {"manager_sockets": [manager.socket]}
    old = manager.api.inspect_swarm()["JoinTokens"]
    info = ok(run_module("swarm_join_token_info", sockets))
    assert info["tokens"] == {"worker": old["Worker"], "manager": old["Manager"]}
    assert info["remote_addrs"] == [f"{manager.address}:2377"]
    assert {row["hostname"] for row in info["nodes"]} == set(lab.nodes)
    assert info["cluster_id"] == manager.api.inspect_swarm()["ID"]
    assert ok(run_module("swarm_join_token_info", {**sockets, "tokens": False}))["tokens"] == {}
    nothing = ok(
        run_module("swarm_join_token_info", {"manager_sockets": [lab.nodes["worker1"].socket, "/nowhere.sock"]})
    )
    assert (nothing["live"], nothing["nodes"]) == (False, [])

    check = ok(run_module("swarm_join_token", sockets, check=True))
    assert check["changed"]
    assert manager.api.inspect_swarm()["JoinTokens"] == old
    only_worker = ok(run_module("swarm_join_token", {**sockets, "rotate": ["worker"]}))
    new = manager.api.inspect_swarm()["JoinTokens"]
    assert new["Worker"] != old["Worker"]
    assert new["Manager"] == old["Manager"]
    both = ok(run_module("swarm_join_token", sockets))
    newest = manager.api.inspect_swarm()["JoinTokens"]
    assert newest["Manager"] != new["Manager"]

    # Given tokens show nowhere, also when the join fails; the address belongs to nobody.
    worker = lab.nodes["worker2"]
    args = {
        "nodes": [{**wanted(worker), "state": "worker"}],
        "join_tokens": {"worker": newest["Worker"] + "x", "manager": newest["Manager"]},
        "remote_addrs": [f"{manager.address}:2377"],
        "swarm_nodes": [],
    }
    failed = run_module("swarm_member", args)
    assert failed["failed"]
    assert "join the swarm" in failed["msg"]
    text = json.dumps([check, only_worker, both, failed, ok(run_module("swarm_member", platform(lab)))])
    assert "SWMTKN" not in text
    assert roles(manager) == ALL_READY


def test_restarted_engines_are_waited_for_and_left_alone(lab: Lab, run_module: RunModule) -> None:
    ids = {name: row["ID"] for name, row in listed(lab.nodes["manager1"]).items()}
    lab.restart("manager1")
    lab.restart("worker1")
    assert not ok(run_module("swarm_member", platform(lab)))["changed"]
    assert roles(lab.nodes["manager1"]) == ALL_READY
    assert {name: row["ID"] for name, row in listed(lab.nodes["manager1"]).items()} == ids


def test_recreated_worker_leaves_no_ghost(lab: Lab, run_module: RunModule) -> None:
    address = lab.nodes["worker1"].address
    label(lab.nodes["manager1"], "worker1", {"fungap.volume.wiki.uploads": "here"})
    lab.remove("worker1", volume=True)
    lab.create("worker1", address)
    lab.wait("worker1")
    # What it had is gone with its disk: not without a word.
    assert "former engine of worker1: it has the volumes wiki" in run_module("swarm_member", platform(lab))["msg"]
    done = ok(run_module("swarm_member", {**platform(lab), "volumes_left": ["wiki_uploads"]}))
    assert any("left by a former engine" in action for action in done["actions"])
    assert roles(lab.nodes["manager1"]) == ALL_READY
    assert not ok(run_module("swarm_member", platform(lab)))["changed"]


def test_nodes_in_a_foreign_swarm_and_half_way_into_one(lab: Lab, run_module: RunModule) -> None:
    foreign, pending = lab.nodes["worker1"].api, lab.nodes["worker2"]
    foreign.leave_swarm(force=True)
    foreign.init_swarm(advertise_addr=lab.nodes["worker1"].address)
    pending.api.leave_swarm(force=True)
    impatient = docker.APIClient(base_url=f"unix://{pending.socket}", version="auto", timeout=2)
    token = lab.nodes["manager1"].api.inspect_swarm()["JoinTokens"]["Worker"]
    with contextlib.suppress(requests.exceptions.RequestException, docker.errors.APIError):
        impatient.join_swarm([f"{lab.subnet}.200:2377"], token)
    assert pending.api.info()["Swarm"]["LocalNodeState"] == "pending"

    # The manager of another swarm may be the last that has its data.
    refused = run_module("swarm_member", platform(lab))
    assert f"worker1 holds the data of swarm {foreign.inspect_swarm()['ID']}" in refused["msg"]
    foreign.leave_swarm(force=True)
    done = ok(run_module("swarm_member", platform(lab)))
    assert "join worker1 as worker" in done["actions"]
    assert "worker2 leaves its swarm (it never got into this swarm)" in done["actions"]
    assert roles(lab.nodes["manager1"]) == ALL_READY


def test_worker_at_another_address_joins_again_with_its_env_labels(lab: Lab, run_module: RunModule) -> None:
    manager = lab.nodes["manager1"]
    labels = {"disk": "ssd", "fungap.env.web.0123456789ab": "ready"}
    label(manager, "worker1", labels)
    lab.remove("worker1", volume=False)
    lab.create("worker1", f"{lab.subnet}.61")
    lab.wait("worker1")
    done = ok(run_module("swarm_member", platform(lab)))
    assert any("its address changed" in action for action in done["actions"])
    assert roles(manager) == ALL_READY
    assert lab.nodes["worker1"].api.info()["Swarm"]["NodeAddr"] == f"{lab.subnet}.61"
    assert listed(manager)["worker1"]["Spec"]["Labels"] == labels
    assert not ok(run_module("swarm_member", platform(lab)))["changed"]


def test_worker_is_removed_and_comes_back(lab: Lab, run_module: RunModule) -> None:
    manager = lab.nodes["manager1"]
    gone = {**platform(lab), "prune": True}
    gone["nodes"] = [node for node in gone["nodes"] if node["name"] != "worker2"]
    check = ok(run_module("swarm_member", gone, check=True))
    assert check["actions"][0] == "drain worker2"
    assert check["diff"]["after"]["worker2"] == {"state": "absent"}
    label(manager, "worker2", {"fungap.volume.wiki.uploads": "here"})
    for refused in (gone, platform(lab, worker2={"availability": "drain"})):
        assert "it has the volumes wiki_uploads" in run_module("swarm_member", refused)["msg"]
    assert roles(manager) == ALL_READY
    assert listed(manager)["worker2"]["Spec"]["Availability"] == "active"
    ok(run_module("swarm_member", {**gone, "volumes_left": ["wiki_uploads"]}))
    assert set(roles(manager)) == {"manager1", "worker1"}
    assert not ok(run_module("swarm_member", gone))["changed"]

    ok(run_module("swarm_member", platform(lab)))
    assert roles(manager) == ALL_READY
    args = {"nodes": [wanted(lab.nodes["worker2"], "absent")], "manager_sockets": [manager.socket]}
    assert ok(run_module("swarm_member", args))["changed"]
    assert set(roles(manager)) == {"manager1", "worker1"}
    assert lab.nodes["worker2"].api.info()["Swarm"]["LocalNodeState"] == "inactive"
    assert not ok(run_module("swarm_member", args))["changed"]


def test_managers_come_and_go_but_never_the_last(lab: Lab, run_module: RunModule) -> None:
    """Starts with worker2 out of the swarm: it joins as a manager, worker1 is promoted."""
    manager = lab.nodes["manager1"]
    three = platform(lab, "manager1", "worker1", "worker2")
    done = ok(run_module("swarm_member", three))
    assert {"promote worker1 to manager", "join worker2 as manager"} <= set(done["actions"])
    assert set(roles(manager).values()) == {("manager", "ready")}
    assert not ok(run_module("swarm_member", three))["changed"]

    # With one of three managers silent, a second one may not go.
    lab.stop("worker2")
    wait_for("the news", lambda: listed(manager)["worker2"]["ManagerStatus"]["Reachability"] == "unreachable")
    others = [wanted(lab.nodes["manager1"], "manager"), wanted(lab.nodes["worker1"], "worker")]
    refused = run_module("swarm_member", {"nodes": others})
    assert "would lose its quorum" in refused["msg"]
    # But the silent one may: its engine is gone for good, its place is taken away.
    address = lab.nodes["worker2"].address
    lab.remove("worker2", volume=True)
    lab.create("worker2", address)
    lab.wait("worker2")
    done = ok(run_module("swarm_member", three))
    assert any(action.startswith("demote the old entry") for action in done["actions"])
    assert set(roles(manager).values()) == {("manager", "ready")}

    # A manager at another address: demoted, out, in again.
    lab.remove("worker1", volume=False)
    lab.create("worker1", f"{lab.subnet}.62")
    lab.wait("worker1")
    three = platform(lab, "manager1", "worker1", "worker2")
    ok(run_module("swarm_member", three))
    assert set(roles(manager).values()) == {("manager", "ready")}
    assert listed(manager)["worker1"]["ManagerStatus"]["Addr"] == f"{lab.subnet}.62:2377"

    # The leader itself steps down, the others carry on; then everything as before.
    leads = next(name for name, row in listed(manager).items() if row["ManagerStatus"].get("Leader"))
    left = [name for name in lab.nodes if name != leads]
    gone = {"nodes": [wanted(lab.nodes[leads], "absent")], "manager_sockets": [lab.nodes[name].socket for name in left]}
    ok(run_module("swarm_member", gone))
    assert set(roles(lab.nodes[left[0]])) == set(left)
    ok(run_module("swarm_member", platform(lab)))
    assert roles(lab.nodes["manager1"]) == ALL_READY

    as_worker = {"nodes": [wanted(node) for node in lab.nodes.values()]}
    assert "the last manager" in run_module("swarm_member", as_worker)["msg"]
    absent = {"nodes": [wanted(lab.nodes["manager1"], "absent"), wanted(lab.nodes["worker1"])]}
    assert "the last manager" in run_module("swarm_member", absent)["msg"]
    assert roles(lab.nodes["manager1"]) == ALL_READY


def test_locked_manager_needs_the_key(lab: Lab, run_module: RunModule) -> None:
    manager = lab.nodes["manager1"]
    settings = {"autolock": True, "task_history_limit": 3}
    done = ok(run_module("swarm_member", {**platform(lab), "settings": settings}))
    assert done["actions"] == ["set task_history_limit 3, autolock True of the swarm"]
    assert not ok(run_module("swarm_member", {**platform(lab), "settings": settings}))["changed"]
    key = ok(run_module("swarm_join_token_info", {"manager_sockets": [manager.socket]}))["unlock_key"]
    assert key.startswith("SWMKEY")

    lab.restart("manager1")
    without = run_module("swarm_member", platform(lab))
    assert "is locked (autolock) and no unlock_key" in without["msg"]
    wrong = run_module("swarm_member", {**platform(lab), "unlock_key": key[:-3] + "xyz"})
    assert wrong["failed"]
    assert "SWMKEY" not in json.dumps([without, wrong])
    done = ok(run_module("swarm_member", {**platform(lab), "unlock_key": key}))
    assert done["actions"] == ["unlock manager1"]
    assert key not in json.dumps(done)
    assert roles(lab.nodes["manager1"]) == ALL_READY
    ok(run_module("swarm_member", {**platform(lab), "settings": {"autolock": False}}))


def test_the_only_manager_at_another_address_takes_its_swarm_along(lab: Lab, run_module: RunModule) -> None:
    cluster = lab.nodes["manager1"].api.inspect_swarm()["ID"]
    lab.nodes["manager1"].api.create_config("kept", b"data")
    lab.remove("manager1", volume=False)
    lab.create("manager1", f"{lab.subnet}.63")
    lab.wait("manager1")
    done = ok(run_module("swarm_member", platform(lab)))
    assert done["actions"][0].startswith("restart the swarm from manager1 alone (its address changed")
    manager = lab.nodes["manager1"]
    assert roles(manager) == ALL_READY
    assert manager.api.inspect_swarm()["ID"] == cluster
    assert [config["Spec"]["Name"] for config in manager.api.configs()] == ["kept"]
    assert manager.api.info()["Swarm"]["NodeAddr"] == f"{lab.subnet}.63"
    again = ok(run_module("swarm_member", platform(lab)))
    assert not again["changed"]
    assert "keeps" in again["warnings"][0]
    # Docker offers no way to change the address in the raft data: a second manager would not find the first.
    assert "can't make worker1 a manager" in run_module("swarm_member", platform(lab, "manager1", "worker1"))["msg"]


def test_workers_of_a_dead_swarm_join_the_new_one(lab: Lab, run_module: RunModule) -> None:
    address = lab.nodes["manager1"].address
    lab.remove("manager1", volume=True)
    lab.create("manager1", address)
    lab.wait("manager1")
    nobody = platform(lab)
    nobody["nodes"] = [{**node, "bootstrap": False} for node in nobody["nodes"]]
    assert "no node may start one" in run_module("swarm_member", nobody)["msg"]
    silent = {**platform(lab), "manager_sockets": ["/run/nobody.sock"]}
    assert "/run/nobody.sock doesn't answer" in run_module("swarm_member", silent)["msg"]

    done = ok(run_module("swarm_member", platform(lab)))
    assert done["actions"][0] == "start a swarm on manager1"
    assert roles(lab.nodes["manager1"]) == ALL_READY
    assert not ok(run_module("swarm_member", platform(lab)))["changed"]


def test_a_manager_that_lost_the_others_for_good(lab: Lab, run_module: RunModule) -> None:
    """Two managers, one of them re-created: no majority is left."""
    two = platform(lab, "manager1", "worker1")
    ok(run_module("swarm_member", two))
    lab.nodes["manager1"].api.create_config("survives", b"data")
    address = lab.nodes["worker1"].address
    lab.remove("worker1", volume=True)
    lab.create("worker1", address)
    lab.wait("worker1")
    refused = run_module("swarm_member", {**two, "deadline_seconds": 5})
    assert "manager1 holds a swarm that can't decide anything" in refused["msg"]
    assert f"{address}:2377" in refused["msg"]

    done = ok(run_module("swarm_member", {**two, "recover_quorum": True}))
    assert done["actions"] == ["restart the swarm from manager1 alone (the other managers are lost)"]
    manager = lab.nodes["manager1"]
    assert roles(manager) == {**ALL_READY, "worker1": ("manager", "ready")}
    assert "survives" in [config["Spec"]["Name"] for config in manager.api.configs()]
    ok(run_module("swarm_member", platform(lab)))
    assert roles(manager) == ALL_READY


def test_of_two_managers_that_are_left_the_one_with_the_newer_log_starts_again(
    engines: Lab, run_module: RunModule, tmp_path: Path
) -> None:
    """Five managers. One stops, then something is deployed, then three are lost."""
    names = [f"manager{number}" for number in range(1, 6)]
    engines.start(*names)
    five = platform(engines, *names)
    ok(run_module("swarm_member", five))
    api = engines.nodes["manager2"].api
    cluster = api.inspect_swarm()["ID"]
    engines.stop("manager1")
    wait_for("a leader", lambda: api.create_config("survives", b"data"), 30)
    for number in range(3):
        api.create_config(f"follows{number}", b"data")
    # As long as it leads, it would hand on what it has.
    engines.stop("manager2")
    for name in names[2:]:
        address = engines.nodes[name].address
        engines.remove(name)
        engines.create(name, address)
    for name in names[2:]:
        engines.wait(name)
    for name in names[:2]:
        engines.restart(name)
    refused = run_module("swarm_member", {**five, "deadline_seconds": 5})
    assert "holds a swarm that can't decide anything" in refused["msg"]

    # Each on a docker host of its own, the others blank: the role chooses between hosts, and the module on one.
    asked = {
        name: ok(run_module("swarm_join_token_info", {"manager_sockets": [engines.nodes[name].socket]}))
        for name in names
    }
    assert [len(one["holders"]) for one in asked.values()] == [1, 1, 0, 0, 0]
    assert asked["manager1"]["holders"][0]["cluster_id"] == cluster
    assert asked["manager1"]["log"] < asked["manager2"]["log"]
    planned = run_module("swarm_member", {**five, "recover_quorum": True, "deadline_seconds": 5}, check=True)
    assert ok(planned)["actions"] == ["restart the swarm from manager2 alone (the other managers are lost)"]
    hosts = dict(zip(names, "abaab", strict=True))
    nodes = [
        {"name": name, "host": hosts[name], "role": "manager", "socket": node.socket, "address": node.address}
        for name, node in engines.nodes.items()
    ]
    play_role(tmp_path, nodes, swarm_member_recover_quorum=True)
    assert set(roles(engines.nodes["manager2"]).values()) == {("manager", "ready")}
    found = engines.nodes["manager1"].api.configs()
    assert "survives" in [config["Spec"]["Name"] for config in found]


def test_an_engine_that_cannot_read_its_swarm_is_left_as_it_is(engines: Lab, run_module: RunModule) -> None:
    """As after a start with a full disk: the engine knows nothing of itself, all is still there."""
    (manager,) = engines.start("manager1")
    ok(run_module("swarm_member", platform(engines)))
    manager.api.create_config("kept", b"data")
    cluster = manager.api.inspect_swarm()["ID"]
    engines.stop("manager1")
    raft = Path(engines.outer.api.inspect_volume(manager.container)["Mountpoint"], "swarm", "raft")
    logs = raft / "wal-v3-encrypted"
    shutil.copytree(logs, raft / "aside")
    for log in logs.iterdir():
        log.write_bytes(b"what a disk left of it " * 1000)
    engines.restart("manager1")
    wait_for("the error", lambda: manager.api.info()["Swarm"]["LocalNodeState"] == "error", 60)
    for more in ({}, {"recover_quorum": False}):
        refused = run_module("swarm_member", {**platform(engines), "deadline_seconds": 3, **more})
        assert refused["failed"]
        assert "manager1 can't read the swarm that its disk holds" in refused["msg"]
        assert "To get it back: put back the folder" in refused["msg"]
    # Nor does it leave where it is to go: no other manager has what it holds.
    gone = {**platform(engines), "deadline_seconds": 3}
    gone["nodes"] = [{**node, "state": "absent", "bootstrap": False} for node in gone["nodes"]]
    for check in (True, False):
        refused = run_module("swarm_member", gone, check=check)
        assert f"manager1 holds the data of swarm {cluster}, which no other manager is known to have" in refused["msg"]
    assert manager.api.info()["Swarm"]["LocalNodeState"] == "error"
    engines.stop("manager1")
    shutil.rmtree(logs)
    (raft / "aside").rename(logs)
    engines.restart("manager1")
    assert not ok(run_module("swarm_member", platform(engines)))["changed"]
    assert manager.api.inspect_swarm()["ID"] == cluster
    assert [config["Spec"]["Name"] for config in manager.api.configs()] == ["kept"]


@dataclass(frozen=True)
class Remembered:
    """A swarm of manager1 and worker1 that is known to have held revision 3 of the stack web.

    ``wanted``: what the module is asked for. ``path``: where the docker host remembers it.
    """

    engines: Lab
    run_module: RunModule
    cluster: str
    wanted: dict[str, Any]
    path: Path

    @property
    def manager(self) -> Node:
        return self.engines.nodes["manager1"]

    @property
    def raft(self) -> Path:
        """Where the manager's engine has what the swarm holds."""
        return Path(self.engines.outer.api.inspect_volume(self.manager.container)["Mountpoint"], "swarm", "raft")

    def run(self, *, check: bool = False, **more: Any) -> dict[str, Any]:
        return self.run_module("swarm_member", {**self.wanted, **more}, check=check)

    def record(self, number: int) -> None:
        labels = {"io.fungap.stack": "web", "io.fungap.revision": str(number)}
        self.manager.api.create_config(f"fungap.web.{number}", b"a record", labels)

    def recorded(self) -> list[str]:
        return [config["Spec"]["Name"] for config in self.manager.api.configs()]

    def move_log(self, old: str, new: str) -> None:
        """With the engine down; what was there by the new name is gone."""
        self.engines.stop("manager1")
        if (self.raft / new).exists():
            shutil.rmtree(self.raft / new)
        (self.raft / old).rename(self.raft / new)
        self.engines.restart("manager1")

    def is_refused_as_lost(self, **more: Any) -> None:
        for check in (True, False):
            refused = self.run(check=check, **more)
            assert "of stack web, there is no record, and 3 was recorded at 2026-11-28T10:00:00Z" in refused["msg"]
            assert f"-e swarm_member_begin_anew={self.cluster}" in refused["msg"]


@pytest.fixture
def remembered(engines: Lab, run_module: RunModule, tmp_path: Path) -> Remembered:
    engines.start("manager1", "worker1")
    wanted = {**platform(engines), "stacks_dir": str(tmp_path)}
    cluster = ok(run_module("swarm_member", wanted))["cluster_id"]
    path = Path(memory_path(str(tmp_path), "web"))
    path.parent.mkdir()
    path.write_text(Memory("web", 3, cluster, "2026-11-28T10:00:00Z", ("manager1", "worker1")).dump())
    swarm = Remembered(engines, run_module, cluster, wanted, path)
    swarm.record(3)
    assert not ok(swarm.run())["changed"]
    return swarm


def test_a_swarm_that_lost_its_memory_is_not_filled_anew_without_a_word(remembered: Remembered, tmp_path: Path) -> None:
    """The engine starts as if all were well: the same swarm, nothing in it."""
    remembered.move_log("wal-v3-encrypted", "aside")
    until(lambda: remembered.manager.api.nodes())
    assert remembered.recorded() == []
    remembered.is_refused_as_lost()
    no_node_of_another_docker_host_leaves_the_lost_swarm(remembered, tmp_path)
    # Put back, it is as it was.
    remembered.move_log("aside", "wal-v3-encrypted")
    ok(remembered.run())
    assert remembered.recorded() == ["fungap.web.3"]
    a_blank_engine_is_refused_too(remembered)
    it_begins_anew_once_that_is_said(remembered)
    what_is_remembered_of_the_new_swarm_counts(remembered)


def no_node_of_another_docker_host_leaves_the_lost_swarm(remembered: Remembered, tmp_path: Path) -> None:
    engines = remembered.engines
    nodes = [
        {"name": name, "host": host, "role": role, "socket": node.socket, "address": node.address}
        for name, host, role in (("manager1", "a", "manager"), ("worker1", "b", "worker"))
        for node in [engines.nodes[name]]
    ]
    was = engines.nodes["worker1"].api.info()["Swarm"]["NodeID"]
    refused, changed = play_role(tmp_path, nodes, fails=True, swarm_member_stacks_dir=str(tmp_path))
    assert "a: the swarm holds less than swarm" in refused
    assert changed == {"a": 0, "b": 0}
    assert engines.nodes["worker1"].api.info()["Swarm"]["NodeID"] == was
    assert "worker1" not in listed(remembered.manager)


def a_blank_engine_is_refused_too(remembered: Remembered) -> None:
    """Lost for good, and nobody said so: by what the docker host remembers, and by what the controller does."""
    address = remembered.manager.address
    remembered.engines.remove("manager1", volume=True)
    remembered.engines.create("manager1", address)
    remembered.engines.wait("manager1")
    assert "of stack web, there is no record" in remembered.run()["msg"]
    # With the docker host's folder gone too, the controller's word counts.
    aside = remembered.path.read_text()
    remembered.path.unlink()
    remembered.is_refused_as_lost(remembered=by_the_controller(remembered))
    assert remembered.manager.api.info()["Swarm"]["LocalNodeState"] == "inactive"
    remembered.path.write_text(aside)


def by_the_controller(remembered: Remembered) -> list[dict[str, Any]]:
    return [asdict(Memory("web", 3, remembered.cluster, "2026-11-28T10:00:00Z", ("manager1",)))]


def it_begins_anew_once_that_is_said(remembered: Remembered) -> None:
    cluster, told = remembered.cluster, by_the_controller(remembered)
    assert ok(remembered.run(begin_anew=cluster))["actions"][0] == f"forget what swarm {cluster} held"
    assert not remembered.path.exists()
    assert not ok(remembered.run(begin_anew=cluster))["changed"]
    # Nothing is recorded yet, and it was said once to begin anew; the next run may still have to be told.
    assert f"begin_anew={cluster}" in remembered.run(remembered=told)["msg"]
    assert not ok(remembered.run(remembered=told, begin_anew=cluster))["changed"]
    remembered.record(1)
    assert "revision 1 is the highest, and 3 was recorded" in remembered.run(remembered=told)["msg"]
    assert not ok(remembered.run(remembered=told, begin_anew=cluster))["changed"]


def what_is_remembered_of_the_new_swarm_counts(remembered: Remembered) -> None:
    path, told = remembered.path, by_the_controller(remembered)
    path.write_text(Memory("web", 1, remembered.cluster, "2026-11-29T10:00:00Z", ("manager1",)).dump())
    assert not ok(remembered.run(remembered=told))["changed"]
    path.write_text(path.read_text()[:20])
    broken = f"{path} is to tell what the swarm was known to hold, and is broken"
    assert broken in remembered.run(remembered=told)["msg"]


def play_role(
    tmp_path: Path, nodes: list[dict[str, Any]], *args: str, fails: bool = False, **variables: Any
) -> tuple[str, dict[str, int]]:
    """Run the role on the docker hosts ``a`` and ``b``, both of them this machine: (output, {host: changed tasks})."""
    variables = {"swarm_member_nodes": nodes, "swarm_member_stacks_dir": f"{tmp_path}/stacks", **variables}
    play = [
        {"hosts": "all", "gather_facts": False, "roles": [{"role": "fungap.swarm.swarm_member"}], "vars": variables}
    ]
    host = {"ansible_connection": "local", "ansible_python_interpreter": "{{ ansible_playbook_python }}"}
    (tmp_path / "play.yml").write_text(json.dumps(play))
    (tmp_path / "hosts.json").write_text(json.dumps({"all": {"hosts": {"a": host, "b": host}}}))
    options = ["-i", f"{tmp_path}/hosts.json", f"{tmp_path}/play.yml", "--diff", "-v", *args]
    done = ansible_playbook("ansible.posix.json").run(*options)
    assert (done.code != 0) is fails, re.findall(r'"msg": "(.*)"', done.output)
    report, _ = json.JSONDecoder().raw_decode(done.output[done.output.index("{\n") :])
    stats = report["stats"]
    return done.output, {name: stats[name]["changed"] for name in ("a", "b")}


@dataclass(frozen=True)
class Role:
    """The role on the docker hosts ``a`` and ``b``, with the lab's nodes on them."""

    lab: Lab
    tmp_path: Path

    @property
    def manager(self) -> Node:
        return self.lab.nodes["manager1"]

    def on(self, name: str, host: str, role: str = "worker", **more: Any) -> dict[str, Any]:
        node = self.lab.nodes[name]
        return {"name": name, "host": host, "role": role, "socket": node.socket, "address": node.address, **more}

    def three_managers(self) -> list[dict[str, Any]]:
        hosts = {"manager1": "a", "worker1": "b", "worker2": "a"}
        return [self.on(name, host, "manager") for name, host in hosts.items()]

    def state(self, name: str) -> str:
        return str(self.lab.nodes[name].api.info()["Swarm"]["LocalNodeState"])

    def play(
        self, nodes: list[dict[str, Any]], *args: str, fails: bool = False, **variables: Any
    ) -> tuple[str, dict[str, int]]:
        return play_role(self.tmp_path, nodes, *args, fails=fails, **variables)


def test_role_on_several_docker_hosts_and_on_one(lab: Lab, tmp_path: Path) -> None:
    role = Role(lab, tmp_path)
    for node in lab.nodes.values():
        node.api.leave_swarm(force=True)
    fresh_engines_of_two_docker_hosts_become_a_swarm(role)
    no_swarm_is_started_beside_the_one_whose_manager_is_to_go(role)
    a_manager_that_is_made_anew_is_one_again(role)
    a_manager_that_was_taken_off_the_list_comes_back(role)
    a_manager_of_another_docker_host_goes(role)
    all_are_on_one_docker_host(role)


def fresh_engines_of_two_docker_hosts_become_a_swarm(role: Role) -> None:
    manager = role.manager
    three = [role.on("manager1", "a", "manager"), role.on("worker1", "b", labels={"disk": "ssd"})]
    three.append(role.on("worker2", "b"))
    _output, changed = role.play(three, "--check")
    assert changed == {"a": 1, "b": 1}
    assert role.state("manager1") == "inactive"
    output, changed = role.play(three)
    assert roles(manager) == ALL_READY
    assert listed(manager)["worker1"]["Spec"]["Labels"] == {"disk": "ssd"}
    before = versions(manager)
    again, changed = role.play(three)
    assert changed == {"a": 0, "b": 0}
    assert versions(manager) == before
    assert "SWMTKN" not in output + again


def no_swarm_is_started_beside_the_one_whose_manager_is_to_go(role: Role) -> None:
    """The other docker host gets a new manager."""
    role.lab.nodes["worker1"].api.leave_swarm(force=True)
    wanted = [role.on("worker2", "a"), role.on("worker1", "b", "manager")]
    refused, changed = role.play(wanted, fails=True, swarm_member_absent=[role.on("manager1", "a")])
    assert "a has a node that is to leave" in refused
    assert changed == {"a": 0, "b": 0}
    assert role.state("worker1") == "inactive"


def a_manager_that_is_made_anew_is_one_again(role: Role) -> None:
    """It is the other docker host's; its ghost goes."""
    role.play(role.three_managers())
    address = role.lab.nodes["worker1"].address
    role.lab.remove("worker1", volume=True)
    role.lab.create("worker1", address)
    role.lab.wait("worker1")
    role.play(role.three_managers())
    assert set(roles(role.manager).values()) == {("manager", "ready")}


def a_manager_that_was_taken_off_the_list_comes_back(role: Role) -> None:
    """Its machine was away, and comes back with its data: the others have that, too."""
    api = role.manager.api
    role.lab.stop("worker1")
    (away,) = [row for row in api.nodes() if row["Description"]["Hostname"] == "worker1"]

    def take_off_the_list() -> bool:
        with contextlib.suppress(docker.errors.APIError):
            row = api.inspect_node(away["ID"])
            api.update_node(row["ID"], row["Version"]["Index"], {**row["Spec"], "Role": "worker"})
            return bool(api.remove_node(row["ID"], force=True))
        return False

    wait_for("the list without worker1", take_off_the_list, 60)
    role.lab.restart("worker1")
    role.play(role.three_managers())
    assert set(roles(role.manager).values()) == {("manager", "ready")}


def a_manager_of_another_docker_host_goes(role: Role) -> None:
    """What it held is with the others."""
    wanted = [role.on("manager1", "a", "manager"), role.on("worker2", "b")]
    role.play(wanted, swarm_member_absent=[role.on("worker1", "b")])
    assert role.state("worker1") == "inactive"
    assert set(roles(role.manager)) == {"manager1", "worker2"}


def all_are_on_one_docker_host(role: Role) -> None:
    """One module start; who is no longer in the inventory goes."""
    role.play([role.on("manager1", "a", "manager"), role.on("worker1", "a"), role.on("worker2", "a")])
    assert roles(role.manager) == ALL_READY
    _output, changed = role.play([role.on("manager1", "a", "manager"), role.on("worker1", "a")])
    assert changed == {"a": 1, "b": 0}
    assert set(roles(role.manager)) == {"manager1", "worker1"}


def test_blank_managers_join_the_one_that_has_the_data(lab: Lab, tmp_path: Path) -> None:
    """Three managers on two docker hosts, of which the first two are replaced by blank ones."""

    def managers() -> list[dict[str, Any]]:
        hosts = {"manager1": "a", "worker1": "a", "worker2": "b"}
        return [
            {"name": name, "host": host, "role": "manager", "socket": node.socket, "address": node.address}
            for name, host in hosts.items()
            for node in [lab.nodes[name]]
        ]

    play_role(tmp_path, managers())
    holder = lab.nodes["worker2"]
    # swarmkit writes an entry to the disk at once, but that the entry is agreed on only together with the next one
    # (go.etcd.io/etcd, wal.go: Save syncs for entries, votes and terms). A manager that is killed in between has an
    # entry that "from here alone" throws away, so what has to survive is followed by another entry. A manager tells
    # of what its own copy of the swarm has: with the second event both are on the holder's disk.
    began = time.time()

    def told() -> list[Any]:
        return list(holder.api.events(since=began, until=time.time(), filters={"type": "config"}, decode=True))

    for number, config in enumerate(("survives", "follows"), start=1):
        holder.api.create_config(config, b"data")
        until(lambda number=number: len(told()) >= number)
    for name in ("manager1", "worker1"):
        address = lab.nodes[name].address
        lab.remove(name, volume=True)
        lab.create(name, address)
    for name in ("manager1", "worker1"):
        lab.wait(name)
    lab.stop("worker2")
    refused, changed = play_role(tmp_path, managers(), fails=True)
    assert "b: the manager's engine doesn't answer, and no other manager leads a swarm" in refused
    assert changed == {"a": 0, "b": 0}
    lab.restart("worker2")
    refused, changed = play_role(tmp_path, managers(), fails=True, swarm_member_deadline_seconds=5)
    assert "worker2 holds a swarm that can't decide anything" in refused
    assert changed == {"a": 0, "b": 0}
    play_role(tmp_path, managers(), swarm_member_recover_quorum=True)
    assert set(roles(holder).values()) == {("manager", "ready")}
    assert "survives" in [config["Spec"]["Name"] for config in lab.nodes["manager1"].api.configs()]


def has_no_leader(node: Node) -> bool:
    try:
        node.api.nodes()
    except docker.errors.APIError as error:
        return "leader" in str(error)
    return False


def test_the_data_of_two_swarms_stops_the_run(lab: Lab, tmp_path: Path) -> None:
    """Two managers on two docker hosts, each the rest of a swarm of its own."""
    third = lab.nodes["worker1"]
    rests = {"a": lab.nodes["manager1"], "b": lab.nodes["worker2"]}
    for node in (third, *rests.values()):
        node.api.leave_swarm(force=True)
    for node in rests.values():
        node.api.init_swarm(advertise_addr=node.address)
        token = node.api.inspect_swarm()["JoinTokens"]["Manager"]
        third.api.join_swarm([f"{node.address}:2377"], token, advertise_addr=third.address)
        until(lambda node=node: len(node.api.nodes()) == 2)
        third.api.leave_swarm(force=True)
        until(lambda node=node: has_no_leader(node))
    nodes = [
        {"name": node.name, "host": host, "role": "manager", "socket": node.socket, "address": node.address}
        for host, node in rests.items()
    ]
    were = [node.api.info()["Swarm"]["NodeID"] for node in rests.values()]
    for recover in (False, True):
        refused, changed = play_role(tmp_path, nodes, fails=True, swarm_member_recover_quorum=recover)
        assert "a, b hold the data of different swarms" in refused
        assert changed == {"a": 0, "b": 0}
    assert [node.api.info()["Swarm"]["NodeID"] for node in rests.values()] == were
