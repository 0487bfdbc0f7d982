# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Write Grafana's dashboards, roles/monitoring/files/dashboards/*.json; with --check, only say which are not current.

Limits that are drawn are those of the alert rules; what several panels and rules ask for is a recording rule there.
Where a panel's description ends with "Red: " and an alert, the filter monitoring_dashboards moves its limit.
"""

from __future__ import annotations

import json
import re
import sys
import types
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from grafana_foundation_sdk.builders import common, statetimeline, table, timeseries
from grafana_foundation_sdk.builders import dashboard as builder
from grafana_foundation_sdk.builders import prometheus as prometheus_query
from grafana_foundation_sdk.builders import stat as single
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common as common_model
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

ROOT = Path(__file__).resolve().parents[1]
FILES = ROOT / "roles" / "monitoring" / "files"
PROMETHEUS = model.DataSourceRef("prometheus", "prometheus")
TAG = "fungap"
PANEL_HEIGHT, NUMBER_HEIGHT = 8, 4
WHOLE_WIDTH = 24
# (query, legend)
Query = tuple[str, str]
Panel = Builder[model.Panel]
# (heading, panels)
Part = tuple[str, Sequence[Panel]]
# A number, or the name of an alert, whose limit it is.
Limit = float | str
# What is counted has no fractions, and changes from one moment to the next.
COUNT = "none"
# Value of a cell -> colour.
SEVERITIES = {"critical": "red", "warning": "orange", "info": "blue"}
UPDATES = {
    **dict.fromkeys(("paused", "rollback_paused"), "red"),
    **dict.fromkeys(("rollback_started", "rollback_completed"), "orange"),
    **dict.fromkeys(("updating",), "blue"),
    **dict.fromkeys(("completed",), "green"),
}


def limit(alert: str) -> float:
    """The number that an alert rule's expression ends its comparison with."""
    for file in sorted((FILES / "rules").glob("*.yml")):
        for group in yaml.safe_load(file.read_text())["groups"]:
            for rule in group["rules"]:
                if rule.get("alert") == alert:
                    found = re.search(r"[<>] *([0-9.]+(?: \* [0-9.]+)?)", rule["expr"])
                    if not found:
                        raise ValueError(f"{alert} compares with no number")
                    value = 1.0
                    for factor in found[1].split("*"):
                        value *= float(factor)
                    return value
    raise ValueError(f"no rule {alert}")


# --- panels ---


def steps(*pairs: tuple[float | None, str]) -> builder.ThresholdsConfig:
    """(from this value on, colour); the first from None on."""
    config = builder.ThresholdsConfig().mode(model.ThresholdsMode.ABSOLUTE)
    return config.steps([model.Threshold(value, color) for value, color in pairs])


def above(value: Limit) -> builder.ThresholdsConfig:
    """Bad from this value on."""
    return steps((None, "green"), (_number(value), "red"))


def below(value: Limit) -> builder.ThresholdsConfig:
    """Good from this value on."""
    return steps((None, "red"), (_number(value), "green"))


def _number(value: Limit) -> float:
    return limit(value) if isinstance(value, str) else value


def _said(description: str, *limits: Limit | None) -> str:
    """The description, and the alert that a limit comes from."""
    return "".join([description, *(f" Red: {name}." for name in limits if isinstance(name, str))])


PLAIN = steps((None, "text"))
# Bars would have colours along a scale otherwise, the higher the redder.
BY_LIMIT = builder.FieldColor().mode(model.FieldColorModeId.THRESHOLDS)


def _target(number: int, query: Query, *, instant: bool = False) -> prometheus_query.Dataquery:
    expression, legend = query
    target = prometheus_query.Dataquery().ref_id(chr(ord("A") + number)).datasource(PROMETHEUS)
    target = target.expr(expression).legend_format(legend)
    return target.instant() if instant else target.range()


def graph(
    title: str,
    description: str,
    unit: str,
    *queries: Query,
    width: int = 8,
    red_from: Limit | None = None,
    maximum: float | None = None,
    stacked: bool = False,
) -> Panel:
    """Curves; ``red_from``: a line at which it gets bad. Steps where something is counted."""
    legend = common.VizLegendOptions().show_legend(True).display_mode(common_model.LegendDisplayMode.TABLE)
    legend = legend.placement(common_model.LegendPlacement.BOTTOM).calcs(["lastNotNull", "max"])
    tooltip = common.VizTooltipOptions().mode(common_model.TooltipDisplayMode.MULTI)
    panel = timeseries.Panel().title(title).description(_said(description, red_from)).unit(unit).datasource(PROMETHEUS)
    panel = panel.span(width).height(PANEL_HEIGHT).min(0).fill_opacity(30 if stacked else 0).line_width(1)
    panel = panel.show_points(common_model.VisibilityMode.NEVER)
    panel = panel.legend(legend.sort_by("Max").sort_desc(True)).tooltip(tooltip)
    if stacked:
        panel = panel.stacking(common.StackingConfig().mode(common_model.StackingMode.NORMAL).group("A"))
    if unit == COUNT:
        panel = panel.decimals(0).line_interpolation(common_model.LineInterpolation.STEP_AFTER)
    if maximum is not None:
        panel = panel.max(maximum)
    if red_from is not None:
        line = common.GraphThresholdsStyleConfig().mode(common_model.GraphThresholdsStyleMode.DASHED)
        panel = panel.thresholds(steps((None, "transparent"), (_number(red_from), "red"))).thresholds_style(line)
    for number, query in enumerate(queries):
        panel = panel.with_target(_target(number, query))
    return panel


