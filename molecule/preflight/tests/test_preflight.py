"""It looked, and left nothing behind."""

from __future__ import annotations

from typing import Any


def test_nothing_was_made(host: Any) -> None:
    assert host.check_output("docker ps --all --quiet --filter label=io.fungap.platform=mol-preflight") == ""
    assert host.check_output("docker network ls --quiet --filter name=mol-preflight") == ""
    assert host.check_output("docker volume ls --quiet --filter name=mol-preflight") == ""
    for path in ("/etc/mol-preflight", "/run/mol-preflight"):
        assert not host.file(path).exists
