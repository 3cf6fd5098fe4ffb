from mxlib.protocols.host import purpose


def test_the_first_comment_says_what_a_script_is_for():
    assert purpose("mark=x\n# close the mail ports\n# and more\ntrue") == "close the mail ports"
    assert purpose("systemctl stop x.service") == "systemctl stop x.service"


def test_a_long_script_without_a_comment_is_cut():
    assert purpose("x" * 100) == "x" * 79 + "…"
    assert purpose("true\ntrue") == "true true"
