# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a clean-up did, in lines that can be read at night."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.fungap.swarm.plugins.module_utils.prune.plan import human
from ansible_collections.fungap.swarm.plugins.plugin_utils.status import table


def prune_summary(registry: Mapping[str, Any], hosts: Iterable[Mapping[str, Any]], check: bool) -> list[str]:
    """``registry``: result of registry_prune, {} where its machine does not answer.

    ``hosts``: results of image_prune. ``check``: nothing was done.
    """
    rows: list[tuple[object, ...]] = []
    if registry:
        rows.append(("registry", human(registry["bytes_freed"]), len(registry["removed"]), len(registry["kept"])))
    silent: list[str] = []
    for host in hosts:
        silent += host["silent"]
        for name, engine in sorted(host["engines"].items()):
            size = human(engine["bytes_freed"])
            if check:  # layers that images share are counted for each
                size = f"at most {human(sum(image['size_bytes'] for image in engine['removed']))}"
            rows.append((name, size, len(engine["removed"]), len(engine["kept"])))
    lines = table(
        ("WHERE", "TO BE FREED" if check else "FREED", "IMAGES TO GO" if check else "IMAGES GONE", "KEPT"), rows
    )
    if registry:
        lines.append(f"The registry takes {human(registry['bytes_used'])}{' then' if check else ''}.")
    if registry.get("removed_repositories"):
        gone = "are empty then" if check else "were empty and are gone"
        lines.append(f"Repositories that {gone} - {', '.join(registry['removed_repositories'])}.")
    if registry.get("window_seconds"):
        lines.append(f"Nothing could be pushed for {registry['window_seconds']} s.")
    lines += [f"! {name} does not answer: its images are as they were." for name in silent]
    if not registry:
        lines.append("! The machine of the registry does not answer: its images are as they were.")
    missing = registry.get("missing") or {}
    lines += [f"! {image} is not in the registry: {', '.join(why)}." for image, why in missing.items()]
    return lines
