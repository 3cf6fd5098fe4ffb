"""SMTP sessions with an MX from its peers: what another MX hears of it when it has mail for it.

The script needs perl-base, which is part of every Debian. It asks in clear text, as TLS is verified from the management
host. All sessions of a peer run at the same time, so one that hangs costs no other one its time.
"""

import re
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mxlib.base.errors import ParseError
from mxlib.base.lines import lines_of, refuse_unknown
from mxlib.base.text import one_line
from mxlib.config.probes import InboundProbe
from mxlib.config.values import ADDRESS_PATTERN, HOST_PATTERN
from mxlib.facts.section import Section, SectionOutput
from mxlib.facts.source import Outputs, Source
from mxlib.model.answers import Answer, InboundResult, InboundStage

Sessions = Source[tuple[InboundResult, ...]]
SECTION_NAME = "peer-sessions"
# What perl itself may need to start on a slow machine.
_START_S = 10.0

_PERL = r"""
use strict; use Socket qw(:DEFAULT :addrinfo IN6ADDR_ANY pack_sockaddr_in6);
my ($first, $last, $port, $limit, $sender, $targets, $rcpts) = @ARGV; $| = 1;
my ($head, $step, $address) = ("", "resolve", "-");
sub note { my $t = join " ", $head, $address, @_; $t =~ s/\s+/ /g; print substr($t, 0, 2000), "\n" }
sub reply { my ($s, $b) = (shift, "");
  until ($b =~ /(?:\A|\n)\d\d\d [^\n]*\n\z/) { sysread($s, $b, 4096, length $b) or die "the connection was closed\n" }
  $b =~ /(?:\A|\n)(\d\d\d) [^\n]*\n\z/; return ($1, $b) }
sub ask { my ($s, $subject, $line) = @_; if (length $line) { syswrite($s, "$line\r\n") or die "the connection broke\n" }
  my ($code, $text) = reply($s); note($step, $subject, $code, $text); return $code }
sub blind { $step = "blind"; die @_, "\n" }
sub way { my ($family, $to) = @_; my $v6 = $family == 6; my $s;
  my @ports = map { $_->[1] } sort { $a->[0] <=> $b->[0] } map { [rand, $_] } $first .. $last;
  for my $own (@ports) { socket($s, $v6 ? AF_INET6 : AF_INET, SOCK_STREAM, 0) or blind("no socket: $!");
    if (bind($s, $v6 ? pack_sockaddr_in6($own, IN6ADDR_ANY) : pack_sockaddr_in($own, INADDR_ANY))) {
      connect($s, $to) and return $s;
      $!{ENETUNREACH} || $!{EADDRNOTAVAIL} and blind("no way from here: $!"); die "$!\n" } }
  blind("no free source port in $first-$last") }
sub talk { my ($name, $family) = @_;
  my ($error, @found) = getaddrinfo($name, $port, {family => $family == 6 ? AF_INET6 : AF_INET,
    socktype => SOCK_STREAM});
  die "$error\n" if $error; die "no IPv$family address\n" unless @found;
  my ($e, $host) = getnameinfo($found[0]{addr}, NI_NUMERICHOST); $address = $host unless $e;
  $step = "connect"; my $s = way($family, $found[0]{addr});
  $step = "banner"; ask($s, "-", "") == 220 or return;
  chomp(my $me = `hostname -f 2>/dev/null || hostname`); $step = "ehlo"; ask($s, "-", "EHLO $me") == 250 or return;
  $step = "mail"; ask($s, "-", "MAIL FROM:<$sender>") == 250 or return;
  $step = "rcpt"; ask($s, $_, "RCPT TO:<$_>") for split / /, $rcpts;
  syswrite($s, "QUIT\r\n") }
for my $target (split / /, $targets) { next if fork; srand; my ($name, $family) = split m{/}, $target;
  $head = "said $name $family"; $SIG{ALRM} = sub { die "no answer in time\n" }; alarm $limit;
  eval { talk($name, $family); 1 } or note($step, "-", 0, $@); exit 0 }
1 while wait != -1; print "end\n";
"""
_STAGES = {
    "resolve": InboundStage.RESOLVE,
    "blind": InboundStage.CONNECT,
    "connect": InboundStage.CONNECT,
    "banner": InboundStage.BANNER,
    "ehlo": InboundStage.EHLO,
    "mail": InboundStage.MAIL,
}
_RIGHT = {InboundStage.BANNER: 220, InboundStage.EHLO: 250, InboundStage.MAIL: 250}
_SAID = re.compile(r"said \S+ [46] \S+ [a-z]+ \S+ \d+(?: |\Z)")
# What says nothing of the MX that is asked: its name could not be looked up there, or the peer has no way to any.
_BLIND = frozenset({"resolve", "blind"})


