# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What lies on disk of a swarm that an engine is in."""

from __future__ import annotations

import mmap
import os
import ssl
from contextlib import ExitStack, suppress

from ansible_collections.fungap.swarm.plugins.module_utils.member.model import SwarmData
from ansible_collections.fungap.swarm.plugins.module_utils.member.raft import RaftLog, read


def read_swarm_data(folder: str) -> SwarmData:
    """What lies in a folder ``swarm`` of an engine's data."""
    raft, certificate = os.path.join(folder, "raft"), os.path.join(folder, "certificates", "swarm-node.crt")
    is_managers, unreadable = False, ""
    try:
        is_managers = bool(os.listdir(raft))
    except FileNotFoundError:
        # Who listens may be out of sight (another PID namespace), and its root with it.
        if not os.path.isdir(os.path.dirname(folder)):
            unreadable = f"{os.path.dirname(folder)} is not there"
    except OSError as error:
        unreadable = str(error)
    names: dict[str, str] = {}
    with suppress(OSError, ssl.SSLError):  # there is none, or half of one
        # The standard library reads a certificate's names nowhere else.
        decoded = ssl._ssl._test_decode_cert(certificate)  # type: ignore[attr-defined]
        names = {key: value for part in decoded["subject"] for key, value in part}
    return SwarmData(is_managers, names.get("commonName", ""), names.get("organizationName", ""), unreadable)


def read_raft_log(folder: str) -> RaftLog | None:
    """How far the copy of the swarm goes that lies in a folder ``swarm`` of an engine's data."""
    logs = os.path.join(folder, "raft", "wal-v3-encrypted")
    try:
        with ExitStack() as opened:
            files = [opened.enter_context(open(os.path.join(logs, name), "rb")) for name in sorted(os.listdir(logs))]
            # 64 MB each, most of it zeros.
            maps = [mmap.mmap(one.fileno(), 0, access=mmap.ACCESS_READ) for one in files if one.name.endswith(".wal")]
            return read(memoryview(opened.enter_context(one)) for one in maps)
    except (OSError, ValueError):  # there is none, or an empty one
        return None
