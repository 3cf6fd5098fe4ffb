from mxlib.model.outcome import Outcome, exit_codes


def test_the_value_of_an_end_is_its_exit_code():
    assert (Outcome.MAIL_LOST.value, Outcome(22)) == (22, Outcome.MAIL_LOST)
    assert Outcome.PAUSED.phrase == "paused until the next window"
    assert Outcome.PAUSED.meaning == "Paused until the next window."


def test_the_help_has_a_line_for_each_end_in_order():
    lines = exit_codes("verify-mx").splitlines()
    assert [int(line.split()[0]) for line in lines] == [0, 10, 14, 15, 16, 30]
    assert lines[2] == "        14  Something is wrong, or still wrong: the last lines say what."


def test_no_exit_code_is_one_of_spicerack_and_each_has_a_phrase():
    assert not {one.value for one in Outcome} & {1, 2, *range(90, 100)}
    assert all(one.phrase for one in Outcome)
