# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Bring a compose file in, on the controller. Documentation: the module of the same name."""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path
from typing import Any

import yaml
from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.plugin_utils.compose_import.choice import Asked
from ansible_collections.fungap.swarm.plugins.plugin_utils.compose_import.parser import find_parser, parse
from ansible_collections.fungap.swarm.plugins.plugin_utils.compose_import.result import (
    Result,
    app_name,
    beside,
    bind_sources,
    report,
    result_of,
)
from ansible_collections.fungap.swarm.plugins.plugin_utils.plain import plain
from ansible_collections.fungap.swarm.plugins.plugin_utils.specs import read_specs

ROLES = str(Path(__file__).parents[2] / "roles")
OPTIONS: dict[str, Any] = {
    "files": {"type": "list", "elements": "str", "required": True},
    "app": {"type": "str", "default": ""},
    "service": {"type": "str", "default": ""},
    "port": {"type": "int", "default": 0},
    "hosts": {"type": "list", "elements": "str", "default": []},
    "profiles": {"type": "list", "elements": "str", "default": []},
    "variables": {"type": "dict", "default": {}},
    "into": {"type": "str", "default": ""},
}


class ActionModule(ActionBase):
    """``fungap.swarm.compose_import``."""

    _supports_check_mode = True
    _supports_diff = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """See the module's documentation."""
        outcome: dict[str, Any] = super().run(tmp, task_vars)
        _validation, args = self.validate_argument_spec(argument_spec=OPTIONS)
        try:
            into = os.path.abspath(os.path.expanduser(args["into"])) if args["into"] else ""
            if into and os.path.lexists(into):
                raise PlatformError(f"into: {into} is there already and is not overwritten; name another file")
            result = _imported(plain(args))
            if into and not self._task.check_mode:
                _write(into, result.text)
        except PlatformError as error:
            raise AnsibleActionFail(error.message) from error
        self._display.display("\n" + report(result, "" if self._task.check_mode else into) + "\n")
        outcome.update(changed=bool(into), apps=result.apps, images_extra=result.images, notes=result.notes)
        outcome.update(refused=result.refused, variables=result.needed)
        if into:
            outcome["diff"] = {"before_header": into, "after_header": into, "before": "", "after": result.text}
        return outcome


def _imported(args: dict[str, Any]) -> Result:
    files = [os.path.abspath(os.path.expanduser(one)) for one in args["files"]]
    for file in files:
        if not os.path.isfile(file):
            raise PlatformError(f"compose: there is no file {file}")
    given = {str(key): _value(str(key), value) for key, value in args["variables"].items()}
    parsed = parse(find_parser(), files, given)
    folder = os.path.dirname(files[0])
    asked = Asked(
        app=app_name(args["app"], parsed.name, folder),
        folder=folder,
        service=args["service"],
        port=args["port"],
        hosts=tuple(args["hosts"]),
        profiles=tuple(args["profiles"]),
        catalog=_catalog(),
    )
    there = beside(folder, bind_sources(parsed.model))
    return result_of(parsed, asked, there, os.path.basename(files[0]), read_specs(ROLES))


def _value(name: str, value: Any) -> str:
    text = str(value).lower() if isinstance(value, bool) else str(value)
    if not re.fullmatch(r"[A-Za-z_]\w*", name) or re.search(r"['\n\r\\]", text):
        raise PlatformError(f"variables: {name} is no variable's name, or has a value with a quote or a line's end")
    return text


def _catalog() -> tuple[str, ...]:
    """The names of the platform's own images."""
    with open(os.path.join(ROLES, "images", "defaults", "main.yml"), encoding="utf-8") as file:
        return tuple(yaml.safe_load(file)["images_catalog"])


def _write(path: str, text: str) -> None:
    """All of it or nothing, and over nothing."""
    folder = os.path.dirname(path)
    if not os.path.isdir(folder):
        raise PlatformError(f"into: there is no folder {folder}")
    with tempfile.NamedTemporaryFile("w", dir=folder, prefix=".import-", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.chmod(file.name, 0o644)
        try:
            os.link(file.name, path)
        except OSError as error:
            raise PlatformError(f"into: {path} could not be written: {error.strerror}") from error
