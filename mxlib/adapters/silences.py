"""Alerts of one MX: short silences that are prolonged while the run lives, in Alertmanager and in Icinga."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from spicerack.administrative import Reason
from spicerack.alertmanager import AlertmanagerHosts
from spicerack.exceptions import SpicerackError
from spicerack.icinga import IcingaHosts
from wmflib.exceptions import WmflibError

from mxlib.adapters.error_words import words_of
from mxlib.base.errors import SilenceError
from mxlib.base.text import one_line
from mxlib.protocols.service import Silencer

_ID = re.compile(r"[0-9a-f-]{36}")
_ICINGA, _THEIRS = "icinga", "icinga-theirs"


@contextmanager
def _errors_of(whom: str) -> Iterator[None]:
    """Turn whatever Spicerack and the libraries below it raise into a SilenceError."""
    try:
        yield
    except (SpicerackError, WmflibError, OSError, ValueError, KeyError, AttributeError) as error:
        raise SilenceError(f"{whom}: {words_of(error)}") from None


class AlertmanagerSilencer:
    """Silences in Alertmanager."""

    def __init__(self, make: Callable[[], AlertmanagerHosts], reason: Reason):
        """Set nothing yet: not even whether Spicerack has a configuration for it is looked at.

        Arguments:
            make: returns Spicerack's ``alertmanager_hosts([host])``: a list, as each letter of a text would be a host.
            reason: what is shown with the silence.
        """
        self._make = make
        self._reason = reason

    def add(self, minutes: int) -> tuple[str, ...]:
        """Silence for some minutes, and return the silence's id."""
        with _errors_of("Alertmanager"):
            return (self._make().downtime(self._reason, duration=timedelta(minutes=minutes)),)

    def prolong(self, silence: str, minutes: int) -> None:
        """Make the same silence last some minutes from now."""
        with _errors_of("Alertmanager"):
            if not _ID.fullmatch(silence):
                raise ValueError(f"not the id of a silence: {one_line(silence, 60)}")
            manager = self._make()
            # Spicerack can only add and delete; what it knows of addresses, login and proxy is used
            found = manager._api_request("get", f"silence/{silence}").json()
            if found["status"]["state"] != "active":
                raise SilenceError(f"silence {silence} is {found['status']['state']}")
            end = datetime.now(UTC) + timedelta(minutes=minutes)
            kept = {key: found[key] for key in ("id", "matchers", "startsAt", "createdBy", "comment")}
            manager._api_request("post", "silences", json={**kept, "endsAt": end.isoformat()})

    def remove(self, silence: str) -> None:
        """End a silence."""
        with _errors_of("Alertmanager"):
            self._make().remove_downtime(silence)


class IcingaSilencer:
    """Downtimes in Icinga. Spicerack can only remove all downtimes of a host: one of somebody else's is left alone."""

    def __init__(self, make: Callable[[], IcingaHosts], reason: Reason):
        """Set nothing yet.

        Arguments:
            make: returns Spicerack's ``icinga_hosts([host])``.
            reason: what is shown with the downtime.
        """
        self._make = make
        self._reason = reason

    def add(self, minutes: int) -> tuple[str, ...]:
        """Set a downtime for some minutes, unless somebody else has set one."""
        with _errors_of("Icinga"):
            icinga = self._make()
            theirs = any(status.downtimed for status in icinga.get_status().values())
            if not theirs:
                icinga.downtime(self._reason, duration=timedelta(minutes=minutes))
            return (_THEIRS if theirs else _ICINGA,)

    def prolong(self, silence: str, minutes: int) -> None:
        """Add another downtime: Icinga's silence ends with the last one."""
        if silence == _ICINGA:
            with _errors_of("Icinga"):
                self._make().downtime(self._reason, duration=timedelta(minutes=minutes))

    def remove(self, silence: str) -> None:
        """End the downtimes of the host, unless somebody had set one before this run did."""
        if silence == _ICINGA:
            with _errors_of("Icinga"):
                self._make().remove_downtime()


class BothSilencers:
    """Both: a site on its way from one to the other."""

    def __init__(self, alertmanager: Silencer, icinga: Silencer):
        """Set nothing yet."""
        self._alertmanager = alertmanager
        self._icinga = icinga

    def add(self, minutes: int) -> tuple[str, ...]:
        """Silence in both; what was set in the one is undone where the other fails."""
        found = self._alertmanager.add(minutes)
        try:
            return (*found, *self._icinga.add(minutes))
        except SilenceError:
            for one in found:
                self._alertmanager.remove(one)
            raise

    def prolong(self, silence: str, minutes: int) -> None:
        """Make one last some minutes from now."""
        self._of(silence).prolong(silence, minutes)

    def remove(self, silence: str) -> None:
        """End one."""
        self._of(silence).remove(silence)

    def _of(self, silence: str) -> Silencer:
        return self._icinga if silence in (_ICINGA, _THEIRS) else self._alertmanager
