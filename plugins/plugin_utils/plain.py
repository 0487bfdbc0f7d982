# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible hands over types of its own (tagged texts, lazy containers, vault strings); libraries want Python's."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ansible_collections.fungap.swarm.plugins.plugin_utils.problem import texts_of

_NAME = re.compile(r"[A-Za-z_]\w*")
# Ansible's class of a value that is encrypted in its place: until 2.18, and since 2.19.
_ENCRYPTED = ("AnsibleVaultEncryptedUnicode", "EncryptedString")


def is_encrypted(value: Any) -> bool:
    """Whether a value, as the inventory has it, is one of ``!vault``."""
    return any(kind.__name__ in _ENCRYPTED for kind in type(value).__mro__)


def plain(value: Any) -> Any:
    """Return the value made of Python's own types; what ``!vault`` encrypts is decrypted."""
    if is_encrypted(value):
        return str(value)
    if isinstance(value, Mapping):
        return {plain(key): plain(item) for key, item in value.items()}
    if value is None or isinstance(value, bool):
        return value
    for kind in (int, float):
        if isinstance(value, kind):
            return kind(value)
    if isinstance(value, Iterable) and not isinstance(value, (str, bytes)):
        return [plain(item) for item in value]
    return str.__str__(value) if isinstance(value, str) else str(value)


def texts_from_vault(written: Any, resolved: Any, variables: Mapping[str, Any]) -> Iterator[str]:
    """The texts in a resolved value that come from a vault.

    ``written``: the value as the inventory has it. ``variables``: the host's, as written; those that a template names
    count with what they are made of, and so does every name that begins with vault.
    """
    if isinstance(written, Mapping) and isinstance(resolved, Mapping):
        for key in written:
            yield from texts_from_vault(written[key], resolved.get(key), variables)
    elif isinstance(written, (list, tuple)) and isinstance(resolved, list) and len(written) == len(resolved):
        for one, other in zip(written, resolved, strict=True):
            yield from texts_from_vault(one, other, variables)
    elif _is_from_vault(written, variables, set()):
        yield from texts_of(resolved)


def _is_from_vault(written: Any, variables: Mapping[str, Any], seen: set[str]) -> bool:
    if is_encrypted(written):
        return True
    # Not what merely looks like a mapping: hostvars would resolve all that every host has.
    if isinstance(written, dict):
        return any(_is_from_vault(item, variables, seen) for item in written.values())
    if isinstance(written, (list, tuple)):
        return any(_is_from_vault(item, variables, seen) for item in written)
    if not isinstance(written, str) or "{{" not in written:
        return False
    names = set(_NAME.findall(written)) - seen
    seen |= names
    return any(name.startswith("vault") or _is_from_vault(variables.get(name), variables, seen) for name in names)
