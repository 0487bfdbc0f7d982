"""No request is lost while a platform is changed, or while a node dies. Requests sent = good answers.

But for what nothing can save: a POST that a node was answering at the moment it died.
"""

from __future__ import annotations

import json
import time
from collections import Counter

from ..load.live import Live, Run, check
from ..steps import tell
from ..waiting import wait_for


def ok(run: Run) -> None:
    assert run.code == 0, run.output[-4000:]
    tell(f"(the playbook took {run.seconds:.0f} s)")


def test_deploy_of_a_new_version_and_rollback(live: Live) -> None:
    image = live.image_from("second", "ENV APP_VERSION=2.0.0")
    with live.load("deploy of a new version") as load:
        ok(live.operate("deploy", image=image))
    check(load)
    assert len(load.report["versions"]) == 2
    with live.load("rollback") as load:
        ok(live.operate("rollback"))
    check(load)
    assert len(load.report["versions"]) == 2


def test_change_of_the_env_file(live: Live) -> None:
    with live.load("change of the env file") as load:
        ok(live.operate("deploy", env_file=live.env_file("GREETING=Hello again\n")))
    check(load)


def test_scale_up_and_down(live: Live) -> None:
    with live.load("scale from 3 to 5") as load:
        ok(live.operate("scale", replicas=5))
    check(load)
    assert len(load.report["replicas"]) == 5
    with live.load("scale from 5 to 3") as load:
        ok(live.operate("scale", replicas=3))
    # Swarm removes a superfluous replica together with its log.
    check(load, is_logged=False)


def test_drain_of_a_node(live: Live) -> None:
    worker = live.workers[0]
    with live.load("drain of a node, and back") as load:
        live.set_availability(worker, "drain")
        member = live.members()[worker]["ID"]
        wait_for("an empty node", lambda: not live.manager.tasks(filters={"node": member, "desired-state": "running"}))
        wait_for("three replicas elsewhere", lambda: len(live.running()) == 3)
        # The proxy of the node lets those finish that it is serving.
        time.sleep(9)
        live.set_availability(worker, "active")
        live.settle()
    check(load, proxies_stop=1)


def test_a_new_route(live: Live) -> None:
    app = {**live.base, "hosts": [*live.base["hosts"], "second.localhost"]}
    with live.load("a new route of the proxy") as load:
        live.play("site.yml", "--tags", "proxy", "-e", json.dumps({"apps": {**live.variables["apps"], "web": app}}))
    check(load)


def test_a_worker_dies(live: Live) -> None:
    with live.load("a worker is killed, and comes back") as load:
        live.kill(live.workers[0], load)
        time.sleep(8)
        live.container(live.workers[0]).start()
        live.settle()
    check(load, may_cut=True, is_logged=False)


def test_the_manager_dies(live: Live) -> None:
    with live.load("the manager is killed, and comes back") as load:
        live.kill(live.managers[0], load)
        time.sleep(8)
        live.container(live.managers[0]).start()
        live.settle()
    check(load, may_cut=True, is_logged=False)


def test_a_worker_vanishes_silently(live: Live) -> None:
    """No goodbye, no reset, as by a power cut. What was on its way there can't be saved; the rest goes elsewhere."""
    with live.load("a worker vanishes from the network, and comes back") as load:
        with live.cut_off(live.workers[0]):
            gone = time.time()
            time.sleep(25)
        live.settle()
    report = load.report
    lost = [(kind, sent - gone) for kind, sent, _ in report["lost"]]
    by_kind = Counter(kind for kind, _ in lost)
    last = max([after for _, after in lost], default=0)
    tell(
        f"lost: {len(lost)} of {report['sent']} {dict(by_kind)}, the last one sent {last:.1f} s after the node vanished"
    )
    # Over a kept connection a GET is sent again as well, but the next one may lead there, too.
    late = [(kind, sent - gone) for kind, sent, _ in report["late"]]
    assert [after for kind, after in lost + late if kind == "new" and after > 0] == []
    assert load.posts_done_twice == {}
