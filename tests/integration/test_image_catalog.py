"""image_catalog on the machine's own engine and a real registry (TLS, htpasswd), made by the real catalog."""

from __future__ import annotations

import base64
import datetime
import gzip
import hashlib
import io
import ipaddress
import json
import re
import shutil
import subprocess
import tarfile
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bcrypt
import docker
import pytest
import requests
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from ansible_collections.fungap.swarm.plugins.module_utils.docker.engine import Engine

from ..images import reference
from ..waiting import wait_for

ROOT = Path(__file__).resolve().parents[2]
PREFIX = f"im-{uuid.uuid4().hex[:6]}"
USER, PASSWORD = "platform", "a-password-for-one-test"
Run = Callable[..., dict[str, Any]]


def real_catalog() -> dict[str, Any]:
    """The catalog of the role's defaults."""
    text = (ROOT / "roles/images/defaults/main.yml").read_text().replace("{{ role_path }}", str(ROOT / "roles/images"))
    catalog: dict[str, Any] = yaml.safe_load(text)["images_catalog"]
    return catalog


@pytest.fixture
def outer() -> Iterator[docker.DockerClient]:
    """The machine's engine; what a test made there goes away."""
    client = docker.from_env()
    yield client
    for image in client.images.list(filters={"reference": f"fungap/{PREFIX}-*"}):
        for tag in image.tags:
            if tag.startswith(f"fungap/{PREFIX}-"):
                client.images.remove(tag)


@pytest.fixture
def catalog(tmp_path: Path) -> dict[str, Any]:
    """Two tiny images, one on the other, from nothing."""
    for name, start in (("low", "FROM scratch"), ("high", "ARG BASE\nFROM ${BASE}")):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "Dockerfile").write_text(f"{start}\nARG VERSION\nCOPY content /{name}\nLABEL version=$VERSION\n")
        (folder / "content").write_text(f"{PREFIX} {name}\n")
    low, high = f"{PREFIX}-low", f"{PREFIX}-high"
    return {
        low: {"internal": True, "build": {"context": str(tmp_path / "low")}},
        high: {"build": {"context": str(tmp_path / "high"), "base": low, "args": {"VERSION": 1}}},
    }


def test_builds_once(run_module: Run, outer: docker.DockerClient, catalog: dict[str, Any]) -> None:
    name = f"{PREFIX}-high"
    args = {"catalog": catalog, "platform": PREFIX}

    checked = run_module("image_catalog", args, check=True)
    assert checked["changed"]
    assert [action.split()[:2] for action in checked["actions"]] == [["build", f"{PREFIX}-low"], ["build", name]]
    assert checked["images"][name]["id"] == checked["images"][name]["image"], "the id is not known yet"
    assert not outer.images.list(filters={"reference": f"fungap/{PREFIX}-*"})

    built = run_module("image_catalog", args)
    assert built["changed"]
    assert built["images"][name]["image"] == checked["images"][name]["image"]
    image = outer.images.get(built["images"][name]["image"])
    assert image.id == built["images"][name]["id"]
    assert image.labels["io.fungap.recipe"] == built["images"][name]["recipe"]
    assert image.labels["io.fungap.made-for"] == PREFIX
    assert image.labels["version"] == "1"
    assert built["ansible_facts"]["platform_images"] == built["images"]
    assert list(built["images"]) == [name], "a base is nobody's image"

    for check in (False, True):
        again = run_module("image_catalog", args, check=check)
        assert not again["changed"]
        assert again["images"] == built["images"]


def test_builds_anew_what_a_changed_recipe_touches(
    run_module: Run, outer: docker.DockerClient, catalog: dict[str, Any], tmp_path: Path
) -> None:
    name, low = f"{PREFIX}-high", f"{PREFIX}-low"
    before = run_module("image_catalog", {"catalog": catalog})

    (tmp_path / "high" / "content").touch()
    assert not run_module("image_catalog", {"catalog": catalog})["changed"], "another time is not another content"

    (tmp_path / "high" / "content").write_text("other\n")
    after = run_module("image_catalog", {"catalog": catalog})
    assert [action.split()[1] for action in after["actions"]] == [name]
    assert after["images"][name]["id"] != before["images"][name]["id"]

    (tmp_path / "low" / "content").write_text("other\n")
    after = run_module("image_catalog", {"catalog": catalog})
    assert [action.split()[1] for action in after["actions"]] == [low, name]

    catalog[name]["build"]["args"]["VERSION"] = 2
    after = run_module("image_catalog", {"catalog": catalog})
    assert outer.images.get(after["images"][name]["id"]).labels["version"] == "2"


