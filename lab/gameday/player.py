"""The player's shell on a management host: what is typed there is kept, with its time and exit code."""

import shlex
from collections.abc import Sequence
from pathlib import Path

from lab import programs
from lab.faults import catalogue
from lab.gameday import record
from lab.gameday.draw import Breakage
from lab.gameday.monitoring import shown
from lab.gameday.record import GameRecord
from lab.lifecycle import Stations
from lab.stations import management
from lab.stations.box import Box

ENDED = 42
"""Exit code of the shell in which ``gameday done`` was typed."""
# What follows is bash, as the stations have the machine's own userland. `history 1` is what was entered last.
_RC = """PS1='\\u@\\h:\\w# '
unset HISTFILE HISTCONTROL HISTIGNORE
HISTTIMEFORMAT='%s '
_gameday_note() {
  local code=$? line
  line=$(history 1)
  [ "$line" = "$_gameday_last" ] || printf '%s\\t%s\\n' "$code" "$line" >>@typed@
  _gameday_last=$line
}
_gameday_last=
PROMPT_COMMAND=_gameday_note
gameday() {
  case ${1-} in
    alerts) cat @alerts@ ;;
    hint) sed -n "$(( $(grep -c 'gameday hint$' @typed@) + 1 ))p;\\$ {s/.*/that was all/;p}" @hints@ | head -n 1 ;;
    named) [ $# -ge 3 ] && echo 'noted' || { echo 'usage: gameday named WHERE WHAT'; return 2; } ;;
    done) exit @ended@ ;;
    *) echo 'usage: gameday alerts | hint | named WHERE WHAT | done'; return 2 ;;
  esac
}
cat @alerts@
echo 'gameday alerts | hint | named WHERE WHAT | done'
echo 'WHERE is a host, or a service: provider, etcd, alertmanager, ganeti. WHAT is in your own words.'
"""


def hints(breakages: Sequence[Breakage], game: GameRecord) -> list[str]:
    """Return the hints of a game, each on one line, each saying more than the one before."""
    found = [f"{one.name}: the runbook has a section for it: {one.anchor}" for one in game.alerts[:1]]
    found.append("cookbook sre.mail.verify-mx judges every exchanger, and says whether the others have the same fault")
    found += [f"at fault: {one.where}" for one in breakages]
    found += [f"{one.where}: {catalogue.find(one.fault).summary}" for one in breakages]
    return found


def prepare(place: Stations, game: GameRecord) -> Path:
    """Write what the shell reads.

    Returns:
        Its start-up file.
    """
    folder = record.folder(place.lab)
    (folder / "alerts").write_text(shown(game.alerts))
    (folder / "hints").write_text("\n".join(hints(game.drawn.breakages, game)) + "\n")
    text = _RC.replace("@ended@", str(ENDED))
    for name in ("typed", "alerts", "hints"):
        text = text.replace(f"@{name}@", shlex.quote(str(folder / name)))
    rc = folder / "rc"
    rc.write_text(text)
    return rc


def shell(place: Stations, host: Box) -> int:
    """Hand the terminal to a shell on a management host.

    Returns:
        Its exit code; ``ENDED``: the player is done.
    """
    words = ["/bin/bash", "--noprofile", "--rcfile", str(record.folder(place.lab) / "rc"), "-i"]
    return programs.hand_over(management.command(host, management.virtual_environment(host), words))
