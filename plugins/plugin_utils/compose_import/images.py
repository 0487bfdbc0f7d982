# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a compose file's services run, as entries of the image catalog. Pure."""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Mapping
from typing import Any

from ansible_collections.fungap.swarm.plugins.plugin_utils.app import REFERENCE
from ansible_collections.fungap.swarm.plugins.plugin_utils.compose_import.notes import Note
from ansible_collections.fungap.swarm.plugins.plugin_utils.compose_import.variables import (
    References,
    without_password,
    without_secrets,
)

Json = dict[str, Any]
BUILD_NOTES = {
    "target": "the last stage of the Dockerfile is built; make that the one",
    "dockerfile_inline": "a Dockerfile in the context",
    "additional_contexts": "include of the entry (docs/apps.md)",
    "secrets": "what the build needs, in its context",
    "ssh": "what the build needs, in its context",
    "network": "images_build_environment, for a way to the outside",
}


class Images:
    """The entries of ``images_extra``, each image once."""

    def __init__(self, app: str, folder: str, taken: frozenset[str], refer: References) -> None:
        self.app, self.folder, self.taken, self.refer = app, folder, taken, refer
        self.entries: Json = {}
        self.notes: list[Note] = []
        self._by_build: dict[str, str] = {}

    def name_of(self, service: str, definition: Mapping[str, Any], *, is_app: bool = False) -> str:
        """What the service says as its image. The app's own has an entry; others are pulled by their reference."""
        image, build = str(definition.get("image") or ""), definition.get("build")
        if build:
            return self._built(service, build, is_app=is_app)
        if not posixpath.basename(image).partition(":")[2] and "@" not in image:
            reason = f"{image} names no version, so what runs depends on the day"
            self.notes.append(Note(f"{service}.image", reason, "a version, as its registry has them"))
        if is_app:
            name = self._free(self.app)
            self.entries[name] = {"source": "pull", "pull": image}
            return name
        return image if REFERENCE.search(image) else f"{image}:latest"

    def _built(self, service: str, build: Mapping[str, Any], *, is_app: bool) -> str:
        known = json.dumps(build, sort_keys=True)
        if known in self._by_build:
            return self._by_build[known]
        wanted = self.app if is_app else f"{self.app}-{re.sub(r'[^a-z0-9]+', '-', service.lower()).strip('-')}"
        name = self._by_build[known] = self._free(wanted)
        entry: Json = {"context": self._context(service, str(build.get("context") or "."))}
        if args := {key: one for key, one in (build.get("args") or {}).items() if one is not None}:
            entry["args"] = without_secrets(service, args, self.refer)
        for key, cure in BUILD_NOTES.items():
            if build.get(key):
                self.notes.append(Note(f"{service}.build.{key}", "the catalog's builds have nothing of it", cure))
        if (file := build.get("dockerfile") or "Dockerfile") != "Dockerfile":
            reason = f"the catalog builds by Dockerfile, and not by {file}"
            self.notes.append(Note(f"{service}.build.dockerfile", reason, "a folder with it as Dockerfile, as context"))
        self.entries[name] = {"build": entry}
        return name

    def _context(self, service: str, context: str) -> str:
        if "://" in context or context.startswith("git@"):
            cure = "a clone of it on the controller, and its folder as context"
            context = without_password("context", service, context, self.refer)
            self.notes.append(Note(f"{service}.build.context", f"{context} is no folder", cure))
            return context
        return posixpath.normpath(posixpath.join(self.folder, context))

    def _free(self, name: str) -> str:
        return f"{name}-app" if name in self.taken or name in self.entries else name
