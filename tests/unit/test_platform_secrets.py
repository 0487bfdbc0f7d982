# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The secrets on the controller: what check mode leaves, and what a run does."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from types import SimpleNamespace

import pytest
from ansible.parsing.dataloader import DataLoader

from ansible_collections.fungap.swarm.plugins.action import platform_secrets
from ansible_collections.fungap.swarm.plugins.action.platform_secrets import ActionModule
from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.plugin_utils.secret_store import SecretsRequest


@pytest.mark.parametrize(("check", "names"), [(True, []), (False, ["ca.crt", "ca.key", "grafana.password"])])
def test_check_mode_writes_nothing(tmp_path: Path, check: bool, names: list[str]) -> None:
    action = ActionModule.__new__(ActionModule)
    action._task, action._loader = SimpleNamespace(check_mode=check), DataLoader()
    folder = tmp_path / "secrets"
    found = action._ensure(SecretsRequest(str(folder), "lab CA", passwords=["grafana"]))
    assert found["changed"]
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == names
    assert folder.exists() is not check


def test_a_run_that_was_stopped_holds_no_other_up_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform_secrets, "LOCK_SECONDS", 0.2)
    other = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(other, fcntl.LOCK_EX)
    with pytest.raises(PlatformError, match="another run has had"), platform_secrets._lock(str(tmp_path)):
        pass
    os.close(other)
    with platform_secrets._lock(str(tmp_path)):
        pass
