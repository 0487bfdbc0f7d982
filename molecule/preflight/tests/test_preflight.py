"""It looked, and left nothing behind."""

from __future__ import annotations

from typing import Any

from tests.checkout import name

PLATFORM = name("preflight")


def test_nothing_was_made(host: Any) -> None:
    assert host.check_output(f"docker ps --all --quiet --filter label=io.fungap.platform={PLATFORM}") == ""
    assert host.check_output(f"docker network ls --quiet --filter name={PLATFORM}") == ""
    assert host.check_output(f"docker volume ls --quiet --filter name={PLATFORM}") == ""
    for path in (f"/etc/{PLATFORM}", f"/run/{PLATFORM}"):
        assert not host.file(path).exists
