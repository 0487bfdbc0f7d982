# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""On the controller: from a compose file's text to what is deployed. Pure.

Docker's own schema is checked where the docker CLI is, on the docker host. Here is checked what would make the
deployed stack depend on something other than the file and the given contents: interpolation, files on the docker host,
references to nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from ansible_collections.fungap.swarm.plugins.module_utils.core.digest import plain_digest, secret_digest
from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.module_utils.stack.compose import (
    FOLLOWED_VERSION,
    FOLLOWS,
    FULL_NAMES,
    version_of,
)
from ansible_collections.fungap.swarm.plugins.module_utils.stack.plan import fingerprint
from ansible_collections.fungap.swarm.plugins.plugin_utils import compose_service

MAX_TEXT_BYTES = 200_000  # a record holds the file twice, and the services' specs beside it, in at most 1 MB
MAX_CONTENT_BYTES = {"config": 1_000_000, "secret": 500_000}
_VERSION = "3.9"  # what the oldest supported CLI (20.10) knows; without one it takes the file for version 1


class _Loader(yaml.SafeLoader):
    """YAML as Docker reads it: 22:22 is a text and no number to the base of 60, a date is a text."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag.rsplit(":", 1)[1] not in ("int", "float", "timestamp")]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:int",
    re.compile(r"[-+]?(0b[01_]+|0o?[0-7_]+|0x[0-9a-fA-F_]+|0|[1-9][0-9_]*)$"),
    list("-+0123456789"),
)
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$"),
    list("-+0123456789."),
)


class _Dumper(yaml.SafeDumper):
    """Texts of several lines as blocks, nothing by reference, lists indented."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002
        super().increase_indent(flow, False)


_Dumper.add_representer(
    str,
    lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None),
)


@dataclass(frozen=True)
class Rendered:
    """``compose``: with the names that items have in the swarm; ``text``: the same as YAML; contents by those names."""

    compose: dict[str, Any]
    text: str
    configs: dict[str, str]
    secrets: dict[str, str]


def render(stack: str, compose: Any, configs: Mapping[str, Any], secrets: Mapping[str, Any]) -> Rendered:
    """Fill content-hashed names into a compose file.

    ``compose``: its text, or what such a text holds. ``configs``, ``secrets``: content by the key that the file uses.
    Raises ``PlatformError`` naming every problem that is found.
    """
    if not re.fullmatch(r"[a-z0-9]([a-z0-9_-]{0,38}[a-z0-9])?", stack):
        raise PlatformError(
            f"stack name {stack!r}: use at most 40 lower-case letters, digits, - and _, no - or _ at an end"
        )
    parsed = _plain(stack, compose)
    if misshapen := [*_misshapen(parsed)]:
        raise PlatformError(f"stack {stack}: " + "; ".join(misshapen))
    problems = [*_foreign(parsed), *_references(parsed, configs, secrets)]
    contents: dict[str, dict[str, str]] = {"config": {}, "secret": {}}
    for kind, given, digest in (("config", configs, plain_digest), ("secret", secrets, secret_digest)):
        for key, content in given.items():
            if not isinstance(content, str):
                problems.append(f"{kind}s.{key}: give its content as text, not {type(content).__name__}")
                continue
            name = f"{stack}_{key}_{digest(content.encode())}"
            size = len(content.encode())
            if not re.fullmatch(r"[a-zA-Z0-9_.-]+", key) or len(name) > 64:
                problems.append(
                    f"{kind}s.{key}: its name in the swarm, {name}, has more than 64 or other than a-zA-Z0-9_.-"
                )
            if not 0 < size <= MAX_CONTENT_BYTES[kind]:
                problems.append(f"{kind}s.{key}: {size} bytes; swarm takes 1 to {MAX_CONTENT_BYTES[kind]}")
            if (parsed.get(f"{kind}s") or {}).get(key):
                problems.append(
                    f"{kind}s.{key}: given as content and defined in the compose file; leave its definition empty"
                )
            contents[kind][name] = content
            parsed[f"{kind}s"] = {**(parsed.get(f"{kind}s") or {}), key: {"external": True, "name": name}}
    if problems:
        raise PlatformError(f"stack {stack}: " + "; ".join(problems))
    for leader in dict.fromkeys((parsed.get(FOLLOWS) or {}).values()):
        definition = parsed["services"][leader]
        definition["environment"] = {
            **(definition.get("environment") or {}),
            FOLLOWED_VERSION: version_of(parsed, leader),
        }
    parsed = {"version": _VERSION, **parsed}
    text = yaml.dump(parsed, Dumper=_Dumper, sort_keys=False, width=120, allow_unicode=True)
    if len(text.encode()) > MAX_TEXT_BYTES:
        raise PlatformError(
            f"stack {stack}: the compose file has {len(text.encode())} bytes, more than {MAX_TEXT_BYTES}"
        )
    return Rendered(parsed, text, contents["config"], contents["secret"])