def number(
    title: str,
    description: str,
    unit: str,
    *queries: Query,
    red_from: Limit | None = None,
    red_below: Limit | None = None,
    width: int = 4,
    decimals: int | None = None,
) -> Panel:
    """What it is now, with a small curve behind it. Green or red with a limit, without colour otherwise."""
    panel = single.Panel().title(title).unit(unit).datasource(PROMETHEUS)
    panel = panel.description(_said(description, red_from, red_below)).span(width).height(NUMBER_HEIGHT)
    if red_from is not None:
        panel = panel.thresholds(above(red_from))
    else:
        panel = panel.thresholds(PLAIN if red_below is None else below(red_below))
    panel = panel.reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).values(False))
    panel = panel.graph_mode(common_model.BigValueGraphMode.AREA).color_scheme(BY_LIMIT)
    if decimals is not None or unit == COUNT:
        panel = panel.decimals(decimals or 0)
    for position, query in enumerate(queries):
        panel = panel.with_target(_target(position, query))
    return panel


def states(title: str, description: str, *queries: Query, width: int = 12) -> Panel:
    """A bar for each series, coloured by its value: 1 good, 0 bad."""
    panel = statetimeline.Panel().unit("bool_yes_no").thresholds(below(1))
    return _bars(panel.show_value(common_model.VisibilityMode.NEVER), title, description, queries, width)


def replicas(chosen: str = "") -> Panel:
    """A bar for each service: what lacks a replica is seen among many."""
    run = f"max by (stack, service) (swarm_service_replicas_running{{{chosen}}})"
    wanted = f"max by (stack, service) (swarm_service_replicas_desired{{{chosen}}})"
    panel = statetimeline.Panel().unit("percentunit").decimals(0)
    panel = panel.thresholds(steps((None, "red"), (0.001, "orange"), (1, "green")))
    words = {"0": ("none", "red"), "1": ("all", "green")}
    result = {value: model.ValueMappingResult(text, color, index=int(value)) for value, (text, color) in words.items()}
    some = model.ValueMappingResult("some missing", "orange", index=2)
    between = model.DashboardRangeMapOptions(from_val=0, to=1, result=some)
    panel = panel.mappings([model.ValueMap(options=result), model.RangeMap(options=between)])
    return _bars(
        panel,
        "Replicas",
        "Which services run: all of their replicas (green), some (orange) or none (red).",
        [(f"clamp_max({run} / ({wanted} > 0), 1)", "{{stack}} {{service}}")],
        16,
    )


def _bars(
    panel: statetimeline.Panel, title: str, description: str, queries: Sequence[Query], width: int
) -> statetimeline.Panel:
    panel = panel.title(title).description(description).datasource(PROMETHEUS).span(width).height(PANEL_HEIGHT)
    panel = panel.merge_values(True).legend(common.VizLegendOptions().show_legend(False)).color_scheme(BY_LIMIT)
    for position, query in enumerate(queries):
        panel = panel.with_target(_target(position, query))
    return panel


def rows(
    title: str,
    description: str,
    expression: str,
    columns: Sequence[str],
    *,
    value: tuple[str, str] | None = None,
    colors: Mapping[str, Mapping[str, str]] = types.MappingProxyType({}),
    first: str = "",
    width: int = 12,
) -> Panel:
    """A table of what is now: labels as columns, then the value. ``value``: its heading and unit; None: it is always 1.

    ``colors``: of texts, by column. ``first``: the column that it is sorted by.
    """
    target = _target(0, (expression, ""), instant=True).format(PromQueryFormat.TABLE)
    panel = table.Panel().title(title).description(description).datasource(PROMETHEUS)
    panel = panel.span(width).height(PANEL_HEIGHT).with_target(target)
    if first:
        panel = panel.sort_by([common.TableSortByFieldState().display_name(first).desc(False)])
    order = {name: place for place, name in enumerate([*columns, *(["Value"] if value else [])])}
    named = dict[str, Any](indexByName=order)
    if value:
        heading, unit = value
        named["renameByName"] = {"Value": heading}
        # Of this column alone: a unit is for numbers, and the others are text.
        shown = {"unit": unit, **({"decimals": 0} if unit == COUNT else {})}
        panel = panel.override_by_name(heading, [model.DynamicConfigValue(*one) for one in shown.items()])
    for column, by_text in colors.items():
        result = {text: {"color": color, "index": place} for place, (text, color) in enumerate(by_text.items())}
        mapped = model.DynamicConfigValue("mappings", [{"type": "value", "options": result}])
        cell = model.DynamicConfigValue("custom.cellOptions", {"type": "color-text"})
        panel = panel.override_by_name(column, [mapped, cell])
    only = model.DataTransformerConfig("filterFieldsByName", options={"include": {"names": [*order]}})
    return panel.with_transformation(only).with_transformation(model.DataTransformerConfig("organize", options=named))


def lacking(chosen: str = "") -> Panel:
    return rows(
        "Lack replicas",
        "Services with fewer replicas than they should have, and how many are missing. No data: none.",
        f"service:replicas_missing:count{{{chosen}}} > 0",
        ("stack", "service"),
        value=("missing", COUNT),
        width=8,
    )


# --- dashboards ---


