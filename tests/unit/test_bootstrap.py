"""The call that bootstraps a base."""

from __future__ import annotations

import subprocess
from pathlib import Path

from ansible_collections.fungap.swarm.plugins.module_utils.image.bootstrap import bootstrap_command
from ansible_collections.fungap.swarm.plugins.module_utils.image.model import Build, Mirrors


def test_bootstrap_command() -> None:
    command = bootstrap_command(
        Build(bootstrap="trixie", packages=("a", "b")), Mirrors("http://m/d", "http://m/s"), "/c"
    )
    assert command[0] == "mmdebstrap"
    assert "--include=a,b" in command
    assert command[-5:] == [
        "trixie",
        "-",
        "deb http://m/d trixie main",
        "deb http://m/d trixie-updates main",
        "deb http://m/s trixie-security main",
    ]


def test_hooks_leave_no_documentation(tmp_path: Path) -> None:
    for folder in ("etc/dpkg/dpkg.cfg.d", "usr/share/doc/a", "usr/share/zoneinfo", "usr/local/share/ca-certificates"):
        (tmp_path / folder).mkdir(parents=True)
    command = bootstrap_command(Build(bootstrap="trixie"), Mirrors(), str(tmp_path / "no-authorities"))
    for hook in command:
        if hook.startswith("--customize-hook="):
            subprocess.run(["sh", "-c", hook.partition("=")[2], "hook", str(tmp_path)], check=True)
    assert not list((tmp_path / "usr/share/doc").iterdir())
    assert (tmp_path / "usr/share/zoneinfo").exists()
    assert "path-exclude=/usr/share/man/*\n" in (tmp_path / "etc/dpkg/dpkg.cfg.d/exclude").read_text()
