# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How far a manager's copy of the swarm goes, by its write-ahead log. Pure.

The log is etcd's (go.etcd.io/etcd, server/storage/wal): files of records, each a length and a protobuf message.
Swarmkit encrypts what an entry says, and nothing else of it, so terms and indexes can be read without the key.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

ENTRY, STATE, SNAPSHOT = 2, 3, 5  # types of records

# (term, index) of an entry. Of two logs of one swarm, the one with the greater has more.
Position = tuple[int, int]


@dataclass(frozen=True)
class RaftLog:
    """``agreed``: the last entry that was agreed on, ``last``: the last at all.

    A manager that starts again alone throws away what comes behind ``agreed``.
    """

    agreed: Position
    last: Position

    def has_all_of(self, other: RaftLog) -> bool:
        return self.agreed >= other.agreed and self.last >= other.last

    def as_lists(self) -> list[list[int]]:
        """As it travels through a playbook."""
        return [list(self.agreed), list(self.last)]


def newest(logs: Mapping[str, RaftLog | None]) -> str | None:
    """The first whose log has all that the others have. None: it can't be told."""
    known = {name: log for name, log in logs.items() if log}
    if len(known) < len(logs):
        return None
    return next((name for name, log in known.items() if all(map(log.has_all_of, known.values()))), None)


def read(files: Iterable[bytes | memoryview]) -> RaftLog | None:
    """From the files of a write-ahead log, in their order. None: they don't tell, or are broken."""
    terms: dict[int, int] = {}
    agreed, last = 0, (0, 0)
    try:
        for content in files:
            for kind, data in _records(content):
                said = _numbers(data) if kind in (ENTRY, STATE, SNAPSHOT) else {}
                if kind == ENTRY:
                    last = said[2], said[3]
                    terms[last[1]] = last[0]
                elif kind == SNAPSHOT:
                    terms[said[1]] = said[2]
                    last = max(last, (said[2], said[1]))
                elif kind == STATE:
                    agreed = said[3]
    except (LookupError, ValueError):
        return None
    return RaftLog((terms[agreed], agreed), last) if agreed in terms else None


def _records(content: bytes | memoryview) -> Iterator[tuple[int, bytes]]:
    """(type, data) of each record. Behind the last one there are zeros, or the part of one that was being written."""
    at = 0
    while at + 8 <= len(content):
        field = int.from_bytes(content[at : at + 8], "little")
        size = field & ((1 << 56) - 1)
        padding = field >> 56 & 7 if field >> 63 else 0
        if not field or at + 8 + size > len(content):
            return
        record = dict(_fields(bytes(content[at + 8 : at + 8 + size])))
        kind, data = record[1], record.get(3, b"")
        if not isinstance(kind, int) or not isinstance(data, bytes):
            raise ValueError("no record")
        yield kind, data
        at += 8 + size + padding


def _numbers(message: bytes) -> dict[int, int]:
    return {key: value for key, value in _fields(message) if isinstance(value, int)}


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """(number, value) of each field of a protobuf message that has numbers and bytes alone."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        value, at = _varint(message, at)
        if key & 7 == 0:
            yield key >> 3, value
        elif key & 7 == 2:
            yield key >> 3, message[at : at + value]
            at += value
        else:
            raise ValueError(f"a field of type {key & 7}")


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at
