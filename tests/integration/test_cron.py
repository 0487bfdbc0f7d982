"""The scheduler of the apps' cron on three managers, two of which die as leaders: each slot is run exactly once."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from swarm_exporter.cron.model import State, parse_states
from swarm_exporter.cron.samples import cron_samples

from ansible_collections.fungap.swarm.plugins.module_utils.stack.model import parse_scheduled_runs

from ..waiting import until, wait_for
from .conftest import Lab, Node

ROOT = Path(__file__).resolve().parents[2]
Run = Callable[..., dict[str, Any]]
NAMES = ("manager1", "manager2", "manager3")
VOLUME = "cron-runs"
SCHEDULES = {
    "tick": {"command": ["sh", "-c", 'echo "$VERSION" >>/runs/log'], "deadline_seconds": 60},
    "fails": {"command": ["sh", "-c", "exit 3"], "deadline_seconds": 60},
    "slow": {"command": ["sleep", "1000"], "deadline_seconds": 10},
}
# Until the next slot, and what a swarm may take to find another leader.
SLOT_SECONDS = 100


class Site:
    """Three managers with the scheduler on each, and an app."""

    def __init__(self, lab: Lab, image: str) -> None:
        self.lab, self.image = lab, image
        lab.start(*NAMES)
        content = b"".join(lab.outer.api.get_image(image))  # by its name, so with it
        for name in NAMES:
            lab.nodes[name].api.load_image(content)
        first = lab.nodes[NAMES[0]]
        first.api.init_swarm(advertise_addr=first.address, listen_addr=first.address)
        token = first.api.inspect_swarm()["JoinTokens"]["Manager"]
        for name in NAMES[1:]:
            node = lab.nodes[name]
            node.api.join_swarm([first.address], token, listen_addr=node.address, advertise_addr=node.address)

    def nodes(self) -> list[Node]:
        return list(self.lab.nodes.values())

    @property
    def manager(self) -> Node:
        """One that answers with a leader."""

        def one() -> Node | None:
            for node in self.nodes():
                try:
                    if any((row.get("ManagerStatus") or {}).get("Leader") for row in node.api.nodes()):
                        return node
                except Exception:  # it is down, or looks for a leader
                    continue
            return None

        found = until(one, 60)
        assert found, "no manager has a leader"
        return found

    def leader(self) -> str:
        rows = self.manager.api.nodes()
        return next(row["Description"]["Hostname"] for row in rows if (row.get("ManagerStatus") or {}).get("Leader"))

    def create(self, spec: dict[str, Any]) -> str:
        api: Any = self.manager.api
        return str(api._result(api._post_json(api._url("/services/create"), data=spec), json=True)["ID"])

    def app(self, version: str) -> dict[str, Any]:
        """The app's service, with a volume of each node."""
        said = {"schedule": "* * * * *", "timezone": "Asia/Seoul", "overlap": "forbid"}
        label = json.dumps({name: {**said, **one} for name, one in SCHEDULES.items()})
        return {
            "Name": "shop_web",
            "Labels": {"com.docker.stack.namespace": "shop", "io.fungap.cron": label},
            "TaskTemplate": {
                "ContainerSpec": {
                    "Image": self.image,
                    "Command": ["/bin/sh", "-c", 'exec "$@"', "sh"],
                    "Args": ["sleep", "100000"],
                    "Env": [f"VERSION={version}"],
                    "Mounts": [{"Type": "volume", "Source": VOLUME, "Target": "/runs"}],
                },
            },
            "Mode": {"Replicated": {"Replicas": 1}},
            "EndpointSpec": {"Mode": "dnsrr"},
        }

    def scheduler(self) -> dict[str, Any]:
        socket = {"Type": "bind", "Source": "/var/run/docker.sock", "Target": "/var/run/docker.sock"}
        container = {"Image": self.image, "Command": ["python3", "-m", "swarm_exporter.cron"], "Mounts": [socket]}
        return {
            "Name": "cron_scheduler",
            "Labels": {"com.docker.stack.namespace": "cron"},
            "TaskTemplate": {"ContainerSpec": container, "Placement": {"Constraints": ["node.role == manager"]}},
            "Mode": {"Global": {}},
            "EndpointSpec": {"Mode": "dnsrr"},
        }

    def states(self) -> dict[str, State]:
        return parse_states(self.manager.api.configs(filters={"label": "io.fungap.cron.state"}))

    def count(self, schedule: str, result: str) -> int:
        state = self.states().get(f"shop/{schedule}")
        return state.counts.get(result, 0) if state else 0

    def runs(self, schedule: str) -> list[int]:
        """The slots that a service was made for."""
        found = self.manager.api.services(filters={"label": f"io.fungap.cron.run=shop/{schedule}"})
        return sorted(int(one["Spec"]["Labels"]["io.fungap.cron.slot"]) for one in found)

    def written(self) -> Counter[str]:
        """What has run, on whichever node, and how often."""
        lines: list[str] = []
        for node in self.nodes():
            host = node.api.create_host_config(binds=[f"{VOLUME}:/runs"])
            words = ["sh", "-c", "cat /runs/log 2>/dev/null || true"]
            made = node.api.create_container(self.image, entrypoint=words, volumes=["/runs"], host_config=host)
            node.api.start(made["Id"])
            node.api.wait(made["Id"])
            lines += node.api.logs(made["Id"], stdout=True, stderr=False).decode().splitlines()
            node.api.remove_container(made["Id"])
        return Counter(lines)

    def logs(self) -> str:
        """What the schedulers have said, for a failure's message."""
        found = []
        for node in self.nodes():
            for one in node.api.containers(all=True, filters={"label": "com.docker.swarm.service.name=cron_scheduler"}):
                found.append(f"{node.name}: {node.api.logs(one['Id'], tail=30).decode()}")
        return "\n".join(found)


