"""Images on Debian's next release, made by the catalog's own recipes."""

from __future__ import annotations

import hashlib
import subprocess
import tempfile
from pathlib import Path

import docker

from ..images import catalog
from ..timeline import span

SUITE = "forky"
# A mirror's list of a release that isn't out yet may be some weeks old.
BOOTSTRAP = [
    "--quiet",
    "--variant=apt",
    "--include=ca-certificates",
    '--aptopt=Acquire::Check-Valid-Until "false"',
    SUITE,
]
BASE = f"mol-newer-base:{hashlib.sha256(' '.join(BOOTSTRAP).encode()).hexdigest()[:12]}"


def newer_image(name: str) -> str:
    """The image that an entry of the catalog makes there. Another recipe is another image."""
    build = catalog()[name].build
    assert build
    files = sorted(path for path in Path(build.context).rglob("*") if path.is_file())
    content = b"".join([BASE.encode(), repr(build.args).encode(), *(path.read_bytes() for path in files)])
    image = f"mol-newer-{name}:{hashlib.sha256(content).hexdigest()[:12]}"
    engine = docker.from_env()
    if not engine.images.list(image):
        with span("image build"):
            if not engine.images.list(BASE):
                _bootstrap()
            engine.images.build(path=build.context, tag=image, buildargs={**build.args, "BASE": BASE}, rm=True)
    return image


def _bootstrap() -> None:
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder, "base.tar")
        subprocess.run(["mmdebstrap", *BOOTSTRAP, str(archive)], check=True)
        subprocess.run(["docker", "import", str(archive), BASE], check=True, stdout=subprocess.PIPE)
