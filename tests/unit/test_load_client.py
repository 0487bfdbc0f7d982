"""The load client counts honestly: servers that misbehave in every way, and what it says of them."""

from __future__ import annotations

import asyncio
import datetime
import json
import ssl
from collections.abc import Awaitable, Callable
from typing import Any

import h2.config
import h2.connection
import h2.events
import pytest
from websockets.asyncio.server import serve

from ansible_collections.fungap.swarm.plugins.plugin_utils import pki

from ..load import client

HOST = "web.localhost"
ABOUT = json.dumps({"version": "1", "replica": "r"}).encode()
Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
Seen = Callable[[client.Tally], bool]


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, str]:
    """A server's context and the file of the authority that signed for it."""
    folder, now = tmp_path_factory.mktemp("tls"), datetime.datetime.now(datetime.timezone.utc)
    ca_key, key = pki.new_key(), pki.new_key()
    ca = pki.KeyPair(pki.make_ca("test CA", ca_key, now), ca_key)
    for name, text in {
        "ca.crt": ca.certificate,
        "tls.key": key,
        "tls.crt": pki.issue(ca, key, [HOST], (), now),
    }.items():
        (folder / name).write_text(text)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "tls.crt", folder / "tls.key")
    context.set_alpn_protocols(["h2", "http/1.1"])
    return context, str(folder / "ca.crt")


def sent(tally: client.Tally) -> bool:
    return tally.sent >= 2


def run(tls: tuple[ssl.SSLContext, str], handler: Handler, kind: str, seen: Seen = sent, rate: float = 40) -> Any:
    """The client's report of one kind of request to a server, from when there is to be seen what the test is about."""

    async def both() -> Any:
        server = await asyncio.start_server(handler, "127.0.0.1", 0, ssl=tls[0])
        address = server.sockets[0].getsockname()
        load = client.Load(client.Target((address[0], address[1]), HOST, tls[1]), {kind: rate})
        await run_until(load, seen, kind)
        server.close()
        return load.report()

    return asyncio.run(both())


async def run_until(load: client.Load, seen: Seen, kind: str) -> None:
    async def watch() -> None:
        # A busy machine takes its time; what never comes is the assertions' to say.
        for _ in range(2000):
            if seen(load.tallies[kind]):
                break
            await asyncio.sleep(0.01)
        load.ending.set()

    await asyncio.gather(load.run(None), watch())


