"""Certificates by ACME: a real authority (Pebble), the image's certbot, managers' state and proxies, and no swarm."""

from __future__ import annotations

import json
import socket
import ssl
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509

from ansible_collections.fungap.swarm.plugins.plugin_utils import pki
from ansible_collections.fungap.swarm.plugins.plugin_utils.routes import acme_names

from .. import debian
from ..waiting import wait_for
from .test_proxy_config import NOW, ROOT
from .test_proxy_live import WEB, Live, Load

# It is renewed after two thirds of it.
LIFE_SECONDS = 180
WEB = {**WEB, "hosts": ["web.localhost", "www.web.localhost"]}
LATE = {**WEB, "name": "late", "hosts": ["late.localhost"]}
# Half of it leads to what is no proxy of ours.
ASTRAY = {**WEB, "name": "astray", "hosts": ["half.localhost", "away.localhost"]}
DIRECTORY = "https://pebble:14000/dir"


class Acme(Live):
    """An authority, three managers' tasks that keep what it gives, three proxies, and what asks for certificates."""

    def __init__(self, directory: Path, acme_image: str) -> None:
        super().__init__(directory)
        self.acme_image = acme_image
        (directory / "acme.key").write_text(key := pki.new_key())
        (directory / "acme.crt").write_text(pki.issue(self.authority, key, ["proxy-acme"], (), NOW, is_mutual=True))
        (directory / "pebble.key").write_text(key := pki.new_key())
        (directory / "pebble.crt").write_text(pki.issue(self.authority, key, ["pebble"], (), NOW))
        debian.unpack("pebble", directory / "unpacked")
        self.keeper: Any = None
        # Of the first certificate.
        self.serial = 0

    def pebble(self) -> None:
        settings = {
            "listenAddress": "0.0.0.0:14000",
            "managementListenAddress": "0.0.0.0:15000",
            "certificate": "/pebble/pebble.crt",
            "privateKey": "/pebble/pebble.key",
            "httpPort": 80,
            "tlsPort": 443,
            "ocspResponderURL": "",
            "externalAccountBindingRequired": False,
            "certificateValidityPeriod": LIFE_SECONDS,
        }
        (self.directory / "pebble.json").write_text(json.dumps({"pebble": settings}))
        binds = [f"{self.directory / 'unpacked/usr/bin/pebble'}:/usr/bin/pebble:ro", f"{self.directory}:/pebble:ro"]
        command = ["pebble", "-config", "/pebble/pebble.json", "-dnsserver", "127.0.0.11:53"]
        environment = {"PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "0"}
        container = self._run(
            self.backend_image, command, "pebble", ["pebble"], volumes=binds, environment=environment, init=True
        )
        context = ssl.create_default_context(cafile=str(self.directory / "platform.crt"))
        context.check_hostname = False
        url = f"https://{self.address(container)}:15000/roots/0"
        wait_for("the authority", lambda: urllib.request.urlopen(url, context=context, timeout=5), 30)
        root = urllib.request.urlopen(url, context=context, timeout=5).read().decode()
        self.plain.load_verify_locations(cadata=root)
        # What is verified by it alone is by the authority.
        self.world = ssl.create_default_context(cadata=root)

    def version(self, routes: list[dict[str, Any]], **more: Any) -> str:
        version = super().version(routes, proxy_acme_enabled=True, **more)
        (self.versions[version] / "acme.json").write_text(json.dumps(acme_names(routes)))
        return version

    def kept(self, _number: int) -> list[str]:
        folder = self.directory / f"kept{_number}"
        folder.mkdir(exist_ok=True)
        return [f"{folder}:/var/lib/proxy"]

    def keep(self) -> None:
        """Start what asks for certificates, as on a node that it has never been on."""
        if self.keeper:
            self.away(self.keeper)
        binds = [
            f"{self.directory / 'platform.crt'}:/srv/ca.crt:ro",
            f"{self.directory / 'platform.crt'}:/srv/authority.crt:ro",
            f"{self.directory / 'acme.crt'}:/run/secrets/acme.crt:ro",
            f"{self.directory / 'acme.key'}:/run/secrets/acme.key:ro",
        ]
        environment = {"SERVER": DIRECTORY, "EMAIL": "ops@example.com", "REQUESTS_CA_BUNDLE": "/srv/authority.crt"}
        environment |= {"INTERVAL_SECONDS": "0.5", "FIRST_WAIT_SECONDS": "2"}
        hardening = self._hardening([], {"/tmp": "", "/run/acme": "size=32m,mode=755"})
        self.keeper = self._run(
            self.acme_image,
            [],
            f"acme-{uuid.uuid4().hex[:4]}",
            ["tasks.certificates_acme"],
            volumes=binds,
            environment=environment,
            **hardening,
        )

    def certificate(self, address: str, host: str) -> x509.Certificate:
        """What a proxy shows for a host name, whoever it is by."""
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with socket.create_connection((address, 443), 5) as raw, context.wrap_socket(raw, server_hostname=host) as tls:
            return x509.load_der_x509_certificate(tls.getpeercert(binary_form=True) or b"")

    def trusted(self, host: str) -> bool:
        """Whether all proxies show a certificate by the authority, with its chain."""
        for address in self.addresses():
            raw = socket.create_connection((address, 443), 5)
            try:
                self.world.wrap_socket(raw, server_hostname=host).close()
            except ssl.SSLCertVerificationError:
                return False
            finally:
                raw.close()
        return True

    def status(self, app: str, number: int = 1) -> dict[str, Any]:
        """What a manager knows of an app's certificate."""
        path = self.directory / f"kept{number}" / "acme" / "status"
        found: dict[str, Any] = json.loads(path.read_text())["certificates"].get(app, {}) if path.exists() else {}
        return found

    def said(self) -> str:
        return str(self.keeper.logs().decode())

    def of_keeper(self, command: str) -> str:
        code, output = self.keeper.exec_run(["sh", "-c", command])
        assert code == 0, output
        return str(output.decode())

    def account(self) -> str:
        shown = "cat /run/acme/client/accounts/pebble:14000/dir/*/regr.json"
        return str(json.loads(self.of_keeper(shown))["uri"])


@pytest.fixture(scope="module")
def acme_image(run_module: Callable[..., dict[str, Any]]) -> str:
    """By the catalog."""
    text = (ROOT / "roles/images/defaults/main.yml").read_text().replace("{{ role_path }}", str(ROOT / "roles/images"))
    made = run_module("image_catalog", {"catalog": yaml.safe_load(text)["images_catalog"], "names": ["acme"]})
    assert "images" in made, made
    return str(made["images"]["acme"]["image"])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, acme_image: str) -> Iterator[Acme]:
    site = Acme(tmp_path_factory.mktemp("acme"), acme_image)
    try:
        site.backend("web1", "tasks.web_web", "away.localhost")
        site.pebble()
        first = site.version([WEB])
        site.have(first)
        names = ("web.localhost", "www.web.localhost", "late.localhost", "half.localhost")
        for name in ("one", "two", "three"):
            site.follower(name, *names, ASK_SECONDS="1")
        site.serve(first)
        site.listens("web1")
        yield site
    finally:
        site.close()


