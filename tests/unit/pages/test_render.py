import re

import jinja2
import pytest

from mxlib.pages.render import _environment, render
from tests.unit.support.html import loaded


def shown(text, **values):
    return _environment().from_string(text).render(values)


def test_everything_is_escaped_also_without_a_filter():
    escaped = "&lt;i&gt;&#34;&#39;&amp;"
    assert shown("<b title='{{ x }}'>{{ x }}</b>", x="<i>\"'&") == f"<b title='{escaped}'>{escaped}</b>"


def test_control_characters_are_taken_away():
    assert shown("{{ x | text }}|{{ x | lines }}", x="a\x1b[31mb\u202ec\nd") == "abc d|abc\nd"


def test_a_value_that_is_missing_is_an_error():
    with pytest.raises(jinja2.UndefinedError):
        shown("{{ nothing }}")
    with pytest.raises(jinja2.UndefinedError):
        render("run.html", {"title": "t"})


def test_no_template_lets_anything_through_unescaped():
    for name in _environment().list_templates():
        source, _, _ = _environment().loader.get_source(_environment(), name)
        assert re.search(r"\|\s*safe\b|autoescape|Markup", source) is None, name


def test_a_page_loads_and_runs_nothing():
    page = render("base.html", {"title": "t"})
    assert loaded(page) == []
    assert "url(" not in page
    assert "default-src 'none'" in page


def test_what_a_page_would_load_or_run_is_found():
    assert loaded("<img src=x onerror=y><script>") == ["img", "src=x", "onerror=y", "script"]
