# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What an app's route says, taken together and with its host names."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any
from urllib.parse import unquote

from ansible_collections.fungap.swarm.plugins.module_utils.stack.access_log import covers
from ansible_collections.fungap.swarm.plugins.plugin_utils.app import route_paths
from ansible_collections.fungap.swarm.plugins.plugin_utils.kinds.addresses import why_no_host_name
from ansible_collections.fungap.swarm.plugins.plugin_utils.kinds.web import why_no_path, why_no_redirect_target
from ansible_collections.fungap.swarm.plugins.plugin_utils.preflight.inputs import ALL_HOSTS
from ansible_collections.fungap.swarm.plugins.plugin_utils.problem import Harmless, Problem, listed, show_key

# Its table of headers that an app's own are hidden by has a fixed size.
GRPC_NAME_MAX = 46


def check_route(at: str, app: Mapping[str, Any]) -> Iterator[Problem]:
    """``at``: the app's place. What is wrong with a value in itself is told elsewhere."""
    flags = app["route"]["cookie_flags"]
    same_site = [flag for flag in flags if flag.startswith("samesite=")]
    if len(same_site) > 1:
        yield Problem(ALL_HOSTS, f"{at}.route.cookie_flags", listed(same_site), "contradict each other", "leave one")
    elif same_site == ["samesite=none"] and "secure" not in flags:
        problem = "browsers refuse it without secure"
        yield Problem(ALL_HOSTS, f"{at}.route.cookie_flags", Harmless(same_site[0]), problem, "add secure")
    yield from _check_paths(at, app)
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


def check_shared_hosts(apps: Mapping[str, Mapping[str, Any]]) -> Iterator[Problem]:
    """Of several apps with one host name, each has paths of its own."""
    owners: dict[str, dict[str, str]] = {}
    for name, app in apps.items():
        at = f"apps.{show_key(name)}"
        for host, path in product((host for host in app["hosts"] if not why_no_host_name(host)), route_paths(app)):
            owner = owners.setdefault(host, {}).setdefault(path, name)
            if owner != name and path == "/":
                problem = f"is a host name of the app {owner} too (apps.{show_key(owner)}.hosts)"
                cure = "leave it with one of them, or give one of them route.paths"
                yield Problem(ALL_HOSTS, f"{at}.hosts", Harmless(host), problem, cure)
            elif owner != name and not why_no_path(path):
                problem = f"is a path of the app {owner} too (apps.{show_key(owner)}.route.paths)"
                yield Problem(
                    ALL_HOSTS, f"{at}.route.paths", Harmless(host + path), problem, "leave it with one of them"
                )
    for name, app in apps.items():
        there = [owners[host] for host in app["hosts"] if host in owners]
        for place, path in _redirected_paths(app):
            nearest = ((paths, max((of for of in paths if covers(of, path)), key=len, default="")) for paths in there)
            for other in sorted({paths[of] for paths, of in nearest if of} - {name}):
                problem = f"is a path of the app {other} (apps.{show_key(other)}.route.paths)"
                place = f"apps.{show_key(name)}.{place}"
                yield Problem(ALL_HOSTS, place, Harmless(path), problem, "leave it to that app")


