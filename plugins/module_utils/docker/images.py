# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Images of one engine, and what registries have of them."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from typing import IO, Any

from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.module_utils.docker.client import Json, Part
from ansible_collections.fungap.swarm.plugins.module_utils.image.model import MADE_FOR_LABEL, RECIPE_LABEL, is_made_for

with suppress(ImportError):  # the client says so
    import docker
    import docker.auth
    import requests.exceptions

# Username and password by registry host.
Credentials = Mapping[str, Mapping[str, str]]

# TAG: digest: sha256:... size: N
_PUSHED = re.compile(r"\S+: digest: (sha256:[0-9a-f]{64}) size: ")


def pushed_digest(messages: Iterable[Json]) -> str:
    """The manifest's digest that a push's messages name; '' without one.

    All engines write it into a line of their progress; as a message of its own only those without containerd's store
    (moby, daemon/containerd/image_push.go, v29.0.0).
    """
    digests = [found[1] for message in messages if (found := _PUSHED.match(str(message.get("status") or "")))]
    return digests[-1] if digests else ""


def space_of_layers(usage: Json) -> int:
    """The space that the layers of all images take, of ``GET /system/df``. Engines from 29 on leave out a 0.

    ``ImageUsage`` comes with API 1.52, and ``LayersSize`` goes after it.
    """
    newer = usage.get("ImageUsage")
    return int((usage.get("LayersSize") if newer is None else newer.get("TotalSize")) or 0)


