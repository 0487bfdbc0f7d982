# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A swarm that holds less than it was known to."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from ansible_collections.fungap.swarm.plugins.action.platform_reset import why_no_memory
from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.module_utils.memory.model import (
    Memory,
    highest_revisions,
    missing,
    of_platform,
    parse_all,
    refusal,
    to_be_held,
)
from ansible_collections.fungap.swarm.plugins.module_utils.memory.operation import forget, memory_path, recall
from ansible_collections.fungap.swarm.plugins.plugin_utils.controllers_memory import remember, remember_stack

ROOT = Path(__file__).resolve().parents[2]
WEB = Memory("web", 7, "c1", "2026-11-28T10:00:00Z", ("manager1", "worker1"))
PROXY = Memory("proxy", 2, "c1", "2026-11-27T10:00:00Z", ("manager1",))


@pytest.mark.parametrize(
    ("revisions", "lacks"),
    [
        ({"web": 7, "proxy": 2}, []),
        ({"web": 9, "proxy": 2, "other": 1}, []),
        (
            {"web": 6, "proxy": 2},
            ["of stack web, revision 6 is the highest, and 7 was recorded at 2026-11-28T10:00:00Z"],
        ),
        ({"web": 7}, ["of stack proxy, there is no record, and 2 was recorded at 2026-11-27T10:00:00Z"]),
        ({}, ["of stack proxy, there is no record", "of stack web, there is no record"]),
    ],
)
def test_what_is_missing(revisions: dict[str, int], lacks: list[str]) -> None:
    found = missing([WEB, PROXY], revisions)
    assert len(found) == len(lacks)
    assert all(one.startswith(start) for one, start in zip(found, lacks, strict=True))


def test_the_highest_of_each_stack_counts() -> None:
    def config(**labels: str) -> dict[str, object]:
        return {"Spec": {"Labels": {f"io.fungap.{key}": value for key, value in labels.items()}}}

    configs = [config(stack="web", revision="9"), config(stack="web", revision="10"), config(stack="web"), config()]
    assert highest_revisions([*configs, {"Spec": {}}]) == {"web": 10}


def test_a_refusal_says_what_is_missing_and_the_ways_out() -> None:
    text = refusal(missing([WEB], {}), [WEB])
    for part in ("swarm c1 (nodes manager1, worker1)", "7 was recorded at", "from a copy", "bring back a manager"):
        assert part in text
    assert text.endswith("-e swarm_member_begin_anew=c1")


LATER = Memory("web", 12, "c1", "2026-11-29T10:00:00Z", ("manager1",))
ELSEWHERE = Memory("web", 12, "c2", "2026-11-29T10:00:00Z", ("manager1",))
AGAIN = Memory("web", 1, "c1", "2026-11-30T10:00:00Z", ("manager1",))
OLD = Memory("web", 9, "c0", "2026-11-01T10:00:00Z", ("manager1",))


@pytest.mark.parametrize(
    ("here", "elsewhere", "revisions", "lacking"),
    [
        pytest.param([], [], {}, [], id="a new platform"),
        pytest.param([], [WEB, PROXY], {}, ["proxy", "web"], id="a blank disk"),
        pytest.param([], [WEB, PROXY], {"web": 5, "proxy": 2}, ["web"], id="an older copy of the data"),
        pytest.param([], [WEB], {"proxy": 1}, ["web"], id="a part of it, or another controller has just begun anew"),
        pytest.param([PROXY], [WEB], {"proxy": 2}, [], id="another controller took a stack away"),
        pytest.param([], [WEB], {"web": 7}, [], id="the folder alone was lost"),
        pytest.param([WEB], [OLD], {"web": 7}, [], id="the docker host knows better"),
        pytest.param([WEB], [OLD], {}, ["web"], id="the docker host knows it, too"),
        pytest.param([WEB], [LATER], {"web": 7}, ["web"], id="the docker host was put back from an older copy"),
        pytest.param([WEB], [LATER], {"web": 12}, [], id="another manager's docker host has the rest"),
        pytest.param([WEB], [ELSEWHERE], {"web": 7}, [], id="the controller knows another swarm"),
        pytest.param([AGAIN], [LATER], {"web": 1}, [], id="another controller took it away and deployed it again"),
    ],
)
def test_whose_memory_counts(
    here: list[Memory], elsewhere: list[Memory], revisions: dict[str, int], lacking: list[str]
) -> None:
    lacks = missing(to_be_held(here, elsewhere), revisions)
    assert [one.split(",")[0] for one in lacks] == [f"of stack {stack}" for stack in lacking]


