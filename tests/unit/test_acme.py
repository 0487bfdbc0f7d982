"""Certificates by ACME: what is asked for, when, and how long it waits after a failure."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from platform_acme.client import said
from platform_acme.plan import (
    Attempts,
    Certificate,
    Told,
    agreed,
    failed,
    is_due,
    is_failing,
    metrics,
    names_to_ask,
    need,
    parse_wanted,
    stale,
)
from platform_acme.states import pack, unpack
from platform_acme.web import CHALLENGES, Web

from ansible_collections.fungap.swarm.plugins.module_utils.certificates.plan import (
    Kept,
    is_settled,
    parse_kept,
    rows,
    warnings,
)
from ansible_collections.fungap.swarm.plugins.plugin_utils.acme import SERVERS, resolve_acme, wanted_images
from ansible_collections.fungap.swarm.plugins.plugin_utils.routes import acme_names

DAY = 86400.0
SERVER, STAGING = SERVERS["letsencrypt"], SERVERS["letsencrypt-staging"]
NOW = 100 * DAY
NAMES = ("shop.example.com", "www.shop.example.com")


def certificate(
    left: float = 60, life: float = 90, names: tuple[str, ...] = NAMES, server: str = SERVER
) -> Certificate:
    """``left``: days."""
    return Certificate(frozenset(names), NOW + (left - life) * DAY, NOW + left * DAY, server)


@pytest.mark.parametrize(
    ("held", "why"),
    [
        (None, "there is none"),
        (certificate(), ""),
        (certificate(left=31), ""),
        (certificate(left=29), "it ends soon"),
        (certificate(left=-1), "it ends soon"),
        # Of those that live for six days, too.
        (certificate(left=3, life=6), ""),
        (certificate(left=1.9, life=6), "it ends soon"),
        (certificate(names=NAMES[::-1]), ""),
        (certificate(names=NAMES[:1]), "its names are others"),
        (certificate(names=(*NAMES, "old.example.com")), "its names are others"),
        (certificate(server=STAGING), "it is by another authority"),
    ],
)
def test_when_a_certificate_is_asked_for(held: Certificate | None, why: str) -> None:
    assert need(NAMES, held, SERVER, NOW) == why


@pytest.mark.parametrize(
    ("held", "elsewhere", "asked"),
    [
        (None, (), NAMES),
        (None, NAMES[1:], NAMES[:1]),
        (None, NAMES, ()),
        # It is there for the one that leads here.
        (certificate(names=NAMES[:1]), NAMES[1:], ()),
        (certificate(names=NAMES[:1]), (), NAMES),
        # It is renewed without a name that it has only when it would end.
        (certificate(left=29), NAMES[1:], ()),
        (certificate(left=8), NAMES[1:], NAMES[:1]),
        (certificate(left=8), NAMES, ()),
        (certificate(left=29), (), NAMES),
        (certificate(server=STAGING), (), NAMES),
    ],
)
def test_names_that_lead_elsewhere(
    held: Certificate | None, elsewhere: tuple[str, ...], asked: tuple[str, ...]
) -> None:
    assert names_to_ask(NAMES, held, dict.fromkeys(elsewhere, "leads elsewhere"), SERVER, NOW) == asked


def test_an_authority_is_asked_again_less_and_less_often() -> None:
    attempts, waits = Attempts(), []
    for _failure in range(8):
        attempts = failed(attempts, NAMES, SERVER, "down", NOW)
        waits.append(attempts.retry_at - NOW)
    assert waits == [60, 240, 960, 3840, 15360, 21600, 21600, 21600]
    # Five failures in an hour are one too many for Let's Encrypt.
    assert sum(waits[:4]) > 3600
    assert (attempts.failures, attempts.reason) == (8, "down")


def test_a_name_on_its_way_is_looked_at_more_often() -> None:
    attempts, waits = Attempts(), []
    for _failure in range(10):
        attempts = failed(attempts, NAMES, SERVER, "has no address", NOW, was_asked=False)
        waits.append(attempts.retry_at - NOW)
    assert waits == [5, 10, 20, 40, 80, 160, 320, 640, 900, 900]
    # The authority has not been asked yet, so its first refusal is the first.
    refused = failed(attempts, NAMES, SERVER, "down", NOW)
    assert (refused.retry_at - NOW, refused.failures, refused.refusals) == (60, 11, 1)
    assert failed(refused, NAMES, SERVER, "has no address", NOW, was_asked=False).retry_at == NOW + 900


def test_another_wish_waits_for_nothing() -> None:
    attempts = failed(failed(Attempts(), NAMES[:1], SERVER, "no", NOW), NAMES[:1], SERVER, "no", NOW)
    assert not is_due(NAMES[:1], attempts, SERVER, NOW + 1)
    assert is_due(NAMES[:1], attempts, SERVER, NOW + 240)
    assert is_due(NAMES, attempts, SERVER, NOW + 1)
    assert is_due(NAMES[:1], attempts, STAGING, NOW + 1)
    assert failed(attempts, NAMES[:1], STAGING, "no", NOW).failures == 1
    assert failed(attempts, NAMES, SERVER, "no", NOW).failures == 1


@pytest.mark.parametrize(
    ("held", "attempts", "failing"),
    [
        (certificate(), Attempts(NAMES), False),
        (None, Attempts(NAMES, failures=1), True),
        (certificate(left=20), Attempts(NAMES, failures=3), True),
        # One of its names leads elsewhere, and it was never asked for.
        (certificate(names=NAMES[:1]), Attempts(NAMES, failures=3, left_out={NAMES[1]: "has no address"}), False),
        (None, Attempts(NAMES, failures=3, left_out=dict.fromkeys(NAMES, "has no address")), True),
    ],
)
def test_what_is_a_failure(held: Certificate | None, attempts: Attempts, failing: bool) -> None:
    assert is_failing(NAMES, held, attempts, SERVER, NOW) is failing


@pytest.mark.parametrize(
    ("versions", "managers", "patient", "expected"),
    [
        (["a"], 1, False, "a"),
        (["a", "a"], 3, False, "a"),
        (["a"], 3, False, None),
        (["a"], 3, True, "a"),
        (["a", "b"], 3, True, None),
        ([], 1, True, None),
    ],
)
def test_what_most_of_the_managers_say_counts(
    versions: list[str], managers: int, patient: bool, expected: str | None
) -> None:
    found = agreed([Told(version, managers, {}) for version in versions], patient=patient)
    assert (found.version if found else None) == expected


def test_what_nobody_wants_is_let_go() -> None:
    assert stale({"shop": NAMES}, ["blog", "shop"]) == ["blog"]


def test_parse_wanted_leaves_out_what_has_no_name() -> None:
    assert parse_wanted({"shop": ["a.example", "a.example", "b.example"], "none": []}) == {
        "shop": ("a.example", "b.example")
    }


def test_figures() -> None:
    assert metrics({"shop": NOW, "blog": 0}, {"shop": 0, "blog": 3}).splitlines() == [
        "# TYPE certificate_until_seconds gauge",
        'certificate_until_seconds{app="blog"} 0',
        'certificate_until_seconds{app="shop"} 8640000',
        "# TYPE certificate_renewal_failures gauge",
        'certificate_renewal_failures{app="blog"} 3',
        'certificate_renewal_failures{app="shop"} 0',
    ]


def test_said_is_one_line_without_what_is_of_no_use() -> None:
    output = """Saving debug log to /run/acme/logs/letsencrypt.log
