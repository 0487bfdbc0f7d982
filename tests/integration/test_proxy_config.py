"""What the proxy's configuration does: real nginx, real TLS, Docker's own resolver, backends that come and go."""

from __future__ import annotations

import base64
import datetime
import gzip
import http.client
import json
import os
import re
import select
import shutil
import socket
import ssl
import subprocess
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from copy import copy
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import docker
import h2.connection
import h2.events
import pytest

from ansible_collections.fungap.swarm.plugins.plugin_utils import pki
from ansible_collections.fungap.swarm.plugins.plugin_utils.routes import proxy_error_pages

from ..images import image
from ..waiting import patience, until, wait_for
from ..warm_ansible import ansible_playbook

ROOT = Path(__file__).resolve().parents[2]
NOW = datetime.datetime.now(datetime.timezone.utc)
# As long as a name may be, and as long as one of those that once broke nginx' tables.
LONGEST, LONG = ".".join(["a" * 61, "b" * 61, "c" * 61, "d" * 57, "localhost"]), f"{'e' * 50}.localhost"
# Words of nginx' own where it looks a name up, and what an escaped letter would be.
WORDS = ["default", "hostnames", "include", "volatile", "table.localhost"]
HOSTS = [
    "web.localhost",
    "chat.localhost",
    "late.localhost",
    "admin.localhost",
    "gone.localhost",
    "headers.localhost",
    *("allowed.localhost", "denied.localhost", "private.localhost"),
    *("rated.localhost", "streamed.localhost", "packed.localhost"),
    *("guarded.localhost", "partly.localhost", "second.partly.localhost"),
    *("shared.localhost", "own.localhost", "only.localhost"),
    *("away.localhost", "paged.localhost", "upkeep.localhost", "exempt.localhost", "closed.localhost"),
    *("tls.localhost", "half.localhost", "grpc.localhost"),
    *("moved.localhost", "www.moved.localhost", "old.moved.localhost"),
    LONGEST,
    LONG,
    *WORDS,
]
# Together they are longer than one of its words may be.
MANY_PATHS = [f"/api/v1/resources/{number}/login" for number in range(150)]
PASSWORD = "correct-horse"
AWAY = '<!DOCTYPE html>\n<title>Zurück in einer Minute</title>\n<p>$uri; } "</p>\n'
POLICY = r"""default-src 'self'; report-uri "/a\b"; #{}"""
HASH = pki.htpasswd_line("alice", PASSWORD).strip().partition(":")[2]
CAPABILITIES = ["CHOWN", "DAC_OVERRIDE", "NET_BIND_SERVICE", "SETGID", "SETUID"]
BACKEND = r"""
const {name, key, cert} = JSON.parse(process.env.SETTINGS);
const answer = (request, response) => {
  const asked = new URL(request.url, 'http://x').searchParams;
  console.log(request.method, request.url);
  let size = 0;
  request.on('data', (chunk) => { size += chunk.length; });
  request.on('end', () => {
    response.setHeader('X-Powered-By', 'Express');
    response.setHeader('Server', 'backend/1.0');
    response.setHeader('Strict-Transport-Security', 'max-age=1');
    if (asked.has('cookie')) response.setHeader('Set-Cookie', asked.getAll('cookie'));
    if (asked.has('header')) response.setHeader('X-Long', 'x'.repeat(asked.get('header')));
    for (const one of asked.getAll('answer')) response.setHeader(...one.split(': '));
    if (asked.has('location')) response.writeHead(302, {Location: asked.get('location')});
    if (request.url === '/missing') response.statusCode = 404;
    if (request.url === '/busy') response.statusCode = 429;
    if (asked.has('wait')) return setTimeout(() => response.end('waited'), 1000 * asked.get('wait'));
    if (request.url.startsWith('/events')) {
      response.setHeader('Content-Type', 'text/event-stream');
      response.write('data: first\n\n');
      return setTimeout(() => response.end('data: last\n\n'), 5000);
    }
    if (request.url === '/die') return process.exit(1);
    const sni = request.socket.servername;
    const {method, url, headers} = request;
    response.end(JSON.stringify({name, size, sni, method, url, headers}));
  });
};
const upgrade = (request, socket) => {
  socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n');
  socket.on('data', (data) => socket.write(data));
  socket.on('error', () => {});
};
const call = (stream, headers) => {
  const method = headers[':path'].split('/').pop();
  if (method === 'Hang') return;
  const head = {':status': 200, 'content-type': 'application/grpc'};
  // Before it has the message, curl 7.88 takes the end of the stream for an error, whatever it was answered.
  const refuse = () => stream.respond({...head, 'grpc-status': 12}, {endStream: true});
  if (method === 'Missing') return stream.resume().on('end', refuse);
  stream.respond(head, {waitForTrailers: true});
  stream.on('wantTrailers', () => stream.sendTrailers({'grpc-status': 0, 'grpc-message': 'well done'}));
  if (method === 'Chat') return stream.on('data', (data) => stream.write(data)).on('end', () => stream.end());
  let size = 0;
  stream.on('data', (data) => { size += data.length; }).on('end', () => {
    const body = Buffer.from(JSON.stringify({name, size, headers})), prefix = Buffer.alloc(5);
    prefix.writeUInt32BE(body.length, 1);
    stream.end(Buffer.concat([prefix, body]));
  });
};
process.on('SIGTERM', () => process.exit(0));
require('https').createServer({key, cert}, answer).on('upgrade', upgrade).listen(3443);
require('http2').createServer().on('stream', call).listen(3001);
require('http').createServer({maxHeaderSize: 262144}, answer).on('upgrade', upgrade).listen(3000);
"""


def render(
    directory: Path,
    variables: dict[str, Any],
    role: str = "proxy",
    names: Sequence[str] = ("nginx.conf", "routes.conf", "edge.conf"),
) -> None:
    """Write a role's templates as the role would."""
    templates = {name: f"{name}.j2" for name in names}
    templates_dir = ROOT / "roles" / role / "templates"
    play = {
        "hosts": "localhost",
        "gather_facts": False,
        "vars_files": [f"{ROOT}/roles/{role}/defaults/main.yml", f"{ROOT}/roles/{role}/vars/main.yml"],
        "vars": {"ansible_python_interpreter": "{{ ansible_playbook_python }}"},
        "tasks": [
            {
                "fungap.swarm.config_files": {
                    "files": [
                        {
                            "path": f"{directory}/{name}",
                            "content": f"{{{{ lookup('ansible.builtin.template', '{templates_dir}/{template}') }}}}",
                        }
                        for name, template in templates.items()
                    ]
                }
            }
        ],
    }
    (directory / "pages").mkdir(exist_ok=True)
    for page in proxy_error_pages(variables.get("proxy_routes", [])):
        (directory / "pages" / f"page-{page['name']}").write_text(page["content"])
    (directory / "play.yml").write_text(json.dumps([play]))
    (directory / "variables.json").write_text(json.dumps(variables))
    options = ["-i", "localhost,", "-c", "local", f"-e@{directory}/variables.json"]
    done = ansible_playbook().run(*options, f"{directory}/play.yml")
    assert done.code == 0, done.output


