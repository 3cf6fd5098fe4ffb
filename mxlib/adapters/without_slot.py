"""A run without the slot of the service: etcd is the incident, and the operator vouches that no other MX is out."""

import logging
import secrets
from collections.abc import Callable

from mxlib.base.errors import HostError
from mxlib.model.state import Slot

logger = logging.getLogger(__name__)

_APART = 1_000_000


class WithoutSlot:
    """Takes the place of the slot where etcd itself is the incident, and the operator says so."""

    def __init__(self, newest: Callable[[], int]):
        """Ask nothing yet.

        Arguments:
            newest: reads the newest token that the host has seen.
        """
        self._newest = newest
        self._token = 0

    @property
    def token(self) -> int:
        """A token greater than the one on the host; 0 while the host does not answer.

        Two operators who begin in the same moment read the same one there, and nobody decides between them: so it is
        greater by a random number, and each recognises the other's record.
        """
        if not self._token:
            try:
                self._token = self._newest() + 1 + secrets.randbelow(_APART)
            except HostError as error:
                logger.debug("the token on the host is not known yet: %s", error)
        return self._token

    @token.setter
    def token(self, value: int) -> None:
        self._token = value

    def state(self) -> Slot:
        """Return MINE: the operator vouches for it."""
        return Slot.MINE

    def describe(self) -> str:
        """Return that nobody was asked."""
        return "not asked (--without-slot)"

    def take(self, newest: int = 0) -> int:
        """Return the token; there is nothing to take."""
        del newest
        return self.token

    def release(self) -> None:
        """Nothing to give up."""

    def leave(self) -> None:
        """Nothing to leave."""