def _redirected_paths(app: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The paths that lead elsewhere, each with its place. What is wrong in itself is told elsewhere."""
    for index, one in enumerate(app["route"]["redirects"]):
        path = one.get("path") or ""
        if path and not why_no_path(path):
            yield f"route.redirects[{index}].path", path


def _limited_paths(app: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The same of those that a login or a limit is for."""
    for key in ("basic_auth", "rate_limit"):
        for index, path in enumerate(app["route"][key]["paths"]):
            if not why_no_path(path):
                yield f"route.{key}.paths[{index}]", path


def _check_paths(at: str, app: Mapping[str, Any]) -> Iterator[Problem]:
    paths = [path for path in route_paths(app) if not why_no_path(path)]
    for path in sorted({path for path in paths if paths.count(path) > 1}):
        yield Problem(ALL_HOSTS, f"{at}.route.paths", Harmless(path), "is there twice", "once")
    if app["route"]["strip_path"]:
        yield from _check_strip_path(f"{at}.route.strip_path", app)
    outside = [(place, path) for place, path in _redirected_paths(app) if not any(covers(of, path) for of in paths)]
    outside += [
        (place, path)
        for place, path in _limited_paths(app)
        if not any(covers(of, path) or covers(path, of) for of in paths)
    ]
    for place, path in outside if paths else ():
        cure = f"what is below one of: {', '.join(paths)}"
        yield Problem(ALL_HOSTS, f"{at}.{place}", Harmless(path), "is none of the app's (route.paths)", cure)


def _check_strip_path(at: str, app: Mapping[str, Any]) -> Iterator[Problem]:
    if set(route_paths(app)) == {"/"}:
        problem = "takes nothing off: the app has no paths"
        yield Problem(ALL_HOSTS, at, Harmless("true"), problem, "name them, as paths: [/api]")
    if app["route"]["protocol"] == "grpc":
        problem = "is nothing for gRPC, whose paths are its services and methods"
        yield Problem(ALL_HOSTS, at, Harmless("true"), problem, "take it away")


def _check_protocol(at: str, app: Mapping[str, Any]) -> Iterator[Problem]:
    protocol, health = app["route"]["protocol"], app["health"]
    own = app["service"].get("healthcheck")
    is_own = bool(health["test"]) or (isinstance(own, Mapping) and "test" in own)
    if protocol != "http" and health["enabled"] and health["path"] and not is_own:
        problem = "is not what the health check speaks, which asks for health.path by plain HTTP"
        cure = "health.path: '', then it is enough that the app takes connections; or a health.test of its own"
        yield Problem(ALL_HOSTS, f"{at}.route.protocol", Harmless(protocol), problem, cure)
    if protocol == "grpc" and any(len(str(name)) > GRPC_NAME_MAX for name in app["route"]["headers"]):
        problem = f"has a name that is too long for nginx with gRPC, which takes {GRPC_NAME_MAX} letters"
        yield Problem(ALL_HOSTS, f"{at}.route.headers", "", problem, "take it away, or a shorter one")
    if protocol == "grpc" and app["route"]["sticky"]:
        problem = "is by a cookie, which clients of gRPC don't keep"
        yield Problem(ALL_HOSTS, f"{at}.route.sticky", Harmless("true"), problem, "take it away")


def _check_redirects(at: str, hosts: list[str], redirects: list[Mapping[str, Any]]) -> Iterator[Problem]:
    known = ", ".join(hosts) or "none"
    sound = [one for one in redirects if _is_well_formed(one)]
    moved = {one["host"]: str(one["to"]) for one in sound if one.get("host")}
    seen: set[str] = set()
    paths = {one["path"]: one["to"] for one in sound if one.get("path")}
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
        elif host:
            yield from _check_moved_host(place, host, to, hosts, known, moved)
        elif why := _why_no_moved_path(path, to, hosts, paths, moved):
            yield Problem(ALL_HOSTS, f"{place}.to", _without_query(to), *why)
        seen.add(begin)


def _why_no_moved_path(
    path: str, to: str, hosts: list[str], paths: Mapping[str, str], moved: Mapping[str, str]
) -> tuple[str, str] | None:
    """(problem, cure) of where a path leads."""
    if not to.startswith("/") and "://" not in to:
        return "is no place of a path", f"as https://{_without_query(to)}{path}"
    if _leads_back(path, hosts, paths, moved):
        return "leads back to where it began", "another place"
    return None


def _check_moved_host(
    place: str, host: str, to: str, hosts: list[str], known: str, moved: Mapping[str, str]
) -> Iterator[Problem]:
    told = _without_query(to)
    if host not in hosts:
        cure = f"add it to hosts, which has {known}"
        yield Problem(ALL_HOSTS, f"{place}.host", Harmless(host), "is not one of hosts: it has no certificate", cure)
    elif host == hosts[0]:
        problem = "is the first of hosts, by which the health check asks the app"
        yield Problem(ALL_HOSTS, f"{place}.host", Harmless(host), problem, "put another one before it")
    elif to.startswith("/"):
        yield Problem(ALL_HOSTS, f"{place}.to", told, "is no place of a host", f"as https://{hosts[0]}{told}")
    elif "://" not in to and to not in hosts:
        cure = f"one of {known}, or a URL: https://{told}/"
        yield Problem(ALL_HOSTS, f"{place}.to", told, "is not one of hosts", cure)
    elif (target := re.sub(r"^https?://|[:/?#].*$", "", to)) in moved:
        problem = "leads back to itself" if target == host else "is redirected itself"
        yield Problem(ALL_HOSTS, f"{place}.to", told, problem, f"as {hosts[0]}")


def _without_query(to: str) -> Harmless:
    """A redirect's target as far as all may see it: a query may have a token in it, and a fragment, too."""
    return Harmless(re.sub(r"[?#].*", "", to))


def _is_well_formed(one: Mapping[str, Any]) -> bool:
    host, path, to = one.get("host") or "", one.get("path") or "", one.get("to") or ""
    return not (why_no_redirect_target(to) or (host and why_no_host_name(host)) or (path and why_no_path(path)))


def _leads_back(path: str, hosts: list[str], paths: Mapping[str, str], moved: Mapping[str, str]) -> bool:
    """Whether who follows the redirects from one path never arrives."""
    for _step in range(len(paths) + 1):
        found = _next(path, hosts, paths, moved)
        if found is None:
            return False
        path = found
    return True


def _next(path: str, hosts: list[str], paths: Mapping[str, str], moved: Mapping[str, str]) -> str | None:
    """The path of ours that the redirect of a path leads to; None where there is no redirect, or it leads elsewhere."""
    below = [one for one in paths if one.endswith("/") and one != "/" and path.startswith(one)]
    matching = path if path in paths else max(below, key=len, default=None)
    if matching is None:
        return None
    host, place = _parts(paths[matching])
    if matching in below and _takes_more(place):
        place += path[len(matching) :]
    if "://" in moved.get(host, ""):
        host, there = _parts(moved[host])
        place = there + place[1:] if _takes_more(there) else there
    return None if host and host not in hosts else _as_compared(re.sub("[?#].*", "", place))


def _parts(to: str) -> tuple[str, str]:
    """The host of a URL, or '', and the path with all that follows."""
    url = re.match("https?://([^/:?#]*)(?::[0-9]+)?(.*)", to)
    return (url[1], url[2] or "/") if url else ("", to)


def _takes_more(place: str) -> bool:
    return place.endswith("/") and not re.search("[?#]", place)


def _as_compared(path: str) -> str:
    """A path as nginx compares it: decoded, without . and .., and with one slash for several."""
    decoded = unquote(path)
    is_folder = decoded.rpartition("/")[2] in ("", ".", "..")
    plain = posixpath.normpath(f"/{decoded.lstrip('/')}")
    return f"{plain}/" if is_folder and plain != "/" else plain
