"""daemon_config as Ansible runs it, on this machine's file system."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

RunModule = Callable[..., dict[str, Any]]
THEIRS = {"data-root": "/srv/docker", "http-proxy": "http://u:hunter2@proxy.example.com"}


def test_check_real_real_check(run_module: RunModule, tmp_path: Path) -> None:
    file = tmp_path / "daemon.json"
    file.write_text(json.dumps(THEIRS))
    args = {
        "path": str(file),
        "docker_socket": str(tmp_path / "none.sock"),
        "platform": "fungap",
        "defaults": {"log-driver": "json-file", "log-opts": {"max-size": "10m"}, "mtu": 1500},
        "daemon": {"mtu": None, "live-restore": True},
    }
    would = run_module("daemon_config", args, check=True)
    assert would["changed"]
    assert json.loads(file.read_text()) == THEIRS

    did = run_module("daemon_config", args)
    assert (did["actions"], did["diff"], did["restart"]) == (would["actions"], would["diff"], False)
    assert json.loads(file.read_text()) == {
        **THEIRS,
        "live-restore": True,
        "log-driver": "json-file",
        "log-opts": {"max-size": "10m"},
    }
    assert "max-size" in json.dumps(did["diff"])
    assert "hunter2" not in json.dumps(did)

    assert not run_module("daemon_config", args)["changed"]
    assert not run_module("daemon_config", args, check=True)["changed"]


def test_what_contradicts_is_refused(run_module: RunModule, tmp_path: Path) -> None:
    file = tmp_path / "daemon.json"
    file.write_text('{"mtu": 1450}')
    args = {"path": str(file), "docker_socket": str(tmp_path / "none.sock"), "platform": "fungap"}
    for check in (True, False):
        failed = run_module("daemon_config", {**args, "daemon": {"mtu": 1500}}, check=check)
        assert failed["failed"]
        assert "mtu is 1450, and 1500 is wanted: set docker_engine_mtu" in failed["msg"]
    assert [path.name for path in tmp_path.iterdir()] == ["daemon.json"]