class TurnedAway(OSError):
    """A connection was closed before its TLS handshake had ended: nothing was sent."""


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes
    # In their order: a header may be there several times.
    all_headers: list[tuple[str, str]]

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Site:
    """A network with a proxy and backends, all of one prefix."""

    def __init__(self, directory: Path, proxy_image: str = "") -> None:
        self.prefix = f"px-{uuid.uuid4().hex[:6]}"
        self.directory = directory
        self.client = docker.from_env()
        self.network = self.client.networks.create(self.prefix, driver="bridge")
        self.containers: list[Any] = []
        self.proxy_image = proxy_image or os.environ.get("FUNGAP_TEST_PROXY_IMAGE") or image("proxy")
        self.backend_image = os.environ.get("FUNGAP_TEST_BACKEND_IMAGE") or image("nodejs")
        ca_key, key = pki.new_key(), pki.new_key()
        ca = pki.KeyPair(pki.make_ca("proxy test CA", ca_key, NOW), ca_key)
        self.ca_key = ca_key
        (directory / "ca.crt").write_text(ca.certificate)
        (directory / "tls.key").write_text(key)
        (directory / "htpasswd").write_text(pki.htpasswd_line("admin", PASSWORD))
        for name in ("guarded", "partly", "grpc", "away", "upkeep", "front", "api"):
            (directory / f"htpasswd-{name}").write_text(f"alice:{HASH}\n")
        (directory / "tls.crt").write_text(pki.issue(ca, key, HOSTS, (), NOW))

    def backend(self, name: str, *aliases: str) -> Any:
        """An app's replica; it listens in a moment (``listens``)."""
        files = {name: (self.directory / f"tls.{file}").read_text() for name, file in (("key", "key"), ("cert", "crt"))}
        environment = {"SETTINGS": json.dumps({"name": name, **files})}
        command = ["node", "-e", BACKEND]
        return self._run(self.backend_image, command, name, list(aliases), environment=environment, init=True)

    def listens(self, *names: str) -> None:
        """Wait for replicas that were started."""
        for name in names:
            container = self.client.containers.get(f"{self.prefix}-{name}")
            address = (self.address(container), 3000)
            wait_for(f"{name} to listen", lambda address=address: not socket.create_connection(address, 1).close(), 30)

    def start(self, *names: str) -> None:
        """Have replicas run again, those that have ended."""
        for name in names:
            self.client.containers.get(f"{self.prefix}-{name}").start()
        self.listens(*names)

    def proxy(self, name: str = "proxy") -> str:
        binds = [
            f"{self.directory}/nginx.conf:/etc/nginx/nginx.conf:ro",
            *(f"{self.directory}/{name}:/etc/nginx/{name}:ro" for name in ("routes.conf", "tls.crt", "tls.key")),
            *(f"{file}:/etc/nginx/{file.name}:ro" for file in self.directory.glob("htpasswd*")),
            f"{self.directory}/pages:/run/proxy/current:ro",
        ]
        return self._nginx(name, ["nginx", "-g", "daemon off;"], binds)

    def jenkins_proxy(self) -> str:
        binds = [f"{self.directory}:/etc/nginx/jenkins:ro"]
        return self._nginx("jenkins", ["nginx", "-c", "/etc/nginx/jenkins/nginx.conf", "-g", "daemon off;"], binds)

    def edge(self) -> str:
        binds = [f"{self.directory}:/etc/nginx/edge:ro"]
        return self._nginx("edge", ["nginx", "-c", "/etc/nginx/edge/edge.conf", "-g", "daemon off;"], binds)

    def _nginx(self, name: str, command: list[str], binds: list[str]) -> str:
        hardening = {"read_only": True, "tmpfs": {"/tmp": ""}, "cap_drop": ["ALL"], "cap_add": CAPABILITIES}
        container = self._run(self.proxy_image, command, name, [], volumes=binds, **hardening)
        address = self.address(container)
        wait_for(f"nginx of {name}", lambda: socket.create_connection((address, 443), timeout=1).close() is None, 10)
        return address

    def silent(self, name: str, *aliases: str) -> Any:
        """What answers nothing, as a replica whose node has lost its power."""
        command = ["sh", "-c", "iptables -A INPUT -j DROP || iptables-legacy -A INPUT -j DROP; exec sleep 600"]
        return self._run(image("node"), command, name, list(aliases), entrypoint=[], cap_add=["NET_ADMIN"])

    def deaf(self, name: str, *aliases: str) -> Any:
        """What takes no connection, as a replica that has just begun to start."""
        return self._run(self.backend_image, ["sleep", "600"], name, list(aliases), init=True)

    def _run(self, image: str, command: list[str], name: str, aliases: list[str], **options: Any) -> Any:
        container = self.client.containers.create(
            image, command, name=f"{self.prefix}-{name}", hostname=f"proxy-{name}", **options
        )
        self.containers.append(container)
        self.client.api.disconnect_container_from_network(container.id, "bridge")
        self.network.connect(container, aliases=aliases)
        container.start()
        return container

    def on(self, network: Any, directory: Path) -> Site:
        """The same, with other containers on another network."""
        for file in (*self.directory.glob("htpasswd*"), *self.directory.glob("*.crt"), self.directory / "tls.key"):
            shutil.copy(file, directory / file.name)
        other = copy(self)
        other.network, other.directory = network, directory
        return other

    def forget(self, name: str) -> None:
        for container in [one for one in self.containers if one.name == f"{self.prefix}-{name}"]:
            self.containers.remove(container)
            container.remove(force=True, v=True)

    def log(self, name: str) -> list[str]:
        """What a container has written to its standard output."""
        output: bytes = self.client.containers.get(f"{self.prefix}-{name}").logs(stderr=False)
        return output.decode().splitlines()

    def address(self, container: Any) -> str:
        container.reload()
        return str(container.attrs["NetworkSettings"]["Networks"][self.network.name]["IPAddress"])

    @property
    def gateway(self) -> str:
        self.network.reload()
        return str(self.network.attrs["IPAM"]["Config"][0]["Gateway"])

    def close(self) -> None:
        for container in self.containers:
            container.remove(force=True, v=True)
        self.network.remove()

    def context(self) -> ssl.SSLContext:
        """One to change; what is only used is ``plain``: to make one costs more than a request."""
        return ssl.create_default_context(cafile=str(self.directory / "ca.crt"))

    @cached_property
    def plain(self) -> ssl.SSLContext:
        return self.context()

    def https(self, address: str, host: str, path: str = "/", method: str = "GET", **kwargs: Any) -> Answer:
        timeout = kwargs.pop("timeout", 15)
        connection = http.client.HTTPSConnection(host, context=self.plain, timeout=timeout)
        raw = socket.create_connection((address, 443), timeout=timeout)
        server = kwargs.pop("sni", host)
        try:
            connection.sock = self.plain.wrap_socket(raw, server_hostname=server)
        except (ConnectionResetError, ssl.SSLEOFError) as error:
            raise TurnedAway(f"{server}'s connection was closed within its TLS handshake") from error
        return self._ask(connection, method, path, **kwargs)

    def http(self, address: str, host: str, path: str = "/", method: str = "GET", body: bytes = b"") -> Answer:
        connection = http.client.HTTPConnection(address, timeout=15)
        return self._ask(connection, method, path, headers={"Host": host}, body=body)

    def curl(self, address: str, url: str, *options: str, body: bytes = b"") -> tuple[str, bytes]:
        """What curl gets, for what Python's client can't speak: (status, body)."""
        host = url.removeprefix("https://").partition("/")[0]
        command = ["curl", "-sS", "--noproxy", "*", "--cacert", str(self.directory / "ca.crt"), "-w", "\n%{http_code}"]
        command += ["--max-time", "20", "--resolve", f"{host}:443:{address}", *options, url]
        done = subprocess.run(command, input=body, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr.decode()
        content, _, status = done.stdout.rpartition(b"\n")
        return status.decode(), content

    def _ask(self, connection: http.client.HTTPConnection, method: str, path: str, **kwargs: Any) -> Answer:
        try:
            connection.request(method, path, **kwargs)
            response = connection.getresponse()
            headers = [(name.lower(), value) for name, value in response.getheaders()]
            return Answer(response.status, dict(headers), response.read(), headers)
        finally:
            connection.close()


ROUTES = [
    {
        "name": "web",
        "hosts": ["web.localhost"],
        "upstream": "tasks.web_web",
        "port": 3000,
        "upload_size": "1m",
        "cookie_flags": ["secure", "samesite=lax"],
    },
    {
        "name": "chat",
        "hosts": ["chat.localhost"],
        "upstream": "tasks.chat_web",
        "port": 3000,
        "sticky": True,
        "slots": 3,
        "cookie_flags": ["secure", "httponly", "samesite=strict"],
    },
    {"name": "late", "hosts": ["late.localhost"], "upstream": "tasks.late_web", "port": 3000},
    {"name": "gone", "hosts": ["gone.localhost"], "upstream": "tasks.gone_web", "port": 3000},
    {
        "name": "headers",
        "hosts": ["headers.localhost"],
        "upstream": "tasks.web_web",
        "port": 3000,
        "headers": {
            f"X-{'n' * 62}": "as long as a name may be",
            "Content-Security-Policy": POLICY,
            "X-XSS-Protection": 0,
            "etag2": "",
            "strict-transport-security": "max-age=60",
        },
        "default_headers": {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin", "ETAG2": "x"},
    },
    {
        "name": "moved",
        "hosts": ["moved.localhost", "www.moved.localhost", "old.moved.localhost"],
        "upstream": "tasks.web_web",
        "port": 3000,
        "redirects": [
            {"host": "www.moved.localhost", "to": "moved.localhost"},
            {"host": "old.moved.localhost", "to": "https://new.example/base/", "status": 302},
            {"path": "/", "to": "/start?from=root", "status": 302},
            {"path": "/old", "to": "/new", "status": 308},
            {"path": "/shop/", "to": "https://shop.example/", "status": 307},
            {"path": "/a.b/", "to": "/c/"},
            {"path": "/gone/", "to": "/archive"},
        ],
    },
    {
        "name": "rated",
        "hosts": ["rated.localhost"],
        "upstream": "tasks.web_web",
        "port": 3000,
        "rate_limit": {"requests_per_second": 0.1, "burst": 2, "paths": ["/login", *MANY_PATHS], "connections": 3},
    },
    {
        "name": "streamed",
        "hosts": ["streamed.localhost"],
        "upstream": "tasks.web_web",
        "port": 3000,
        "buffering": False,
    },
    {"name": "packed", "hosts": ["packed.localhost"], "upstream": "tasks.web_web", "port": 3000, "compress": True},
    {
        "name": "away",
        "hosts": ["away.localhost"],
        "upstream": "tasks.away_web",
        "port": 3000,
        "upload_size": "1m",
        "headers": {"X-Frame-Options": "DENY"},
        "rate_limit": {"requests_per_second": 0.1, "burst": 0, "paths": ["/login"]},
        "basic_auth": {"users": {"alice": HASH}, "paths": ["/admin"]},
        "deny": ["192.0.2.1", "1:2:3:4:5:6:7::"],
        "error_pages": [
            {"status": [502, 504], "page": AWAY},
            {"status": [413, 429], "page": '{"error": "too much"}'},
            {"status": [401], "page": "log in, bitte schön"},
        ],
    },
    {
        "name": "paged",
        "hosts": ["paged.localhost"],
        "upstream": "tasks.web_web",
        "port": 3000,
        "read_timeout_seconds": 1,
        "error_pages": [{"status": [401, 403, 413, 429, 502, 504], "page": AWAY}],
    },
    {
        "name": "upkeep",
        "hosts": ["upkeep.localhost"],
        "upstream": "tasks.web_web",
        "port": 3000,
        "sticky": True,
        "upload_size": "1m",
        "headers": {"X-Frame-Options": "DENY"},
        "redirects": [{"path": "/old", "to": "/new"}],
        "basic_auth": {"users": {"alice": HASH}, "paths": ["/admin"]},
        "maintenance": {"enabled": True, "allow": [], "retry_after_seconds": 60},
    },
    {
        "name": "papered",
        "hosts": ["upkeep.localhost"],
        "paths": ["/api", "/other"],
        "strip_path": True,
        "upstream": "tasks.web_web",
        "port": 3000,
        "error_pages": [{"status": [502, 503], "page": '{"error": "soon"}'}],
        "maintenance": {"enabled": True},
    },
    {
        "name": "called",
        "hosts": ["upkeep.localhost"],
        "paths": ["/echo.Echo"],
        "upstream": "tasks.half_web",
        "port": 3001,
        "protocol": "grpc",
        "maintenance": {"enabled": True},
    },
    {
        "name": "front",
        "hosts": ["shared.localhost", "own.localhost"],
        "upstream": "tasks.web_web",
        "port": 3000,
        "upload_size": "1m",
        "headers": {"X-App": "front"},
        "basic_auth": {"users": {"alice": HASH}, "paths": ["/admin"]},
        "redirects": [{"path": "/old/", "to": "/api/"}, {"host": "own.localhost", "to": "shared.localhost"}],
    },
    {
        "name": "api",
        "hosts": ["shared.localhost"],
        "upstream": "tasks.chat_web",
        "port": 3000,
        "paths": ["/api/", "/files"],
        "strip_path": True,
        "sticky": True,
        "slots": 3,
        "slot_prefix": "chat-slot-",
        "upload_size": "2m",
        "headers": {"X-App": "api", "Strict-Transport-Security": "max-age=60"},
        "basic_auth": {"users": {"alice": HASH}, "paths": ["/api/admin"]},
        "rate_limit": {"requests_per_second": 0.1, "burst": 0, "paths": ["/api/limited"]},
        "redirects": [{"path": "/api/old", "to": "/api/new"}],
    },
    {
        "name": "deep",
        "hosts": ["shared.localhost", "only.localhost", "own.localhost"],
        "upstream": "tasks.away_web",
        "port": 3000,
        "paths": ["/api/deep"],
        "error_pages": [{"status": [502], "page": AWAY}],
    },
    {
        "name": "echo",
        "hosts": ["shared.localhost"],
        "upstream": "tasks.half_web",
        "port": 3001,
        "paths": ["/echo.Echo"],
        "protocol": "grpc",
    },
    {
        "name": "tls",
        "hosts": ["tls.localhost"],
        "upstream": "tasks.chat_web",
        "port": 3443,
        "protocol": "https",
        "sticky": True,
        "slots": 4,
        "slot_prefix": "chat-slot-",
    },
    {"name": "half", "hosts": ["half.localhost"], "upstream": "tasks.half_web", "port": 3443, "protocol": "https"},
    {
        "name": "grpc",
        "hosts": ["grpc.localhost"],
        "upstream": "tasks.half_web",
        "port": 3001,
        "protocol": "grpc",
        "read_timeout_seconds": 2,
        "headers": {"X-Frame-Options": "DENY"},
        "basic_auth": {"users": {"alice": HASH}, "paths": ["/echo.Echo/Guarded"]},
    },
    {
        "name": "guarded",
        "hosts": ["guarded.localhost"],
        "upstream": "tasks.chat_web",
        "port": 3000,
        "sticky": True,
        "slots": 3,
        "slot_prefix": "chat-slot-",
        "basic_auth": {"users": {"alice": HASH}},
    },
    {
        "name": "partly",
        "hosts": ["partly.localhost", "second.partly.localhost"],
        "upstream": "tasks.web_web",
        "port": 3000,
        "basic_auth": {"users": {"alice": HASH}, "paths": ["/admin", "/a.b/"]},
    },
    {"name": "admin", "hosts": ["admin.localhost"], "upstream": "tasks.web_web", "port": 3000, "auth": True},
    {"name": "long", "hosts": [LONG, LONGEST], "upstream": "tasks.web_web", "port": 3000, "auth": True},
    *(
        {"name": f"word-{one}", "hosts": [one], "upstream": "tasks.web_web", "port": 3000, "auth": True}
        for one in WORDS
    ),
]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    site = Site(tmp_path_factory.mktemp("proxy"))
    try:
        for number in (1, 2, 3):
            site.backend(f"web{number}", "tasks.web_web", *(["tasks.half_web"] if number == 1 else []))
            site.backend(f"chat{number}", "tasks.chat_web", f"chat-slot-{number}")
        site.deaf("deaf", "tasks.half_web")
        site.listens(*(f"{app}{number}" for app in ("web", "chat") for number in (1, 2, 3)))
        yield site
    finally:
        site.close()


@pytest.fixture(scope="module")
def proxy(site: Site) -> str:
    """Address of a proxy that clients reach directly."""
    render(site.directory, {"proxy_routes": ROUTES})
    return site.proxy()


@pytest.mark.parametrize(("method", "status"), [("GET", 301), ("HEAD", 301), ("POST", 308), ("DELETE", 308)])
def test_plain_http_is_sent_to_https(site: Site, proxy: str, method: str, status: int) -> None:
    body = b"x" * 2000000 if method == "POST" else b""
    answer = site.http(proxy, "web.localhost", "/path?query=1", method, body=body)
    assert answer.status == status
    assert answer.headers["location"] == "https://web.localhost/path?query=1"


def test_every_replica_answers(site: Site, proxy: str) -> None:
    seen = Counter(site.https(proxy, "web.localhost").json["name"] for _ in range(60))
    assert set(seen) == {"web1", "web2", "web3"}
    assert min(seen.values()) >= 5


def test_what_the_app_is_told_of_the_client(site: Site, proxy: str) -> None:
    told = site.https(proxy, "web.localhost", headers={"X-Forwarded-For": "6.6.6.6", "X-Real-IP": "6.6.6.6"}).json
    headers = told["headers"]
    assert headers["host"] == "web.localhost"
    assert headers["x-real-ip"] == headers["x-forwarded-for"] == site.gateway
    assert headers["x-forwarded-proto"] == "https"
    assert headers["x-forwarded-host"] == "web.localhost"
    assert headers["x-forwarded-port"] == "443"


@pytest.mark.parametrize(
    ("target", "host"),
    [
        ("https://web.localhost/reset", "evil.example"),
        ("/", "web.localhost:9999"),
        ("/", "WEB.localhost"),
        ("https://web.localhost:77/", "web.localhost"),
    ],
)
def test_the_app_hears_its_own_name_whatever_the_client_says(site: Site, proxy: str, target: str, host: str) -> None:
    answer = site.https(proxy, "web.localhost", target, headers={"Host": host})
    headers = answer.json["headers"]
    assert (headers["host"], headers["x-forwarded-host"]) == ("web.localhost", "web.localhost")


@pytest.mark.parametrize("protocol", ["h2c", "TLS/1.3", "foo, websocket", "websocket2"])
def test_nothing_but_a_websocket_is_upgraded(site: Site, proxy: str, protocol: str) -> None:
    headers = {"Connection": "Upgrade, HTTP2-Settings", "Upgrade": protocol, "HTTP2-Settings": "AAMAAABkAAQAAP__"}
    answer = site.https(proxy, "web.localhost", headers=headers)
    assert answer.status == 200
    assert "upgrade" not in answer.json["headers"]


@pytest.mark.parametrize("host", [LONG, LONGEST])
def test_a_long_name_is_a_name(site: Site, proxy: str, host: str) -> None:
    assert site.https(proxy, "web.localhost", headers={"Host": host}).status == 401


@pytest.mark.parametrize("host", WORDS)
def test_a_word_of_nginx_is_a_name(site: Site, proxy: str, host: str) -> None:
    admitted = site.https(proxy, "web.localhost", headers={"Host": host, **basic("admin", PASSWORD)})
    assert (admitted.status, admitted.json["headers"].get("authorization")) == (200, None)


def test_what_nobody_asked_for_has_no_host_in_the_log(site: Site, proxy: str) -> None:
    site.https(proxy, "web.localhost", headers={"Host": "junk-0815.example"})

    def entry() -> dict[str, Any] | None:
        entries = [json.loads(line) for line in site.log("proxy") if line.startswith("{")]
        return next((one for one in entries if one["status"] == 421 and one["host"] == ""), None)

    assert until(entry, 10)
    assert not any("junk-0815" in line for line in site.log("proxy"))


def test_nothing_is_told_of_what_is_behind(site: Site, proxy: str) -> None:
    answer = site.https(proxy, "web.localhost")
    assert "x-powered-by" not in answer.headers
    assert "backend" not in answer.headers.get("server", "")
    assert answer.headers.get("server", "nginx") == "nginx"
    if "px-proxy" in site.proxy_image or os.environ.get("FUNGAP_TEST_PROXY_HIDES_SERVER"):
        assert "server" not in answer.headers
    assert answer.headers["strict-transport-security"] == "max-age=63072000"


@pytest.mark.parametrize(
    ("path", "status", "becomes"),
    [
        ("/", 200, {"referrer-policy": ["same-origin"], "x-content-type-options": ["nosniff"]}),
        ("/missing", 404, {"referrer-policy": ["same-origin"], "x-content-type-options": ["nosniff"]}),
        ("/?location=/there", 302, {"referrer-policy": ["same-origin"]}),
        # The proxy's own answer, as the app's cannot be passed on.
        ("/?header=50000", 502, {"referrer-policy": ["same-origin"], "content-security-policy": [POLICY]}),
        # What the app says itself stays, but where the inventory says otherwise.
        ("/?answer=Referrer-Policy: no-referrer", 200, {"referrer-policy": ["no-referrer"]}),
        ("/?answer=content-security-policy: x&answer=ETag2: y", 200, {}),
    ],
)
def test_answers_get_the_headers_of_their_route(
    site: Site, proxy: str, path: str, status: int, becomes: dict[str, list[str]]
) -> None:
    answer = site.https(proxy, "headers.localhost", path.replace(" ", "%20"))
    assert answer.status == status
    always = {
        "content-security-policy": [POLICY],
        "x-xss-protection": ["0"],
        "etag2": [],
        "strict-transport-security": ["max-age=60"],
        "x-powered-by": [],
    }
    found = {one: [text for name, text in answer.all_headers if name == one] for one in {**always, **becomes}}
    assert found == {**always, **becomes}


@pytest.mark.parametrize(
    ("host", "path", "status", "becomes"),
    [
        ("www.moved.localhost", "/a%20b?c=1&d=%0a", 301, "https://moved.localhost/a%20b?c=1&d=%0a"),
        ("www.moved.localhost", "/shop/x", 301, "https://moved.localhost/shop/x"),
        ("old.moved.localhost", "/a?b=1", 302, "https://new.example/base/a?b=1"),
        ("moved.localhost", "/", 302, "https://moved.localhost/start?from=root"),
        ("moved.localhost", "/old", 308, "https://moved.localhost/new"),
        ("moved.localhost", "/old?a=b", 308, "https://moved.localhost/new?a=b"),
        ("moved.localhost", "/shop/a/b?c=d", 307, "https://shop.example/a/b?c=d"),
        # No line of its own of an answer, whatever is written.
        ("moved.localhost", "/shop/%0d%0aSet-Cookie:%20a=b", 307, "https://shop.example/%0d%0aSet-Cookie:%20a=b"),
        ("moved.localhost", "/%73hop/%0d%0aSet-Cookie:%20a=b", 307, "https://shop.example/"),
        ("moved.localhost", "/a.b/x/y", 301, "https://moved.localhost/c/x/y"),
        ("moved.localhost", "/gone/x?a=b", 301, "https://moved.localhost/archive?a=b"),
        *(("moved.localhost", path, 200, None) for path in ("/older", "/old/", "/shop", "/aXb/", "/start")),
    ],
)
def test_redirects_of_a_route(site: Site, proxy: str, host: str, path: str, status: int, becomes: str | None) -> None:
    answer = site.https(proxy, host, path)
    assert (answer.status, answer.headers.get("location")) == (status, becomes)
    assert answer.headers["strict-transport-security"] == "max-age=63072000"
    assert "set-cookie" not in answer.headers


def test_a_redirected_post_is_told_so_whatever_its_size(site: Site, proxy: str) -> None:
    answer = site.https(proxy, "moved.localhost", "/old", method="POST", body=b"x" * 12_000_000)
    assert (answer.status, answer.headers["location"]) == (308, "https://moved.localhost/new")


@pytest.mark.parametrize(
    ("location", "becomes"),
    [
        ("http://tasks.web_web:3000/there", "https://web.localhost/there"),
        ("http://tasks.web_web:3000?x=1", "https://web.localhost?x=1"),
        ("https://172.18.0.5:3000/there", "https://web.localhost/there"),
        ("http://198.51.100.7/there", "http://198.51.100.7/there"),
        ("http://tasks.web_web/there", "https://web.localhost/there"),
        ("//web.localhost:3000/there", "https://web.localhost/there"),
        ("http://web.localhost/there", "https://web.localhost/there"),
        ("http://web.localhost", "https://web.localhost"),
        ("http://web.localhost:3000/there?x=1#y", "https://web.localhost/there?x=1#y"),
        ("http://web.localhost:3000?x=1", "https://web.localhost?x=1"),
        ("https://web.localhost:3000/there", "https://web.localhost/there"),
        ("http://web.localhost:80/there", "https://web.localhost/there"),
        ("http://WEB.localhost:443/there", "https://web.localhost/there"),
        ("/there", "/there"),
        ("https://web.localhost:9443/there", "https://web.localhost:9443/there"),
        ("http://web.localhost:30001/there", "http://web.localhost:30001/there"),
        ("http://web.localhost.example/there", "http://web.localhost.example/there"),
        ("http://web.localhost:3000@example/there", "http://web.localhost:3000@example/there"),
        ("http://other.localhost:3000/there", "http://other.localhost:3000/there"),
    ],
)
def test_redirects_of_the_app_lead_back_to_the_proxy(site: Site, proxy: str, location: str, becomes: str) -> None:
    answer = site.https(proxy, "web.localhost", f"/?{urlencode({'location': location})}")
    assert (answer.status, answer.headers["location"]) == (302, becomes)


BIG = b"x" * 1100000
CHUNKED = ("-H", "Transfer-Encoding: chunked")


@pytest.mark.parametrize("options", [(), CHUNKED, ("-X", "GET", *CHUNKED)], ids=["length", "chunked", "get"])
@pytest.mark.parametrize("protocol", ["--http1.1", "--http2"])
def test_a_body_that_is_too_large_is_told_so(site: Site, proxy: str, protocol: str, options: tuple[str, ...]) -> None:
    url, given = "https://web.localhost/", ("--data-binary", "@-", *options)
    assert site.curl(proxy, url, protocol, *given, body=BIG) == ("413", b"413\n")
    status, content = site.curl(proxy, url, protocol, *given, body=BIG[:1000000])
    assert (status, json.loads(content)["size"]) == ("200", 1000000)


def executed(site: Site, path: str) -> int:
    """How often the app was asked for it."""
    apps = [f"{app}{number}" for app in ("web", "chat") for number in (1, 2, 3)]
    return sum(path in line for app in apps for line in site.log(app))


@pytest.mark.parametrize("protocol", ["--http1.1", "--http2"])
def test_headers_of_32_kilobytes_pass(site: Site, proxy: str, protocol: str) -> None:
    url = f"https://web.localhost/{uuid.uuid4().hex}?header=32768"
    cookie = "c=" + "x" * (32768 - 2)
    status, content = site.curl(proxy, url, protocol, "-H", f"Cookie: {cookie}")
    assert (status, json.loads(content)["headers"]["cookie"]) == ("200", cookie)


@pytest.mark.parametrize("host", ["web.localhost", "chat.localhost"])
def test_an_answer_that_cant_be_passed_on_is_not_asked_for_again(site: Site, proxy: str, host: str) -> None:
    path = f"/{uuid.uuid4().hex}?header=50000"
    answer = site.https(proxy, host, path)
    assert (answer.status, answer.body) == (502, b"502\n")
    wait_for("the app's log", lambda: executed(site, path), 10)
    assert executed(site, path) == 1


def test_errors_of_the_app_are_its_own_and_errors_of_the_proxy_say_a_number(site: Site, proxy: str) -> None:
    own = site.https(proxy, "web.localhost", "/missing")
    assert (own.status, own.json["method"]) == (404, "GET")
    refused = site.https(proxy, "web.localhost", method="POST", body=b"x" * 1100000)
    assert (refused.status, refused.body) == (413, b"413\n")


@pytest.mark.parametrize(
    ("method", "path", "size", "status", "kind", "page"),
    [
        ("GET", "/", 0, 502, "text/html; charset=utf-8", AWAY),
        ("POST", "/", 200_000, 502, "text/html; charset=utf-8", AWAY),
        ("DELETE", "/", 0, 502, "text/html; charset=utf-8", AWAY),
        ("POST", "/", 1_100_000, 413, "application/json", '{"error": "too much"}'),
        ("GET", "/admin", 0, 401, "text/plain; charset=utf-8", "log in, bitte schön"),
        ("GET", "/__error/away-1", 0, 404, "text/plain", "404\n"),
    ],
)
def test_an_error_of_the_proxys_own_has_a_page(
    site: Site, proxy: str, method: str, path: str, size: int, status: int, kind: str, page: str
) -> None:
    """The app is not there."""
    conditions = {"If-None-Match": "*", "If-Modified-Since": "Fri, 01 Jan 2100 00:00:00 GMT", "Range": "bytes=0-1"}
    answer = site.https(proxy, "away.localhost", path, method, body=b"x" * size, headers=conditions)
    assert (answer.status, answer.headers["content-type"], answer.body.decode()) == (status, kind, page)
    assert (answer.headers["x-frame-options"], answer.headers["strict-transport-security"]) == (
        "DENY",
        "max-age=63072000",
    )
    assert answer.headers.get("www-authenticate") == ('Basic realm="away"' if status == 401 else None)


@pytest.mark.parametrize(
    ("method", "path", "size", "kind", "said", "after"),
    [
        ("GET", "/", 0, "text/html; charset=utf-8", "<h1>Down for maintenance</h1>", "60"),
        ("POST", "/form", 1000, "text/html; charset=utf-8", "Please come back", "60"),
        ("POST", "/upload", 200_000, "text/html; charset=utf-8", "Please come back", "60"),
        ("GET", "/admin", 0, "text/html; charset=utf-8", "Please come back", "60"),
        ("GET", "/api", 0, "application/json", '{"error": "soon"}', "300"),
        ("PUT", "/other/x?y=z", 10, "application/json", '{"error": "soon"}', "300"),
        ("POST", "/echo.Echo/Say", 10, "text/html; charset=utf-8", "Please come back", "300"),
    ],
)
def test_an_app_in_maintenance(
    site: Site, proxy: str, method: str, path: str, size: int, kind: str, said: str, after: str
) -> None:
    answer = site.https(proxy, "upkeep.localhost", path, method, body=b"x" * size)
    assert (answer.status, answer.headers["content-type"], answer.headers["retry-after"]) == (503, kind, after)
    assert said in answer.body.decode()
    assert "max-age" in answer.headers["strict-transport-security"]
    assert answer.headers.get("x-frame-options") == ("DENY" if after == "60" else None)


def test_what_leads_elsewhere_does_so_in_maintenance_too(site: Site, proxy: str) -> None:
    moved = site.https(proxy, "upkeep.localhost", "/old")
    assert (moved.status, moved.headers["location"]) == (301, "https://upkeep.localhost/new")
    hidden = site.https(proxy, "upkeep.localhost", "/__error/1/maintenance")
    assert hidden.status == 503, "a path like any other"


def test_an_error_page_for_who_asks_too_often(site: Site, proxy: str) -> None:
    answers = [site.https(proxy, "away.localhost", "/login") for _ in range(2)]
    assert [(one.status, one.headers.get("retry-after")) for one in answers] == [(502, None), (429, "10")]
    assert answers[1].json == {"error": "too much"}
    head = site.https(proxy, "away.localhost", method="HEAD")
    assert (head.status, head.body, head.headers["content-length"]) == (502, b"", str(len(AWAY.encode())))


def test_what_an_app_answers_itself_is_no_matter_of_the_proxys_pages(site: Site, proxy: str) -> None:
    for path, status in (("/busy", 429), ("/missing", 404)):
        answer = site.https(proxy, "paged.localhost", path)
        assert (answer.status, answer.json["method"]) == (status, "GET")
    silent = site.https(proxy, "paged.localhost", "/?wait=3")
    assert (silent.status, silent.body.decode()) == (504, AWAY)
    broken = site.https(proxy, "paged.localhost", "/?header=50000")
    assert (broken.status, broken.body.decode()) == (502, AWAY)


def test_uploads_below_the_limit_arrive(site: Site, proxy: str) -> None:
    assert site.https(proxy, "web.localhost", method="POST", body=b"x" * 1000000).json["size"] == 1000000


def basic(user: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def test_a_login_is_asked_for_and_kept(site: Site, proxy: str) -> None:
    anonymous = site.https(proxy, "admin.localhost")
    assert (anonymous.status, anonymous.body) == (401, b"401\n")
    assert anonymous.headers["www-authenticate"] == 'Basic realm="admin"'
    assert site.https(proxy, "admin.localhost", headers=basic("admin", "wrong")).status == 401
    admitted = site.https(proxy, "admin.localhost", headers=basic("admin", PASSWORD))
    assert admitted.status == 200
    assert "authorization" not in admitted.json["headers"]


def test_an_apps_own_login_is_the_apps(site: Site, proxy: str) -> None:
    told = site.https(proxy, "web.localhost", headers=basic("someone", "else")).json
    assert told["headers"]["authorization"] == basic("someone", "else")["Authorization"]


def routes_for(client: str) -> list[dict[str, Any]]:
    """Of which each lets a client in, or not."""
    rules = {"allowed": {"allow": [client]}, "denied": {"deny": [client]}, "private": {"allow": ["192.0.2.0/24"]}}
    rules["denied"]["allow"] = ["0.0.0.0/0"]
    rules["exempt"] = {"maintenance": {"enabled": True, "allow": [client]}}
    rules["closed"] = {"maintenance": {"enabled": True, "allow": ["192.0.2.0/24"]}}
    return [
        {"name": name, "hosts": [f"{name}.localhost"], "upstream": "tasks.web_web", "port": 3000, **one}
        for name, one in rules.items()
    ]


def test_who_may_come(site: Site, tmp_path: Path) -> None:
    """By the client's own address, whether it comes directly, by the edge, or by another node's proxy."""
    subnet = site.network.attrs["IPAM"]["Config"][0]["Subnet"]
    island = site.client.networks.create(f"{site.prefix}-inside", driver="bridge")
    places = {name: tmp_path / name for name in ("direct", "behind", "edge", "far", "again")}
    for place in places.values():
        place.mkdir()
    at = {name: site.on(site.network, place) for name, place in places.items()}
    try:
        routes = {"proxy_routes": routes_for(site.gateway)}
        render(places["direct"], routes)
        direct = at["direct"].proxy("direct")
        render(places["behind"], {**routes, "proxy_trusted_addresses": [subnet]})
        behind = at["behind"].proxy("behind")
        render(places["edge"], {"proxy_edge_nodes": [behind]})
        edge = at["edge"].edge()
        for address in (direct, edge):
            for body in (b"", b"x" * 200_000):
                found = {
                    name: site.https(address, f"{name}.localhost", method="POST", body=body)
                    for name in ("allowed", "denied", "private", "exempt", "closed")
                }
                assert {name: one.status for name, one in found.items()} == {
                    "allowed": 200,
                    "denied": 403,
                    "private": 403,
                    "exempt": 200,
                    "closed": 503,
                }
                assert found["denied"].body == b"403\n"
        # Its engine knows of no replica: the others are asked, to whom the node comes in the client's place.
        container = site.client.containers.get(f"{site.prefix}-direct")
        island.connect(container)
        container.reload()
        near = container.attrs["NetworkSettings"]["Networks"][island.name]["IPAddress"]
        far_site = site.on(island, places["far"])
        island.reload()
        gateway = island.attrs["IPAM"]["Config"][0]["Gateway"]
        nodes = [{"name": "far", "address": "127.0.0.1"}, {"name": "direct", "address": near}]
        render(places["far"], {"proxy_routes": routes_for(gateway), "proxy_nodes": nodes})
        far = far_site.proxy("far")
        assert site.https(far, "allowed.localhost").status == 403
        render(places["again"], {**routes, "proxy_nodes": [{"name": "far", "address": far}]})
        # The container has that very file.
        (places["direct"] / "routes.conf").write_text((places["again"] / "routes.conf").read_text())
        container.exec_run(["nginx", "-s", "reload"])
        wait_for("the other's configuration", lambda: site.https(far, "allowed.localhost").status == 200, 20)
        assert site.https(far, "denied.localhost").status == 403
        assert site.https(far, "private.localhost").status == 403
        assert (site.https(far, "exempt.localhost").status, site.https(far, "closed.localhost").status) == (200, 503)
    finally:
        for name in ("far", "edge", "behind", "direct"):
            site.forget(name)
        island.remove()


@pytest.mark.parametrize("body", [b"", b"x" * 200_000])
def test_a_login_of_an_app(site: Site, proxy: str, body: bytes) -> None:
    method = "POST" if body else "GET"
    for headers in ({}, basic("alice", "wrong"), basic("admin", PASSWORD), basic("bob", PASSWORD)):
        refused = site.https(proxy, "guarded.localhost", method=method, body=body, headers=headers)
        assert (refused.status, refused.body) == (401, b"401\n")
        assert refused.headers["www-authenticate"] == 'Basic realm="guarded"'
    admitted = site.https(proxy, "guarded.localhost", method=method, body=body, headers=basic("alice", PASSWORD))
    assert (admitted.status, admitted.json["size"]) == (200, len(body))
    assert "authorization" not in admitted.json["headers"]


@pytest.mark.parametrize("host", ["partly.localhost", "second.partly.localhost"])
@pytest.mark.parametrize(
    ("path", "is_guarded"),
    [
        ("/", False),
        ("/administer", False),
        ("/x/admin", False),
        ("/aXb/", False),
        ("/admin", True),
        ("/admin/", True),
        ("/admin/x?y=z", True),
        # However an app may take it.
        ("//admin", True),
        ("/%61dmin", True),
        ("/ADMIN", True),
        ("/x/../admin", True),
        ("/x/%2e%2e%2fadmin", True),
        ("/admin;x=1", True),
        ("/admin.json", True),
        ("/admin%00", True),
        ("/admin%0a", True),
        ("/a.b/c", True),
        ("/a.b", True),
    ],
)
def test_a_login_of_some_paths(site: Site, proxy: str, host: str, path: str, is_guarded: bool) -> None:
    for method, body in (("GET", b""), ("POST", b"x" * 200_000)):
        answer = site.https(proxy, host, path, method, body=body, headers=basic("someone", "else"))
        if "%00" in path:
            assert answer.status == 400
        elif is_guarded:
            assert answer.status == 401, (method, answer.json)
            admitted = site.https(proxy, host, path, method, body=body, headers=basic("alice", PASSWORD))
            assert (admitted.status, "authorization" in admitted.json["headers"]) == (200, False)
        else:
            # A login of the app's own.
            assert answer.json["headers"]["authorization"] == basic("someone", "else")["Authorization"]


def test_passwords_cant_be_tried_without_end(site: Site, proxy: str) -> None:
    # Quicker than 50 a second, also where the client gets little of the CPU: all tries of a connection in one piece.
    login = basic("admin", "x")["Authorization"]
    one = f"GET / HTTP/1.1\r\nHost: admin.localhost\r\nAuthorization: {login}\r\n\r\n"
    tries = (one * 149 + one.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n")).encode()

    def all_at_once(_: int) -> list[bytes]:
        raw = socket.create_connection((proxy, 443), timeout=60)
        with site.plain.wrap_socket(raw, server_hostname="admin.localhost") as connection:
            connection.sendall(tries)
            received = b"".join(iter(lambda: connection.recv(65536), b""))
        return re.findall(rb"HTTP/1\.1 (\d{3}) ", received)

    with ThreadPoolExecutor(8) as pool:
        answers = Counter(code for codes in pool.map(all_at_once, range(8)) for code in codes)
    assert answers.total() == 8 * 150
    assert set(answers) == {b"401", b"429"}
    assert site.https(proxy, "web.localhost").status == 200


def test_the_access_log_is_json(site: Site, proxy: str) -> None:
    path = f'/log?{uuid.uuid4().hex}"\\'
    site.https(proxy, "web.localhost", path, headers={"User-Agent": 'a"b'})
    # It is written after the answer, and read by the engine after that.
    wait_for("the line", lambda: any(path[:20] in line for line in site.log("proxy")), 10)
    lines = site.log("proxy")
    entry = json.loads(next(line for line in reversed(lines) if path[:20] in line))
    assert entry["uri"] == path
    assert (entry["host"], entry["method"], entry["status"]) == ("web.localhost", "GET", 200)
    assert (entry["remote_addr"], entry["upstream_status"]) == (site.gateway, "200")
    assert isinstance(entry["request_time"], float)
    assert entry["bytes"] > 0
    assert entry["upstream_addr"].endswith(":3000")
    assert datetime.datetime.fromisoformat(entry["time"]).tzinfo
    assert all(json.loads(line) for line in lines if line.startswith("{"))


DATE = "Expires=Wed, 21 Oct 2037 07:28:00 GMT"
LONG_VALUE = "v" * 16000


@pytest.mark.parametrize(
    ("host", "cookies"),
    [
        ("web", {"XSRF-TOKEN=abc; Path=/": "XSRF-TOKEN=abc; Path=/; Secure; SameSite=Lax"}),
        ("web", {"sso=1; Secure; SameSite=None": "sso=1; Secure; SameSite=None"}),
        ("web", {"sso=1; SameSite=Strict": "sso=1; SameSite=Strict; Secure"}),
        ("web", {"sso=1;samesite = none;path=/": "sso=1; samesite=none; path=/; Secure"}),
        ("web", {"s=1; HttpOnly; SameSite=Lax": "s=1; HttpOnly; SameSite=Lax; Secure"}),
        ("web", {"samesite=1": "samesite=1; Secure; SameSite=Lax"}),
        ("web", {"a=SameSite=None": "a=SameSite=None; Secure; SameSite=Lax"}),
        ("web", {"a b=1; SameSite=None": "a b=1; SameSite=None; Secure"}),
        ("web", {"t=1;\tSameSite=None": "t=1; \tSameSite=None; Secure"}),
        ("web", {"A=1; SameSite=None": "A=1; SameSite=None; Secure", "a=1": "a=1; Secure; SameSite=Lax"}),
        ("web", {"x=1": "x=1; Secure; SameSite=Lax", "u[0]=1; SameSite=None": "u[0]=1; SameSite=None; Secure"}),
        (
            "web",
            {
                "a.b*=1; Secure": "a.b*=1; Secure; SameSite=Lax",
                "aXbb=1; SameSite=None": "aXbb=1; SameSite=None; Secure",
            },
        ),
        # Several of an answer, each judged by itself: dates have commas, too, and a name may be the end of another.
        (
            "web",
            {
                f"id=1; {DATE}": f"id=1; {DATE}; Secure; SameSite=Lax",
                f"sid=2; {DATE}; SameSite=None": f"sid=2; {DATE}; SameSite=None; Secure",
                f"x=a, b; {DATE}; Path=/": f"x=a, b; {DATE}; Path=/; Secure; SameSite=Lax",
                f"long={LONG_VALUE}; SameSite=Strict": f"long={LONG_VALUE}; SameSite=Strict; Secure",
                f"last={LONG_VALUE[:4000]}": f"last={LONG_VALUE[:4000]}; Secure; SameSite=Lax",
            },
        ),
        (
            "chat",
            {
                "id=1": "id=1; Secure; HttpOnly; SameSite=Strict",
                "b=1; SameSite=Lax": "b=1; SameSite=Lax; Secure; HttpOnly",
            },
        ),
        ("late", {"id=1": "id=1"}),
    ],
)
def test_cookies_get_what_they_lack(site: Site, proxy: str, host: str, cookies: dict[str, str]) -> None:
    if host == "late":
        site.backend("uncookied", "tasks.late_web")
    path = "/?" + urlencode([("cookie", cookie) for cookie in cookies])
    try:
        wait_for("the app", lambda: site.https(proxy, f"{host}.localhost").status == 200, 10)
        answer = site.https(proxy, f"{host}.localhost", path)
    finally:
        site.forget("uncookied")
    found = [value for name, value in answer.all_headers if name == "set-cookie" and "platform_sticky" not in value]
    assert found == list(cookies.values())


def test_unknown_names_get_no_app(site: Site, proxy: str) -> None:
    assert site.http(proxy, "other.localhost").status == 421
    answer = site.https(proxy, "web.localhost", headers={"Host": "other.localhost"})
    assert (answer.status, answer.body) == (421, b"421\n")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
def test_old_tls_is_refused(site: Site, proxy: str, version: ssl.TLSVersion) -> None:
    context = site.context()
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = version
    with (
        socket.create_connection((proxy, 443), timeout=5) as raw,
        pytest.raises(ssl.SSLError, match="ALERT_PROTOCOL_VERSION"),
    ):
        context.wrap_socket(raw, server_hostname="web.localhost")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_new_tls_with_http2_and_forward_secrecy(site: Site, proxy: str, version: ssl.TLSVersion) -> None:
    context = site.context()
    context.minimum_version = context.maximum_version = version
    context.set_alpn_protocols(["h2", "http/1.1"])
    with (
        socket.create_connection((proxy, 443), timeout=5) as raw,
        context.wrap_socket(raw, server_hostname="web.localhost") as secure,
    ):
        assert secure.selected_alpn_protocol() == "h2"
        cipher = secure.cipher()
        assert cipher is not None
        assert version is ssl.TLSVersion.TLSv1_3 or cipher[0].startswith("ECDHE-ECDSA")


def test_static_key_exchange_is_refused(site: Site, proxy: str) -> None:
    context = site.context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("AES128-GCM-SHA256:ECDHE-ECDSA-AES128-SHA")
    with (
        socket.create_connection((proxy, 443), timeout=5) as raw,
        pytest.raises(ssl.SSLError, match="HANDSHAKE_FAILURE"),
    ):
        context.wrap_socket(raw, server_hostname="web.localhost")


def test_websockets_go_through(site: Site, proxy: str) -> None:
    for host in ("web.localhost", "chat.localhost", "half.localhost"):
        with (
            socket.create_connection((proxy, 443), timeout=5) as raw,
            site.plain.wrap_socket(raw, server_hostname=host) as secure,
        ):
            key = base64.b64encode(os.urandom(16)).decode()
            secure.sendall(
                f"GET /socket.io/?transport=websocket HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\n"
                f"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode()
            )
            head = secure.recv(4096)
            assert head.startswith(b"HTTP/1.1 101 ")
            secure.sendall(b"are you there")
            assert secure.recv(4096) == b"are you there"


@pytest.mark.parametrize("body", [b"", b"x" * 200_000])
def test_an_app_may_speak_https(site: Site, proxy: str, body: bytes) -> None:
    """With a certificate that nobody vouches for; a replica of three is away."""
    answers = [site.https(proxy, "tls.localhost", method="POST", body=body) for _ in range(8 if body else 16)]
    assert {one.status for one in answers} <= ({200, 502} if body else {200})
    told = next(one for one in answers if one.status == 200).json
    assert (told["sni"], told["size"], told["headers"]["host"]) == ("tls.localhost", len(body), "tls.localhost")
    assert told["headers"]["x-forwarded-for"] == site.gateway
    # One of two takes no connection.
    assert {site.https(proxy, "half.localhost", method="POST", body=body).status for _ in range(6)} == {200}


def grpc(
    site: Site, proxy: str, method: str, *options: str, message: bytes = b"hello", host: str = "grpc.localhost"
) -> tuple[str, bytes, str]:
    """What a unary call is answered with: the HTTP status, the message, all headers and trailers."""
    written = site.directory / "headers"
    given = ("-H", "Content-Type: application/grpc", "-H", "TE: trailers", "-D", str(written), "--data-binary", "@-")
    body = b"\0" + len(message).to_bytes(4, "big") + message
    status, content = site.curl(proxy, f"https://{host}/echo.Echo/{method}", *given, *options, body=body)
    return status, content[5:], written.read_text().lower()


def test_an_app_may_speak_grpc(site: Site, proxy: str) -> None:
    """One of its two replicas takes no connection."""
    for _ in range(6):
        status, content, headers = grpc(site, proxy, "Say", "-H", "X-Forwarded-For: 6.6.6.6", "-H", "X-Key: value")
        told = json.loads(content)
        assert (status, told["size"]) == ("200", 10)
        # The status of the call comes after the message.
        assert "\n\n" in headers.partition("grpc-status")[0]
        assert "grpc-status: 0" in headers
        assert "grpc-message: well done" in headers
    assert "x-frame-options: deny" in headers
    assert "strict-transport-security: max-age=63072000" in headers
    heard = {name: told["headers"].get(name) for name in ("x-real-ip", "x-forwarded-for", "x-key", "te", "host")}
    assert heard == {
        "x-real-ip": site.gateway,
        "x-forwarded-for": site.gateway,
        "x-key": "value",
        "te": "trailers",
        "host": "grpc.localhost",
    }
    # Of no message, and larger than what the proxy keeps.
    assert "grpc-status: 12" in grpc(site, proxy, "Missing")[2]
    assert json.loads(grpc(site, proxy, "Say", message=b"x" * 5_000_000)[1])["size"] == 5_000_005


@pytest.mark.parametrize("body", [b"", b"x" * 200_000])
@pytest.mark.parametrize(
    ("path", "app", "heard", "prefix"),
    [
        ("/", "front", "/", None),
        ("/apix", "front", "/apix", None),
        ("/API/x", "front", "/API/x", None),
        ("/api/../x", "front", "/api/../x", None),
        ("/api", "api", "/", "/api"),
        ("/api?x=1", "api", "/?x=1", "/api"),
        ("/api/", "api", "/", "/api"),
        ("/api/users/a%2Fb%20c?d=%0a", "api", "/users/a%2Fb%20c?d=%0a", "/api"),
        ("/api/deeper", "api", "/deeper", "/api"),
        ("/files/api/x", "api", "/api/x", "/files"),
    ],
)
def test_apps_of_one_host_have_their_paths(
    site: Site, proxy: str, path: str, app: str, heard: str, prefix: str | None, body: bytes
) -> None:
    method, told = "POST" if body else "GET", {"X-Forwarded-Prefix": "/evil"}
    answer = site.https(proxy, "shared.localhost", path, method, body=body, headers=told)
    assert (answer.status, answer.headers["x-app"]) == (200, app)
    assert answer.json["name"].startswith("chat" if app == "api" else "web")
    assert (answer.json["url"], answer.json["size"]) == (heard, len(body))
    assert answer.json["headers"].get("x-forwarded-prefix") == prefix
    assert answer.headers["strict-transport-security"] == f"max-age={60 if app == 'api' else 63072000}"


def test_a_path_that_no_app_has_is_not_found(site: Site, proxy: str) -> None:
    # Nor is what is written in another way than it is taken off.
    for host, path in (("only.localhost", "/"), ("only.localhost", "/api/deeper"), ("shared.localhost", "//api/x")):
        answer = site.https(proxy, host, path, method="POST", body=b"x" * 1_500_000)
        assert (answer.status, answer.body) == (404, b"404\n")
    for host in ("only.localhost", "shared.localhost", "own.localhost"):
        answer = site.https(proxy, host, "/api/deep/x")
        assert (answer.status, answer.body.decode(), answer.headers.get("x-app")) == (502, AWAY, None)


@pytest.mark.parametrize(
    ("path", "location", "becomes"),
    [
        ("/api/x", "/", "/api/"),
        ("/api/x", "/users?a=b#c", "/api/users?a=b#c"),
        ("/files", "/users", "/files/users"),
        # What heeds X-Forwarded-Prefix has said it already.
        ("/api/x", "/api", "/api"),
        ("/api/x", "/api/users", "/api/users"),
        ("/api/x", "/apis", "/api/apis"),
        ("/api/x", "users", "users"),
        ("/api/x", "http://shared.localhost:3000/users", "https://shared.localhost/api/users"),
        ("/api/x", "https://shared.localhost/users", "https://shared.localhost/api/users"),
        ("/api/x", "https://shared.localhost/api?a", "https://shared.localhost/api?a"),
        ("/api/x", "https://shared.localhost", "https://shared.localhost/api"),
        ("/api/x", "http://172.18.0.5:3000/users", "https://shared.localhost/api/users"),
        ("/api/x", "https://other.localhost/users", "https://other.localhost/users"),
        ("/api/x", "//other.localhost/users", "//other.localhost/users"),
        ("/x", "/users", "/users"),
    ],
)
def test_redirects_of_an_app_get_back_what_was_taken_off(
    site: Site, proxy: str, path: str, location: str, becomes: str
) -> None:
    for method, body in (("GET", b""), ("POST", b"x" * 200_000)):
        answer = site.https(proxy, "shared.localhost", f"{path}?{urlencode({'location': location})}", method, body=body)
        assert (answer.status, answer.headers["location"]) == (302, becomes)


def test_apps_of_one_host_share_no_settings(site: Site, proxy: str) -> None:
    def ask(path: str, size: int = 0, host: str = "shared.localhost", **headers: str) -> Answer:
        return site.https(proxy, host, path, "POST" if size else "GET", body=b"x" * size, headers=headers)

    assert [ask(path, 1_500_000).status for path in ("/", "/api/x", "/files/x")] == [413, 200, 200]
    assert ask("/", 1_500_000).headers["x-app"] == "front"
    logins = {path: ask(path) for path in ("/admin", "/api/admin")}
    assert [one.headers["www-authenticate"] for one in logins.values()] == ['Basic realm="front"', 'Basic realm="api"']
    assert ask("/api/admin", **basic("alice", PASSWORD)).json["url"] == "/admin"
    assert ask("/files/admin").status == 200
    assert [ask("/api/limited").status for _ in range(2)] == [200, 429]
    assert ask("/limited").status == 200
    assert [ask(path).headers["location"] for path in ("/old/x", "/api/old")] == [
        "https://shared.localhost/api/x",
        "https://shared.localhost/api/new",
    ]
    moved = ask("/x", host="own.localhost")
    assert (moved.status, moved.headers["location"]) == (301, "https://shared.localhost/x")
    status, content, headers = grpc(site, proxy, "Say", host="shared.localhost")
    assert (status, json.loads(content)["headers"]["host"]) == ("200", "shared.localhost")
    assert "x-app" not in headers


def test_a_client_keeps_its_replica_of_each_app(site: Site, proxy: str) -> None:
    assert "set-cookie" not in site.https(proxy, "shared.localhost").headers
    first = site.https(proxy, "shared.localhost", "/api/x")
    cookie = first.headers["set-cookie"].partition(";")[0]
    assert cookie.startswith("platform_sticky_api=")
    for path in ("/api/y", "/files/z") * 4:
        # Another app's is none of its own.
        headers = {"Cookie": f"platform_sticky={uuid.uuid4().hex}; {cookie}"}
        answer = site.https(proxy, "shared.localhost", path, headers=headers)
        assert (answer.json["name"], answer.headers.get("set-cookie")) == (first.json["name"], None)


def test_what_the_proxy_says_to_a_client_of_grpc(site: Site, proxy: str) -> None:
    start = time.monotonic()
    assert grpc(site, proxy, "Hang")[0] == "504"
    assert time.monotonic() - start < 10
    assert grpc(site, proxy, "Say", message=b"x" * 11_000_000)[0] == "413"
    assert grpc(site, proxy, "Guarded")[0] == "401"
    status, content, _ = grpc(site, proxy, "Guarded", "-u", f"alice:{PASSWORD}")
    assert (status, "authorization" in json.loads(content)["headers"]) == ("200", False)


def test_a_stream_of_grpc_goes_both_ways_at_once(site: Site, proxy: str) -> None:
    context = site.context()
    context.set_alpn_protocols(["h2"])
    client = h2.connection.H2Connection()
    headers = {":method": "POST", ":scheme": "https", ":authority": "grpc.localhost", ":path": "/echo.Echo/Chat"}
    headers |= {"content-type": "application/grpc", "te": "trailers"}
    with (
        socket.create_connection((proxy, 443), timeout=10) as raw,
        context.wrap_socket(raw, server_hostname="grpc.localhost") as secure,
    ):

        def events_until(kind: type[h2.events.Event]) -> list[h2.events.Event]:
            """What the server says, up to an event of that kind."""
            found: list[h2.events.Event] = []
            while not any(isinstance(one, kind) for one in found):
                secure.sendall(client.data_to_send())
                found += client.receive_data(secure.recv(65536))
            return found

        client.initiate_connection()
        client.send_headers(1, list(headers.items()))
        for word in (b"one", b"two", b"three"):
            message = b"\0" + len(word).to_bytes(4, "big") + word
            client.send_data(1, message)
            events = events_until(h2.events.DataReceived)
            assert b"".join(one.data for one in events if isinstance(one, h2.events.DataReceived)) == message
        client.end_stream(1)
        events = events_until(h2.events.StreamEnded)
    (trailers,) = [one.headers for one in events if isinstance(one, h2.events.TrailersReceived)]
    assert trailers
    assert dict(trailers)[b"grpc-status"] == b"0"


def test_a_client_keeps_its_replica(site: Site, proxy: str) -> None:
    names = set()
    for _ in range(12):
        first = site.https(proxy, "chat.localhost")
        cookie = first.headers["set-cookie"]
        assert {"Secure", "HttpOnly"} <= {part.strip() for part in cookie.split(";")}
        headers = {"Cookie": cookie.split(";")[0]}
        for _ in range(4):
            answer = site.https(proxy, "chat.localhost", headers=headers)
            assert answer.json["name"] == first.json["name"]
            assert "set-cookie" not in answer.headers
        names.add(first.json["name"])
    assert len(names) > 1


def test_a_made_up_sticky_cookie_chooses_nothing(site: Site, proxy: str) -> None:
    answer = site.https(proxy, "chat.localhost", headers={"Cookie": "platform_sticky=10.0.0.1"})
    assert answer.status == 200
    assert "set-cookie" in answer.headers


def test_a_name_that_comes_later_is_found_within_two_seconds(site: Site, proxy: str) -> None:
    missing = site.https(proxy, "late.localhost")
    assert (missing.status, missing.body) == (502, b"502\n")
    site.backend("late", "tasks.late_web")
    site.listens("late")
    wait_for("the new name", lambda: site.https(proxy, "late.localhost").status == 200, 2)


@pytest.mark.usefixtures("proxy")
def test_what_a_node_knows_no_replica_for_is_served_by_another(site: Site, tmp_path: Path) -> None:
    """Its engine has not heard yet of what runs elsewhere, or only of what is gone."""
    knowing = site.client.containers.get(f"{site.prefix}-proxy")
    island = site.client.networks.create(f"{site.prefix}-island", driver="bridge")
    try:
        island.connect(knowing)
        knowing.reload()
        address = knowing.attrs["NetworkSettings"]["Networks"][island.name]["IPAddress"]
        nodes = [{"name": "unknowing", "address": "127.0.0.1"}]
        nodes += [{"name": name, "address": address} for name in ("knowing", "as-knowing")]
        lonely = site.on(island, tmp_path)
        render(tmp_path, {"proxy_routes": ROUTES, "proxy_nodes": nodes})
        here = lonely.proxy("unknowing")
        lonely.silent("dead", "tasks.chat_web")
        for host in ("web.localhost", "chat.localhost"):
            posted = site.https(here, host, method="POST", body=b"once")
            assert posted.status == 200, lonely.client.containers.get(f"{site.prefix}-unknowing").logs().decode()
            assert posted.json["size"] == 4
            assert posted.json["headers"]["x-forwarded-proto"] == "https"
        stripped = site.https(here, "shared.localhost", "/api/x?location=/y")
        assert (stripped.status, stripped.headers["location"]) == (302, "/api/y")
        assert site.https(here, "shared.localhost", "/api/x").json["url"] == "/x"
        login = basic("admin", PASSWORD)
        assert site.https(here, "admin.localhost", headers=login).status == 200
        assert site.https(here, "admin.localhost").status == 401
        # Nobody knows it: each of the others is asked once, and not by another.
        missing = site.https(here, "gone.localhost")
        assert (missing.status, missing.body) == (502, b"502\n")
        wait_for("the log", lambda: sum("gone.localhost" in line for line in site.log("proxy")) == 2, 10)
        # What one of them has an answer for is nothing for the next.
        path = f"/{uuid.uuid4().hex}?header=50000"
        assert site.https(here, "web.localhost", path).status == 502
        wait_for("the app's log", lambda: executed(site, path), 10)
        assert executed(site, path) == 1
        # What was executed, perhaps, is not sent to anybody else.
        reached = site.https(here, "web.localhost", "/die", method="POST", body=b"x")
        assert reached.status == 502
    finally:
        island.disconnect(knowing, force=True)
        for name in ("unknowing", "dead"):
            site.forget(name)
        island.remove()
        site.start("web1", "web2", "web3")


CLIENTS = 2


def hammer(ask: Callable[[], Answer], during: Callable[[], None], seconds: float) -> tuple[Counter[Any], float]:
    """Ask from two threads before something happens, meanwhile, and for some seconds afterwards.

    Counts statuses (an error by its name), and tells the slowest.
    """
    statuses: Counter[Any] = Counter()
    slowest = 0.0
    stop = threading.Event()

    def work() -> None:
        nonlocal slowest
        while not stop.is_set():
            start = time.monotonic()
            try:
                statuses[ask().status] += 1
            except TurnedAway:
                statuses["turned away"] += 1
            except (OSError, http.client.HTTPException) as error:
                statuses[repr(error)] += 1
            slowest = max(slowest, time.monotonic() - start)

    threads = [threading.Thread(target=work) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    try:
        wait_for("the first answers", lambda: statuses.total() >= 10, 10)
        during()
        time.sleep(seconds)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    return statuses, slowest


@pytest.mark.parametrize(("host", "victim"), [("web.localhost", "web1"), ("chat.localhost", "chat2")])
def test_a_killed_replica_costs_no_request(site: Site, proxy: str, host: str, victim: str) -> None:
    container = site.client.containers.get(f"{site.prefix}-{victim}")
    statuses, slowest = hammer(lambda: site.https(proxy, host), container.kill, 3)
    site.start(victim)
    assert set(statuses) == {200}, statuses
    assert slowest < 5 * patience()


def test_a_post_that_reached_a_dying_replica_is_not_sent_again(site: Site, proxy: str) -> None:
    before = {name: site.client.containers.get(f"{site.prefix}-{name}") for name in ("chat1", "chat2", "chat3")}
    answer = site.https(proxy, "chat.localhost", "/die", method="POST", body=b"x")
    assert answer.status == 502

    def ended() -> list[str]:
        for container in before.values():
            container.reload()
        return [name for name, container in before.items() if container.status == "exited"]

    wait_for("its end", ended, 10)
    assert len(ended()) == 1
    site.start(*before)


def test_the_edge_spreads_hides_a_dead_node_and_keeps_the_client_s_address(
    site: Site, tmp_path_factory: pytest.TempPathFactory
) -> None:
    directory = site.directory
    site.directory = tmp_path_factory.mktemp("edge")
    for name in ("ca.crt", "tls.crt", "tls.key"):
        (site.directory / name).write_text((directory / name).read_text())
    try:
        subnet = site.network.attrs["IPAM"]["Config"][0]["Subnet"]
        variables = {"proxy_routes": ROUTES, "proxy_trusted_addresses": [subnet]}
        render(site.directory, variables)
        nodes = [site.proxy("node1"), site.proxy("node2")]
        render(site.directory, {**variables, "proxy_edge_nodes": nodes})
        edge = site.edge()
        assert site.http(edge, "web.localhost").status == 301
        assert site.https(edge, "web.localhost").json["headers"]["x-real-ip"] == site.gateway
        victim = site.client.containers.get(f"{site.prefix}-node1")
        statuses, slowest = hammer(lambda: site.https(edge, "web.localhost"), lambda: victim.stop(timeout=10), 3)
        # Each client's connection may have come in the instant in which nginx stopped listening: docs/rollouts.md.
        assert statuses.pop("turned away", 0) <= CLIENTS, statuses
        assert set(statuses) == {200}, statuses
        assert slowest < 3 * patience()
        victim.start()
        back = f"/{uuid.uuid4().hex}"

        def is_asked() -> bool:
            site.https(edge, "web.localhost", back)
            return any(back in line for line in site.log("node1"))

        wait_for("the edge to ask the node again", is_asked, 10)
        site.client.containers.get(f"{site.prefix}-node2").kill()
        assert site.https(edge, "web.localhost").status == 200
    finally:
        site.directory = directory


def held(address: str, count: int) -> list[socket.socket]:
    """Connections on which nobody says anything: not even a handshake begins."""
    return [socket.create_connection((address, 443), timeout=5) for _ in range(count)]


def is_closed(connection: socket.socket) -> bool:
    """Whether the other side has closed it: nothing else comes of one on which nothing was said."""
    return bool(select.select([connection], [], [], 0)[0])


def wait_for_limit(connections: Sequence[socket.socket], limit: int) -> None:
    """Which are closed is up to nginx: its processes take what has come together in any order."""

    def closed() -> int:
        return sum(map(is_closed, connections))

    too_many = len(connections) - limit
    wait_for(f"no more than {limit} connections", lambda: closed() >= too_many, 10)
    # The last one of before may have been counted still. By a timeout they would all have gone.
    assert closed() <= too_many + 1


LIMIT = 5


def test_a_client_has_so_many_connections_and_requests(site: Site, tmp_path: Path) -> None:
    other = site.on(site.network, tmp_path)
    render(tmp_path, {"proxy_routes": ROUTES, "proxy_client_connections": LIMIT})
    try:
        limited = other.proxy("limited")
        silent = held(limited, LIMIT + 1)
        wait_for_limit(silent, LIMIT)
        for connection in silent:
            connection.close()
        wait_for("room for a client", lambda: site.https(limited, "web.localhost").status == 200, 10)
        # Over one connection.
        url = f"https://web.localhost/?wait=1&n=[1-{3 * LIMIT}]"
        last, before = site.curl(limited, url, "--http2", "--parallel", "--parallel-max", "50", "-o", os.devnull)
        statuses = Counter(f"{before.decode()}\n{last}".split())
        assert set(statuses) == {"200", "429"}
        assert statuses["200"] <= LIMIT
    finally:
        other.forget("limited")


def test_an_address_that_stands_for_many_clients_has_no_limit(site: Site, tmp_path: Path) -> None:
    other = site.on(site.network, tmp_path)
    unlimited = {"proxy_client_connections": LIMIT, "proxy_unlimited_addresses": [site.gateway, "1:2:3:4:5:6:7::"]}
    render(tmp_path, {"proxy_routes": ROUTES, **unlimited})
    try:
        address = other.proxy("unlimited")
        silent = held(address, 3 * LIMIT)
        assert site.https(address, "web.localhost").status == 200
        assert not any(map(is_closed, silent))
        for connection in silent:
            connection.close()
    finally:
        other.forget("unlimited")


def test_a_client_may_ask_so_often(site: Site, proxy: str) -> None:
    """Another one only after 10 s, whatever the body."""
    answers = [
        site.https(proxy, "rated.localhost", "/LOGIN/x", method="POST", body=body) for body in (b"", b"x" * 200_000) * 4
    ]
    assert [one.status for one in answers] == [200] * 3 + [429] * 5
    assert [one.headers.get("retry-after") for one in answers] == [None] * 3 + ["10"] * 5
    assert answers[-1].body == b"429\n"
    assert {site.https(proxy, "rated.localhost", "/logins").status for _ in range(8)} == {200}

    def refused() -> list[str]:
        lines = [json.loads(line) for line in site.log("proxy") if "/LOGIN/x" in line]
        return [one["upstream_status"] for one in lines if one["status"] == 429]

    # What counts requests reads them there.
    wait_for("the log", lambda: refused() == [""] * 5, 10)


@pytest.mark.parametrize(
    ("host", "path"),
    [("streamed.localhost", "/events"), ("web.localhost", "/events?answer=X-Accel-Buffering:%20no")],
)
def test_an_event_comes_at_once(site: Site, proxy: str, host: str, path: str) -> None:
    connection = http.client.HTTPSConnection(host, context=site.plain, timeout=15)
    raw = socket.create_connection((proxy, 443), timeout=15)
    connection.sock = site.plain.wrap_socket(raw, server_hostname=host)
    try:
        start = time.monotonic()
        connection.request("GET", path)
        response = connection.getresponse()
        first, after = response.read1(), time.monotonic() - start
        assert first == b"data: first\n\n"
        # The other one is sent after 5 s.
        assert after < 4
        assert response.read() == b"data: last\n\n"
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("host", "kind", "size", "is_packed"),
    [
        ("packed.localhost", "application/json", 3000, True),
        ("packed.localhost", "image/png", 3000, False),
        ("packed.localhost", "application/json", 10, False),
        ("web.localhost", "application/json", 3000, False),
    ],
)
def test_texts_are_compressed_where_the_route_says_so(
    site: Site, proxy: str, host: str, kind: str, size: int, is_packed: bool
) -> None:
    headers = {"X-Pad": "x" * size, "Accept-Encoding": "gzip"}
    answer = site.https(proxy, host, f"/?answer=Content-Type:%20{kind}", headers=headers)
    assert (answer.headers.get("content-encoding") == "gzip") == is_packed
    body = gzip.decompress(answer.body) if is_packed else answer.body
    assert json.loads(body)["headers"]["x-pad"] == "x" * size
    assert (answer.headers.get("vary") == "Accept-Encoding") == is_packed


def test_an_apps_own_429_stays_its_own(site: Site, proxy: str) -> None:
    answer = site.https(proxy, "rated.localhost", "/busy")
    assert (answer.status, answer.headers.get("retry-after")) == (429, None)


def test_a_client_may_have_so_many_requests_of_a_route_at_once(site: Site, proxy: str) -> None:
    options = ("--http2", "--parallel", "--parallel-max", "50", "-o", os.devnull)
    last, before = site.curl(proxy, "https://rated.localhost/?wait=2&n=[1-12]", *options)
    statuses = Counter(f"{before.decode()}\n{last}".split())
    assert set(statuses) == {"200", "429"}
    assert statuses["200"] <= 3
    assert site.https(proxy, "web.localhost").status == 200


@pytest.fixture(scope="module")
def jenkins(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of Jenkins' proxy, for the longest name that there is. A backend stands in for the controller."""
    directory = tmp_path_factory.mktemp("jenkins")
    other = site.on(site.network, directory)
    controller = site.address(site.client.containers.get(f"{site.prefix}-web1"))
    variables = {"jenkins_host": LONGEST, "jenkins_addresses": {"controller": controller}}
    render(directory, variables, "jenkins", ["nginx.conf"])
    config = (directory / "nginx.conf").read_text()
    (directory / "nginx.conf").write_text(config.replace(f"{controller}:8080", f"{controller}:3000"))
    try:
        yield other.jenkins_proxy()
    finally:
        other.forget("jenkins")


@pytest.mark.parametrize(("target", "host"), [(f"https://{LONGEST}/x", "evil.example"), ("/", f"{LONGEST}:9999")])
def test_jenkins_hears_its_own_name_whatever_the_client_says(site: Site, jenkins: str, target: str, host: str) -> None:
    headers = site.https(jenkins, LONGEST, target, headers={"Host": host}).json["headers"]
    assert (headers["host"], headers["x-forwarded-host"]) == (LONGEST, LONGEST)


@pytest.mark.parametrize("protocol", ["h2c", "foo, websocket"])
def test_jenkins_is_asked_for_no_protocol_but_a_websocket(site: Site, jenkins: str, protocol: str) -> None:
    headers = {"Connection": "Upgrade, HTTP2-Settings", "Upgrade": protocol, "HTTP2-Settings": "AAMAAABkAAQAAP__"}
    answer = site.https(jenkins, LONGEST, headers=headers)
    assert answer.status == 200
    assert "upgrade" not in answer.json["headers"]


def test_another_name_than_jenkins_is_nobodys(site: Site, jenkins: str) -> None:
    assert site.https(jenkins, "web.localhost").status == 421


def test_jenkins_proxy_has_limits_and_room_for_headers(site: Site, jenkins: str) -> None:
    answer = site.https(jenkins, LONGEST, "/?header=32768", headers={"Cookie": "c=" + "x" * 32766})
    assert (answer.status, len(answer.headers["x-long"])) == (200, 32768)
    silent = held(jenkins, 201)
    wait_for_limit(silent, 200)
    for connection in silent:
        connection.close()


def test_what_the_configuration_is_made_of(tmp_path: Path) -> None:
    """No word is longer than the 4096 bytes that nginx reads; whom it counts not, where a node's address is unknown."""
    paths = [f"/api/v1/resources/{number}/login" for number in range(150)]
    limited = {
        "rate_limit": {"requests_per_second": 1, "paths": paths},
        "allow": [f"10.0.{n}.0/24" for n in range(200)],
    }
    many = {**ROUTES[0], **limited}
    nodes = [{"name": "m1", "address": ""}, {"name": "m2", "address": "192.0.2.2"}]
    uncounted = ["192.0.2.2", "198.51.100.0/24", "1:2:3:4:5:6:7::"]
    known = {"proxy_host_addresses": ["172.30.0.1"], "proxy_unlimited_addresses": uncounted, "proxy_nodes": nodes}
    render(tmp_path, {"proxy_routes": [many], **known})
    text = (tmp_path / "routes.conf").read_text()
    assert text.count("/login") == len(paths)
    assert max(map(len, re.findall(r'"(?:[^"\\]|\\.)*"|\S+', text))) < 4096
    counted = (tmp_path / "nginx.conf").read_text().partition("geo $is_counted {")[2].partition("}")[0]
    assert re.findall(r"^ +(\S+) 0;", counted, re.MULTILINE) == [
        *("192.0.2.2", "198.51.100.0/24", "1:2:3:4:5:6:7:0", "172.30.0.1"),
    ]
