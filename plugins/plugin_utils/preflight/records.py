# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is in force: older copies of an inventory, and swarms that lost their memory."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.fungap.swarm.plugins.module_utils.core.digest import secret_digest
from ansible_collections.fungap.swarm.plugins.module_utils.memory.model import Memory, parse_all
from ansible_collections.fungap.swarm.plugins.plugin_utils.preflight.apps import resolved_apps
from ansible_collections.fungap.swarm.plugins.plugin_utils.preflight.inputs import (
    ALL_HOSTS,
    MISSING,
    FileContent,
    HostFacts,
    PreflightInput,
    file_path,
    memory_file,
)
from ansible_collections.fungap.swarm.plugins.plugin_utils.problem import Harmless, Problem
from ansible_collections.fungap.swarm.plugins.plugin_utils.release import of_inventory, older_copies
from ansible_collections.fungap.swarm.plugins.plugin_utils.said import (
    FILE,
    OPTION,
    Row,
    dump_rows,
    older_subjects,
    parse_rows,
    with_this_run,
)
from ansible_collections.fungap.swarm.plugins.plugin_utils.verbs import SITE


def check_older_copies(inputs: PreflightInput) -> Iterator[Problem]:
    """No app is taken back by an older copy of the inventory."""
    looks = [inputs.looks.get(host, HostFacts()) for host in inputs.inventory.docker_hosts]
    # Every manager knows the same; one that is about to join knows nothing.
    stacks: Mapping[str, Any] = next((look.stacks for look in looks if look.stacks), {})
    said = {}
    for name, app in resolved_apps(inputs.inventory).items():
        file = inputs.files.get(app["env_file"], FileContent())
        if not file.error:
            said[name] = of_inventory(app, "", secret_digest(file.content) if app["env_file"] else "")
    yield from older_copies(said, stacks, inputs.variable("apps_older_confirmed"))


def check_older_subjects(inputs: PreflightInput) -> Iterator[Problem]:
    """Nothing else is taken back by an older copy either."""
    rows, host, error = recorded(inputs)
    if error:
        problem = f"has {FILE}, which tells what inventories said and is broken: {error}"
        cure = "put it back from a copy, or another docker host; or remove it: older copies are not recognised then"
        yield Problem(host, "platform_config_dir", inputs.variable("platform_config_dir"), problem, cure, SITE)
    yield from older_subjects(inputs.said, rows, inputs.variable(OPTION), inputs.given)


def recorded(inputs: PreflightInput) -> tuple[list[Row], str, str]:
    """(what inventories said, the docker host that can't tell it, why). Each host has it; the latest word counts."""
    rows: list[Row] = []
    for host in inputs.inventory.docker_hosts:
        text = inputs.looks.get(host, HostFacts()).record
        try:
            there = parse_rows(text) if text else []
        except ValueError as error:
            return [], host, str(error)
        if there and (not rows or there[-1].when > rows[-1].when):
            rows = there
    return rows, "", ""


def to_record(inputs: PreflightInput) -> str:
    """What the docker hosts are to have recorded once this run has come to its end."""
    when = inputs.now.strftime("%Y-%m-%dT%H:%M:%SZ")
    return dump_rows(with_this_run(inputs.said, recorded(inputs)[0], when, inputs.who, inputs.given))


def check_memory(inputs: PreflightInput) -> Iterator[Problem]:
    """A file that is broken is not to be taken for one that remembers nothing."""
    path, error = controllers_memory(inputs)[::2]
    if error:
        cure = "put it back from a copy; or, where the swarm has what it should have (make status), remove it"
        problem = f"has {posixpath.basename(path)}, which tells what the swarm was known to hold and is broken: {error}"
        yield Problem(ALL_HOSTS, "platform_secrets_dir", Harmless(posixpath.dirname(path)), problem, cure)


def controllers_memory(inputs: PreflightInput) -> tuple[str, list[Memory], str]:
    """(path, what it remembers, why that can't be told)."""
    path = file_path(inputs.inventory.inventory_dir, memory_file(inputs.inventory))
    file = inputs.files.get(path, FileContent(error=MISSING))
    if file.error:
        return path, [], "" if file.error == MISSING else file.error
    try:
        return path, parse_all(file.content.decode()), ""
    except ValueError as error:
        return path, [], str(error)
