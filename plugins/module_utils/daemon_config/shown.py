# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What others may see of a daemon.json, in which any text may be a login or have one in it. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ansible_collections.fungap.swarm.plugins.module_utils.core.harmless import HIDDEN, is_harmless, is_name
from ansible_collections.fungap.swarm.plugins.module_utils.daemon_config.model import Config, canonical

SECRET_NAME = re.compile(r"passw|pwd|secret|token|credential|(^|[_-])key$", re.IGNORECASE)
# Words that dockerd has a meaning for: drivers, levels, formats, its own socket.
WORDS = frozenset(
    (
        *("awslogs", "fluentd", "gcplogs", "gelf", "journald", "json-file", "local", "none", "splunk", "syslog"),
        *("btrfs", "devicemapper", "fuse-overlayfs", "overlay2", "overlayfs", "vfs", "zfs"),
        *("debug", "error", "fatal", "info", "panic", "trace", "warn", "warning"),
        *("true", "false", "json", "text", "host", "private", "runc", "fd://"),
        *("native.cgroupdriver=cgroupfs", "native.cgroupdriver=systemd"),
    )
)
# Shorter ones are parts of words.
_TEXT_LENGTH = 4


class Shown:
    """Values as one message shows them. What is hidden is told apart: the second such thing has a 2, and so on."""

    def __init__(self) -> None:
        self._hidden: list[str] = []

    def value(self, value: Any, name: str = "") -> Any:
        """``name``: the key that it has."""
        if SECRET_NAME.search(name):
            return self._hide(value)
        if isinstance(value, Mapping):
            return {self.key(key): self.value(one, key) for key, one in value.items()}
        if isinstance(value, list):
            return [self.value(one) for one in value]
        return value if not isinstance(value, str) or _may_be_seen(value) else self._hide(value)

    def key(self, key: str) -> str:
        return key if is_name(key) else self._hide(key)

    def _hide(self, value: Any) -> str:
        text = canonical(value)
        if text not in self._hidden:
            self._hidden.append(text)
        number = self._hidden.index(text) + 1
        return HIDDEN if number == 1 else f"{HIDDEN[:-1]}, {number})"


def shown_key(key: str) -> str:
    return Shown().key(key)


def without_values(text: str, config: Config) -> str:
    """What a program says of a file, without what may not be seen of it."""
    for one in sorted(_hidden_texts(config), key=len, reverse=True):
        text = text.replace(one, HIDDEN)
    return text


def _may_be_seen(text: str) -> bool:
    return not text or text in WORDS or is_harmless(text)


def _hidden_texts(value: Any, name: str = "") -> set[str]:
    if isinstance(value, Mapping):
        secret = name if SECRET_NAME.search(name) else ""
        below = (_hidden_texts(one, secret or key) for key, one in value.items())
        return {key for key in value if not is_name(key)}.union(*below)
    if isinstance(value, list):
        return set().union(*(_hidden_texts(one, name) for one in value))
    is_hidden = isinstance(value, str) and (SECRET_NAME.search(name) or not _may_be_seen(value))
    return {value} if is_hidden and len(value) >= _TEXT_LENGTH else set()
