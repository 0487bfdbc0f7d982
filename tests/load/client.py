#!/usr/bin/env python3
"""An independent client that sends a steady load to the example app and counts what comes back.

Of each kind of request it counts those sent and those answered well; a request is good when its status is 200 and its
content is what was asked for. The rate is kept whatever the answers take, so an outage shows as what it costs.

    client.py --address 127.0.0.1:443 --host web.localhost --ca ca.crt --seconds 60

Kinds:
  keepalive  GET over HTTP/1.1 connections that are used again and again
  http2      GET over a few HTTP/2 connections
  new        GET over HTTP/1.1, a connection of its own each
  post       POST /echo over HTTP/2, kept and new connections in turn; the body must come back unchanged
  slow       GET /slow?seconds=5, over each kind of connection in turn
  websocket  messages of the chat (socket.io), each to be echoed; a socket that is closed reconnects and says it again

What any client may do, this one does too, and counts it: a request that met the end of an idle connection, so that the
server can't have begun with it, is sent again (`met_close`), a POST only where HTTP/2 says that it was not processed; a
GET that was being answered when its connection broke is sent again once, what could not connect for a second long, and
a message is said once more over a new socket when the old one stays open without an echo (`cut`). What connected, and
was closed before its TLS handshake had ended, connects again for a second long, too (`turned_away`). A run in which
nothing breaks has `cut` 0, and `turned_away` 0 where no proxy stops.

By SIGINT or after --seconds it sends no more slow requests, and the others until those are answered; then it prints a
table to stderr and a line of JSON to stdout. The line before, {"ready": true}, is printed once every kind but the slow
has had a good answer.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import random
import signal
import ssl
import string
import sys
import time
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Protocol

import h2.config
import h2.connection
import h2.events
import h2.exceptions
import h11
import websockets
from websockets.asyncio.client import connect as websocket_connect

KINDS = ("keepalive", "http2", "new", "post", "slow", "websocket")
# Requests (messages) a second; together about 75.
RATES = {"keepalive": 22.0, "http2": 22.0, "new": 12.0, "post": 10.0, "slow": 1.0, "websocket": 8.0}
ANSWER_SECONDS = 30.0
LATE_SECONDS = 5.0
RECONNECT_SECONDS = 10.0
AT_ONCE_SECONDS = 0.5
CONNECT_SECONDS = 1.0
SOCKETS = 4
HTTP2_CONNECTIONS = 3
SLOW_SECONDS = 5


class Broken(Exception):
    """A connection ended before the answer did. ``untouched``: the server can't have begun with the request."""

    def __init__(self, reason: str, *, untouched: bool = False) -> None:
        super().__init__(reason)
        self.untouched = untouched


@dataclass(frozen=True)
class Target:
    """Where the load goes. ``address``: host and port that are connected to; ``host``: the name that is asked for."""

    address: tuple[str, int]
    host: str
    ca: str

    def context(self, *protocols: str) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=self.ca)
        if protocols:
            context.set_alpn_protocols(list(protocols))
        return context

    @property
    def authority(self) -> str:
        return self.host if self.address[1] == 443 else f"{self.host}:{self.address[1]}"


@dataclass
class Tally:
    """What one kind of request came to."""

    sent: int = 0
    good: int = 0
    met_close: int = 0
    cut: int = 0
    turned_away: int = 0
    slowest: float = 0.0
    failures: Counter[str] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)

    def add(self, reason: str, seconds: float) -> None:
        """An answer; ``reason``: why it is not good, or empty."""
        self.slowest = max(self.slowest, seconds)
        self.seconds.append(seconds)
        if reason:
            self.failures[reason] += 1
        else:
            self.good += 1

    def told(self) -> dict[str, Any]:
        return {**vars(self), "failures": dict(self.failures), "seconds": [round(one, 4) for one in self.seconds]}


Answer = tuple[int, bytes]


class Way(Protocol):
    """A kind of connection: sends one request. Raises Broken or OSError."""

    async def ask(self, method: str, path: str, body: bytes = b"") -> Answer: ...


# --- HTTP/1.1 ---


