# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What Slack is told of a rollout: one message, the verdict first. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

MAX_CAUSE = 2500  # Slack cuts a text at 4,000 characters


def rollout_message(
    result: Mapping[str, Any], app: str, release: Mapping[str, Any], kind: str = "deploy", why: str = ""
) -> dict[str, str]:
    """The body for an incoming webhook. ``result``: of swarm_stack, of a rollout that succeeded or failed."""
    failed = bool(result.get("failed"))
    if failed:
        verdict = str(result.get("verdict") or "failed").replace("_", " ")
        head = f":x: *{app}*: {kind} failed ({verdict}); revision {result.get('revision') or 'none'} runs"
    else:
        head = f":white_check_mark: *{app}*: revision {result.get('revision')} runs ({kind}, {result.get('verdict')})"
        if result.get("after"):
            head = head.replace(":white_check_mark:", ":warning:", 1) + "; what runs after it failed"
    image = str(release["image"]).rpartition("@sha256:")
    asked = str(release["app"]["image"]).partition("@")[0]  # the digest that it may have follows anyway
    facts = {
        "image": f"{asked} ({image[2][:12]})" if image[1] else asked,
        "env": release["env"]["digest"] or "none",
        "replicas": release["app"]["replicas"],
        "by": result.get("who") or "",
        "took": f"{result['seconds']:.0f} s" if result.get("seconds") else "",
        "reason": why,
    }
    lines = [head, " · ".join(f"{key} {value}" for key, value in facts.items() if value)]
    cause = str(result.get("msg")) if failed else str(result.get("after") or "")
    if cause:
        lines.append(f"```{cause[:MAX_CAUSE]}```")
    return {"text": "\n".join(lines)}
