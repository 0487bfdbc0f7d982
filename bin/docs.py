# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Write docs/reference and the roles' READMEs from what modules, roles and filters say of themselves (ansible-doc).

``python bin/docs.py`` writes; with ``--check`` it writes nothing and fails, naming each page that is not current.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "roles/images/files/swarm-exporter"))
from swarm_exporter.metrics import ALL as METRICS

PAGES = "docs/reference"
REFERENCE = ROOT / PAGES
COLLECTION = "fungap.swarm"
KINDS = {"module": "modules", "role": "roles", "filter": "filters", "lookup": "lookups", "callback": "callbacks"}

Doc = Mapping[str, Any]


def main(arguments: list[str]) -> int:
    pages = render(describe())
    written = [*REFERENCE.rglob("*.md"), *ROOT.glob("roles/*/README.md")]
    found = {str(path.relative_to(ROOT)): path.read_text() for path in written}
    stale = sorted(name for name in pages.keys() | found.keys() if pages.get(name) != found.get(name))
    if "--check" in arguments:
        for name in stale:
            print(f"{name} is not current: make docs")
        return 1 if stale else 0
    for name in stale:
        page = ROOT / name
        if name not in pages:
            page.unlink()
            continue
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(pages[name])
        print(name)
    return 0


def describe() -> Mapping[str, Mapping[str, Doc]]:
    """What ansible-doc knows of the collection: kind -> name -> description."""
    command = [str(Path(sys.executable).with_name("ansible-doc")), "--metadata-dump", "--no-fail-on-errors", COLLECTION]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    described: Mapping[str, Mapping[str, Doc]] = json.loads(done.stdout)["all"]
    return {kind: described[kind] for kind in KINDS}


def render(described: Mapping[str, Mapping[str, Doc]]) -> dict[str, str]:
    """Pages by their path in the collection; a role's lies in its folder, where Galaxy looks for it."""
    pages = {}
    index = ["# Reference", "", "Written by `make docs` from the specifications; not by hand."]
    for kind, folder in KINDS.items():
        entries = {name.removeprefix(f"{COLLECTION}."): entry for name, entry in sorted(described[kind].items())}
        if not entries:
            continue
        index += ["", f"## {folder.capitalize()}", ""]
        for name, entry in entries.items():
            if "error" in entry:
                raise SystemExit(f"{kind} {name}: {entry['error']}")
            lines = list(_role(name, entry) if kind == "role" else _plugin(name, entry))
            page = f"roles/{name}/README.md" if kind == "role" else f"{PAGES}/{folder}/{name}.md"
            pages[page] = "\n".join(lines) + "\n"
            link = f"../../{page}" if kind == "role" else f"{folder}/{name}.md"
            index.append(f"- [{name}]({link}): {_summary(kind, entry)}")
    pages[f"{PAGES}/metrics.md"] = "\n".join(_metrics()) + "\n"
    index += ["", "## metrics", "", "- [metrics](metrics.md): What swarm-exporter tells Prometheus"]
    points = described["role"][f"{COLLECTION}.preflight"]["entry_points"]
    pages[f"{PAGES}/route.md"] = "\n".join(_route(points["app"]["options"]["route"]["options"])) + "\n"
    index += ["", "## route", "", "- [route](route.md): What the route of an app can say"]
    pages[f"{PAGES}/README.md"] = "\n".join(index) + "\n"
    return pages


def _metrics() -> Iterator[str]:
    yield from ("# Metrics of swarm-exporter", "", "What the program tells of itself (`process_*`) comes beside.")
    modes = {
        "engine": "On every node: of its engine and its containers",
        "swarm": "On every manager: of the swarm",
        "both": "In both modes",
    }
    for mode, title in modes.items():
        yield from ("", f"## {title}", "", "| metric | type | labels | what |", "| --- | --- | --- | --- |")
        for metric in sorted((one for one in METRICS if one.mode == mode), key=lambda one: one.name):
            labels = ", ".join(f"`{label}`" for label in metric.labels)
            yield f"| `{metric.name}` | {metric.kind} | {labels} | {metric.help} |"


def _route(options: Mapping[str, Doc]) -> Iterator[str]:
    yield from ("# The route of an app", "", "`apps.<name>.route`; [the proxy](../proxy.md) has examples.", "")
    yield from ("| key | type | default | what |", "| --- | --- | --- | --- |", *_rows(options))


