"""A platform of an older release, brought forward by site.yml while visitors use it."""

from __future__ import annotations

import pytest

from ..steps import tell
from .live import Live, check
from .upgrade import RELEASE, Upgrade


@pytest.fixture
def upgraded(live: Live, upgrade: Upgrade | None) -> Upgrade:
    """The upgrade of the platform, which is over."""
    assert live
    if upgrade is None:
        pytest.skip(f"the history of this checkout has no commit of {RELEASE}, or the platform is not the tests' own")
    return upgrade


def test_no_request_is_lost(live: Live, upgraded: Upgrade) -> None:
    tell(f"{RELEASE} was brought forward in {upgraded.run.seconds:.0f} s, {upgraded.run.changed} changed")
    check(upgraded.load, proxies_stop=len(live.nodes))


def test_what_runs_and_what_is_known_is_kept(upgraded: Upgrade) -> None:
    before, after = upgraded.before, upgraded.after
    assert len(before.revisions) == 2
    assert after.revisions[-2:] == before.revisions
    assert (after.image, after.env_volumes) == (before.image, before.env_volumes)
    assert (after.cluster, after.members) == (before.cluster, before.members)
    assert {path: after.secrets.get(path) for path in before.secrets} == before.secrets


@pytest.mark.usefixtures("upgraded")
def test_a_second_run_changes_nothing(live: Live) -> None:
    assert live.play("site.yml").changed == 0


def test_what_the_older_release_recorded_can_be_rolled_back_to(live: Live, upgraded: Upgrade) -> None:
    first = upgraded.before.revisions[-1]
    run = live.operate("rollback", to=first["revision"])
    assert run.code == 0, run.output[-4000:]
    release = live.revision()["release"]
    assert (release["image"], release["env"]) == (first["release"]["image"], first["release"]["env"])
    assert release["env"] != upgraded.before.revisions[0]["release"]["env"]
