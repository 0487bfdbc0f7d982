# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The variables of this collection, as the roles' argument specs describe them.

Types and choices are Ansible's own business (``ArgumentSpecValidator``). What it does not do is done here: find a
misspelt name, and say for each problem which part of a nested value it is about.
"""

from __future__ import annotations

import copy
import difflib
import math
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.fungap.swarm.plugins.plugin_utils.kinds.amounts import NUMBER
from ansible_collections.fungap.swarm.plugins.plugin_utils.problem import (
    HIDDEN,
    SECRET,
    Problem,
    is_beyond,
    show_key,
    texts_of,
)

Options = Mapping[str, Mapping[str, Any]]

# Entry points of roles/preflight that describe parts of the inventory; `app` is a part of a variable, not variables.
PLATFORM_ROLE = "preflight"
INVENTORY_ENTRY = "inventory"
APP_ENTRY = "app"
# Lists that people give on the command line, and that modules alone read.
MODULES_ALONE = (
    *("apps_absent", "apps_older_confirmed", "apps_volumes_absent", "apps_volumes_anew", "platform_older_confirmed"),
    *("images_names", "load_test_cpu_hosts"),
)
# Without our prefix a name is only ours when it is a slip of the finger away: more than nine letters of ten are right.
SLIP = 0.901
TEXTS = ("str", "path")


@dataclass(frozen=True)
class Specs:
    """``inventory``: platform-wide and per-node variables; ``app``: one entry of ``apps``; ``roles``: each role's."""

    inventory: Options
    app: Options
    roles: Mapping[str, Options]

    @cached_property
    def known(self) -> dict[str, Mapping[str, Any]]:
        """Every variable of ours; where two describe one, the platform's word counts."""
        merged: dict[str, Mapping[str, Any]] = {}
        for options in self.roles.values():
            merged.update(options)
        return {**merged, **self.inventory}

    @cached_property
    def prefixes(self) -> tuple[str, ...]:
        """What a variable of ours begins with."""
        words = {*self.roles, *(name.split("_")[0] for name in self.inventory)} - {"apps"}
        return tuple(sorted(f"{word}_" for word in words))

    def unknown(self, names: Iterable[str]) -> Iterator[tuple[str, str]]:
        """The names that look like ours and are not: (name, nearest known name or '')."""
        for name in names:
            if name in self.known or name.startswith("_"):
                continue
            is_ours = name.startswith(self.prefixes)
            near = nearest(name, self.known, cutoff=0.75 if is_ours else SLIP)
            if is_ours or near:
                yield name, near


def nearest(name: str, known: Iterable[str], cutoff: float = 0.6) -> str:
    """The known name that was most probably meant, '' when none is near."""
    return _nearest(name, tuple(known), cutoff)


@lru_cache(maxsize=1000)  # each host has the same names, and there are some hundred to compare each with
def _nearest(name: str, known: tuple[str, ...], cutoff: float) -> str:
    return next(iter(difflib.get_close_matches(name, known, 1, cutoff)), "")


def parse_specs(documents: Mapping[str, str], defaults: Mapping[str, str] | None = None) -> Specs:
    """``documents``: role -> text of its meta/argument_specs.yml; ``defaults``: of its defaults/main.yml.

    A default that its role's spec does not describe is known, and may be anything.
    """
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    entries = {role: (yaml.load(text, loader) or {}).get("argument_specs") or {} for role, text in documents.items()}
    names = {role: yaml.load(text, loader) or {} for role, text in (defaults or {}).items()}

    def options(role: str, entry: str) -> Options:
        found: Options = (entries.get(role, {}).get(entry) or {}).get("options") or {}
        return found

    return Specs(
        inventory=options(PLATFORM_ROLE, INVENTORY_ENTRY),
        app=options(PLATFORM_ROLE, APP_ENTRY),
        roles={
            role: {
                **{name: {"type": "raw"} for name in names.get(role, {})},
                **{
                    name: spec
                    for entry in entries.get(role, {})
                    if role != PLATFORM_ROLE or entry not in (INVENTORY_ENTRY, APP_ENTRY)
                    for name, spec in options(role, entry).items()
                },
            }
            for role in sorted({*entries, *names})
        },
    )


def read_specs(roles_dir: str) -> Specs:
    """The specs of every role of the collection."""

    def texts(*path: str) -> dict[str, str]:
        found = {}
        for role in sorted(os.listdir(roles_dir)):
            name = os.path.join(roles_dir, role, *path)
            if os.path.exists(name):
                with open(name, encoding="utf-8") as file:
                    found[role] = file.read()
        return found

    return parse_specs(texts("meta", "argument_specs.yml"), texts("defaults", "main.yml"))


