# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Images and where they come from: the catalog's entries, recipes, names, and the files that they are read from."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.module_utils.core.harmless import HIDDEN, is_harmless, is_name

SOURCES = ("pull", "build", "archive")
# Of a catalog, not of an entry: each image from its own registry where that answers, or else built.
AUTO = "auto"
RECIPE_LABEL = "io.fungap.recipe"
# The platform that an image was built for. Not the label of what is a platform's: a container has its image's labels.
MADE_FOR_LABEL = "io.fungap.made-for"
LOCAL_PREFIX = "fungap"
DOCKER_HUB = "docker.io"
MISSING = ("fail", "skip")
ARCHIVE_SUFFIXES = (".tar", ".tar.gz", ".tar.zst")
DEFAULT_MIRROR = "http://deb.debian.org/debian"
DEFAULT_SECURITY_MIRROR = "http://security.debian.org/debian-security"

IMAGE_NAME = re.compile(r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*\Z")
PACKAGE = re.compile(r"[a-z0-9][a-z0-9+.-]+(:[a-z0-9-]+)?([=/][A-Za-z0-9.+~:-]+)?\Z")
SHA256 = re.compile(r"[0-9a-f]{64}\Z")
_SUITE = re.compile(r"[a-z][a-z0-9.-]*\Z")
_ARGUMENT = re.compile(r"[^\s=\0]+\Z")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
# The engine takes 255 with what stands before it, and so does a file system with what stands behind it.
IMAGE_NAME_MAX = 128
_ENTRY_KEYS = {"pull", "build", "source", "internal", "optional", "missing", "push", "follow"}
# What a build may say, and what it is where it says nothing.
_NO_BUILD: Mapping[str, Any] = {"bootstrap": "", "packages": [], "context": "", "include": {}, "base": "", "args": {}}


@dataclass(frozen=True)
class Build:
    """How an image is built.

    ``bootstrap``: a Debian suite, for an image made from nothing but its packages (``packages``).
    Otherwise a Dockerfile in ``context`` (a folder on the controller) on the catalog's entry ``base``, which the
    Dockerfile gets as build argument ``BASE`` beside ``args``. ``include``: more of the context, path in it -> file or
    folder on the controller.
    """

    bootstrap: str = ""
    packages: tuple[str, ...] = ()
    context: str = ""
    include: Mapping[str, str] = field(default_factory=dict)
    base: str = ""
    args: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Entry:
    """One entry of the catalog.

    ``pull``: the pinned reference of an official image. ``source``: overrides the catalog's. ``internal``: only a base
    of others: made when one of them is built, never pushed, not in an archive. ``push``: it belongs in the registry.
    ``follow``: what ``pull`` means is asked for on every call. ``optional``: had only where it is asked for by name.
    ``missing``: fail or skip when its source can't give it; overrides the catalog's.
    """

    name: str
    pull: str = ""
    build: Build | None = None
    source: str = ""
    internal: bool = False
    optional: bool = False
    missing: str = ""
    push: bool = True
    follow: bool = False


@dataclass(frozen=True)
class Archive:
    """A file made by ``docker save``, plain or compressed.

    Another size or time of change is another archive; where its SHA-256 is known, another one of that.
    """

    path: str
    size_bytes: int
    modified_nanoseconds: int
    sha256: str = ""


@dataclass(frozen=True)
class Mirrors:
    """Where Debian's packages come from."""

    main: str = DEFAULT_MIRROR
    security: str = DEFAULT_SECURITY_MIRROR

    def sources(self, suite: str) -> list[str]:
        """The lines of a sources.list."""
        return [
            f"deb {self.main} {suite} main",
            f"deb {self.main} {suite}-updates main",
            f"deb {self.security} {suite}-security main",
        ]


def parse_catalog(raw: Mapping[str, Any]) -> dict[str, Entry]:
    """The catalog as it is written in the inventory; every mistake in it at once."""
    entries: dict[str, Entry] = {}
    problems: list[str] = []
    for name, value in raw.items():
        try:
            entries[name] = parse_entry(name, value)
        except PlatformError as error:
            problems.append(error.message)
    for entry in entries.values():
        base = entry.build.base if entry.build else ""
        if base and base not in raw:
            problems.append(f"{entry.name}: its base {base!r} is not in the catalog")
    if not problems:
        problems += [f"{name}: it is its own base" for name in entries if _is_circular(entries, name)]
    if problems:
        raise PlatformError("the image catalog is wrong: " + "; ".join(problems), problems=problems)
    return entries


def _is_circular(entries: Mapping[str, Entry], name: str) -> bool:
    seen: set[str] = set()
    while name and name not in seen:
        seen.add(name)
        build = entries[name].build
        name = build.base if build else ""
    return bool(name)


def parse_entry(name: Any, value: Any) -> Entry:
    """One entry as it is written; raises on what is wrong in it."""
    if not isinstance(name, str) or not IMAGE_NAME.match(name) or len(name) > IMAGE_NAME_MAX:
        raise PlatformError(f"{_shown(name)} is no image name: lower case letters, digits, '.', '_' and '-'")
    if not isinstance(value, Mapping):
        raise PlatformError(f"{name}: must be a dictionary")
    _refuse_unknown(name, value, _ENTRY_KEYS)
    source = value.get("source") or ""
    if source and source not in SOURCES:
        raise PlatformError(f"{name}: source must be one of {', '.join(SOURCES)}")
    missing = value.get("missing") or ""
    if missing and missing not in MISSING:
        raise PlatformError(f"{name}: missing must be one of {', '.join(MISSING)}")
    for key in ("internal", "optional", "push", "follow"):
        if not isinstance(value.get(key, False), bool):
            raise PlatformError(f"{name}: {key} must be true or false")
    return Entry(
        name=name,
        pull=str(value.get("pull") or ""),
        build=_parse_build(name, value["build"]) if value.get("build") else None,
        source=source,
        internal=value.get("internal", False),
        optional=value.get("optional", False),
        missing=missing,
        push=value.get("push", True),
        follow=value.get("follow", False),
    )


def by_digest(reference: str, digest: str) -> str:
    """``reference`` with a digest in place of its tag."""
    name = reference.partition("@")[0]
    path, slash, last = name.rpartition("/")
    return f"{path}{slash}{last.partition(':')[0]}@{digest}"


def full_reference(reference: str) -> str:
    """An image's name as the engine completes it: with its registry, and a tag or a digest, which counts alone."""
    name, _at, digest = reference.partition("@")
    first, slash, rest = name.partition("/")
    if not slash or not (set(first) & {".", ":"} or first == "localhost"):
        first, rest = DOCKER_HUB, name
    elif first == f"index.{DOCKER_HUB}":
        first = DOCKER_HUB
    if first == DOCKER_HUB and "/" not in rest:
        rest = f"library/{rest}"
    if digest:
        return by_digest(f"{first}/{rest}", digest)
    return f"{first}/{rest}" if ":" in rest.rpartition("/")[2] else f"{first}/{rest}:latest"


def parse_sha256(raw: Mapping[str, Any]) -> dict[str, str]:
    """Name of an image -> what the SHA-256 of its archive has to be; every mistake at once."""
    wrong = [str(name) for name, sha256 in raw.items() if not SHA256.match(str(sha256))]
    if wrong:
        raise PlatformError(f"what the SHA-256 of archives have to be is wrong: {', '.join(wrong)}: 64 digits, 0 to f")
    return {str(name): str(sha256) for name, sha256 in raw.items()}


def parse_bases(raw: Mapping[str, Any], entries: Collection[str]) -> dict[str, str]:
    """Full reference -> name of the catalog's entry that stands in for it; every mistake at once."""
    bases: dict[str, str] = {}
    problems: list[str] = []
    for key, name in ((str(key), str(name)) for key, name in raw.items()):
        reference = full_reference(key)
        if name not in entries:
            problems.append(f"{key}: {name!r} is not in the catalog")
        elif bases.setdefault(reference, name) != name:
            problems.append(f"{key}: {bases[reference]} and {name} are both to stand in for {reference}")
    if problems:
        raise PlatformError("the bases that stand in for images are wrong: " + "; ".join(problems), problems=problems)
    return bases


def _parse_build(name: str, value: Any) -> Build:
    if not isinstance(value, Mapping):
        raise PlatformError(f"{name}: build must be a dictionary")
    _refuse_unknown(f"{name}: build", value, set(_NO_BUILD))
    build = {key: value.get(key) or nothing for key, nothing in _NO_BUILD.items()}
    for is_right, demand in _DEMANDS:
        if not is_right(build):
            raise PlatformError(f"{name}: {demand}")
    outside = sorted(path for path in map(str, build["include"]) if path.startswith("/") or ".." in path.split("/"))
    if outside:
        raise PlatformError(f"{name}: build.include leads out of the context: {', '.join(map(_shown, outside))}")
    return Build(
        bootstrap=str(build["bootstrap"]),
        packages=tuple(str(package) for package in build["packages"]),
        context=str(build["context"]),
        include={str(key): str(item) for key, item in build["include"].items()},
        base=str(build["base"]),
        args={str(key): str(item) for key, item in build["args"].items()},
    )


def _is_line(text: Any) -> bool:
    return isinstance(text, str) and not _CONTROL.search(text)


def _is_argument(name: Any) -> bool:
    return isinstance(name, str) and bool(_ARGUMENT.match(name)) and name != "BASE"


# What a build is to be like, in the order in which it is asked: a demand may count on those before it.
_DEMANDS: tuple[tuple[Callable[[Mapping[str, Any]], bool], str], ...] = (
    (
        lambda build: bool(build["bootstrap"]) != bool(build["context"]),
        "build needs either bootstrap (a Debian suite) or context (a folder)",
    ),
    (lambda build: _is_line(build["context"]), "build.context must be one line of text"),
    (lambda build: _is_line(build["base"]), "build.base must be one line of text"),
    (
        lambda build: not build["bootstrap"] or bool(_SUITE.match(str(build["bootstrap"]))),
        "build.bootstrap must be a Debian suite, as trixie",
    ),
    (lambda build: isinstance(build["args"], Mapping), "build.args must be a dictionary"),
    (lambda build: isinstance(build["packages"], list), "build.packages must be a list"),
    (
        lambda build: isinstance(build["include"], Mapping) and bool(build["context"] or not build["include"]),
        "build.include must be a dictionary, beside a context",
    ),
    (
        lambda build: all(isinstance(one, str) and PACKAGE.match(one) for one in build["packages"]),
        "build.packages has what is no package's name",
    ),
    (
        lambda build: all(one and _is_line(one) for one in build["include"].values()),
        "build.include has what is no path for a file",
    ),
    (
        lambda build: all(map(_is_argument, build["args"])),
        "build.args has what is no argument's name, or BASE, which is the entry's base",
    ),
    (
        lambda build: not any(one is None or isinstance(one, (list, Mapping)) for one in build["args"].values()),
        "build.args has neither text nor a number for one",
    ),
)


def _refuse_unknown(where: str, value: Mapping[str, Any], known: set[str]) -> None:
    unknown = sorted(map(_shown, set(value) - known))
    if unknown:
        raise PlatformError(f"{where}: unknown {', '.join(unknown)}; known are {', '.join(sorted(known))}")


def _shown(name: Any) -> str:
    """What names a part of the catalog: all else may be anything."""
    text = str(name)
    return text if is_name(text) or is_harmless(text) else HIDDEN


def recipe_of(*parts: Any) -> str:
    """The hash that names what an image is made of: sha256, hexadecimal."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def local_tag(name: str, recipe: str) -> str:
    """The image's name on a docker host, the same for every platform there."""
    return f"{LOCAL_PREFIX}/{name}:{recipe[:12]}"


def is_made_for(owner: str, platform: str, others: Collection[str]) -> bool:
    """Whether an image may be a platform's own.

    ``owner``: by its label. ``others``: the platforms beside it on the engine. Where it is alone, what says nothing is
    its own: what an older version has built, what was pulled or loaded.
    """
    return owner == platform if owner else not others


def local_repository(name: str) -> str:
    """The local name without its tag."""
    return f"{LOCAL_PREFIX}/{name}"


def parse_apt_sources(texts: Iterable[str], codename: str) -> Mirrors:
    """The mirrors that a Debian host uses itself, from its sources in either format; else Debian's own.

    ``codename``: the host's release. Only http and https can be used inside a build.
    """
    main, security = "", ""
    for uri, suite in (pair for text in texts for pair in _apt_entries(text)):
        if not uri.startswith(("http://", "https://")):
            continue
        if suite == codename:
            main = main or uri
        elif suite == f"{codename}-security":
            security = security or uri
    return Mirrors(main or DEFAULT_MIRROR, security or DEFAULT_SECURITY_MIRROR)


def _apt_entries(text: str) -> Iterable[tuple[str, str]]:
    """(URI, suite) of every source of binary packages in one file."""
    for line in text.splitlines():
        words = re.sub(r"\[[^]]*\]", "", line).split()
        if len(words) >= 3 and words[0] == "deb":
            yield words[1].rstrip("/"), words[2]
    for stanza in re.split(r"\n\s*\n", text):
        lines = [line for line in stanza.splitlines() if not line.startswith("#")]
        fields: dict[str, str] = {}
        key = ""
        for line in lines:
            if line[:1].isspace():
                fields[key] = fields.get(key, "") + " " + line.strip()
            elif ":" in line:
                key, _colon, rest = line.partition(":")
                key = key.strip().lower()
                fields[key] = rest.strip()
        if "deb" not in fields.get("types", "").split() or fields.get("enabled", "yes").lower() == "no":
            continue
        for uri in fields.get("uris", "").split():
            for suite in fields.get("suites", "").split():
                yield uri.rstrip("/"), suite


def parse_registry_auth(text: str, address: str) -> tuple[str, str] | None:
    """User and password for ``address`` in a Docker CLI's config.json; None when it has none."""
    try:
        encoded = json.loads(text).get("auths", {}).get(address, {}).get("auth", "")
        user, colon, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (ValueError, AttributeError, binascii.Error):
        raise PlatformError(f"the registry configuration for {address} is no Docker CLI config.json") from None
    return (user, password) if colon else None
