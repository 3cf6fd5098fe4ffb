"""Cutting one station off from an address, one way."""

from lab.campaign.scene import must_be_up
from lab.place import MANAGEMENT
from lab.stations.box import Box


def address_of(box: Box) -> str:
    """Return a management host's address."""
    return next(str(station.v4) for station in MANAGEMENT if station.name == box.name)


def twin(v4: str) -> str:
    """Return the IPv6 address of the station with an IPv4 one."""
    return f"2001:db8:77::{v4.rsplit('.', 1)[1]}"


def cut_script(address: str) -> str:
    """Return the script that throws away what a machine sends to an address from now on; sessions are cut as well."""
    return f"ip route replace blackhole {address}/32; ip -6 route replace blackhole {twin(address)}/128"


def mend_script(address: str) -> str:
    """Return the script that undoes :func:`cut_script`; harmless where nothing is thrown away."""
    return f"ip route del blackhole {address}/32; ip -6 route del blackhole {twin(address)}/128; :"


def throw_away(box: Box, address: str) -> None:
    """Throw away what a station sends to an address from now on, over IPv4 and IPv6.

    Raises:
        NotDoneError: the station is off.
    """
    must_be_up(box)
    box.sh(cut_script(address))


def let_through(box: Box, address: str) -> None:
    """Undo :func:`throw_away`; harmless where nothing is thrown away.

    Raises:
        NotDoneError: the station is off, and its routes went with it.
    """
    must_be_up(box)
    box.sh(mend_script(address), check=False)