Requesting a certificate for a.example
An unexpected error occurred:
Name or service not known
Ask for help or search for solutions at https://community.letsencrypt.org. See the logfile.
"""
    assert said(output) == (
        "Requesting a certificate for a.example An unexpected error occurred: Name or service not known"
    )
    assert len(said("x" * 5000)) == 600


@pytest.mark.parametrize(
    ("path", "content"),
    [
        (f"{CHALLENGES}token-1_A", b"answer"),
        (f"{CHALLENGES}other", None),
        (f"{CHALLENGES}../../client/key", None),
        (f"{CHALLENGES}..%2Fkey", None),
        (CHALLENGES, None),
        ("/", None),
        ("/metrics", b"figures"),
    ],
)
def test_nothing_is_answered_but_challenges_and_figures(tmp_path: Path, path: str, content: bytes | None) -> None:
    folder = tmp_path / CHALLENGES.strip("/")
    folder.mkdir(parents=True)
    (folder / "token-1_A").write_text("answer")
    assert Web(tmp_path, lambda: "figures", 0).content(path) == content


def test_an_archive_brings_links_and_modes_along(tmp_path: Path) -> None:
    source, target = tmp_path / "client", tmp_path / "other"
    (source / "archive" / "shop").mkdir(parents=True)
    (source / "live" / "shop").mkdir(parents=True)
    key = source / "archive" / "shop" / "privkey1.pem"
    key.write_text("key")
    key.chmod(0o600)
    (source / "live" / "shop" / "privkey.pem").symlink_to("../../archive/shop/privkey1.pem")
    target.mkdir()
    unpack(pack(source), target)
    copied = target / "live" / "shop" / "privkey.pem"
    assert copied.is_symlink()
    assert copied.read_text() == "key"
    assert copied.stat().st_mode & 0o777 == 0o600


def route(name: str, *hosts: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "hosts": list(hosts), "upstream": f"tasks.{name}_web", "port": 80, **more}


def test_one_certificate_a_route_and_none_twice() -> None:
    """A host that is redirected is one of them; one that two apps have by paths is the first one's."""
    routes = [
        route("api", "shop.example.com", paths=["/api"]),
        route(
            "shop",
            *("shop.example.com", "www.shop.example.com"),
            redirects=[{"host": "www.shop.example.com", "to": "shop.example.com"}],
        ),
        route("blog", "blog.example.com"),
    ]
    assert acme_names(routes) == {
        "api": ["shop.example.com"],
        "shop": ["www.shop.example.com"],
        "blog": ["blog.example.com"],
    }


