# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The program: its settings are in its environment, its key among the secrets."""

from __future__ import annotations

import os
import signal
import ssl
import sys
import time
from pathlib import Path

from platform_acme.client import Client
from platform_acme.keeper import Keeper, Overtaken, say
from platform_acme.states import StateError, States
from platform_acme.web import Web

SECRETS, AUTHORITY = Path("/run/secrets"), "/srv/ca.crt"


def main() -> None:
    os.umask(0o077)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    given = os.environ
    environment = {name: given[name] for name in ("PATH", "LANG", "REQUESTS_CA_BUNDLE") if given.get(name)}
    client = Client(Path("/run/acme"), given["SERVER"], given.get("EMAIL", ""), environment)
    client.prepare()
    context = ssl.create_default_context(cafile=AUTHORITY)
    context.load_cert_chain(SECRETS / "acme.crt", SECRETS / "acme.key")
    keeper = Keeper(
        client,
        States(context),
        lambda name: web.why_not_here(name) if given.get("PROBE", "true") == "true" else "",
        first_wait=float(given.get("FIRST_WAIT_SECONDS", "60")),
    )
    web = Web(client.web, keeper.figures)
    web.start()
    while True:
        try:
            keeper.step()
        except StateError as error:
            say(f"a manager's state does not answer: {error}")
        except Overtaken:
            say("another task has written a newer archive; ends, to go on with that")
            sys.exit(1)
        time.sleep(float(given.get("INTERVAL_SECONDS", "5")))


main()
