"""How far a manager's copy of the swarm goes, by what lies on its disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.fungap.swarm.plugins.module_utils.member.on_disk import read_raft_log
from ansible_collections.fungap.swarm.plugins.module_utils.member.raft import RaftLog, newest, read


def number(value: int) -> bytes:
    """As protobuf writes it."""
    found = b""
    while value > 127:
        value, found = value >> 7, found + bytes([value & 127 | 128])
    return found + bytes([value])


def message(*fields: int | bytes) -> bytes:
    return b"".join(
        bytes([key << 3]) + number(value)
        if isinstance(value, int)
        else bytes([key << 3 | 2]) + number(len(value)) + value
        for key, value in enumerate(fields, 1)
    )


def record(kind: int, data: bytes) -> bytes:
    """As etcd writes it: filled up to 8 bytes, and so said in the length."""
    content = message(kind, 0xDEADBEEF, data)
    padding = -len(content) % 8
    length = len(content) | ((0x80 | padding) << 56 if padding else 0)
    return length.to_bytes(8, "little") + content + bytes(padding)


def entry(term: int, index: int, said: bytes = b"encrypted") -> bytes:
    return record(2, message(0, term, index, said * index))


def state(term: int, agreed: int) -> bytes:
    return record(3, message(term, 2**64 - 1, agreed))


def snapshot(term: int, index: int) -> bytes:
    return record(5, message(index, term))


HEAD = record(4, b"") + record(1, b"metadata")
ZEROS = bytes(4096)
LOG = HEAD + snapshot(0, 0) + entry(1, 1) + entry(2, 2) + state(2, 1) + entry(2, 300) + state(2, 2)


@pytest.mark.parametrize(
    ("files", "agreed", "last"),
    [
        ([LOG], (2, 2), (2, 300)),
        ([LOG + ZEROS], (2, 2), (2, 300)),
        ([LOG + ZEROS, HEAD + state(3, 300) + entry(3, 301) + ZEROS], (2, 300), (3, 301)),
        # Entries that a later leader didn't know are written over.
        ([LOG + entry(3, 3) + state(3, 3)], (3, 3), (3, 3)),
        # Behind a snapshot, with nothing since; and with the entries that follow it.
        ([HEAD + snapshot(4, 10000) + state(4, 10000)], (4, 10000), (4, 10000)),
        ([HEAD + snapshot(4, 10000) + entry(4, 10001) + state(4, 10000)], (4, 10000), (4, 10001)),
        # The part of a record, as a crash leaves it.
        ([LOG + entry(2, 301)[:30]], (2, 2), (2, 300)),
    ],
)
def test_how_far_a_log_goes(tmp_path: Path, files: list[bytes], agreed: tuple[int, int], last: tuple[int, int]) -> None:
    assert read(files) == RaftLog(agreed, last)
    folder = tmp_path / "raft" / "wal-v3-encrypted"
    folder.mkdir(parents=True)
    for sequence, content in enumerate(files):
        (folder / f"{sequence:016x}-{sequence * 10000:016x}.wal").write_bytes(content)
    (folder / "0.tmp").write_bytes(b"not yet")
    assert read_raft_log(str(tmp_path)) == RaftLog(agreed, last)


@pytest.mark.parametrize(
    "files",
    [
        [],
        [b""],
        [ZEROS],
        [b"what a disk left of it " * 1000],
        [HEAD + snapshot(0, 0)[:8] + b"\xff" * 200],
        [HEAD + entry(1, 1)],
        # Agreed on, and not there.
        [HEAD + snapshot(0, 0) + entry(1, 1) + state(1, 7)],
    ],
)
def test_a_log_that_does_not_tell(tmp_path: Path, files: list[bytes]) -> None:
    assert read(files) is None
    assert read_raft_log(str(tmp_path)) is None


@pytest.mark.parametrize(
    ("logs", "name"),
    [
        ({}, None),
        ({"a": RaftLog((1, 1), (1, 1))}, "a"),
        ({"a": None}, None),
        ({"a": RaftLog((1, 1), (1, 1)), "b": None}, None),
        ({"a": RaftLog((1, 1), (1, 1)), "b": RaftLog((1, 1), (1, 2))}, "b"),
        ({"a": RaftLog((1, 1), (1, 3)), "b": RaftLog((1, 2), (1, 2))}, None),
    ],
)
def test_which_log_has_all_of_the_others(logs: dict[str, RaftLog | None], name: str | None) -> None:
    assert newest(logs) == name
