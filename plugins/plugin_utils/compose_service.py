# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is wrong with a service of a compose file. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.fungap.swarm.plugins.plugin_utils.compose_forms import below
from ansible_collections.fungap.swarm.plugins.plugin_utils.compose_shapes import (
    CURES,
    DATE_KIND,
    LIST_KIND,
    MAPPING_KIND,
    NOTHING_KIND,
    NUMBER_KIND,
    SERVICE,
    SWITCH_KIND,
    TEXT,
    TEXT_KIND,
    WHOLE_KIND,
    Shape,
)
from ansible_collections.fungap.swarm.plugins.plugin_utils.kinds.swarm import why_no_argument
from ansible_collections.fungap.swarm.plugins.plugin_utils.specs import nearest


@dataclass(frozen=True)
class Wrong:
    """``place``: as ``deploy.labels`` or ``volumes[0].type``. ``is_ours``: Docker may take it, we don't."""

    place: str
    problem: str
    cure: str
    is_ours: bool = False


def _kind_of(value: Any) -> str:
    if value is None:
        return NOTHING_KIND
    if isinstance(value, bool):
        return SWITCH_KIND
    if isinstance(value, (int, float)):
        return WHOLE_KIND if isinstance(value, int) else NUMBER_KIND
    if isinstance(value, str):
        return TEXT_KIND
    if isinstance(value, (Mapping, list)):
        return MAPPING_KIND if isinstance(value, Mapping) else LIST_KIND
    return DATE_KIND


def misshapen(value: Any, place: str = "", shape: Shape = SERVICE) -> Iterator[Wrong]:
    """What stands where it can't, of everything in a service."""
    kind = _kind_of(value)
    if kind not in shape.kinds and not (kind == WHOLE_KIND and NUMBER_KIND in shape.kinds):
        wanted = " or ".join(kind for kind in shape.kinds if kind != NOTHING_KIND)
        if kind == NOTHING_KIND:
            yield Wrong(place, "is empty", "give it a value, or take the line away")
        else:
            quote = TEXT_KIND in shape.kinds and kind in (WHOLE_KIND, NUMBER_KIND, SWITCH_KIND, DATE_KIND)
            yield Wrong(place, f"must be {wanted}, not {kind}", "quote it" if quote else f"write {wanted}")
        return
    wrong = list(_below_it(value, place, shape))
    yield from wrong
    ask = shape.whole if kind in (LIST_KIND, MAPPING_KIND) else shape.ask
    if wrong or kind in (NOTHING_KIND, SWITCH_KIND):
        return
    if kind not in (LIST_KIND, MAPPING_KIND) and (problem := why_no_argument(value)):
        yield Wrong(place, problem, "another value")
    elif ask and (why := ask(value)):
        yield Wrong(place, *why)


def _below_it(value: Any, place: str, shape: Shape) -> Iterator[Wrong]:
    if isinstance(value, Mapping):
        for key, one in value.items():
            at = below(place, key)
            known = shape.values or shape.keys.get(key)
            if not isinstance(key, str):
                yield Wrong(at, "has a name that is no text: YAML reads yes, no, on, off and numbers", "quote it")
            elif known:
                yield from misshapen(one, at, known)
            elif not key.startswith("x-"):
                yield _unknown(at, key, shape)
        for key in shape.needed:
            if key not in value:
                yield Wrong(below(place, key), "is missing", "add it")
    elif isinstance(value, list):
        for index, one in enumerate(value):
            yield from misshapen(one, f"{place}[{index}]", shape.elements or TEXT)


def _unknown(place: str, key: str, shape: Shape) -> Wrong:
    if shape is SERVICE and key in CURES:
        return Wrong(place, "is not carried out by a swarm", CURES[key], is_ours=True)
    near = nearest(key, shape.keys)
    cure = f"did you mean {near}?" if near else f"it may have: {', '.join(sorted(shape.keys))}"
    return Wrong(place, "is not a known setting", cure, is_ours=True)


def interpolated(value: Any, place: str = "") -> Iterator[Wrong]:
    """Texts that a compose file would fill in from a shell's environment, which nobody has here."""
    if isinstance(value, str):
        if "$" in value.replace("$$", ""):
            problem = "has a lone $, which a compose file fills in from a shell's environment; there is none here"
            yield Wrong(place, problem, "the value itself; $$ for a $ that is meant")
    elif isinstance(value, Mapping):
        for key, one in value.items():
            yield from interpolated(one, below(place, key))
    elif isinstance(value, list):
        for index, one in enumerate(value):
            yield from interpolated(one, f"{place}[{index}]")