def as_wanted(rendered: Rendered, args: Mapping[str, Any], seen: Mapping[str, Any]) -> bool:
    """Whether an earlier look at the stack shows that a deploy of this has nothing to do.

    ``args``: the parameters of ``swarm_stack``. ``seen``: the stack as ``platform_info`` returns it.
    """
    if not seen.get("settled") or seen["settled"] != fingerprint(rendered.compose, rendered.text):
        return False
    recorded = next(row["release"] for row in seen["revisions"] if row["number"] == seen["in_force"])
    base = args.get("base_revision")
    return (not args.get("release") or args["release"] == recorded) and (base is None or int(base) == seen["in_force"])


def _plain(stack: str, compose: Any) -> dict[str, Any]:
    if isinstance(compose, str):
        try:
            compose = yaml.load(str(compose), Loader=_Loader)
        except yaml.YAMLError as error:
            raise PlatformError(f"stack {stack}: the compose file is not YAML: {error}") from error
    if not isinstance(compose, Mapping) or not isinstance(compose.get("services"), Mapping) or not compose["services"]:
        raise PlatformError(f"stack {stack}: compose is not a compose file: it has no services")
    try:
        plain: dict[str, Any] = json.loads(json.dumps(compose))
    except (TypeError, ValueError) as error:
        raise PlatformError(f"stack {stack}: the compose file holds what compose files can't: {error}") from error
    return plain


def _misshapen(compose: Mapping[str, Any]) -> Iterator[str]:
    """What is read here and has not the shape that it needs. Which keys there are, Docker's own schema says."""
    for name, service in compose["services"].items():
        for one in compose_service.misshapen(service):
            if not one.is_ours:
                yield f"services.{name}{one.place and '.' + one.place}: {one.problem}; {one.cure}"
    for section in ("configs", "networks", "secrets", "volumes"):
        found = compose.get(section) or {}
        if not isinstance(found, Mapping):
            yield f"{section}: must be a mapping"
            continue
        for key, definition in found.items():
            if definition is not None and not isinstance(definition, Mapping):
                yield f"{section}.{key}: must be a mapping"


def _foreign(compose: Mapping[str, Any]) -> Iterator[str]:
    """What would be taken from the environment or from files of the docker host."""
    for path, text in _texts(compose):
        if re.sub(r"\$\$", "", text).count("$"):
            yield f"{path}: has a lone $, which Docker would replace from its environment: write $$"
    for name, service in compose["services"].items():
        if "env_file" in service:
            yield f"services.{name}.env_file: a file on the docker host; use environment, configs or secrets"
    for kind in ("configs", "secrets"):
        for key, definition in (compose.get(kind) or {}).items():
            if isinstance(definition, Mapping) and "file" in definition:
                yield f"{kind}.{key}.file: a file on the docker host; give the content in the parameter {kind}"


def _texts(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _texts(inner, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _texts(inner, f"{path}[{index}]")


def _references(compose: Mapping[str, Any], configs: Mapping[str, Any], secrets: Mapping[str, Any]) -> Iterator[str]:
    """References to nothing (Docker finds them when half of the stack is made), contents that nothing refers to."""
    yield from _undefined_items(compose, "configs", configs)
    yield from _undefined_items(compose, "secrets", secrets)
    yield from _undefined_full_names(compose)
    yield from _undefined_networks(compose)
    yield from _undefined_leaders(compose)


def _undefined_items(compose: Mapping[str, Any], kind: str, given: Mapping[str, Any]) -> Iterator[str]:
    """Of configs or secrets. ``given``: their contents by the key that the file uses."""
    used = set()
    for name, service in compose["services"].items():
        for reference in service.get(kind) or []:
            key = reference.get("source") if isinstance(reference, Mapping) else reference
            used.add(key)
            if key not in given and not (compose.get(kind) or {}).get(key):
                yield f"services.{name}.{kind}: {key} is not defined"
    for key in sorted(set(given) - used):
        yield f"{kind}.{key}: no service uses it"


def _undefined_leaders(compose: Mapping[str, Any]) -> Iterator[str]:
    found = compose.get(FOLLOWS) or {}
    if not isinstance(found, Mapping) or not all(isinstance(leader, str) for leader in found.values()):
        yield f"{FOLLOWS}: must be a mapping of services to the service that each follows"
        return
    for follower, leader in found.items():
        for name in (follower, leader):
            if name not in compose["services"]:
                yield f"{FOLLOWS}: service {name} is not defined"
        environment = (compose["services"].get(leader) or {}).get("environment") or {}
        if not isinstance(environment, Mapping):
            yield f"services.{leader}.environment: must be a mapping, since {follower} follows the service"


def _undefined_full_names(compose: Mapping[str, Any]) -> Iterator[str]:
    full_names = compose.get(FULL_NAMES) or []
    if not isinstance(full_names, list):
        yield f"{FULL_NAMES}: must be a list of the file's networks"
        return
    for key in full_names:
        if key not in (compose.get("networks") or {}):
            yield f"{FULL_NAMES}: network {key} is not defined"


def _undefined_networks(compose: Mapping[str, Any]) -> Iterator[str]:
    for name, service in compose["services"].items():
        for key in service.get("networks") or []:
            if key != "default" and key not in (compose.get("networks") or {}):
                yield f"services.{name}.networks: {key} is not defined"
