"""Nothing of the platform is left, everything else is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests import checkout

PLATFORM = checkout.name("reset")


@pytest.fixture
def neighbour(host: Any) -> Iterator[str]:
    name = f"{PLATFORM}-neighbour"
    yield name
    host.run(f"docker volume rm {name}")


@pytest.mark.parametrize("objects", ["container", "network", "volume"])
def test_the_engine_has_nothing_of_the_platform(host: Any, objects: str) -> None:
    every = "--all" if objects == "container" else ""
    listing = f"docker {objects} ls {every} --quiet"
    assert host.check_output(f"{listing} --filter label=io.fungap.platform={PLATFORM}") == ""
    named = host.check_output(f"{listing} --filter name={PLATFORM}").split()
    assert set(named) <= {f"{PLATFORM}-neighbour"}


@pytest.mark.parametrize("path", [f"/etc/{PLATFORM}", f"/run/{PLATFORM}", f"/etc/docker/certs.d/{PLATFORM}:5000"])
def test_its_folders_are_gone(host: Any, path: str) -> None:
    assert not host.file(path).exists


def test_its_registry_has_no_name_any_more(host: Any) -> None:
    assert PLATFORM not in host.file("/etc/hosts").content_string


def test_a_neighbour_is_left_alone(host: Any, neighbour: str) -> None:
    assert host.run(f"docker volume inspect {neighbour}").rc == 0


def test_the_images_are_kept_for_the_next_time(host: Any) -> None:
    assert host.check_output(f"docker images --quiet '{PLATFORM}:5000/*'") == ""
    assert host.check_output("docker images --quiet fungap/node") != ""