def variable(name: str, label: str, query: str, description: str) -> builder.QueryVariable:
    """Values to choose from; several, and all of them at first."""
    made = builder.QueryVariable(name).label(label).description(description).datasource(PROMETHEUS)
    made = made.query({"query": query, "refId": name}).refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED)
    made = made.sort(model.VariableSort.NATURAL_ASC).multi(True).include_all(True)
    return made.current(model.VariableOption(True, ["All"], ["$__all"]))


def annotation(name: str, color: str, expression: str, title: str, text: str) -> dict[str, Any]:
    """A mark at each time that the series have had as value. The SDK has no fields for it.

    What is asked stands there twice: older versions of Grafana read it beside the name, newer ones in ``target``.
    """
    source = {"type": "prometheus", "uid": "prometheus"}
    return {
        "name": name,
        "datasource": source,
        "target": {"refId": "Anno", "datasource": source, "expr": expression, "interval": "60s", "range": True},
        "enable": True,
        "hide": False,
        "iconColor": color,
        "expr": expression,
        "step": "60s",
        "titleFormat": title,
        "textFormat": text,
        "tagKeys": "stack",
        "useValueForTime": "on",
    }


# What changed, in every picture of services: where a curve bends, one sees why.
DEPLOY, ROLLBACK, SWARM_ROLLBACK = (
    'max by (stack, kind) (swarm_stack_revision_timestamp_seconds{kind!="rollback"}) * 1000',
    'max by (stack, kind) (swarm_stack_revision_timestamp_seconds{kind="rollback"}) * 1000',
    "max by (stack, service) (swarm_service_update_timestamp_seconds) * 1000 and"
    ' max by (stack, service) (swarm_service_update_state{state=~"rollback_.*"}) == 1',
)
ROLLOUTS = [
    annotation("Deploys", "blue", DEPLOY, "Deploy: {{stack}}", "A new revision of {{stack}} is in force."),
    annotation("Rollbacks", "orange", ROLLBACK, "Rollback: {{stack}}", "An operator went back to an earlier revision."),
    annotation(
        "Failed rollouts",
        "red",
        SWARM_ROLLBACK,
        "Swarm rolled back {{stack}}_{{service}}",
        "The new version did not come up.",
    ),
]


def dashboard(
    uid: str,
    title: str,
    description: str,
    parts: Iterable[Part],
    *,
    variables: Sequence[builder.QueryVariable] = (),
    annotations: Sequence[dict[str, Any]] = (),
    since: str = "now-1h",
    refresh: str = "30s",
) -> dict[str, Any]:
    made = builder.Dashboard(title).uid(uid).description(description).tags([TAG]).readonly()
    made = made.time(since, "now").refresh(refresh).timezone("browser")
    made = made.tooltip(model.DashboardCursorSync.CROSSHAIR)
    others = builder.DashboardLink("Dashboards").type(model.DashboardLinkType.DASHBOARDS).tags([TAG])
    made = made.link(others.as_dropdown(True).keep_time(True))
    for one in variables:
        made = made.with_variable(one)
    for heading, panels in parts:
        made = made.with_row(builder.Row(heading))
        for panel in panels:
            made = made.with_panel(panel)
    result: dict[str, Any] = json.loads(JSONEncoder(sort_keys=True).encode(made.build()))
    result["annotations"] = {"list": list(annotations)}
    for place, panel_made in enumerate(result["panels"], 1):
        panel_made["id"] = place
        panel_made.setdefault("fieldConfig", {"defaults": {}, "overrides": []})
    return result


def quantile(share: float, chosen: str = "") -> str:
    """How long the fastest ``share`` of the requests took at most."""
    by_bucket = f"sum by (le) (rate(proxy_request_duration_seconds_bucket{{{chosen}}}[$__rate_interval]))"
    return f"histogram_quantile({share:g}, {by_bucket})"


def error_share(chosen: str = "") -> str:
    matchers = [chosen] if chosen else []
    failed = ",".join([*matchers, 'code=~"5.."'])
    return (
        f"(sum(rate(proxy_requests_total{{{failed}}}[$__rate_interval])) or vector(0))"
        f" / sum(rate(proxy_requests_total{{{chosen}}}[$__rate_interval]))"
    )


NODES_DOWN = 'count(max by (node) (swarm_node_state{state="ready"}) == 0) or vector(0)'
MISSING = "sum(clamp_min(service:replicas_missing:count, 0))"


def host_cpu() -> Panel:
    return graph(
        "CPU of the docker hosts",
        "Share of a docker host's CPUs that is busy; waiting for disks does not count.",
        "percentunit",
        ("host:cpu_busy:ratio", "{{node}}"),
        red_from="HostCpuHigh",
        maximum=1,
    )


def host_memory() -> Panel:
    return graph(
        "Memory of the docker hosts",
        "Share of a docker host's memory that is not available.",
        "percentunit",
        ("host:memory_used:ratio", "{{node}}"),
        red_from="HostMemoryHigh",
        maximum=1,
    )


def disks() -> Panel:
    return graph(
        "Disks",
        "Used share of each filesystem (docker: a node's, if none of the host's).",
        "percentunit",
        ("filesystem:used:ratio", "{{node}} {{device}}"),
        red_from="DiskUsageHigh",
        maximum=1,
    )


