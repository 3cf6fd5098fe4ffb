import pytest

from mxlib.base.verdict import Status
from mxlib.checks.boot import CHECK
from tests.unit.support.healthy import POLICY, host, replaced


def judge(facts=None, policy=POLICY):
    return CHECK.verdict(facts or host(), policy)


@pytest.mark.parametrize(
    ("name", "leads"),
    [
        ("1>2", "; the next boot"),
        ("Advanced options for Debian GNU/Linux>Debian GNU/Linux, with Linux 6.1.0-55-cloud-amd64", ""),
        ("1>Debian GNU/Linux, with Linux 6.1.0-55-cloud-amd64", ""),
        ("Debian GNU/Linux", "; the next boot is 6.1.0-56-cloud-amd64"),
        ("0", "; the next boot is 6.1.0-56-cloud-amd64"),
    ],
)
def test_a_saved_entry_by_title_or_number_is_one(name, leads):
    verdict = judge(host(grub_environment=f"saved_entry={name}\n"))
    assert verdict.status is Status.OK, verdict.why
    if name != "1>2":
        assert verdict.why.partition(";")[2] == leads.removeprefix(";")
    fixed = judge(host(grub_config=lambda text: text.replace("${saved_entry}", name)))
    assert (fixed.status, fixed.why) == (Status.OK, verdict.why)


def test_a_fixed_entry_that_is_not_in_the_menu_is_told():
    verdict = judge(host(grub_config=replaced("${saved_entry}", "7")))
    assert (verdict.status, "not in the menu" in verdict.why) == (Status.FAILED, True)
    chosen = judge(host(grub_config=replaced("${saved_entry}", "${chosen}")))
    assert chosen.status is Status.UNKNOWN
