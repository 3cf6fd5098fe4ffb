"""The files of a guest whose card has another name than they say."""

from mxlib.facts.nic import ConfigFile
from tests.unit.support.fake_guest import TEXT


def files(text: str = TEXT) -> tuple[ConfigFile, ...]:
    return (ConfigFile("/etc/network/interfaces", text),)