def platform() -> dict[str, Any]:
    well = [
        number(
            "Alerts firing",
            "All but the dead-man switch, which always fires.",
            COUNT,
            ('count(ALERTS{alertstate="firing",alertname!="Deadman"}) or vector(0)', ""),
            red_from=1,
        ),
        number(
            "Nodes down",
            "Nodes that the swarm does not hear of.",
            COUNT,
            (NODES_DOWN, ""),
            red_from=1,
        ),
        number(
            "Replicas missing",
            "Replicas that should run and don't, over all services.",
            COUNT,
            (MISSING, ""),
            red_from=1,
        ),
        number(
            "Routes that answer",
            "Share of the host names that answer well through the proxy.",
            "percentunit",
            ("avg(min by (host, path) (probe_success))", ""),
            red_below=1,
        ),
        number("Requests", "Requests per second, over all host names.", "reqps", ("sum(route:requests:rate1m)", "")),
        number(
            "Errors",
            "Share of the requests that are answered with a 5xx status.",
            "percentunit",
            (error_share(), ""),
            red_from="HttpErrorsHigh",
        ),
        rows(
            "Alerts",
            "Alerts that fire, critical ones first. The dead-man switch is left out. No data: none fires.",
            'ALERTS{alertstate="firing",alertname!="Deadman"}',
            ("severity", "alertname", "stack", "service", "node", "host"),
            colors={"severity": SEVERITIES},
            first="severity",
            width=16,
        ),
        lacking(),
        states(
            "Nodes",
            "Green while the swarm hears of the node.",
            ('max by (node) (swarm_node_state{state="ready"})', "{{node}}"),
        ),
        states(
            "Routes",
            "Green while a route's health path answers well through the proxy.",
            ("min by (host, path) (probe_success)", "{{host}}{{path}}"),
        ),
    ]
    resources = [
        host_cpu(),
        host_memory(),
        disks(),
        graph(
            "Containers by node",
            "Containers that run on each node.",
            COUNT,
            ('sum by (node) (engine_containers{state="running"})', "{{node}}"),
            stacked=True,
        ),
        graph(
            "CPU by service",
            "The ten services that use most, in CPUs.",
            "short",
            ("topk(10, sum by (stack, service) (container:cpu_usage:cores))", "{{stack}} {{service}}"),
            stacked=True,
        ),
        graph(
            "Memory by service",
            "The ten services that use most, without page cache.",
            "bytes",
            (
                "topk(10, sum by (stack, service) (container_memory_working_set_bytes))",
                "{{stack}} {{service}}",
            ),
            stacked=True,
        ),
    ]
    users = [
        graph("Requests by host name", "Requests per second.", "reqps", ("route:requests:rate1m", "{{host}}")),
        graph(
            "Slow answers",
            "The time within which 95 % of the requests of each host name were answered.",
            "s",
            (
                "histogram_quantile(0.95, sum by (le, host)"
                " (rate(proxy_request_duration_seconds_bucket[$__rate_interval])))",
                "{{host}}",
            ),
        ),
        graph(
            "Certificates",
            "How long the certificate of each host name is still valid.",
            "s",
            ("route:certificate_left:seconds", "{{host}}"),
            red_from="CertificateExpiresSoon",
        ),
    ]
    return dashboard(
        "fungap-platform",
        "Platform",
        "The platform at a glance: is all well, what is short, what do users see.",
        [("Is all well?", well), ("Users", users), ("Resources", resources)],
        annotations=ROLLOUTS,
    )


def containers_of(node: str, *, width: int = 12) -> list[Panel]:
    """The containers of the chosen nodes that use most."""
    chosen = f'node=~"{node}"'
    return [
        graph(
            "CPU by container",
            "The ten containers that use most, in CPUs.",
            "short",
            (f"topk(10, container:cpu_usage:cores{{{chosen}}})", "{{node}} {{stack}} {{task}}"),
            width=width,
            stacked=True,
        ),
        graph(
            "Memory by container",
            "The ten containers that use most, without page cache.",
            "bytes",
            (f"topk(10, container_memory_working_set_bytes{{{chosen}}})", "{{node}} {{stack}} {{task}}"),
            width=width,
            stacked=True,
        ),
    ]


