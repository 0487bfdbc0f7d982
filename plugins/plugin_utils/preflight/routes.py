# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What an app's route says, taken together and with its host names."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.fungap.swarm.plugins.plugin_utils.kinds.addresses import why_no_host_name
from ansible_collections.fungap.swarm.plugins.plugin_utils.kinds.web import why_no_path, why_no_redirect_target
from ansible_collections.fungap.swarm.plugins.plugin_utils.preflight.inputs import ALL_HOSTS
from ansible_collections.fungap.swarm.plugins.plugin_utils.problem import Harmless, Problem, listed


def check_route(at: str, app: Mapping[str, Any]) -> Iterator[Problem]:
    """``at``: the app's place. What is wrong with a value in itself is told elsewhere."""
    flags = app["route"]["cookie_flags"]
    same_site = [flag for flag in flags if flag.startswith("samesite=")]
    if len(same_site) > 1:
        yield Problem(ALL_HOSTS, f"{at}.route.cookie_flags", listed(same_site), "contradict each other", "leave one")
    elif same_site == ["samesite=none"] and "secure" not in flags:
        problem = "browsers refuse it without secure"
        yield Problem(ALL_HOSTS, f"{at}.route.cookie_flags", Harmless(same_site[0]), problem, "add secure")
    yield from _check_protocol(at, app)
    basic_auth = app["route"]["basic_auth"]
    if basic_auth["paths"] and not basic_auth["users"]:
        problem = "has paths and no users: nobody would be asked for a login"
        yield Problem(ALL_HOSTS, f"{at}.route.basic_auth", "", problem, "add users, or take the paths away")
    rate_limit = app["route"]["rate_limit"]
    if rate_limit["paths"] and not rate_limit["requests_per_second"]:
        problem = "has paths and no requests_per_second: nothing would be limited"
        yield Problem(ALL_HOSTS, f"{at}.route.rate_limit", "", problem, "add it, or take the paths away")
    pages = app["route"]["error_pages"]
    for index, one in enumerate(pages):
        place = f"{at}.route.error_pages[{index}].status"
        if not one["status"]:
            yield Problem(ALL_HOSTS, place, "", "is empty: the page is for nothing", "as [502, 504]")
        before = [status for other in pages[:index] for status in other["status"]]
        for status in sorted({status for status in one["status"] if (before + one["status"]).count(status) > 1}):
            yield Problem(ALL_HOSTS, place, Harmless(status), "has a page twice", "once")
    yield from _check_redirects(f"{at}.route.redirects", app["hosts"], app["route"]["redirects"])


def _check_protocol(at: str, app: Mapping[str, Any]) -> Iterator[Problem]:
    protocol, health = app["route"]["protocol"], app["health"]
    own = app["service"].get("healthcheck")
    is_own = bool(health["test"]) or (isinstance(own, Mapping) and "test" in own)
    if protocol != "http" and health["enabled"] and health["path"] and not is_own:
        problem = "is not what the health check speaks, which asks for health.path by plain HTTP"
        cure = "health.path: '', then it is enough that the app takes connections; or a health.test of its own"
        yield Problem(ALL_HOSTS, f"{at}.route.protocol", Harmless(protocol), problem, cure)
    if protocol == "grpc" and app["route"]["sticky"]:
        problem = "is by a cookie, which clients of gRPC don't keep"
        yield Problem(ALL_HOSTS, f"{at}.route.sticky", Harmless("true"), problem, "take it away")


def _check_redirects(at: str, hosts: list[str], redirects: list[Mapping[str, Any]]) -> Iterator[Problem]:
    known = ", ".join(hosts) or "none"
    moved = {one.get("host") for one in redirects}
    seen: set[str] = set()
    paths = {one["path"]: one["to"] for one in redirects if _is_well_formed(one) and one.get("path")}
    for index, one in enumerate(redirects):
        if not _is_well_formed(one):
            continue
        place, host, path, to = f"{at}[{index}]", one.get("host") or "", one.get("path") or "", str(one["to"])
        begin = Harmless(host or path)
        if bool(host) == bool(path):
            problem = "has both a host and a path" if host else "has neither a host nor a path"
            yield Problem(ALL_HOSTS, place, "", problem, "host: www.example.com, or path: /old")
        elif begin in seen:
            yield Problem(ALL_HOSTS, place, begin, "is redirected twice", "once")
        elif path and not to.startswith("/") and "://" not in to:
            yield Problem(ALL_HOSTS, f"{place}.to", Harmless(to), "is no place of a path", f"as https://{to}{path}")
        elif path and _leads_back(path, hosts, paths):
            yield Problem(ALL_HOSTS, f"{place}.to", Harmless(to), "leads back to where it began", "another place")
        elif host:
            yield from _check_moved_host(place, host, to, hosts, known, moved)
        seen.add(begin)


def _check_moved_host(
    place: str, host: str, to: str, hosts: list[str], known: str, moved: set[Any]
) -> Iterator[Problem]:
    if host not in hosts:
        cure = f"add it to hosts, which has {known}"
        yield Problem(ALL_HOSTS, f"{place}.host", Harmless(host), "is not one of hosts: it has no certificate", cure)
    elif host == hosts[0]:
        problem = "is the first of hosts, by which the health check asks the app"
        yield Problem(ALL_HOSTS, f"{place}.host", Harmless(host), problem, "put another one before it")
    elif to.startswith("/"):
        yield Problem(ALL_HOSTS, f"{place}.to", Harmless(to), "is no place of a host", f"as https://{hosts[0]}{to}")
    elif "://" not in to and to not in hosts:
        cure = f"one of {known}, or a URL: https://{to}/"
        yield Problem(ALL_HOSTS, f"{place}.to", Harmless(to), "is not one of hosts", cure)
    elif (target := re.sub(r"^https?://|[:/?#].*$", "", to)) in moved:
        problem = "leads back to itself" if target == host else "is redirected itself"
        yield Problem(ALL_HOSTS, f"{place}.to", Harmless(to), problem, f"as {hosts[0]}")


def _is_well_formed(one: Mapping[str, Any]) -> bool:
    host, path, to = one.get("host") or "", one.get("path") or "", one.get("to") or ""
    return not (why_no_redirect_target(to) or (host and why_no_host_name(host)) or (path and why_no_path(path)))


def _leads_back(path: str, hosts: list[str], paths: Mapping[str, str]) -> bool:
    """Whether who follows the redirects of paths from one of them never arrives."""
    for _step in range(len(paths) + 1):
        found = _next(path, hosts, paths)
        if found is None:
            return False
        path = found
    return True


def _next(path: str, hosts: list[str], paths: Mapping[str, str]) -> str | None:
    """The path of ours that the redirect of a path leads to; None where there is no redirect, or it leads elsewhere."""
    below = [one for one in paths if one.endswith("/") and one != "/" and path.startswith(one)]
    matching = path if path in paths else max(below, key=len, default=None)
    if matching is None:
        return None
    to = paths[matching]
    url = re.match(r"https?://([^/:?#]*)(?::[0-9]+)?(.*)", to)
    if url and url[1] not in hosts:
        return None
    place = re.sub(r"[?#].*", "", (url[2] or "/") if url else to)
    rest = path[len(matching) :] if matching in below and place.endswith("/") and place == to else ""
    return place + rest
