# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which host names lead to which service."""

from __future__ import annotations

import ipaddress
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.plugin_utils.app import DEFAULTS, route_paths

ROUTE_OPTIONS = (
    *(
        "paths",
        "strip_path",
        "protocol",
        "sticky",
        "upload_size",
        "read_timeout_seconds",
        "cookie_flags",
        "headers",
        "default_headers",
    ),
    *("redirects", "basic_auth", "allow", "deny", "rate_limit", "buffering", "compress", "error_pages", "maintenance"),
)


def proxy_nodes(nodes: Iterable[Mapping[str, Any]], addresses: Mapping[str, str]) -> list[dict[str, str]]:
    """The option of that name of the role proxy: the nodes with their addresses.

    ``nodes``: the platform's. ``addresses``: name -> what the swarm knows, for one whose machine does not answer, and
    so says neither its address nor its host name.
    """
    names = {address: name for name, address in addresses.items() if address}
    found = {}
    for name, address in ((node["name"], node["address"]) for node in nodes):
        known = addresses.get(name, "")
        # What was a node by another name may still be there, with the address that is this one's now.
        found[name if known == address else names.get(address, name)] = address or known
    return [{"name": name, "address": address} for name, address in found.items() if address]


def other_hosts(platform: Mapping[str, Any]) -> dict[str, str]:
    """The host names that are no app's, each with the variable that says so. ``platform``: the fact."""
    found = {host: f"monitoring_hosts.{page}" for page, host in platform["monitoring"]["hosts"].items()}
    if platform["jenkins"]["host"]:
        found[platform["jenkins"]["name"]] = "jenkins_host"
    return found


def app_routes(apps: Mapping[str, Mapping[str, Any]], service: str = "web") -> list[dict[str, Any]]:
    """``proxy_routes`` of the apps that have host names, by the apps' names.

    An app is the stack of its name with one service, ``service``; its replicas answer to ``tasks.<app>_<service>``, and
    one by one to ``<app>-slot-<number>``, the service's host name.
    """
    routes = []
    for name, app in sorted(apps.items()):
        if not app.get("hosts"):
            continue
        # What an older revision has recorded does not know all of them.
        options = {**DEFAULTS["route"], **(app.get("route") or {})}
        route = {
            "name": name,
            "hosts": list(app["hosts"]),
            "upstream": f"tasks.{name}_{service}",
            "port": app["port"],
            "source": f"apps.{name}",
            **{option: options[option] for option in ROUTE_OPTIONS},
        }
        if route.get("sticky"):
            route.update(slots=int(app.get("replicas", 1)), slot_prefix=f"{name}-slot-")
        routes.append(route)
    return routes


def app_requests(apps: Mapping[str, Mapping[str, Any]], app: str) -> list[dict[str, Any]]:
    """The option ``requests`` of stack_logs: by which host names and paths an app's requests are known."""
    if app not in apps:
        raise PlatformError(f"there is no app {app} in the inventory; there are: {', '.join(sorted(apps)) or 'none'}")
    hosts = list(apps[app].get("hosts") or [])
    if not hosts:
        raise PlatformError(f"apps.{app}.hosts is empty, so no request comes to {app} through the proxy")
    others = [one for name, one in apps.items() if name != app]
    return [
        {
            "host": host,
            "paths": route_paths(apps[app]),
            "other_paths": [path for one in others if host in (one.get("hosts") or []) for path in route_paths(one)],
        }
        for host in hosts
    ]