def manager() -> dict[str, Any]:
    chosen = 'node=~"$node"'
    swarm = [
        number(
            "Managers reachable",
            "Managers that the others reach, of all: a majority is needed for any change.",
            COUNT,
            ("sum(max by (node) (swarm_node_reachable))", "reachable"),
            ('count(max by (node) (swarm_node_info{role="manager"}))', "of"),
        ),
        number(
            "Leaders",
            "Managers that say they are the leader: 1 when all is well.",
            COUNT,
            ("sum(max by (node) (swarm_node_is_leader))", ""),
            red_below=1,
        ),
        number(
            "Certificate of the node",
            "How long the swarm certificate is still valid; swarm renews it by itself.",
            "s",
            (f"min(swarm_node_certificate_expiry_timestamp_seconds{{{chosen}}}) - time()", ""),
            red_below="SwarmCertificateExpires",
        ),
        number(
            "Certificate of the CA",
            "How long the swarm's own CA is still valid.",
            "s",
            ("min(swarm_ca_certificate_expiry_timestamp_seconds) - time()", ""),
        ),
        number(
            "Containers",
            "Containers that run on the chosen managers.",
            COUNT,
            (f'sum(engine_containers{{{chosen},state="running"}})', ""),
        ),
        number(
            "Free for the engine",
            "What is left where the engine keeps images and volumes; of the chosen managers, the least.",
            "bytes",
            (f"min(node_docker_filesystem_avail_bytes{{{chosen}}})", ""),
        ),
        states(
            "Leader",
            "Which manager was the leader when.",
            ("max by (node) (swarm_node_is_leader)", "{{node}}"),
        ),
        rows(
            "Nodes of the swarm",
            "As the leader knows them.",
            "max by (node, role, engine_version, address) (swarm_node_info)",
            ("node", "role", "engine_version", "address"),
        ),
    ]
    node = [
        graph(
            "CPU of the node's containers",
            "Share of all CPU that the node can get.",
            "percentunit",
            (f"node:cpu_usage:ratio{{{chosen}}}", "{{node}}"),
            red_from="NodeCpuHigh",
            maximum=1,
        ),
        graph(
            "Memory of the node's containers",
            "Without page cache.",
            "bytes",
            (f"sum by (node) (container_memory_working_set_bytes{{{chosen}}})", "{{node}}"),
        ),
        graph(
            "Containers by state",
            "Ended ones stay for a while: swarm keeps the last few tasks.",
            COUNT,
            (f"sum by (state) (engine_containers{{{chosen}}})", "{{state}}"),
            stacked=True,
        ),
        *containers_of("$node"),
    ]
    host = [
        host_cpu(),
        host_memory(),
        disks(),
        graph(
            "CPU by kind",
            "What the CPUs of the docker hosts do; steal: what the hypervisor gave to others.",
            "percentunit",
            (
                'sum by (mode) (rate(node_cpu_seconds_total{mode!="idle"}[$__rate_interval]))'
                ' / scalar(count(node_cpu_seconds_total{mode="idle"}))',
                "{{mode}}",
            ),
            stacked=True,
            maximum=1,
        ),
        graph(
            "Load",
            "Processes that run or want to; more than there are CPUs means waiting.",
            "short",
            ("max by (node) (node_load1)", "{{node}} 1 minute"),
            ("max by (node) (node_load15)", "{{node}} 15 minutes"),
        ),
        graph(
            "Disk traffic",
            "Bytes per second, by device.",
            "Bps",
            (
                "sum by (node, device) (rate(node_disk_read_bytes_total[$__rate_interval]))",
                "{{node}} {{device}} read",
            ),
            (
                "sum by (node, device) (rate(node_disk_written_bytes_total[$__rate_interval]))",
                "{{node}} {{device}} written",
            ),
        ),
        graph(
            "Pressure",
            "Share of the time that something had to wait for CPU, memory or disk.",
            "percentunit",
            ("max by (node) (rate(node_pressure_cpu_waiting_seconds_total[$__rate_interval]))", "{{node}} CPU"),
            ("max by (node) (rate(node_pressure_memory_waiting_seconds_total[$__rate_interval]))", "{{node}} memory"),
            ("max by (node) (rate(node_pressure_io_waiting_seconds_total[$__rate_interval]))", "{{node}} disk"),
            width=WHOLE_WIDTH,
        ),
    ]
    return dashboard(
        "fungap-manager",
        "Manager node",
        "The swarm's state as its managers know it, the managers' own load, and the docker hosts.",
        [("The swarm", swarm), ("Managers: $node", node), ("Docker hosts", host)],
        variables=[
            variable("node", "Manager", 'label_values(swarm_node_info{role="manager"}, node)', "Managers of the swarm"),
        ],
        annotations=ROLLOUTS,
    )


def workers() -> dict[str, Any]:
    chosen = 'node=~"$node"'
    state = [
        states(
            "Ready",
            "Green while the swarm hears of the node.",
            (f'max by (node) (swarm_node_state{{{chosen},state="ready"}})', "{{node}}"),
        ),
        rows(
            "Availability",
            "active: takes replicas; pause: keeps those that it has; drain: gives them away.",
            f"max by (node, availability) (swarm_node_availability{{{chosen}}}) == 1",
            ("node", "availability"),
        ),
    ]
    load = [
        graph(
            "CPU by node",
            "Share of all CPU that the node can get.",
            "percentunit",
            (f"node:cpu_usage:ratio{{{chosen}}}", "{{node}}"),
            red_from="NodeCpuHigh",
            maximum=1,
        ),
        graph(
            "Memory by node",
            "Memory of the node's containers, without page cache.",
            "bytes",
            (f"sum by (node) (container_memory_working_set_bytes{{{chosen}}})", "{{node}}"),
        ),
        graph(
            "Containers by node",
            "Containers that run.",
            COUNT,
            (f'sum by (node) (engine_containers{{{chosen},state="running"}})', "{{node}}"),
        ),
        graph(
            "Network by node",
            "Bytes per second of the node's containers; sent ones below zero.",
            "Bps",
            (
                f"sum by (node) (rate(container_network_receive_bytes_total{{{chosen}}}[$__rate_interval]))",
                "{{node}} received",
            ),
            (
                f"sum by (node) (rate(container_network_transmit_bytes_total{{{chosen}}}[$__rate_interval]))",
                "{{node}} sent",
            ),
        ),
        graph(
            "Disk traffic by node",
            "Bytes per second of the node's containers.",
            "Bps",
            (
                f"sum by (node) (rate(container_blkio_read_bytes_total{{{chosen}}}[$__rate_interval]))",
                "{{node}} read",
            ),
            (
                f"sum by (node) (rate(container_blkio_write_bytes_total{{{chosen}}}[$__rate_interval]))",
                "{{node}} written",
            ),
        ),
        graph(
            "Disk of the engine",
            "Used share of the filesystem that the node's engine keeps its data on.",
            "percentunit",
            (
                f"1 - max by (node) (node_docker_filesystem_avail_bytes{{{chosen}}})"
                f" / max by (node) (node_docker_filesystem_size_bytes{{{chosen}}})",
                "{{node}}",
            ),
            red_from="DiskUsageHigh",
            maximum=1,
        ),
    ]
    return dashboard(
        "fungap-workers",
        "Worker nodes",
        "The workers side by side: which of them is short of what, and which containers use it.",
        [("State", state), ("Load", load), ("Containers", containers_of("$node"))],
        variables=[
            variable("node", "Worker", 'label_values(swarm_node_info{role="worker"}, node)', "Workers of the swarm"),
        ],
        annotations=ROLLOUTS,
    )


