# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The only file that touches Docker: one engine, reached by its unix socket through the Docker SDK for Python.

Methods speak the Engine API's own shapes (the dicts of its JSON). Every failure leaves as ``PlatformError``.
"""

from __future__ import annotations

import io
import json
import mmap
import os
import re
import shutil
import socket as sockets
import ssl
import struct
import subprocess
import tarfile
import time
import traceback
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from functools import cached_property
from typing import IO, Any, TypeVar

from ansible_collections.fungap.swarm.plugins.module_utils.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.module_utils.model.cli import search_path
from ansible_collections.fungap.swarm.plugins.module_utils.model.image import MADE_FOR_LABEL, RECIPE_LABEL, is_made_for
from ansible_collections.fungap.swarm.plugins.module_utils.model.member import EngineMembership, SwarmData
from ansible_collections.fungap.swarm.plugins.module_utils.model.node import PLATFORM_LABEL
from ansible_collections.fungap.swarm.plugins.module_utils.model.raft import RaftLog, read
from ansible_collections.fungap.swarm.plugins.module_utils.model.stack import without_short_names
from ansible_collections.fungap.swarm.plugins.module_utils.relay import relay

DOCKER_IMPORT_ERROR: str | None = None
try:
    import docker
    import docker.auth
    import docker.errors
    import docker.types
    import requests.exceptions
except ImportError:
    DOCKER_IMPORT_ERROR = traceback.format_exc()

T = TypeVar("T")
Json = dict[str, Any]
# Somebody else has written the object since it was read (swarmkit, manager/state/store/memory.go, ErrSequenceConflict).
OUT_OF_SEQUENCE = "out of sequence"
# Username and password by registry host.
Credentials = Mapping[str, Mapping[str, str]]

# Docker 20.10, the oldest engine of the supported distributions. Newer ones may refuse it: each says what it speaks.
OLDEST_API = "1.41"

# TAG: digest: sha256:... size: N
_PUSHED = re.compile(r"\S+: digest: (sha256:[0-9a-f]{64}) size: ")


def wait_until(
    ready: Callable[[], bool],
    *,
    deadline_seconds: float,
    failure: Callable[[], str],
    interval_seconds: float = 0.1,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Return once ``ready()`` is true; raise ``PlatformError(failure())`` when it is not within the deadline.

    The interval doubles up to one second, so that quick things are seen at once and slow ones cost little.
    """
    end = clock() + deadline_seconds
    while not ready():
        if clock() >= end:
            raise PlatformError(failure())
        sleep(min(interval_seconds, max(end - clock(), 0)))
        interval_seconds = min(interval_seconds * 2, 1.0)


def read_swarm_data(folder: str) -> SwarmData:
    """What lies in a folder ``swarm`` of an engine's data."""
    raft, certificate = os.path.join(folder, "raft"), os.path.join(folder, "certificates", "swarm-node.crt")
    is_managers, unreadable = False, ""
    try:
        is_managers = bool(os.listdir(raft))
    except FileNotFoundError:
        # Who listens may be out of sight (another PID namespace), and its root with it.
        if not os.path.isdir(os.path.dirname(folder)):
            unreadable = f"{os.path.dirname(folder)} is not there"
    except OSError as error:
        unreadable = str(error)
    names: dict[str, str] = {}
    with suppress(OSError, ssl.SSLError):  # there is none, or half of one
        # The standard library reads a certificate's names nowhere else.
        decoded = ssl._ssl._test_decode_cert(certificate)  # type: ignore[attr-defined]
        names = {key: value for part in decoded["subject"] for key, value in part}
    return SwarmData(is_managers, names.get("commonName", ""), names.get("organizationName", ""), unreadable)


def read_raft_log(folder: str) -> RaftLog | None:
    """How far the copy of the swarm goes that lies in a folder ``swarm`` of an engine's data."""
    logs = os.path.join(folder, "raft", "wal-v3-encrypted")
    try:
        with ExitStack() as opened:
            files = [opened.enter_context(open(os.path.join(logs, name), "rb")) for name in sorted(os.listdir(logs))]
            # 64 MB each, most of it zeros.
            maps = [mmap.mmap(one.fileno(), 0, access=mmap.ACCESS_READ) for one in files if one.name.endswith(".wal")]
            return read(memoryview(opened.enter_context(one)) for one in maps)
    except (OSError, ValueError):  # there is none, or an empty one
        return None


def tar_entry(path: str, content: str, mode: int, uid: int = 0, gid: int = 0) -> tuple[tarfile.TarInfo, bytes]:
    """A file of a ``tar_of``."""
    entry, data = tarfile.TarInfo(path.lstrip("/")), content.encode()
    entry.mode, entry.uid, entry.gid, entry.size = mode, uid, gid, len(data)
    return entry, data


