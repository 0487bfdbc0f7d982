# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What an import ends with: the entry, judged as the preflight judges it, its text, and what is left to do."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.plugin_utils.compose_import.choice import Asked
from ansible_collections.fungap.swarm.plugins.plugin_utils.compose_import.entry import PLACEHOLDER, Imported, imported
from ansible_collections.fungap.swarm.plugins.plugin_utils.compose_import.notes import Around, Note
from ansible_collections.fungap.swarm.plugins.plugin_utils.compose_import.parser import Parsed
from ansible_collections.fungap.swarm.plugins.plugin_utils.compose_import.text import inventory_text
from ansible_collections.fungap.swarm.plugins.plugin_utils.compose_import.variables import References
from ansible_collections.fungap.swarm.plugins.plugin_utils.kinds.images import why_no_catalog
from ansible_collections.fungap.swarm.plugins.plugin_utils.preflight.apps import APP_NAME, RESERVED_APPS
from ansible_collections.fungap.swarm.plugins.plugin_utils.preflight.checks import check_entries
from ansible_collections.fungap.swarm.plugins.plugin_utils.specs import Specs

Json = dict[str, Any]


@dataclass(frozen=True)
class Result:
    """``needed``: the variables that the entry refers to, and what each is to be. ``refused``: by the preflight."""

    apps: Json
    images: Json
    notes: list[str]
    refused: list[str]
    needed: Mapping[str, str]
    text: str


def app_name(given: str, project: str, folder: str) -> str:
    """What the app is called: as asked for, as the project is, or as its folder."""
    if given:
        if not APP_NAME.fullmatch(given) or given in RESERVED_APPS:
            raise PlatformError(f"app: {given} can't be an app's name: lower case letters, digits and hyphens")
        return given
    for text in (project, os.path.basename(folder)):
        name = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-0123456789")[:31].strip("-")
        if APP_NAME.fullmatch(name) and name not in RESERVED_APPS:
            return name
    raise PlatformError("app: the folder's name can't be an app's: give -e app=NAME")


def bind_sources(model: Mapping[str, Any]) -> set[str]:
    """What of the compose file's machine is mounted."""
    mounts = (one for service in model["services"].values() for one in service.get("volumes") or ())
    return {str(one["source"]) for one in mounts if one["type"] == "bind" and one.get("source")}


def beside(folder: str, sources: Collection[str]) -> dict[str, str]:
    """What each path beside the compose file is. Others are the machine's."""
    found = {}
    for source in sources:
        path = os.path.join(folder, source)
        if not source.startswith(("/", "~")):
            found[source] = "folder" if os.path.isdir(path) else "file" if os.path.exists(path) else "nothing"
    return found


def result_of(parsed: Parsed, asked: Asked, there: Mapping[str, str], source: str, specs: Specs) -> Result:
    """``there``: what lies beside the compose file (``beside``). ``source``: its name."""
    refer = References(asked.app, parsed.variables.marks)
    around = Around(refer, there, parsed.env_files, parsed.unread)
    made = imported(parsed.model, asked, around)
    refused = [refer.named(one) for one in _refused(asked, made, specs)]
    app, images = refer.filled(made.app), refer.filled(made.images)
    notes = [refer.named(str(one)) for one in (*made.notes, *_taken(parsed))]
    text = inventory_text(source, asked.app, app, images, refer.found)
    return Result({asked.app: app}, images, notes, refused, dict(refer.found), text)


def _taken(parsed: Parsed) -> Iterator[Note]:
    for name, value in parsed.variables.taken.items():
        yield Note(
            f"${{{name}}}", f"{value} is taken for it", f"""-e '{{"variables": {{"{name}": ...}}}}' for another"""
        )


def _refused(asked: Asked, made: Imported, specs: Specs) -> list[str]:
    """What the preflight would say; of the placeholder for a host name, that is meant."""
    hosts = made.app["hosts"]
    judged = {**made.app, "hosts": [one for one in hosts if one != PLACEHOLDER]}
    found = [f"{one.variable} {one.problem}; {one.cure}" for one in check_entries({asked.app: judged}, specs)]
    found += [f"images_extra {why}; see docs/apps.md" for why in [why_no_catalog(made.images)] if why]
    return found


def report(result: Result, into: str = "") -> str:
    """For people: the text, or the file that it was written to; what it refers to; and what could not be carried."""
    (name,) = result.apps
    parts = [f"Written to {into}." if into else result.text]
    if result.needed:
        width = max(map(len, result.needed))
        parts += ["", "To be given, in Ansible Vault where the name begins with vault_:"]
        parts += [f"  {one.ljust(width)}  {what}" for one, what in sorted(result.needed.items())]
    if result.notes:
        parts += ["", f"Not carried as it was, or for you to look at ({len(result.notes)}):"]
        parts += [f"  {one}" for one in result.notes]
    if result.refused:
        parts += ["", f"The preflight refuses of it ({len(result.refused)}):", *(f"  {one}" for one in result.refused)]
    parts += ["", f"If the inventory has apps already, put {name} below them: of two files with apps, one counts."]
    # What a terminal would take for orders is the file's, and not ours.
    return re.sub(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", "?", "\n".join(parts))
