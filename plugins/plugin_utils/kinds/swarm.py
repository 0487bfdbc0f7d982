# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a swarm takes of a service and a node: constraints, labels, commands, templates."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from ansible_collections.fungap.swarm.plugins.plugin_utils.kinds.addresses import why_no_address_or_network
from ansible_collections.fungap.swarm.plugins.plugin_utils.kinds.texts import as_list, why_no_key, why_no_scalar
from ansible_collections.fungap.swarm.plugins.plugin_utils.problem import show_key

# The kernel's, of each argument and each variable with its name; the name is left its share.
ARGUMENT_BYTES_MAX = 128 * 1024 - 1024
LABEL_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_./-]*\Z")
# Labels of the platform, of its services, and of Docker.
RESERVED_LABELS = ("fungap.", "io.fungap.", "com.docker.")
# https://github.com/moby/swarmkit/blob/master/manager/constraint/constraint.go
CONSTRAINT = re.compile(
    r" *(node\.(id|hostname|role|ip|platform\.(os|arch)|labels\.[a-z0-9][a-z0-9_.-]*)"
    r"|engine\.labels\.[a-z0-9][a-z0-9_.-]*)"
    r" *(==|!=) *([a-z0-9_.:/-][a-z0-9_.:/ -]*)\Z",
    re.IGNORECASE,
)

# How the docker CLI parts a command into words (google/shlex): a comment begins where a word may.
COMMAND_PART = re.compile(r"""\s+|(?<!\S)#[^\n]*|((?:\\.|'[^']*'|"(?:\\.|[^"\\])*"|[^\s'"\\])+)""", re.DOTALL)
# Words that do nothing without a shell. Within others their characters are a URL's, or a rule's.
SHELL_WORD = re.compile(r"(&&?|\|\|?|;|<<?|[0-9&]?>>?(&[0-9]|/.*)?|.*[^\\];)\Z", re.DOTALL)
# What a swarm fills in of a service's environment, host name and mounts, and how Go's templates may put it:
# https://docs.docker.com/reference/cli/docker/service/create/#create-services-using-templates
TEMPLATE = re.compile(r'{{(/\*.*?\*/|(?:"(?:[^"\\]|\\.)*"|`[^`]*`|[^"`])*?)}}', re.DOTALL)
TEMPLATE_WORD = re.compile(r'"(?:[^"\\]|\\.)*"|`[^`]*`|[|(),]|:?=|\$*[A-Za-z_.][A-Za-z0-9_.]*|-?[0-9]+|-|\s+')
TEMPLATE_BLOCKS = ("if", "range", "with")
TEMPLATE_KNOWN = re.compile(
    r"(\.(Service\.(ID|Name|Labels(\.[A-Za-z0-9_]+)*)|Node\.(ID|Hostname|Platform\.(Architecture|OS))"
    r"|Task\.(ID|Name|Slot))|\.|\$+[A-Za-z0-9_.]*|[\"`|(),:=0-9-].*"
    r"|if|else|end|range|with|and|or|not|eq|ne|lt|le|gt|ge|index|len|slice|print|printf|println|html|js|urlquery|join|true|false)\Z",
    re.DOTALL,
)


def why_no_constraint(value: Any) -> str:
    found = CONSTRAINT.match(str(value))
    if not found:
        return "is not a constraint"
    is_address = found.group(1).lower() != "node.ip" or not why_no_address_or_network(found.group(5).strip())
    return "" if is_address else "compares with what is neither an address nor a network"


def why_no_health_test(value: Any) -> str:
    """Docker's form of a check of one's own."""
    value = as_list(value)
    if not isinstance(value, list) or not value:
        return ""
    if value[0] not in ("CMD", "CMD-SHELL"):
        return "does not begin with CMD or CMD-SHELL"
    if len(value) == 1 or (value[0] == "CMD-SHELL" and len(value) != 2):
        return "has no command" if len(value) == 1 else "has more than the one text that CMD-SHELL takes"
    if value[1] is None or not str(value[1]).strip():
        return "has no command"
    return next(
        (f"has an element that {why}" for one in value if (why := why_no_argument(one) or _why_too_long(one))), ""
    )


def why_no_argument(value: Any) -> str:
    """What a program can be given. A time with its date is one that YAML has read, and would be written otherwise."""
    if isinstance(value, datetime):
        return "is a date and a time to YAML: put it in quotes"
    if value is None or isinstance(value, (list, Mapping)) or (isinstance(value, float) and not math.isfinite(value)):
        return "is neither text nor a number"
    return "has a NUL character in it" if "\0" in str(value) else ""


def _why_too_long(value: Any) -> str:
    is_longer = len(str(value).encode(errors="replace")) >= ARGUMENT_BYTES_MAX
    return "is longer than the 128 kB that a program can be given" if is_longer else ""


def why_no_words(value: Any) -> str:
    """A program and its arguments, which no shell reads."""
    value = as_list(value)
    if not isinstance(value, list) or not value:
        return ""
    program = str(value[0])
    if not program.strip():
        return "begins with an empty word"
    if len(value) == 1 and program.split() != [program]:
        return "is a single word with spaces in it, which no program is called"
    return next(
        (f"has an element that {why}" for one in value if (why := why_no_argument(one) or _why_too_long(one))), ""
    )


def why_no_command(value: Any) -> str:
    """One text, which the docker CLI parts into words: a program would get what is meant for a shell as arguments."""
    text = str(value)
    if COMMAND_PART.sub("", text):
        return "has a quote that is not closed"
    words = COMMAND_PART.findall(text)
    return "has what only a shell reads" if any(map(SHELL_WORD.match, words)) else why_no_argument(value)


def _actions(text: str) -> list[str] | None:
    """What stands between braces, None where some are not closed."""
    found, at = [], text.find("{{")
    while at >= 0:
        match = TEMPLATE.match(text, at)
        if not match:
            return None
        found.append(match.group(1))
        at = text.find("{{", match.end())
    return found


def why_no_template(value: Any) -> str:
    """Text that a swarm fills in: what Go's templates can read, of what there is of a task."""
    actions, depth = _actions(str(value)), 0
    if actions is None:
        return "has a {{ that is not closed"
    # What a placeholder says is not told: it may be a password with braces.
    for action in (one for one in actions if not re.match(r"/\*.*\*/\Z", one, re.DOTALL)):
        words = [word for word in TEMPLATE_WORD.findall(action) if word.strip(" -")]
        if not words or TEMPLATE_WORD.sub("", action):
            return "has a {{ }} that can't be read"
        depth += (words[0] in TEMPLATE_BLOCKS) - (words[0] == "end")
        if not all(map(TEMPLATE_KNOWN.match, words)):
            return "has a {{ }} with a name in it that a swarm does not know"
    return "has a block without its end" if depth else why_no_argument(value) or _why_too_long(value)


def why_no_host_text(value: Any) -> str:
    """A container's host name, in which a swarm may fill in something."""
    if why := why_no_template(value):
        return why
    name = TEMPLATE.sub("x", str(value))
    return "" if re.match(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}\Z", name) else "is not a host name"


def why_no_labels(value: Any) -> str:
    """A node's labels: names that a constraint can name, with text."""
    for name, text in value.items() if isinstance(value, Mapping) else ():
        if why := why_no_key(name):
            return why
        if not LABEL_NAME.match(name):
            return f"has the label {show_key(name)}, which no constraint can name"
        if why := why_no_scalar(text):
            return f"has no text for {name}: it {why}"
    return ""
