"""What surrounds a pipeline, on real parts: a git server, a second registry, a platform, its deploy host's SSH server,
the agent and its build engine.

What can't be had here and stands in: a git server over HTTP with a login (git's own http-backend) for GitHub, a
registry with TLS and a login for Docker Hub, an HTTP server for Slack, and for Jenkins the harness, which runs the
Jenkinsfile over SSH in the agent's container, as Jenkins' SSH launcher does.
"""

from __future__ import annotations

import base64
import datetime
import gzip
import json
import os
import secrets
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import docker

from ansible_collections.fungap.swarm.plugins.module_utils.docker.engine import Engine
from ansible_collections.fungap.swarm.plugins.module_utils.node.model import Host, Network, Node
from ansible_collections.fungap.swarm.plugins.plugin_utils import pki

from .. import checkout, debian, images
from ..java import need_programs
from ..load.live import Live, our_settings, platform
from ..steps import tell
from ..waiting import wait_for
from .harness import ROOT, Harness, Scm, git, sources
from .slack import slack

HERE = Path(__file__).resolve().parent
NAME = checkout.name("cicd")
CI = checkout.name("ci")
HOST, HUB, AGENT, BUILD = (f"{checkout.subnet('ci')}.{number}" for number in (1, 2, 10, 11))
HUB_PORT, (SSH_PORT, SLACK_PORT, GIT_PORT) = 5000, (checkout.port("ci", number) for number in range(3))
AGENT_NAME, BUILD_NAME, HUB_NAME = f"{CI}-agent", f"{CI}-build", f"{CI}-hub"
REGISTRY = f"{HUB}:{HUB_PORT}"
REPOSITORY = f"{REGISTRY}/team/web"
BASE = f"{REGISTRY}/library/node:20"
GIT_URL = f"http://{HOST}:{GIT_PORT}/team/web.git"
USER = "team"
JENKINS_UID = 1000
WORKSPACE = "/home/jenkins/workspace/web"
# What every build has from the agent's own settings.
AGENT_ENVIRONMENT = {"INVENTORY": "/etc/fungap/inventory", "DEPLOY_KNOWN_HOSTS_FILE": "/etc/fungap/known_hosts"}
# sshd and the agent need no more.
AGENT_CAPABILITIES = ["CHOWN", "SETGID", "SETUID", "SYS_CHROOT"]


class Sampler:
    """Command lines and environments of every process on this machine, the containers' too, as they come and go."""

    def __init__(self) -> None:
        self.seen: set[bytes] = set()
        self.samples = 0
        self._enough = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        while not self._enough.wait(0.15):
            self.samples += 1
            for process in Path("/proc").glob("[0-9]*"):
                for name in ("cmdline", "environ"):
                    with suppress(OSError):
                        self.seen.add((process / name).read_bytes())

    def __enter__(self) -> Sampler:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._enough.set()
        self._thread.join()