def services() -> dict[str, Any]:
    chosen = 'stack=~"$stack",service=~"$service"'
    rollouts = [
        replicas(chosen),
        lacking(chosen),
        graph(
            "Tasks on their way",
            "Tasks that should run and don't yet, by state: pending finds no node, preparing pulls its image.",
            COUNT,
            (
                f'sum by (state) (max by (stack, service, state) (swarm_service_tasks{{{chosen},state!="running"}}))',
                "{{state}}",
            ),
            stacked=True,
        ),
        graph(
            "Failed tasks",
            "Failed and rejected tasks that swarm still remembers (the last few of each replica).",
            COUNT,
            (f"max by (stack, service) (swarm_service_tasks_failed{{{chosen}}})", "{{stack}} {{service}}"),
        ),
        rows(
            "Last update",
            "How each service's last update ended (none: there was none yet).",
            f"max by (stack, service, state) (swarm_service_update_state{{{chosen}}}) == 1",
            ("stack", "service", "state"),
            colors={"state": UPDATES},
            width=8,
        ),
        rows(
            "Revision in force",
            "The number of each stack's recorded revision: what history.yml and rollback.yml call it.",
            'max by (stack) (swarm_stack_revision{stack=~"$stack"})',
            ("stack",),
            value=("revision", COUNT),
        ),
        rows(
            "In force since",
            "When that revision was deployed, and by what.",
            'max by (stack, kind) (swarm_stack_revision_timestamp_seconds{stack=~"$stack"}) * 1000',
            ("stack", "kind"),
            value=("since", "dateTimeFromNow"),
        ),
    ]
    load = [
        graph(
            "CPU of its limit",
            "Share of a container's CPU limit that it uses.",
            "percentunit",
            (f"container:cpu_limit:ratio{{{chosen}}}", "{{stack}} {{task}} ({{node}})"),
            red_from="ContainerCpuHigh",
        ),
        graph(
            "Memory of its limit",
            "Share of a container's memory limit that it uses.",
            "percentunit",
            (f"container:memory_limit:ratio{{{chosen}}}", "{{stack}} {{task}} ({{node}})"),
            red_from="ContainerMemoryHigh",
        ),
        graph(
            "Network",
            "Bytes per second, received and sent, by service.",
            "Bps",
            (
                f"sum by (stack, service) (rate(container_network_receive_bytes_total{{{chosen}}}[$__rate_interval]))",
                "{{stack}} {{service}} received",
            ),
            (
                f"sum by (stack, service) (rate(container_network_transmit_bytes_total{{{chosen}}}[$__rate_interval]))",
                "{{stack}} {{service}} sent",
            ),
        ),
        graph(
            "CPU",
            "CPUs in use, by service.",
            "short",
            (f"sum by (stack, service) (container:cpu_usage:cores{{{chosen}}})", "{{stack}} {{service}}"),
            stacked=True,
        ),
        graph(
            "Memory",
            "Memory in use without page cache, by service.",
            "bytes",
            (f"sum by (stack, service) (container_memory_working_set_bytes{{{chosen}}})", "{{stack}} {{service}}"),
            stacked=True,
        ),
        graph(
            "Deaths",
            "Containers that ended by themselves or were unhealthy, and processes killed for memory, in 15 minutes.",
            COUNT,
            (f"sum by (stack, service) (increase(container_restarts_total{{{chosen}}}[15m]))", "{{stack}} {{service}}"),
            (
                f"sum by (stack, service) (increase(container_oom_kills_total{{{chosen}}}[15m]))",
                "{{stack}} {{service}} for memory",
            ),
        ),
    ]
    return dashboard(
        "fungap-services",
        "Services and rollouts",
        "What is deployed since when, whether it runs, and what it uses. Marks: deploys (blue), rollbacks (orange),"
        " rollouts that swarm took back (red).",
        [("Rollouts", rollouts), ("Load", load)],
        variables=[
            variable("stack", "Stack", "label_values(swarm_service_replicas_desired, stack)", "Stacks of the swarm"),
            variable(
                "service",
                "Service",
                'label_values(swarm_service_replicas_desired{stack=~"$stack"}, service)',
                "Services of the chosen stacks",
            ),
        ],
        annotations=ROLLOUTS,
        since="now-3h",
    )


