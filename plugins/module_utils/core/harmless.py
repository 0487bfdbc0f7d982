# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What may be shown whatever it stands for. All else may be a secret in the wrong place. Pure."""

from __future__ import annotations

import ipaddress
import re

HIDDEN = "(not shown)"
# Longer ones are none that somebody wrote by hand.
SHOWN_MAX, KEY_MAX = 200, 64
NUMBER = r"[+-]?[0-9]+(\.[0-9]+)?"
# The texts that are no secret whatever variable they are put into: a number, an amount with its unit, ports, an
# address, a path below a folder that every machine has, and a file with a known ending. A word is not one of them, nor
# a host's name: a token is made of letters, digits and dots, too.
ENDINGS = "cer|cfg|conf|crt|env|gz|ini|json|key|pem|tar|txt|ya?ml|zst"
CLOSED = re.compile(
    rf"({NUMBER} ?(ns|us|ms|[smhdwy]|[kmgtp]?i?b?|(milli)?seconds?|minutes?|hours?|days?|weeks?|years?|percent|%"
    r"|(kilo|mega|giga|tera|kibi|mebi|gibi|tebi)?bytes?)"
    r"|([0-9]{1,3}(\.[0-9]{1,3}){3}:)?[0-9]{1,5}(-[0-9]{1,5})?(:[0-9]{1,5}(-[0-9]{1,5})?)?(/(tcp|udp|sctp))?"
    r"|[0-9]{1,3}(\.[0-9]{1,3}){3}(:[0-9]{1,5})?(/[0-9]{1,3})?"
    rf"|[~.]{{0,2}}/?([A-Za-z0-9_.-]+/+)*[A-Za-z0-9_-][A-Za-z0-9_.-]*\.({ENDINGS})"
    r"|/+(bin|boot|dev|etc|home|lib|lib32|lib64|media|mnt|opt|proc|root|run|sbin|srv|sys|tmp|usr|var)(/+[A-Za-z0-9._+-]*)*"
    r"|/)\Z",
    re.IGNORECASE,
)
KEY = re.compile(r"[A-Za-z0-9._/-]+\Z")


def is_harmless(text: str) -> bool:
    """Whether a text has a form that no secret has."""
    return len(text) <= SHOWN_MAX and bool(CLOSED.match(text) or _is_address(text))


def is_name(key: str) -> bool:
    """Whether a mapping's key names a part of it."""
    return len(key) <= KEY_MAX and bool(KEY.match(key))


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_interface(text)
    except ValueError:
        return False
    return True
