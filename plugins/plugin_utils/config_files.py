# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The controller's half of ``config_files``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.fungap.swarm.plugins.module_utils.config_files.model import as_seen, parse_config_set
from ansible_collections.fungap.swarm.plugins.module_utils.config_files.plan import plan_files
from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError


def split_secrets(args: Mapping[str, Any], *, is_true: Callable[[Any], bool] = bool) -> dict[str, Any]:
    """The task's arguments with the contents of secret files moved to ``secret_contents``.

    Anything malformed is left as it is: the module names it.
    """
    files = args.get("files")
    if not isinstance(files, list):
        return dict(args)
    contents = dict(args.get("secret_contents") or {})
    kept = []
    for item in files:
        if isinstance(item, Mapping) and is_true(item.get("secret", False)) and "content" in item and "path" in item:
            contents[item["path"]] = item["content"]
            item = {key: value for key, value in item.items() if key != "content"}
        kept.append(item)
    return {**args, "files": kept, **({"secret_contents": contents} if contents else {})}


def nothing_to_do(args: Mapping[str, Any], trees: Mapping[str, Mapping[str, Any]], key: str) -> bool:
    """Whether an earlier look at the host shows that all is as wanted. What is malformed is the module's to name."""
    try:
        wanted = parse_config_set(args)
        found = as_seen(wanted, trees, key)
        return found is not None and not plan_files(wanted, found)
    except (PlatformError, KeyError, TypeError, AttributeError):
        return False
