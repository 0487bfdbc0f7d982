# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Run what apps have in ``cron``, on a manager.

Environment: ENGINE_SOCKET, SERVICE (the name of the schedulers' own service), LOGIN_FILE (JSON with username, password
and serveraddress of the registry; none where it asks for no login).
"""

from __future__ import annotations

import base64
import os
import signal
import sys
import time
from pathlib import Path

from swarm_exporter.cron.scheduler import LOOK_SECONDS, Scheduler
from swarm_exporter.engine import Engine

DEFAULTS = {"ENGINE_SOCKET": "/var/run/docker.sock", "SERVICE": "cron_scheduler", "LOGIN_FILE": ""}


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    settings = {key: os.environ.get(key) or value for key, value in DEFAULTS.items()}
    file = settings["LOGIN_FILE"]
    login = base64.urlsafe_b64encode(Path(file).read_bytes()).decode() if file else ""
    scheduler = Scheduler(Engine(settings["ENGINE_SOCKET"]), settings["SERVICE"], login)
    while True:
        pause = LOOK_SECONDS
        try:
            pause = scheduler.cycle()
        except Exception as error:  # no manager leads, say: the next look will tell
            print(f"{type(error).__name__}: {error}", flush=True)
        time.sleep(min(pause, LOOK_SECONDS))


if __name__ == "__main__":
    main()
