"""config_files as Ansible runs it, on this machine's file system."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

RunModule = Callable[..., dict[str, Any]]
SECRET = 'hunter2 "quoted"\nsecond line of it\n'


def test_check_real_real_check(run_module: RunModule, tmp_path: Path) -> None:
    args = {
        "directories": [{"path": f"{tmp_path}/x", "mode": "0700"}],
        "files": [
            {"path": f"{tmp_path}/x/open.yml", "content": "key: value\n", "validate": "grep -q key %s"},
            {"path": f"{tmp_path}/x/password", "content": SECRET, "secret": True},
        ],
        "absent": [f"{tmp_path}/old"],
    }
    (tmp_path / "old").write_text("old")

    would = run_module("config_files", args, check=True)
    assert would["changed"]
    assert not (tmp_path / "x").exists()
    assert (tmp_path / "old").exists()

    did = run_module("config_files", args)
    assert did["changed"]
    assert did["actions"] == would["actions"]
    assert did["diff"] == would["diff"]
    assert did["changed_files"] == [f"{tmp_path}/x/open.yml", f"{tmp_path}/x/password", f"{tmp_path}/old"]
    assert "key: value" in did["diff"]["after"]
    assert (tmp_path / "x" / "password").read_text() == SECRET
    assert stat.S_IMODE((tmp_path / "x" / "password").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "x").stat().st_mode) == 0o700
    assert not (tmp_path / "old").exists()
    for shown in (json.dumps(would), json.dumps(did)):
        assert "hunter2" not in shown
        assert "second line" not in shown

    assert not run_module("config_files", args)["changed"]
    assert not run_module("config_files", args, check=True)["changed"]


def test_one_bad_file_keeps_all_out(run_module: RunModule, tmp_path: Path) -> None:
    args = {
        "files": [
            {"path": f"{tmp_path}/good", "content": "new"},
            {"path": f"{tmp_path}/bad", "content": "new", "validate": "grep -q old %s"},
        ]
    }
    failed = run_module("config_files", args)
    assert failed["failed"]
    assert f"the new {tmp_path}/bad is not valid" in failed["msg"]
    assert list(tmp_path.iterdir()) == []


def test_a_command_that_failed_is_tried_again(run_module: RunModule, tmp_path: Path) -> None:
    args = {
        "files": [{"path": f"{tmp_path}/a", "content": "new"}],
        "after_change": ["test", "-e", f"{tmp_path}/ready"],
        "pending_marker": f"{tmp_path}/.pending",
    }
    failed = run_module("config_files", args)
    assert "ended with 1" in failed["msg"]
    assert (tmp_path / "a").read_text() == "new"
    (tmp_path / "ready").touch()
    assert run_module("config_files", args)["changed"]
    assert not run_module("config_files", args)["changed"]