class World:
    """Handles on all of it. ``secrets``: name -> value; nothing that runs may show one."""

    def __init__(self, folder: Path, sampler: Sampler) -> None:
        self.folder = folder
        self.sampler = sampler
        self.outer = docker.from_env(timeout=120)
        self.secrets = {name: f"{name}-{secrets.token_hex(12)}" for name in ("registry", "git", "vault", "slack")}
        self.messages: list[str] = []
        self.images: dict[str, str] = {}
        self.live: Live
        self.harness: Harness
        self.work: Path

    def file(self, name: str, text: str, mode: int = 0o600) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(0o600)
        path.write_text(text)
        path.chmod(mode)
        return path

    def key(self, name: str) -> Path:
        path = self.folder / name
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(path)]
        subprocess.run(command, check=True, capture_output=True)
        return path

    def public(self, name: str) -> str:
        return (self.folder / f"{name}.pub").read_text().strip()

    # --- git ---

    @contextmanager
    def git_server(self) -> Iterator[None]:
        """git's own server side over HTTP, for those who have the password."""
        root = self.folder / "git"
        subprocess.run(["git", "init", "--quiet", "--bare", "-b", "main", str(root / "team/web.git")], check=True)
        git(root / "team/web.git", "config", "http.receivepack", "true")
        wanted = "Basic " + base64.b64encode(f"{USER}:{self.secrets['git']}".encode()).decode()

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                if self.headers.get("Authorization") != wanted:
                    self.send_response(401)
                    self.send_header("WWW-Authenticate", 'Basic realm="git"')
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                path, _, query = self.path.partition("?")
                environment = {
                    "PATH": os.environ["PATH"],
                    "GIT_PROJECT_ROOT": str(root),
                    "GIT_HTTP_EXPORT_ALL": "1",
                    "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
                    "REQUEST_METHOD": self.command,
                    "PATH_INFO": path,
                    "QUERY_STRING": query,
                    "CONTENT_TYPE": self.headers.get("Content-Type", ""),
                    "CONTENT_LENGTH": str(len(body)),
                    "REMOTE_USER": USER,
                }
                done = subprocess.run(
                    ["git", "http-backend"], input=body, env=environment, capture_output=True, check=True
                )
                head, _, content = done.stdout.partition(b"\r\n\r\n")
                headers = dict(line.split(": ", 1) for line in head.decode().splitlines())
                self.send_response(int(headers.pop("Status", "200").split()[0]))
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = _answer

            def log_message(self, *args: Any) -> None:
                pass

        server = ThreadingHTTPServer((HOST, GIT_PORT), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield
        finally:
            server.shutdown()
            server.server_close()

    def developer(self, *arguments: str) -> str:
        """git as the developer, whose credentials git keeps in a file."""
        store = self.folder / "git-credentials"
        return git(self.work, "-c", f"credential.helper=store --file={store}", *arguments)

    def make_repository(self) -> None:
        """The example app in a repository of its own, with the values in its Jenkinsfiles that are this team's."""
        self.file("git-credentials", f"http://{USER}:{self.secrets['git']}@{HOST}:{GIT_PORT}\n")
        self.work = sources(self.folder / "work")
        jenkinsfile = self.work / "Jenkinsfile"
        text = jenkinsfile.read_text()
        for old, new in (("docker.io/team/web", REPOSITORY), ("node:20-slim", BASE)):
            assert text.count(old) == 1
            text = text.replace(old, new)
        jenkinsfile.write_text(text)
        self.developer("remote", "add", "origin", GIT_URL)

    def push(self, message: str) -> Scm:
        """Commit and push; wait until who polls (in the webhook's place) has seen it."""
        self.developer("add", "--all")
        self.developer("commit", "--quiet", "--message", message)
        commit = self.developer("rev-parse", "HEAD")
        self.developer("push", "--quiet", "origin", "main")
        wait_for("the new commit", lambda: commit in self.developer("ls-remote", "origin", "refs/heads/main"), 20)
        return Scm(GIT_URL, commit, username=USER, password_file=str(self.folder / "secret-git"))

    # --- registry ---

    @contextmanager
    def hub(self) -> Iterator[None]:
        """A registry of the catalog's image with TLS and a login; it holds the app's base image."""
        now = datetime.datetime.now(datetime.timezone.utc)
        authority = pki.new_key()
        certificate = pki.make_ca("Hub CA", authority, now)
        key = pki.new_key()
        self.file("hub/tls.key", key)
        self.file("hub/tls.crt", pki.issue(pki.KeyPair(certificate, authority), key, [], [HUB], now))
        self.file("hub/htpasswd", pki.htpasswd_line(USER, self.secrets["registry"]) + "\n")
        tls = {"certificate": "/etc/docker/registry/tls.crt", "key": "/etc/docker/registry/tls.key"}
        login = {"htpasswd": {"realm": "hub", "path": "/etc/docker/registry/htpasswd"}}
        storage = {"filesystem": {"rootdirectory": "/var/lib/registry"}}
        config = {"version": 0.1, "storage": storage, "http": {"addr": f":{HUB_PORT}", "tls": tls}, "auth": login}
        self.file("hub/config.yml", json.dumps(config))
        self.hub_ca = self.file(f"certs.d/{REGISTRY}/ca.crt", certificate, 0o644)
        # This machine's engine takes the image from there, as it would from Docker Hub, whose authority it knows.
        trusted = Path("/etc/docker/certs.d") / REGISTRY
        trusted.mkdir(parents=True)
        (trusted / "ca.crt").write_text(certificate)
        try:
            self.container(HUB_NAME, self.images["registry"], HUB, binds=[f"{self.folder}/hub:/etc/docker/registry:ro"])
            self.outer.images.get(images.image("nodejs")).tag(BASE)
            auth = {"username": USER, "password": self.secrets["registry"]}
            wait_for("the registry", lambda: "error" not in self.outer.images.push(BASE, auth_config=auth), 30)
            yield
        finally:
            shutil.rmtree(trusted)
            self._forget_images()

    def _forget_images(self) -> None:
        """Take what this machine's engine has from that registry, and the names that a deploy gave it."""
        for image in self.outer.api.images():
            names = [*(image["RepoTags"] or []), *(image["RepoDigests"] or [])]
            if any(name.startswith(REGISTRY) for name in names):
                for name in names:
                    if name.startswith((REGISTRY, "fungap/app-web:", f"{NAME}-registry:")):
                        with suppress(docker.errors.DockerException):
                            self.outer.images.remove(name)

    def container(
        self, name: str, image: str, address: str, *, binds: list[str], capabilities: list[str] | None = None
    ) -> None:
        """A container on the network of what isn't the platform."""
        api = self.outer.api
        api.create_container(
            image,
            name=name,
            host_config=api.create_host_config(
                binds=binds, cap_drop=["ALL"], cap_add=capabilities, security_opt=["no-new-privileges:true"]
            ),
            networking_config=api.create_networking_config({CI: api.create_endpoint_config(ipv4_address=address)}),
        )
        api.start(name)

    # --- the agent ---

    def build_engine(self) -> None:
        """An engine in a container, that only the agent reaches: builds are not root on any host."""
        run = self.folder / "run"
        (run / "shared").mkdir(parents=True)
        lines = [line.split() for line in Path("/etc/resolv.conf").read_text().splitlines()]
        host = Host(
            platform=CI,
            image="",
            network=Network(CI, f"{checkout.subnet('ci')}.0/24", 1500),
            run_dir=str(run),
            nodes=(),
            init=(ROOT / "roles/swarm_node/files/node-init").read_text(),
            daemon={
                "hosts": ["unix:///run/docker.sock", "unix:///run/build/docker.sock"],
                "group": str(JENKINS_UID),
                "bip": "10.199.0.1/24",
                "dns": [words[1] for words in lines if words[:1] == ["nameserver"]],
            },
            privileged=False,
            extra_hosts={},
            binds=(f"{run}/shared:/run/build", f"{self.folder}/certs.d:/etc/docker/certs.d:ro"),
        )
        engine = Engine("/var/run/docker.sock")
        body = host.container(Node("build", BUILD), self.images["node"])
        engine.volumes.create(BUILD_NAME, {})
        engine.containers.create(BUILD_NAME, body, host.files())
        self.outer.api.start(BUILD_NAME)
        self.builder = docker.DockerClient(f"unix://{run}/shared/docker.sock", version="1.41", timeout=120)
        wait_for("the build engine", lambda: bool(self.builder.ping()), 60)

    def agent(self) -> None:
        """The agent of the catalog, and the harness that comes to it by SSH."""
        self.key("agent-host")
        self.key("launcher")
        self.file("authorized", self.public("launcher") + "\n", 0o644)
        inventory = self.folder / "agent-inventory"
        shutil.copytree(self.folder / "inventory", inventory)
        reach = {
            "ansible_connection": "ssh",
            "ansible_host": HOST,
            "ansible_port": SSH_PORT,
            "ansible_user": "root",
            "ansible_python_interpreter": str(ROOT / ".venv/bin/python"),
        }
        (inventory / "reach.yml").write_text(json.dumps({"docker_hosts": {"hosts": {"vm1": reach}}}))
        for path in [inventory, *inventory.rglob("*")]:
            os.chown(path, JENKINS_UID, JENKINS_UID)
        known = self.file("known_hosts", f"[{HOST}]:{SSH_PORT} {self.public('deploy-host')}\n", 0o644)
        binds = [
            f"{self.folder}/agent-host:/run/secrets/ssh_host_ed25519_key:ro",
            f"{self.folder}/authorized:/etc/ssh/authorized_keys/jenkins:ro",
            f"{self.folder}/run/shared:/run/build",
            f"{inventory}:/etc/fungap/inventory:ro",
            f"{known}:/etc/fungap/known_hosts:ro",
        ]
        self.container(AGENT_NAME, self.images["jenkins-agent"], AGENT, binds=binds, capabilities=AGENT_CAPABILITIES)
        pinned = self.file("agent-known", f"{AGENT} {self.public('agent-host')}\n")
        options = ["BatchMode=yes", "IdentitiesOnly=yes", "StrictHostKeyChecking=yes", f"UserKnownHostsFile={pinned}"]
        ssh = ["ssh", "-F", "/dev/null", "-i", f"{self.folder}/launcher", *(f"-o{option}" for option in options)]
        shell = [*ssh, f"jenkins@{AGENT}", "sh -s"]

        def is_there() -> bool:
            return subprocess.run(shell, input=b"exit 0", capture_output=True, check=False).returncode == 0

        wait_for("the agent", is_there, 30)
        credentials = {
            "registry-password": self.folder / "secret-registry",
            "deploy-key": self.folder / "deploy",
            "vault-password": self.folder / "secret-vault",
            "slack-url": self.folder / "secret-slack-url",
        }
        self.harness = Harness(self.folder / "jenkins", shell, WORKSPACE, credentials)

    @contextmanager
    def deploy_host(self) -> Iterator[None]:
        """An SSH server on this machine, of the tests' own. It lets in one key, from the agent, for commands alone."""
        self.key("deploy-host")
        self.key("deploy")
        self.file("deploy-authorized", f'restrict,from="{AGENT}" {self.public("deploy")}\n')
        config = {
            "Port": SSH_PORT,
            "ListenAddress": HOST,
            "HostKey": self.folder / "deploy-host",
            "AuthorizedKeysFile": self.folder / "deploy-authorized",
            "PidFile": "none",
            "PermitRootLogin": "prohibit-password",
            "PasswordAuthentication": "no",
            "KbdInteractiveAuthentication": "no",
            "UsePAM": "no",
            "Subsystem": "sftp internal-sftp",
        }
        file = self.file("sshd_config", "".join(f"{name} {value}\n" for name, value in config.items()))
        program, environment, undo = sshd(self.folder)
        Path("/run/sshd").mkdir(exist_ok=True)
        with (self.folder / "sshd.log").open("wb") as log:
            server = subprocess.Popen(
                [program, "-D", "-e", "-f", file], env=environment, stderr=log, stdin=subprocess.DEVNULL
            )
        try:
            yield
        finally:
            server.terminate()
            server.wait(10)
            if undo:
                subprocess.run(undo, check=False, capture_output=True)


def sshd(folder: Path) -> tuple[str, dict[str, str], list[str]]:
    """OpenSSH's server, its environment, and what to run at the end. This machine's, or Debian's package unpacked.

    Not installed: that would open the machine's own port 22.
    """
    environment = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
    undo: list[str] = []
    if subprocess.run(["getent", "passwd", "sshd"], capture_output=True, check=False).returncode:
        add = ["useradd", "--system", "--home-dir", "/run/sshd", "--shell", "/usr/sbin/nologin", "sshd"]
        subprocess.run(add, check=True, capture_output=True)
        undo = ["userdel", "sshd"]
    if Path("/usr/sbin/sshd").exists():
        return "/usr/sbin/sshd", environment, undo
    unpacked = folder / "sshd"
    unpacked.mkdir()
    for package in ("openssh-server", "libwrap0"):
        debian.unpack(package, unpacked)
    libraries = sorted({str(path.parent) for path in unpacked.rglob("libwrap.so.0")})
    return str(unpacked / "usr/sbin/sshd"), {**environment, "LD_LIBRARY_PATH": ":".join(libraries)}, undo


def catalog_images(folder: Path, arguments: list[str]) -> dict[str, str]:
    """The images of the catalog as it is now, made where they aren't there; name -> image."""
    told = folder / "images.json"
    command = [f"{ROOT}/.venv/bin/ansible-playbook", *arguments, f"{HERE}/images.yml", "-e", f"told={told}"]
    environment = {**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr
    return {name: one["image"] for name, one in json.loads(told.read_text()).items()}


def sweep(engine: docker.DockerClient) -> None:
    """Take away what the tests make beside the platform, also of a run that was killed."""
    for name in (AGENT_NAME, BUILD_NAME, HUB_NAME):
        with suppress(docker.errors.NotFound):
            engine.containers.get(name).remove(force=True, v=True)
    with suppress(docker.errors.NotFound):
        engine.volumes.get(BUILD_NAME).remove()
    with suppress(docker.errors.NotFound):
        engine.networks.get(CI).remove()
    shutil.rmtree(Path("/etc/docker/certs.d") / REGISTRY, ignore_errors=True)


@contextmanager
def world() -> Iterator[World]:
    """All of it, from its coming up to its going away."""
    need_programs()
    folder = Path(f"/run/{CI}")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    engine = docker.from_env()
    sweep(engine)
    pool = docker.types.IPAMPool(subnet=f"{checkout.subnet('ci')}.0/24", gateway=HOST)
    engine.networks.create(CI, ipam=docker.types.IPAMConfig(pool_configs=[pool]))
    started = time.monotonic()

    def lap(what: str) -> None:
        nonlocal started
        tell(f"{time.monotonic() - started:6.1f} s  {what}")
        started = time.monotonic()

    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder)
        stack.callback(sweep, engine)
        all_of_it = World(folder, stack.enter_context(Sampler()))
        path = f"/services/T0/B0/{all_of_it.secrets['slack']}"
        url, all_of_it.messages = stack.enter_context(slack(path, HOST, SLACK_PORT))
        for name in ("registry", "git", "vault"):
            all_of_it.file(f"secret-{name}", all_of_it.secrets[name] + "\n")
        all_of_it.file("secret-slack-url", url + "\n")
        shutil.copytree(HERE / "inventory", folder / "inventory")
        vault = {
            "vault_slack_url": url,
            "vault_registry_password": all_of_it.secrets["registry"],
            "vault_hub_address": REGISTRY,
        }
        encrypted = all_of_it.file("inventory/group_vars/all/vault.yml", json.dumps(vault))
        password = ["--vault-password-file", str(folder / "secret-vault")]
        subprocess.run(
            [ROOT / ".venv/bin/ansible-vault", "encrypt", *password, encrypted], check=True, capture_output=True
        )
        ours = our_settings("cicd", folder / "inventory", {"manager1": 11, "worker1": 21})
        # The agent's copy of the inventory brings its own secrets' folder along.
        (added,) = ours.ansible_arguments[1:]
        variables = json.loads(Path(added).read_text())
        del variables["all"]["vars"]["platform_secrets_dir"]
        all_of_it.file("inventory/checkout.json", json.dumps(variables))
        settings = replace(ours, ca=str(folder / "inventory/.secrets/ca.crt"), ansible_arguments=tuple(password))
        all_of_it.images = catalog_images(folder, ["-i", settings.inventory, *password])
        lap("the agent's image, if it wasn't there")
        all_of_it.live = stack.enter_context(platform(settings))
        lap("the platform")
        stack.enter_context(all_of_it.hub())
        stack.enter_context(all_of_it.git_server())
        all_of_it.make_repository()
        stack.enter_context(all_of_it.deploy_host())
        all_of_it.build_engine()
        all_of_it.agent()
        lap("git server, second registry, build engine, agent")
        yield all_of_it
