# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Names of archives, which of them stay, and what their SHA-256 is trusted by. Pure."""

from __future__ import annotations

import hmac
import re
from collections.abc import Iterable
from datetime import datetime

from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError

# A comment to sha256sum.
SIGNED = "# signed: "


def archive_name(volume: str, now: datetime) -> str:
    """What an archive of a volume is called, made ``now`` (UTC)."""
    return f"{volume}-{now:%Y%m%dT%H%M%SZ}.tar"


def archives(names: Iterable[str], volume: str) -> list[str]:
    """The archives of a volume among a folder's names, oldest first."""
    pattern = re.compile(rf"{re.escape(volume)}-\d{{8}}T\d{{6}}Z\.tar")
    return sorted(name for name in names if pattern.fullmatch(name))


def archives_to_delete(names: Iterable[str], volume: str, keep: int) -> list[str]:
    """The archives that go, so that the newest ``keep`` stay; 0 keeps all."""
    found = archives(names, volume)
    return found[:-keep] if keep > 0 else []


def signed_sha256(name: str, sha256: str, key: str) -> str:
    """What the file beside an archive says: a line of ``sha256sum``, and that line's HMAC-SHA256."""
    line = f"{sha256}  {name}\n"
    return f"{line}{SIGNED}{hmac.new(key.encode(), line.encode(), 'sha256').hexdigest()}\n"


def trusted_sha256(text: str, name: str, key: str) -> str:
    """The SHA-256 of the archive ``name`` in what ``signed_sha256`` made; raises where ``key`` did not sign it."""
    if SIGNED not in text:
        raise PlatformError(f"{name}.sha256 is not signed: whoever can write the archive can have written it, too")
    sha256 = text.partition(" ")[0]
    if not hmac.compare_digest(text.encode(), signed_sha256(name, sha256, key).encode()):
        raise PlatformError(
            f"the signature in {name}.sha256 is wrong: it was changed, the archive has another name, or another key "
            "signed it (of another controller, or of secrets that were lost)"
        )
    return sha256
