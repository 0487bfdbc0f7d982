# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Variables of a compose file, and what is secret in it: the inventory refers to them, and has none of their values.

Docker's parser fills ``${NAME}`` in. It is given a stand-in for each variable without a default: a text or a number
that is nowhere else in the file and fits where the variable stands. In what the parser returns, the stand-in is then
replaced by a reference. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.fungap.swarm.plugins.plugin_utils.problem import SECRET

Json = dict[str, Any]
Place = tuple[Any, ...]
VARIABLE = re.compile(r"\$(?:\$|\{?([A-Za-z_][A-Za-z0-9_]*)(:?[-+])?)")
BRACES = re.compile(r"\{\{|\{%|\{#")
# What a value at a place of these names has to be. All else is text.
KINDS = {
    **dict.fromkeys(("mem_limit", "mem_reservation", "memswap_limit", "memory", "shm_size", "size"), "bytes"),
    **dict.fromkeys(("cpus", "cpu_percent"), "cpus"),
    **dict.fromkeys(("interval", "timeout", "start_period", "start_interval", "stop_grace_period"), "duration"),
    **dict.fromkeys(("delay", "monitor", "window"), "duration"),
    **dict.fromkeys(("replicas", "scale", "retries", "parallelism", "max_attempts", "pids", "pids_limit"), "count"),
    **dict.fromkeys(("soft", "hard", "cpu_shares", "oom_score_adj", "mem_swappiness", "priority"), "count"),
    **dict.fromkeys(("read_only", "privileged", "tty", "stdin_open", "init", "external", "internal"), "switch"),
    **dict.fromkeys(("disable", "attachable", "enable_ipv6", "no_cache", "required"), "switch"),
    **dict.fromkeys(("restart", "pull_policy"), "policy"),
}
# The first of these that one of a variable's places needs.
RANKS = ("port", "bytes", "cpus", "duration", "count", "switch", "policy", "path", "text")
STAND_INS: Mapping[str, Callable[[int], str]] = {
    "port": str,
    "bytes": lambda number: f"10737{number}",
    "cpus": lambda number: f"1.{number}",
    "path": lambda number: f"/valueof{number}x",
    "text": lambda number: f"valueof{number}x",
}
# Of which nothing could be told from other values: what is taken in place of the variable.
PLAIN = {"duration": "30s", "count": "1", "switch": "true", "policy": "always"}
FIRST, LAST = 20011, 60000
HIDDEN = re.compile(r"valueof-([a-z0-9_]+)-x")
PASSWORD = re.compile(r"passwo?r?d?|pwd|passphrase")
# Values that tell nothing.
SHOWN = {"", "true", "false", "yes", "no", "on", "off", "0", "1", "none", "null"}
URL_PASSWORD = re.compile(r"(?<=://)([^/\s:@]*):([^/\s@]+)@")
WORD = "(?:passw|pass|pwd|secret|token|api[-_]?key)"
FLAG_PASSWORD = re.compile(rf"(?i)((?:--?[a-z-]*{WORD}[a-z-]*(?:=| +))|(?:\b\w*{WORD}\w*=))([^\s'\"]+)")
FLAG = re.compile(rf"(?i)--?[a-z-]*{WORD}[a-z-]*\Z")
# Flags that are a password's with these programs alone.
SHORT_FLAGS = (
    (re.compile("mysql|mariadb"), re.compile(r"((?:^|(?<=\s))-p)([^\s'\"]+)")),
    (re.compile("redis-cli|valkey-cli"), re.compile(r"((?:^|(?<=\s))-a +)([^\s'\"]+)")),
)
# Whatever they are called: what a generator makes.
GENERATED = re.compile(r"(?=.*[0-9])(?:[A-Fa-f0-9]{32,}|[A-Za-z0-9+/_-]{40,}={0,2})\Z")


class Unsafe(str):
    """A text with braces of its own, which Ansible is not to read as a template."""


@dataclass(frozen=True)
class StandIns:
    """``values``: by variable, what the parser is given. ``marks``: by stand-in, its variable. ``taken``: by variable,
    what was taken for it.
    """

    values: Mapping[str, str]
    marks: Mapping[str, str]
    taken: Mapping[str, str]


def is_secret_name(name: str) -> bool:
    """By its name, a label's or an option's too. A file that has a secret is none."""
    return bool(SECRET.search(re.sub(r"[^A-Za-z0-9]+", "_", name))) and not name.upper().endswith("_FILE")