def test_a_failing_build_shows_its_last_lines(run_module: Run, catalog: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "high" / "Dockerfile").write_text("ARG BASE\nFROM ${BASE}\nCOPY nothing /\n")
    failed = run_module("image_catalog", {"catalog": catalog})
    assert failed["failed"]
    assert f"{PREFIX}-high: cannot build" in failed["msg"]
    assert any("COPY nothing" in line for line in failed["failed_images"][f"{PREFIX}-high"]["output"])


@pytest.mark.parametrize("suffix", [".tar", ".tar.gz", ".tar.zst"])
def test_loads_an_archive(
    run_module: Run, outer: docker.DockerClient, catalog: dict[str, Any], tmp_path: Path, suffix: str
) -> None:
    name = f"{PREFIX}-high"
    built = run_module("image_catalog", {"catalog": catalog})["images"][name]
    content = b"".join(outer.images.get(built["id"]).save(named=True))
    if suffix == ".tar.gz":
        content = gzip.compress(content)
    elif suffix == ".tar.zst":
        content = subprocess.run(["zstd", "-q", "-c"], input=content, capture_output=True, check=True).stdout
    (tmp_path / f"{name}{suffix}").write_bytes(content)
    outer.images.remove(built["image"])

    args = {"catalog": catalog, "source": "archive", "archive_dir": str(tmp_path)}
    checked = run_module("image_catalog", args, check=True)
    assert [action.split()[:2] for action in checked["actions"]] == [["load", name]]
    loaded = run_module("image_catalog", args)
    assert loaded["changed"]
    assert loaded["images"][name]["id"] == built["id"]
    assert not run_module("image_catalog", args)["changed"]


@pytest.mark.parametrize("suffix", [".tar", ".tar.zst"])
def test_loads_no_archive_but_the_one_that_is_known(
    run_module: Run, outer: docker.DockerClient, catalog: dict[str, Any], tmp_path: Path, suffix: str
) -> None:
    """By a SHA-256 from elsewhere: what has changed on its way is not given to the engine."""
    name = f"{PREFIX}-high"
    built = run_module("image_catalog", {"catalog": catalog})["images"][name]
    content = b"".join(outer.images.get(built["id"]).save(named=True))
    if suffix == ".tar.zst":
        content = subprocess.run(["zstd", "-q", "-c"], input=content, capture_output=True, check=True).stdout
    archive, known = tmp_path / f"{name}{suffix}", {name: hashlib.sha256(content).hexdigest()}
    outer.images.remove(built["image"])
    args = {"catalog": catalog, "source": "archive", "archive_dir": str(tmp_path), "archive_sha256": known}

    archive.write_bytes(content + b"\0")
    for check in (True, False):
        refused = run_module("image_catalog", args, check=check)
        assert f"{archive} is another file: its SHA-256 is " in refused["msg"]
        assert f"has to be {known[name]}" in refused["msg"]
    assert not outer.images.list(filters={"reference": f"fungap/{name}"})

    archive.write_bytes(content)
    unknown = run_module("image_catalog", {**args, "archive_sha256": {"another": known[name]}})
    assert "images_archive_sha256 has others, and not that of" in unknown["msg"]
    loaded = run_module("image_catalog", args)
    assert loaded["changed"], loaded
    assert loaded["images"][name]["id"] == built["id"]
    # Another time is no other content; and what is there is not read again.
    archive.touch()
    assert not run_module("image_catalog", args)["changed"]
    assert "64 digits" in run_module("image_catalog", {**args, "archive_sha256": {name: "9f2c"}})["msg"]


def test_names_every_image_that_its_source_cannot_give(
    run_module: Run, outer: docker.DockerClient, catalog: dict[str, Any], tmp_path: Path
) -> None:
    absent = {
        f"{PREFIX}-one": {"source": "archive"},
        f"{PREFIX}-two": {"source": "pull", "pull": "127.0.0.1:1/nothing:1.0"},
        f"{PREFIX}-three": {"pull": "example:1"},
    }
    args = {"catalog": {**catalog, **absent}, "archive_dir": str(tmp_path)}
    failed = run_module("image_catalog", args)
    assert failed["failed"]
    assert sorted(failed["missing_images"]) == sorted(absent)
    assert not outer.images.list(filters={"reference": f"fungap/{PREFIX}-*"}), "nothing is made before all is known"

    skipped = run_module("image_catalog", {**args, "missing": "skip"})
    assert sorted(skipped["images"]) == [f"{PREFIX}-high"]
    assert sorted(skipped["skipped_images"]) == sorted(absent)
    assert len(skipped["warnings"]) == 3
    assert skipped["ansible_facts"]["platform_images_missing"] == skipped["skipped_images"]


