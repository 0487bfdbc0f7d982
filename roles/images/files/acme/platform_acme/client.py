# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""certbot: its folder, what it is asked for, and what it says."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlsplit

from cryptography import x509

from platform_acme.plan import Attempts, Certificate

# It waits for the authority by itself, for 45 s each time.
_LIMIT_SECONDS = 300
_ATTEMPTS = "attempts.json"
_SAID_CHARACTERS = 600


class AuthorityError(Exception):
    """certbot got no certificate; the text says why."""


@dataclass(frozen=True)
class Client:
    """``home``: a tmpfs. ``folder`` in it has accounts, keys and certificates, and nothing else is kept."""

    home: Path
    server: str
    email: str
    environment: Mapping[str, str]

    @property
    def folder(self) -> Path:
        return self.home / "client"

    @property
    def web(self) -> Path:
        """Where certbot puts what the authority asks for."""
        return self.home / "web"

    def prepare(self) -> None:
        for folder in (self.folder, self.web, self.home / "work", self.home / "logs"):
            folder.mkdir(mode=0o700, exist_ok=True)

    def has_account(self) -> bool:
        parts = urlsplit(self.server)
        place = self.folder / "accounts" / f"{parts.netloc}{parts.path}"
        return any(place.glob("*/private_key.json"))

    def register(self) -> None:
        self._run("register", *self._who())

    def obtain(self, app: str, names: Sequence[str]) -> None:
        """Ask for a certificate, with a new key. The one that there is stays until then."""
        domains = [word for name in names for word in ("-d", name)]
        self._run(
            *("certonly", *self._who(), "--webroot", "-w", str(self.web), "--cert-name", app),
            *("--force-renewal", "--renew-with-new-domains", "--key-type", "ecdsa", *domains),
        )
        self._forget_earlier(app)

    def forget(self, app: str) -> None:
        self._run("delete", "--cert-name", app)

    def certificates(self) -> dict[str, Certificate]:
        """Those that there are, by their apps."""
        found = {}
        for path in (self.folder / "live").glob("*/fullchain.pem"):
            app = path.parent.name
            settings = self.folder / "renewal" / f"{app}.conf"
            leaf = x509.load_pem_x509_certificates(path.read_bytes())[0]
            names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
            server = re.search(r"^server = (.*)$", settings.read_text(), re.MULTILINE) if settings.is_file() else None
            found[app] = Certificate(
                frozenset(names.get_values_for_type(x509.DNSName)),
                leaf.not_valid_before_utc.timestamp(),
                leaf.not_valid_after_utc.timestamp(),
                server[1].strip() if server else "",
            )
        return found

    def leaves(self) -> dict[str, bytes]:
        """What the proxies get: file's name -> content."""
        return {
            f"{path.parent.name}.{ending}": (path.parent / name).read_bytes()
            for path in sorted((self.folder / "live").glob("*/fullchain.pem"))
            for ending, name in (("crt", "fullchain.pem"), ("key", "privkey.pem"))
        }

    def attempts(self) -> dict[str, Attempts]:
        path = self.folder / _ATTEMPTS
        if not path.is_file():
            return {}
        content = json.loads(path.read_text())
        return {app: Attempts(**{**one, "names": tuple(one["names"])}) for app, one in content.items()}

    def remember(self, attempts: Mapping[str, Attempts]) -> None:
        """A part of the folder, so that whoever goes on with it waits as long."""
        content = {app: asdict(one) for app, one in sorted(attempts.items())}
        (self.folder / _ATTEMPTS).write_text(json.dumps(content))

    def _who(self) -> list[str]:
        who = [f"--email={self.email}"] if self.email else ["--register-unsafely-without-email"]
        return ["--server", self.server, "--agree-tos", "--no-eff-email", *who]

    def _forget_earlier(self, app: str) -> None:
        """certbot keeps each certificate that it has ever got."""
        current = {path.resolve() for path in (self.folder / "live" / app).glob("*.pem")}
        for path in (self.folder / "archive" / app).glob("*.pem"):
            if path.resolve() not in current:
                path.unlink()

    def _run(self, verb: str, *options: str) -> None:
        folders = ("config", "client"), ("work", "work"), ("logs", "logs")
        places = [word for what, name in folders for word in (f"--{what}-dir", str(self.home / name))]
        command = ["certbot", verb, "--non-interactive", "--max-log-backups", "0", *places, *options]
        try:
            done = subprocess.run(
                command, env=dict(self.environment), capture_output=True, text=True, timeout=_LIMIT_SECONDS, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise AuthorityError(f"not done after {_LIMIT_SECONDS} s") from error
        finally:
            # Of a certbot that was ended; one that ends by itself takes it away.
            with suppress(FileNotFoundError):
                shutil.rmtree(self.web / ".well-known")
        if done.returncode != 0:
            raise AuthorityError(said(done.stdout + done.stderr))


def said(output: str) -> str:
    """What certbot said of an error, in one line."""
    noise = re.compile(r"Saving debug log|Some challenges have failed|Ask for help|^Hint:|letsencrypt\.log|^- - -")
    lines = (line.strip() for line in output.splitlines())
    return " ".join(line for line in lines if line and not noise.search(line))[:_SAID_CHARACTERS]
