"""Clients that harm others where they can: they send half of what they announced, or read and write slowly."""

from __future__ import annotations

import http.client
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from threading import Event

MEGABYTE = 1048576
# A ClientHello that announces more than comes.
HELLO = bytes.fromhex("16030102000100 01fc0303")


@dataclass
class Hostile:
    """Connections to an app, all closed at the end. ``address``: host:port of the platform; ``host``: the app."""

    address: str
    host: str
    ca: str
    held: ExitStack = field(default_factory=ExitStack)
    stop: Event = field(default_factory=Event)
    # What each download has had so far, in bytes.
    received: dict[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.context = ssl.create_default_context(cafile=self.ca)
        host, _, port = self.address.rpartition(":")
        self.target = (host, int(port))

    def raw(self) -> socket.socket:
        return self.held.enter_context(socket.create_connection(self.target, timeout=30))

    def connect(self) -> ssl.SSLSocket:
        return self.held.enter_context(self.context.wrap_socket(self.raw(), server_hostname=self.host))

    def ask(self, request: str, length: int = 0) -> ssl.SSLSocket:
        """Send a request line and headers, and nothing of the body."""
        connection = self.connect()
        connection.sendall(f"{request} HTTP/1.1\r\nHost: {self.host}\r\nContent-Length: {length}\r\n\r\n".encode())
        return connection

    def half_sent_body(self) -> None:
        """9.5 MB of 9.9 MB, and then silence."""
        connection = self.ask("POST /", 9_900_000)
        for _ in range(95):
            connection.sendall(bytes(100_000))

    def slow_header(self) -> ssl.SSLSocket:
        connection = self.connect()
        connection.sendall(f"GET / HTTP/1.1\r\nHost: {self.host}\r\nX-Slow: ".encode())
        return connection

    def slow_handshake(self) -> socket.socket:
        connection = self.raw()
        connection.sendall(HELLO)
        return connection

    def upload(self, megabytes: int, rate: float) -> str:
        """Send so many megabytes, at so many a second; what the app says of it."""
        connection, began = self.ask("POST /", megabytes * MEGABYTE), time.monotonic()
        for number in range(1, megabytes + 1):
            connection.sendall(bytes(MEGABYTE))
            self.stop.wait(began + number / rate - time.monotonic())
        return answer_of(connection).read().decode()

    def download(self, number: int, megabytes: int, rate: float, *, whole: bool) -> int:
        """Read so many megabytes a second until ``stop``, the rest of a ``whole`` one as it comes; the bytes read."""
        answer, began = answer_of(self.ask(f"GET /?megabytes={megabytes}")), time.monotonic()
        self.received[number] = 0
        while not self.stop.is_set() or whole:
            piece = answer.read(65536)
            if not piece:
                break
            self.received[number] += len(piece)
            self.stop.wait(began + self.received[number] / MEGABYTE / rate - time.monotonic())
        return self.received[number]


def answer_of(connection: socket.socket) -> http.client.HTTPResponse:
    answer = http.client.HTTPResponse(connection)
    answer.begin()
    assert answer.status == 200, answer.status
    return answer


@contextmanager
def hostile(address: str, host: str, ca: str) -> Iterator[Hostile]:
    one = Hostile(address, host, ca)
    with one.held:
        yield one


def is_cut(connection: socket.socket, drip: bytes) -> bool:
    """Whether the server has ended it. Until then the client sends a little more."""
    connection.settimeout(0)
    try:
        connection.send(drip)
        return connection.recv(1) == b""
    except (BlockingIOError, ssl.SSLWantReadError):
        return False
    except OSError:
        return True