def proxy() -> dict[str, Any]:
    chosen = 'host=~"$host"'
    replicas = 'stack="proxy",service="proxy"'
    requests = [
        graph(
            "Requests by host name",
            "Requests per second in the proxy's access log; other: host names that it does not know.",
            "reqps",
            (f"route:requests:rate1m{{{chosen}}}", "{{host}}"),
            stacked=True,
        ),
        graph(
            "Requests by status",
            "Requests per second.",
            "reqps",
            (f"sum by (code) (rate(proxy_requests_total{{{chosen}}}[$__rate_interval]))", "{{code}}"),
            stacked=True,
        ),
        graph(
            "Errors by host name",
            "Share of the requests of the last 5 minutes with a 5xx status.",
            "percentunit",
            (f"route:http_errors:ratio{{{chosen}}}", "{{host}}"),
            red_from="HttpErrorsHigh",
        ),
        graph(
            "How long answers take",
            "The time within which half, 95 % and 99 % of the requests were answered.",
            "s",
            *((quantile(share, chosen), f"{share:.0%}") for share in (0.5, 0.95, 0.99)),
        ),
        graph(
            "Requests by node",
            "Requests per second that each node's proxy took: how the edge spreads them.",
            "reqps",
            (f"sum by (node) (rate(proxy_requests_total{{{chosen}}}[$__rate_interval]))", "{{node}}"),
            stacked=True,
        ),
        graph(
            "Probes by phase",
            "How long a request from the monitoring takes through the proxy: connect, TLS, the app's work, transfer.",
            "s",
            ("avg by (phase) (probe_http_duration_seconds)", "{{phase}}"),
            stacked=True,
        ),
    ]
    replicas_of_proxy = [
        graph(
            "CPU",
            "CPUs in use by each node's proxy.",
            "short",
            (f"sum by (node) (container:cpu_usage:cores{{{replicas}}})", "{{node}}"),
        ),
        graph(
            "Memory",
            "Memory in use by each node's proxy, without page cache.",
            "bytes",
            (f"sum by (node) (container_memory_working_set_bytes{{{replicas}}})", "{{node}}"),
        ),
        graph(
            "Network",
            "Bytes per second, received and sent, of each node's proxy.",
            "Bps",
            (
                f"sum by (node) (rate(container_network_receive_bytes_total{{{replicas}}}[$__rate_interval]))",
                "{{node}} received",
            ),
            (
                f"sum by (node) (rate(container_network_transmit_bytes_total{{{replicas}}}[$__rate_interval]))",
                "{{node}} sent",
            ),
        ),
    ]
    routes = [
        states(
            "Routes",
            "Green while a route's health path answers well through the proxy.",
            ("min by (host, path) (probe_success)", "{{host}}{{path}}"),
        ),
        rows(
            "Certificates",
            "How long each host name's certificate is still valid.",
            "sort(route:certificate_left:seconds)",
            ("host",),
            value=("valid for", "s"),
        ),
    ]
    return dashboard(
        "fungap-proxy",
        "Proxy",
        "What comes in, how it is answered, and the proxies' own load.",
        [("Requests", requests), ("Routes", routes), ("Proxies", replicas_of_proxy)],
        variables=[
            variable("host", "Host name", "label_values(proxy_requests_total, host)", "Host names of the routes"),
        ],
        annotations=ROLLOUTS,
    )


def registry() -> dict[str, Any]:
    job = 'job="registry"'
    state = [
        number(
            "Answers",
            "Whether the registry's figures could be read.",
            "bool_yes_no",
            (f"min(up{{{job}}})", ""),
            red_below=1,
        ),
        number(
            "Requests under way",
            "Pushes and pulls that are being answered.",
            COUNT,
            (f"sum(registry_http_in_flight_requests{{{job}}})", ""),
        ),
        number("CPU", "CPUs in use.", "short", (f"rate(process_cpu_seconds_total{{{job}}}[$__rate_interval])", "")),
        number("Memory", "Memory in use.", "bytes", (f"process_resident_memory_bytes{{{job}}}", "")),
        number(
            "Sent",
            "Bytes per second that nodes pull.",
            "Bps",
            (f"sum(rate(registry_http_response_size_bytes_sum{{{job}}}[$__rate_interval]))", ""),
        ),
        number(
            "Free on the fullest disk",
            "What is left on the docker hosts' fullest filesystem: the registry keeps its images on the first of them.",
            "bytes",
            ('bottomk(1, filesystem:avail_bytes{device!="docker"} and filesystem:size_bytes)', "{{node}} {{device}}"),
        ),
    ]
    requests = [
        graph(
            "Requests by kind",
            "Requests per second: manifests and blobs are pulled (get) or looked for (head), uploads are pushes.",
            "reqps",
            (
                f"sum by (handler, method) (rate(registry_http_requests_total{{{job}}}[$__rate_interval]))",
                "{{handler}} {{method}}",
            ),
            stacked=True,
        ),
        graph(
            "Requests by status",
            "Requests per second; by 401 a client learns that it has to log in, by 405 that the registry is read-only.",
            "reqps",
            (f"sum by (code) (rate(registry_http_requests_total{{{job}}}[$__rate_interval]))", "{{code}}"),
            stacked=True,
        ),
        graph(
            "How long answers take",
            "The time within which 95 % of each kind of request were answered.",
            "s",
            (
                "histogram_quantile(0.95, sum by (le, handler)"
                f" (rate(registry_http_request_duration_seconds_bucket{{{job}}}[$__rate_interval])))",
                "{{handler}}",
            ),
        ),
        graph(
            "Time on storage",
            "Seconds per second that the registry spends on each kind of storage operation.",
            "percentunit",
            (
                f"sum by (action) (rate(registry_storage_action_seconds_sum{{{job}}}[$__rate_interval]))",
                "{{action}}",
            ),
            width=12,
            stacked=True,
        ),
        graph(
            "Bytes",
            "Bytes per second, received (pushes) and sent (pulls).",
            "Bps",
            (f"sum(rate(registry_http_request_size_bytes_sum{{{job}}}[$__rate_interval]))", "received"),
            (f"sum(rate(registry_http_response_size_bytes_sum{{{job}}}[$__rate_interval]))", "sent"),
            width=12,
        ),
    ]
    return dashboard(
        "fungap-registry",
        "Registry",
        "The platform's own registry: what is pushed and pulled, how fast, and the space that is left.",
        [("State", state), ("Requests", requests)],
        annotations=ROLLOUTS,
        since="now-3h",
    )


