"""Whether Puppet is enabled, and when it last ran."""

import json
import re
from dataclasses import dataclass

from mxlib.base.errors import ParseError
from mxlib.base.lines import refuse_unknown
from mxlib.base.text import one_line
from mxlib.facts.section import Section
from mxlib.facts.source import Outputs, Source

COMMON = "/usr/local/share/bash/puppet-common.sh"
_LINE = re.compile(r"enabled|disabled .*|age -?\d+|failed \d+")
VARDIRS = ("/var/lib/puppet", "/var/cache/puppet", "/opt/puppetlabs/puppet/cache")
"""Where Puppet keeps its state: the site's and old Debian's, Debian's since 11, the vendor's packages."""
# A site's script (for bash) names the files, if there is one. Else, where Puppet's configuration moves them, Puppet is
# asked, which takes seconds; else the usual places are tried. The age of
# the summary is that of the last run, whether it succeeded or not; its content says whether.
SECTION = Section(
    "puppet",
    f"""\
locks=; summaries=; every=; recent=
PATH=$PATH:/opt/puppetlabs/bin
configuration='/etc/puppet/puppet.conf /etc/puppetlabs/puppet/puppet.conf'
if [ -r {COMMON} ]; then
locks=$(bash -c '. {COMMON} && echo "$PUPPET_DISABLEDLOCK"') || exit
summaries=$(bash -c '. {COMMON} && echo "$PUPPET_SUMMARY"') || exit
elif command -v puppet >/dev/null &&
grep -qsE '^[[:space:]]*(vardir|statedir|publicdir|agent_disabled_lockfile|lastrunfile)[[:space:]]*=' $configuration
then
said=$(timeout 25 puppet config print --section agent agent_disabled_lockfile lastrunfile) || exit
locks=$(printf '%s\\n' "$said" | sed -n 's/^agent_disabled_lockfile = //p')
summaries=$(printf '%s\\n' "$said" | sed -n 's/^lastrunfile = //p')
[ -n "$locks" ] && [ -n "$summaries" ] || {{ echo "puppet does not say where its state is: $said" >&2; exit 1; }}
fi
there={COMMON}; [ -r "$there" ] || there=$(command -v puppet || true)
for dir in {" ".join(VARDIRS)}; do
[ ! -d $dir/state ] && [ ! -d $dir/public ] || there=$dir
[ -n "$locks" ] || every="$every $dir/state/agent_disabled.lock"
[ -n "$summaries" ] || recent="$recent $dir/state/last_run_summary.yaml $dir/public/last_run_summary.yaml"
done
[ -n "$summaries" ] || recent="$recent /opt/puppetlabs/puppet/public/last_run_summary.yaml"
[ -n "$there$locks" ] || {{ echo absent; exit; }}
state=enabled
for lock in ${{locks:-$every}}; do
[ ! -e "$lock" ] || state="disabled $(tr '\\n' ' ' <"$lock")"
done
printf '%s\\n' "$state"
summary=$(ls -t ${{summaries:-$recent}} 2>/dev/null | head -n 1)
[ -z "$summary" ] || {{
printf 'age %s\\n' $(($(date +%s) - $(stat -c %Y "$summary")))
sed -n 's/^ *\\(failed\\|failed_to_restart\\|failure\\): *\\([0-9]*\\)$/failed \\2/p' "$summary"
}}
""",
    timeout_s=40,
)


@dataclass(frozen=True)
class PuppetFacts:
    """Puppet on a host.

    Attributes:
        present: whether Puppet is installed.
        enabled: whether its agent may run.
        message: why it is disabled, in the words of the person who did it.
        age_s: seconds since its last run; None when unknown.
        failed: resources that failed in the last run; None when unknown.
    """

    present: bool
    enabled: bool
    message: str
    age_s: float | None
    failed: int | None


def _message(text: str) -> str:
    """The reason in the lock file, which is JSON; any other text as it is."""
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
    text = "\n".join(outputs[SECTION.name].text().splitlines())
    if text.strip() == "absent":
        return PuppetFacts(present=False, enabled=False, message="", age_s=None, failed=None)
    refuse_unknown(text.splitlines(), _LINE.fullmatch, "not a line about Puppet")
    state = re.search(r"^(enabled|disabled)(?: (.*))?$", text, re.MULTILINE)
    if state is None:
        raise ParseError("whether Puppet is enabled is unknown: the answer has neither word")
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
