# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Images made of a distribution's packages alone, by mmdebstrap."""

from __future__ import annotations

import glob
import os
import subprocess
import tempfile
from collections.abc import Iterable, Mapping

from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.module_utils.docker.engine import Engine
from ansible_collections.fungap.swarm.plugins.module_utils.image.archive import output_of
from ansible_collections.fungap.swarm.plugins.module_utils.image.model import Build, Mirrors, parse_apt_sources
from ansible_collections.fungap.swarm.plugins.module_utils.image.plan import Target

DEBIAN_KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
# What no container reads: documentation and translations (a third of a small image).
EXCLUDED_FOLDERS = ("doc", "info", "locale", "man")


def bootstrap(
    engine: Engine,
    target: Target,
    *,
    mirrors: Mirrors,
    authorities: Iterable[bytes],
    environment: Mapping[str, object],
    labels: Mapping[str, str],
) -> None:
    """Make an image of a distribution's packages alone, and import it."""
    if target.build is None:
        raise PlatformError(f"image {target.name} is to be bootstrapped, but there is no build for it")
    with tempfile.TemporaryDirectory(prefix="fungap-images-") as folder, tempfile.TemporaryFile() as log:
        for number, authority in enumerate(authorities):
            with open(os.path.join(folder, f"trusted-{number}.crt"), "wb") as file:
                file.write(authority)
        command = bootstrap_command(target.build, mirrors, folder)
        variables = {**os.environ, **{key: str(value) for key, value in environment.items()}}
        variables["PATH"] = os.environ.get("PATH", "") + ":/usr/local/sbin:/usr/sbin:/sbin"
        with subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, env=variables
        ) as process:
            output = output_of(process)
            problem: PlatformError | None = None
            try:
                repository, _colon, tag = target.image.rpartition(":")
                changes = [f"LABEL {key}={value}" for key, value in labels.items()]
                engine.images.import_rootfs(output, repository, tag, [*changes, 'CMD ["bash"]'])
            except PlatformError as error:
                problem = error
                process.terminate()
        if process.returncode:
            if not problem:
                engine.images.untag(target.image)
            log.seek(0)
            lines = log.read().decode(errors="replace").splitlines()[-20:]
            raise PlatformError(f"mmdebstrap could not make {target.name}: " + " / ".join(lines[-5:]), output=lines)
        if problem:
            raise problem


def bootstrap_command(build: Build, mirrors: Mirrors, authorities_folder: str) -> list[str]:
    """The call of mmdebstrap that writes the root filesystem of ``build`` to its standard output as a tar."""
    excluded = "".join(f"path-exclude=/usr/share/{folder}/*\\n" for folder in EXCLUDED_FOLDERS)
    hooks = [
        # Not by --dpkgopt, which costs mmdebstrap one more process for each package that it unpacks.
        f"printf '{excluded}' > \"$1/etc/dpkg/dpkg.cfg.d/exclude\"",
        "rm -rf " + " ".join(f'"$1"/usr/share/{folder}/*' for folder in EXCLUDED_FOLDERS),
        # A network may have no CA of its own, and an image without ca-certificates has no place for one.
        f'cp {authorities_folder}/*.crt "$1/usr/local/share/ca-certificates/" 2>/dev/null || true',
        'if [ -x "$1/usr/sbin/update-ca-certificates" ]; then chroot "$1" update-ca-certificates; fi',
        'rm -f "$1"/var/log/*.log "$1"/var/log/apt/* "$1"/var/cache/ldconfig/aux-cache',
    ]
    return [
        "mmdebstrap",
        "--quiet",
        "--variant=apt",
        "--format=tar",
        f"--keyring={DEBIAN_KEYRING}",
        *(["--include=" + ",".join(build.packages)] if build.packages else []),
        '--aptopt=Acquire::Languages "none"',
        '--aptopt=APT::Install-Recommends "false"',
        "--dpkgopt=force-unsafe-io",
        *(f"--customize-hook={hook}" for hook in hooks),
        build.bootstrap,
        "-",
        *mirrors.sources(build.bootstrap),
    ]


def find_mirrors(main: str | None, security: str | None) -> Mirrors:
    """Debian's mirrors as they are given, or else as this machine has them; "" for one that nobody says."""
    texts = []
    for path in ["/etc/apt/sources.list", *sorted(glob.glob("/etc/apt/sources.list.d/*"))]:
        if path.endswith((".list", ".sources")) and os.path.exists(path):
            with open(path, encoding="utf-8", errors="replace") as file:
                texts.append(file.read())
    release = _os_release()
    found = Mirrors()
    if release.get("ID") == "debian":
        found = parse_apt_sources(texts, release.get("VERSION_CODENAME", ""))
    return Mirrors(
        (main or found.main).rstrip("/"),
        (security or found.security).rstrip("/"),
    )


def _os_release() -> dict[str, str]:
    try:
        with open("/etc/os-release", encoding="utf-8") as file:
            pairs = (line.rstrip("\n").partition("=") for line in file)
            return {key: value.strip("\"'") for key, _equals, value in pairs}
    except OSError:
        return {}
