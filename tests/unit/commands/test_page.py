"""The page of a report: whatever goes wrong with it is said, and costs nothing but the page."""

import pytest

from mxlib.base.errors import ReportError
from mxlib.commands.page import write_page


def failing(error):
    def make():
        raise error

    return make


def test_it_is_written(tmp_path):
    path = tmp_path / "run.html"
    assert write_page(path, lambda: "<p>") == str(path)
    assert path.read_text() == "<p>"


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ImportError("no", name="jinja2"), "jinja2 is not installed \\(Debian: python3-jinja2\\)"),
        (KeyError("left"), "the page could not be made: KeyError: 'left'"),
        (ZeroDivisionError("by zero"), "the page could not be made"),
    ],
)
def test_that_it_cannot_be_made_is_one_kind_of_error(tmp_path, error, said):
    with pytest.raises(ReportError, match=said):
        write_page(tmp_path / "run.html", failing(error))
    assert not list(tmp_path.iterdir())
