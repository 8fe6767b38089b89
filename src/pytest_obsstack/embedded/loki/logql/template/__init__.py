"""Go's ``text/template`` with Loki's functions, for ``line_format`` and ``label_format``.

Sources: Go's documentation of ``text/template``, Loki's "Template functions". What reads a clock or
formats times is not supported, nor are nested templates.
"""

from __future__ import annotations

from pytest_obsstack.embedded.loki.logql.template.nodes import TemplateError, TemplateSyntaxError
from pytest_obsstack.embedded.loki.logql.template.render import Template

__all__ = ["Template", "TemplateError", "TemplateSyntaxError"]
