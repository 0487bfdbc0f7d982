# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From a compose file, as Docker's parser shows it, to an entry of ``apps`` and entries of the image catalog. Pure.

A compose project is one app: the service that visitors come to is the app itself, the others are its ``services``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.fungap.swarm.plugins.plugin_utils.app import SERVICE
from ansible_collections.fungap.swarm.plugins.plugin_utils.compose_forms import plain_dollars
from ansible_collections.fungap.swarm.plugins.plugin_utils.compose_import.choice import (
    Asked,
    main_service,
    of_the_choice,
    ports_of,
    started,
)
from ansible_collections.fungap.swarm.plugins.plugin_utils.compose_import.images import Images
from ansible_collections.fungap.swarm.plugins.plugin_utils.compose_import.notes import Around, Note
from ansible_collections.fungap.swarm.plugins.plugin_utils.compose_import.service import Carried, carried
from ansible_collections.fungap.swarm.plugins.plugin_utils.compose_import.settings import app_settings

Json = dict[str, Any]
PLACEHOLDER = "GIVE-A-HOST-NAME"
DONE = "service_completed_successfully"


@dataclass
class Imported:
    """``main``: the service that is the app itself."""

    main: str
    app: Json
    images: Json
    notes: list[Note] = field(default_factory=list)


def imported(model: Mapping[str, Any], asked: Asked, around: Around) -> Imported:
    """``model``: with stand-ins for variables (``variables.py``)."""
    services, notes = started(model["services"], asked)
    main = main_service(services, asked)
    port, more = ports_of(main, services, asked)
    notes += more
    images = Images(asked.app, asked.folder, frozenset(asked.catalog), around.refer)
    parts = {name: carried(name, service, around) for name, service in services.items()}
    app: Json = {"image": images.name_of(main, services[main], is_app=True), "port": port}
    app["hosts"] = list(asked.hosts) or [PLACEHOLDER]
    notes += of_the_choice(main, services, asked)
    volumes = _volumes(model, parts, notes)
    settings, of_app = app_settings(main, parts[main], volumes)
    app.update(settings)
    notes += of_app
    before = _before(main, services, parts, app)
    if before:
        app["before"] = plain_dollars(parts[before].definition["command"])
    others = [name for name in services if name not in (main, before)]
    entries = {
        _name_of(name, services, notes): _service(name, services, parts[name], images, volumes) for name in others
    }
    if entries:
        app["services"] = entries
        _alias(app, main, entries)
    for name in services:
        notes += parts[name].notes
    notes += [*images.notes, *_waiting(before, services), *_networks(model)]
    return Imported(main, around.refer.swept(app), around.refer.swept(images.entries), list(dict.fromkeys(notes)))


def _volumes(model: Mapping[str, Any], parts: Mapping[str, Carried], notes: list[Note]) -> dict[str, str]:
    """By the compose file's name of each volume that is mounted, that of the app's."""
    names: dict[str, str] = {}
    for given in dict.fromkeys(name for part in parts.values() for name, _target, _ro in part.volumes):
        name = re.sub(r"[^a-z0-9]+", "-", given.lower()).strip("-")[:28].strip("-") or "data"
        name = f"v{name}" if name[0].isdigit() else f"{name}-data" if name == "env" else name
        while name in names.values():
            name += "2"
        names[given] = name
        definition = (model.get("volumes") or {}).get(given) or {}
        if definition.get("driver_opts") or definition.get("driver") not in (None, "", "local"):
            reason = "its driver and options are not carried: it is a folder on one node"
            notes.append(Note(f"volumes.{given}", reason, "a bind mount of what the nodes have mounted"))
        if definition.get("external"):
            notes.append(
                Note(f"volumes.{given}", "it was made elsewhere; here it begins empty", "copy into it what it had")
            )
    return names


def _name_of(name: str, services: Mapping[str, Any], notes: list[Note]) -> str:
    if name.lower() != SERVICE:
        return name
    new = "web2" if "web2" not in services else "web-other"
    cure = f"{new} where its name is used"
    notes.append(Note(name, f"the app itself is called {SERVICE} within its stack, so this one becomes {new}", cure))
    return new