def is_secret(name: str, value: str) -> bool:
    """A variable's value, by its name, or by what it looks like."""
    return (is_secret_name(name) and value.lower() not in SHOWN) or is_generated(value)


def is_telling(value: str) -> bool:
    """Whether a secret is no word that may stand elsewhere by chance."""
    return len(value) >= 6 and bool(re.search(r"[0-9]", value)) and bool(re.search(r"[A-Za-z]", value))


def is_generated(value: str) -> bool:
    """Whether it looks like a key, and like no path."""
    return bool(GENERATED.match(value)) and not value.startswith("/")


def stand_ins(raw: Json, given: Mapping[str, str]) -> StandIns:
    """``raw``: the file as the parser shows it without filling anything in. ``given``: values that a person names."""
    kinds: dict[str, str] = {}
    texts = list(_texts(raw))
    for place, text in texts:
        for name, kind in _uses(place, text):
            kinds[name] = min(kinds.get(name, "text"), kind, key=RANKS.index)
    everything = "\n".join(text for _place, text in texts)
    numbers = (str(number) for number in range(FIRST, LAST, 7) if str(number) not in everything)
    values, marks, taken = dict(given), {}, {}
    for name, kind in kinds.items():
        if name in given:
            continue
        if kind in PLAIN:
            values[name] = taken[name] = PLAIN[kind]
        else:
            values[name] = STAND_INS[kind](int(next(numbers)))
            marks[values[name]] = name
    return StandIns(values, marks, taken)


def _uses(place: Place, text: str) -> Iterator[tuple[str, str]]:
    """The variables in a text that have no value, or a secret one, and of which kind it has to be."""
    for match in VARIABLE.finditer(text):
        name, operator = match.groups()
        if name and (not operator or (operator.endswith("-") and is_secret_name(name))):
            yield name, _kind(place, text, match.start())


def _kind(place: Place, text: str, start: int) -> str:
    if "environment" in place or "args" in place or "labels" in place:
        return "text"
    if "ports" in place:
        return "port"
    if "volumes" in place and start == 0:
        return "path"
    names = [one for one in place if isinstance(one, str)]
    kind = KINDS.get(names[-1], "text") if names else "text"
    is_alone = start == 0 and text.count("$") == 1 and (text.endswith("}") or text[1:].isidentifier())
    return kind if is_alone or kind == "text" else "count"


def _texts(value: Any, place: Place = ()) -> Iterator[tuple[Place, str]]:
    if isinstance(value, str):
        yield place, value
    elif isinstance(value, Mapping):
        # The parser has parted a short volume before it is filled in, also within ${NAME:-./data}.
        if "volumes" in place and isinstance(value.get("source"), str):
            yield place, f"{value['source']}:{value.get('target', '')}"
            return
        for key, one in value.items():
            yield from _texts(one, (*place, key))
    elif isinstance(value, list):
        for index, one in enumerate(value):
            yield from _texts(one, (*place, index))


