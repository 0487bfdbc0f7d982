# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An inventory's file as a person would write it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import yaml

from ansible_collections.fungap.swarm.plugins.plugin_utils.compose_import.variables import Unsafe

Json = dict[str, Any]
WIDTH = 140
# Longer ones are written below each other.
SHORT = 100
ORDER = (
    *("image", "port", "hosts", "replicas", "user", "entrypoint", "command", "before", "environment", "health"),
    *("healthcheck", "limits", "reservations", "volumes", "constraints", "update", "restart", "stop_grace_seconds"),
    *("service", "deploy", "services"),
)


class _Dumper(yaml.SafeDumper):
    """Short lists and mappings stand on one line, texts of several lines as they are."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002  # PyYAML gives it
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002  # the same
        super().increase_indent(flow, False)


def _is_short(value: Any) -> bool:
    parts = list(value.values()) if isinstance(value, Mapping) else list(value)
    if isinstance(value, Mapping) and len(value) > 3:
        return False
    texts = [str(one) for one in (*parts, *(value if isinstance(value, Mapping) else ()))]
    return not any(isinstance(one, (Mapping, list)) or "\n" in str(one) for one in parts) and (
        sum(len(one) + 4 for one in texts) < SHORT
    )


def _mapping(dumper: yaml.SafeDumper, value: Mapping[str, Any]) -> yaml.Node:
    return dumper.represent_mapping("tag:yaml.org,2002:map", value.items(), flow_style=_is_short(value))


def _list(dumper: yaml.SafeDumper, value: list[Any]) -> yaml.Node:
    return dumper.represent_sequence("tag:yaml.org,2002:seq", value, flow_style=_is_short(value))


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.Node:
    if "\n" in value:
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|")
    is_template = "{{" in value
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style='"' if is_template else None)


def _unsafe(dumper: yaml.SafeDumper, value: str) -> yaml.Node:
    return dumper.represent_scalar("!unsafe", str(value), style="|" if "\n" in value else "'")


_Dumper.add_representer(Unsafe, _unsafe)
_Dumper.add_representer(dict, _mapping)
_Dumper.add_representer(list, _list)
_Dumper.add_representer(str, _text)


def _ordered(value: Mapping[str, Any]) -> Json:
    keys = sorted(value, key=lambda key: ORDER.index(key) if key in ORDER else ORDER.index("volumes"))
    return {key: value[key] for key in keys}


def inventory_text(
    source: str, name: str, app: Mapping[str, Any], images: Mapping[str, Any], needed: Iterable[str]
) -> str:
    """``source``: the compose file's name. ``needed``: the inventory's variables that somebody has to give."""
    entry = _ordered(app)
    if "services" in entry:
        entry["services"] = {key: _ordered(one) for key, one in entry["services"].items()}
    parts = [f"# Brought in from {' '.join(source.split())} by playbooks/import.yml.\n"]
    secrets = [one for one in needed if one.startswith("vault_")]
    others = [one for one in needed if not one.startswith("vault_")]
    for what, names in (("To be given in Ansible Vault", secrets), ("To be given", others)):
        parts += [f"# {what}:\n", *(f"#   {one}\n" for one in names)] if names else []
    document = {"apps": {name: entry}, **({"images_extra": dict(images)} if images else {})}
    body = yaml.dump(document, Dumper=_Dumper, sort_keys=False, width=WIDTH, allow_unicode=True)
    return "---\n" + "".join(parts) + body