class Http1Connection:
    """One connection, one request at a time."""

    def __init__(self, target: Target, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.target, self.reader, self.writer = target, reader, writer
        self.state = h11.Connection(h11.CLIENT)
        self.used = self.is_answering = False

    @classmethod
    async def open(cls, target: Target, context: ssl.SSLContext) -> Http1Connection:
        reader, writer = await asyncio.open_connection(*target.address, ssl=context, server_hostname=target.host)
        return cls(target, reader, writer)

    async def is_open(self) -> bool:
        """Whether the server has not closed it."""
        # A busy loop first hears what has come meanwhile, in two rounds: the socket's and TLS'.
        for _ in range(2):
            await asyncio.sleep(0)
        return not (self.reader.at_eof() or self.writer.is_closing())

    async def ask(self, method: str, path: str, body: bytes, *, close: bool) -> Answer:
        headers = [("Host", self.target.authority), ("Accept", "application/json")]
        if body:
            headers += [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
        if close:
            headers.append(("Connection", "close"))
        began, self.is_answering = time.monotonic(), False
        try:
            return await self._ask(h11.Request(method=method, target=path, headers=headers), body)
        except (OSError, h11.RemoteProtocolError) as error:
            # A connection that had been idle ended at once, without a byte: it was closed as the request went out.
            untouched = self.used and not self.is_answering and time.monotonic() - began < AT_ONCE_SECONDS
            raise Broken(f"connection broke ({type(error).__name__})", untouched=untouched) from error
        finally:
            self.used = True

    async def _ask(self, request: h11.Request, body: bytes) -> Answer:
        pieces = [self.state.send(request), self.state.send(h11.Data(body)) if body else b""]
        pieces.append(self.state.send(h11.EndOfMessage()))
        self.writer.write(b"".join(piece or b"" for piece in pieces))
        await self.writer.drain()
        status, content = 0, bytearray()
        while True:
            event = self.state.next_event()
            if event is h11.NEED_DATA:
                data = await self.reader.read(65536)
                self.is_answering |= bool(data)
                self.state.receive_data(data)
            elif isinstance(event, h11.Response):
                status = event.status_code
            elif isinstance(event, h11.Data):
                content += event.data
            elif isinstance(event, h11.EndOfMessage):
                return status, bytes(content)
            elif isinstance(event, h11.ConnectionClosed):
                raise h11.RemoteProtocolError("closed without an answer")

    def close(self) -> None:
        self.writer.close()

    def ready_again(self) -> bool:
        """Whether another request may be sent over it."""
        if self.state.our_state is h11.DONE and self.state.their_state is h11.DONE:
            self.state.start_next_cycle()
            return True
        return False


class KeptConnections:
    """HTTP/1.1: a connection that is free is used again."""

    def __init__(self, target: Target) -> None:
        self.target, self.context = target, target.context("http/1.1")
        self.free: list[Http1Connection] = []

    async def ask(self, method: str, path: str, body: bytes = b"") -> Answer:
        connection = await self._free() or await Http1Connection.open(self.target, self.context)
        try:
            answer = await connection.ask(method, path, body, close=False)
        except BaseException:
            connection.close()
            raise
        if connection.ready_again():
            self.free.append(connection)
        else:
            connection.close()
        return answer

    async def _free(self) -> Http1Connection | None:
        while self.free:
            connection = self.free.pop(0)
            if await connection.is_open():
                return connection
            connection.close()
        return None


class NewConnections:
    """HTTP/1.1: a connection for each request."""

    def __init__(self, target: Target) -> None:
        self.target, self.context = target, target.context("http/1.1")

    async def ask(self, method: str, path: str, body: bytes = b"") -> Answer:
        connection = await Http1Connection.open(self.target, self.context)
        try:
            return await connection.ask(method, path, body, close=True)
        finally:
            connection.close()


# --- HTTP/2 ---


class _Http2State(h2.connection.H2Connection):
    """After the server's goodbye, streams that it has accepted go on, as the protocol says; h2 alone would end them."""

    def _receive_goaway_frame(self, frame: Any) -> Any:
        result = super()._receive_goaway_frame(frame)
        self.state_machine.state = h2.connection.ConnectionState.CLIENT_OPEN
        return result


class Http2Connection:
    """One connection, many requests at once. It takes no new ones from the moment the server says goodbye."""

    def __init__(self, target: Target, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.target, self.reader, self.writer = target, reader, writer
        self.state = _Http2State(h2.config.H2Configuration(client_side=True, header_encoding=None))
        self.state.initiate_connection()
        self.flush()
        self.waiting: dict[int, asyncio.Future[Answer]] = {}
        self.status: dict[int, int] = {}
        self.content: dict[int, bytearray] = {}
        self.is_open = True
        self.reading = asyncio.create_task(self._read())

    @classmethod
    async def open(cls, target: Target, context: ssl.SSLContext) -> Http2Connection:
        reader, writer = await asyncio.open_connection(*target.address, ssl=context, server_hostname=target.host)
        return cls(target, reader, writer)

    def flush(self) -> None:
        self.writer.write(self.state.data_to_send())

    async def ask(self, method: str, path: str, body: bytes) -> Answer:
        stream = self.state.get_next_available_stream_id()
        headers = [
            (":method", method),
            (":scheme", "https"),
            (":authority", self.target.authority),
            (":path", path),
            ("accept", "application/json"),
        ]
        if body:
            headers += [("content-type", "application/json"), ("content-length", str(len(body)))]
        future = self.waiting[stream] = asyncio.get_running_loop().create_future()
        try:
            self.state.send_headers(stream, headers, end_stream=not body)
            if body:
                self.state.send_data(stream, body, end_stream=True)
            self.flush()
            status, content = await future
            return status, content
        finally:
            self.waiting.pop(stream, None)

    async def _read(self) -> None:
        reason = "closed"
        try:
            while data := await self.reader.read(65536):
                for event in self.state.receive_data(data):
                    self._handle(event)
                self.flush()
        except (OSError, h2.exceptions.ProtocolError) as error:
            reason = type(error).__name__
        self.is_open = False
        for future in self.waiting.values():
            if not future.done():
                future.set_exception(Broken(f"HTTP/2 connection broke ({reason})"))
        self.writer.close()

    def _handle(self, event: h2.events.Event) -> None:
        if isinstance(event, h2.events.ResponseReceived):
            self.status[event.stream_id] = int(dict(event.headers)[b":status"])
        elif isinstance(event, h2.events.DataReceived):
            self.content.setdefault(event.stream_id, bytearray()).extend(event.data)
            self.state.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, h2.events.StreamEnded):
            answer = (self.status.pop(event.stream_id, 0), bytes(self.content.pop(event.stream_id, b"")))
            self._settle(event.stream_id, answer)
        elif isinstance(event, h2.events.StreamReset):
            refused = event.error_code == 7  # REFUSED_STREAM: not processed
            self._settle(event.stream_id, Broken(f"HTTP/2 stream reset ({event.error_code})", untouched=refused))
        elif isinstance(event, h2.events.ConnectionTerminated):
            self.is_open = False
            for stream in [stream for stream in self.waiting if stream > (event.last_stream_id or 0)]:
                self._settle(stream, Broken("HTTP/2 server said goodbye", untouched=True))

    def _settle(self, stream: int, answer: Answer | Broken) -> None:
        future = self.waiting.get(stream)
        if future and not future.done():
            if isinstance(answer, Broken):
                future.set_exception(answer)
            else:
                future.set_result(answer)


class Http2Connections:
    """HTTP/2: a few connections in turn."""

    def __init__(self, target: Target) -> None:
        self.target, self.context = target, target.context("h2")
        self.connections: list[Http2Connection | None] = [None] * HTTP2_CONNECTIONS
        self.locks = [asyncio.Lock() for _ in self.connections]
        self.turn = itertools.cycle(range(HTTP2_CONNECTIONS))

    async def ask(self, method: str, path: str, body: bytes = b"") -> Answer:
        place = next(self.turn)
        async with self.locks[place]:
            connection = self.connections[place]
            if connection is None or not connection.is_open:
                connection = self.connections[place] = await Http2Connection.open(self.target, self.context)
        try:
            return await connection.ask(method, path, body)
        except h2.exceptions.ProtocolError as error:
            connection.is_open = False
            raise Broken(f"HTTP/2 connection was closed ({type(error).__name__})", untouched=True) from error


# --- the load ---


class Load:
    """All kinds at once, each at its rate."""

    def __init__(self, target: Target, rates: dict[str, float]) -> None:
        self.target = target
        self.run_id = uuid.uuid4().hex[:8]
        self.tallies = {kind: Tally() for kind in KINDS if rates.get(kind)}
        self.rates = rates
        self.kept, self.new, self.http2 = KeptConnections(target), NewConnections(target), Http2Connections(target)
        self.versions: Counter[str] = Counter()
        self.replicas: Counter[str] = Counter()
        self.reconnects = 0
        self.slowest_reconnect = 0.0
        # No more slow requests; when they are answered, no more of the others.
        self.ending, self.stopping = asyncio.Event(), asyncio.Event()
        self.ready = asyncio.Event()
        self.started = time.monotonic()
        self.lost: list[tuple[str, float, str]] = []
        self.late: list[tuple[str, float, float]] = []
        self.timeline: list[str] = []

    async def run(self, seconds: float | None) -> None:
        async with asyncio.TaskGroup() as group:
            steady = {"keepalive": self._get(self.kept), "http2": self._get(self.http2), "new": self._get(self.new)}
            steady |= {"post": self._post(), "slow": self._slow()}
            sending = {
                kind: group.create_task(self._keep_sending(kind, send))
                for kind, send in steady.items()
                if kind in self.tallies
            }
            if "websocket" in self.tallies:
                for number in range(SOCKETS):
                    group.create_task(self._chat(number))
            if seconds:
                asyncio.get_running_loop().call_later(seconds, self.ending.set)
            await self.ending.wait()
            if "slow" in sending:
                await sending["slow"]
            self.stopping.set()

    # Each of these returns what sends one request and says what is wrong with the answer.

    def _get(self, way: Way) -> Callable[[Tally], Awaitable[str]]:
        async def send(tally: Tally) -> str:
            status, content = await self._ask(tally, way, "GET", "/")
            return wrong(status, content, self._is_about)

        return send

    def _is_about(self, answer: Any) -> bool:
        self.versions[str(answer["version"])] += 1
        self.replicas[str(answer["replica"])] += 1
        return True

    def _post(self) -> Callable[[Tally], Awaitable[str]]:
        ways: Iterator[Way] = itertools.cycle((self.http2, self.kept, self.new))
        numbers = itertools.count(1)

        async def send(tally: Tally) -> str:
            text = "".join(random.choices(string.ascii_letters, k=400))
            body = {"id": f"{self.run_id}-{next(numbers)}", "text": text}
            status, content = await self._ask(tally, next(ways), "POST", "/echo", json.dumps(body).encode())
            return wrong(status, content, lambda answer: answer["body"] == body)

        return send

    def _slow(self) -> Callable[[Tally], Awaitable[str]]:
        ways: Iterator[Way] = itertools.cycle((self.http2, self.kept, self.new))

        async def send(tally: Tally) -> str:
            status, content = await self._ask(tally, next(ways), "GET", f"/slow?seconds={SLOW_SECONDS}")
            return wrong(status, content, lambda answer: answer["seconds"] == SLOW_SECONDS)

        return send

    async def _ask(self, tally: Tally, way: Way, method: str, path: str, body: bytes = b"") -> Answer:
        """Send a request, again where any client may."""
        cut, began = False, time.monotonic()
        while True:
            try:
                return await way.ask(method, path, body)
            except Broken as broken:
                http1_post = method == "POST" and not isinstance(way, Http2Connections)
                if broken.untouched and not http1_post:
                    tally.met_close += 1
                elif method == "GET" and not cut:
                    cut = True
                    tally.cut += 1
                else:
                    raise
                self._note(f"{method} {path} again: {broken}")
            except OSError as error:  # as it connected: nothing had been sent
                if time.monotonic() - began > CONNECT_SECONDS:
                    raise
                if isinstance(error, ConnectionResetError):  # asyncio's word for a handshake that the other side ended
                    tally.turned_away += 1
                else:
                    tally.cut += 1
                await asyncio.sleep(0.1)
                self._note(f"{method} {path} again: {type(error).__name__} while connecting")

    async def _keep_sending(self, kind: str, send: Callable[[Tally], Awaitable[str]]) -> None:
        tally, start = self.tallies[kind], time.monotonic() + random.random() / self.rates[kind]
        end = self.ending if kind == "slow" else self.stopping
        async with asyncio.TaskGroup() as group:
            for number in itertools.count():
                if await self._happens(end, start + number / self.rates[kind] - time.monotonic()):
                    return
                tally.sent += 1
                group.create_task(self._one(kind, tally, send(tally)))

    async def _one(self, kind: str, tally: Tally, sending: Awaitable[str]) -> None:
        began = time.monotonic()
        try:
            reason = await asyncio.wait_for(sending, ANSWER_SECONDS)
        except TimeoutError:
            reason = f"no answer within {ANSWER_SECONDS:g} s"
        except (Broken, OSError) as error:
            reason = f"{type(error).__name__}: {error}"
        self._count(kind, tally, reason, time.monotonic() - began)

    def _count(self, kind: str, tally: Tally, reason: str, seconds: float) -> None:
        tally.add(reason, seconds)
        sent = round(time.time() - seconds, 2)
        if seconds > LATE_SECONDS:
            self.late.append((kind, sent, round(seconds, 2)))
        if reason:
            self.lost.append((kind, sent, reason))
            self._note(f"{kind}: {reason} after {seconds:.2f} s")
        elif not self.ready.is_set() and all(one.good for kind, one in self.tallies.items() if kind != "slow"):
            self.ready.set()

    def _note(self, what: str) -> None:
        if len(self.timeline) < 200:
            self.timeline.append(f"{time.monotonic() - self.started:8.2f} s  {what}")

    @staticmethod
    async def _happens(event: asyncio.Event, seconds: float) -> bool:
        with suppress(TimeoutError):
            await asyncio.wait_for(event.wait(), max(seconds, 0))
        return event.is_set()

    # --- WebSockets ---

    async def _chat(self, number: int) -> None:
        """Say a thing, hear it, say the next; over a new socket when the old one was closed."""
        tally, pause = self.tallies["websocket"], SOCKETS / self.rates["websocket"]
        socket: websockets.ClientConnection | None = None
        context = self.target.context()
        for count in itertools.count():
            if await self._happens(self.stopping, pause if count else pause * number / SOCKETS):
                break
            tally.sent += 1
            began = since = time.monotonic()
            text, reason, cut = f"{self.run_id}-{number}-{count}", "no socket", False
            while True:
                try:
                    if socket is None:
                        reason = "no socket"
                        socket = await self._reconnect(context, count, since)
                    reason = "a message without an echo over an open socket"
                    await asyncio.wait_for(self._say(socket, text), RECONNECT_SECONDS)
                    reason = ""
                except websockets.ConnectionClosed:
                    socket = None
                    if time.monotonic() - since < ANSWER_SECONDS:
                        continue
                    reason = "said again and again"
                except (OSError, TimeoutError, websockets.WebSocketException) as error:
                    reason += f" ({type(error).__name__})"
                    if socket:
                        await socket.close()
                        socket = None
                        if not cut:
                            cut, since = True, time.monotonic()
                            tally.cut += 1
                            self._note(f"websocket again: {reason}")
                            continue
                break
            self._count("websocket", tally, reason, time.monotonic() - began)
        if socket:
            await socket.close()

    async def _reconnect(self, context: ssl.SSLContext, count: int, began: float) -> websockets.ClientConnection:
        while True:
            try:
                socket = await asyncio.wait_for(self._open_socket(context), 5)
            except (OSError, TimeoutError, websockets.WebSocketException):
                if time.monotonic() - began > RECONNECT_SECONDS:
                    raise
                await asyncio.sleep(0.2)
                continue
            if count:
                self.reconnects += 1
                self.slowest_reconnect = max(self.slowest_reconnect, time.monotonic() - began)
            return socket

    async def _open_socket(self, context: ssl.SSLContext) -> websockets.ClientConnection:
        """socket.io's own greeting: open packet, then the default namespace joined."""
        host, port = self.target.address
        socket = await websocket_connect(
            f"wss://{self.target.authority}/socket.io/?EIO=4&transport=websocket",
            host=host,
            port=port,
            ssl=context,
            server_hostname=self.target.host,
            ping_interval=None,
            close_timeout=2,
            proxy=None,
        )
        assert str(await socket.recv()).startswith("0")
        await socket.send("40")
        while not str(await socket.recv()).startswith("40"):
            pass
        return socket

    async def _say(self, socket: websockets.ClientConnection, text: str) -> None:
        await socket.send("42" + json.dumps(["message", text]))
        while True:
            packet = str(await socket.recv())
            if packet == "2":  # engine.io's ping
                await socket.send("3")
            elif packet in ("1", "41"):  # the server leaves
                await socket.close()
            elif packet.startswith("42"):
                name, payload = json.loads(packet[2:])
                if name == "message" and payload["text"] == text:
                    return

    # --- tell ---

    def report(self) -> dict[str, Any]:
        return {
            "seconds": round(time.monotonic() - self.started, 1),
            "run_id": self.run_id,
            # Kind, when it was sent in seconds since the epoch, and the reason or the seconds it took.
            "lost": self.lost,
            "late": self.late,
            "sent": sum(tally.sent for tally in self.tallies.values()),
            "good": sum(tally.good for tally in self.tallies.values()),
            "kinds": {kind: tally.told() for kind, tally in self.tallies.items()},
            "versions": dict(self.versions),
            "replicas": dict(self.replicas),
            "reconnects": self.reconnects,
            "slowest_reconnect": round(self.slowest_reconnect, 2),
            "timeline": self.timeline,
        }


def wrong(status: int, content: bytes, is_right: Callable[[Any], bool]) -> str:
    """What is wrong with an answer; empty when nothing is."""
    if status != 200:
        return f"status {status}"
    try:
        return "" if is_right(json.loads(content)) else "another content than asked for"
    except (ValueError, LookupError, TypeError):
        return "no such content"


def table(report: dict[str, Any]) -> str:
    """The report for people."""
    lines = [
        f"{'kind':<10} {'sent':>6} {'good':>6} {'met close':>9} {'cut':>4} {'turned away':>11} {'slowest':>8}  failures"
    ]
    for kind, one in report["kinds"].items():
        why = "; ".join(f"{count} x {reason}" for reason, count in one["failures"].items())
        lines.append(
            f"{kind:<10} {one['sent']:>6} {one['good']:>6} {one['met_close']:>9} {one['cut']:>4} "
            f"{one['turned_away']:>11} {one['slowest']:>6.2f} s  {why}"
        )
    versions = ", ".join(f"{count} by version {version}" for version, count in sorted(report["versions"].items()))
    lines.append(f"{'in all':<10} {report['sent']:>6} {report['good']:>6}  in {report['seconds']} s; {versions}")
    if report["reconnects"]:
        lines.append(f"{report['reconnects']} sockets reconnected, the slowest in {report['slowest_reconnect']} s")
    return "\n".join(lines)


async def main(arguments: argparse.Namespace) -> int:
    host, _, port = arguments.address.rpartition(":")
    rates = {kind: rate * arguments.factor for kind, rate in RATES.items() if kind in arguments.kinds.split(",")}
    load = Load(Target((host, int(port)), arguments.host, arguments.ca), rates)
    for one in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(one, load.ending.set)

    async def say_ready() -> None:
        await load.ready.wait()
        print(json.dumps({"ready": True}), flush=True)

    saying = asyncio.create_task(say_ready())
    await load.run(arguments.seconds)
    saying.cancel()
    report = load.report()
    print(table(report), file=sys.stderr)
    print(json.dumps(report), flush=True)
    return 0 if report["sent"] == report["good"] else 1


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--address", required=True, help="host:port to connect to")
    parser.add_argument("--host", required=True, help="the app's host name")
    parser.add_argument("--ca", required=True, help="file of the authority that is trusted")
    parser.add_argument("--seconds", type=float, help="how long to send; until SIGINT when missing")
    parser.add_argument("--factor", type=float, default=1.0, help="times the rates")
    parser.add_argument("--kinds", default=",".join(KINDS), help="only some kinds")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(asyncio.run(main(parse())))