def tar_of(entries: Iterable[tuple[tarfile.TarInfo, bytes]]) -> bytes:
    """An archive that the engine unpacks in a container."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for entry, data in entries:
            tar.addfile(entry, io.BytesIO(data))
    return archive.getvalue()


def pushed_digest(messages: Iterable[Json]) -> str:
    """The manifest's digest that a push's messages name; '' without one.

    All engines write it into a line of their progress; as a message of its own only those without containerd's store
    (moby, daemon/containerd/image_push.go, v29.0.0).
    """
    digests = [found[1] for message in messages if (found := _PUSHED.match(str(message.get("status") or "")))]
    return digests[-1] if digests else ""


def layer_bytes(usage: Json) -> int:
    """The space that the layers of all images take, of ``GET /system/df``. Engines from 29 on leave out a 0.

    ``ImageUsage`` comes with API 1.52, and ``LayersSize`` goes after it.
    """
    newer = usage.get("ImageUsage")
    return int((usage.get("LayersSize") if newer is None else newer.get("TotalSize")) or 0)


def _label_filters(labels: Mapping[str, str] | Mapping[str, None]) -> list[str]:
    return [key if value is None else f"{key}={value}" for key, value in labels.items()]


def answering_manager(sockets: Sequence[str], *, timeout_seconds: int, otherwise: str) -> Engine:
    """The first engine of ``sockets`` that answers as a manager of a swarm; ``otherwise``: what there is none means."""
    asked = []
    for socket in sockets:
        engine = Engine(socket, timeout_seconds=timeout_seconds)
        silence = engine.silence()
        if not silence and engine.info()["Swarm"]["ControlAvailable"]:
            return engine
        asked.append(f"{socket} ({silence or 'it manages none'})")
    raise PlatformError(
        f"no engine answers as a manager of a swarm on {', '.join(asked) or 'this host (no socket given)'}{otherwise}"
    )


class Engine:
    """One Docker Engine, which need not be up yet: it is asked for its API's version by the first request.

    ``socket``: path of its unix socket, as seen by the machine the module runs on. ``timeout_seconds``: for one
    request.
    """

    def __init__(self, socket: str, *, timeout_seconds: int = 60) -> None:
        if DOCKER_IMPORT_ERROR:
            raise PlatformError(
                "the Docker SDK for Python is missing for this interpreter: install python3-docker "
                "(role docker_engine does) or name another ansible_python_interpreter",
                exception=DOCKER_IMPORT_ERROR,
            )
        self.socket = socket
        self._timeout_seconds = timeout_seconds

    @cached_property
    def api(self) -> Any:
        """The SDK's client, in the version that the engine speaks."""
        with self._errors("connect"):
            # Not by the SDK's "auto": for GET /version an engine starts two programs, and /_ping says it as well.
            client = self._client(OLDEST_API)
            answer = client.get(f"{client.base_url}/_ping", timeout=self._timeout_seconds)
            if not answer.ok:
                raise docker.errors.DockerException(answer.text.strip())
            return self._client(answer.headers.get("Api-Version", OLDEST_API))

    def _client(self, version: str) -> Any:
        return docker.APIClient(base_url=f"unix://{self.socket}", version=version, timeout=self._timeout_seconds)

    @contextmanager
    def _errors(self, doing: str) -> Iterator[None]:
        """Turn what the SDK raises into ``PlatformError("cannot <doing> on <socket>: ...")``."""
        try:
            yield
        except docker.errors.APIError as error:
            raise PlatformError(
                f"cannot {doing} on {self.socket}: {error.explanation or error}", status=error.status_code or 0
            ) from error
        except (docker.errors.DockerException, requests.exceptions.RequestException, OSError) as error:
            raise PlatformError(f"cannot {doing} on {self.socket}: {error}") from error

    # --- the engine itself ---

    def silence(self) -> str:
        """Why the engine doesn't answer; '' if it does."""
        try:
            with self._errors("connect"):
                self.api.ping()
        except PlatformError as error:
            return error.message
        return ""

    def is_answering(self) -> bool:
        """Whether the engine answers at all."""
        return not self.silence()

    def info(self) -> Json:
        """``GET /info``."""
        with self._errors("read the engine's info"):
            info: Json = self.api.info()
            return info

    def cluster_id(self) -> str:
        """The ID of the swarm that it manages; empty if it manages none."""
        return str(((self.info().get("Swarm") or {}).get("Cluster") or {}).get("ID") or "")

    def membership(self, *, with_log: bool = False) -> EngineMembership:
        """What it says of its part in a swarm, and what it has on its disk. ``with_log``: how far that goes, too."""
        info = self.info()
        folder = self._swarm_folder(str(info.get("DockerRootDir") or "/var/lib/docker"))
        found = EngineMembership.parse(info, read_swarm_data(folder))
        return replace(found, log=read_raft_log(folder)) if with_log and found.holds_data else found

    def _swarm_folder(self, root_dir: str) -> str:
        """Where the engine keeps it: in a container's volume for one that runs in a container."""
        with self._errors("look where it keeps its data"), sockets.socket(sockets.AF_UNIX) as connection:
            connection.connect(self.socket)
            credentials = connection.getsockopt(sockets.SOL_SOCKET, sockets.SO_PEERCRED, struct.calcsize("3i"))
            process, _user, _group = struct.unpack("3i", credentials)
        # Who listens, as the kernel knows it; its root is the one that its data lies in.
        return f"/proc/{process}/root{root_dir}/swarm"

    # --- networks, volumes and containers of a docker host ---

    def network(self, name: str) -> Json | None:
        """``GET /networks/<name>``, None when there is none of that name."""
        with self._errors(f"look at network {name}"):
            found = [network for network in self.api.networks(names=[name]) if network["Name"] == name]
            return found[0] if found else None

    def create_bridge(self, name: str, subnet: str, mtu: int, labels: Mapping[str, str]) -> None:
        """Create a bridge network with a fixed subnet (CIDR) and MTU (bytes)."""
        with self._errors(f"create network {name}"):
            self.api.create_network(
                name,
                driver="bridge",
                options={"com.docker.network.driver.mtu": str(mtu)},
                ipam=docker.types.IPAMConfig(pool_configs=[docker.types.IPAMPool(subnet=subnet)]),
                labels=dict(labels),
                check_duplicate=True,
            )

    def create_volume(self, name: str, labels: Mapping[str, str]) -> None:
        """Create a local volume; one of that name that is there is left as it is."""
        with self._errors(f"create volume {name}"):
            self.api.create_volume(name, driver="local", labels=dict(labels))

    def containers(self, labels: Mapping[str, str] | Mapping[str, None]) -> list[Json]:
        """``GET /containers/json`` of all containers, stopped ones too, that carry ``labels``; None: any value."""
        with self._errors("list containers"):
            found: list[Json] = self.api.containers(all=True, filters={"label": _label_filters(labels)})
            return found

    def create_container(self, name: str, body: Json, files: Mapping[str, tuple[int, str]]) -> None:
        """``POST /containers/create`` with ``body`` as it is, then copy ``files`` in (path -> mode, content).

        The SDK's own builders refuse MaskedPaths and ReadonlyPaths, so the body goes past them.
        """
        with self._errors(f"create container {name}"):
            self.api.create_container_from_config(body, name=name)
            if not files:
                return
            entries = [tar_entry(path, content, mode) for path, (mode, content) in sorted(files.items())]
            self.api.put_archive(name, "/", tar_of(entries))

    def connect_container(self, name: str, network: str, address: str | None) -> None:
        """Attach a container to one network more, with a fixed address if there is one."""
        with self._errors(f"attach container {name} to network {network}"):
            self.api.connect_container_to_network(name, network, ipv4_address=address)

    def start_container(self, name: str) -> None:
        """Start a container; one that runs is left as it is."""
        with self._errors(f"start container {name}"):
            self.api.start(name)

    def remove_container(self, name: str, stop_seconds: int) -> None:
        """Stop a container, giving it ``stop_seconds``, and remove it; its named volumes stay."""
        with self._errors(f"remove container {name}"):
            self.api.timeout, before = stop_seconds + 30, self.api.timeout
            try:
                self.api.stop(name, timeout=stop_seconds)
                self.api.remove_container(name)
            finally:
                self.api.timeout = before

    def run_once(
        self, body: Json, files: Iterable[tuple[tarfile.TarInfo, bytes]], *, timeout_seconds: float
    ) -> tuple[int, str]:
        """Run a container to its end, with ``files`` in it: its exit code, and what it wrote.

        ``body``: of ``POST /containers/create``, with AutoRemove: the engine removes it, whoever is gone by then.
        """
        with self._errors(f"create a container of {body['Image']}"):
            container = str(self.api.create_container_from_config(body)["Id"])
        try:
            with self._errors(f"write to a container of {body['Image']}"):
                self.api.put_archive(container, "/", tar_of(files))
            # The client hears of the end of a container that removes itself; a question after its end comes too late.
            return self._cli(["start", "--attach", container], timeout_seconds=timeout_seconds)
        finally:
            self.remove_container_and_volumes(container)

    def container_log(self, name: str, lines: int = 15) -> str:
        """The last ``lines`` lines that a container wrote."""
        with self._errors(f"read the log of {name}"):
            return bytes(self.api.logs(name, tail=lines)).decode(errors="replace")

    def network_names(self, labels: Mapping[str, str]) -> list[str]:
        """Names of the networks that carry ``labels``."""
        with self._errors("list networks"):
            return [network["Name"] for network in self.api.networks(filters={"label": _label_filters(labels)})]

    def volume_names(self, labels: Mapping[str, str] | Mapping[str, None]) -> list[str]:
        """Names of the volumes that carry ``labels``; None stands for any value."""
        with self._errors("list volumes"):
            found = self.api.volumes(filters={"label": _label_filters(labels)})["Volumes"] or []
            return [volume["Name"] for volume in found]

    def platforms_beside(self, platform: str) -> set[str]:
        """The other platforms that have something on this engine."""
        filters = {"label": [PLATFORM_LABEL]}
        with self._errors("look for platforms"):
            found = [*self.api.containers(all=True, filters=filters), *self.api.networks(filters=filters)]
            found += self.api.volumes(filters=filters)["Volumes"] or []
        return {str(one["Labels"][PLATFORM_LABEL]) for one in found} - {platform, f"{platform}-jenkins"}

    def catalog_images(self, platform: str) -> list[str]:
        """Tags of the images that carry a recipe of the catalog, and are not another platform's."""
        others = self.platforms_beside(platform)
        with self._errors("list images"):
            images = self.api.images(filters={"label": [RECIPE_LABEL]})
            own = [image for image in images if is_made_for(image["Labels"].get(MADE_FOR_LABEL, ""), platform, others)]
            return [tag for image in own for tag in image["RepoTags"] or []]

    def registry_images(self, registry: str) -> list[str]:
        """Tags of the images under a registry's ``host:port``."""
        with self._errors("list images"):
            images = self.api.images(filters={"reference": f"{registry}/*"})
            tags = [tag for image in images for tag in image["RepoTags"] or []]
            return [tag for tag in tags if tag.startswith(f"{registry}/")]

    def remove(self, kind: str, name: str) -> None:
        """Remove a ``network``, ``volume`` or ``image`` by name."""
        with self._errors(f"remove {kind} {name}"):
            if kind == "network":
                self.api.remove_network(name)
            elif kind == "volume":
                self.api.remove_volume(name)
            elif kind == "image":
                self.api.remove_image(name)

    # --- a swarm as a whole ---

    def swarm_nodes(self) -> list[Json]:
        """``GET /nodes`` (a manager with a leader only)."""
        with self._errors("list the swarm's nodes"):
            nodes: list[Json] = self.api.nodes()
            return nodes

    def swarm_tasks(self) -> list[Json]:
        """``GET /tasks``, ended ones too as long as swarm remembers them."""
        with self._errors("list the swarm's tasks"):
            tasks: list[Json] = self.api.tasks()
            return tasks

    # --- images ---

    def image(self, reference: str) -> Json | None:
        """``GET /images/<reference>/json``; None when the engine has no such image."""
        with self._errors(f"inspect image {reference}"):
            try:
                image: Json = self.api.inspect_image(reference)
                return image
            except docker.errors.ImageNotFound:
                return None

    def image_tags(self, reference: str) -> dict[str, str]:
        """Tag -> image id, of all images whose name matches the pattern ``reference``."""
        with self._errors("list images"):
            images = self.api.images(filters={"reference": reference})
        return {tag: image["Id"] for image in images for tag in image.get("RepoTags") or []}

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
        with self._errors(f"ask for {reference}"):
            found = self.api.inspect_distribution(reference, auth_config=_auth_for(reference, credentials))
            return str(found["Descriptor"]["digest"])

    def pull_image(self, reference: str, credentials: Credentials | None = None) -> None:
        """Pull ``reference`` (with its tag or digest)."""
        with self._errors(f"pull {reference}"):
            auth = _auth_for(reference, credentials or {})
            self._follow(self.api.pull(reference, stream=True, decode=True, auth_config=auth), f"pull {reference}")

    def import_image(self, tar: IO[bytes], repository: str, tag: str, changes: list[str]) -> None:
        """Make a one-layer image of a root filesystem's tar; ``changes`` are Dockerfile instructions."""
        with self._errors(f"import {repository}:{tag}"):
            self.api.import_image_from_stream(tar, repository=repository, tag=tag, changes=changes)

    def load_image(self, archive: IO[bytes]) -> str:
        """Load what ``docker save`` wrote, plain or compressed; return the reference or id of its (last) image."""
        loaded = ""
        with self._errors("load an archive"):
            for message in self._follow(self.api.load_image(archive), "load an archive"):
                for start in ("Loaded image: ", "Loaded image ID: "):
                    if message.get("stream", "").startswith(start):
                        loaded = message["stream"][len(start) :].strip()
        if not loaded:
            raise PlatformError(f"the archive loaded on {self.socket} holds no image")
        return loaded

    def build_image(self, context: IO[bytes], tag: str, *, args: dict[str, str], labels: dict[str, str]) -> None:
        """Build the Dockerfile in ``context`` (a tar compressed by gzip); the failure has the build's last lines."""
        with self._errors(f"build {tag}"):
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
            self._follow(stream, f"build {tag}")

    def tag_image(self, image: str, reference: str) -> None:
        """Give an image one more name."""
        repository, _colon, tag = reference.rpartition(":")
        with self._errors(f"tag {image} as {reference}"):
            self.api.tag(image, repository, tag)

    def untag_image(self, reference: str) -> None:
        """Take a name from an image; the image goes with its last one. No such name, or in use: nothing is done."""
        with self._errors(f"untag {reference}"):
            try:
                self.api.remove_image(reference)
            except docker.errors.APIError as error:
                if error.status_code not in (404, 409):
                    raise

    def push_image(self, reference: str, auth: tuple[str, str] | None) -> str:
        """Push ``reference``, with user and password where needed; return the manifest's digest."""
        repository, _colon, tag = reference.rpartition(":")
        config = {"username": auth[0], "password": auth[1]} if auth else {}
        with self._errors(f"push {reference}"):
            stream = self.api.push(repository, tag, stream=True, decode=True, auth_config=config)
            messages = self._follow(stream, f"push {reference}")
        digest = pushed_digest(messages)
        if not digest:
            raise PlatformError(f"cannot push {reference} on {self.socket}: the engine named no digest")
        return digest

    def _follow(self, stream: Iterable[Json], doing: str) -> list[Json]:
        """All of a stream of progress messages; an error in it is raised with the output's last lines."""
        messages: list[Json] = []
        for message in stream:
            # "error" is there for older clients alone, since API 1.4.
            if error := (message.get("errorDetail") or {}).get("message") or message.get("error"):
                output = "".join(earlier.get("stream", "") for earlier in messages).splitlines()
                raise PlatformError(
                    f"cannot {doing} on {self.socket}: {error}",
                    output=[line for line in output[-30:] if line],
                )
            messages.append(message)
        return messages

    # --- membership of a swarm ---

    def _post(self, doing: str, path: str, body: Json, **query: str) -> None:
        """``POST`` what the SDK's own calls leave out parts of."""
        with self._errors(doing):
            url = f"{self.api.base_url}/v{self.api.api_version}{path}"
            response = self.api.post(url, json=body, params=query, timeout=self.api.timeout)
        if response.status_code >= 400:
            try:
                message = response.json()["message"]
            except (ValueError, LookupError, TypeError):
                message = response.text
            raise PlatformError(f"cannot {doing} on {self.socket}: {message}", status=response.status_code)

    def swarm(self) -> Json:
        """``GET /swarm``: settings, version and, under ``JoinTokens``, secrets."""
        with self._errors("read the swarm"):
            swarm: Json = self.api.inspect_swarm()
            return swarm

    def swarm_unlock_key(self) -> str:
        """The key that a locked manager needs; empty without autolock. A secret."""
        with self._errors("read the swarm's unlock key"):
            return str(self.api.get_unlock_key().get("UnlockKey") or "")

    def swarm_init(self, body: Json) -> None:
        """``POST /swarm/init``."""
        self._post("start a swarm", "/swarm/init", {"ListenAddr": "0.0.0.0:2377", **body})

    def swarm_join(self, body: Json) -> None:
        """``POST /swarm/join``. The token in ``body`` never shows in an error."""
        token = body["JoinToken"]
        try:
            self._post("join the swarm", "/swarm/join", {"ListenAddr": "0.0.0.0:2377", **body})
        except PlatformError as error:
            raise PlatformError(error.message.replace(token, "<the token>"), **error.details) from None

    def swarm_leave(self) -> None:
        """Leave, also as a manager; no error when it is in no swarm."""
        with self._errors("leave the swarm"):
            self.api.leave_swarm(force=True)

    def swarm_unlock(self, key: str) -> None:
        """``POST /swarm/unlock``."""
        try:
            self._post("unlock the swarm", "/swarm/unlock", {"UnlockKey": key})
        except PlatformError as error:
            raise PlatformError(error.message.replace(key, "<the key>"), **error.details) from None

    def swarm_update(self, change: Callable[[Json], Json], **rotate: bool) -> None:
        """``POST /swarm/update`` with ``change(spec)``; ``rotate``: rotateWorkerToken, rotateManagerToken."""
        query = {key: "true" for key, value in rotate.items() if value}

        def write() -> None:
            swarm = self.swarm()
            version = str(swarm["Version"]["Index"])
            self._post("update the swarm", "/swarm/update", change(swarm["Spec"]), version=version, **query)

        _again_while(OUT_OF_SEQUENCE, write)

    def swarm_node(self, node_id: str) -> Json | None:
        """``GET /nodes/<id>``; None when there is none."""
        with self._errors("read a swarm node"):
            try:
                node: Json = self.api.inspect_node(node_id)
            except docker.errors.NotFound:
                return None
            return node

    def swarm_node_update(self, node_id: str, change: Callable[[Json], Json]) -> None:
        """``POST /nodes/<id>/update`` with ``change(spec)``, read and written again when someone else was faster."""

        def write() -> None:
            node = self.swarm_node(node_id)
            if node is None:
                raise PlatformError(f"there is no swarm node {node_id} (asked {self.socket})")
            version = str(node["Version"]["Index"])
            self._post("update a swarm node", f"/nodes/{node_id}/update", change(node["Spec"]), version=version)

        _again_while(OUT_OF_SEQUENCE, write)

    def swarm_node_remove(self, node_id: str) -> None:
        """Take a node out of the list, also one that isn't down; no error when there is none."""
        with self._errors("remove a swarm node"):
            try:
                self.api.remove_node(node_id, force=True)
            except docker.errors.NotFound:
                return

    def swarm_node_busy_tasks(self, node_id: str) -> list[str]:
        """Names (or IDs) of containers that tasks still hold on a node."""
        with self._errors("list a node's tasks"):
            tasks: list[Json] = self.api.tasks(filters={"node": node_id})
        at_rest = {"complete", "shutdown", "failed", "rejected", "remove", "orphaned"}
        return [task["ID"] for task in tasks if task["Status"]["State"] not in at_rest]

    # --- stacks ---

    def services_of(self, stack: str) -> list[Json]:
        """``GET /services`` of one stack."""
        with self._errors("list services"):
            services: list[Json] = self.api.services(filters={"label": f"com.docker.stack.namespace={stack}"})
            return services

    def tasks_of(self, stack: str) -> list[Json]:
        """``GET /tasks`` of one stack, ended ones too as long as swarm remembers them."""
        with self._errors("list tasks"):
            tasks: list[Json] = self.api.tasks(filters={"label": f"com.docker.stack.namespace={stack}"})
            return tasks

    def swarm_networks(self) -> list[Json]:
        """``GET /networks`` of the swarm's scope."""
        with self._errors("list networks"):
            networks: list[Json] = self.api.networks(filters={"scope": "swarm"})
            return networks

    def swarm_items(self, kind: str, label: str) -> list[Json]:
        """``GET /configs`` or ``GET /secrets`` with a label. ``kind``: ``config`` or ``secret``."""
        with self._errors(f"list {kind}s"):
            read: Any = self.api.configs if kind == "config" else self.api.secrets
            items: list[Json] = read(filters={"label": label})
            return items

    def create_swarm_item(self, kind: str, name: str, content: str, labels: dict[str, str]) -> None:
        """Create a config or a secret."""
        with self._errors(f"create {kind} {name}"):
            create = self.api.create_config if kind == "config" else self.api.create_secret
            create(name, content.encode(), labels)

    def remove_swarm_item(self, kind: str, item_id: str) -> None:
        """Remove a config or a secret; one that is gone is fine."""
        with self._errors(f"remove {kind} {item_id}"), suppress(docker.errors.NotFound):
            (self.api.remove_config if kind == "config" else self.api.remove_secret)(item_id)

    def remove_service(self, service_id: str) -> None:
        """Remove a service; one that is gone is fine."""
        with self._errors(f"remove service {service_id}"), suppress(docker.errors.NotFound):
            self.api.remove_service(service_id)

    def remove_network(self, network_id: str) -> bool:
        """Remove a network; False while something still uses it."""
        with self._errors(f"remove network {network_id}"):
            try:
                self.api.remove_network(network_id)
            except docker.errors.NotFound:
                pass
            except docker.errors.APIError as error:
                if "in use" in str(error) or "active endpoints" in str(error):
                    return False
                raise
        return True

    def set_service_label(self, service_id: str, key: str, value: str) -> None:
        """Change one label of a service, not of its tasks."""
        self._write_service(f"label service {service_id}", service_id, {key: value})

    def rewrite_service(self, service_id: str) -> None:
        """Write a service as it is, upon which swarm compares it with its tasks; none that is as wanted is replaced."""
        self._write_service(f"write service {service_id}", service_id, {})

    def _write_service(self, doing: str, service_id: str, labels: Mapping[str, str]) -> None:
        """Add labels. Swarm writes a service, too, while it updates it: then the service is read and written again."""

        def write() -> None:
            api: Any = self.api
            with self._errors(doing):
                service = api.inspect_service(service_id)
                spec = service["Spec"]
                spec["Labels"] = {**(spec.get("Labels") or {}), **labels}
                params = {"version": service["Version"]["Index"], "registryAuthFrom": "spec"}
                url = api._url("/services/{0}/update", service_id)
                api._result(api._post_json(url, data=spec, params=params), json=True)

        _again_while(OUT_OF_SEQUENCE, write)

    def task_log(self, task_id: str, *, lines: int, timeout_seconds: float = 5) -> str:
        """The last lines of a task's output, from whichever node it ran on; empty when they can't be had."""
        params = {"stdout": True, "stderr": True, "tail": str(lines), "follow": False}
        api: Any = self.api
        try:
            response = api.get(api._url("/tasks/{0}/logs", task_id), params=params, timeout=timeout_seconds)
            response.raise_for_status()
            return _frames(response.content).decode(errors="replace")
        except (docker.errors.DockerException, requests.exceptions.RequestException, OSError):
            return ""

    def health_log(self, container_id: str) -> str:
        """What the last failing health checks of a container of this engine printed; empty when there is nothing."""
        try:
            health = self.api.inspect_container(container_id)["State"].get("Health") or {}
        except (docker.errors.DockerException, requests.exceptions.RequestException, OSError):
            return ""
        failed = [entry for entry in health.get("Log") or [] if entry.get("ExitCode")]
        return "\n".join(f"exit code {entry['ExitCode']}: {str(entry.get('Output')).strip()}" for entry in failed[-2:])

    def deploy_stack(
        self,
        stack: str,
        compose: str,
        *,
        resolve_image: str,
        registry_config: str | None,
        full_names_on: Collection[str] = (),
        timeout_seconds: float = 300,
    ) -> str:
        """``docker stack deploy --prune`` of a compose file's text; returns what the CLI printed.

        ``registry_config``: a folder of the CLI's configuration that holds the registry's credentials.
        ``full_names_on``: the networks on which services don't get their short names.
        """
        options = ["--prune", "--resolve-image", resolve_image]
        if registry_config:
            options.append("--with-registry-auth")
        if "--detach" in self._cli(["stack", "deploy", "--help"], timeout_seconds=30)[1]:
            options.append("--detach=true")
        arguments = ["stack", "deploy", "--compose-file", "-", *options, stack]

        def change(spec: dict[str, Any]) -> dict[str, Any]:
            return without_short_names(spec, full_names_on)

        def deploy() -> str:
            with relay(self.socket, change, timeout_seconds=timeout_seconds) as socket:
                code, output = self._cli(
                    arguments,
                    stdin=compose,
                    host=f"unix://{socket}",
                    registry_config=registry_config,
                    timeout_seconds=timeout_seconds,
                )
            if code:
                raise PlatformError(f"docker stack deploy of {stack} on {self.socket} failed: {output.strip()}")
            return output

        # Swarm may write a service, too, between the CLI's reading and its writing.
        return _again_while(OUT_OF_SEQUENCE, deploy)

    def compose_problems(self, stack: str, compose: str) -> list[str]:
        """What ``docker stack deploy`` would refuse in a compose file, or silently ignore.

        The CLI reads the whole file before it speaks to an engine: it is run against one that isn't there.
        """
        code, output = self._cli(
            ["stack", "deploy", "--compose-file", "-", stack], stdin=compose, host="unix:///nonexistent/docker.sock"
        )
        problems = [line.strip() for line in output.splitlines() if line.strip()]
        known = ("Cannot connect to the Docker daemon", "Since --detach=false", "In a future release")
        problems = [line for line in problems if not line.startswith(known) and "connect: no such file" not in line]
        if code == 0:
            raise PlatformError("docker stack deploy succeeded without an engine: its check can't be relied on")
        return problems

    def _cli(
        self,
        arguments: list[str],
        *,
        stdin: str = "",
        host: str | None = None,
        registry_config: str | None = None,
        timeout_seconds: float = 60,
    ) -> tuple[int, str]:
        """Run the docker CLI with an environment of its own; exit code and output (stderr and stdout)."""
        path = search_path(os.environ.get("PATH", ""))
        docker_cli = shutil.which("docker", path=path)
        if docker_cli is None:
            raise PlatformError(
                "the docker command line client is missing on this machine: install docker.io or docker-cli"
            )
        try:
            done = subprocess.run(
                [docker_cli, "--host", host or f"unix://{self.socket}", *arguments],
                input=stdin,
                env={"PATH": path, "DOCKER_CONFIG": registry_config or "/nonexistent"},
                cwd="/",
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=timeout_seconds,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise PlatformError(
                f"docker {' '.join(arguments[:2])} on {self.socket} gave no answer in {timeout_seconds} s"
            ) from error
        except OSError as error:
            raise PlatformError(f"cannot run {docker_cli}: {error}") from error
        return done.returncode, done.stdout

    # --- env volumes: read and written through containers that are never started ---

    def named_volumes(self, name: str) -> list[Json]:
        """Volumes whose name contains ``name``."""
        with self._errors("list volumes"):
            return list(self.api.volumes(filters={"name": name})["Volumes"] or [])

    def remove_named_volume(self, name: str) -> None:
        """Remove a volume; one that isn't there is fine."""
        with self._errors(f"remove volume {name}"):
            try:
                self.api.remove_volume(name)
            except docker.errors.NotFound:
                return

    def pull_with_config(self, reference: str, registry_config: str | None) -> None:
        """Pull an image. ``registry_config``: a folder with the Docker CLI's config.json, where the credentials are."""
        with self._errors(f"pull image {reference}"):
            registry, _name = docker.auth.resolve_repository_name(reference)
            credentials = None
            if registry_config:
                config = docker.auth.load_config(config_path=f"{registry_config}/config.json")
                credentials = docker.auth.resolve_authconfig(config, registry)
            # What fails after the first byte (a full disk) is told by the stream alone.
            self._follow(
                self.api.pull(reference, auth_config=credentials or {}, stream=True, decode=True),
                f"pull image {reference}",
            )

    @contextmanager
    def helper_container(
        self, image: str | None, labels: dict[str, str], *, volume: str | None = None, target: str | None = None
    ) -> Iterator[str]:
        """A created, never started container: its id; removed at the end, with its image where that is ours.

        ``image``: a reference, or None for an empty image, imported for the purpose. ``volume``: mounted at ``target``.
        """
        mounts = [docker.types.Mount(target, volume, type="volume", no_copy=True)] if volume and target else []
        empty = None
        container = None
        try:
            with self._errors("create a helper container"):
                if image is None:
                    # An empty tar: two blocks of zeros.
                    reply = self.api.import_image_from_data(b"\0" * 1024)
                    empty = json.loads(reply.strip().splitlines()[-1])["status"]
                container = self.api.create_container(
                    image or empty,
                    ["/never-started"],
                    entrypoint="",
                    labels=labels,
                    host_config=self.api.create_host_config(network_mode="none", mounts=mounts),
                )["Id"]
            yield container
        finally:
            with self._errors("remove a helper container"):
                if container:
                    self.api.remove_container(container, v=True, force=True)
                if empty:
                    with suppress(docker.errors.APIError):  # another call's helper may have the same empty image
                        self.api.remove_image(empty)

    def remove_container_and_volumes(self, container: str) -> None:
        """Remove a container and its anonymous volumes; one that isn't there, or is on its way, is fine."""
        with self._errors(f"remove container {container}"):
            try:
                self.api.remove_container(container, v=True, force=True)
            except docker.errors.APIError as error:
                # Not there, or being removed.
                if error.status_code not in (404, 409):
                    raise

    def read_archive(self, container: str, path: str) -> Iterator[bytes] | None:
        """A tar of a path in a container as a stream, or None when there is no such path."""
        with self._errors(f"read {path} of a helper container"):
            try:
                stream: Iterator[bytes] = self.api.get_archive(container, path)[0]
            except docker.errors.NotFound:
                return None
            return stream

    def write_archive(self, container: str, path: str, archive: bytes) -> None:
        """Unpack a tar into a folder of a container."""
        with self._errors(f"write to {path} of a helper container"):
            self.api.put_archive(container, path, archive)

    def swarm_services(self) -> list[Json]:
        """``GET /services``; a manager's engine only."""
        with self._errors("list the swarm's services"):
            return list(self.api.services())

    def service_logs(self, service: str, *, since: int, tail: int) -> Iterator[str]:
        """``GET /services/<id>/logs``, with timestamps and details. ``since``: Unix time. ``tail``: lines of a task."""
        with self._errors(f"read the logs of service {service}"):
            frames = self.api.service_logs(
                service, details=True, stdout=True, stderr=True, timestamps=True, since=since, tail=str(tail)
            )
            for frame in frames:
                yield from frame.decode(errors="replace").splitlines()

    # --- clean-up: a container that another one takes the place of for a while, and images with their space ---

    def container(self, name: str) -> Json | None:
        """``GET /containers/<name>/json``; None when there is none of that name."""
        with self._errors(f"inspect container {name}"):
            try:
                container: Json = self.api.inspect_container(name)
            except docker.errors.NotFound:
                return None
            return container

    def rename_container(self, name: str, new_name: str) -> None:
        """Give a container another name."""
        with self._errors(f"rename container {name}"):
            self.api.rename(name, new_name)

    def stop_container(self, name: str, stop_seconds: int) -> None:
        """Stop a container, giving it ``stop_seconds``; one that is stopped is left as it is."""
        with self._errors(f"stop container {name}"):
            self.api.stop(name, timeout=stop_seconds)

    def wait_container(self, name: str, deadline_seconds: float) -> int:
        """Wait until a container has ended; its exit code."""
        state: Json = {}

        def ended() -> bool:
            state.update((self.container(name) or {"State": {"Running": False, "ExitCode": 125}})["State"])
            return not state["Running"]

        wait_until(
            ended,
            deadline_seconds=deadline_seconds,
            failure=lambda: f"container {name} on {self.socket} has not ended after {deadline_seconds:g} s",
        )
        return int(state["ExitCode"])

    def run_in_container(
        self,
        name: str,
        command: Sequence[str],
        *,
        user: str = "",
        environment: Mapping[str, str] | None = None,
        timeout_seconds: int = 60,
    ) -> tuple[int, str]:
        """Run a command in a container that runs: its exit code and what it wrote.

        ``user``: the image's own by default. ``timeout_seconds``: how long the command may write nothing.
        """
        with self._errors(f"run {command[0]} in container {name}"):
            started = self.api.exec_create(name, list(command), user=user, environment=dict(environment or {}))["Id"]
            # The SDK's exec_start reads from the socket behind the answer's buffer, and loses what came together
            # with the answer's head: all that a quick command writes.
            api: Any = self.api
            url = api._url("/exec/{0}/start", started)
            response = api._post_json(url, data={"Tty": False, "Detach": False}, timeout=timeout_seconds)
            output = _frames(api._result(response, binary=True)).decode(errors="replace")
            return int(self.api.exec_inspect(started)["ExitCode"]), output

    @contextmanager
    def paused(self, name: str) -> Iterator[None]:
        """Hold a container's processes for as long as the block takes; one that doesn't run is left as it is.

        One that a killed run has left paused goes on, too, and one whose pause was given up or interrupted: the engine
        may have carried it out by then.
        """
        state = (self.container(name) or {"State": {}})["State"]
        if not state.get("Running"):
            yield
            return

        def pause() -> None:
            with self._errors(f"pause container {name}"):
                self.api.pause(name)

        try:
            if not state.get("Paused"):
                # With cgroup v1, runc gives up on processes that start others all the time, and lets them go on.
                _again_while("unable to freeze", pause, attempts=10)
            yield
        finally:
            if (self.container(name) or {"State": {}})["State"].get("Paused"):
                with self._errors(f"go on with container {name}"):
                    self.api.unpause(name)

    def volume_path(self, name: str) -> str | None:
        """Where a local volume's files lie on this machine; None when there is no such volume."""
        with self._errors(f"look at volume {name}"):
            try:
                return str(self.api.inspect_volume(name)["Mountpoint"])
            except docker.errors.NotFound:
                return None

    def images(self) -> list[Json]:
        """``GET /images/json``: all but the layers in between."""
        with self._errors("list images"):
            images: list[Json] = self.api.images()
            return images

    def layer_bytes(self) -> int:
        """The space that the layers of all images take."""
        api: Any = self.api
        with self._errors("measure the images"):  # engines before 23.0 measure the volumes too
            usage = api._result(api.get(api._url("/system/df"), params={"type": "image"}, timeout=600), json=True)
        return layer_bytes(usage)


def _again_while(said: str, act: Callable[[], T], attempts: int = 5) -> T:
    """Try again where the engine says that it was a matter of chance."""
    for attempt in range(1, attempts):
        try:
            return act()
        except PlatformError as error:
            if said not in error.message:
                raise
            time.sleep(0.05 * attempt)
    return act()


def _auth_for(reference: str, credentials: Credentials) -> dict[str, str] | None:
    registry, _name = docker.auth.resolve_repository_name(reference)
    found = credentials.get(registry)
    return {"username": found["username"], "password": found["password"]} if found else None


def _frames(stream: bytes) -> bytes:
    """The payload of a multiplexed log stream (8 bytes of header before each piece); a plain one as it is."""
    payload, rest = b"", stream
    while len(rest) >= 8 and rest[0] in (0, 1, 2) and rest[1:4] == b"\0\0\0":
        size = int.from_bytes(rest[4:8], "big")
        payload, rest = payload + rest[8 : 8 + size], rest[8 + size :]
    return payload or rest
