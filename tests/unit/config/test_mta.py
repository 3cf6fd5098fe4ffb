from mxlib.config.mta import MTA, known


def test_the_default_is_one_of_those_with_an_adapter():
    assert MTA in known()


def test_they_are_known_by_the_names_of_their_folders():
    assert known() == ("exim",)
