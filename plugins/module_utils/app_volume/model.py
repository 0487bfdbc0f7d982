# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Volumes that apps declare: their names, their labels, and where they are said to be. Pure.

A volume ``uploads`` of the app ``wiki`` is ``wiki_uploads`` on one node. That node carries the node label
``fungap.volume.wiki.uploads=here``, and services that mount it are constrained to the label. While it is moved, the
label of the node that it leaves is ``leaving``: nothing is placed there any more, and what lies there still counts.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

LABEL_PREFIX = "fungap.volume."
HERE, LEAVING = "here", "leaving"
# Of the volume itself.
LABEL_APP = "io.fungap.app"
LABEL_VOLUME = "io.fungap.volume"
# Of a volume that a move has made: the node that it comes from.
LABEL_FROM = "io.fungap.volume.from"
LABEL_HELPER = "io.fungap.helper"
HELPER = "app_volume"
# Without _, which parts the app's name from the volume's, and other than an env file's volumes.
NAME = re.compile(r"[a-z]([a-z0-9-]{0,29}[a-z0-9])?")


def volume_name(app: str, name: str) -> str:
    """Name of the volume on its node."""
    return f"{app}_{name}"


def split_name(volume: str) -> tuple[str, str] | None:
    """(app, name) of a volume's name; None where it can't be an app's volume."""
    app, separator, name = volume.partition("_")
    return (app, name) if separator and NAME.fullmatch(app) and NAME.fullmatch(name) else None


def node_label(app: str, name: str) -> str:
    """The node label that says that a volume is on a node."""
    return f"{LABEL_PREFIX}{app}.{name}"


def constraint(app: str, name: str) -> str:
    """What places a service where its volume is."""
    return f"node.labels.{node_label(app, name)} == {HERE}"


def volumes_said(labels: Mapping[str, str]) -> list[str]:
    """The volumes that a node's labels say it has, one that leaves it too."""
    found = [key.removeprefix(LABEL_PREFIX) for key in labels if key.startswith(LABEL_PREFIX)]
    return sorted(one.replace(".", "_", 1) for one in found)


def labelled(app: str, value: str, labels: Mapping[str, str]) -> frozenset[str]:
    """The app's volumes for which a node's labels have this value."""
    prefix = node_label(app, "")
    return frozenset(key.removeprefix(prefix) for key, one in labels.items() if key.startswith(prefix) and one == value)


def why_no_name(name: Any) -> str:
    """What is wrong with a volume's name; empty where nothing is."""
    return "" if isinstance(name, str) and NAME.fullmatch(name) and name != "env" else "is not a volume's name"


@dataclass(frozen=True)
class SeenVolume:
    """``is_ours``: its labels say that it is this app's. ``moved_from``: the node that a move has copied it from."""

    is_ours: bool
    moved_from: str = ""


def seen_volumes(app: str, volumes: Iterable[Mapping[str, Any]]) -> dict[str, SeenVolume]:
    """The app's volumes by their short names. ``volumes``: of ``GET /volumes``."""
    found = {}
    for volume in volumes:
        parts, labels = split_name(str(volume["Name"])), volume.get("Labels") or {}
        if parts and parts[0] == app:
            is_ours = (labels.get(LABEL_APP), labels.get(LABEL_VOLUME)) == parts
            found[parts[1]] = SeenVolume(is_ours, labels.get(LABEL_FROM, ""))
    return found


def volume_labels(app: str, name: str, moved_from: str = "") -> dict[str, str]:
    """The labels of a volume that is made."""
    labels = {LABEL_APP: app, LABEL_VOLUME: name, LABEL_FROM: moved_from}
    return {key: value for key, value in labels.items() if value}


@dataclass(frozen=True)
class Mount:
    """One volume of an app in one service."""

    service: str
    service_id: str
    volume: str


def mounts(app: str, services: Iterable[Mapping[str, Any]]) -> list[Mount]:
    """Which services mount which volumes of the app. ``services``: of ``GET /services``."""
    found = []
    for service in services:
        task = service["Spec"]["TaskTemplate"].get("ContainerSpec") or {}
        for mount in task.get("Mounts") or []:
            parts = split_name(str(mount.get("Source") or "")) if mount.get("Type") == "volume" else None
            if parts and parts[0] == app:
                found.append(Mount(service["Spec"]["Name"], service["ID"], parts[1]))
    return found


@dataclass(frozen=True)
class Entry:
    """What a volume holds under one name: what a copy of it has to have, too.

    ``kind``: the type that tar has for it. ``content``: of a file, the SHA-256; of a link, where it leads.
    """

    name: str
    kind: str
    mode: int
    owner: str
    content: str


def digest(entries: Iterable[Entry]) -> str:
    """One SHA-256 for all that a volume holds, in whatever order it was read."""
    lines = sorted(repr((one.name, one.kind, one.mode, one.owner, one.content)) for one in entries)
    return hashlib.sha256("\n".join(lines).encode("utf-8", "surrogateescape")).hexdigest()
