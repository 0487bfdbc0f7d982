# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What an inventory says of alerts: of the platform's own, of further rules, and of who else is told. Pure."""

from __future__ import annotations

import json
import math
import posixpath
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

import yaml

from ansible_collections.fungap.swarm.plugins.plugin_utils.kinds.amounts import DAY_SECONDS, why_no_prometheus_time
from ansible_collections.fungap.swarm.plugins.plugin_utils.kinds.variables import PATH
from ansible_collections.fungap.swarm.plugins.plugin_utils.problem import Harmless, show, show_key, texts_of

SEVERITIES = ("critical", "warning", "info")
DAYS = re.compile(r"[1-9][0-9]{0,4}d")
# Files of one's own are called so in Prometheus' folder, where the platform's have other names. With the stack's name
# and a digest a name is at most 64 characters long, as Docker wants it.
OWN = "own-"
RULE_FILE = re.compile(r"(?=.{1,36}$)[A-Za-z0-9][A-Za-z0-9._-]*\.ya?ml")
HEADER = "# Changed by monitoring_alerts. Written by Ansible (role monitoring): changes made here are lost.\n"
# The end of a panel's description: the alert whose limit it draws.
RED = re.compile(r" Red: (\w+)\.$")
# The platform's own receivers and secrets, which an inventory can't mean something else by. Alertmanager has a few.
RECEIVERS = ("people", "deadman")
ALERTMANAGER_SECRETS = ("slack_url", "webhook_url", "deadman_url", "mail_password")
SECRETS = re.compile(
    "|".join([*ALERTMANAGER_SECRETS, "my.cnf", "(?:grafana|registry)_password", "elasticsearch-[0-9]+"])
)
# What Prometheus reads of a file with rules, ...
GROUP_KEYS = ("name", "interval", "query_offset", "limit", "labels", "rules")
RECORD_KEYS = ("record", "expr", "labels")
RULE_KEYS = ("alert", "expr", "for", "keep_firing_for", "labels", "annotations")
RULE_TIMES = ("interval", "query_offset", "for", "keep_firing_for")
# ... and Alertmanager of a route and a receiver. Of its time intervals there are none here.
ROUTE_TIMES = ("group_wait", "group_interval", "repeat_interval")
ROUTE_KEYS = ("receiver", "matchers", "match", "match_re", "group_by", "continue", "routes", *ROUTE_TIMES)
RECEIVER_KEYS = (
    "name",
    *(f"{one}_configs" for one in ("discord", "email", "incidentio", "jira", "mattermost", "msteams", "msteamsv2")),
    *(f"{one}_configs" for one in ("opsgenie", "pagerduty", "pushover", "rocketchat", "slack", "sns", "telegram")),
    *(f"{one}_configs" for one in ("victorops", "webex", "webhook", "wechat")),
)
MATCHER = re.compile(r"\s*{?\s*[^\s=!~{}][^=!~]*(=~|!=|!~|=).*\Z", re.DOTALL)
SECRET_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
SECRET_FILE = re.compile(r"/run/secrets/([\w.-]+)")
# Settings of a receiver that are secret, and that Alertmanager reads from a file, too, by its config/notifiers.go,
# notify/*/config.go (v0.33.1) and Prometheus' http_config: wherever they stand, ...
INLINE_SECRETS = (
    *("alert_source_token", "api_key", "api_secret", "api_url", "app_token", "auth_password", "auth_secret"),
    *("bearer_token", "bot_token", "client_certificate_key", "client_secret", "credentials", "password"),
    *("routing_key", "secret_key", "service_key", "token", "token_id", "user_key", "webhook_url"),
)
# ... and those whose names mean something else elsewhere, with what they stand in.
INLINE_SECRETS_IN = {
    "key": re.compile(r"tls_config\Z"),
    "secrets": re.compile(r"\.http_headers\..+\Z"),
}
# How it is put right where the setting has no _file beside it.
_FILES = "files: [/run/secrets/NAME], and NAME with the value in monitoring_alert_secrets"
CURES = {
    "proxy_connect_header": "take it away: Alertmanager reads no file for it",
    "secrets": _FILES,
}
URL_WITH_LOGIN = re.compile(r"[a-z]+://[^/?#]*@", re.IGNORECASE)


