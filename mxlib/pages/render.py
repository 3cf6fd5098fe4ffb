"""From values to HTML, the only way: every value is escaped, and a page holds all it needs."""

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from mxlib.base.text import duration, one_line, plural, printable

if TYPE_CHECKING:
    from jinja2 import Environment

_WIDEST = 600


def clock(moment: datetime) -> str:
    """Return the time of day."""
    return f"{moment:%H:%M:%S}"


def _text(value: object) -> str:
    return one_line(str(value), _WIDEST)


def _environment() -> "Environment":
    # Imported here, not above: a clone that was updated before its libraries must still reboot a host, without a page.
    from jinja2 import Environment, PackageLoader, StrictUndefined

    made = Environment(
        loader=PackageLoader("mxlib.pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(duration=duration, clock=clock, text=_text, lines=printable)
    made.globals.update(plural=plural)
    return made


def render(template: str, values: Mapping[str, object]) -> str:
    """Return a page.

    Text from a host, a queue or a mail goes through the filter ``text`` or ``lines``, which remove control characters;
    markup in it is shown, not interpreted.

    Arguments:
        template: file name of the template in ``templates``.

    Raises:
        ImportError: Jinja2 is not installed.
        jinja2.TemplateError: the template is wrong, or lacks a value.
    """
    return _environment().get_template(template).render(values)
