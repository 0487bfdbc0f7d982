"""A client that means harm costs the other apps nothing, and no proxy its life."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from ..load.live import Live, check
from ..steps import tell
from ..waiting import patience, wait_for
from .hostile import MEGABYTE, hostile, is_cut

APP, HOST = "greedy", "greedy.localhost"
KINDS = "keepalive,http2,new,post,websocket"
MEASURED_SECONDS = 10
# The hostile clients move 30 MB/s by TLS on the CPUs that the proxies and the app have. A hundredth of the requests may
# wait for a CPU so long, whatever the proxy does; 1.2 of the calm p99 would need machines of their own.
NOISE_SECONDS = 1
HALF, SLOW, READERS = 30, 30, 20
# Megabytes a second: of one reader, and of the upload.
READ_RATE, UPLOAD_RATE = 1, 10


def test_hostile_clients_cost_another_app_nothing(live: Live) -> None:
    """Bodies half sent, slow readers, slow headers and handshakes, 300 MB up and 300 MB down."""
    if APP not in live.variables["apps"]:
        pytest.skip(f"this platform has no app {APP}")
    proxies = {task["ID"] for task in live.running("proxy_proxy")}
    with live.load("nobody means harm", kinds=KINDS) as calm:
        time.sleep(MEASURED_SECONDS)
    check(calm)
    with hostile(live.where.address, HOST, live.where.ca) as client, ThreadPoolExecutor(READERS + 1) as pool:
        for _ in range(HALF):
            client.half_sent_body()
        slow = [(client.slow_header(), b"x") for _ in range(SLOW)]
        slow += [(client.slow_handshake(), b"\0") for _ in range(SLOW)]
        reading = [pool.submit(client.download, number, 300, READ_RATE, whole=number == 0) for number in range(READERS)]
        uploading = pool.submit(client.upload, 300, UPLOAD_RATE)
        with live.load("hostile clients of another app", kinds=KINDS) as load:
            time.sleep(MEASURED_SECONDS)
        # Bytes that come one by one don't help them.
        wait_for("slow clients to be cut", lambda: not [one for one in slow if not is_cut(*one)], 25)
        # More than the proxy and all that is between have room for.
        wait_for("slow readers", lambda: min(client.received.values()) > 10 * MEGABYTE, 20)
        client.stop.set()
        assert uploading.result(60 * patience()) == str(300 * MEGABYTE)
        whole, *_parts = [one.result(60 * patience()) for one in reading]
        assert whole == 300 * MEGABYTE
    tell(f"p99 {calm.p99 * 1000:.0f} ms, with hostile clients {load.p99 * 1000:.0f} ms")
    check(load)
    assert {task["ID"] for task in live.running("proxy_proxy")} == proxies
    assert load.p99 <= max(1.2 * calm.p99, calm.p99 + NOISE_SECONDS * patience())