@pytest.fixture(scope="module")
def load(site: Acme) -> Iterator[Load]:
    """Requests to every proxy, which verify what they are shown."""
    load = Load(site)
    load.pause = 0.1
    with load:
        yield load


def test_the_first_certificate_is_served_by_every_proxy(site: Acme) -> None:
    """Until then, the platform's own."""
    assert not site.trusted("web.localhost")
    assert site.https(site.at("one"), "web.localhost").status == 200
    site.keep()
    try:
        wait_for("certificates by the authority", lambda: site.trusted("web.localhost"), 90)
    except AssertionError:
        raise AssertionError(site.said()) from None
    site.serial = site.certificate(site.at("one"), "web.localhost").serial_number
    assert site.trusted("www.web.localhost")
    assert site.status("web")["names"] == ["web.localhost", "www.web.localhost"]
    # Of a name that nobody asked for, nothing has changed.
    assert (
        site.certificate(site.at("one"), "nobody.localhost").issuer
        == x509.load_pem_x509_certificate((site.directory / "tls.crt").read_bytes()).issuer
    )


def test_keys_are_roots_alone(site: Acme) -> None:
    modes = site.show("one", "stat -c '%a %u' /run/proxy/current/acme/web.key /run/proxy/state/leaves/web.key").split(
        "\n"
    )
    assert modes[:2] == ["400 0", "400 0"]
    for path in (site.directory / "kept1" / "acme").iterdir():
        assert path.stat().st_mode & 0o777 == 0o600, path
    key = site.of_keeper("sed -n 2p /run/acme/client/live/web/privkey.pem").strip()
    assert len(key) > 20
    assert key not in site.said()
    assert key not in site.of_keeper("cat /run/acme/logs/* /proc/[0-9]*/cmdline | tr '\\0' ' '")
    # The proxies get the certificates, and not the account.
    assert "private_key" not in site.show("one", "find /run/proxy/state -name '*account*' -o -name '*private_key*'")


