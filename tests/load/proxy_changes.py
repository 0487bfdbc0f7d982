"""Changes of the proxy as its clients see them: what is closed by them, and when they are in force on each node."""

from __future__ import annotations

import datetime
import re
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.client import HTTPSConnection
from typing import Any

from .live import Live

WEBSOCKETS, SLOW, SLOW_SECONDS = 200, 50, 20
HOST = "greedy.localhost"
HANDSHAKE = (
    f"GET /echo HTTP/1.1\r\nHost: {HOST}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: x\r\nSec-WebSocket-Version: 13\r\n\r\n"
).encode()


class Held:
    """Connections that are there before a change, and have to be there after it."""

    def __init__(self, live: Live) -> None:
        self.live = live
        address, _, port = live.where.address.rpartition(":")
        self.at = (address, int(port))
        self.context = ssl.create_default_context(cafile=live.where.ca)
        self.end = threading.Event()
        self.closed: set[int] = set()
        self.slow: list[str] = []

    def _open(self) -> Any:
        raw = socket.create_connection(self.at, timeout=30)
        connection = self.context.wrap_socket(raw, server_hostname=HOST)
        connection.sendall(HANDSHAKE)
        answer = connection.recv(4096)
        assert answer.startswith(b"HTTP/1.1 101"), answer
        return connection

    def _echo(self) -> None:
        """Each socket says something now and then, and once more at the end."""
        while True:
            is_last = self.end.wait(10)
            for number, connection in enumerate(self.sockets):
                try:
                    connection.sendall(b"ping")
                    if connection.recv(4) != b"ping":
                        self.closed.add(number)
                except OSError:
                    self.closed.add(number)
            if is_last:
                return

    def _ask(self) -> str:
        """What became of an answer that takes its time; empty if it came."""
        connection = HTTPSConnection("web.localhost", timeout=60, context=self.context)
        try:
            raw = socket.create_connection(self.at, timeout=60)
            connection.sock = self.context.wrap_socket(raw, server_hostname="web.localhost")
            connection.request("GET", f"/slow?seconds={SLOW_SECONDS}")
            answer = connection.getresponse()
            answer.read()
            return "" if answer.status == 200 else f"status {answer.status}"
        except OSError as error:
            return repr(error)
        finally:
            connection.close()

    @contextmanager
    def held(self) -> Iterator[Held]:
        self.sockets = [self._open() for _ in range(WEBSOCKETS)]
        echo = threading.Thread(target=self._echo)
        echo.start()
        try:
            yield self
        finally:
            self.end.set()
            echo.join()
            for connection in self.sockets:
                connection.close()

    @contextmanager
    def answering(self) -> Iterator[None]:
        """While as many answers are on their way at any time; the last ones are waited for."""
        done = threading.Event()

        def again() -> list[str]:
            found = [self._ask()]
            while not done.is_set():
                found.append(self._ask())
            return found

        with ThreadPoolExecutor(SLOW) as pool:
            asked = [pool.submit(again) for _ in range(SLOW)]
            try:
                yield
            finally:
                done.set()
            self.slow += [one for each in asked for one in each.result()]


def status_by(live: Live, node: str, host: str) -> int:
    """What a node's own proxy answers, past the edge. The certificate of an older state counts as 421."""
    address = live.container(node).attrs["NetworkSettings"]["Networks"][live.where.name]["IPAddress"]
    with socket.create_connection((address, 443), timeout=5) as raw:
        raw.sendall(b"PROXY TCP4 192.0.2.1 192.0.2.1 1 443\r\n")
        connection = HTTPSConnection(host, timeout=5)
        try:
            connection.sock = ssl.create_default_context(cafile=live.where.ca).wrap_socket(raw, server_hostname=host)
        except ssl.SSLCertVerificationError:
            return 421
        connection.request("GET", "/")
        return connection.getresponse().status


def seconds_of(text: str) -> float:
    """Unix time of a time as Docker writes it."""
    whole, _, part = text.rstrip("Z").partition(".")
    return datetime.datetime.fromisoformat(f"{whole}+00:00").timestamp() + float(f"0.{part or 0}")


def in_force(live: Live, since: float) -> dict[str, float]:
    """Node -> seconds from the moment in which the swarm was told of the newest state to when the node served it.

    ``since``: Unix time before that.
    """
    events = live.manager.events(since=since, until=time.time(), filters={"type": "service"}, decode=True)
    told = [
        event["timeNano"] / 1e9
        for event in events
        if event["Actor"]["Attributes"].get("name") == "proxy_state" and event["Action"] in ("update", "create")
    ]
    environment = live.manager.inspect_service("proxy_state")["Spec"]["TaskTemplate"]["ContainerSpec"]["Env"]
    version = dict(one.split("=", 1) for one in environment)["FOLLOWED_VERSION"]
    found = {}
    for node in live.nodes:
        engine = live.engine(node)
        for container in engine.containers(filters={"label": "com.docker.swarm.service.name=proxy_proxy"}):
            log = engine.logs(container["Id"], timestamps=True, stdout=False).decode()
            times = re.findall(rf"^(\S+) proxy: serves {version}$", log, re.MULTILINE)
            found[node] = round(seconds_of(times[-1]) - min(told), 1) if times else float("inf")
    return found
