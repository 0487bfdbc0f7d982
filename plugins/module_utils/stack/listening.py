# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether others reach a container's port: the kernel's list of what listens there -> what is wrong. Pure."""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_LISTENS = "0A"
# Docker's own resolver, in every container.
_RESOLVER = "127.0.0.11"


@dataclass(frozen=True)
class Listener:
    """A TCP socket that takes connections."""

    address: str
    port: int


def listeners(tables: Iterable[str]) -> list[Listener]:
    """What listens, from the texts of ``/proc/<pid>/net/tcp`` and ``tcp6``."""
    found = []
    for line in (line for table in tables for line in table.splitlines()):
        fields = line.split()
        if len(fields) < 4 or fields[3] != _LISTENS:
            continue
        address, _colon, port = fields[1].partition(":")
        # Each word of 32 bits is printed as a number of this machine.
        words = f"{len(address) // 8}I"
        ip = ipaddress.ip_address(struct.pack(f"={words}", *struct.unpack(f">{words}", bytes.fromhex(address))))
        mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
        found.append(Listener(str(mapped or ip), int(port, 16)))
    return [one for one in found if one.address != _RESOLVER]


def why_unreachable(port: int, found: Sequence[Listener]) -> str:
    """Why no other container gets an answer on the port; empty where nothing speaks against it."""
    bound = [one.address for one in found if one.port == port]
    if any(not ipaddress.ip_address(address).is_loopback for address in bound):
        return ""
    if bound:
        return f"the app listens on {' '.join(bound)} only, port {port}: it has to listen on 0.0.0.0"
    others = " ".join(str(one) for one in sorted({one.port for one in found}))
    return f"nothing listens on port {port}" + (f"; the app listens on {others}" if others else "")