def _service(name: str, services: Mapping[str, Any], part: Carried, images: Images, volumes: Mapping[str, str]) -> Json:
    definition = dict(part.definition)
    mounts = [f"{volumes[one]}:{target}{':ro' if ro else ''}" for one, target, ro in part.volumes]
    if mounts or definition.get("volumes"):
        definition["volumes"] = [*mounts, *(definition.get("volumes") or [])]
    if _is_done(name, services) and "restart_policy" not in definition.get("deploy", {}):
        definition["deploy"] = {**definition.get("deploy", {}), "restart_policy": {"condition": "on-failure"}}
    return {"image": images.name_of(name, services[name]), **definition}


def _is_done(name: str, services: Mapping[str, Any]) -> bool:
    """Whether others wait for its end."""
    return any(
        ((other.get("depends_on") or {}).get(name) or {}).get("condition") == DONE for other in services.values()
    )


def _before(main: str, services: Mapping[str, Any], parts: Mapping[str, Carried], app: Json) -> str:
    """The service that runs to its end before the app, with the same image and environment: a job of the app's."""
    for name, how in (services[main].get("depends_on") or {}).items():
        if how.get("condition") != DONE or name not in services:
            continue
        definition, other = parts[name].definition, services[name]
        is_same = all(other.get(key) == services[main].get(key) for key in ("image", "build"))
        more = set(definition) - {"command", "environment", "deploy"} or parts[name].volumes
        own = plain_dollars(definition.get("environment", {})).items() - app.get("environment", {}).items()
        if is_same and not more and not own and definition.get("command"):
            return str(name)
    return ""


def _waiting(before: str, services: Mapping[str, Any]) -> Iterator[Note]:
    for name, service in services.items():
        others = {other: how for other, how in (service.get("depends_on") or {}).items() if other in services}
        ends = [other for other, how in others.items() if how.get("condition") == DONE and other != before]
        healthy = [other for other, how in others.items() if how.get("condition") == "service_healthy"]
        if ends:
            reason = f"it is started beside {', '.join(ends)}, and does not wait for the end"
            cure = "it has to try again by itself; or before, with the app's image"
            yield Note(f"{name}.depends_on", reason, cure)
        if healthy:
            reason = f"it is started beside {', '.join(healthy)}, and does not wait"
            cure = "it has to try again by itself, or to end: then it is started anew"
            yield Note(f"{name}.depends_on", reason, cure)


def _alias(app: Json, main: str, entries: Mapping[str, Any]) -> None:
    """The app itself is called web; services that know it by its own name go on to find it."""
    if main != SERVICE and main not in entries and any(_is_asked(main, text, key) for key, text in _said(entries)):
        app.setdefault("service", {})["networks"] = {"default": {"aliases": [main]}}


def _said(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Every text, and the key that it stands at."""
    if isinstance(value, Mapping):
        for name, one in value.items():
            yield from _said(one, str(name))
    elif isinstance(value, list):
        for one in value:
            yield from _said(one, key)
    else:
        yield key, str(value)


def _is_asked(name: str, text: str, key: str) -> bool:
    """Whether a text has the name as that of a host."""
    if text == name:
        return bool(re.search("(?i)host|server|addr|url|upstream|backend", key))
    return bool(re.search(rf"(?:^|//|[@\s,=]){re.escape(name)}(?::[0-9]+|/|$)", text)) and ("//" in text or ":" in text)


def _networks(model: Mapping[str, Any]) -> Iterator[Note]:
    given = {name: one or {} for name, one in (model.get("networks") or {}).items() if name != "default"}
    for name, one in given.items():
        if one.get("external"):
            yield Note(f"networks.{name}", "what is on it besides is not reached by the app", "its own name or address")
    if len(given) > 1:
        names = ", ".join(given)
        yield Note("networks", f"all services of an app are on one network, and not apart on {names}", "an app each")