@pytest.fixture(scope="module")
def image(run_module: Run) -> str:
    """The exporter's image, by the catalog."""
    text = (ROOT / "roles/images/defaults/main.yml").read_text().replace("{{ role_path }}", str(ROOT / "roles/images"))
    made = run_module("image_catalog", {"catalog": yaml.safe_load(text)["images_catalog"], "names": ["swarm-exporter"]})
    assert "images" in made, made
    return str(made["images"]["swarm-exporter"]["image"])


@pytest.fixture(scope="module")
def site(shared_engines: Lab, image: str) -> Iterator[Site]:
    site = Site(shared_engines, image)
    site.create(site.app("1"))
    site.create(site.scheduler())
    yield site
    print(site.logs())


def next_slot() -> float:
    """Seconds until the next full minute."""
    return 60 - time.time() % 60


def test_each_slot_is_run_once_while_leaders_die(site: Site) -> None:
    wait_for("a run", lambda: site.count("tick", "succeeded") >= 1, SLOT_SECONDS)
    api = site.manager.api
    service = api.inspect_service("shop_web")
    url = f"/services/{service['ID']}/update?version={service['Version']['Index']}"
    api._result(api._post_json(api._url(url), data=site.app("2")), json=True)  # type: ignore[attr-defined]

    # The first leader dies just before a slot: another one runs it.
    first = site.leader()
    time.sleep(max(next_slot() - 1, 0))
    site.lab.stop(first)
    before = site.runs("tick")
    wait_for("its run by another leader", lambda: len(site.runs("tick")) > len(before), SLOT_SECONDS)
    site.lab.restart(first)
    wait_for("the three", lambda: all(one["Status"]["State"] == "ready" for one in site.manager.api.nodes()), 60)

    # The second one dies when it has just begun the next: nobody begins it again.
    before, second = site.runs("tick"), site.leader()
    wait_for("the next run", lambda: len(site.runs("tick")) > len(before), SLOT_SECONDS)
    site.lab.stop(second)
    wait_for("its end", lambda: not (site.states()["shop/tick"].open), SLOT_SECONDS)
    site.lab.restart(second)

    slots, state = site.runs("tick"), site.states()["shop/tick"]
    assert slots == list(range(slots[0], slots[-1] + 60, 60)), "no slot is left out"
    assert len(slots) >= 3
    assert state.counts.get("missed", 0) == 0, state
    tasks = site.manager.api.tasks(filters={"label": "com.docker.stack.namespace=shop_jobs"})
    assert max(Counter(task["ServiceID"] for task in tasks).values()) == 1
    written = site.written()
    # One whose node died with it may not have got so far as to write.
    assert state.counts["succeeded"] <= sum(written.values()) <= len(slots), (written, state)
    assert written["1"] == 1, "the first, with the environment of then"
    assert written["2"] >= 1, "the others with that of now"


def test_what_fails_is_told(site: Site) -> None:
    wait_for("ends", lambda: site.count("fails", "failed") and site.count("slow", "failed"), SLOT_SECONDS)
    api = site.manager.api
    told = {row["who"]: row for row in reversed(parse_scheduled_runs(api.configs(), "shop"))}
    details = [row["detail"] for row in parse_scheduled_runs(api.configs(), "shop")]
    assert told["cron tick"]["what"] == """sh -c 'echo "$VERSION" >>/runs/log'"""
    assert any("failed: failed on" in detail and "exit code 3" in detail for detail in details), details
    assert any("not at its end after 10 s: running on" in detail for detail in details), details
    configs = api.configs(filters={"label": "io.fungap.cron.state"})
    samples = {(one.name, one.labels): one.value for one in cron_samples(api.services(), parse_states(configs))}
    assert samples["swarm_cron_runs_total", ("shop", "fails", "failed")] >= 1
    assert samples["swarm_cron_last_timestamp_seconds", ("shop", "tick", "succeeded")] > time.time() - 300
    assert samples["swarm_cron_next_timestamp_seconds", ("shop", "tick")] > time.time() - 60


def test_it_goes_with_the_app(site: Site) -> None:
    site.manager.api.remove_service("shop_web")
    wait_for("nothing to be remembered", lambda: not site.states(), 30)
    wait_for("no service of what has ended", lambda: not site.runs("tick") and not site.runs("fails"), 30)