def check_option(where: str, variable: str, spec: Mapping[str, Any], value: Any) -> list[Problem]:
    """What is wrong with a value, in itself: its type, its choices, and those of everything below it."""
    if value is None:
        may_be_empty = spec.get("default") is None and not spec.get("required")
        cure = "give it a value, or take the line away"
        return [] if may_be_empty else [Problem(where, variable, "", "is empty", cure)]
    name = variable.rsplit(".", 1)[-1]
    hidden = bool(spec.get("no_log")) or bool(SECRET.search(name))
    if _is_beyond_numbers(spec, value):
        return [Problem(where, variable, "", "has a number of more than 64 bits", "a smaller one")]
    if _would_be_misread(spec, value):
        return [_wrong_type(where, variable, spec, value, hidden)]
    flat = {key: item for key, item in spec.items() if key not in ("options", "required", "default")}
    result = ArgumentSpecValidator({name: flat}).validate({name: value})
    if result.error_messages:
        is_choice = "choices" in spec and "value of" in result.error_messages[0]
        return [(_wrong_choice if is_choice else _wrong_type)(where, variable, spec, value, hidden)]
    return _check_parts(where, variable, spec, result.validated_parameters[name])


def _is_beyond_numbers(spec: Mapping[str, Any], value: Any) -> bool:
    """Whether what is to be a number, as text or not, has more than 64 bits: nothing here counts so far."""
    kind, values = spec.get("type", "str"), [value]
    if kind == "list" and isinstance(value, (str, list)):
        kind, values = spec.get("elements", "str"), value.split(",") if isinstance(value, str) else value
    return kind in ("int", "float") and any(
        is_beyond(one)
        or (isinstance(one, float) and 2**64 <= abs(one) < math.inf)
        or (isinstance(one, str) and bool(NUMBER.match(one)) and abs(float(one)) >= 2**64)
        for one in values
    )


def is_number(value: Any) -> bool:
    return not check_option("", "", {"type": "float", "required": True}, value)


def _would_be_misread(spec: Mapping[str, Any], value: Any) -> bool:
    """Whether Ansible would take a value for one of this type that nobody means so."""
    kind, elements = spec.get("type", "str"), spec.get("elements")
    if kind in TEXTS:
        return _is_no_text(value) or isinstance(value, (list, dict))
    if kind in ("int", "float"):
        return _is_no_number(value)
    if kind == "dict":
        return _is_no_mapping(value)
    if kind == "list" and isinstance(value, list):
        if elements in TEXTS:
            return any(map(_is_no_text, value))
        return elements == "dict" and any(map(_is_no_mapping, value))
    return False


def _is_no_text(value: Any) -> bool:
    """YAML reads yes, no, on and off so, and nobody means the text True."""
    return isinstance(value, bool)


def _is_no_mapping(value: Any) -> bool:
    """Ansible would read text as a mapping, and what is asked of its parts would not be asked."""
    return isinstance(value, str)


def _is_no_number(value: Any) -> bool:
    """Infinity is none, nor is what Python alone takes for one: digits of other scripts, 1_000, True."""
    if isinstance(value, float):
        return not math.isfinite(value)
    return isinstance(value, bool) or (isinstance(value, str) and not NUMBER.match(value))


def _check_parts(where: str, variable: str, spec: Mapping[str, Any], value: Any) -> list[Problem]:
    """Of a mapping, or a list of mappings, whose keys the spec describes."""
    nested = spec.get("options")
    if not nested:
        return []
    if spec.get("type", "str") != "list":
        return check_options(where, variable, nested, value)
    return [
        problem
        for index, item in enumerate(value)
        for problem in check_options(where, f"{variable}[{index}]", nested, item)
    ]


def text_of_several(where: str, variable: str, spec: Mapping[str, Any], value: Any) -> list[Problem]:
    """Text or a number where a list is meant.

    A module would read it as one, and so does the check above. What goes by the variable itself does not.
    """
    is_one = isinstance(value, (str, int, float)) and spec.get("type") == "list"
    if not is_one or variable in MODULES_ALONE:
        return []
    return [_wrong_type(where, variable, spec, value, bool(spec.get("no_log")))]


