# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which images a Dockerfile asks for, and the same Dockerfile with others in their place. Pure.

What the engine would refuse is left to the engine: here it asks for nothing.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.module_utils.image.model import full_reference

_ESCAPE = re.compile(r"#\s*escape\s*=\s*(\S)\s*\Z", re.IGNORECASE)
_INSTRUCTION = re.compile(r"\s*((?:ONBUILD\s+)?[A-Z]+)(\s.*)\Z", re.IGNORECASE | re.DOTALL)
_FROM = re.compile(r"\s+((?:--\S+\s+)*)(\S+)(\s+AS\s+(\S+))?\s*\Z", re.IGNORECASE)
_COPY = re.compile(r"(\s+(?:--\S+\s+)*?--from=)(\S+)(\s.*)\Z", re.IGNORECASE | re.DOTALL)
# Builds are for the docker host's own platform, and so is what stands in.
_OWN_PLATFORM = re.compile(r"--platform=\$\{?(BUILD|TARGET)PLATFORM\}?\s+", re.IGNORECASE)
_VARIABLE = re.compile(r"\$(?:(\w+)|\{(\w+)(?:(:?[-+])([^{}]*))?\})")


@dataclass(frozen=True)
class _Instruction:
    """Lines ``first`` to ``last`` of the file, joined to one."""

    first: int
    last: int
    text: str


@dataclass(frozen=True)
class _Use:
    """An image that an instruction asks for, by its full reference; ``before`` and ``after``: the line around it."""

    instruction: _Instruction
    image: str
    before: str
    after: str


def images_of(text: str, args: Mapping[str, str]) -> list[str]:
    """Full references of the images that a Dockerfile asks for, each once.

    ``args``: the build's arguments. PlatformError where a FROM has a variable that nothing gives a value.
    """
    return list(dict.fromkeys(use.image for use in _uses(text, args)))


def with_images(text: str, images: Mapping[str, str], args: Mapping[str, str]) -> str:
    """The Dockerfile that asks for other images. ``images``: full reference -> what stands in for it."""
    lines = text.split("\n")
    for use in _uses(text, args):
        if use.image in images:
            rest = [""] * (use.instruction.last - use.instruction.first)  # the engine's messages count lines
            before = _OWN_PLATFORM.sub("", use.before)
            lines[use.instruction.first : use.instruction.last + 1] = [before + images[use.image] + use.after, *rest]
    return "\n".join(lines)


def _uses(text: str, args: Mapping[str, str]) -> Iterator[_Use]:
    values: dict[str, str] = {}  # of the arguments before the first FROM: no other counts for a FROM
    stages: list[str] = []  # by number and by name
    number = 0
    for one in _instructions(text):
        match = _INSTRUCTION.match(one.text)
        if not match:
            continue
        word, rest = match[1].upper(), match[2]
        if word == "ARG" and not stages:
            values.update(_arguments(rest, values, args))
        elif word == "FROM" and (found := _FROM.match(rest)):
            image = _expand(found[2], values)
            if image.lower() not in (*stages, "scratch"):
                yield _Use(one, full_reference(image), f"{match[1]} {found[1]}", found[3] or "")
            stages += [str(number), (found[4] or "").lower()]
            number += 1
        elif word.split()[-1] == "COPY" and (found := _COPY.match(rest)) and found[2].lower() not in stages:
            yield _Use(one, full_reference(found[2]), match[1] + found[1], found[3])


def _instructions(text: str) -> Iterator[_Instruction]:
    escape, may_be_directive = "\\", True
    begun: int | None = None
    joined = ""
    lines = text.split("\n")
    for number, line in enumerate(lines):
        stripped = line.strip()
        if may_be_directive and (directive := _ESCAPE.match(stripped)):
            escape = directive[1]
        may_be_directive = may_be_directive and bool(re.match(r"#\s*\w+\s*=", stripped))
        if stripped.startswith("#") or not stripped:  # within an instruction, too
            continue
        begun = number if begun is None else begun
        joined += line.rstrip().removesuffix(escape)
        if not line.rstrip().endswith(escape):
            yield _Instruction(begun, number, joined)
            begun, joined = None, ""
    if begun is not None:
        yield _Instruction(begun, len(lines) - 1, joined)


def _arguments(rest: str, values: Mapping[str, str], args: Mapping[str, str]) -> dict[str, str]:
    """The values of the arguments that one ARG names; what has none is left out."""
    found: dict[str, str] = {}
    try:
        words = shlex.split(rest)
    except ValueError:
        return found
    for word in words:
        name, equals, default = word.partition("=")
        if name in args:
            found[name] = args[name]
        elif equals:
            try:
                found[name] = _expand(default, {**values, **found})
            except PlatformError:
                continue
    return found


def _expand(text: str, values: Mapping[str, str]) -> str:
    """``text`` with its variables' values, as the builder reads it."""

    def value(match: re.Match[str]) -> str:
        name, operator, word = match[1] or match[2], match[3] or "", match[4] or ""
        found = values.get(name)
        there = bool(found) if operator.startswith(":") else found is not None
        if operator.endswith("+"):
            return _expand(word, values) if there else ""
        if operator.endswith("-") and not there:
            return _expand(word, values)
        if found is None:
            raise PlatformError(f"FROM {text} in its Dockerfile: {name} has no value. Give it one in build.args")
        return found

    expanded = _VARIABLE.sub(value, text)
    if "$" in _VARIABLE.sub("", text):
        raise PlatformError(f"FROM {text} in its Dockerfile can't be read: use ${{NAME}} or ${{NAME:-default}}")
    return expanded
