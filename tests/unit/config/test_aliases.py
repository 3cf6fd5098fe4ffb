import pytest

from mxlib.config.aliases import AliasGenerator


@pytest.mark.parametrize(
    "wrong",
    [{"name": "No"}, {"unit": "x"}, {"file": "relative"}, {"file": "/etc/../x"}, {"timer": "x.service"}, {"floor": -1},
     {"interval": float("nan")}, {"max_age": 0.0}, {"max_difference": 2.0}, {"samples": ("x",)}, {"start_timeout": 1}],
)  # fmt: skip
def test_a_wrong_configuration_is_refused(wrong):
    values = {"name": "vrts", "unit": "x.service", "file": "/etc/x"}
    with pytest.raises(ValueError, match=next(iter(wrong))):
        AliasGenerator(**{**values, **wrong})


def test_a_run_may_be_missed_and_an_unchanged_file_may_be_older():
    hourly = AliasGenerator("vrts", "x.service", "/etc/x", interval=3600)
    assert (hourly.allowed_age, hourly.success_age) == (7200, 7200)
    seldom = AliasGenerator("vrts", "x.service", "/etc/x", interval=3600, max_age=86400)
    assert (seldom.allowed_age, seldom.success_age) == (86400, 7200)
