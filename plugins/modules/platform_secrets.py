#!/usr/bin/python
# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
---
module: platform_secrets
short_description: Keep the platform's CA, certificates, SSH keys and passwords on the controller
version_added: 1.0.0
description:
  - Makes, once, and keeps a certificate authority, server certificates, SSH keys and random passwords in a folder of
    the controller that only its owner may read (V(0700), files V(0600)). Runs on the controller only, for any host.
  - A certificate is made anew when less than 30 days are left, when its names change or when the CA is another one. The
    CA is never replaced; its certificate is made anew from the same key when less than 395 days, or a third of its
    time, are left, so that none that it signs outlives it.
  - A file that is there wins, a person's own (or one encrypted with Ansible Vault) as well as ours.
  - The facts tell where keys and passwords are, not what they are; roles read them when they use them, with the lookup
    P(fungap.swarm.platform_secret#lookup).
  - Every file is replaced as a whole; a run killed at any moment is completed by the next one.
options:
  directory:
    description: The folder, an absolute path on the controller.
    type: path
    required: true
  ca_name:
    description: Common name of a new CA.
    type: str
    default: Platform CA
  certificates:
    description:
      - Wanted certificates by name; each may have C(names) (DNS names), C(addresses) (IP addresses), and
        C(certificate_file) with C(key_file), a user's own pair (relative to the inventory's folder), which must cover
        C(names).
      - With C(in_force), what is recorded of the one that is served (C(given), and C(until), a time as in
        C(not_after)), ours stays where it is ours, and a user's own is not replaced by ours, or by one that ends
        earlier.
      - With C(mutual), one of ours is a client's, too, for both ends of a connection within the platform, and valid as
        long as the CA's.
      - Without C(names), the certificate there stays for those that it has, and none is made where there is none.
    type: dict
    default: {}
  passwords:
    description: Names of wanted passwords, 40 random letters and digits each, kept in C(<name>.password).
    type: list
    elements: str
    default: []
  htpasswd:
    description: Users by the name of their password; the bcrypt line is kept in C(<name>.htpasswd).
    type: dict
    default: {}
  ssh_keys:
    description: Names of wanted SSH keys, Ed25519 without a passphrase, kept in C(<name>.ssh).
    type: list
    elements: str
    default: []
  authorities:
    description:
      - The IDs of the keys (subject key identifiers) of the CAs that the docker hosts trust. With another one in
        O(directory), or none, nothing is made. Empty means any.
    type: list
    elements: str
    default: []
  id_replaced:
    description: The ID of another platform of the same name, which this one takes the place of.
    type: str
    default: ""
requirements:
  - cryptography
  - bcrypt
attributes:
  check_mode:
    support: full
    description: Can run in check mode and says what it would change.
  diff_mode:
    support: full
    description: Shows names, expiry and fingerprints of certificates; of keys and passwords only that they change.
  idempotent:
    support: full
    description: A second run changes nothing.
author:
  - The fungap.swarm authors (@fungap)
"""

EXAMPLES = r"""
- name: Keep the platform's secrets
  fungap.swarm.platform_secrets:
    directory: "{{ inventory_dir }}/.secrets"
    ca_name: fungap platform CA
    certificates:
      registry:
        names: [registry]
        addresses: [172.30.0.2]
      proxy:
        names: [web.localhost]
    passwords: [registry]
    htpasswd:
      registry: platform
"""

RETURN = r"""
ansible_facts:
  description: Facts; no key and no password is among them.
  returned: success
  type: dict
  contains:
    platform_secrets:
      description:
        - C(directory); C(ids), what tells the platform from another one of its name (the ID of its CA's key), and
          O(id_replaced); C(ca) and C(certificates.<name>) with C(certificate) (PEM), C(certificate_file),
          C(fingerprint), C(not_after), C(names), of a certificate also C(key_file), C(given) and C(pending) (in check
          mode, why it would be made anew; what is told of it then is kept by nobody); C(passwords.<name>) with C(file)
          and, for htpasswd, C(user) and C(htpasswd_file); C(ssh_keys.<name>) with C(file) and C(public_key).
      returned: success
      type: dict
actions:
  description: What was written (in check mode, would be) and why.
  returned: success
  type: list
  elements: str
  sample: ["write registry.crt: its names changed"]
"""