def proxy_servers(routes: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Which routes nginx has under which host names: ``hosts`` that lead to the same ``places``.

    A place has the ``number`` of its route, from 1, and its ``locations``, each with how it ``match``es and the
    ``prefix`` that is taken off. ``moved``: the number of the route's redirect that leads the host elsewhere, or 0.
    ``is_whole``: whether there is a place for every path. ``is_shared``: whether there are several.
    """
    found: dict[tuple[tuple[int, int], ...], list[str]] = {}
    for host in dict.fromkeys(host for route in routes for host in route["hosts"]):
        numbers = [number for number, route in enumerate(routes, 1) if host in route["hosts"]]
        found.setdefault(tuple((number, _moved(routes[number - 1], host)) for number in numbers), []).append(host)
    servers = []
    for places, hosts in found.items():
        described: list[dict[str, Any]] = [
            {"number": number, "moved": moved, "locations": _locations(routes[number - 1], is_moved=bool(moved))}
            for number, moved in places
        ]
        is_whole = any(location["match"] == "/" for place in described for location in place["locations"])
        servers.append({"hosts": hosts, "places": described, "is_whole": is_whole, "is_shared": len(places) > 1})
    return servers


def acme_names(routes: Sequence[Mapping[str, Any]]) -> dict[str, list[str]]:
    """Which host names are in which certificate: one for each route, by its name.

    A host that several routes have is in the first one's, which nginx serves it by.
    """
    found: dict[str, list[str]] = {}
    for server in proxy_servers(routes):
        found.setdefault(str(routes[server["places"][0]["number"] - 1]["name"]), []).extend(server["hosts"])
    return found


def _moved(route: Mapping[str, Any], host: str) -> int:
    hosts = [one.get("host") for one in route.get("redirects") or []]
    return hosts.index(host) + 1 if host in hosts else 0


def _locations(route: Mapping[str, Any], *, is_moved: bool) -> list[dict[str, str]]:
    """Of what is redirected itself there is none."""
    taken = set() if is_moved else {one["location"] for one in proxy_redirects(route.get("redirects") or [])}
    found = []
    for path in dict.fromkeys(route_paths({"route": route})):
        prefix = path if route.get("strip_path") and path != "/" else ""
        matches = ["/"] if path == "/" else [f"= {path}", f"^~ {path}/"]
        found += [{"match": match, "prefix": prefix} for match in matches if match not in taken]
    return found


def proxy_redirects(redirects: Iterable[Mapping[str, Any]], https_suffix: str = "") -> list[dict[str, Any]]:
    """What nginx answers redirects with: ``host`` or ``location``, the status and the ``target``.

    ``below``: where what follows a path stays, the pattern of that path; nginx finds the rest as ``$below``.
    ``https_suffix``: the port of our own host names, as ``:8443``.
    """
    return [_redirect(one, https_suffix) for one in redirects]


def _redirect(one: Mapping[str, Any], https_suffix: str) -> dict[str, Any]:
    host, path = one.get("host") or "", one.get("path") or ""
    to = _with_path(str(one["to"])) if host else str(one["to"])
    is_folder = path.endswith("/") and path != "/"
    below = re.escape(path) if is_folder and _takes_a_path(to) else ""
    location = f"^~ {path}" if is_folder else f"= {path}"
    return {
        "host": host,
        "location": "" if host else location,
        "below": below,
        "status": int(one.get("status") or 301),
        "target": _target_of_host(to, https_suffix) if host else _target_of_path(to, https_suffix, keeps=bool(below)),
    }


def _with_path(to: str) -> str:
    """A URL that is a host alone means its first page."""
    _scheme, is_url, rest = to.partition("://")
    return f"{to}/" if is_url and not re.search("[/?#]", rest) else to


def _takes_arguments(to: str) -> bool:
    """Whether what a request asks for may follow: no query and no fragment is there yet."""
    return not re.search("[?#]", to)


def _takes_a_path(to: str) -> bool:
    return to.endswith("/") and _takes_arguments(to)


def _target_of_host(to: str, https_suffix: str) -> str:
    """Where each request to a host goes: another host name of ours, or a URL."""
    if "://" not in to:
        return f"https://{to}{https_suffix}$request_uri"
    if _takes_a_path(to):
        return f"{to[:-1]}$request_uri"
    return f"{to}$is_args$args" if _takes_arguments(to) else to


def _target_of_path(to: str, https_suffix: str, *, keeps: bool) -> str:
    """Where a request to a path goes: another path of the host, or a URL. ``keeps``: with what follows the path."""
    target = to if "://" in to else f"https://$host{https_suffix}{to}"
    if keeps:
        return f"{target}$below"
    return f"{target}$is_args$args" if _takes_arguments(to) else target


def path_patterns(paths: Iterable[str]) -> list[str]:
    """What the beginnings of paths look like to nginx, each with all below it, and with whatever may follow a name."""
    return [re.escape(path.rstrip("/")) + ("(?![A-Za-z0-9_~-])" if path != "/" else "") for path in paths]


def proxy_addresses(addresses: Iterable[str]) -> list[str]:
    """Addresses and networks as nginx reads them, none twice: 1:2:3:4:5:6:7:: is none to it."""
    return list(dict.fromkeys(map(_short, addresses)))


def _short(address: str) -> str:
    """In the one short form, a network without host bits. What is neither is for nginx to judge."""
    try:
        read = ipaddress.ip_network(address, strict=False) if "/" in address else ipaddress.ip_address(address)
    except ValueError:
        return address
    return read.compressed


def proxy_rates(routes: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """How often and how much at once a client may ask, of the routes that say so.

    ``per_minute`` (0: no limit), ``burst``, the ``patterns`` of the paths that it is about (none: all),
    ``connections``, and after how many seconds one more is let through.
    """
    found = []
    for route in routes:
        limit = route.get("rate_limit") or {}
        rate, connections = float(limit.get("requests_per_second") or 0), int(limit.get("connections") or 0)
        if rate or connections:
            found.append(
                {
                    "name": str(route["name"]),
                    "per_minute": round(rate * 60),
                    "burst": int(limit.get("burst", 20)),
                    "patterns": path_patterns(limit.get("paths") or []),
                    "connections": connections,
                    "seconds": math.ceil(1 / rate) if rate else 1,
                }
            )
    return found


def proxy_error_pages(routes: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The pages that stand in for errors of the proxy's own, of all routes: ``route``, ``statuses``, ``content``.

    ``name``: of the file. ``type``: what a browser is told that it is.
    """
    return [
        {
            "route": str(route["name"]),
            "statuses": sorted(map(int, one["status"])),
            "name": f"{route['name']}-{number}",
            "type": _type_of(str(one["page"])),
            "content": str(one["page"]),
        }
        for route in routes
        for number, one in enumerate(route.get("error_pages") or [], 1)
    ]


def _type_of(page: str) -> str:
    if page.lstrip().startswith("<"):
        return "text/html"
    try:
        return "application/json" if isinstance(json.loads(page), (dict, list)) else "text/plain"
    except ValueError:
        return "text/plain"


def proxy_logins(routes: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Where nginx asks for a login: the route's ``name``, the ``realm``, and ``where``, patterns of name and path.

    ``file`` and ``content``: of the users of an app; a page of the platform's has none of its own. An app may take a
    path in another way than it is written (``/ADMIN``, ``/admin;x=1``): rather too much is asked for a login than too
    little.
    """
    found = []
    for route in routes:
        basic_auth = route.get("basic_auth") or {}
        users, paths = basic_auth.get("users") or {}, basic_auth.get("paths") or []
        if not users and not route.get("auth"):
            continue
        guarded = path_patterns(paths)
        name = str(route["name"])
        app = re.escape(name)
        found.append(
            {
                "name": name,
                # off is nginx's word for none.
                "realm": f"app {name}" if name == "off" else name,
                "where": [f"^{app}{path or '/'}" for path in guarded] if users and guarded else [f"^{app}/"],
                "file": f"htpasswd-{name}" if users else "htpasswd",
                "content": "".join(f"{user}:{hashed}\n" for user, hashed in sorted(users.items())),
            }
        )
    return found
