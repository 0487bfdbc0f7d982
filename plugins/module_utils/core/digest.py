# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What tells one secret content from another where everybody may read it: in names, labels and logs. Pure."""

from __future__ import annotations

import hashlib
from functools import lru_cache

# 30 ms or so for each guess. Every controller comes to the same, so there is no key that one of them could lack.
ROUNDS = 100_000
_SALT = b"fungap.swarm"
VERSION_BYTES = 6


@lru_cache(maxsize=64)
def secret_digest(content: bytes) -> str:
    """12 hex digits of PBKDF2 with SHA-256 (RFC 8018), slow on purpose: nobody tries out short secrets by it."""
    return hashlib.pbkdf2_hmac("sha256", content, _SALT, ROUNDS, VERSION_BYTES).hex()


def plain_digest(content: bytes) -> str:
    """The first 12 hex digits of the SHA-256: for what is no secret."""
    return hashlib.sha256(content).hexdigest()[: 2 * VERSION_BYTES]
