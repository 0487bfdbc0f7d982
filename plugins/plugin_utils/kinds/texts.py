# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Lines, names and paths: what is wrong with one, in a few words."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.module_utils.env_volume.model import Owner, check_mode
from ansible_collections.fungap.swarm.plugins.module_utils.folder.model import why_no_folder
from ansible_collections.fungap.swarm.plugins.module_utils.load_test.plan import choose_profile
from ansible_collections.fungap.swarm.plugins.plugin_utils.problem import show_key

CONTROL = re.compile(r"[\x00-\x1f\x7f]")
# Of a container, a network, a volume.
DOCKER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}\Z")
VARIABLE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")

SHA256 = re.compile(r"[0-9A-Fa-f]{64}\Z")


def why_no_line(value: Any) -> str:
    return "has a line break or another control character in it" if CONTROL.search(str(value)) else ""


def why_no_sha256(value: Any) -> str:
    return "" if SHA256.match(str(value)) else "is not a SHA-256"


def why_no_ini_text(value: Any) -> str:
    """As it stands between backticks in a my.cnf that Go reads."""
    if re.search(r"%\([^)]+\)s", str(value)):
        return "has %(...)s in it, which such a file fills in"
    return "has a backtick in it" if "`" in str(value) else why_no_line(value)


def why_no_request_path(value: Any) -> str:
    text = str(value)
    if not text.startswith("/"):
        return "does not begin with /"
    return "has a space or a control character in it" if CONTROL.search(text) or " " in text else ""


def why_no_metrics_path(value: Any) -> str:
    """Prometheus takes it for a path and nothing else: it asks for ? as %3F, and for %20 as %2520."""
    return why_no_request_path(value) or ("has a ?, # or % in it" if re.search("[?#%]", str(value)) else "")


def why_no_owner(value: Any) -> str:
    try:
        Owner.parse(str(value))
    except PlatformError:
        return "is not a numeric owner"
    return ""


def why_no_mode(value: Any) -> str:
    try:
        check_mode(str(value))
    except PlatformError:
        return "is not a mode in octal"
    return ""


def as_list(value: Any) -> Any:
    """A list as Ansible takes it: text and numbers are one, too, with commas between its elements."""
    is_one = isinstance(value, (str, int, float)) and not isinstance(value, bool)
    return [one.strip() for one in str(value).split(",")] if is_one else value


def why_no_key(key: Any) -> str:
    """YAML reads yes, no, on and off as true and false, as keys, too."""
    return "" if isinstance(key, str) else f"has the key {show_key(key)}, which is no text: put it in quotes"


def why_no_scalar(value: Any) -> str:
    """One line of text, a finite number, true or false."""
    if isinstance(value, datetime):
        return "is a date and a time to YAML: put it in quotes"
    if value is None or isinstance(value, (list, Mapping)) or (isinstance(value, float) and not math.isfinite(value)):
        return "is neither text nor a number"
    return why_no_line(value)


def why_no_profiles(value: Any) -> str:
    """Profiles of a load test, each in itself."""
    for name, settings in value.items() if isinstance(value, Mapping) else ():
        try:
            if why := why_no_key(name) or why_has_nothing({name: settings}):
                return why
            if not isinstance(settings, Mapping):
                return f"has no mapping for {show_key(name)}"
            # The rest is told with their names.
            if not all(isinstance(one, str) and VARIABLE_NAME.match(one) for one in settings):
                return f"has what is no setting's name, in {show_key(name)}"
            if not DOCKER_NAME.match(name):
                return "has a profile whose name is none: letters, digits and _ . -"
            choose_profile(name, value, {})
        except PlatformError as error:
            return f"has a wrong profile: {name}: {error.message}"
    return ""


def why_has_nothing(value: Any) -> str:
    """Nothing at all below it, at any depth: an empty line in YAML is no text, and rarely meant."""
    for place, one in _leaves(value):
        at = f" at {place}" if place else ""
        if one is None:
            return f"has nothing{at}"
        if isinstance(one, float) and not math.isfinite(one):
            return f"has no finite number{at}"
    return ""


def _leaves(value: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for key, one in value.items():
            yield from _leaves(one, f"{place}.{show_key(key)}" if place else show_key(key))
    elif isinstance(value, list):
        for index, one in enumerate(value):
            yield from _leaves(one, f"{place}[{index}]")
    else:
        yield place, value


def why_no_environment(value: Any) -> str:
    """Variables' names, each with one line of text."""
    for name, text in value.items() if isinstance(value, Mapping) else ():
        if not isinstance(name, str) or not VARIABLE_NAME.match(name):
            return f"has {show_key(name)}, which is not a variable's name"
        if why_no_scalar(text):
            return f"has no line of text for {name}"
    return ""


def why_no_place(value: Any) -> str:
    """A folder or file of a machine, and not all of it."""
    return why_no_folder(value) or ("" if str(value).strip("/.") else "is the whole machine")