@dataclass(frozen=True)
class Threshold:
    """``setting``: above or below. ``value``: the default. ``unit``: ratio (0 to 1), count, or days (as 20d)."""

    setting: str
    value: str
    unit: str

    @property
    def _sign(self) -> str:
        return ">" if self.setting == "above" else "<"

    def why_not(self, value: Any) -> tuple[str, str]:
        """What is wrong with a value, and the cure; two empty texts where nothing is."""
        if self.unit == "days":
            right = isinstance(value, str) and DAYS.fullmatch(value)
            return ("", "") if right else ("is not a number of days", "as 30d")
        number = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
        if self.unit == "ratio":
            right = number and 0 < value < 1
            return ("", "") if right else ("is not a part of the whole", "more than 0 and less than 1, as 0.9")
        return ("", "") if number and value > 0 else ("is not a number above 0", "as 5")

    def expression(self, value: Any) -> str:
        """The end of a comparison, as it stands in the rule."""
        number = f"{str(value).removesuffix('d')} * {DAY_SECONDS}" if self.unit == "days" else value
        return f"{self._sign} {number}"

    def number(self, value: Any) -> float:
        """The value as Prometheus compares with it."""
        return float(str(value).removesuffix("d")) * (DAY_SECONDS if self.unit == "days" else 1)

    def words(self, value: Any) -> str:
        """The value as descriptions have it."""
        return f"{float(value) * 100:g} %" if self.unit == "ratio" else str(value)


# Every alert of files/rules, and what its threshold is, if it has one that can be set.
ALERTS: Mapping[str, Threshold | None] = {
    "HostCpuHigh": Threshold("above", "0.85", "ratio"),
    "NodeCpuHigh": Threshold("above", "0.8", "ratio"),
    "HostMemoryHigh": Threshold("above", "0.8", "ratio"),
    "DiskUsageHigh": Threshold("above", "0.85", "ratio"),
    "DiskFullSoon": Threshold("above", "0.5", "ratio"),
    "NodeDown": None,
    "NoLeader": None,
    "SwarmCertificateExpires": None,
    "PlatformCaExpires": Threshold("below", "90d", "days"),
    "ServiceReplicasMissing": None,
    "ServiceDown": None,
    "TasksPending": None,
    "UpdatePaused": None,
    "UpdateRolledBack": None,
    "ContainerRestarting": Threshold("above", "2.5", "count"),
    "ContainerCpuHigh": Threshold("above", "0.8", "ratio"),
    "ContainerMemoryHigh": Threshold("above", "0.8", "ratio"),
    "CronRunFailed": None,
    "CronRunMissed": None,
    "RouteDown": None,
    "HttpErrorsHigh": Threshold("above", "0.05", "ratio"),
    "CertificateExpiresSoon": Threshold("below", "20d", "days"),
    "CertificateExpiresVerySoon": Threshold("below", "3d", "days"),
    "CertificateUnseen": None,
    "CertificateRenewalFailing": None,
    "Deadman": None,
    "TargetDown": None,
    "MysqlDown": None,
    "ElasticsearchUnhealthy": None,
}


def monitoring_rules(
    files: Mapping[str, str], alerts: Mapping[str, Mapping[str, Any]], own: Mapping[str, str]
) -> dict[str, str]:
    """Prometheus' rule files by name. ``files``: the platform's. ``alerts``: their changes. ``own``: by path."""
    changed = {name: _changed(text, alerts) for name, text in files.items()}
    return {**changed, **{f"{OWN}{posixpath.basename(path)}": text for path, text in own.items()}}


def _changed(text: str, alerts: Mapping[str, Mapping[str, Any]]) -> str:
    content = yaml.safe_load(text)
    rules = [rule for group in content["groups"] for rule in group["rules"]]
    if not any(alerts.get(rule.get("alert")) for rule in rules):
        return text
    for group in content["groups"]:
        wanted = (_rule(rule, alerts.get(rule.get("alert")) or {}) for rule in group["rules"])
        group["rules"] = [rule for rule in wanted if rule]
    content["groups"] = [group for group in content["groups"] if group["rules"]]
    return HEADER + str(yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=1000))


def _rule(rule: dict[str, Any], settings: Mapping[str, Any]) -> dict[str, Any] | None:
    """A rule with other settings, None for one that is switched off. Its texts say the new numbers."""
    if not settings.get("enabled", True):
        return None
    found, said = dict(rule), {}
    threshold = ALERTS.get(rule.get("alert", ""))
    if threshold and threshold.setting in settings:
        value = settings[threshold.setting]
        found["expr"] = re.sub(
            re.escape(threshold.expression(threshold.value)) + r"(?![\d.])", threshold.expression(value), rule["expr"]
        )
        said[threshold.words(threshold.value)] = threshold.words(value)
    if "for" in settings:
        found["for"] = settings["for"]
        if "for" in rule:
            old, new = duration_words(rule["for"]), duration_words(settings["for"])
            said.update({f" {word} {old}": f" {word} {new}" for word in ("for", "more than")})
    if "severity" in settings:
        found["labels"] = {**rule["labels"], "severity": settings["severity"]}
    if said:
        found["annotations"] = {name: _replaced(text, said) for name, text in rule["annotations"].items()}
    return found