@dataclass(frozen=True)
class PeerSession:
    """One session of a peer with an MX.

    Attributes:
        peer: who asked.
        result: what the MX said.
    """

    peer: str
    result: InboundResult


def source(
    targets: Sequence[str], families: Sequence[int], probe: InboundProbe, sender: str, limit_s: float
) -> Sessions:
    """How one peer asks other MXs; relaying is not asked for, as peers may relay.

    Arguments:
        targets: names of the MXs to be asked.
        families: address families to ask over.
        probe: what they have to answer.
        sender: envelope sender.
        limit_s: seconds a session may take.

    Raises:
        mxlib.base.errors.ParseError: a name or an address is not fit for a command.
    """
    recipients = recipients_of(probe)
    if not all(map(HOST_PATTERN.fullmatch, targets)) or not all(map(ADDRESS_PATTERN.fullmatch, (sender, *recipients))):
        raise ParseError(f"not fit for a command: {[*targets, sender, *recipients]}")
    pairs = [(target, family) for target in targets for family in families]
    words = (
        *map(str, (*probe.source_ports, probe.port)),
        f"{limit_s:.0f}",
        sender,
        " ".join(f"{target}/{family}" for target, family in pairs),
        " ".join(recipients),
    )
    script = f"perl -e {shlex.quote(_PERL)} {' '.join(map(shlex.quote, words))}"
    section = Section(SECTION_NAME, script, timeout_s=limit_s + _START_S)
    return Source("peer sessions", (section,), lambda outputs: parse(outputs, pairs, probe))


def recipients_of(probe: InboundProbe) -> tuple[str, ...]:
    """The recipients that are asked for by everybody."""
    return tuple(dict.fromkeys((*probe.accepted, *probe.refused, *probe.compared)))


def parse(outputs: Outputs, pairs: Iterable[tuple[str, int]], probe: InboundProbe) -> tuple[InboundResult, ...]:
    """Read what a peer heard.

    Raises:
        mxlib.base.errors.ParseError: the peer did not ask to the end.
    """
    output = outputs[SECTION_NAME]
    lines = lines_of(output.text())
    if not lines or lines[-1] != "end":
        raise ParseError("the sessions of the peer are cut short")
    refuse_unknown(lines[:-1], _SAID.match, "the sessions of the peer: not understood")
    said: dict[tuple[str, int], list[list[str]]] = {}
    for line in lines[:-1]:
        _, name, family, *rest = line.split(" ", 7)
        said.setdefault((name, int(family)), []).append(rest)
    return tuple(_result(name, family, said.get((name, family), []), probe, output) for name, family in pairs)


def _result(
    name: str, family: int, rows: Sequence[Sequence[str]], probe: InboundProbe, output: SectionOutput
) -> InboundResult:
    answers = tuple(_answer(row[1], row[2], row[3], row[4] if len(row) > 4 else "", probe) for row in rows)
    if not answers:
        answers = (Answer(InboundStage.CONNECT, "", None, "nothing came back", right=None),)
    address = rows[-1][0] if rows and rows[-1][0] != "-" else ""
    return InboundResult(name, address, family, answers, None, output.when)


def _answer(step: str, subject: str, code: str, text: str, probe: InboundProbe) -> Answer:
    reply = int(code) or None
    said = one_line(text.removeprefix(f"{code} ").removeprefix(f"{code}-"))
    if step == "rcpt" and subject != "-":
        stage, classes = _expected(subject, probe)
        return Answer(stage, subject, reply, said, right=reply is not None and reply // 100 in classes)
    stage = _STAGES.get(step, InboundStage.ACCEPTED)
    if step in _BLIND:
        return Answer(stage, "", None, said, right=None)
    return Answer(stage, "", reply, said, right=reply == _RIGHT.get(stage, -1))


def _expected(recipient: str, probe: InboundProbe) -> tuple[InboundStage, tuple[int, ...]]:
    """Which question it is, and the classes of its right replies."""
    if recipient in probe.accepted:
        return InboundStage.ACCEPTED, (2,)
    return (InboundStage.REFUSED, (5,)) if recipient in probe.refused else (InboundStage.COMPARED, (2, 5))
