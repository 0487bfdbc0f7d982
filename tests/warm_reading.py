# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What Ansible reads and compiles anew in each of its processes, for a server that forks them: done once.

Half of what a short run costs is that: a playbook's roles are read as YAML and copied, and each template is compiled in
the process of each task. Nothing else about it is changed: what is kept is found by its content.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from pathlib import Path
from types import CodeType, SimpleNamespace
from typing import Any

from tests.site.kept_code import kept

UNCHANGEABLE = (str, bytes, int, float, type(None))


def keep_templates(folder: Path) -> None:
    """Have Jinja keep in a folder the code that it makes of templates and expressions, and take it from there.

    Ansible's environment doesn't fold constants, so the code follows from the text, and from how its delimiters and
    backslashes are read (ansible-core 2.19.14, ``_internal/_templating/_jinja_bits.py``: ``optimized``).
    """
    from ansible._internal._templating import _jinja_bits as bits
    from jinja2.environment import TemplateExpression

    environment = bits.AnsibleEnvironment
    compile_template, compile_expression = environment.compile, environment.compile_expression
    made: list[CodeType] = []  # of an expression's tree, for compile_expression

    def read_as(self: Any, kind: str, source: str) -> bytes:
        context = bits._TemplateCompileContext.current(optional=True)
        reading = [getattr(self, name) for name in bits._TEMPLATE_OVERRIDE_FIELD_NAMES]
        return repr((kind, str(source), reading, context and context.escape_backslashes)).encode()

    def compile_once(self: Any, source: Any, name: Any = None, filename: Any = None, *more: Any, **options: Any) -> Any:
        def compiled() -> Any:
            return compile_template(self, source, name, filename, *more, **options)

        if not isinstance(source, str):
            made[:] = [compiled()]
            return made[0]
        if name or filename or more or options:
            return compiled()
        return kept(str(folder), read_as(self, "template", source), compiled)

    def compile_expression_once(self: Any, source: str, undefined_to_none: bool = True) -> Any:
        def compiled() -> CodeType:
            compile_expression(self, source, undefined_to_none)
            return made.pop()

        code = kept(str(folder), read_as(self, "expression", source), compiled)
        template = self.template_class.from_code(self, code, self.make_globals(None), None)
        return TemplateExpression(template, undefined_to_none)

    environment.compile, environment.compile_expression = compile_once, compile_expression_once


def share_files(files: Iterable[Path]) -> None:
    """Read YAML files now, for all processes that are forked from this one; and copy them in a simpler way.

    Ansible copies what it has read for each use by ``copy.deepcopy``: 20 times what a copy of lists and mappings takes.
    """
    from ansible._internal._datatag._tags import TrustedAsTemplate
    from ansible.module_utils._internal._datatag import AnsibleTagHelper
    from ansible.parsing import dataloader

    read = dataloader.from_yaml
    known: dict[tuple[str, str, frozenset[Any], bool], Any] = {}

    def key(data: Any, file_name: str, json_only: bool) -> tuple[str, str, frozenset[Any], bool]:
        return file_name, str(data), AnsibleTagHelper.tags(data), json_only

    def read_once(data: Any, file_name: str | None = None, json_only: bool = False, **more: Any) -> Any:
        if file_name and not more and (found := known.get(key(data, file_name, json_only))) is not None:
            return found
        return read(data=data, file_name=file_name, json_only=json_only, **more)

    loader = dataloader.DataLoader()
    for file in map(str, files):
        # As a play reads it: the text carries where it comes from, and that it may be a template.
        data = TrustedAsTemplate().tag(loader.get_text_file_contents(file))
        known[key(data, file, False)] = read(data=data, file_name=file, json_only=False)
    dataloader.from_yaml = read_once
    dataloader.copy = SimpleNamespace(deepcopy=copied)


def copied(value: Any) -> Any:
    """A copy of parsed YAML, with Ansible's tags; what can't be changed is shared."""
    from ansible.module_utils._internal._datatag import AnsibleTagHelper

    if isinstance(value, UNCHANGEABLE):
        return value
    if isinstance(value, dict):
        return AnsibleTagHelper.tag_copy(value, {copied(key): copied(item) for key, item in value.items()})
    if isinstance(value, list):
        return AnsibleTagHelper.tag_copy(value, [copied(item) for item in value])
    return copy.deepcopy(value)
