"""Routes from apps."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.fungap.swarm.plugins.plugin_utils.app import DEFAULTS
from ansible_collections.fungap.swarm.plugins.plugin_utils.routes import (
    app_routes,
    other_hosts,
    proxy_addresses,
    proxy_error_pages,
    proxy_logins,
    proxy_nodes,
    proxy_rates,
    proxy_redirects,
    proxy_servers,
)

WEB = {"hosts": ["web.localhost"], "port": 3000, "replicas": 3}
ROUTE = {"name": "web", "hosts": ["web.localhost"], "upstream": "tasks.web_web", "port": 3000, "source": "apps.web"}
# What an older revision does not know has its default.
ROUTE |= DEFAULTS["route"]


@pytest.mark.parametrize(
    ("apps", "routes"),
    [
        ({}, []),
        ({"web": WEB}, [ROUTE]),
        ({"worker": {"port": 1}}, []),
        ({"web": {**WEB, "route": {"sticky": False}}}, [{**ROUTE, "sticky": False}]),
        (
            {"web": {**WEB, "route": {"sticky": True, "upload_size": "1m"}}},
            [{**ROUTE, "sticky": True, "upload_size": "1m", "slots": 3, "slot_prefix": "web-slot-"}],
        ),
    ],
)
def test_app_routes(apps: dict[str, Any], routes: list[dict[str, Any]]) -> None:
    assert app_routes(apps) == routes


def test_routes_are_sorted_and_the_service_can_have_another_name() -> None:
    routes = app_routes({"b": WEB, "a": WEB}, service="app")
    assert [route["upstream"] for route in routes] == ["tasks.a_app", "tasks.b_app"]


def test_the_proxys_nodes_have_the_addresses_that_are_known() -> None:
    nodes = [{"name": "m1", "address": "", "host": "vm1"}, {"name": "m2", "address": "192.0.2.2", "host": "vm2"}]
    assert proxy_nodes(nodes, {"m1": "192.0.2.1", "m2": "198.51.100.2"}) == [
        {"name": "m1", "address": "192.0.2.1"},
        {"name": "m2", "address": "192.0.2.2"},
    ]
    assert proxy_nodes(nodes, {}) == [{"name": "m2", "address": "192.0.2.2"}]
    # Of a silent machine nobody knows the host name but the swarm.
    assert proxy_nodes(nodes[1:], {"debian": "192.0.2.2"}) == [{"name": "debian", "address": "192.0.2.2"}]
    # Nor has one that the swarm has no address of the name of another one that has none.
    silent = [nodes[0], {"name": "m3", "address": "", "host": "vm3"}]
    assert proxy_nodes(silent, {"gone": "", "m1": "192.0.2.1"}) == [{"name": "m1", "address": "192.0.2.1"}]
    # What it was called before it joined anew is no name of its own.
    assert proxy_nodes(nodes[1:], {"m2": "192.0.2.2", "ghost": "192.0.2.2"}) == [{"name": "m2", "address": "192.0.2.2"}]


@pytest.mark.parametrize(
    ("jenkins", "found"),
    [({"host": ""}, {}), ({"host": "vm2", "name": "ci.localhost"}, {"ci.localhost": "jenkins_host"})],
)
def test_what_is_no_apps_host(jenkins: dict[str, Any], found: dict[str, str]) -> None:
    platform = {"monitoring": {"hosts": {"grafana": "g.localhost"}}, "jenkins": jenkins}
    assert other_hosts(platform) == {"g.localhost": "monitoring_hosts.grafana", **found}


@pytest.mark.parametrize(
    ("redirect", "becomes"),
    [
        ({"host": "www.a.io", "to": "a.io"}, ("", "", 301, "https://a.io:8443$request_uri")),
        ({"host": "www.a.io", "to": "https://b.io/", "status": 302}, ("", "", 302, "https://b.io$request_uri")),
        ({"host": "www.a.io", "to": "https://b.io"}, ("", "", 301, "https://b.io$request_uri")),
        ({"host": "www.a.io", "to": "https://b.io/x"}, ("", "", 301, "https://b.io/x$is_args$args")),
        ({"path": "/x", "to": "/y"}, ("= /x", "", 301, "https://$host:8443/y$is_args$args")),
        ({"path": "/x", "to": "/y?z=1"}, ("= /x", "", 301, "https://$host:8443/y?z=1")),
        ({"path": "/x", "to": "https://b.io#y"}, ("= /x", "", 301, "https://b.io#y")),
        ({"path": "/", "to": "/y/"}, ("= /", "", 301, "https://$host:8443/y/$is_args$args")),
        ({"path": "/x.y/", "to": "/y/"}, ("^~ /x.y/", "/x\\.y/", 301, "https://$host:8443/y/$below")),
        ({"path": "/x/", "to": "/y"}, ("^~ /x/", "", 301, "https://$host:8443/y$is_args$args")),
        ({"path": "/x/", "to": "/y/?z"}, ("^~ /x/", "", 301, "https://$host:8443/y/?z")),
    ],
)
def test_where_a_redirect_leads(redirect: dict[str, Any], becomes: tuple[Any, ...]) -> None:
    (found,) = proxy_redirects([redirect], ":8443")
    assert tuple(found[key] for key in ("location", "below", "status", "target")) == becomes
    assert found["host"] == redirect.get("host", "")


def at(number: int, *locations: tuple[str, str], moved: int = 0) -> dict[str, Any]:
    return {
        "number": number,
        "moved": moved,
        "locations": [{"match": match, "prefix": prefix} for match, prefix in locations],
    }


@pytest.mark.parametrize(
    ("routes", "servers"),
    [
        ([], []),
        ([{"hosts": ["a", "b"]}, {"hosts": ["c"]}], [(["a", "b"], [at(1, ("/", ""))]), (["c"], [at(2, ("/", ""))])]),
        ([{"hosts": ["a"], "paths": ["/x/"]}], [(["a"], [at(1, ("= /x", ""), ("^~ /x/", ""))])]),
        # b has both, a and c have one of them.
        (
            [{"hosts": ["a", "b"]}, {"hosts": ["b", "c"], "paths": ["/x"], "strip_path": True}],
            [
                (["a"], [at(1, ("/", ""))]),
                (["b"], [at(1, ("/", "")), at(2, ("= /x", "/x"), ("^~ /x/", "/x"))]),
                (["c"], [at(2, ("= /x", "/x"), ("^~ /x/", "/x"))]),
            ],
        ),
        # A host that leads elsewhere does so with the paths of its app alone.
        (
            [
                {"hosts": ["a", "b"], "redirects": [{"path": "/", "to": "/y"}, {"host": "b", "to": "a"}]},
                {"hosts": ["b"], "paths": ["/x"]},
            ],
            [
                (["a"], [at(1, ("/", ""))]),
                (["b"], [at(1, ("/", ""), moved=2), at(2, ("= /x", ""), ("^~ /x/", ""))]),
            ],
        ),
        # What is a redirect is no place of the app.
        (
            [{"hosts": ["a"], "paths": ["/x", "/x/"], "redirects": [{"path": "/x", "to": "/x/y"}]}],
            [(["a"], [at(1, ("^~ /x/", ""))])],
        ),
        ([{"hosts": ["a"], "paths": ["/"], "strip_path": True}], [(["a"], [at(1, ("/", ""))])]),
    ],
)
def test_which_routes_a_host_has(routes: list[dict[str, Any]], servers: list[tuple[Any, ...]]) -> None:
    found = proxy_servers(routes)
    assert [(one["hosts"], one["places"]) for one in found] == servers
    assert [one["is_shared"] for one in found] == [len(places) > 1 for _hosts, places in servers]
    whole = [any("/" in {where["match"] for where in one["locations"]} for one in places) for _hosts, places in servers]
    assert [one["is_whole"] for one in found] == whole


LOGIN = {"realm": "web", "file": "htpasswd-web", "content": "alice:b\nbob:a\n"}


@pytest.mark.parametrize(
    ("route", "becomes"),
    [
        ({}, None),
        ({"basic_auth": {"users": {}, "paths": []}}, None),
        ({"auth": True}, {"realm": "web", "file": "htpasswd", "content": "", "where": ["^web/"]}),
        ({"basic_auth": {"users": {"bob": "a", "alice": "b"}}}, {**LOGIN, "where": ["^web/"]}),
        (
            {"basic_auth": {"users": {"bob": "a", "alice": "b"}, "paths": ["/x.y/", "/"]}},
            {**LOGIN, "where": [r"^web/x\.y(?![A-Za-z0-9_~-])", "^web/"]},
        ),
        ({"name": "off", "auth": True}, {"realm": "app off", "file": "htpasswd", "content": "", "where": ["^off/"]}),
    ],
)
def test_where_a_login_is_asked_for(route: dict[str, Any], becomes: dict[str, Any] | None) -> None:
    given = {"name": "web", "hosts": ["a.io", "b.io"], **route}
    assert proxy_logins([given]) == ([{"name": given["name"], **becomes}] if becomes else [])


@pytest.mark.parametrize(
    ("page", "kind"),
    [
        ("<h1>a</h1>", "text/html"),
        ("\n <!DOCTYPE html>", "text/html"),
        ('{"error": "busy"}', "application/json"),
        ("[1]", "application/json"),
        ("{a}", "text/plain"),
        ("1", "text/plain"),
        ("busy", "text/plain"),
    ],
)
def test_pages_of_the_proxys_own_errors(page: str, kind: str) -> None:
    pages = [{"status": [429], "page": "x"}, {"status": [504, "502"], "page": page}]
    found = proxy_error_pages([{"name": "web", "error_pages": pages}, {"name": "api"}])
    assert found[1] == {"route": "web", "statuses": [502, 504], "name": "web-2", "type": kind, "content": page}
    assert [one["name"] for one in found] == ["web-1", "web-2"]


@pytest.mark.parametrize(
    ("limit", "becomes"),
    [
        ({}, None),
        ({"requests_per_second": 0, "burst": 20, "paths": [], "connections": 0}, None),
        ({"requests_per_second": 10}, (600, 20, [], 0, 1)),
        ({"requests_per_second": 0.3, "burst": 0, "connections": 5}, (18, 0, [], 5, 4)),
        ({"connections": 5}, (0, 20, [], 5, 1)),
        (
            {"requests_per_second": 1, "paths": ["/a.b", "/c/"]},
            (60, 20, [r"/a\.b(?![A-Za-z0-9_~-])", "/c(?![A-Za-z0-9_~-])"], 0, 1),
        ),
    ],
)
def test_how_often_a_client_may_ask(limit: dict[str, Any], becomes: tuple[Any, ...] | None) -> None:
    found = proxy_rates([{"name": "web", "rate_limit": limit}, {"name": "api"}])
    keys = ("per_minute", "burst", "patterns", "connections", "seconds")
    assert [tuple(one[key] for key in keys) for one in found] == ([becomes] if becomes else [])


@pytest.mark.parametrize(
    ("given", "becomes"),
    [
        (["192.0.2.1", "192.0.2.0/24", "192.0.2.1"], ["192.0.2.1", "192.0.2.0/24"]),
        (["1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0/112"], ["1:2:3:4:5:6:7:0", "1:2:3:4:5:6:7:0/112"]),
        (["2001:DB8:0::1", "10.1.2.3/8", "2001:db8::1/32"], ["2001:db8::1", "10.0.0.0/8", "2001:db8::/32"]),
        (["0.0.0.0/0", "::/0"], ["0.0.0.0/0", "::/0"]),
        (["unix:", "a/b"], ["unix:", "a/b"]),
    ],
)
def test_addresses_are_written_as_nginx_reads_them(given: list[str], becomes: list[str]) -> None:
    assert proxy_addresses(given) == becomes
