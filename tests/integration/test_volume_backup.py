# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Jenkins' home to the controller and back, and another version on it.

A container that writes without a pause stands in for Jenkins, whose image can't be had everywhere; images, volumes,
archives and the engine are real.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import tarfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import docker
import pytest

from ansible_collections.fungap.swarm.plugins.module_utils.volume.operation import digest
from ansible_collections.fungap.swarm.plugins.module_utils.volume.restore import VolumeRestore
from tests.images import image
from tests.waiting import patience, wait_for

RunModule = Callable[..., dict[str, Any]]
# Two files in step with each other, and a third that nobody but its owner may read.
WRITER = """
umask 077; echo hunter2 >/home/secret.key; chown 1000:1000 /home/secret.key
trap 'exit 0' TERM
i=0; while :; do i=$((i+1)); echo $i >>/home/first; echo $i >>/home/second; sleep 0.01; done
"""


class Home:
    """A container with a volume, in the place of Jenkins."""

    def __init__(self) -> None:
        self.client = docker.from_env()
        self.name = f"lab-{uuid.uuid4().hex[:6]}"
        self.volume = f"{self.name}-home"
        self.images = {version: self._image(image("base"), version) for version in ("1.0", "2.0")}

    def _image(self, base: str, version: str) -> str:
        context = io.BytesIO()
        with tarfile.open(fileobj=context, mode="w") as tar:
            text = f"FROM {base}\nENV JENKINS_VERSION={version}\nLABEL lab={self.name}\n".encode()
            entry = tarfile.TarInfo("Dockerfile")
            entry.size = len(text)
            tar.addfile(entry, io.BytesIO(text))
        context.seek(0)
        tag = f"{self.name}:{version}"
        built, _ = self.client.images.build(fileobj=context, custom_context=True, rm=True, tag=tag)
        return str(built.id)

    def start(self, version: str = "1.0") -> None:
        for old in self.client.containers.list(all=True, ignore_removed=True, filters={"name": f"^{self.name}$"}):
            old.remove(force=True)
        self.client.containers.run(
            self.images[version],
            ["sh", "-c", WRITER],
            name=self.name,
            detach=True,
            init=True,
            network_mode="none",
            volumes={self.volume: {"bind": "/home", "mode": "rw"}},
        )
        wait_for("the stand-in to write", lambda: (self.path() / "second").exists(), 20)

    @property
    def container(self) -> Any:
        return self.client.containers.get(self.name)

    def path(self, volume: str | None = None) -> Path:
        return Path(self.client.volumes.get(volume or self.volume).attrs["Mountpoint"])

    def volumes(self) -> set[str]:
        return {one.name for one in self.client.volumes.list(filters={"name": self.name})}

    def close(self) -> None:
        for old in self.client.containers.list(all=True, ignore_removed=True, filters={"name": f"^{self.name}$"}):
            old.remove(force=True)
        for volume in self.client.volumes.list(filters={"name": self.name}):
            volume.remove()
        for version in self.images:
            self.client.images.remove(f"{self.name}:{version}")


@pytest.fixture(scope="module")
def home() -> Iterator[Home]:
    found = Home()
    try:
        found.start()
        yield found
    finally:
        found.close()


