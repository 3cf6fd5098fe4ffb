"""Alerts of one MX: short silences, and what fires."""

from datetime import timedelta

from spicerack.administrative import Reason
from spicerack.alertmanager import AlertmanagerHosts
from spicerack.exceptions import SpicerackError

from mxlib.errors import SilenceError
from mxlib.text import one_line


class AlertmanagerSilencer:
    """Silences in Alertmanager."""

    def __init__(self, alertmanager: AlertmanagerHosts, reason: Reason):
        """Set nothing yet.

        Arguments:
            alertmanager: Spicerack's ``alertmanager_hosts([host])``: a list, as a text would silence its letters.
            reason: what is shown with the silence.
        """
        self._alertmanager = alertmanager
        self._reason = reason

    def add(self, minutes: int) -> str:
        """Silence for some minutes and give the silence's id."""
        try:
            return self._alertmanager.downtime(self._reason, duration=timedelta(minutes=minutes))
        except SpicerackError as error:
            raise SilenceError(f"Alertmanager: {one_line(str(error))}") from error

    def remove(self, silence: str) -> None:
        """End a silence."""
        try:
            self._alertmanager.remove_downtime(silence)
        except SpicerackError as error:
            raise SilenceError(f"Alertmanager: {one_line(str(error))}") from error
