# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A registry's storage with the catalog's images, for platforms whose bring-up is not what a test proves.

Each push of an image to another registry packs its layers anew, which costs more than all else that brings a platform
up. So they are pushed once, into ``.cache/registry``, and a copy is the volume that a platform's registry finds there.
Stage platform pushes for itself, and finds only the layers there: the engine sees that they are, and packs none. The
scenario cluster and the tests of the roles images and registry have nothing of it.
"""

from __future__ import annotations

import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import docker
import requests

from . import checkout, images, timeline
from .steps import ROOT
from .waiting import wait_for

STORAGE = ROOT / ".cache" / "registry"
NAME = checkout.name("seed")
ADDRESS = f"127.0.0.1:{checkout.port('seed', 0)}"
PUSHES_AT_ONCE = 2
IMAGES = (
    *("express-app", "proxy", "node", "registry"),
    *("prometheus", "alertmanager", "node-exporter", "blackbox-exporter", "swarm-exporter"),
)


def make() -> None:
    """Push the images into the storage that it lacks."""
    engine = docker.from_env(timeout=600)
    STORAGE.mkdir(parents=True, exist_ok=True)
    remove()
    engine.containers.run(
        images.image("registry"),
        name=NAME,
        detach=True,
        volumes=[f"{STORAGE}:/var/lib/registry"],
        ports={"5000/tcp": ("127.0.0.1", checkout.port("seed", 0))},
    )
    try:
        wait_for("the registry", lambda: requests.get(f"http://{ADDRESS}/v2/", timeout=5).status_code == 200, 30)
        with ThreadPoolExecutor(PUSHES_AT_ONCE) as pool:
            list(pool.map(lambda name: _push(engine, name, images.image(name)), IMAGES))
    finally:
        remove()


def remove() -> None:
    engine = docker.from_env()
    for container in engine.containers.list(all=True, filters={"name": f"^{NAME}$"}):
        container.remove(force=True, v=True)


def _push(engine: docker.DockerClient, name: str, image: str) -> None:
    tag = image.rpartition(":")[2]
    if requests.head(f"http://{ADDRESS}/v2/{name}/manifests/{tag}", timeout=30).status_code == 200:
        return
    engine.images.get(image).tag(f"{ADDRESS}/{name}", tag)
    try:
        for line in engine.api.push(f"{ADDRESS}/{name}", tag, stream=True, decode=True):
            assert "error" not in line, line
    finally:
        engine.images.remove(f"{ADDRESS}/{name}:{tag}")


def plant(platform: str, *, layers_only: bool = False) -> None:
    """Give a platform that is not there yet a registry's volume with the images. Its own, if it has one, stays.

    ``layers_only``: no image is there, only what they are made of.
    """
    engine, volume = docker.from_env(), f"{platform}-registry"
    if not STORAGE.is_dir() or engine.volumes.list(filters={"name": f"^{volume}$"}):
        return
    engine.volumes.create(volume, labels={"io.fungap.platform": platform})
    mountpoint = Path(engine.api.inspect_volume(volume)["Mountpoint"])
    with timeline.span("a copy of the registry's storage"):
        subprocess.run(["cp", "-a", f"{STORAGE}/.", mountpoint], check=True)
    if layers_only:
        for manifests in mountpoint.glob("docker/registry/v2/repositories/*/_manifests"):
            shutil.rmtree(manifests)