def test_one_image_may_be_missing(run_module: Run, catalog: dict[str, Any]) -> None:
    extra = {f"{PREFIX}-extra": {"optional": True, "missing": "skip", "pull": "example:1"}}
    args = {"catalog": {**catalog, **extra}}
    assert not run_module("image_catalog", args, check=True)["skipped_images"], "nobody asked for it"

    without = run_module("image_catalog", {**args, "optional": list(extra)}, check=True)
    assert list(without["images"]) == [f"{PREFIX}-high"]
    assert without["ansible_facts"]["platform_images_missing"] == {
        f"{PREFIX}-extra": "the catalog doesn't say how to build it"
    }

    named = {
        **args,
        "optional": list(extra),
        "missing": "fail",
        "catalog": {**catalog, f"{PREFIX}-extra": {"optional": True, "pull": "example:1"}},
    }
    assert run_module("image_catalog", named, check=True)["missing_images"].keys() == extra.keys()


def test_a_base_stands_in_for_an_official_image(run_module: Run, outer: docker.DockerClient) -> None:
    """For the origin's own app as it is: npm, npx and TypeScript on a base of the catalog."""
    name = f"{PREFIX}-chat"
    catalog = {**real_catalog(), name: {"build": {"context": str(ROOT / "examples/chat-app")}}}
    args = {"catalog": catalog, "names": [name], "bases": {"node:14-alpine": "nodejs"}}
    built = run_module("image_catalog", args)
    image = outer.images.get(built["images"][name]["image"])
    base = outer.images.get(next(tag for tag in built["tags"] if tag.startswith("fungap/nodejs:")))
    layers = base.attrs["RootFS"]["Layers"]
    assert image.attrs["RootFS"]["Layers"][: len(layers)] == layers
    assert not outer.images.list("node:14-alpine"), "the engine's own names stay as they are"
    assert not run_module("image_catalog", args)["changed"]

    container = outer.containers.create(image.id, name=name, network_mode="none")
    try:
        container.put_archive("/usr/src/app/env", a_tar({".env": "GREETING=hello\n"}))
        container.start()

        def fetch(path: str) -> str:
            script = f"fetch('http://127.0.0.1:3000{path}').then(a => a.text()).then(console.log)"
            return Engine("/var/run/docker.sock").containers.exec(name, ["node", "-e", script])[1]

        wait_for("the app", lambda: '"greeting":"hello"' in fetch("/"), 30)
        assert '"sid"' in fetch("/socket.io/?EIO=4&transport=polling")
    finally:
        container.remove(force=True, v=True)


def a_tar(files: dict[str, str]) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as tar:
        for path, text in files.items():
            entry = tarfile.TarInfo(path)
            entry.size = len(text)
            tar.addfile(entry, io.BytesIO(text.encode()))
    return content.getvalue()


def test_npm_packages_are_compiled(run_module: Run, outer: docker.DockerClient, tmp_path: Path) -> None:
    name = f"{PREFIX}-addon"
    (tmp_path / "Dockerfile").write_text(
        "FROM node:20\nWORKDIR /app\nCOPY . .\nRUN npm install && yarn --version && chown node:node .\n"
        'USER node\nCMD ["node", "-p", "require(\'./build/Release/addon\').answer"]\n'
    )
    (tmp_path / "package.json").write_text('{"name": "addon", "version": "1.0.0", "license": "MIT", "gypfile": true}')
    (tmp_path / "binding.gyp").write_text('{"targets": [{"target_name": "addon", "sources": ["addon.cc"]}]}')
    (tmp_path / "addon.cc").write_text(
        "#include <node_api.h>\n"
        "static napi_value Init(napi_env env, napi_value exports) {\n"
        "  napi_value answer; napi_create_int32(env, 42, &answer);\n"
        '  napi_set_named_property(env, exports, "answer", answer);\n'
        "  return exports;\n}\nNAPI_MODULE(NODE_GYP_MODULE_NAME, Init)\n"
    )
    catalog = {**real_catalog(), name: {"build": {"context": str(tmp_path)}}}
    args = {"catalog": catalog, "names": [name], "bases": {"docker.io/library/node:20": "nodejs-build"}}
    built = run_module("image_catalog", args)
    assert "images" in built, built
    said = outer.containers.run(built["images"][name]["id"], remove=True, network_mode="none")
    assert said.decode().strip() == "42"


