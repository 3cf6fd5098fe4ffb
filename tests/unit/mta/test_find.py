"""The MTA of a site: chosen by name, refused by name."""

from dataclasses import replace

import pytest

from mxlib.base.errors import ConfigError
from mxlib.config.load import parse
from mxlib.config.mta import known
from mxlib.config.verify import VerifyPolicy
from mxlib.mta.find import find, with_mta
from mxlib.verify.request import without_mta
from tests.unit.support.site import TEN_LINES


def test_every_folder_has_its_adapter() -> None:
    assert known() == ("exim",)
    assert [find(name).name for name in known()] == ["Exim"]


def test_an_mta_without_an_adapter_is_refused_with_those_there_are() -> None:
    with pytest.raises(ConfigError, match="mta: expected one of exim, got 'postifx'"):
        parse({**TEN_LINES, "mta": "postifx"}, "test")


def test_the_policy_follows_the_sites_mta_and_has_no_key_of_its_own() -> None:
    assert parse(TEN_LINES, "test").verify.mta == "exim"
    with pytest.raises(ConfigError, match=r"verify: expected one of the keys .*, got 'mta'"):
        parse({**TEN_LINES, "verify": {"mta": "exim"}}, "test")


def test_the_mtas_unit_is_required_unless_it_is_named_or_left_out() -> None:
    policy = VerifyPolicy(required_units=("ssh.service",))
    assert with_mta(policy).required_units == ("exim4.service", "ssh.service")
    named = replace(policy, required_units=("exim4.service|other.service",))
    assert with_mta(named) is named
    held = without_mta(named)
    assert "exim4.service" in held.ignored_units
    assert with_mta(held) is held
