# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is told of an import, and what a service of a compose file stands in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ansible_collections.fungap.swarm.plugins.plugin_utils.compose_import.variables import References


@dataclass(frozen=True, order=True)
class Note:
    """What is not carried, or asks for somebody: where, why, and what to do."""

    place: str
    reason: str
    cure: str

    def __str__(self) -> str:
        return f"{self.place}: {self.reason}; {self.cure}"


@dataclass(frozen=True)
class Around:
    """What a service stands in.

    ``beside``: by a path as the compose file says it, ``file``, ``folder`` or ``nothing``. ``env_files``: by service,
    what its env files give. ``unread``: by service, its env files that are not there.
    """

    refer: References
    beside: Mapping[str, str] = field(default_factory=dict)
    env_files: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    unread: Mapping[str, list[str]] = field(default_factory=dict)
