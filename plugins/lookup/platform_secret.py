# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
---
name: platform_secret
short_description: Read a secret file of the controller
version_added: 1.0.0
description:
  - Reads a file that M(fungap.swarm.platform_secrets) keeps, or a user's own, when it is used, so that no secret has to
    stand in a variable or fact. Ansible Vault is decrypted.
  - White space at the end is cut off.
  - In check mode a file that is not there yet gives a placeholder.
options:
  _terms:
    description: Absolute paths.
    type: list
    elements: str
    required: true
author:
  - The fungap.swarm authors (@fungap)
"""

EXAMPLES = r"""
- name: Install the key of the registry
  fungap.swarm.config_files:
    files:
      - path: /etc/fungap/registry/tls.key
        content: "{{ lookup('fungap.swarm.platform_secret', registry_secrets.certificates.registry.key_file) }}\n"
        secret: true
"""

RETURN = r"""
_raw:
  description: The contents.
  type: list
  elements: str
"""

import os
from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.lookup import LookupBase

from ansible_collections.fungap.swarm.plugins.plugin_utils.secret_file import read_secret

NOT_YET = "(not generated yet)"


class LookupModule(LookupBase):
    """``fungap.swarm.platform_secret``."""

    def run(self, terms: list[str], variables: dict[str, Any] | None = None, **kwargs: Any) -> list[str]:
        self.set_options(var_options=variables, direct=kwargs)
        return [self._read(term, check=bool((variables or {}).get("ansible_check_mode"))) for term in terms]

    def _read(self, path: str, *, check: bool) -> str:
        if not os.path.exists(path):
            if check:
                return NOT_YET
            raise AnsibleError(f"there is no secret file {path}: fungap.swarm.platform_secrets makes it")
        return read_secret(self._loader, path)
