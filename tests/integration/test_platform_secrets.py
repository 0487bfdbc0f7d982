"""platform_secrets as Ansible runs it."""

from __future__ import annotations

import json
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

RunModule = Callable[..., dict[str, Any]]


def arguments(directory: Path) -> dict[str, Any]:
    return {
        "directory": str(directory),
        "certificates": {"registry": {"names": ["registry"], "addresses": ["172.30.0.2"]}},
        "passwords": ["registry"],
        "htpasswd": {"registry": "platform"},
    }


def test_check_real_real_check(run_module: RunModule, tmp_path: Path) -> None:
    directory = tmp_path / "secrets"
    args = arguments(directory)

    would = run_module("platform_secrets", args, check=True)
    assert would["changed"]
    assert not directory.exists()

    did = run_module("platform_secrets", args)
    assert did["changed"]
    assert did["actions"] == would["actions"]
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in directory.iterdir()} == {0o600}
    shown = json.dumps([would, did])
    assert "PRIVATE KEY" not in shown
    assert (directory / "registry.password").read_text().strip() not in shown

    assert not run_module("platform_secrets", args)["changed"]
    assert not run_module("platform_secrets", args, check=True)["changed"]

    (directory / "ca.key").chmod(0o644)
    protected = run_module("platform_secrets", args)
    assert protected["actions"] == [f"protect {directory}/ca.key"]
    assert stat.S_IMODE((directory / "ca.key").stat().st_mode) == 0o600


def test_openssl_agrees(run_module: RunModule, tmp_path: Path) -> None:
    run_module("platform_secrets", arguments(tmp_path / "secrets"))
    verify = ["openssl", "verify", "-x509_strict", "-purpose", "sslserver", "-verify_hostname", "registry"]
    done = subprocess.run(
        [*verify, "-CAfile", "ca.crt", "registry.crt"],
        cwd=tmp_path / "secrets",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_a_refusal_names_the_cure(run_module: RunModule, tmp_path: Path) -> None:
    args = arguments(tmp_path / "secrets")
    run_module("platform_secrets", args)
    (tmp_path / "secrets" / "ca.key").unlink()
    failed = run_module("platform_secrets", args)
    assert failed["failed"]
    assert "ca.key is missing" in failed["msg"]
