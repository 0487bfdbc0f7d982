# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A terminal in a replica of an app: ``make exec APP=web``.

``bin/exec.py INVENTORY APP [REPLICA [COMMAND [ARGUMENT OF ansible-playbook ...]]]``
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    inventory, app, replica, command, *more = [*sys.argv[1:], *[""] * (5 - len(sys.argv))]
    if not app:
        sys.exit("give APP=NAME, and if you like REPLICA=<number or node> and CMD=<program and arguments>")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "command.json"
        asked = {
            "app": app,
            "replica": replica,
            "command": command,
            "terminal_file": str(file),
            "terminal_tty": sys.stdin.isatty(),
        }
        extra = json.dumps({key: value for key, value in asked.items() if value != ""})
        playbook = ["ansible-playbook", "-i", inventory, str(ROOT / "playbooks/exec.yml"), "-e", extra, *more]
        # What a pipe reads is what the command says.
        done = subprocess.run(playbook, stdin=subprocess.DEVNULL, stdout=sys.stderr, check=False)
        if done.returncode or not file.exists():
            sys.exit(done.returncode or "nothing was found")
        words = json.loads(file.read_text())
    os.execvp(words[0], words)


if __name__ == "__main__":
    main()
