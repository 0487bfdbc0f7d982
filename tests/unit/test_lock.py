"""Locks between runs: one holder at a time, named while it works, noticed when it was killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from ansible_collections.fungap.swarm.plugins.module_utils.core import lock
from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.module_utils.core.lock import acquire_lock, holder

HOLD = """
import sys, time
from ansible_collections.fungap.swarm.plugins.module_utils.core.lock import acquire_lock
with acquire_lock(sys.argv[1], "a deploy by me", wait_seconds=0):
    print("held", flush=True)
    time.sleep(60)
"""


def test_one_at_a_time(tmp_path: Path) -> None:
    path = str(tmp_path / "folder" / ".web.lock")
    assert holder(path) == ""
    heard: list[str] = []
    with acquire_lock(path, "the first", wait_seconds=0) as left:
        assert left == ""
        assert holder(path) == "the first"
        with (
            pytest.raises(PlatformError, match="the first is still at work after 0 s of waiting"),
            acquire_lock(path, "the second", wait_seconds=0),
        ):
            pass
        assert holder(path) == "the first"

        def second() -> None:
            with acquire_lock(path, "the second", wait_seconds=30, waiting=heard.append):
                heard.append("got it")

        thread = threading.Thread(target=second)
        thread.start()
        while not heard:
            pass
    thread.join()
    assert heard[0] == "the first"
    assert heard[-1] == "got it"
    assert holder(path) == ""


def test_a_killed_holder_is_noticed(tmp_path: Path) -> None:
    path = str(tmp_path / ".web.lock")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    child = subprocess.Popen([sys.executable, "-c", HOLD, path], stdout=subprocess.PIPE, env=environment)
    assert child.stdout
    assert child.stdout.readline() == b"held\n"
    assert holder(path) == "a deploy by me"
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdout.close()
    assert holder(path) == ""
    with acquire_lock(path, "the next", wait_seconds=0) as left:
        assert left == "a deploy by me"
    with acquire_lock(path, "one more", wait_seconds=0) as left:
        assert left == ""


def test_nobody_else_can_hold_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who can open a file, if only to read, can lock it."""
    path = tmp_path / "locks" / ".web.lock"
    path.parent.mkdir(mode=0o755)
    path.touch(mode=0o644)
    with acquire_lock(str(path), "a deploy", wait_seconds=0):
        assert path.stat().st_mode & 0o777 == 0o600
    monkeypatch.setattr(lock, "FOLDER", str(tmp_path / "new"))
    with acquire_lock(str(tmp_path / "new" / "hosts.lock"), "an entry", wait_seconds=0):
        assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / ".web.lock").symlink_to(tmp_path / "elsewhere")
    with (
        pytest.raises(OSError, match="symbolic links"),
        acquire_lock(str(tmp_path / ".web.lock"), "a deploy", wait_seconds=0),
    ):
        pass
    assert not (tmp_path / "elsewhere").exists()
