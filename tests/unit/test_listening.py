# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether a replica that no health check of ours asks can be reached, as the kernel shows it."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.fungap.swarm.plugins.module_utils.stack.listening import Listener, listeners, why_unreachable
from ansible_collections.fungap.swarm.plugins.module_utils.stack.listening_look import Doubt, container_tables
from ansible_collections.fungap.swarm.plugins.module_utils.stack.watch import Look, watch

from .test_plan_rollout import NODES, OLD, ONCE, SHOT, Clock, service, task, unwanted

TCP = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0B00007F:A30F 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 24385366 1 0 100 0 0 10 0
   1: 0100007F:0BB8 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1500        0 24385524 1 0 100 0 0 10 0
   2: 0202000A:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 24385525 1 0 100 0 0 10 0
   3: 0202000A:C350 0302000A:0BB9 01 00000000:00000000 00:00000000 00000000     0        0 24385526 1 0 20 4 30 10 -1
"""
TCP6 = """\
  sl  local_address                         remote_address                        st tx_queue rx_queue
   0: 00000000000000000000000001000000:0BB8 00000000000000000000000000000000:0000 0A 00000000:00000000
   1: 0000000000000000FFFF00000202000A:0050 00000000000000000000000000000000:0000 0A 00000000:00000000
   2: 00000000000000000000000000000000:0051 00000000000000000000000000000000:0000 0A 00000000:00000000
   3: B80D0120000000000000000001000000:0052 00000000000000000000000000000000:0000 0A 00000000:00000000
"""
FOUND = [
    Listener("127.0.0.1", 3000),
    Listener("10.0.2.2", 8080),
    Listener("::1", 3000),
    Listener("10.0.2.2", 80),
    Listener("::", 81),
    Listener("2001:db8::1", 82),
]


def test_what_listens_is_read_from_the_kernels_tables() -> None:
    assert listeners([TCP, TCP6]) == FOUND
    assert listeners([]) == []


@pytest.mark.parametrize(
    ("port", "found", "why"),
    [
        (8080, FOUND, ""),
        (81, FOUND, ""),
        (3000, [Listener("0.0.0.0", 3000)], ""),
        (3000, [*FOUND, Listener("10.0.1.2", 3000)], ""),
        (3000, FOUND, "the app listens on 127.0.0.1 ::1 only, port 3000: it has to listen on 0.0.0.0"),
        (3000, [Listener("0.0.0.0", 8080)], "nothing listens on port 3000; the app listens on 8080"),
        (3000, [], "nothing listens on port 3000"),
    ],
)
def test_what_others_do_not_reach_is_named(port: int, found: list[Listener], why: str) -> None:
    assert why_unreachable(port, found) == why


def test_the_tables_are_those_of_the_container(tmp_path: Path) -> None:
    for process, container in (("7", "aaa"), ("8", "bbb"), ("self", "bbb")):
        (tmp_path / process / "net").mkdir(parents=True)
        (tmp_path / process / "cgroup").write_text(f"0::/docker/node/docker/{container}\n")
        (tmp_path / process / "net" / "tcp").write_text(f"of {process}")
    assert container_tables("bbb", str(tmp_path)) == ["of 8"]
    assert container_tables("ccc", str(tmp_path)) is None


LOCAL, OPEN = "0100007F:0BB8", "00000000:0BB8"


@pytest.mark.parametrize(
    ("shown", "verdict", "seconds"),
    [
        pytest.param([OPEN], "converged", 0, id="at once"),
        pytest.param([None], "converged", 0, id="on another machine"),
        pytest.param(["", "", OPEN], "converged", 0.3, id="in a moment"),
        pytest.param([LOCAL], "stuck", 9, id="never"),
    ],
)
def test_a_service_that_nobody_reaches_has_not_converged(shown: list[str | None], verdict: str, seconds: float) -> None:
    clock, queue = Clock(), list(shown)

    def table(_container: str) -> list[str] | None:
        one = queue.pop(0) if len(queue) > 1 else queue[0]
        return None if one is None else [f"0: {one} 00000000:0000 0A"]

    asked = {"web": {"port": 3000, "within_seconds": 9}, "gone": {"port": 1, "within_seconds": 0}}
    look = Look(
        {"web": service(1, update_state="completed", update_started="now"), "db": service(0, id="d", name="db")},
        [task(1, container_id="c"), task(1, template=OLD, id="before", desired="shutdown", container_id="o")],
        NODES,
    )
    outcome = watch(
        lambda: look,
        {"web": service(template=OLD, update_started="before")},
        deadline_seconds=lambda _look: 30,
        reconcile=unwanted,
        doubt=Doubt(asked, look=table, clock=clock),
        clock=clock,
        sleep=clock.sleep,
    )
    assert outcome.verdict == verdict
    assert outcome.seconds == pytest.approx(seconds, abs=0.6)
    if verdict == "stuck":
        assert "the app listens on 127.0.0.1 only" in str(outcome.states[1])


@pytest.mark.parametrize(("asked", "verdict"), [({}, "converged"), ({"port": 3000, "within_seconds": 9}, "stuck")])
def test_what_is_to_listen_is_not_done_by_its_end(asked: dict[str, int], verdict: str) -> None:
    """As a one-shot is: visitors would get no answer from then on."""
    clock = Clock()
    look = Look({"web": ONCE}, [task(1, "complete", SHOT)], NODES)
    outcome = watch(
        lambda: look,
        {"web": ONCE},
        deadline_seconds=lambda _look: 30,
        reconcile=unwanted,
        doubt=Doubt({"web": asked} if asked else {}, clock=clock),
        clock=clock,
        sleep=clock.sleep,
    )
    assert (outcome.verdict, outcome.seconds) == (verdict, 0)
    assert outcome.states[0].detail.startswith("the app ended" if asked else "done")
