"""hosts_entry as Ansible runs it, on this machine's file system."""

from __future__ import annotations

import stat
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

RunModule = Callable[..., dict[str, Any]]


def test_check_real_real_check(run_module: RunModule, tmp_path: Path) -> None:
    hosts = tmp_path / "hosts"
    hosts.write_text("127.0.0.1 localhost\n")
    hosts.chmod(0o664)
    args = {"path": str(hosts), "owner": "ours", "entry": "172.30.0.2 registry"}
    would = run_module("hosts_entry", args, check=True)
    assert would["changed"]
    assert hosts.read_text() == "127.0.0.1 localhost\n"
    did = run_module("hosts_entry", args)
    assert did["changed"]
    assert did["diff"] == would["diff"]
    assert hosts.read_text() == did["diff"]["after"]
    assert "172.30.0.2 registry" in hosts.read_text()
    assert stat.S_IMODE(hosts.stat().st_mode) == 0o664
    assert not run_module("hosts_entry", args)["changed"]
    assert not run_module("hosts_entry", args, check=True)["changed"]
    assert run_module("hosts_entry", {"path": str(hosts), "owner": "ours"})["changed"]
    assert hosts.read_text() == "127.0.0.1 localhost\n"
    assert list(tmp_path.iterdir()) == [hosts]


def test_runs_at_one_time_keep_each_others_entries(run_module: RunModule, tmp_path: Path) -> None:
    hosts = tmp_path / "hosts"
    hosts.write_text("127.0.0.1 localhost\n")
    owners = [f"platform{number}" for number in range(8)]
    with ThreadPoolExecutor(len(owners)) as pool:
        for done in pool.map(
            lambda owner: run_module(
                "hosts_entry", {"path": str(hosts), "owner": owner, "entry": f"192.0.2.1 {owner}"}
            ),
            owners,
        ):
            assert done["changed"]
    assert sorted(line for line in hosts.read_text().splitlines() if line.startswith("192")) == [
        f"192.0.2.1 {owner}" for owner in owners
    ]


def test_a_mount_is_written_in_its_place(run_module: RunModule, tmp_path: Path) -> None:
    """As in a container, whose hosts file can't be replaced."""
    inside, outside = tmp_path / "hosts", tmp_path / "outside"
    inside.touch()
    outside.write_text("127.0.0.1 localhost\n" + "# a comment that is longer than what takes its place\n" * 9)
    subprocess.run(["mount", "--bind", outside, inside], check=True)
    try:
        args = {"path": str(inside), "owner": "ours", "entry": "172.30.0.2 registry"}
        assert run_module("hosts_entry", args)["changed"]
        assert outside.read_text().endswith("# BEGIN ours\n172.30.0.2 registry\n# END ours\n")
        assert run_module("hosts_entry", {"path": str(inside), "owner": "ours"})["changed"]
        assert "ours" not in outside.read_text()
        assert sorted(path.name for path in tmp_path.iterdir()) == ["hosts", "outside"]
    finally:
        subprocess.run(["umount", inside], check=True)


@pytest.mark.parametrize(
    "line",
    ["10.0.0.5 vm registry", "# BEGIN other-registry\n10.0.0.5 registry\n# END other-registry"],
    ids=["somebody's", "another platform's"],
)
def test_a_name_that_is_taken_is_refused(run_module: RunModule, tmp_path: Path, line: str) -> None:
    hosts = tmp_path / "hosts"
    hosts.write_text(f"127.0.0.1 localhost\n{line}\n")
    args = {"path": str(hosts), "owner": "ours", "entry": "172.30.0.2 registry"}
    for check in (True, False):
        failed = run_module("hosts_entry", args, check=check)
        assert failed["failed"]
        assert f"{hosts} says that registry is 10.0.0.5" in failed["msg"]
        assert "choose another name" in failed["msg"]
    assert hosts.read_text() == f"127.0.0.1 localhost\n{line}\n"
    # The same address is no clash, and taking one's own away is nobody's concern.
    assert run_module("hosts_entry", {**args, "entry": "10.0.0.5 registry"})["changed"]
    assert run_module("hosts_entry", {"path": str(hosts), "owner": "ours"})["changed"]


def test_without_a_file(run_module: RunModule, tmp_path: Path) -> None:
    failed = run_module("hosts_entry", {"path": f"{tmp_path}/hosts", "owner": "ours", "entry": "192.0.2.1 a"})
    assert failed["failed"]
    assert f"{tmp_path}/hosts is no text file (absent)" in failed["msg"]