def test_a_controller_remembers_the_highest_revision_whatever_became_of_it() -> None:
    rows = [{"number": 6, "when": "before"}, {"number": 7, "when": WEB.since}]
    seen = {
        "cluster_id": "c1",
        "nodes": [{"name": "manager1"}, {"name": "worker1"}],
        "stacks": {"web": {"in_force": 6, "revisions": rows}, "none": {"in_force": 0, "revisions": []}},
    }
    assert of_platform(seen) == [WEB]
    assert parse_all(WEB.dump() + PROXY.dump()) == [WEB, PROXY]


@pytest.mark.parametrize(
    "text",
    ["", WEB.dump()[:-20], WEB.dump() + PROXY.dump()[:9], "no memory\n", "[]", "null", "7", '"x"', '{"stack": "web"}'],
)
def test_what_is_broken_remembers_nothing_but_is_not_taken_for_that(text: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no whole memory|empty"):
        parse_all(text)
    path = Path(memory_path(str(tmp_path), "web"))
    path.parent.mkdir()
    path.write_text(text)
    with pytest.raises(PlatformError, match=f"{path} is to tell .* is broken: .* from a copy; or, .* remove it"):
        recall(str(tmp_path))
    assert why_no_memory(str(path)).startswith("it is not what a controller remembers")


def test_it_is_kept_beside_the_compose_file_and_forgotten_on_demand(tmp_path: Path) -> None:
    assert recall(str(tmp_path / "nowhere")) == []
    for memory in (WEB, PROXY):
        path = Path(memory_path(str(tmp_path), memory.stack))
        path.parent.mkdir()
        path.write_text(memory.dump())
    (tmp_path / "killed").mkdir()
    assert recall(str(tmp_path)) == [PROXY, WEB]
    forget(str(tmp_path))
    assert recall(str(tmp_path)) == []


def test_a_controllers_file_is_known_by_what_it_says(tmp_path: Path) -> None:
    (tmp_path / "file").write_text(WEB.dump() + PROXY.dump())
    (tmp_path / "link").symlink_to("file")
    assert why_no_memory(str(tmp_path / "file")) == ""
    assert why_no_memory(str(tmp_path / "link")) == why_no_memory(str(tmp_path)) == "it is no regular file"


def test_a_release_adds_to_what_the_controller_remembers(tmp_path: Path) -> None:
    path = tmp_path / "in-force.json"
    # It has never seen the whole platform (Jenkins' agent, say).
    remember_stack(str(path), WEB)
    assert list(tmp_path.iterdir()) == []
    remember(str(path), [PROXY, WEB])
    newer = replace(WEB, revision=8, since="2026-11-29T10:00:00Z")
    remember_stack(str(path), newer)
    assert parse_all(path.read_text()) == [PROXY, newer]
    remember_stack(str(path), replace(newer, stack="another"))
    assert [one.stack for one in parse_all(path.read_text())] == ["another", "proxy", "web"]
    # Half a memory is nobody's to mend but the operator's.
    path.write_text(WEB.dump()[:20])
    remember_stack(str(path), newer)
    assert path.read_text() == WEB.dump()[:20]
    assert list(tmp_path.iterdir()) == [path]
    remember(str(path), [])
    assert path.read_text() == WEB.dump()[:20]


READ_ONLY = """
import sys
from ansible_collections.fungap.swarm.plugins.plugin_utils.controllers_memory import *
path, text = sys.argv[1:]
remember_stack(path, *parse_all(text))
"""


def test_a_copy_that_can_only_be_read_stays_as_it_is(tmp_path: Path) -> None:
    """Jenkins' agent has the secrets so. The rollout that is to be noted is done by then."""
    path = tmp_path / "in-force.json"
    remember(str(path), [WEB])
    inside = 'mount --bind -o ro "$1" "$1" && shift && exec "$@"'
    newer = replace(WEB, revision=8).dump()
    command = ["unshare", "--mount", "sh", "-c", inside, "sh", tmp_path, sys.executable, "-c", READ_ONLY, path, newer]
    done = subprocess.run(command, cwd=ROOT, env={**os.environ, "PYTHONPATH": "collections"}, capture_output=True)
    if b"ermission denied" in done.stderr or b"not permitted" in done.stderr:
        pytest.skip("no mounts of one's own: run as root")
    assert done.stderr == b""
    assert parse_all(path.read_text()) == [WEB]


def test_two_releases_at_once_forget_nothing(tmp_path: Path) -> None:
    path = tmp_path / "in-force.json"
    remember(str(path), [PROXY])
    stacks = [f"app{number}" for number in range(20)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda stack: remember_stack(str(path), replace(WEB, stack=stack)), stacks))
    assert {one.stack for one in parse_all(path.read_text())} == {"proxy", *stacks}
