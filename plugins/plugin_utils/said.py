# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What inventories said, so that an older copy of one is known. Pure.

Each run of site.yml that came to its end leaves a row: who, when, and a digest of every value that the inventory gives.
Of apps, revisions tell the same (``release.older_copies``). A row has what differs from the one before it::

    {"when": "2026-11-28T09:41:02Z", "who": "ben@desk", "said": {"proxy_https_port": "c1dfd96eea8c", "proxy_hsts": ""}}

Defaults are no part of it: a newer version of the collection makes no copy older.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.fungap.swarm.plugins.module_utils.core.digest import plain_digest, secret_digest
from ansible_collections.fungap.swarm.plugins.plugin_utils.inventory import GROUPS, RawInventory, Undefined, secrets
from ansible_collections.fungap.swarm.plugins.plugin_utils.problem import HIDDEN, Problem, show, texts_of
from ansible_collections.fungap.swarm.plugins.plugin_utils.release import CURE
from ansible_collections.fungap.swarm.plugins.plugin_utils.specs import Specs
from ansible_collections.fungap.swarm.plugins.plugin_utils.verbs import SITE

FILE = "said"
HEAD = "# What inventories said when site.yml came to its end: by whom, when, and digests of the values that changed."
OPTION = "platform_older_confirmed"
ROWS_MAX = 50
# What site.yml makes something of, but for apps, which have revisions.
SUBJECTS = ("platform", "nodes", "proxy", "registry", "monitoring", "images", "docker_engine", "jenkins")
# What is said for one run, and taken away again.
_ONCE = (OPTION, "platform_id_replaced", "swarm_member_begin_anew", "swarm_member_recover_quorum")
# Where things lie on a controller: another one has them elsewhere.
_ON_CONTROLLER = ("platform_secrets_dir", "jenkins_secrets_dir", "jenkins_inventory_dir")

Said = Mapping[str, str]


@dataclass(frozen=True)
class Row:
    """One run. ``said``: variable -> digest; '' where it is given no longer."""

    when: str
    who: str
    said: Said = field(default_factory=dict)

    def __str__(self) -> str:
        return f"site.yml by {self.who}, {self.when},"


def parse_rows(text: str) -> list[Row]:
    """Raises ``ValueError`` where it is no such file, or a part of one."""
    head, *lines = text.splitlines() or [""]
    try:
        if head != HEAD:
            raise ValueError(head)
        rows = [json.loads(line) for line in lines]
        return [Row(str(row["when"]), str(row["who"]), dict(row["said"])) for row in rows]
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        raise ValueError("it is no whole record of what inventories said") from error


def dump_rows(rows: Sequence[Row]) -> str:
    lines = (json.dumps({"when": row.when, "who": row.who, "said": row.said}, sort_keys=True) for row in rows)
    return "".join(f"{line}\n" for line in (HEAD, *lines))


def what_is_said(raw: RawInventory, specs: Specs, files: Mapping[str, Mapping[str, bytes]]) -> dict[str, str]:
    """Of each variable that an inventory gives, and of each group, a digest.

    ``files``: variable -> path -> content, of the files that it names on the controller and that are no secret.
    """
    hidden = secrets(raw, specs)
    found = {}
    for name in sorted({name for variables in raw.hosts.values() for name in variables if _counts(name, specs)}):
        values = {host: variables[name] for host, variables in raw.hosts.items() if name in variables}
        if any(isinstance(value, Undefined) for value in values.values()):
            continue
        texts = [_text(name, value, raw.inventory_dir) for value in values.values()]
        # What all have alike is the same, whoever they are.
        is_alike = len(set(texts)) == 1 and len(values) == len(raw.hosts)
        text = texts[0] if is_alike else json.dumps(dict(zip(values, texts, strict=True)), sort_keys=True)
        is_plain = all(
            show(one) != HIDDEN and one not in hidden for value in values.values() for one in texts_of(value)
        )
        found[name] = (plain_digest if is_plain else secret_digest)(text.encode())
    found |= {f"group {name}": plain_digest(" ".join(sorted(raw.group(name))).encode()) for name in GROUPS}
    for variable, contents in files.items():
        for path, content in contents.items():
            found[f"{variable}: the content of {os.path.basename(path)}"] = plain_digest(content)
    return found


def _counts(name: str, specs: Specs) -> bool:
    return name in specs.known and subject_of(name) in SUBJECTS and name not in _ONCE and "_prune_" not in name


def _text(name: str, value: Any, inventory_dir: str) -> str:
    """A value as text, the same for every controller."""
    if name in _ON_CONTROLLER:
        return ""
    if name.endswith(("_file", "_files")):
        value = [os.path.basename(str(one)) for one in (value if isinstance(value, list) else [value])]
    return json.dumps(value, sort_keys=True, default=str).replace(json.dumps(inventory_dir)[:-1], '".')


def subject_of(variable: str) -> str:
    """What a variable is of: variables of a subject are an older copy together."""
    if variable.startswith(("group ", "swarm_")):
        return "nodes"
    return "docker_engine" if variable.startswith("docker_engine_") else variable.split("_")[0]


def older_subjects(
    now: Said, rows: Sequence[Row], confirmed: Collection[str], given: Collection[str]
) -> Iterator[Problem]:
    """The subjects of which a newer copy of the inventory was in force already, but for those that are confirmed.

    ``given``: variables of the command line, which say nothing of the inventory.
    """
    found = {one: why for one in SUBJECTS if (why := _why_older(one, now, rows, given))}
    names = ",".join(found)
    for subject, why in found.items():
        if subject not in confirmed:
            yield Problem("all hosts", subject, "", why, f"{CURE}: -e {OPTION}={names}", SITE)


def _why_older(subject: str, now: Said, rows: Sequence[Row], given: Collection[str]) -> str:
    def view(said: Said) -> Said:
        return {name: one for name, one in said.items() if subject_of(name) == subject and name not in given}

    # Only where it changed: each word with the row that was the first to say it.
    words: list[tuple[Said, Row]] = []
    for state, row in zip(_states(rows), rows, strict=True):
        if not words or view(state) != words[-1][0]:
            words.append((view(state), row))
    mine = next((row for word, row in reversed(words) if word == view(now)), None)
    if mine is None or mine is words[-1][1]:
        return ""
    newest, row = words[-1]
    differing = sorted(name for name in {**newest, **view(now)} if newest.get(name) != now.get(name))
    return f"is an older copy: {mine} recorded the same, and {row} a newer one, which differs in {', '.join(differing)}"


def with_this_run(now: Said, rows: Sequence[Row], when: str, who: str, given: Collection[str]) -> list[Row]:
    """The rows with what this inventory says, if that is not what the last one has."""
    last = _states(rows)[-1] if rows else {}
    said = {name: one for name, one in now.items() if name not in given}
    kept = {name: one for name, one in last.items() if name in given}
    gone = [name for name in last if name not in {**said, **kept}]
    changed = {name: one for name, one in said.items() if last.get(name) != one} | dict.fromkeys(gone, "")
    if rows and not changed:
        return list(rows)
    found = [*rows, Row(when, who, changed)]
    while len(found) > ROWS_MAX:
        first, second, *others = found
        found = [Row(second.when, second.who, _added(first.said, second)), *others]
    return found


def _states(rows: Sequence[Row]) -> list[Said]:
    """What the inventory said as of each row."""
    states: list[Said] = [{}]
    for row in rows:
        states.append(_added(states[-1], row))
    return states[1:]


def _added(before: Said, row: Row) -> Said:
    return {name: one for name, one in {**before, **row.said}.items() if one}
