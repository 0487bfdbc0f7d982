# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The short and the long forms of what stands in a service of a compose file, and two services merged. Pure.

Merging follows https://github.com/compose-spec/compose-spec/blob/main/13-merge.md.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.plugin_utils.problem import show_key

Json = dict[str, Any]
SHORT_PORT = re.compile(r"(?P<published>[0-9]+):(?P<target>[0-9]+)(?:/(?P<protocol>tcp|udp|sctp))?")


def plain_dollars(value: Any) -> Any:
    """A part of a compose file with ``$$`` as the ``$`` that it means.

    Keys are in the order of the alphabet, in which a revision's record has them: the text is the same from either.
    """
    if isinstance(value, str):
        return value.replace("$$", "$")
    if isinstance(value, Mapping):
        return {key: plain_dollars(value[key]) for key in sorted(value, key=str)}
    return [plain_dollars(one) for one in value] if isinstance(value, list) else value


def pairs(value: Any) -> Json:
    """``NAME=value`` lines, or a mapping, as a mapping."""
    if isinstance(value, Mapping):
        return dict(value)
    return {name: text for name, _equal, text in (str(line).partition("=") for line in value)}


def volume(value: Any) -> Json:
    """A volume in the long form."""
    if isinstance(value, Mapping):
        return dict(value)
    parts = str(value).split(":")
    if len(parts) == 1:
        return {"type": "volume", "target": parts[0]}
    found: Json = {"type": "bind" if parts[0][0] in "./~" else "volume", "source": parts[0], "target": parts[1]}
    for option in parts[2].split(",") if len(parts) > 2 else ():
        if option == "ro":
            found["read_only"] = True
        elif option == "nocopy":
            found["volume"] = {"nocopy": True}
        elif option in ("consistent", "cached", "delegated"):
            found["consistency"] = option
        elif option != "rw":
            found["bind"] = {"propagation": option}
    return found


def item(value: Any) -> Json:
    """A config or a secret in the long form."""
    return dict(value) if isinstance(value, Mapping) else {"source": value}


def item_target(value: Any) -> str:
    one = item(value)
    return str(one.get("target") or one.get("source"))


def port(value: Any, *, ipvs: bool = True) -> Json:
    """A published port in the long form. Without IPVS there is no routing mesh: the port is each node's own."""
    if isinstance(value, Mapping):
        given = dict(value)
    else:
        match = re.fullmatch(rf"(?:{SHORT_PORT.pattern}|(?P<only>[0-9]+)(?:/(?P<same>tcp|udp|sctp))?)", str(value))
        if not match:
            raise PlatformError(f"port {value!r} must look like 8025:25/tcp or be a dict with target and published")
        found = match.groupdict()
        target, protocol = found["target"] or found["only"], found["protocol"] or found["same"]
        given = {"target": int(target), **({"published": int(found["published"])} if found["published"] else {})}
        given.update({"protocol": protocol} if protocol else {})
    try:
        # The docker CLI takes no text for a number.
        target = int(given["target"])
        published = int(given.get("published", target))
    except (KeyError, OverflowError, TypeError, ValueError) as error:
        raise PlatformError("port: target and published must be numbers, and target be there") from error
    mode = given.get("mode", "ingress") if ipvs else "host"
    return {"target": target, "published": published, "protocol": given.get("protocol", "tcp"), "mode": mode}


def _texts(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list) else [value]


# Forms of which there are two: the one in which they are merged.
_FORMS: Mapping[str, Callable[[Any], Any]] = {
    **dict.fromkeys(("environment", "labels", "sysctls", "deploy.labels"), pairs),
    **dict.fromkeys(("dns", "dns_search"), _texts),
}
_REPLACED = ("command", "entrypoint", "healthcheck.test")
# Lists in which each thing is there once: its long form, and what it is known by.
_UNIQUE: Mapping[str, tuple[Callable[[Any], Json], Callable[[Json], Any]]] = {
    "volumes": (volume, lambda one: one.get("target")),
    "configs": (item, item_target),
    "secrets": (item, item_target),
    "ports": (port, lambda one: (one["target"], one["published"], one["protocol"])),
}


def merged(base: Mapping[str, Any], extra: Mapping[str, Any], place: str = "") -> Json:
    """``extra`` on top of ``base``, by compose's rules: mappings are merged, lists are appended.

    Commands are replaced, and so is, in lists of mounts and ports, what has the same target.
    """
    result = dict(base)
    for key, value in extra.items():
        at = below(place, key)
        old = result.get(key)
        if old is None or value is not None:
            result[key] = value if old is None else _both(at, old, value)
    return result


def _both(at: str, old: Any, value: Any) -> Any:
    if at in _REPLACED:
        return value
    if at in _UNIQUE:
        long, known_by = _UNIQUE[at]
        found: dict[Any, Json] = {}
        for one in map(long, (*old, *value)):
            found[known_by(one)] = {**found.get(known_by(one), {}), **one}
        return list(found.values())
    if at in _FORMS:
        old, value = _FORMS[at](old), _FORMS[at](value)
    elif isinstance(old, list) != isinstance(value, list) and at in ("networks", "extra_hosts"):
        old, value = _same_form(at, old), _same_form(at, value)
    if isinstance(old, Mapping) and isinstance(value, Mapping):
        return merged(old, value, at)
    if isinstance(old, list) and isinstance(value, list):
        return [*old, *(one for one in value if one not in old)]
    return value


def _same_form(at: str, value: Any) -> Any:
    """A list beside a mapping: networks as a mapping, for their aliases; hosts as a list, where one may be twice."""
    if at == "networks":
        return dict(value) if isinstance(value, Mapping) else dict.fromkeys(value)
    return value if isinstance(value, list) else [f"{name}:{address}" for name, address in value.items()]


def below(place: str, key: Any) -> str:
    """The place of a key within a mapping."""
    return f"{place}.{show_key(key)}" if place else show_key(key)
