"""What reset takes away, and what it leaves."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.fungap.swarm.plugins.module_utils.reset.plan import SeenPlatform, listing, plan_reset

SEEN = SeenPlatform(
    containers=["fungap-worker1", "fungap-manager1"],
    networks=["fungap"],
    volumes=["fungap-manager1"],
    images=["fungap/node:1"],
    pushed=["registry:5000/proxy:1"],
    paths=["/etc/fungap"],
)
NOTHING = SeenPlatform((), (), (), (), (), ())
ALWAYS = [
    "remove container fungap-manager1",
    "remove container fungap-worker1",
    "remove network fungap",
    "remove path /etc/fungap",
]


@pytest.mark.parametrize(
    ("seen", "volumes", "images", "leave", "expected"),
    [
        pytest.param(NOTHING, True, True, False, [], id="nothing there"),
        pytest.param(SEEN, False, False, False, ALWAYS, id="data stays unless asked for"),
        pytest.param(
            SEEN,
            True,
            False,
            False,
            [*ALWAYS[:3], "remove volume fungap-manager1", "remove image registry:5000/proxy:1", ALWAYS[3]],
            id="data on request, and what names the registry's data",
        ),
        pytest.param(
            SEEN, False, True, False, [*ALWAYS[:3], "remove image fungap/node:1", ALWAYS[3]], id="images on request"
        ),
        pytest.param(NOTHING, False, False, True, ["leave the swarm"], id="an engine that is a node leaves"),
    ],
)
def test_plan(seen: SeenPlatform, volumes: bool, images: bool, leave: bool, expected: list[str]) -> None:
    actions = plan_reset(seen, volumes=volumes, images=images, leave_swarm=leave)
    assert [str(action) for action in actions] == expected


def test_listing() -> None:
    left = {"/etc/docker/certs.d/r:1": "it belongs to platform other", "/x on the controller": "it is no regular file"}
    seen = replace(SEEN, left=left)
    kept = listing("fungap", seen, plan_reset(seen, volumes=False, images=False, leave_swarm=True))
    assert kept == [
        "remove containers: fungap-manager1, fungap-worker1",
        "remove networks: fungap",
        "remove folders, with what is in them: /etc/fungap",
        "leave the swarm: the docker host's own engine",
        "keep volumes: fungap-manager1 (-e reset_volumes=true removes them)",
        "keep /etc/docker/certs.d/r:1: it belongs to platform other",
        "keep /x on the controller: it is no regular file",
    ]
    seen = replace(SEEN, memories=["/inventory/.secrets/in-force-fungap.json"])
    removed = listing("fungap", seen, plan_reset(seen, volumes=True, images=False, leave_swarm=False))
    assert "remove volumes, with the data on them: fungap-manager1" in removed
    assert (
        removed[-1] == "remove what the controller remembers to be in force: /inventory/.secrets/in-force-fungap.json"
    )
    assert listing("fungap", NOTHING, []) == ["nothing to remove: there is nothing of platform fungap here"]
