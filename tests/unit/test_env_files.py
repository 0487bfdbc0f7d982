# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is read out of a volume, and what was written into it, is what its name says; else it is refused."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import pytest

from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.module_utils.docker.engine import Engine
from ansible_collections.fungap.swarm.plugins.module_utils.env_volume.files import read_version, write_version
from ansible_collections.fungap.swarm.plugins.module_utils.env_volume.model import EnvFile, Owner, files_in

FILE = EnvFile(".env", b"A=hunter2\r\n\xc3\xbc", Owner(1000, 1001))
CHANGED = [
    EnvFile(".env", b"A=hunter3\n", FILE.owner),
    EnvFile(".env", FILE.content, Owner()),
    EnvFile("env", FILE.content, FILE.owner),
]


class Volume:
    """What is used of an engine. ``loses``: what is written doesn't get there."""

    def __init__(self, file: EnvFile | None, *, loses: bool = False) -> None:
        self.archive, self.loses, self.containers = file.tar(0) if file else b"", loses, self

    @contextmanager
    def helper(self, _image: None, _labels: Any, *, volume: str, target: str) -> Iterator[str]:
        assert (volume, target) == (f"web_env_{FILE.version}", "/env")
        yield "helper"

    def read_archive(self, _helper: str, _path: str) -> Iterator[bytes] | None:
        return iter([self.archive[:700], self.archive[700:]]) if self.archive else None

    def write_archive(self, _helper: str, _path: str, archive: bytes) -> None:
        self.archive = self.archive if self.loses else archive


def test_a_file_comes_out_of_a_tar_as_it_went_in() -> None:
    assert files_in(FILE.tar(1)) == [FILE]
    assert "hunter" not in repr(FILE)


def test_a_version_goes_from_one_volume_into_another() -> None:
    other = Volume(None)
    read = read_version(cast(Engine, Volume(FILE)), "n1", "web", FILE.version)
    write_version(cast(Engine, other), "n2", "web", FILE.version, read)
    assert files_in(other.archive) == [FILE]


@pytest.mark.parametrize("changed", CHANGED)
def test_what_was_changed_by_hand_is_not_passed_on(changed: EnvFile) -> None:
    with pytest.raises(
        PlatformError, match=f"web_env_{FILE.version} on n1 does not hold what its name says"
    ) as refused:
        read_version(cast(Engine, Volume(changed)), "n1", "web", FILE.version)
    assert f"--label-rm fungap.env.web.{FILE.version} n1" in refused.value.message
    assert "hunter" not in refused.value.message


@pytest.mark.parametrize("there", [None, *CHANGED])
def test_what_did_not_arrive_is_not_offered(there: EnvFile | None) -> None:
    with pytest.raises(PlatformError, match="on n2 does not hold what was written into it"):
        write_version(cast(Engine, Volume(there, loses=True)), "n2", "web", FILE.version, FILE)
