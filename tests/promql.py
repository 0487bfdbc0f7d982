"""What a PromQL expression asks for, rule by rule, and the jobs that the platform has."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

ROLE = Path(__file__).resolve().parents[1] / "roles" / "monitoring"
# Words that stand where a name may.
WORDS = {"and", "or", "unless", "bool", "offset", "group_left", "group_right", "Inf", "NaN"}
GROUPING = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)")
STRING = r'"(?:[^"\\]|\\.)*"'
# A string outside of braces is an argument, a name before a parenthesis a function.
SELECTOR = re.compile(
    rf"{STRING}|(?<![\w:.])(?P<name>[a-zA-Z_:][\w:]*)?(?P<braces>\{{(?:[^}}\"]|{STRING})*\}})"
    r"|(?<![\w:.])(?P<bare>[a-zA-Z_:][\w:]*)(?![\w:])(?!\s*\()"
)
MATCHER = re.compile(rf"\s*(\w+)\s*(=~|!=|!~|=)\s*({STRING})\s*,?")


@dataclass(frozen=True)
class Selector:
    """``matchers``: by label, the operator and the value. ``name``: empty where none is given."""

    name: str
    matchers: dict[str, tuple[str, str]] = field(default_factory=dict)

    @property
    def job(self) -> str | None:
        """The job, or jobs, that it is limited to, as ``a|b``; None where it is limited to none."""
        operator, value = self.matchers.get("job", ("", ""))
        return value if operator in ("=", "=~") else None


def selectors(expression: str) -> Iterator[Selector]:
    for found in SELECTOR.finditer(GROUPING.sub(" ", expression)):
        name = found["name"] or found["bare"] or ""
        if found["braces"]:
            parts = MATCHER.findall(found["braces"][1:-1])
            yield Selector(name, {label: (operator, value[1:-1]) for label, operator, value in parts})
        elif name and name not in WORDS:
            yield Selector(name)


def rules(folder: Path = ROLE / "files" / "rules") -> Iterator[dict[str, Any]]:
    """Every rule, recording and alerting."""
    for file in sorted(folder.glob("*.yml")):
        for group in yaml.safe_load(file.read_text())["groups"]:
            yield from group["rules"]


def jobs() -> set[str]:
    """Those of the platform, as Prometheus' file and the labels of the services call them; apps have others."""
    scraped = re.findall(r"job_name: (\S+)", (ROLE / "templates" / "prometheus.yml.j2").read_text())
    calls = re.findall(r"\{\{ deploy\('([\w-]+)'(.*)\) \}\}", (ROLE / "templates" / "compose.yml.j2").read_text())
    exported = {(re.findall(r"job='([\w-]+)'", rest) or [name])[0] for name, rest in calls if "port=" in rest}
    # A stack of its own.
    certificates = (ROLE.parent / "certificates" / "templates" / "compose.yml.j2").read_text()
    exported |= set(re.findall(r"io\.fungap\.metrics\.job: (\S+)", certificates))
    return {*scraped, *exported} - {"exporters", "apps"}
