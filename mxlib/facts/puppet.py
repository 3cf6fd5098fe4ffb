"""Whether Puppet is enabled, and when it last ran."""

import json
import re
from dataclasses import dataclass

from mxlib.base.errors import ParseError
from mxlib.base.text import one_line
from mxlib.facts.section import Section
from mxlib.facts.source import Outputs, Source

COMMON = "/usr/local/share/bash/puppet-common.sh"
# The paths come from the site's own script, which is written for bash; without it they are Puppet's own. The age of the
# summary is that of the last run, whether it succeeded or not; its content says whether.
SECTION = Section(
    "puppet",
    f"""\
lock=; summary=
if [ -r {COMMON} ]; then
lock=$(bash -c '. {COMMON} && echo "$PUPPET_DISABLEDLOCK"') || exit
summary=$(bash -c '. {COMMON} && echo "$PUPPET_SUMMARY"') || exit
fi
lock=${{lock:-/var/lib/puppet/state/agent_disabled.lock}}
summary=${{summary:-/var/lib/puppet/state/last_run_summary.yaml}}
[ -r {COMMON} ] || [ -d "${{lock%/*}}" ] || [ -d "${{summary%/*}}" ] || {{ echo absent; exit; }}
if [ -e "$lock" ]; then printf 'disabled %s\\n' "$(tr '\\n' ' ' <"$lock")"; else echo enabled; fi
[ ! -r "$summary" ] || {{
printf 'age %s\\n' $(($(date +%s) - $(stat -c %Y "$summary")))
sed -n 's/^ *\\(failed\\|failed_to_restart\\|failure\\): *\\([0-9]*\\)$/failed \\2/p' "$summary"
}}
""",
)


@dataclass(frozen=True)
class PuppetFacts:
    """Puppet on a host.

    Attributes:
        present: whether there is Puppet at all.
        enabled: whether it may run.
        message: why it is disabled, in the words of who did it.
        age_s: seconds since its last run; None when it is not known.
        failed: resources that failed in the last run; None when it is not known.
    """

    present: bool
    enabled: bool
    message: str
    age_s: float | None
    failed: int | None


def _message(text: str) -> str:
    """The reason in the lock file, which is JSON; anything else is shown as it is."""
    try:
        found = json.loads(text)
    except ValueError:
        return one_line(text)
    return one_line(str(found.get("disabled_message", text) if isinstance(found, dict) else text))


def parse(outputs: Outputs) -> PuppetFacts:
    """Read the answer of the section.

    Raises:
        mxlib.base.errors.ParseError: it says neither enabled nor disabled.
    """
    text = outputs[SECTION.name].text()
    if text.strip() == "absent":
        return PuppetFacts(present=False, enabled=False, message="", age_s=None, failed=None)
    state = re.search(r"^(enabled|disabled)(?: (.*))?$", text, re.MULTILINE)
    if state is None:
        raise ParseError("whether Puppet is enabled cannot be told")
    age = re.search(r"^age (-?\d+)$", text, re.MULTILINE)
    failed = [int(count) for count in re.findall(r"^failed (\d+)$", text, re.MULTILINE)]
    return PuppetFacts(
        present=True,
        enabled=state[1] == "enabled",
        message=_message(state[2] or "") if state[1] == "disabled" else "",
        age_s=float(age[1]) if age else None,
        failed=sum(failed) if failed else None,
    )


SOURCE = Source("puppet", (SECTION,), parse)