def _replaced(text: str, said: Mapping[str, str]) -> str:
    return re.sub("|".join(map(re.escape, said)), lambda match: said[match.group()], text)


def monitoring_dashboards(files: Mapping[str, str], alerts: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Grafana's dashboards by name, with the limits that ``alerts`` sets where a panel says whose limit it draws."""
    limits = {
        name: threshold.number(alerts[name][threshold.setting])
        for name, threshold in ALERTS.items()
        if threshold and threshold.setting in alerts.get(name, {})
    }
    return {name: _drawn(text, limits) for name, text in files.items()}


def _drawn(text: str, limits: Mapping[str, float]) -> str:
    content = json.loads(text)
    for panel in content["panels"]:
        said = RED.search(panel.get("description", ""))
        if said and said[1] in limits:
            for step in panel["fieldConfig"]["defaults"]["thresholds"]["steps"]:
                # The first one has no value: it begins where numbers do.
                if step["value"] is not None:
                    step["value"] = limits[said[1]]
    return text if content == json.loads(text) else json.dumps(content, indent=1, sort_keys=True) + "\n"


def duration_words(duration: str) -> str:
    """A duration of Prometheus in a sentence: 1m is "a minute", 10m "10 minutes", 1h30m stays."""
    match = re.fullmatch(r"(\d+)([smhd])", str(duration))
    if not match:
        return str(duration)
    word = {"s": "second", "m": "minute", "h": "hour", "d": "day"}[match[2]]
    if match[1] == "1":
        return f"{'an' if word == 'hour' else 'a'} {word}"
    return f"{match[1]} {word}s"


# --- what may be wrong: (where, value, what, cure) ---

Wrong = tuple[str, Any, str, str]


def check_alerts(alerts: Mapping[str, Any]) -> Iterator[Wrong]:
    """What ``monitoring_alerts`` says."""
    for name, settings in alerts.items():
        at = f"monitoring_alerts.{name}"
        if name not in ALERTS:
            near = get_close_matches(str(name), ALERTS, 1)
            cure = (
                f"did you mean {near[0]}?"
                if near
                else "the alerts are in docs/monitoring.md; further ones: monitoring_rule_files"
            )
            yield "monitoring_alerts", show_key(name), "is not an alert of the platform", cure
        elif not isinstance(settings, Mapping):
            yield at, settings, "is not a mapping", "as {for: 10m} or {enabled: false}"
        else:
            yield from _check_alert(at, name, settings)


def _check_alert(at: str, name: str, settings: Mapping[str, Any]) -> Iterator[Wrong]:
    threshold = ALERTS[name]
    known = [
        *([threshold.setting] if threshold else []),
        *([] if name == "Deadman" else ["for"]),
        "severity",
        "enabled",
    ]
    for key, value in settings.items():
        if key not in known:
            yield at, show_key(key), f"is not a setting of {name}", f"any of: {', '.join(known)}"
        elif threshold and key == threshold.setting:
            problem, cure = threshold.why_not(value)
            if problem:
                yield f"{at}.{key}", value, problem, cure
        elif key == "for" and (why := why_no_prometheus_time(value, zero=True)):
            yield f"{at}.for", value, why, "as 30s, 10m or 1h30m"
        elif key == "severity" and value not in SEVERITIES:
            yield f"{at}.severity", value, "is not a severity", f"one of: {', '.join(SEVERITIES)}"
        elif key == "enabled" and not isinstance(value, bool):
            yield f"{at}.enabled", value, "is neither true nor false", "true or false"


def check_rule_files(paths: Iterable[str], contents: Mapping[str, bytes]) -> Iterator[Wrong]:
    """What is to be seen of the files without Prometheus. ``contents``: of those that can be read, by path."""
    names: dict[str, str] = {}
    for index, path in enumerate(paths):
        at, name = f"monitoring_rule_files[{index}]", posixpath.basename(path)
        if PATH.why(path):
            continue
        if not RULE_FILE.fullmatch(name):
            cure = "at most 36 letters, digits, dots and hyphens, with .yml at the end"
            yield at, path, "is not the name of a rule file", cure
        if names.setdefault(name, path) != path:
            yield at, path, f"is called as {show(names[name])}", "another name: they lie in one folder"
        if path in contents:
            try:
                content = yaml.safe_load(contents[path].decode())
            # Not YAML; text or a date that is none; !!bool x; !!timestamp x; too many brackets.
            except (yaml.YAMLError, ValueError, LookupError, AttributeError, TypeError, RecursionError) as error:
                # The parser's words have a piece of the file in them.
                mark = getattr(error, "problem_mark", None)
                yield at, path, f"is not YAML{f' (line {mark.line + 1})' if mark else ''}", "mend it"
                continue
            if not isinstance(content, Mapping) or not isinstance(content.get("groups"), list):
                yield at, path, "has no groups of rules", "as {groups: [{name: shop, rules: [...]}]}"
            elif wrong := next(_wrong_groups(content["groups"]), None):
                yield at, path, *wrong


def _wrong_groups(groups: list[Any]) -> Iterator[tuple[str, str]]:
    """(what, cure) of groups of rules, as Prometheus reads them."""
    names: set[str] = set()
    for index, group in enumerate(groups):
        at = f"groups[{index}]"
        rules = (group.get("rules") or []) if isinstance(group, Mapping) else None
        if not isinstance(rules, list):
            yield f"has no group of rules at {at}", "as {name: shop, rules: [...]}"
            continue
        yield from _wrong_keys(group, GROUP_KEYS, at)
        name = group.get("name")
        if not isinstance(name, str) or not name:
            yield f"has no name for {at}", "name: and a text"
        elif name in names:
            yield f"has a name twice, at {at}", "another name"
        names.add(str(name))
        for number, rule in enumerate(rules):
            yield from _wrong_rule(rule, f"{at}.rules[{number}]")


def _wrong_rule(rule: Any, at: str) -> Iterator[tuple[str, str]]:
    if not isinstance(rule, Mapping):
        yield f"has no rule at {at}", "as {alert: ShopDown, expr: up == 0}"
        return
    if ("alert" in rule) == ("record" in rule):
        yield f"has not one of alert and record at {at}", "one of them"
    yield from _wrong_keys(rule, RECORD_KEYS if "record" in rule else RULE_KEYS, at)
    if not isinstance(rule.get("expr"), (str, int, float)) or not str(rule["expr"]).strip():
        yield f"has no expr at {at}", "what Prometheus is to ask"


def _wrong_keys(value: Mapping[str, Any], known: Iterable[str], at: str) -> Iterator[tuple[str, str]]:
    """Unknown keys, and times that are none."""
    for key, one in value.items():
        if key not in known:
            near = get_close_matches(str(key), known, 1)
            cure = f"did you mean {near[0]}?" if near else f"any of: {', '.join(known)}"
            yield f"has {show_key(key)} at {at}, which Prometheus does not know", cure
        elif key in RULE_TIMES and (why := why_no_prometheus_time(one, zero=True)):
            yield f"has a time at {at}.{key} that {why}", "as 30s, 10m or 1h30m"


def check_receivers(routes: Iterable[Any], receivers: Iterable[Any], secrets: Mapping[str, Any]) -> Iterator[Wrong]:
    """Alertmanager's routes and receivers of one's own, as far as it can be seen without Alertmanager."""
    names = list(RECEIVERS)
    for index, receiver in enumerate(receivers):
        at = f"monitoring_alert_receivers[{index}]"
        name = receiver.get("name") if isinstance(receiver, Mapping) else ""
        if not isinstance(name, str) or not name:
            yield at, "", "has no name", "as {name: dba, webhook_configs: [{url_file: /run/secrets/dba}]}"
            continue
        if name in names:
            yield f"{at}.name", Harmless(name), "is a receiver already", "another name"
        names.append(name)
        yield from _wrong_receiver(receiver, at)
        for place, key in _inline_secrets(receiver, at):
            file = f"{key}_file: /run/secrets/NAME, and NAME with the value in monitoring_alert_secrets"
            cure = CURES.get(key, file)
            yield f"{place}.{key}", None, "would be in a file that is no secret", cure
        for file in sorted(set(SECRET_FILE.findall(str(receiver))) - {*secrets, *ALERTMANAGER_SECRETS}):
            named = "another name" if SECRETS.fullmatch(file) else file
            yield at, Harmless(f"/run/secrets/{file}"), "will not be there", f"add {named} to monitoring_alert_secrets"
    for index, route in enumerate(routes):
        yield from _wrong_route(route, f"monitoring_alert_routes[{index}]")
        for place, receiver in _route_receivers(route, f"monitoring_alert_routes[{index}]"):
            if receiver not in names:
                cure = f"one of: {', '.join(names)}"
                yield place, receiver, "is not a receiver", cure
    for name, value in secrets.items():
        if not SECRET_NAME.fullmatch(str(name)):
            yield "monitoring_alert_secrets", show_key(name), "is not a name", "lower case letters, digits, _ and -"
        elif SECRETS.fullmatch(str(name)):
            yield "monitoring_alert_secrets", show_key(name), "is a secret of the platform's own", "another name"
        elif not isinstance(value, str) or not value:
            yield f"monitoring_alert_secrets.{name}", None, "is no text", "give it a value in quotes, or take it away"


def _wrong_receiver(receiver: Mapping[str, Any], at: str) -> Iterator[Wrong]:
    for key, value in receiver.items():
        if key not in RECEIVER_KEYS:
            near = get_close_matches(str(key), RECEIVER_KEYS, 1)
            cure = f"did you mean {near[0]}?" if near else f"any of: {', '.join(RECEIVER_KEYS)}"
            yield f"{at}.{show_key(key)}", None, "is nothing that Alertmanager knows of a receiver", cure
        elif key != "name" and not (isinstance(value, list) and all(isinstance(one, Mapping) for one in value)):
            yield f"{at}.{key}", None, "is not a list of mappings", "as [{send_resolved: true, ...}]"


def _wrong_route(route: Any, at: str) -> Iterator[Wrong]:
    """What Alertmanager would not take of a route and those below it."""
    if not isinstance(route, Mapping):
        yield at, None, "is not a mapping", "as {receiver: dba, matchers: ['stack=\"shop\"']}"
        return
    for key, value in route.items():
        place = f"{at}.{show_key(key)}"
        if key not in ROUTE_KEYS:
            near = get_close_matches(str(key), ROUTE_KEYS, 1)
            cure = f"did you mean {near[0]}?" if near else f"any of: {', '.join(ROUTE_KEYS)}"
            yield place, None, "is nothing that a route may have here", cure
        elif key in ROUTE_TIMES and (why := why_no_prometheus_time(value, zero=key == "group_wait")):
            yield place, value, why, "as 30s, 10m or 4h"
        elif wrong := _wrong_value(key, value):
            yield place, value if key == "continue" else None, *wrong
        elif key == "routes":
            for index, one in enumerate(value):
                yield from _wrong_route(one, f"{place}[{index}]")


def _wrong_value(key: str, value: Any) -> tuple[str, str] | None:
    """(problem, cure) of one of a route's values."""
    asked = ROUTE_VALUES.get(key, ())
    return next(((problem, cure) for is_right, problem, cure in asked if not is_right(value)), None)


def _are_matchers(value: list[Any]) -> bool:
    return all(isinstance(one, str) and MATCHER.match(one) for one in value)


def _are_labels(value: list[Any]) -> bool:
    return all(isinstance(one, str) for one in value) and len({*value}) == len(value)


_MAPPING = (lambda value: isinstance(value, Mapping), "is not a mapping", "as {stack: shop}")
_LIST = (lambda value: isinstance(value, list), "is not a list", "a list, if of one")
# What is asked of a route's values, in this order: what is right, and else the problem and the cure.
ROUTE_VALUES: Mapping[str, tuple[tuple[Callable[[Any], bool], str, str], ...]] = {
    "continue": ((lambda value: isinstance(value, bool), "is neither true nor false", "true or false"),),
    "match": (_MAPPING,),
    "match_re": (_MAPPING,),
    "matchers": (
        _LIST,
        (_are_matchers, "has what is no matcher", "as ['stack=\"shop\"', 'severity=~\"critical|warning\"']"),
    ),
    "group_by": (_LIST, (_are_labels, "has what is no label's name, or one twice", "as [alertname, stack]")),
    "routes": (_LIST,),
}


def _inline_secrets(value: Any, at: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            if _is_inline_secret(str(key), item, at):
                yield at, show_key(key)
            else:
                yield from _inline_secrets(item, f"{at}.{show_key(key)}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _inline_secrets(item, f"{at}[{index}]")


def _is_inline_secret(key: str, value: Any, at: str) -> bool:
    """Whether a value of a receiver's setting is a secret, in whatever shape."""
    place = INLINE_SECRETS_IN.get(key)
    if key in INLINE_SECRETS or key == "proxy_connect_header" or (place and place.search(at)):
        return any(texts_of(value))
    return key.endswith("url") and bool(URL_WITH_LOGIN.match(str(value)))


def _route_receivers(route: Any, at: str) -> Iterator[tuple[str, str]]:
    if not isinstance(route, Mapping):
        return
    if "receiver" in route:
        yield f"{at}.receiver", str(route["receiver"])
    below = route.get("routes")
    for index, one in enumerate(below if isinstance(below, list) else ()):
        yield from _route_receivers(one, f"{at}.routes[{index}]")