def check_options(where: str, variable: str, options: Options, value: Mapping[str, Any]) -> list[Problem]:
    """The same for a mapping whose keys ``options`` describes."""
    problems: list[Problem] = []
    meant: set[str] = set()
    for key in value:
        if key not in options:
            near = nearest(str(key), options)
            meant.add(near)
            cure = f"did you mean {near}?" if near else f"it may have: {', '.join(sorted(options))}"
            problems.append(Problem(where, f"{variable}.{show_key(key)}", HIDDEN, "is not a known setting", cure))
    for key, spec in options.items():
        if key in value:
            problems += check_option(where, f"{variable}.{key}", spec, value[key])
        elif spec.get("required") and key not in meant:
            cure = f"add it: {_first_sentence(spec)}"
            problems.append(Problem(where, f"{variable}.{key}", "", "is missing", cure))
    return problems


def secrets_in(name: str, spec: Mapping[str, Any], value: Any) -> Iterator[str]:
    """The texts in a variable's value that its spec, or its name, calls secret.

    Where the spec of a secret says what is in it, that says which parts are.
    """
    nested, is_secret = spec.get("options") or {}, bool(spec.get("no_log") or SECRET.search(name))
    for item in value if isinstance(value, list) else [value]:
        if isinstance(item, dict) and (nested or not is_secret):
            for key, part in item.items():
                unknown = {"no_log": is_secret}
                yield from secrets_in(str(key), nested.get(key) or unknown, part)
        elif is_secret:
            yield from texts_of(item)


def merged(options: Options, before: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """``given`` on top of ``before``: a dictionary changes only the keys that it has.

    So at every depth that the options name. One whose keys are anybody's (users, headers) gets others beside its own.
    """
    result = dict(before)
    for key, value in given.items():
        old, inner = result.get(key), (options.get(key) or {}).get("options")
        if isinstance(value, Mapping) and isinstance(old, Mapping):
            value = merged(inner, old, value) if inner else {**old, **value}
        result[key] = value
    return result


def complete(options: Options, value: Mapping[str, Any]) -> dict[str, Any]:
    """A valid mapping with types converted and every default filled in."""
    given = {key: item for key, item in value.items() if item is not None}
    result = ArgumentSpecValidator(copy.deepcopy(dict(options))).validate(given)
    return dict(result.validated_parameters)


def _first_sentence(spec: Mapping[str, Any]) -> str:
    text = spec.get("description") or ""
    text = text if isinstance(text, str) else text[0]
    first = str(text).split(". ", maxsplit=1)[0].rstrip(".")
    return first[:1].lower() + first[1:]


KINDS = {
    "str": "text",
    "path": "a path",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "list": "a list",
    "dict": "a mapping",
}


def _wrong_type(where: str, variable: str, spec: Mapping[str, Any], value: Any, hidden: bool) -> Problem:
    wanted = KINDS.get(spec.get("type", "str"), spec.get("type", "str"))
    if spec.get("type") == "list" and isinstance(value, list):
        wanted = f"a list in which each element is {KINDS.get(spec.get('elements', 'str'), spec.get('elements'))}"
    if isinstance(value, bool) and spec.get("type", "str") in TEXTS:
        wanted += " in quotes"
    is_finite = not isinstance(value, float) or math.isfinite(value)
    problem = f"must be {wanted}, not {_kind_of(value)}" if is_finite else "must be a finite number"
    # What stands for a mapping may be anything that belongs into it.
    hidden = hidden or "dict" in (spec.get("type"), spec.get("elements"))
    return Problem(where, variable, HIDDEN if hidden else value, problem, f"write {wanted}: {_first_sentence(spec)}")


def _wrong_choice(where: str, variable: str, spec: Mapping[str, Any], value: Any, hidden: bool) -> Problem:
    choices = [str(choice) for choice in spec["choices"]]
    values = value if isinstance(value, list) else [value]
    wrong = [item for item in values if str(item) not in choices]
    near = nearest(str(wrong[0]), choices) if wrong else ""
    cure = (f"did you mean {near}? " if near else "") + f"one of: {', '.join(choices)}"
    shown = wrong[0] if wrong and not hidden else HIDDEN
    return Problem(where, variable, shown, "is not one of the choices", cure)


def _kind_of(value: Any) -> str:
    for kinds, name in (
        (bool, "true or false"),
        (int, "a number"),
        (float, "a number"),
        (str, "text"),
        (list, "a list"),
        (dict, "a mapping"),
    ):
        if isinstance(value, kinds):
            return name
    return type(value).__name__