# A load test's limits: its last step whose CPU stays at 80 % and whose slowest answer takes 2 s counts.
LOAD_CPU, LOAD_SECONDS = 0.8, 2.0


def load_test() -> dict[str, Any]:
    chosen, apps = 'host=~"$host"', 'stack=~"$stack"'
    now = [
        number("Requests", "Requests per second.", "reqps", (f"sum(route:requests:rate1m{{{chosen}}})", "")),
        number(
            "CPU",
            "The busiest docker host. The last step at or below 80 % is the capacity.",
            "percentunit",
            ("max(host:cpu_busy:ratio)", ""),
            red_from=LOAD_CPU,
            decimals=0,
        ),
        number(
            "Slowest answer",
            "At most so long took the slowest request of the last minute; more than 10 s counts as 10.",
            "s",
            (f"histogram_quantile(1, sum by (le) (rate(proxy_request_duration_seconds_bucket{{{chosen}}}[1m])))", ""),
            red_from=LOAD_SECONDS,
        ),
        number(
            "Errors",
            "Share of the requests with a 5xx status.",
            "percentunit",
            (error_share(chosen), ""),
            red_from="HttpErrorsHigh",
        ),
        number(
            "Replicas running",
            "Replicas of the chosen stacks that run.",
            COUNT,
            (f"sum(max by (stack, service) (swarm_service_replicas_running{{{apps}}}))", ""),
        ),
        number(
            "Memory",
            "The docker host with the most memory in use.",
            "percentunit",
            ("max(host:memory_used:ratio)", ""),
            red_from="HostMemoryHigh",
            decimals=0,
        ),
    ]
    seen = [
        graph(
            "Requests by status",
            "Requests per second. A step shows as a peak; what stays flat below the load that is sent is the limit.",
            "reqps",
            (f"sum by (code) (rate(proxy_requests_total{{{chosen}}}[$__rate_interval]))", "{{code}}"),
            width=12,
            stacked=True,
        ),
        graph(
            "How long answers take",
            "The time within which half, 90, 95, 99 % and all requests were answered. The line: 2 s for the slowest.",
            "s",
            *((quantile(share, chosen), f"{share:.0%}") for share in (0.5, 0.9, 0.95, 0.99)),
            (quantile(1, chosen), "slowest"),
            width=12,
            red_from=LOAD_SECONDS,
        ),
    ]
    used = [
        graph(
            "CPU of the docker hosts",
            "Share of the CPUs that is busy. The line: 80 %, the limit of a load test.",
            "percentunit",
            ("host:cpu_busy:ratio", "{{node}}"),
            red_from=LOAD_CPU,
            maximum=1,
        ),
        graph(
            "CPU by service",
            "CPUs in use, of all stacks: what the load costs beside the app itself.",
            "short",
            ("sum by (stack, service) (container:cpu_usage:cores)", "{{stack}} {{service}}"),
            stacked=True,
        ),
        graph(
            "CPU of its limit",
            "Share of its CPU limit that each container of the chosen stacks uses: at 100 % more replicas help.",
            "percentunit",
            (f"container:cpu_limit:ratio{{{apps}}}", "{{task}} ({{node}})"),
            red_from="ContainerCpuHigh",
        ),
        host_memory(),
        graph(
            "Memory by service",
            "Without page cache, of all stacks.",
            "bytes",
            ("sum by (stack, service) (container_memory_working_set_bytes)", "{{stack}} {{service}}"),
            stacked=True,
        ),
        graph(
            "Replicas",
            "Replicas of the chosen stacks that run.",
            COUNT,
            (f"max by (stack, service) (swarm_service_replicas_running{{{apps}}})", "{{stack}} {{service}}"),
        ),
    ]
    return dashboard(
        "fungap-load",
        "Load test",
        "What to look at while load is put on an app: requests, answers, and what runs out first.",
        [("Now", now), ("What users see", seen), ("What it uses", used)],
        variables=[
            variable("host", "Host name", "label_values(proxy_requests_total, host)", "Host names under load"),
            variable("stack", "Stack", "label_values(swarm_service_replicas_desired, stack)", "Stacks under load"),
        ],
        annotations=ROLLOUTS,
        since="now-30m",
        refresh="10s",
    )


DASHBOARDS: dict[str, Callable[[], dict[str, Any]]] = {
    "platform": platform,
    "manager": manager,
    "workers": workers,
    "services": services,
    "proxy": proxy,
    "registry": registry,
    "load_test": load_test,
}


def main(arguments: Sequence[str]) -> int:
    wanted = {
        FILES / "dashboards" / f"{name}.json": json.dumps(make(), indent=1, sort_keys=True) + "\n"
        for name, make in DASHBOARDS.items()
    }
    there = set((FILES / "dashboards").glob("*.json"))
    stale = [file for file, text in wanted.items() if file not in there or file.read_text() != text]
    surplus = sorted(there - wanted.keys())
    if "--check" in arguments:
        for file in [*stale, *surplus]:
            print(f"{file.relative_to(ROOT)} is not current: python bin/dashboards.py")
        return 1 if stale or surplus else 0
    for file in stale:
        file.write_text(wanted[file])
    for file in surplus:
        file.unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
