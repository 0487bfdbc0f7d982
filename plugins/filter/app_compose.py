# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filters over entries of ``apps``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.plugin_utils import app as apps
from ansible_collections.fungap.swarm.plugins.plugin_utils import app_compose as documents
from ansible_collections.fungap.swarm.plugins.plugin_utils import cron


def app_compose(app: Mapping[str, Any], name: str, *, image: str, **settings: Any) -> str:
    """The compose file's text of one app."""
    try:
        return documents.compose_text(documents.app_compose(apps.resolve_app(name, app), image=image, **settings))
    except PlatformError as error:
        raise AnsibleFilterError(error.message) from error


def app_resolve(app: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The app with its name and every default."""
    try:
        return apps.resolve_app(name, app)
    except PlatformError as error:
        raise AnsibleFilterError(error.message) from error


def app_listens(app: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Which of the app's services have to take connections, though no health check of ours asks them."""
    return apps.app_listens(app_resolve(app, name))


def catalog_images(app: Mapping[str, Any]) -> list[str]:
    """The images of the catalog that an app, or a part of its entry, names."""
    return list(dict.fromkeys(apps.catalog_images(app).values()))


def cron_wanted(apps: Mapping[str, Mapping[str, Any]]) -> bool:
    """Whether an app of these, by name, has a schedule."""
    return cron.cron_wanted(apps.values())


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Name to function."""
        return {
            "app_compose": app_compose,
            "app_listens": app_listens,
            "app_resolve": app_resolve,
            "catalog_images": catalog_images,
            "cron_wanted": cron_wanted,
        }