class Images(Part):
    """Images of one engine, and what registries have of them."""

    def inspect(self, reference: str) -> Json | None:
        """``GET /images/<reference>/json``; None when the engine has no such image."""
        with self.errors(f"inspect image {reference}"):
            try:
                image: Json = self.api.inspect_image(reference)
                return image
            except docker.errors.ImageNotFound:
                return None

    def all(self) -> list[Json]:
        """``GET /images/json``: all but the layers in between."""
        with self.errors("list images"):
            images: list[Json] = self.api.images()
            return images

    def tags(self, reference: str) -> dict[str, str]:
        """Tag -> image id, of all images whose name matches the pattern ``reference``."""
        with self.errors("list images"):
            images = self.api.images(filters={"reference": reference})
        return {tag: image["Id"] for image in images for tag in image.get("RepoTags") or []}

    def of_catalog(self, platform: str, others: Collection[str]) -> list[str]:
        """Tags of the images that carry a recipe of the catalog, and are not another platform's."""
        with self.errors("list images"):
            images = self.api.images(filters={"label": [RECIPE_LABEL]})
            own = [image for image in images if is_made_for(image["Labels"].get(MADE_FOR_LABEL, ""), platform, others)]
            return [tag for image in own for tag in image["RepoTags"] or []]

    def of_registry(self, registry: str) -> list[str]:
        """Tags of the images under a registry's ``host:port``."""
        with self.errors("list images"):
            images = self.api.images(filters={"reference": f"{registry}/*"})
            tags = [tag for image in images for tag in image["RepoTags"] or []]
            return [tag for tag in tags if tag.startswith(f"{registry}/")]

    def layer_bytes(self) -> int:
        """The space that the layers of all images take."""
        api: Any = self.api
        with self.errors("measure the images"):  # engines before 23.0 measure the volumes too
            usage = api._result(api.get(api._url("/system/df"), params={"type": "image"}, timeout=600), json=True)
        return space_of_layers(usage)

    def pull_problem(self, reference: str, credentials: Credentials) -> str | None:
        """Why ``reference`` can't be pulled; None when its registry has it. Nothing is downloaded."""
        try:
            self.api.inspect_distribution(reference, auth_config=_auth_for(reference, credentials))
        except docker.errors.NotFound as error:
            return f"no such image: {error.explanation or error}"
        except docker.errors.APIError as error:
            return str(error.explanation or error)
        except (docker.errors.DockerException, requests.exceptions.RequestException, OSError) as error:
            return str(error)
        return None

    def source_digest(self, reference: str, credentials: Credentials) -> str:
        """The digest that ``reference`` has in its own registry now. Nothing is downloaded."""
        with self.errors(f"ask for {reference}"):
            found = self.api.inspect_distribution(reference, auth_config=_auth_for(reference, credentials))
            return str(found["Descriptor"]["digest"])

    def pull(self, reference: str, credentials: Credentials | None = None) -> None:
        """Pull ``reference`` (with its tag or digest)."""
        with self.errors(f"pull {reference}"):
            auth = _auth_for(reference, credentials or {})
            self.follow(self.api.pull(reference, stream=True, decode=True, auth_config=auth), f"pull {reference}")

    def pull_with_config(self, reference: str, registry_config: str | None) -> None:
        """Pull an image. ``registry_config``: a folder with the Docker CLI's config.json, where the credentials are."""
        with self.errors(f"pull image {reference}"):
            registry, _name = docker.auth.resolve_repository_name(reference)
            credentials = None
            if registry_config:
                config = docker.auth.load_config(config_path=f"{registry_config}/config.json")
                credentials = docker.auth.resolve_authconfig(config, registry)
            # What fails after the first byte (a full disk) is told by the stream alone.
            self.follow(
                self.api.pull(reference, auth_config=credentials or {}, stream=True, decode=True),
                f"pull image {reference}",
            )

    def import_rootfs(self, tar: IO[bytes], repository: str, tag: str, changes: list[str]) -> None:
        """Make a one-layer image of a root filesystem's tar; ``changes`` are Dockerfile instructions."""
        with self.errors(f"import {repository}:{tag}"):
            self.api.import_image_from_stream(tar, repository=repository, tag=tag, changes=changes)

    def load(self, archive: IO[bytes]) -> str:
        """Load what ``docker save`` wrote, plain or compressed; return the reference or id of its (last) image."""
        loaded = ""
        with self.errors("load an archive"):
            for message in self.follow(self.api.load_image(archive), "load an archive"):
                for start in ("Loaded image: ", "Loaded image ID: "):
                    if message.get("stream", "").startswith(start):
                        loaded = message["stream"][len(start) :].strip()
        if not loaded:
            raise PlatformError(f"the archive loaded on {self.socket} holds no image")
        return loaded

    def build(self, context: IO[bytes], tag: str, *, args: dict[str, str], labels: dict[str, str]) -> None:
        """Build the Dockerfile in ``context`` (a tar compressed by gzip); the failure has the build's last lines."""
        with self.errors(f"build {tag}"):
            stream = self.api.build(
                fileobj=context,
                custom_context=True,
                encoding="gzip",
                tag=tag,
                buildargs=args,
                labels=labels,
                rm=True,
                forcerm=True,
                decode=True,
            )
            self.follow(stream, f"build {tag}")

    def tag(self, image: str, reference: str) -> None:
        """Give an image one more name."""
        repository, _colon, tag = reference.rpartition(":")
        with self.errors(f"tag {image} as {reference}"):
            self.api.tag(image, repository, tag)

    def untag(self, reference: str) -> None:
        """Take a name from an image; the image goes with its last one. No such name, or in use: nothing is done."""
        with self.errors(f"untag {reference}"):
            try:
                self.api.remove_image(reference)
            except docker.errors.APIError as error:
                if error.status_code not in (404, 409):
                    raise

    def push(self, reference: str, auth: tuple[str, str] | None) -> str:
        """Push ``reference``, with user and password where needed; return the manifest's digest."""
        repository, _colon, tag = reference.rpartition(":")
        config = {"username": auth[0], "password": auth[1]} if auth else {}
        with self.errors(f"push {reference}"):
            stream = self.api.push(repository, tag, stream=True, decode=True, auth_config=config)
            messages = self.follow(stream, f"push {reference}")
        digest = pushed_digest(messages)
        if not digest:
            raise PlatformError(f"cannot push {reference} on {self.socket}: the engine named no digest")
        return digest

    def remove(self, reference: str) -> None:
        """Take a name from an image; an error if there is no such name, or a container uses it."""
        with self.errors(f"remove image {reference}"):
            self.api.remove_image(reference)


def _auth_for(reference: str, credentials: Credentials) -> dict[str, str] | None:
    registry, _name = docker.auth.resolve_repository_name(reference)
    found = credentials.get(registry)
    return {"username": found["username"], "password": found["password"]} if found else None
