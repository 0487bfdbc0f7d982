"""Word for whoever follows a module."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from ansible_collections.fungap.swarm.plugins.module_utils.core.progress import Progress


def tell_often(path: str) -> None:
    progress = Progress(path)
    for number in range(300):
        progress.tell(f"{number} of 300")


def test_runs_that_wait_for_the_same_lock_tell_so_at_the_same_moment(tmp_path: Path) -> None:
    with ProcessPoolExecutor(4) as pool:
        list(pool.map(tell_often, [f"{tmp_path}/.web.progress"] * 4))
    assert [file.name for file in tmp_path.iterdir()] == [".web.progress"]
    assert (tmp_path / ".web.progress").read_text() == "299 of 300"