@dataclass
class References:
    """The inventory's variables that the entry refers to, each by a name of its own.

    ``marks``: by stand-in, the compose file's variable. ``found``: by the inventory's variable, what it is to be.
    """

    app: str
    marks: Mapping[str, str]
    found: dict[str, str] = field(default_factory=dict)
    _by_value: dict[tuple[bool | str, str], str] = field(default_factory=dict)
    _known: dict[str, str] = field(default_factory=dict)

    def of_variable(self, name: str) -> str:
        """For a variable of the compose file."""
        return self._name(name, "", f"${{{name}}} of the compose file", f"${name}")

    def of_value(self, name: str, service: str, value: str, what: str) -> str:
        """For a value that does not come along. A password that is there twice has one variable."""
        known = (PASSWORD.sub("password", name.lower()).endswith("password") or name.upper(), value)
        if value and known in self._by_value:
            return self._by_value[known]
        made = self._name(name, service, what, value)
        self._by_value[known] = made
        return made

    def has_mark(self, text: str) -> bool:
        """Whether a variable of the compose file stands in it."""
        return any(mark in text for mark in self.marks)

    @staticmethod
    def hidden(name: str) -> str:
        """Stands for a reference until the entry is complete: a brace of the file's own is not taken for one."""
        return f"valueof-{name}-x"

    def _name(self, name: str, service: str, what: str, value: str) -> str:
        is_hidden = is_secret_name(name) or value.startswith("/run/secrets/") or is_generated(value)
        kind = "vault" if is_hidden else "compose"
        made = _identifier(f"{kind}_{self.app}_{name}")
        if self._known.get(made, value) != value:
            made = _identifier(f"{kind}_{self.app}_{service}_{name}")
        self._known[made] = value
        self.found.setdefault(made, what)
        return made

    def filled(self, value: Any) -> Any:
        """A part of the entry in which variables are referred to, and braces are text."""
        if isinstance(value, Mapping):
            return {key: self.filled(one) for key, one in value.items()}
        if isinstance(value, list):
            return [self.filled(one) for one in value]
        if isinstance(value, bool) or value is None:
            return value
        text = str(value)
        if isinstance(value, (int, float)) and text not in self.marks:
            return value
        return self._filled_text(text)

    def _filled_text(self, text: str) -> str:
        if BRACES.search(text) and not self.has_mark(text) and not HIDDEN.search(text):
            return Unsafe(text)
        text = BRACES.sub(lambda match: f"{{{{ '{match.group()}' }}}}", text)
        for mark in self.marks:
            if mark in text:
                text = text.replace(mark, f"{{{{ {self.of_variable(self.marks[mark])} }}}}")
        return HIDDEN.sub(r"{{ \1 }}", text)

    def swept(self, value: Any) -> Any:
        """A part of the entry without the values that are referred to elsewhere, where they tell themselves apart."""
        if isinstance(value, Mapping):
            return {key: self.swept(one) for key, one in value.items()}
        if isinstance(value, list):
            return [self.swept(one) for one in value]
        if not isinstance(value, str):
            return value
        for name, secret in self._known.items():
            if name.startswith("vault_") and is_telling(secret):
                value = re.sub(rf"(?<!\w){re.escape(secret)}(?!\w)", self.hidden(name), value)
        return value

    def named(self, text: str) -> str:
        """A sentence for people, with variables as the compose file names them."""
        for mark, name in self.marks.items():
            text = text.replace(mark, f"${{{name}}}")
        return HIDDEN.sub(r"\1", text)


def _identifier(text: str) -> str:
    return re.sub(r"[^a-z0-9_]+", "_", text.lower())


def without_secrets(service: str, environment: Mapping[str, Any], refer: References) -> Json:
    """An environment as text, without the secrets that it has, by their names or within a URL."""
    found: Json = {}
    for name, value in environment.items():
        text = "" if value is None else str(value)
        if value is None:
            made = refer.of_value(name, service, "", f"{name} of {service}, from the shell")
            found[name] = refer.hidden(made)
        elif is_secret(name, text) and not refer.has_mark(text):
            found[name] = refer.hidden(refer.of_value(name, service, text, f"{name} of {service}"))
        else:
            found[name] = without_password(name, service, text, refer)
    return found


def without_password(name: str, service: str, text: str, refer: References) -> str:
    """A text without the password of a URL in it."""

    def replaced(match: re.Match[str]) -> str:
        user, password = match.groups()
        if refer.has_mark(password) or password.startswith(("$", "{")):
            return match.group()
        what = f"the password in {name} of {service}"
        return f"{user}:{refer.hidden(refer.of_value(f'{name}_password', service, password, what))}@"

    return URL_PASSWORD.sub(replaced, text)


def words_without_secrets(service: str, words: Iterable[Any], refer: References) -> list[str]:
    """A command without the secrets that its flags have."""
    texts = [str(one) for one in words]
    short = [flag for program, flag in SHORT_FLAGS if program.search(" ".join(texts))]
    found: list[str] = []

    def replaced(flag: str, value: str) -> str:
        if value.startswith(("$", "-")) or refer.has_mark(value):
            return value
        name = re.sub(r"[^A-Za-z0-9]+", "_", flag.strip("-= "))
        name = name if is_secret_name(name) else f"{service}_password"
        return refer.hidden(refer.of_value(name, service, value, f"{flag.strip('= ')} of {service}'s command"))

    for word in texts:
        before = found[-1] if found else ""
        if FLAG.match(before) or any(flag.fullmatch(f"{before} {word}") for flag in short):
            found.append(replaced(before, word))
            continue
        for flag in (FLAG_PASSWORD, *short):
            word = flag.sub(lambda match: match.group(1) + replaced(*match.groups()), word)
        found.append(without_password("command", service, word, refer))
    return found
