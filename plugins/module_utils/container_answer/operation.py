# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The operation behind ``container_answer``: wait until a container answers over HTTP, and say how far it is."""

from __future__ import annotations

import http.client
import ssl
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from ansible_collections.fungap.swarm.plugins.module_utils.container_answer.plan import (
    Seen,
    describe,
    failure,
    is_hopeless,
    parse_container,
    quoted,
)
from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.module_utils.core.progress import Progress
from ansible_collections.fungap.swarm.plugins.module_utils.core.runner import Plan
from ansible_collections.fungap.swarm.plugins.module_utils.docker.engine import Engine

# For one question; what is slower is asked again.
ANSWER_SECONDS = 5
# Read of a log that most of may be frames of stacks.
LOG_LINES = 400
# Of a start, what is quoted from.
START_LINES = 10000


@dataclass(frozen=True)
class Wait:
    """Wait for the answer."""

    container: str

    def __str__(self) -> str:
        return f"wait until container {self.container} answers"


class WaitForAnswer:
    """``params``: the module's."""

    def __init__(self, params: Mapping[str, Any]) -> None:
        self._container: str = params["container"]
        self._url: str = params["url"]
        self._wanted: int = params["status"]
        self._ca_file: str | None = params["ca_file"]
        self._deadline_seconds: float = params["deadline_seconds"]
        self._quotes: str = params["quotes"]
        self._socket: str = params["docker_socket"]
        self._progress = Progress(params["progress"])

    def plan(self) -> Plan:
        # Check mode has started nothing that could be waited for.
        return Plan(upkeep=[Wait(self._container)])

    def apply(self, plan: Plan) -> Mapping[str, Any]:  # noqa: ARG002  there is one thing to do
        engine = Engine(self._socket)
        start, pause, looks_gone = time.monotonic(), 0.1, 0
        before: int | None = None
        exit_code: int | None = None
        while True:
            seen = parse_container(engine.containers.inspect(self._container))
            if before is None:
                # Of an earlier start, whose cause may be gone.
                before = seen.deaths
            exit_code = exit_code if seen.exit_code is None else seen.exit_code
            status, problem = ask(self._url, self._ca_file)
            deaths = max(seen.deaths - before, 0)
            seen = replace(seen, deaths=deaths, exit_code=exit_code, status=status, problem=problem)
            self._progress.tell(describe(self._container, seen, self._wanted))
            seconds = time.monotonic() - start
            if status == self._wanted:
                return {"status": status, "seconds": round(seconds, 1), "quoted": self._quoted(engine)}
            looks_gone = 0 if seen.lives else looks_gone + 1
            hopeless = is_hopeless(seen, looks_gone)
            if hopeless or seconds >= self._deadline_seconds:
                if seen.deaths and exit_code is None:
                    # Whenever it was looked at, it had just been started again.
                    seen = replace(seen, exit_code=self._last_exit_code(engine, seconds + 1))
                raise PlatformError(self._failure(engine, seen, seconds, hopeless=hopeless), status=status)
            time.sleep(pause)
            pause = min(pause * 1.5, 1)

    def _quoted(self, engine: Engine) -> list[str]:
        if not self._quotes:
            return []
        found = quoted(engine.containers.log(self._container, START_LINES), self._quotes)
        if not found:
            raise PlatformError(
                f"container {self._container} answers, but no line of its log begins with {self._quotes!r}: what says "
                f"so has not run. Look at docker logs {self._container}, mend what it says, and run it again"
            )
        return found

    def _last_exit_code(self, engine: Engine, within_seconds: float) -> int | None:
        with suppress(PlatformError):  # the verdict stands
            return engine.containers.last_exit_code(self._container, within_seconds=within_seconds)
        return None

    def _failure(self, engine: Engine, seen: Seen, seconds: float, *, hopeless: bool) -> str:
        log = ""
        with suppress(PlatformError):  # what can't be read says nothing; the verdict stands
            log = engine.containers.log(self._container, LOG_LINES)
        return failure(self._container, self._url, seen, self._wanted, seconds=seconds, hopeless=hopeless, log=log)


def ask(url: str, ca_file: str | None) -> tuple[int, str]:
    """The status of the answer, or 0 and why there was none. Nothing in between is used, and no redirect followed.

    ``ca_file``: the CA that the certificate is to be of; without one, any is taken.
    """
    parts = urlsplit(url)
    try:
        connection = _connection(parts.scheme, parts.netloc, ca_file)
        try:
            connection.request("GET", urlunsplit(("", "", parts.path or "/", parts.query, "")))
            return connection.getresponse().status, ""
        finally:
            connection.close()
    except ssl.SSLCertVerificationError as error:
        return 0, f"its certificate is refused: {error.verify_message}"
    except OSError as error:
        return 0, (error.strerror or str(error)).lower()
    except http.client.HTTPException as error:
        return 0, str(error).lower() or type(error).__name__


def _connection(scheme: str, address: str, ca_file: str | None) -> http.client.HTTPConnection:
    if scheme != "https":
        return http.client.HTTPConnection(address, timeout=ANSWER_SECONDS)
    context = ssl.create_default_context(cafile=ca_file)
    if not ca_file:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return http.client.HTTPSConnection(address, timeout=ANSWER_SECONDS, context=context)
