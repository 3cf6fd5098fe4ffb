"""What a run of refresh-aliases found."""

from mxlib.aliases.found import Found
from mxlib.aliases.look import AliasLook
from tests.unit.support.aliases import INCIDENT, NEWER, NOW, state


def test_the_states_of_every_look_in_order():
    well = state(a=NEWER, b=NEWER)
    found = Found(looks=[AliasLook((INCIDENT,), {}, NOW), AliasLook((well,), {}, NOW)])
    assert found.states == [(INCIDENT,), (well,)]
    assert Found().states == []
