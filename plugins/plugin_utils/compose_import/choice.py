# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which service of a compose file is the app itself, and by which port it is reached. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.plugin_utils.compose_import.notes import Note

Json = dict[str, Any]
# By the last part of an image's name: what no visitor comes to, and pages that are there for something else.
NO_PAGES = re.compile(
    r"(^|[-_])(postgres|postgresql|postgis|pgvector|mysql|mariadb|percona|mongo|mongodb|redis|valkey|keydb|dragonfly"
    r"|memcached|rabbitmq|kafka|zookeeper|nats|elasticsearch|opensearch|clickhouse|influxdb|minio|cassandra"
    r"|meilisearch|typesense|etcd|consul|vault|selenium|smtp|postfix)($|[-_])"
)
TOOLS = re.compile(
    r"(^|[-_])(mailhog|mailpit|maildev|mailcatcher|adminer|phpmyadmin|pgadmin4?|mongo-express|redis-commander|portainer"
    r"|watchtower)($|[-_])"
)
PROXIES = re.compile(r"(^|[-_])(nginx-proxy|traefik|caddy|haproxy|swag|nginx-proxy-manager|acme-companion)($|[-_])")


@dataclass(frozen=True)
class Asked:
    """What a person says beside the file. ``folder``: the compose file's own. ``catalog``: names that are taken."""

    app: str
    folder: str
    service: str = ""
    port: int = 0
    hosts: tuple[str, ...] = ()
    profiles: tuple[str, ...] = ()
    catalog: Collection[str] = ()


def started(services: Mapping[str, Any], asked: Asked) -> tuple[Json, list[Note]]:
    """Those that ``docker compose up`` starts."""
    kept: Json = {}
    left: dict[str, list[str]] = {}
    for name, service in services.items():
        profiles = service.get("profiles") or []
        if not profiles or name == asked.service or set(profiles) & set(asked.profiles):
            kept[name] = service
        else:
            left.setdefault(profiles[0], []).append(name)
    notes = [
        Note(f"profiles.{one}", f"left out, since nothing else starts them: {', '.join(names)}", f"-e profiles={one}")
        for one, names in left.items()
    ]
    return kept, notes


def _published(service: Mapping[str, Any], protocol: str = "tcp") -> list[int]:
    return [int(one["target"]) for one in service.get("ports") or () if one.get("protocol", "tcp") == protocol]


def _known_as(name: str, service: Mapping[str, Any]) -> str:
    """By its image's name; by its own, if it is built."""
    return str(service.get("image") or name).rpartition("/")[2].partition("@")[0].partition(":")[0]


def _without(kind: re.Pattern[str], names: Iterable[str], services: Mapping[str, Any]) -> list[str]:
    # What is a tool by the whole of its name is none of its parts: mongo-express.
    known = {name: _known_as(name, services[name]) for name in names}
    return [name for name, text in known.items() if not kind.search(text) or (kind is NO_PAGES and TOOLS.search(text))]


def main_service(services: Mapping[str, Any], asked: Asked) -> str:
    """The service that is the app itself: it publishes a port, and no other one that does so waits for it."""
    if asked.service:
        if asked.service not in services:
            raise PlatformError(f"there is no service {asked.service}; one of: {', '.join(services)}")
        return asked.service
    publish = [name for name, service in services.items() if _published(service)]
    if len(services) > 1:
        publish = _without(NO_PAGES, publish, services)
    if not publish and asked.port and len(services) == 1:
        return next(iter(services))
    if not publish:
        raise PlatformError(
            "no service that visitors come to publishes a TCP port:"
            f" give -e service=NAME -e service_port=NUMBER, one of: {', '.join(services) or 'none that is started'}"
        )
    apps = _without(TOOLS, publish, services) or publish
    behind = _without(PROXIES, apps, services) or apps
    waited_for = {one for name in behind for one in services[name].get("depends_on") or {}}
    first = [name for name in behind if name not in waited_for] or behind
    if len(first) > 1:
        raise PlatformError(f"{', '.join(first)} publish a port: say which one visitors come to, by -e service=NAME")
    return first[0]


def ports_of(main: str, services: Mapping[str, Any], asked: Asked) -> tuple[int, list[Note]]:
    """The app's port, and what of the published ones is not published."""
    tcp = list(dict.fromkeys(_published(services[main])))
    exposed = [int(str(one).partition("/")[0]) for one in services[main].get("expose") or () if str(one).isdigit()]
    # Of HTTP and HTTPS, the proxy speaks the one that needs no certificate.
    found = asked.port or next(iter([80, *tcp] if 80 in tcp else [*tcp, *exposed]), 0)
    if not found:
        raise PlatformError(f"{main} publishes no TCP port: give -e service_port=NUMBER, the one that it listens on")
    notes = []
    for name, service in services.items():
        place = "ports" if name == main else f"services.{name}.ports"
        ports = [f"{one}" for one in dict.fromkeys(_published(service)) if name != main or one != found]
        ports += [f"{one}/udp" for one in dict.fromkeys(_published(service, "udp"))]
        if ports:
            reason = f"not published: {', '.join(ports)}; services of the app reach it by its name"
            cure = f"{place}: ['{ports[0].partition('/')[0]}:{ports[0]}'] publishes it on the nodes"
            notes.append(Note(f"{name}.ports", reason, cure))
    return found, notes


def of_the_choice(main: str, services: Mapping[str, Any], asked: Asked) -> Iterator[Note]:
    others = [name for name in services if name != main and _published(services[name])]
    others = _without(TOOLS, _without(NO_PAGES, others, services), services)
    if others and not asked.service:
        reason = f"it is taken for the app itself, and not {', '.join(others)}"
        yield Note(main, reason, "-e service=NAME for another one")
    proxies = [name for name in services if PROXIES.search(_known_as(name, services[name]))]
    for name in proxies:
        reason = "it is a proxy, and the platform has its own, with certificates"
        yield Note(name, reason, "-e service=NAME -e service_port=NUMBER of what is behind it")
    if not asked.hosts:
        cure = "-e host=NAME, or put it there: till then the preflight refuses it"
        yield Note("hosts", "a compose file has no host names", cure)