def test_what_stands_in_is_part_of_what_an_image_is_made_of(
    run_module: Run, outer: docker.DockerClient, catalog: dict[str, Any], tmp_path: Path
) -> None:
    """Several stages, a variable, a copy from an image; nothing of it can be pulled."""
    name, low, other = (f"{PREFIX}-{one}" for one in ("app", "low", "other"))
    (tmp_path / "app").mkdir()
    dockerfile = (
        "ARG V\nFROM --platform=$BUILDPLATFORM hub.invalid/tools:${V} AS Build\nFROM scratch\n"
        "COPY --from=build /low /one\nCOPY --from=hub.invalid/tools:1 \\\n  /low /two\n"
    )
    (tmp_path / "app/Dockerfile").write_text(dockerfile)
    (tmp_path / "app/content").write_text("of the app\n")
    catalog[other] = {**catalog[low], "build": {"context": str(tmp_path / "low"), "args": {"VERSION": 9}}}
    catalog[name] = {"build": {"context": str(tmp_path / "app"), "args": {"V": 1}}}
    args = {"catalog": catalog, "names": [name], "bases": {"hub.invalid/tools:1": low}}

    def made(**change: Any) -> list[str]:
        result = run_module("image_catalog", {**args, **change}, check=True)
        return [action.split()[1] for action in result["actions"]]

    assert made() == [low, name]
    built = run_module("image_catalog", args)
    assert built["changed"]
    container = outer.containers.create(built["images"][name]["id"], command=["/one"])
    try:
        content = b"".join(container.export())
    finally:
        container.remove()
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        files = {path: file.read().decode() for path in ("one", "two") if (file := tar.extractfile(path))}
    assert files == {"one": f"{PREFIX} low\n", "two": f"{PREFIX} low\n"}
    assert (tmp_path / "app/Dockerfile").read_text() == dockerfile
    assert made() == []
    assert made(bases={**args["bases"], "hub.invalid/more": other}) == []
    assert made(bases={"hub.invalid/tools:1": other}) == [other, name]
    (tmp_path / "low/content").write_text("other\n")
    assert made() == [low, name]

    wrong = run_module("image_catalog", {**args, "bases": {"hub.invalid/tools:1": "gone"}})
    assert "hub.invalid/tools:1: 'gone' is not in the catalog" in wrong["msg"]
    itself = run_module("image_catalog", {**args, "bases": {"hub.invalid/tools:1": name}})
    assert "it is built on itself" in itself["msg"]
    catalog[name]["build"]["args"] = {}
    unset = run_module("image_catalog", args)
    assert "V has no value. Give it one in build.args" in unset["msg"]


@dataclass
class RegistryUnderTest:
    """A registry on loopback with TLS and a password."""

    address: str
    config: str
    certs_dir: Path
    container: Any

    def digest(self, repository: str, tag: str) -> str | None:
        answer = requests.head(
            f"https://{self.address}/v2/{repository}/manifests/{tag}",
            headers={"Accept": "application/vnd.docker.distribution.manifest.v2+json"},
            auth=(USER, PASSWORD),
            verify=str(self.certs_dir / "ca.crt"),
            timeout=5,
        )
        return answer.headers.get("Docker-Content-Digest") if answer.ok else None


