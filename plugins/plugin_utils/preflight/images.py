# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The image catalog: what each image comes from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from ansible_collections.fungap.swarm.plugins.module_utils.image.model import ARCHIVE_SUFFIXES, full_reference
from ansible_collections.fungap.swarm.plugins.plugin_utils import acme, cron, jenkins
from ansible_collections.fungap.swarm.plugins.plugin_utils.app import catalog_images
from ansible_collections.fungap.swarm.plugins.plugin_utils.monitoring import wanted_images
from ansible_collections.fungap.swarm.plugins.plugin_utils.preflight.inputs import ALL_HOSTS, Image, PreflightInput
from ansible_collections.fungap.swarm.plugins.plugin_utils.problem import Harmless, Problem, show_key
from ansible_collections.fungap.swarm.plugins.plugin_utils.specs import nearest


def check_images(inputs: PreflightInput) -> Iterator[Problem]:
    for image, variable in _wanted(inputs).items():
        yield from _check_wanted(inputs, image, variable)
    yield from _check_what_each_is_built_on(inputs.images)
    yield from _check_bases(inputs)


def _wanted(inputs: PreflightInput) -> dict[str, str]:
    """The images that a run needs, each with the variable that asks for it; images_source for the platform's own."""
    own = ["registry", "proxy", "node"] if inputs.inventory.is_nested else ["registry", "proxy"]
    inventory = inputs.inventory
    optional = (
        *wanted_images(inventory.variables),
        *cron.wanted_images(inventory.apps.values()),
        *acme.wanted_images(inventory.variables),
        *jenkins.wanted_images(inventory),
    )
    own += [name for name in optional if not _may_lack(inputs, name)]
    wanted = dict.fromkeys((name for name in own if name in inputs.images and inputs.inventory.nodes), "images_source")
    for name, app in inputs.inventory.apps.items():
        for place, image in catalog_images(app).items():
            wanted.setdefault(image, f"apps.{show_key(name)}.{place}")
    return wanted


def _check_wanted(inputs: PreflightInput, image: str, variable: str) -> Iterator[Problem]:
    """That the catalog has the image, and says where it comes from."""
    entry = inputs.images.get(image)
    if entry is None:
        if inputs.images:
            offered = (name for name, one in inputs.images.items() if not one.internal)
            cure = _cure_of_unknown(image, inputs.images, offered)
            cure += "" if ".services." not in variable else ", or name its tag, as redis:7"
            yield Problem(ALL_HOSTS, variable, image, "is not in the image catalog", cure)
        return
    is_own = variable == "images_source"
    value = Harmless(inputs.variable("images_source") if is_own else image)
    source = entry.source or inputs.variable("images_source")
    if entry.internal and not is_own:
        yield Problem(ALL_HOSTS, variable, Harmless(image), "is only a base of other images", "the image of an app")
    elif source == "build" and not entry.build:
        problem = f"the catalog does not say how to build {image}"
        yield Problem(ALL_HOSTS, variable, value, problem, "images_source: pull, or add build to its entry")
    elif source in ("auto", "pull") and not entry.pull and not entry.build:
        problem = f"the catalog says neither where to pull {image} nor how to build it"
        yield Problem(ALL_HOSTS, variable, value, problem, "add pull or build to its entry")
    elif source == "archive":
        yield from _check_archive(inputs, image)


def _cure_of_unknown(image: str, images: Mapping[str, Image], offered: Iterable[str]) -> str:
    near = nearest(image, images)
    return f"did you mean {near}?" if near else f"one of: {', '.join(sorted(offered))}; or add it to images_extra"


def _check_what_each_is_built_on(images: Mapping[str, Image]) -> Iterator[Problem]:
    for name, entry in images.items():
        variable = f"images_extra.{name}.build.base"
        if entry.base and entry.base not in images:
            near = nearest(entry.base, images)
            cure = f"did you mean {near}?" if near else "add it to images_extra"
            yield Problem(ALL_HOSTS, variable, entry.base, "is not in the image catalog", cure)
        elif name in _bases_of(images, name):
            problem = "is built on this one itself"
            yield Problem(ALL_HOSTS, variable, Harmless(entry.base), problem, "another base, as nodejs")


def _bases_of(images: Mapping[str, Image], name: str) -> list[str]:
    """What an image is built on, and that on, each once."""
    found: list[str] = []
    while (name := images.get(name, Image()).base) and name not in found:
        found.append(name)
    return found


def _check_bases(inputs: PreflightInput) -> Iterator[Problem]:
    meant: dict[str, str] = {}
    named = {key: name for key, name in inputs.variable("images_bases").items() if isinstance(name, str) and name}
    for image, name in named.items():
        variable = f"images_bases.{image}"
        if name not in inputs.images and inputs.images:
            cure = _cure_of_unknown(name, inputs.images, inputs.images)
            yield Problem(ALL_HOSTS, variable, name, "is not in the image catalog", cure)
        elif meant.setdefault(full_reference(str(image)), name) != name:
            problem = f"is the same image as another one, for which {meant[full_reference(str(image))]} stands in"
            yield Problem(ALL_HOSTS, variable, Harmless(name), problem, "one of them")


def _may_lack(inputs: PreflightInput, image: str) -> bool:
    return (inputs.images.get(image, Image()).missing or inputs.variable("images_missing")) == "skip"


def _check_archive(inputs: PreflightInput, image: str) -> Iterator[Problem]:
    folder = str(inputs.variable("images_archive_dir"))
    for host, facts in inputs.facts():
        if inputs.inventory.is_nested and not any(node.host == host for node in inputs.inventory.nodes):
            continue
        if not inputs.inventory.is_nested and host not in inputs.inventory.registry_hosts:
            continue
        names = facts["folders"].get(folder)
        if names is None:
            cure = "put the bundle's files there, or correct the path"
            yield Problem(host, "images_archive_dir", folder, "is not there or can't be read", cure)
        elif (known := inputs.variable("images_archive_sha256")) and image not in known:
            problem, cure = f"has none of the image {image}", f"that of {image}{ARCHIVE_SUFFIXES[0]} too, by sha256sum"
            yield Problem(ALL_HOSTS, "images_archive_sha256", Harmless(f"{len(known)} of them"), problem, cure)
        elif not any(f"{image}{suffix}" in names for suffix in ARCHIVE_SUFFIXES):
            cure = f"put {image}{ARCHIVE_SUFFIXES[0]} (or {', '.join(ARCHIVE_SUFFIXES[1:])}) there"
            yield Problem(host, "images_archive_dir", folder, f"has no archive of the image {image}", cure)
