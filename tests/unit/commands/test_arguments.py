"""Each option is checked as it is typed: what is refused names the value and what was expected."""

import argparse

import pytest

from mxlib.base.errors import ConfigError
from mxlib.commands import arguments


@pytest.mark.parametrize(
    ("read", "text", "value"),
    [
        (arguments.count, "0", 0),
        (arguments.count, "17", 17),
        (arguments.seconds(0), "90", 90.0),
        (arguments.seconds(0), "1.5", 1.5),
        (arguments.seconds(0), "30m", 1800.0),
        (arguments.seconds(0), "2h", 7200.0),
        (arguments.kernel("newest", "proven"), "proven", "proven"),
        (arguments.kernel(), "6.1.0-30-amd64", "6.1.0-30-amd64"),
        (arguments.check_name, "outbound-provider-v6", "outbound-provider-v6"),
        (arguments.check_name, "client:192.0.2.7", "client:192.0.2.7"),
        (arguments.mail_address, "user+tag@example.org", "user+tag@example.org"),
        (arguments.network, "2001:db8:51::/64", "2001:db8:51::/64"),
        (arguments.mac_and_name, "AA:00:00:77:00:21=ens5", ("aa:00:00:77:00:21", "ens5")),
        (arguments.run_id, "20261121T021200Z-0a1b2c-roll", "20261121T021200Z-0a1b2c-roll"),
        (arguments.one_of("allow", "close-hole"), "allow", "allow"),
        (arguments.task, "T123456", "T123456"),
        (arguments.task, "", ""),
        (arguments.window, "mon-thu 22:00-05:00 Europe/Berlin", "mon-thu 22:00-05:00 Europe/Berlin"),
    ],
)
def test_what_is_meant_is_read(read, text, value):
    assert read(text) == value


@pytest.mark.parametrize(
    ("read", "text"),
    [
        (arguments.count, "-1"),
        (arguments.count, "1.5"),
        (arguments.count, "٣"),
        (arguments.seconds(0), "-5"),
        (arguments.seconds(0), "1d"),
        (arguments.seconds(0), "nan"),
        (arguments.seconds(0), "25h"),
        (arguments.seconds(1), "0"),
        (arguments.kernel("newest"), "proven"),
        (arguments.kernel("newest"), "foo bar"),
        (arguments.kernel("newest"), "6.1.0;reboot"),
        (arguments.kernel(), ""),
        (arguments.check_name, "no such check"),
        (arguments.check_name, ""),
        (arguments.mail_address, "nobody"),
        (arguments.network, "192.0.2.300"),
        (arguments.mac_and_name, "ens5"),
        (arguments.run_id, "mine"),
        (arguments.one_of("allow", "close-hole"), "open-hole"),
        (arguments.task, "123456"),
        (arguments.window, "at night"),
        (arguments.window, "mon 25:00-26:00"),
    ],
)
def test_what_is_refused_names_the_value_and_what_was_expected(read, text):
    with pytest.raises(argparse.ArgumentTypeError, match=r"^expected .*, got ") as refused:
        read(text)
    assert str(refused.value).endswith(repr(text))


def test_an_option_that_would_be_ignored_is_refused_by_name():
    args = argparse.Namespace(soak=None, stay_depooled=False, accept=[], json="x")
    arguments.refuse_given(args, ("soak", "stay_depooled", "accept"), "--status")
    args = argparse.Namespace(soak=0.0, stay_depooled=True, accept=["pool"])
    with pytest.raises(ConfigError, match=r"^--soak, --stay-depooled, --accept: not expected beside --status$"):
        arguments.refuse_given(args, ("soak", "stay_depooled", "accept"), "--status")