@pytest.mark.usefixtures("load")
def test_a_task_that_moves_goes_on_with_the_account(site: Acme) -> None:
    """And asks for nothing that is there."""
    before = site.account()
    site.keep()
    wait_for("its archive", lambda: "goes on with the archive" in site.said(), 90)
    assert site.account() == before
    assert site.certificate(site.at("one"), "web.localhost").serial_number == site.serial


@pytest.mark.usefixtures("load")
def test_an_authority_that_is_down_takes_nothing_away(site: Acme) -> None:
    """The platform's own is served meanwhile; what failed is told and tried again, with longer and longer waits."""
    pebble = site.of("pebble")
    site.network.disconnect(pebble)
    version = site.version([WEB, LATE])
    site.have(version)
    site.serve(version)
    wait_for("a failure", lambda: "pebble" in site.status("late").get("reason", ""), 90)
    assert not site.trusted("late.localhost")
    assert site.https(site.at("two"), "late.localhost").status == 200
    assert site.trusted("web.localhost")
    figures = site.of_keeper(
        "python3 -c \"import urllib.request as u; print(u.urlopen('http://127.0.0.1:8080/metrics').read().decode())\""
    )
    assert 'certificate_until_seconds{app="late"} 0\n' in figures
    assert 'certificate_renewal_failures{app="late"} 0\n' not in figures
    assert 'certificate_renewal_failures{app="web"} 0\n' in figures
    site.network.connect(pebble, aliases=["pebble"])
    wait_for("a certificate after all", lambda: site.trusted("late.localhost"), 90)
    assert site.status("late")["failures"] == 0


@pytest.mark.usefixtures("load")
def test_a_name_that_leads_elsewhere_is_not_asked_for(site: Acme) -> None:
    """The others of its app are."""
    version = site.version([WEB, ASTRAY])
    site.have(version)
    wait_for("a certificate for what leads here", lambda: site.trusted("half.localhost"), 90)
    status = site.status("astray")
    assert status["names"] == ["half.localhost"]
    assert "does not answer" in status["left_out"]["away.localhost"], status
    assert status["failures"] == 0
    assert "away.localhost" not in "".join(one for one in site.log("pebble") if "CSR" in one or "order" in one)


@pytest.mark.usefixtures("load")
def test_a_route_that_goes_takes_its_certificate_along(site: Acme) -> None:
    site.have(site.version([WEB]))
    wait_for("no certificate of it", lambda: "astray: let go" in site.said(), 90)
    wait_for(
        "the proxies without it",
        lambda: site.show("one", "ls /run/proxy/state/leaves").split() == ["web.crt", "web.key"],
        90,
    )
    assert site.of_keeper("ls /run/acme/client/live").split() == ["README", "web"]


def test_a_renewal_loses_no_request(site: Acme, load: Load) -> None:
    wait_for(
        "another certificate",
        lambda: site.certificate(site.at("one"), "web.localhost").serial_number != site.serial,
        LIFE_SECONDS,
    )
    sent = load.sent
    time.sleep(1)
    assert load.sent > sent
    assert load.lost == []
    # certbot keeps what it ever got; we don't.
    assert len(site.of_keeper("ls /run/acme/client/archive/web").split()) == 4


@pytest.mark.usefixtures("load")
def test_a_manager_that_was_away_gets_what_there_is(site: Acme) -> None:
    version = site.told(1)["one"].serves
    for path in (site.directory / "kept3" / "acme").iterdir():
        path.unlink()
    site.state(3, version)
    wait_for("the archive", lambda: (site.directory / "kept3" / "acme" / "client").exists(), 90)
    assert site.status("web", 3)["names"] == ["web.localhost", "www.web.localhost"]
