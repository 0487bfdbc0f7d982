# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Names of images, image catalogs and what a build is given."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.module_utils.image.model import IMAGE_NAME, SHA256, parse_entry
from ansible_collections.fungap.swarm.plugins.plugin_utils.kinds.addresses import port_of
from ansible_collections.fungap.swarm.plugins.plugin_utils.kinds.texts import why_no_key
from ansible_collections.fungap.swarm.plugins.plugin_utils.problem import show_key

_COMPONENT = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_DOMAIN = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*(?::[0-9]{1,5})?"
IMAGE = re.compile(
    rf"(?P<name>(?:{_DOMAIN}/)?{_COMPONENT}(?:/{_COMPONENT})*)"
    r"(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(?:@sha(?:256:[0-9a-f]{64}|512:[0-9a-f]{128}))?\Z"
)

# What the engine takes of a name without tag and digest.
REPOSITORY_MAX = 255


def why_no_image(value: Any) -> str:
    found = IMAGE.match(str(value))
    if not found or len(found["name"]) > REPOSITORY_MAX:
        return "is not an image's name"
    # With a path behind it, what has a colon is a registry's port.
    domain, slash, _path = found["name"].partition("/")
    _host, colon, port = domain.partition(":")
    return "has no port after its registry's colon" if slash and colon and port_of(port) is None else ""


def why_no_catalog(value: Any) -> str:
    """Entries of the image catalog, each in itself."""
    for name, entry in value.items() if isinstance(value, Mapping) else ():
        try:
            pull = parse_entry(name, entry).pull
        except PlatformError as error:
            return f"has a wrong entry: {error.message}"
        if pull and why_no_image(pull):
            return f"has a wrong entry: {name}: pull is not an image's name"
    return ""


def why_no_taken(value: Any) -> str:
    """The catalog's names, and what of other registries they are to be."""
    for name, reference in value.items() if isinstance(value, Mapping) else ():
        if why_no_image_name(name) or why_no_image(reference):
            return f"has no image for a name of the catalog at {show_key(name)}"
    return ""


def why_no_archive_sha256(value: Any) -> str:
    """The catalog's names, and what the SHA-256 of each one's archive has to be."""
    for name, sha256 in value.items() if isinstance(value, Mapping) else ():
        if why_no_image_name(name) or not SHA256.match(str(sha256)):
            return f"has no 64 digits from 0 to f for a name of the catalog at {show_key(name)}"
    return ""


def why_no_image_name(value: Any) -> str:
    return "" if isinstance(value, str) and IMAGE_NAME.match(value) else "is not a name of the image catalog"


def why_no_bases(value: Any) -> str:
    """Images, and what of the catalog stands in for each."""
    for image, name in value.items() if isinstance(value, Mapping) else ():
        if why := why_no_key(image) or why_no_image(image):
            return why if why.startswith("has") else f"has {show_key(image)}, which {why}"
        if not isinstance(name, str) or not name:
            return f"has no name of the catalog for {image}"
    return ""
