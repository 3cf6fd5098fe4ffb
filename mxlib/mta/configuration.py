"""What a proof rests on, besides the boot: the MTA's configuration, the loaded packet filter, and the packages.

A run notes digests of them with the proof, and the host compares them, in the same act, before it lets the MTA start or
opens the ports: so no change is missed between a look and the act. What changes by itself is left out: counters, sets
that packets or timeouts fill, our own table, and the files that the MTA looks things up in, such as aliases.
"""

import re

from mxlib.base.errors import ParseError
from mxlib.facts.depool import TABLE
from mxlib.facts.section import Section
from mxlib.facts.source import Outputs, Source
from mxlib.mta.protocol import Mta

UNREAD = "unread"
"""Noted in place of the digests where a person has accepted that they cannot be read: then nothing is compared."""
CHECK = "configuration"
"""Name of the finding that they cannot be read, as for ``--accept``."""
_PARTS = {"mta": "configuration of the MTA", "firewall": "loaded rules of the firewall", "packages": "packages"}
_DIGESTS = re.compile(" ".join(rf"{part}=[0-9a-f]{{16}}" for part in _PARTS))
_SAYS = "configuration is "
_PACKAGES = ("linux-image-[0-9]*", "nftables", "libnftables[0-9]*", "ferm", "iptables")

# ferm loads through iptables-legacy on Debian 12, which nft does not show; the legacy tools are asked only where the
# kernel has their tables, as asking loads its modules. Of what iptables-nft loads, nft shows extensions by name only.
# dpkg-query says 1 where one of the patterns has no package. Whether a package is held says nothing of its content.
_FUNCTIONS = r"""
has_line() { [ -r "$1" ] && read -r line <"$1"; }
rules() {
listed=$(nft -s list ruleset) || return
echo rules
[ -z "$listed" ] || printf '%s\n' "$listed" | awk '
$0 == "table @TABLE@ {" { ours = 1 }
/^\t(set|map) / { moving = 0 }
/^\t\tflags .*(dynamic|timeout)/ { moving = 1 }
moving && /^\t\telements = / { filled = 1 }
!ours && !filled
/}[ \t]*$/ { filled = 0 }
/^}/ { ours = 0 }'
set --
! has_line /proc/net/ip_tables_names || set -- "$@" iptables-legacy-save
! has_line /proc/net/ip6_tables_names || set -- "$@" ip6tables-legacy-save
case $listed in *'xt match '* | *'xt target '*) set -- "$@" iptables-nft-save ip6tables-nft-save ;; esac
for tool in "$@"; do
saved=$("$tool") || return
printf '%s\n' "$saved" | sed '/^#/d; s/ \[[0-9]*:[0-9]*\]$//'
done
}
packages() {
dpkg-query -W -f '${Package} ${Architecture} ${Version} ${db:Status-Status}\n' @PACKAGES@ 2>/dev/null || [ $? -eq 1 ]
}
mta() {
@MTA@
}
part() {
said=$("$1") && [ -n "$said" ] || return 1
set -- "$1" $(printf %s "$said" | sha256sum)
printf '%s=%.16s' "$1" "$2"
}
configuration() {
a=$(part mta) && b=$(part rules) && c=$(part packages) && echo "$a firewall=${b#*=} $c"
}
"""


def _functions(mta: Mta) -> str:
    patterns = " ".join(f"'{one}'" for one in (*_PACKAGES, *mta.packages))
    texts = {"@TABLE@": TABLE, "@PACKAGES@": patterns, "@MTA@": mta.configuration_script}
    return re.sub("|".join(texts), lambda found: texts[found[0]], _FUNCTIONS)


def source(mta: Mta) -> Source[str]:
    """Return how the digests are read: one word a part, ``mta=... firewall=... packages=...``."""
    asked = Section(CHECK, f"{_functions(mta)}configuration\n", timeout_s=30)

    def parse(outputs: Outputs) -> str:
        """Raise ParseError where one of the parts could not be read."""
        said = outputs[asked.name].text().strip()
        if not _DIGESTS.fullmatch(said):
            raise ParseError(f"not the digests of a configuration: {said[:100]!r}")
        return said

    return Source(CHECK, (asked,), parse)


def only_if(proven: str, mta: Mta) -> str:
    """Return a script that ends, with exit code 0, where the configuration is another than the proven one.

    It goes before what acts; :func:`found_instead` reads what it says.

    Args:
        proven: the digests noted with the proof; empty where none were, which equals nothing.
        mta: the host's MTA.
    """
    if proven == UNREAD:
        return ""
    expected = proven if _DIGESTS.fullmatch(proven) else "nothing"
    return f"""{_functions(mta)}now=$(configuration) || now={UNREAD}
[ "$now" = '{expected}' ] || {{ echo "{_SAYS}$now"; exit 0; }}
"""


def found_instead(output: str) -> str:
    """Return the digests that :func:`only_if` has found instead; empty where they were the proven ones."""
    last = output.strip().rpartition("\n")[2]
    return last.removeprefix(_SAYS) if last.startswith(_SAYS) else ""


def difference(proven: str, now: str) -> str:
    """Return what has changed, in words for the operator."""
    before, after = (dict(word.split("=", 1) for word in text.split() if "=" in word) for text in (proven, now))
    if not before:
        return "nothing was noted of the configuration that the host was proven with"
    if not after:
        return "the configuration of the host cannot be read any more"
    changed = [name for part, name in _PARTS.items() if before.get(part) != after.get(part)]
    return f"changed since the host was proven: {', '.join(changed)}"