@pytest.fixture
def registry(run_module: Run, tmp_path: Path) -> Iterator[RegistryUnderTest]:
    image = run_module("image_catalog", {"catalog": real_catalog(), "names": ["registry"]})["images"]["registry"]
    config = tmp_path / "registry"
    config.mkdir()
    _write_certificate(config)
    (config / "htpasswd").write_text(f"{USER}:{bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(5)).decode()}\n")
    (config / "config.yml").write_text(
        yaml.safe_dump(
            {
                "version": 0.1,
                "storage": {"filesystem": {"rootdirectory": "/var/lib/registry"}, "delete": {"enabled": True}},
                "http": {"addr": ":5000", "tls": {"certificate": "/tls/tls.crt", "key": "/tls/tls.key"}},
                "auth": {"htpasswd": {"realm": "test", "path": "/tls/htpasswd"}},
            }
        )
    )
    container = docker.from_env().containers.run(
        image["id"],
        name=f"{PREFIX}-registry",
        detach=True,
        ports={"5000/tcp": ("127.0.0.1", None)},
        volumes=[f"{config}/config.yml:/etc/docker/registry/config.yml:ro", f"{config}:/tls:ro"],
    )
    certs_dir = None
    try:
        container.reload()
        address = f"127.0.0.1:{container.ports['5000/tcp'][0]['HostPort']}"
        certs_dir = Path("/etc/docker/certs.d") / address
        certs_dir.mkdir(parents=True)
        shutil.copy(config / "tls.crt", certs_dir / "ca.crt")
        client = tmp_path / "client"
        client.mkdir(mode=0o700)
        auth = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        (client / "config.json").write_text(json.dumps({"auths": {address: {"auth": auth}}}))
        under_test = RegistryUnderTest(address, str(client), certs_dir, container)
        url, trust = f"https://{address}/v2/", certs_dir / "ca.crt"
        wait_for("the registry", lambda: requests.get(url, verify=trust, timeout=2).status_code == 401, 20)
        yield under_test
    finally:
        container.remove(force=True, v=True)
        if certs_dir:
            shutil.rmtree(certs_dir)


def _write_certificate(folder: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "registry under test")])
    now = datetime.datetime.now(datetime.timezone.utc)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "tls.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "tls.key").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )


def test_pushes_what_the_registry_lacks(
    run_module: Run, outer: docker.DockerClient, catalog: dict[str, Any], registry: RegistryUnderTest
) -> None:
    name = f"{PREFIX}-high"
    known = {"catalog": catalog, "registry_address": registry.address, "registry_config": registry.config}
    pushing = {**known, "push": True}

    built = run_module("image_catalog", known)
    assert "ref" not in built["images"][name]

    checked = run_module("image_catalog", pushing, check=True)
    assert checked["changed"]
    assert [action.split()[:2] for action in checked["actions"]] == [["push", name]]
    tag = checked["images"][name]["recipe"][:12]
    assert checked["images"][name]["ref"] == f"{registry.address}/{name}:{tag}", "the digest is not known yet"
    assert registry.digest(name, tag) is None

    pushed = run_module("image_catalog", pushing)
    assert pushed["changed"]
    digest = registry.digest(name, tag)
    assert digest
    assert pushed["images"][name]["ref"] == f"{registry.address}/{name}@{digest}"
    assert PASSWORD not in json.dumps(pushed)
    assert not outer.images.list(filters={"reference": f"{registry.address}/*"}), (
        "only its own name is left on the host"
    )

    log = registry.container.logs()
    for args, check in ((pushing, False), (pushing, True), (known, False)):
        again = run_module("image_catalog", args, check=check)
        assert not again["changed"]
        assert again["images"] == pushed["images"]
    news = registry.container.logs()[len(log) :].decode()
    assert not [verb for verb in ("PUT", "POST", "PATCH") if f"http.request.method={verb}" in news]

    # What stands under the digest is the image: an engine that forgot it gets the same again.
    outer.images.remove(pushed["images"][name]["image"])
    outer.api.pull(pushed["images"][name]["ref"], auth_config={"username": USER, "password": PASSWORD})
    assert outer.images.get(pushed["images"][name]["ref"]).id == pushed["images"][name]["id"]
    outer.images.remove(pushed["images"][name]["ref"])


def test_what_is_asked_for_by_name_is_never_left_out(
    run_module: Run, catalog: dict[str, Any], registry: RegistryUnderTest
) -> None:
    """The platform's own registry is asked with the platform's own login."""
    reference = f"{registry.address}/ext/nope:1"
    taken = {"app-web": {"pull": reference, "source": "pull", "follow": True}}
    known = {"registry_address": registry.address, "registry_config": registry.config, "missing": "skip"}
    for check in (True, False):
        failed = run_module(
            "image_catalog", {**known, "catalog": {**catalog, **taken}, "required": ["app-web"]}, check=check
        )
        assert f"app-web: cannot pull {reference}: no such image: manifest unknown" in failed["msg"]
        assert "images_missing" not in failed["msg"]
    absent = {f"{PREFIX}-extra": {"optional": True, "pull": "example:1"}}
    args = {**known, "catalog": {**catalog, **absent}, "required": list(absent)}
    assert run_module("image_catalog", args, check=True)["missing_images"].keys() == absent.keys()