def _rows(options: Mapping[str, Doc], above: str = "") -> Iterator[str]:
    for name, option in sorted(options.items()):
        kind = f"{option.get('type', 'str')} of {option['elements']}" if option.get("elements") else option.get("type")
        text = _text(option.get("description")).replace("|", "\\|")
        if option.get("choices"):
            text += " One of " + ", ".join(f"`{choice}`" for choice in option["choices"]) + "."
        default = option.get("default")
        nested = option.get("options") or {}
        shown = "required" if option.get("required") else "" if default is None or nested else f"`{_value(default)}`"
        yield f"| `{above}{name}` | {kind or 'str'} | {shown} | {text} |"
        yield from _rows(nested, f"{above}{name}{'[]' if option.get('elements') else ''}.")


def _summary(kind: str, entry: Doc) -> str:
    return _inline(
        entry["entry_points"]["main"]["short_description"] if kind == "role" else entry["doc"]["short_description"]
    )


def _plugin(name: str, entry: Doc) -> Iterator[str]:
    doc = entry["doc"]
    yield from _head(name, doc)
    if doc.get("requirements"):
        yield from ("", "Needs where it runs: " + "; ".join(map(_inline, doc["requirements"])) + ".")
    if doc.get("options"):
        yield from ("", "## Parameters", "", *_options(doc["options"]))
    if doc.get("attributes"):
        yield from ("", "## Attributes", "")
        for key, attribute in sorted(doc["attributes"].items()):
            text = _text(attribute.get("details") or attribute.get("description"))
            yield f"- **{key}**: {attribute.get('support', '')}. {text}".rstrip()
    if doc.get("notes"):
        yield from ("", "## Notes", "", *(f"- {_inline(note)}" for note in doc["notes"]))
    if entry.get("examples"):
        yield from ("", "## Examples", "", "```yaml", str(entry["examples"]).strip("\n"), "```")
    if entry.get("return"):
        yield from ("", "## Returns", "", *_options(entry["return"]))


def _role(name: str, entry: Doc) -> Iterator[str]:
    points = entry["entry_points"]
    for point in sorted(points, key=lambda point: (point != "main", point)):
        doc = points[point]
        if point == "main":
            yield from _head(name, doc)
        else:
            yield from (
                "",
                f"## Entry point {point}",
                "",
                _inline(doc.get("short_description", "")),
                "",
                *_paragraphs(doc),
            )
        if doc.get("options"):
            yield from ("", "## Variables" if point == "main" else "### Variables", "", *_options(doc["options"]))


def _head(name: str, doc: Doc) -> Iterator[str]:
    yield from (f"# {COLLECTION}.{name}", "", _inline(doc["short_description"]) + ".")
    yield from ("", *_paragraphs(doc))


def _paragraphs(doc: Doc) -> Iterator[str]:
    described = doc.get("description") or []
    for number, paragraph in enumerate([described] if isinstance(described, str) else described):
        if number:
            yield ""
        yield _inline(paragraph)


def _options(options: Mapping[str, Doc], level: int = 0) -> Iterator[str]:
    """Parameters, variables or return values: a nested list."""
    for name, option in sorted(options.items(), key=lambda item: (not item[1].get("required", False), item[0])):
        kind = option.get("type", "str")
        if option.get("elements"):
            kind = f"{kind} of {option['elements']}"
        traits = [kind]
        if option.get("required"):
            traits.append("required")
        text = _text(option.get("description"))
        if option.get("choices"):
            text += " One of " + ", ".join(f"`{choice}`" for choice in option["choices"]) + "."
        if option.get("default") is not None:
            text += f" Default: `{_value(option['default'])}`."
        if option.get("returned"):
            text += f" Returned: {_inline(option['returned'])}."
        if option.get("sample") is not None:
            text += f" Example: `{_value(option['sample'])}`."
        yield f"{'  ' * level}- **`{name}`** ({', '.join(traits)}): {text}".rstrip()
        for nested in ("options", "suboptions", "contains"):
            if option.get(nested):
                yield from _options(option[nested], level + 1)


def _value(value: Any) -> str:
    dumped: str = yaml.safe_dump(value, default_flow_style=True, width=10**6, sort_keys=False)
    return dumped.removesuffix("\n").removesuffix("\n...")


def _text(description: Any) -> str:
    parts = [description] if isinstance(description, str) else description or []
    return " ".join(_inline(part) for part in parts)


def _inline(text: str) -> str:
    """Ansible's markup as Markdown."""
    text = re.sub(r"\b(?:C|V|O|RV|E|M|P)\(((?:\\.|[^()\\]|\([^()]*\))*)\)", r"`\1`", str(text))
    text = re.sub(r"\bI\(([^)]*)\)", r"*\1*", text)
    text = re.sub(r"\bB\(([^)]*)\)", r"**\1**", text)
    text = re.sub(r"\bU\(([^)]*)\)", r"<\1>", text)
    text = re.sub(r"\bL\(([^,)]*),\s*([^)]*)\)", r"[\1](\2)", text)
    return " ".join(text.replace("HORIZONTALLINE", "").split())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
