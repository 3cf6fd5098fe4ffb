"""What fires: Alertmanager asked through Spicerack, which knows its addresses, its login and its proxy."""

from collections.abc import Callable

from spicerack import Spicerack
from spicerack.alertmanager import Alertmanager
from spicerack.exceptions import SpicerackError
from wmflib.exceptions import WmflibError

from mxlib.adapters.error_words import words_of
from mxlib.base.errors import ParseError, SilenceError
from mxlib.config.alerts import AlertsSection
from mxlib.model.alert import Alert, parse_alerts
from mxlib.protocols.service import AlertSource, NoAlerts

_QUERY = "alerts?active=true&silenced=true&inhibited=true&unprocessed=true"


class AlertmanagerAlerts:
    """The alerts of one Alertmanager, or of its cluster."""

    def __init__(self, make: Callable[[], Alertmanager]):
        """Ask nothing yet: not even whether Spicerack has a configuration for it."""
        self._make = make

    def firing(self) -> tuple[Alert, ...]:
        """Return every alert that fires now, also those that notify nobody.

        Raises:
            mxlib.base.errors.SilenceError: Alertmanager cannot be asked.
        """
        try:
            # Spicerack offers no reading; this is what its own silences go through, addresses, login and proxy included
            return parse_alerts(self._make()._api_request("get", _QUERY).json())
        except (SpicerackError, WmflibError, OSError, ValueError, AttributeError, ParseError) as error:
            raise SilenceError(f"Alertmanager cannot be asked: {words_of(error)}") from None


def source_of(spicerack: Spicerack, section: AlertsSection) -> AlertSource:
    """Return where the site's alerts are read from."""
    if section.source == "none":
        return NoAlerts()
    return AlertmanagerAlerts(lambda: spicerack.alertmanager(section.instance))
