# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What helps an engine that holds a swarm's data and can't lead it. Pure."""

from __future__ import annotations

import re

# What an engine says of a swarm that it can't lead -> what helps. The last one helps with the rest.
REPAIRS = (
    (
        r"can't be looked at: .*(denied|not permitted|is not there)",
        "run this where the engine's data can be read: as root, in the PID namespace of the engine",
    ),
    (r"no space left", "free space on its disk, then restart the engine"),
    # Before what a path may be called: raft's own folders are wal-v3-encrypted and snap-v3-encrypted.
    (
        r"permission denied|not permitted|read-only",
        "let it write to its folder again (mount, owner, mode), then restart the engine",
    ),
    (
        r"certificate.*expired|expired.*certificate|x509",
        "its certificate is out of date: restart the engine with the machine's clock set back to before its end, or "
        "let it start again alone with recover_quorum: true",
    ),
    (r"unlock|is encrypted", "give its unlock_key"),
    (
        r"corrupt|crc|\bwal|\bsnap|unexpected EOF|not a directory|input/output error",
        "put back the folder `swarm` of the engine's data from a copy, with the engine stopped, then start it",
    ),
    (r"", "look at the engine's log, mend what it names, and restart it"),
)


def repair(error: str) -> str:
    """What to do about an engine that holds a swarm's data and says this."""
    return next(cure for pattern, cure in REPAIRS if re.search(pattern, error, re.IGNORECASE))