def test_an_authority_by_its_name() -> None:
    assert resolve_acme({}, "") == {}
    assert resolve_acme({"server": "letsencrypt-staging", "email": None}, "") == {
        "server": STAGING,
        "email": "",
        "ca": "",
        "probe": True,
    }
    own = {"server": "https://ca.example.com/dir", "email": "ops@example.com", "ca_file": "ca.crt", "probe": False}
    assert resolve_acme(own, "PEM") == {
        "server": "https://ca.example.com/dir",
        "email": "ops@example.com",
        "ca": "PEM",
        "probe": False,
    }
    assert wanted_images({"proxy_acme": {}}) == ()
    assert wanted_images({"proxy_acme": own}) == ("acme",)


KEPT = """v1
{"shop": ["shop.example.com", "www.shop.example.com"], "blog": ["blog.example.com"]}
"""
SHOP = {"names": list(NAMES), "until": NOW, "failures": 0, "reason": "", "retry_at": 0, "left_out": {}}
BLOG = {
    "names": [],
    "until": 0,
    "failures": 2,
    "reason": "blog.example.com leads to 192.0.2.7, which does not answer",
    "retry_at": NOW + 900,
    "left_out": {"blog.example.com": "leads to 192.0.2.7, which does not answer"},
}


def kept(version: str = "v1", **certificates: dict[str, Any]) -> Kept:
    return parse_kept(KEPT + "\n" + json.dumps({"version": version, "certificates": certificates}) + "\n")


@pytest.mark.parametrize(
    ("found", "until", "settled"),
    [
        (parse_kept(KEPT), NOW, False),
        (kept(shop=SHOP), NOW, False),
        (kept(shop=SHOP, blog=BLOG), NOW + 60, True),
        # It may be there before that.
        (kept(shop=SHOP, blog=BLOG), NOW + 1000, False),
        (kept(shop=SHOP, blog={**SHOP, "names": ["blog.example.com"]}), NOW + 1000, True),
        # What was told is of an earlier list.
        (kept("v0", shop=SHOP, blog={**SHOP, "names": ["blog.example.com"]}), NOW, False),
    ],
)
def test_how_long_a_run_waits_for_certificates(found: Kept, until: float, settled: bool) -> None:
    assert is_settled(found, until) is settled


def test_a_run_says_which_host_names_have_none_and_why() -> None:
    shop = {
        **SHOP,
        "names": [NAMES[0]],
        "left_out": {NAMES[1]: "has no address"},
        "reason": f"{NAMES[1]} has no address",
    }
    found = list(warnings(kept(shop=shop, blog=BLOG), {"blog.example.com": ["192.0.2.7"], NAMES[1]: []}))
    assert found == [
        "blog: no certificate by the authority yet for blog.example.com, the platform's own is served meanwhile: "
        "blog.example.com leads to 192.0.2.7, which does not answer; blog.example.com is found here at 192.0.2.7; "
        "it is tried again at 1970-04-11 00:15 UTC",
        "shop: no certificate by the authority yet for www.shop.example.com, the certificate that has no such name is "
        "served meanwhile: www.shop.example.com has no address; www.shop.example.com is found nowhere",
    ]
    late = {**SHOP, "failures": 3, "reason": "the authority is down", "retry_at": NOW + 60}
    assert list(warnings(kept(shop=late, blog={**SHOP, "names": ["blog.example.com"]}), {})) == [
        "shop: its certificate is not renewed, and good until 1970-04-11 00:00 UTC: the authority is down; "
        "it is tried again at 1970-04-11 00:01 UTC"
    ]
    assert rows(kept(shop=late))["blog"] == {
        "names": [],
        "lacking": ["blog.example.com"],
        "until": "",
        "failures": 0,
        "reason": "",
    }
