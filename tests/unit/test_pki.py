"""Certificates, passwords and the plan of the secret store, under a clock of our own."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.plugin_utils import certificates, pki
from ansible_collections.fungap.swarm.plugins.plugin_utils.secret_store import (
    CertificateRequest,
    SecretsPlan,
    SecretsRequest,
    describe,
    plan_secrets,
)

NOW = datetime.datetime(2026, 11, 22, 12, 0, tzinfo=datetime.timezone.utc)
DAY = datetime.timedelta(days=1)
REGISTRY = CertificateRequest(("registry",), ("172.30.0.2",))


def request(**changes: object) -> SecretsRequest:
    values: dict[str, object] = {
        "directory": "/secrets",
        "ca_name": "lab CA",
        "certificates": {"registry": REGISTRY},
        "passwords": ["registry", "grafana"],
        "htpasswd": {"registry": "platform"},
    }
    return SecretsRequest(**{**values, **changes})  # type: ignore[arg-type]


def test_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    pki.check_libraries()
    monkeypatch.setattr(pki, "MISSING_LIBRARY", "No module named 'bcrypt'")
    with pytest.raises(PlatformError, match=r"cryptography and bcrypt on the controller.*No module named 'bcrypt'"):
        pki.check_libraries()


def test_certificate_is_not_judged_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(certificates, "MISSING_LIBRARY", "No module named 'cryptography'")
    problems = list(certificates.check_certificate(b"any", None, ["web.localhost"], NOW))
    assert [problem for _about_key, _serves, problem, _cure in problems] == [
        "can't be checked: No module named 'cryptography'"
    ]


@pytest.fixture(scope="module")
def first() -> SecretsPlan:
    return plan_secrets(request(), {}, NOW)


def test_a_first_run_writes_everything_keys_before_certificates(first: SecretsPlan) -> None:
    assert list(first.writes) == [
        "ca.key",
        "ca.crt",
        "registry.key",
        "registry.crt",
        "registry.password",
        "registry.htpasswd",
        "grafana.password",
    ]


def test_a_second_run_writes_nothing_and_says_the_same(first: SecretsPlan) -> None:
    second = plan_secrets(request(), first.writes, NOW + DAY)
    assert second.writes == {}
    assert second.facts == first.facts


@pytest.mark.parametrize("kept", range(7))
def test_a_run_killed_between_two_files_is_completed(first: SecretsPlan, kept: int) -> None:
    found = dict(list(first.writes.items())[:kept])
    resumed = {**found, **plan_secrets(request(), found, NOW).writes}
    assert plan_secrets(request(), resumed, NOW).writes == {}
    assert {name: resumed[name] for name in found if name != "registry.key"} == {
        name: content for name, content in found.items() if name != "registry.key"
    }


def test_a_run_killed_in_a_renewal_is_completed(first: SecretsPlan) -> None:
    found = {**first.writes, "registry.key": pki.new_key()}
    plan = plan_secrets(request(), found, NOW)
    assert plan.reasons == dict.fromkeys(["registry.key", "registry.crt"], "certificate and key do not belong together")


def test_facts_hold_no_key_and_no_password(first: SecretsPlan) -> None:
    told = repr(first.facts)
    assert "PRIVATE KEY" not in told
    assert first.writes["registry.password"].strip() not in told
    assert first.writes["registry.htpasswd"].strip() not in told
    assert first.facts["certificates"]["registry"]["key_file"] == "/secrets/registry.key"


def test_diffs_hold_no_key_and_no_password(first: SecretsPlan) -> None:
    for name, content in first.writes.items():
        assert content.strip() not in describe(name, content)
    assert describe("registry.crt", first.writes["registry.crt"]).startswith(
        "registry.crt: 172.30.0.2, registry, until"
    )
    # What only would be made has no fingerprint yet.
    assert "SHA-256" not in describe("registry.crt", first.writes["registry.crt"], is_made=False)


def test_the_certificate_is_what_docker_and_browsers_want(first: SecretsPlan) -> None:
    leaf = pki.load_certificate(first.writes["registry.crt"], "")
    leaf.verify_directly_issued_by(pki.load_certificate(first.writes["ca.crt"], ""))
    assert pki.certificate_names(first.writes["registry.crt"]) == {"registry", "172.30.0.2"}
    assert isinstance(leaf.public_key(), ec.EllipticCurvePublicKey)
    assert leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca is False
    assert leaf.not_valid_after_utc - leaf.not_valid_before_utc <= 366 * DAY
    assert leaf.not_valid_before_utc < NOW
    authority = pki.load_certificate(first.writes["ca.crt"], "")
    assert authority.extensions.get_extension_for_class(x509.BasicConstraints).value.ca is True
    assert pki.days_left(first.writes["ca.crt"], NOW) == pytest.approx(3652)


@pytest.mark.parametrize(
    ("days", "wanted", "reason"),
    [
        (0, REGISTRY, None),
        (334, REGISTRY, None),
        (336, REGISTRY, "it expires soon"),
        (900, REGISTRY, "it expires soon"),
        # As one that an earlier version made for 820 days.
        (-455, REGISTRY, "it lives too long"),
        (0, CertificateRequest(("registry",), ()), "its names changed"),
        (0, CertificateRequest(("registry", "mirror"), ("172.30.0.2",)), "its names changed"),
    ],
)
def test_renewal(first: SecretsPlan, days: int, wanted: CertificateRequest, reason: str | None) -> None:
    plan = plan_secrets(request(certificates={"registry": wanted}), first.writes, NOW + days * DAY)
    assert plan.reasons == (dict.fromkeys(["registry.key", "registry.crt"], reason) if reason else {})


def test_a_certificate_stays_for_the_names_that_it_has(first: SecretsPlan) -> None:
    kept = {"registry": CertificateRequest(None, ("172.30.0.2",))}
    plan = plan_secrets(request(certificates=kept), first.writes, NOW)
    assert plan.reasons == {}
    assert plan.facts["certificates"]["registry"]["names"] == ["172.30.0.2", "registry"]
    renewed = plan_secrets(request(certificates=kept), first.writes, NOW + 900 * DAY)
    assert pki.certificate_names(renewed.writes["registry.crt"]) == {"registry", "172.30.0.2"}
    none = plan_secrets(request(certificates={"proxy": CertificateRequest(None)}), first.writes, NOW)
    assert none.reasons == {}
    assert none.facts["certificates"] == {}


def test_another_ca_gives_other_certificates(first: SecretsPlan) -> None:
    other = plan_secrets(request(), {}, NOW).writes
    found = {**first.writes, "ca.key": other["ca.key"], "ca.crt": other["ca.crt"]}
    assert set(plan_secrets(request(), found, NOW).reasons.values()) == {"it is not by the platform's CA"}


def test_an_ageing_ca_is_renewed_from_its_key_and_its_leaves_stay(first: SecretsPlan) -> None:
    late = NOW + 3260 * DAY
    fresh = {**first.writes, **plan_secrets(request(), first.writes, NOW + 3200 * DAY).writes}
    plan = plan_secrets(request(ca_name="another name"), fresh, late)
    assert plan.reasons == {"ca.crt": "it expires soon"}
    assert pki.common_name(plan.writes["ca.crt"]) == "lab CA"


def test_no_certificate_outlives_the_ca(first: SecretsPlan) -> None:
    found = dict(first.writes)
    for days in range(0, 8000, 100):
        found.update(plan_secrets(request(), found, NOW + days * DAY).writes)
        assert pki.not_after(found["registry.crt"]) <= pki.not_after(found["ca.crt"]), days
        assert pki.days_left(found["registry.crt"], NOW + days * DAY) >= pki.RENEW_BELOW_DAYS, days


def test_a_mutual_certificate_is_a_clients_too_and_as_old_as_the_ca() -> None:
    wanted = {"proxy-state": CertificateRequest(("proxy-state",), is_mutual=True)}
    made = plan_secrets(request(certificates=wanted, passwords=[], htpasswd={}), {}, NOW)
    certificate = x509.load_pem_x509_certificate(made.writes["proxy-state.crt"].encode())
    uses = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert set(uses) == {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH}
    assert pki.not_after(made.writes["proxy-state.crt"]) == pki.not_after(made.writes["ca.crt"])
    # Nobody makes it anew every year.
    again = request(certificates=wanted, passwords=[], htpasswd={})
    assert plan_secrets(again, made.writes, NOW + 3000 * DAY).writes == {}


@pytest.mark.parametrize(
    ("life", "left", "soon"),
    [(3652, 396, False), (3652, 394, True), (365, 364, False), (365, 123, False), (365, 120, True)],
)
def test_when_a_ca_ends_soon(life: int, left: int, soon: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pki, "CA_DAYS", life)
    assert pki.ca_ends_soon(pki.make_ca("lab CA", pki.new_key(), NOW), NOW + (life - left) * DAY) is soon


def test_a_lost_ca_key_is_never_papered_over(first: SecretsPlan) -> None:
    with pytest.raises(PlatformError, match=r"ca\.key is missing"):
        plan_secrets(request(), {"ca.crt": first.writes["ca.crt"]}, NOW)
    with pytest.raises(PlatformError, match="do not belong together"):
        plan_secrets(request(), {**first.writes, "ca.key": pki.new_key()}, NOW)


def test_a_persons_own_password_stays_and_htpasswd_follows_it(first: SecretsPlan) -> None:
    plan = plan_secrets(request(), {**first.writes, "registry.password": "mine\n"}, NOW)
    assert plan.reasons == {"registry.htpasswd": "user or password changed"}
    assert pki.htpasswd_matches(plan.writes["registry.htpasswd"], "platform", "mine")


def test_passwords_are_long_and_differ(first: SecretsPlan) -> None:
    one, other = first.writes["registry.password"].strip(), first.writes["grafana.password"].strip()
    assert len(one) >= 32
    assert one.isalnum()
    assert one != other


def given(names: tuple[str, ...], *, at: datetime.datetime = NOW, key: str | None = None) -> pki.KeyPair:
    ca_key, leaf_key = pki.new_key(), pki.new_key()
    ca = pki.KeyPair(pki.make_ca("somebody", ca_key, at), ca_key)
    return pki.KeyPair(pki.issue(ca, leaf_key, names, (), at), key or leaf_key)


def own(pair: pki.KeyPair, *names: str) -> SecretsPlan:
    wanted = CertificateRequest(names, (), pair, ("/mine/tls.crt", "/mine/tls.key"))
    return plan_secrets(request(certificates={"proxy": wanted}, passwords=[], htpasswd={}), {}, NOW)


def test_a_given_certificate_wins() -> None:
    plan = own(given(("*.example.org", "example.org")), "web.example.org", "example.org")
    assert set(plan.writes) == {"ca.key", "ca.crt"}
    assert plan.facts["certificates"]["proxy"]["key_file"] == "/mine/tls.key"
    assert plan.facts["certificates"]["proxy"]["given"] is True
    assert plan.warnings == []


@pytest.mark.parametrize(
    ("at", "says"),
    [
        (NOW - 345 * DAY, "expires in 20 days"),
        # The preflight of site.yml refuses these; a rollback and a status go on.
        (NOW - 400 * DAY, "expired on 2026-"),
        (NOW + 2 * DAY, "valid only from"),
    ],
)
def test_a_given_certificate_that_is_not_valid_for_long_is_warned_of(at: datetime.datetime, says: str) -> None:
    plan = own(given(("a.org",), at=at), "a.org")
    assert says in plan.warnings[0]
    assert plan.facts["certificates"]["proxy"]["given"] is True


@pytest.mark.parametrize(
    ("pair", "says"),
    [
        (given(("b.org",)), "is for b.org, not for a.org"),
        (given(("*.a.org",)), "not for a.org"),
        (given(("a.org",), key=pki.new_key()), "do not belong together"),
        (pki.KeyPair("no certificate", pki.new_key()), "not a PEM certificate"),
        (pki.KeyPair(given(("a.org",)).certificate, "no key"), "not a PEM private key"),
    ],
)
def test_a_given_certificate_that_would_not_work_is_refused(pair: pki.KeyPair, says: str) -> None:
    with pytest.raises(PlatformError) as error:
        own(pair, "a.org")
    assert says in error.value.message


@pytest.mark.parametrize(
    ("in_force", "days", "is_given", "says"),
    [
        ({}, 365, True, ""),
        ({"given": True, "until": pki.not_after(given(("a.org",)).certificate)}, 365, True, ""),
        # Renewed by its owner.
        ({"given": True, "until": "2026-02-01T00:00:00Z"}, 365, True, ""),
        # Not brought in by what changes routes alone.
        ({"given": False, "until": "2026-02-01T00:00:00Z"}, 365, False, ""),
        ({"given": True, "until": "2100-01-01T00:00:00Z"}, 365, None, "is valid until 20"),
        ({"given": True, "until": "2100-01-01T00:00:00Z"}, 0, None, "proxy_certificate_file is not set, while"),
        ({"given": False, "until": "2100-01-01T00:00:00Z"}, 0, False, ""),
    ],
)
def test_a_certificate_of_ones_own_that_is_in_force_is_not_replaced_by_less(
    in_force: dict[str, Any], days: int, is_given: bool | None, says: str
) -> None:
    """``days`` 0: this copy of the inventory has none."""
    files = {"given": given(("a.org",)), "given_files": ("/mine/tls.crt", "/mine/tls.key")} if days else {}
    wanted = request(certificates={"proxy": CertificateRequest(("a.org",), in_force=in_force, **files)})
    if says:
        with pytest.raises(PlatformError, match=says):
            plan_secrets(wanted, {}, NOW)
        return
    plan = plan_secrets(wanted, {}, NOW)
    assert plan.facts["certificates"]["proxy"]["given"] is is_given
    assert ("proxy.key" in plan.writes) is not is_given
    assert ("proxy.key" in wanted.files) is not is_given


def test_a_controller_without_the_platforms_ca_replaces_nothing(first: SecretsPlan) -> None:
    """``site.yml`` alone, which names no authority, makes another CA."""
    wanted = request(authorities=[pki.key_id(first.writes["ca.crt"])])
    for found in ({}, plan_secrets(request(), {}, NOW).writes):
        with pytest.raises(PlatformError, match=r"/secrets \(platform_secrets_dir\) is not where"):
            plan_secrets(wanted, found, NOW)
    # The ID by which folders know the platform is that of the key.
    assert first.facts["ids"] == [pki.key_id(first.writes["ca.crt"])]
    assert plan_secrets(request(id_replaced="x"), first.writes, NOW).facts["ids"] == [*first.facts["ids"], "x"]
    # Its certificate may be another one by now, of the same key.
    renewed = plan_secrets(wanted, first.writes, NOW + 3300 * DAY)
    assert renewed.writes["ca.crt"] != first.writes["ca.crt"]
    assert renewed.facts["ids"] == first.facts["ids"]


@pytest.mark.parametrize(
    ("pattern", "host", "covered"),
    [
        ("a.org", "a.org", True),
        ("A.org", "a.ORG", True),
        ("*.a.org", "www.a.org", True),
        ("*.a.org", "a.org", False),
        ("*.a.org", "x.y.a.org", False),
        ("*.org", "localhost", False),
    ],
)
def test_names_covered(pattern: str, host: str, covered: bool) -> None:
    assert pki.covers(pattern, host) is covered


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"passwords": ["../x"]}, "no name for a secret"),
        ({"certificates": {"ca": REGISTRY}}, "no name for a secret"),
        ({"passwords": []}, "not in passwords"),
    ],
)
def test_refused_requests(changes: dict[str, object], says: str) -> None:
    with pytest.raises(PlatformError) as error:
        request(**changes)
    assert says in error.value.message


def test_an_ssh_key_is_made_once_and_told_by_its_public_half() -> None:
    plan = plan_secrets(request(ssh_keys=["agent"]), {}, NOW)
    key = plan.writes["agent.ssh"]
    assert key.startswith("-----BEGIN OPENSSH PRIVATE KEY-----")
    told = plan.facts["ssh_keys"]["agent"]
    assert told["file"] == "/secrets/agent.ssh"
    assert told["public_key"].startswith("ssh-ed25519 AAAA")
    assert "PRIVATE" not in describe("agent.ssh", key)
    again = plan_secrets(request(ssh_keys=["agent"]), plan.writes, NOW)
    assert again.writes == {}
    assert again.facts == plan.facts


def test_a_broken_ssh_key_is_named() -> None:
    with pytest.raises(PlatformError, match=r"/secrets/agent\.ssh is no private key"):
        plan_secrets(request(ssh_keys=["agent"]), {"agent.ssh": "hunter2"}, NOW)


def test_a_certificate_needs_a_name() -> None:
    with pytest.raises(PlatformError, match="at least one name"):
        plan_secrets(request(certificates={"proxy": CertificateRequest(())}), {}, NOW)