@pytest.fixture(scope="module")
def key(run_module: RunModule, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The controller's."""
    folder = tmp_path_factory.mktemp("secrets")
    assert run_module("platform_secrets", {"directory": str(folder), "passwords": ["backup-signature"]})["changed"]
    return folder / "backup-signature.password"


@pytest.fixture(scope="module")
def backup(home: Home, key: Path, run_module: RunModule, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """One backup, into a folder that holds two older ones already."""
    folder = tmp_path_factory.mktemp("backup") / "of" / "jenkins"
    folder.mkdir(parents=True, mode=0o700)
    for day in (1, 2):
        (folder / f"{home.volume}-2020010{day}T000000Z.tar").touch()
        (folder / f"{home.volume}-2020010{day}T000000Z.tar.sha256").touch()
    args = {"volume": home.volume, "container": home.name, "directory": str(folder), "keep": 2, "key_file": str(key)}
    return run_module("volume_backup", args)


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines()


def test_a_backup_is_whole_and_for_its_owner_alone(home: Home, backup: dict[str, Any], key: Path) -> None:
    archive = Path(backup["archive"])
    assert archive.stat().st_mode & 0o777 == 0o600
    signed = Path(f"{archive}.sha256").read_text()
    assert signed.splitlines()[0] == f"{backup['sha256']}  {archive.name}"
    subprocess.run(["sha256sum", "--check", "--strict", "--quiet", f"{archive}.sha256"], cwd=archive.parent, check=True)
    assert key.stat().st_mode & 0o777 == 0o600
    assert key.read_text().strip() not in json.dumps(backup) + signed
    with tarfile.open(archive) as tar:
        members = {member.name: member for member in tar}
        assert {"./first", "./second", "./secret.key"} <= {f"./{name.removeprefix('./')}" for name in members}
        secret = next(member for name, member in members.items() if name.endswith("secret.key"))
        assert (secret.uid, secret.mode & 0o777) == (1000, 0o600)
    assert "hunter2" not in json.dumps(backup)
    assert [Path(path).name for path in backup["removed"]] == [f"{home.volume}-20200101T000000Z.tar"]
    names = {path.name for path in archive.parent.iterdir()}
    assert names == {archive.name, f"{archive.name}.sha256"} | {
        f"{home.volume}-20200102T000000Z.tar{suffix}" for suffix in ("", ".sha256")
    }


def test_it_is_of_one_moment(backup: dict[str, Any]) -> None:
    """The two files are written in turn, a hundred times a second: whoever reads them one after the other while that
    goes on gets the second one longer."""
    with tarfile.open(backup["archive"]) as tar:
        found = {name: tar.extractfile(name) for name in tar.getnames() if name.endswith(("first", "second"))}
        first, second = (len(file.read().splitlines()) for _name, file in sorted(found.items()) if file is not None)
    assert first - second in (0, 1)


def test_it_goes_on_afterwards(home: Home, backup: dict[str, Any]) -> None:
    print(f"backup: {backup['bytes']} bytes in {backup['files']} files, {backup['paused_seconds']} s paused")
    assert backup["paused_seconds"] < 5 * patience()
    assert home.container.status == "running"
    before = len(lines(home.path() / "first"))
    wait_for("the container to write again", lambda: len(lines(home.path() / "first")) > before, 10)


def test_without_the_key_nothing_is_paused(home: Home, run_module: RunModule, tmp_path: Path) -> None:
    gone = f"{tmp_path}/gone"
    args = {"volume": home.volume, "container": home.name, "directory": str(tmp_path), "key_file": gone}
    assert f"key_file is '{gone}'" in run_module("volume_backup", args)["msg"]
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_run_has_left_paused_goes_on(
    home: Home, key: Path, run_module: RunModule, tmp_path: Path
) -> None:
    home.container.pause()
    args = {"volume": home.volume, "container": home.name, "directory": str(tmp_path), "key_file": str(key)}
    would = run_module("volume_backup", args, check=True)
    assert would["changed"]
    assert list(tmp_path.iterdir()) == []
    assert run_module("volume_backup", args)["changed"]
    assert home.container.status == "running"


@pytest.mark.parametrize(
    ("forged", "said"),
    [
        ("the archive", "is not what was backed up"),
        ("the archive and its SHA-256", "is wrong"),
        ("all but the signature, which is gone", "is not signed"),
    ],
)
def test_an_archive_that_was_changed_is_refused(
    home: Home, backup: dict[str, Any], key: Path, run_module: RunModule, tmp_path: Path, forged: str, said: str
) -> None:
    """By somebody who can write wherever archives lie."""
    spoilt = tmp_path / Path(backup["archive"]).name
    content = bytearray(Path(backup["archive"]).read_bytes())
    content[600] ^= 1
    spoilt.write_bytes(content)
    lines = Path(f"{backup['archive']}.sha256").read_text().splitlines()
    if forged != "the archive":
        lines[0] = f"{digest(str(spoilt))}  {spoilt.name}"
    Path(f"{spoilt}.sha256").write_text("\n".join(lines if "gone" not in forged else lines[:1]) + "\n")
    args = {"volume": home.volume, "container": home.name, "archive": str(spoilt), "key_file": str(key)}
    refused = run_module("volume_restore", args)["msg"]
    assert said in refused
    assert key.read_text().strip() not in refused
    # Nor does what somebody vouches for pass for something else.
    assert "is not what was backed up" in run_module("volume_restore", {**args, "sha256": backup["sha256"]})["msg"]
    assert home.container.status == "running"
    assert home.volumes() == {home.volume}


def test_an_archive_of_another_controller_is_taken_by_what_is_known_of_it(
    home: Home, backup: dict[str, Any], run_module: RunModule, tmp_path: Path
) -> None:
    """Its key is not here: of a machine that was lost, or the archive is older than signatures."""
    archive = shutil.copy(backup["archive"], tmp_path)
    args = {"volume": home.volume, "container": home.name, "archive": archive, "key_file": f"{tmp_path}/gone"}
    refused = run_module("volume_restore", args, check=True)["msg"]
    assert f"{archive} can't be trusted: there is no file {archive}.sha256" in refused
    assert "-e backup_sha256=" in refused
    would = run_module("volume_restore", {**args, "sha256": backup["sha256"].upper()}, check=True)
    assert would["actions"][0] == f"stop {home.name}"


def test_a_restore_brings_back_what_was_and_sets_aside_what_is(
    home: Home, backup: dict[str, Any], key: Path, run_module: RunModule
) -> None:
    (home.path() / "secret.key").write_text("changed since")
    (home.path() / "new").touch()
    args = {"volume": home.volume, "container": home.name, "archive": backup["archive"], "key_file": str(key)}
    would = run_module("volume_restore", args, check=True)
    assert would["actions"][0] == f"stop {home.name}"
    assert home.container.status == "running"

    done = run_module("volume_restore", args)
    assert done["actions"] == would["actions"]
    assert home.container.status == "exited"
    secret = home.path() / "secret.key"
    assert (secret.read_text(), secret.stat().st_uid, secret.stat().st_mode & 0o777) == ("hunter2\n", 1000, 0o600)
    assert not (home.path() / "new").exists()
    assert (home.path(done["aside"]) / "secret.key").read_text() == "changed since"
    assert (home.path(done["aside"]) / "new").exists()

    again = run_module("volume_restore", args)
    assert f"docker volume rm {done['aside']}" in again["msg"]
    home.client.volumes.get(done["aside"]).remove()
    home.start()


class Killed(BaseException):
    """Nothing that is caught, as SIGKILL."""


def restore_until(monkeypatch: pytest.MonkeyPatch, args: dict[str, Any], backup: dict[str, Any], renames: int) -> None:
    """A restore, or (``backup`` empty) its undoing, that is killed at so many renames."""
    there = {"temporary": backup["archive"], "sha256": backup["sha256"]} if backup else {"archive": ""}
    defaults = {
        "docker_socket": "/var/run/docker.sock",
        "labels": {},
        "stop_seconds": 1,
        "archive": "of the controller",
    }
    restore = VolumeRestore({**defaults, **args, **there})
    plan = restore.plan()
    done: list[str] = []

    def rename(source: str, target: str) -> None:
        done.append(source)
        if len(done) == renames:
            raise Killed
        os.replace(source, target)

    with monkeypatch.context() as patched:
        patched.setattr(os, "rename", rename)
        with pytest.raises(Killed):
            restore.apply(plan)


@pytest.mark.parametrize(
    "phase", ["the old home was going", "the new home was coming", "it was being undone", "there was no home"]
)
def test_a_restore_that_was_killed_is_undone(
    home: Home, backup: dict[str, Any], run_module: RunModule, monkeypatch: pytest.MonkeyPatch, phase: str
) -> None:
    """By the next run of site.yml: three files of the old home go, then three of the archive come."""
    volume = home.volume
    before = {}
    if phase == "there was no home":
        volume = f"{home.name}-blank"
    else:
        home.container.stop(timeout=1)
        before = {path.name: path.read_bytes() for path in home.path().iterdir()}
        assert len(before) == 3
    args = {"volume": volume, "container": home.name if before else "none"}
    restore_until(monkeypatch, args, backup, 2 if phase == "the old home was going" else len(before) + 3)
    if phase == "it was being undone":
        restore_until(monkeypatch, args, {}, 2)
    assert run_module("volume_restore", args, check=True)["changed"]
    assert run_module("volume_restore", args)["actions"] == [f"undo the restore of {volume} that was killed"]
    assert {path.name: path.read_bytes() for path in home.path(volume).iterdir()} == before
    assert home.volumes() == {home.volume, volume}
    assert not run_module("volume_restore", args)["changed"]
    if before:
        home.start()
    else:
        home.client.volumes.get(volume).remove()


def test_a_volume_that_no_restore_has_made_is_left_alone(
    home: Home, backup: dict[str, Any], key: Path, run_module: RunModule
) -> None:
    other = home.client.volumes.create(f"{home.name}-blank-restored")
    args = {"volume": f"{home.name}-blank", "container": "none"}
    assert not run_module("volume_restore", args)["changed"]
    refused = run_module("volume_restore", {**args, "archive": backup["archive"], "key_file": str(key)})
    assert f"docker volume rm {other.name}" in refused["msg"]
    assert home.volumes() == {home.volume, other.name}
    other.remove()


def test_what_a_killed_restore_has_unpacked_goes(
    home: Home, backup: dict[str, Any], run_module: RunModule, monkeypatch: pytest.MonkeyPatch
) -> None:
    args = {"volume": f"{home.name}-blank", "container": "none"}
    with monkeypatch.context() as patched:
        patched.setattr(VolumeRestore, "_stop", lambda _self: (_ for _ in ()).throw(Killed))
        restore_until(patched, args, backup, 99)
    assert home.volumes() == {home.volume, f"{home.name}-blank-restored"}
    assert run_module("volume_restore", args)["changed"]
    assert home.volumes() == {home.volume}


def test_a_restore_onto_a_blank_machine_leaves_nothing_beside_it(
    home: Home, backup: dict[str, Any], key: Path, run_module: RunModule
) -> None:
    blank = f"{home.name}-blank"
    args = {"volume": blank, "container": "none", "archive": backup["archive"], "key_file": str(key)}
    done = run_module("volume_restore", args)
    assert (done["aside"], done["actions"]) == ("", [f"put {backup['files']} files into volume {blank}"])
    assert (home.path(blank) / "secret.key").read_text() == "hunter2\n"
    assert home.volumes() == {home.volume, blank}
    home.client.volumes.get(blank).remove()


def test_another_version_leaves_a_copy_of_the_old_home(home: Home, run_module: RunModule) -> None:
    args = {
        "volume": home.volume,
        "container": home.name,
        "image": home.images["2.0"],
        "version_variable": "JENKINS_VERSION",
    }
    copy = f"{home.volume}-before-1.0"
    would = run_module("volume_copy", args, check=True)
    assert would["actions"] == [f"stop {home.name}", f"copy volume {home.volume} to {copy}"]
    assert home.container.status == "running"

    done = run_module("volume_copy", args)
    assert done["copy"] == copy
    assert home.container.status == "exited"
    assert lines(home.path(copy) / "first") == lines(home.path() / "first")
    secret = home.path(copy) / "secret.key"
    assert (secret.read_text(), secret.stat().st_uid, secret.stat().st_mode & 0o777) == ("hunter2\n", 1000, 0o600)
    (home.path(copy) / "half").touch()  # of a run that was killed: the next one copies anew
    run_module("volume_copy", args)
    assert not (home.path(copy) / "half").exists()

    home.start("2.0")
    assert not run_module("volume_copy", args)["changed"]
    kept = len(lines(home.path(copy) / "first"))
    wait_for("the new version to go on", lambda: len(lines(home.path() / "first")) > kept, 10)
