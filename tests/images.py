# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which images belong to this checkout.

Checkouts on one machine share an engine, and it keeps the images of every recipe: the newest of a name may be another
checkout's. The tag is the recipe's hash. This computes it from the role's defaults and files, by the module's own code.
"""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
# Programs need it; pytest has it from pyproject.toml.
sys.path.insert(0, str(ROOT / "collections"))

from ansible_collections.fungap.swarm.plugins.module_utils.docker.engine import Engine
from ansible_collections.fungap.swarm.plugins.module_utils.image.context import authorities_hash, read_authorities
from ansible_collections.fungap.swarm.plugins.module_utils.image.model import Entry, parse_catalog
from ansible_collections.fungap.swarm.plugins.module_utils.image.plan import Circumstances, resolve
from ansible_collections.fungap.swarm.plugins.plugin_utils.build_context import pack

ROLE = ROOT / "roles" / "images"
SOCKET = "/var/run/docker.sock"


class MissingImageError(LookupError):
    """There is no such image of this checkout; the message says what to do."""


def image(name: str) -> str:
    """The image that this checkout's recipe makes, as ``fungap/<name>:<tag>``. Fails if the engine lacks it."""
    wanted = reference(name)
    if wanted not in Engine(SOCKET).images.tags(wanted):
        raise MissingImageError(f"the engine lacks {wanted}; make it: {command(name)}")
    return wanted


def command(name: str) -> str:
    """What makes an image. A base is not made by its name, only for an image that is built on it."""
    names = "" if catalog()[name].internal else f" -e {shlex.quote(json.dumps({'images_names': [name]}))}"
    return f"ansible-playbook playbooks/images.yml{names}"


@cache
def reference(name: str) -> str:
    """The name of the image that this checkout's recipe makes, whether the engine has it or not."""
    contexts = {one: pack(*context).sha256 for one, context in _contexts(name)}
    circumstances = Circumstances(contexts, authorities_hash(read_authorities(None)))
    targets, problems = resolve(catalog(), [name], "build", circumstances)
    if problems:
        raise MissingImageError(f"no image {name}: {problems[name]}")
    return targets[name].image


@cache
def catalog() -> dict[str, Entry]:
    """The catalog in the role's defaults, whose only expression is the role's folder."""
    defaults = (ROLE / "defaults" / "main.yml").read_text().replace("{{ role_path }}", str(ROLE))
    return parse_catalog(yaml.safe_load(defaults)["images_catalog"])


def _contexts(name: str) -> Iterator[tuple[str, tuple[str, Mapping[str, str]]]]:
    """The build contexts of an image and of its bases."""
    while entry := catalog().get(name):
        if not entry.build:
            return
        if entry.build.context:
            yield name, (entry.build.context, entry.build.include)
        name = entry.build.base