def http1(*answers: Callable[[bytes], bytes | None]) -> Handler:
    """A server that gives these answers in turn on each connection, the last one for ever; None closes."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number = 0
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = next(
                    (int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0
                )
                answer = answers[min(number, len(answers) - 1)](await reader.readexactly(length))
                number += 1
                if answer is None:
                    return
                writer.write(answer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    return handle


def answer(content: bytes, status: int = 200) -> bytes:
    return b"HTTP/1.1 %d x\r\nContent-Length: %d\r\n\r\n%s" % (status, len(content), content)


def good(_body: bytes) -> bytes:
    return answer(ABOUT)


def nothing(_body: bytes) -> None:
    return None


def echo(body: bytes) -> bytes:
    return answer(b'{"body": ' + body + b"}")


@pytest.mark.parametrize(
    ("kind", "server", "lost", "met_close", "cut"),
    [
        pytest.param("keepalive", http1(good), "", False, False, id="all is well"),
        pytest.param("new", http1(good), "", False, False, id="all is well over new connections"),
        pytest.param("keepalive", http1(lambda _: answer(b"no", 502)), "status 502", False, False, id="an error"),
        pytest.param("keepalive", http1(lambda _: answer(b"{}")), "no such content", False, False, id="another answer"),
        pytest.param("keepalive", http1(good, nothing), "", True, False, id="the end of an idle connection is no loss"),
        pytest.param("new", http1(nothing), "Broken: ", False, True, id="a GET is sent again once, and then lost"),
    ],
)
def test_get(
    tls: Any, monkeypatch: pytest.MonkeyPatch, kind: str, server: Handler, lost: str, met_close: bool, cut: bool
) -> None:
    monkeypatch.setattr(client, "AT_ONCE_SECONDS", 20)

    def seen(tally: client.Tally) -> bool:
        return sent(tally) and tally.met_close >= met_close and tally.cut >= cut

    one = run(tls, server, kind, seen)["kinds"][kind]
    assert one["sent"] >= 2
    assert one["good"] == (0 if lost else one["sent"])
    assert sum(one["failures"].values()) == one["sent"] - one["good"]
    assert all(reason.startswith(lost) for reason in one["failures"])
    assert (one["met_close"] > 0, one["cut"] > 0) == (met_close, cut)


def test_a_post_is_never_sent_again(tls: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "Http2Connections", client.NewConnections)
    bodies: list[bytes] = []

    def note(body: bytes) -> None:
        bodies.append(body)

    one = run(tls, http1(note), "post")["kinds"]["post"]
    assert one["sent"] == len(bodies) == len(set(bodies)) > 0
    assert one["good"] == one["cut"] == 0
    assert sum(one["failures"].values()) == one["sent"]
    one = run(tls, http1(echo), "post")["kinds"]["post"]
    assert one["sent"] == one["good"] > 0
    one = run(tls, http1(lambda body: echo(body.replace(b"a", b"b"))), "post")["kinds"]["post"]
    assert one["failures"] == {"another content than asked for": one["sent"]}


def test_http2_s_goodbye(tls: Any) -> None:
    """The server ends each connection: what it had accepted is answered later, what it had not is sent again."""
    requests = 0

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal requests
        state = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
        state.initiate_connection()
        writer.write(state.data_to_send())
        accepted = 0
        while not accepted:
            for event in state.receive_data(await reader.read(65536)):
                if isinstance(event, h2.events.RequestReceived):
                    accepted = accepted or event.stream_id
                    requests += 1
            writer.write(state.data_to_send())
        await asyncio.sleep(0.05)
        goodbye = b"\0\0\x08\x07\0\0\0\0\0" + accepted.to_bytes(4, "big") + b"\0" * 4
        writer.write(goodbye)
        await asyncio.sleep(0.05)
        state.send_headers(accepted, [(":status", "200")])
        state.send_data(accepted, ABOUT, end_stream=True)
        writer.write(state.data_to_send())
        await writer.drain()
        writer.close()

    one = run(tls, handle, "http2", lambda tally: tally.sent > 5 and tally.met_close > 0, rate=200)["kinds"]["http2"]
    assert one["sent"] == one["good"] > 5
    assert one["cut"] == 0
    assert one["failures"] == {}
    assert one["met_close"] > 0


def test_a_message_is_said_again_over_a_new_socket_and_lost_when_the_second_has_no_echo_either(
    tls: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "SOCKETS", 1)
    said: list[str] = []

    async def chat(*, closes: bool, deaf: int = 1) -> Any:
        async def handle(socket: Any) -> None:
            await socket.send("0{}")
            await socket.recv()
            await socket.send("40{}")
            async for packet in socket:
                said.append(packet)
                if said.count(packet) <= deaf:  # the first times it is not heard
                    if closes:
                        return
                    continue
                text = json.loads(packet[2:])[1]
                await socket.send("42" + json.dumps(["message", {"text": text}]))

        async with serve(handle, "127.0.0.1", 0, ssl=tls[0]) as server:
            address = next(iter(server.sockets)).getsockname()
            load = client.Load(client.Target((address[0], address[1]), HOST, tls[1]), {"websocket": 10})
            await run_until(load, sent, "websocket")
            return load.report()

    report = asyncio.run(chat(closes=True))
    assert report["kinds"]["websocket"]["good"] == report["kinds"]["websocket"]["sent"] == report["reconnects"] + 1 > 1
    assert report["kinds"]["websocket"]["cut"] == 0
    monkeypatch.setattr(client, "RECONNECT_SECONDS", 0.2)
    said.clear()
    one = asyncio.run(chat(closes=False))["kinds"]["websocket"]
    assert one["good"] == one["sent"] == one["cut"] > 0
    said.clear()
    one = asyncio.run(chat(closes=False, deaf=2))["kinds"]["websocket"]
    assert one["good"] == 0
    assert list(one["failures"]) == ["a message without an echo over an open socket (TimeoutError)"]
