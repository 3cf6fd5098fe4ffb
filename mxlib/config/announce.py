"""The section of the site's configuration about who is told how a run ended."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class AnnounceSection:
    """Who is told how a run ended, besides the operator. Spicerack itself logs the beginning and the end.

    Attributes:
        sal: whether the outcome goes to the server admin log, in one line.
        phabricator: configuration file of the bot that comments on the run's task; none comments nowhere.
    """

    sal: bool = True
    phabricator: Path | None = None
