# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a registry holds, and the references by which images of it are named."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError


@dataclass(frozen=True)
class Reference:
    """An image's name taken apart; a part that it lacks is empty."""

    registry: str
    repository: str
    tag: str = ""
    digest: str = ""


@dataclass(frozen=True)
class Manifest:
    """An image, or a list of images, in one repository.

    ``pushed``: when it was last pushed, seconds since the epoch. ``children``: digests of the manifests that a list
    names. ``blobs``: digests of configuration and layers.
    """

    repository: str
    digest: str
    pushed: float
    tags: tuple[str, ...] = ()
    children: frozenset[str] = frozenset()
    blobs: frozenset[str] = frozenset()

    @property
    def name(self) -> str:
        """``repository@digest``."""
        return f"{self.repository}@{self.digest}"


@dataclass(frozen=True)
class Blob:
    """A stored file. ``written``: seconds since the epoch."""

    size_bytes: int
    written: float


@dataclass(frozen=True)
class Storage:
    """All of a registry. ``repositories``: name -> when anything in it was last written, empty ones too.

    ``last_upload``: when a part of a blob that is being uploaded was last written.
    """

    manifests: Sequence[Manifest] = ()
    blobs: Mapping[str, Blob] = field(default_factory=dict)
    repositories: Mapping[str, float] = field(default_factory=dict)
    last_upload: float = 0


def parse_reference(text: str) -> Reference:
    """``registry:5000/team/web:42@sha256:...``; a name without a registry's has an empty one."""
    name, _at, digest = text.partition("@")
    first, slash, rest = name.partition("/")
    registry = first if slash and (first == "localhost" or set(first) & set(".:")) else ""
    repository, _colon, tag = (rest if registry else name).partition(":")
    return Reference(registry, repository, tag, digest)


def parse_manifest(text: bytes, name: str) -> tuple[frozenset[str], frozenset[str]]:
    """Children and blobs of a manifest of any kind: Docker's two schemas and list, OCI's manifest and index."""
    try:
        data = json.loads(text)
        children = frozenset(child["digest"] for child in data.get("manifests") or [])
        blobs = frozenset(_blobs(data))
    except (ValueError, AttributeError, LookupError, TypeError):
        children = blobs = frozenset()
        data = {}
    if not {"manifests", "layers", "fsLayers"} & set(data):
        raise PlatformError(f"{name} in the registry is no manifest that is understood, so nothing is removed")
    return children, blobs


def _blobs(manifest: Mapping[str, Sequence[Mapping[str, str]]]) -> Iterator[str]:
    config = manifest.get("config")
    if isinstance(config, Mapping):
        yield config["digest"]
    for layer in manifest.get("layers") or []:
        yield layer["digest"]
    for layer in manifest.get("fsLayers") or []:
        yield layer["blobSum"]