def test_says_why_it_cannot_push(run_module: Run, catalog: dict[str, Any], registry: RegistryUnderTest) -> None:
    args = {"catalog": catalog, "registry_address": registry.address, "push": True}
    failed = run_module("image_catalog", args)
    assert failed["failed"]
    assert "refuses the credentials" in failed["msg"]

    unknown = run_module("image_catalog", {**args, "registry_address": "127.0.0.1:1"})
    assert unknown["failed"]
    assert "/etc/docker/certs.d/127.0.0.1:1/ca.crt" in unknown["msg"]


def test_pulls_with_the_networks_authorities_for_builds(
    run_module: Run, outer: docker.DockerClient, catalog: dict[str, Any], registry: RegistryUnderTest
) -> None:
    """An official image stays as it is; as a base of a build it also trusts the network's authorities."""
    pushing = {
        "catalog": real_catalog(),
        "names": ["registry"],
        "registry_address": registry.address,
        "registry_config": registry.config,
        "push": True,
    }
    official = run_module("image_catalog", pushing)["images"]["registry"]
    subprocess.run(
        ["docker", "login", "-u", USER, "--password-stdin", registry.address], input=PASSWORD.encode(), check=True
    )
    low, high = f"{PREFIX}-low", f"{PREFIX}-high"
    try:
        catalog[low] = {"internal": True, "pull": official["ref"]}
        catalog[f"{PREFIX}-plain"] = {"pull": official["ref"]}
        trusted = str(registry.certs_dir / "ca.crt")
        args = {"catalog": catalog, "source": "pull", "trusted_ca_files": [trusted]}
        pulled = run_module("image_catalog", args)
        assert pulled["changed"], pulled
        assert pulled["images"][f"{PREFIX}-plain"]["id"] == official["id"]
        bundle = outer.containers.run(
            pulled["images"][high]["id"], ["/etc/ssl/certs/ca-certificates.crt"], entrypoint="cat", remove=True
        )
        assert Path(trusted).read_bytes().strip() in bundle
        environment = outer.images.get(pulled["images"][high]["id"]).attrs["Config"]["Env"]
        assert "NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt" in environment, "npm reads no other"
        assert not run_module("image_catalog", args)["changed"]
    finally:
        subprocess.run(["docker", "logout", registry.address], check=True)
        outer.images.remove(official["ref"], force=True)


def test_the_tests_ask_for_the_images_that_a_run_makes(run_module: Run) -> None:
    """tests/images.py computes the names that the module would give. Jenkins' base is a registry's to know."""
    catalog = real_catalog()
    names = [
        name
        for name, entry in catalog.items()
        if entry.get("build", {}).get("base", "jenkins-base") != "jenkins-base" and not entry.get("internal")
    ]
    assert len(names) > 10
    looked = run_module("image_catalog", {"catalog": catalog, "names": names}, check=True)
    assert {name: one["image"] for name, one in looked["images"].items()} == {name: reference(name) for name in names}
    assert {reference("base"), reference("nodejs")} < set(looked["tags"])


def test_archives_are_of_the_checkouts_own_images(tmp_path: Path) -> None:
    folder = tmp_path / "images"
    changed, said = save_registry(folder)
    assert changed == 2, "the folder and the archive"
    digest = hashlib.sha256((folder / "registry.tar").read_bytes()).hexdigest()
    assert re.search(rf"images_archive_sha256:\s+registry: {digest}", said.replace('"', ""))
    with tarfile.open(folder / "registry.tar") as archive:
        (manifest,) = json.loads(archive.extractfile("manifest.json").read())  # type: ignore[union-attr]
    assert manifest["RepoTags"] == [reference("registry")]
    assert save_registry(folder)[0] == 0, "an archive that is right stays as it is"


def save_registry(folder: Path) -> tuple[int, str]:
    """Run the playbook; the number of changes."""
    variables = {"images_names": ["registry"], "images_save_dir": str(folder), "images_source": "build"}
    command = ["ansible-playbook", "-i", "inventories/local", "playbooks/images.yml", "--tags", "images"]
    done = subprocess.run(
        [*command, "-e", json.dumps(variables)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (changes,) = re.findall(r"changed=(\d+)", done.stdout)
    return int(changes), done.stdout
