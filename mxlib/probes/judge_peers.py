"""Judging what the MXs say to each other, and whether all of them say the same."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime

from mxlib.base.verdict import Evidence, Status, Verdict
from mxlib.model.answers import InboundResult, differences
from mxlib.probes.judge import describe_answer
from mxlib.probes.peer import PeerSession

PEERS = "inbound-peers"
SAME = "same-answers"


def judge_peers(sessions: Sequence[PeerSession], silent: Mapping[str, str], outside_ok: bool | None) -> Verdict:
    """Judge an MX by what its peers heard of it.

    Arguments:
        sessions: theirs with it.
        silent: peers that could not ask, and why.
        outside_ok: whether the management host heard what it should; None when it did not ask.
    """
    evidence = tuple(_evidence(one) for one in sessions)
    wrong = [one for one in sessions if one.result.wrong]
    if wrong:
        said = "; ".join(_describe(one) for one in wrong)
        hint = " [right from the management host: the way between the two?]" if outside_ok else ""
        return Verdict(PEERS, Status.FAILED, f"{said}{hint}", evidence)
    right = [one for one in sessions if not one.result.unknown and any(a.subject for a in one.result.answers)]
    blind = [*(f"{name}: {why}" for name, why in silent.items()), *(_describe(o) for o in sessions if o not in right)]
    if not right:
        return Verdict(PEERS, Status.UNKNOWN, f"no peer could ask: {'; '.join(blind)}", evidence)
    ways = ", ".join(f"{one.peer} over IPv{one.result.family}" for one in right)
    return Verdict(
        PEERS, Status.OK, f"as it must: {ways}{'; not asked: ' if blind else ''}{'; '.join(blind)}", evidence
    )


def _evidence(one: PeerSession) -> Evidence:
    shown = "\n".join(map(describe_answer, one.result.answers))
    return Evidence(f"SMTP session with [{one.result.address}] from {one.peer}", shown, one.result.when)


def _describe(one: PeerSession) -> str:
    answers = one.result.wrong or one.result.unknown
    said = "; ".join(map(describe_answer, answers)) or "it did not come to its recipients"
    return f"from {one.peer} over IPv{one.result.family}: {said}"


def judge_same(host: str, results: Sequence[InboundResult], prescribed: Mapping[str, int], now: datetime) -> Verdict:
    """Judge whether an MX answers as the others do.

    Arguments:
        results: the sessions of all MXs with recipients that all were asked for.
        prescribed: class of the right reply (2 or 5) by recipient, where the site says so.
    """
    asked = {result.host for result in results for answer in result.answers if answer.subject and answer.code}
    if host not in asked or len(asked) < 2:
        who = f"{host} answered for no recipient" if host not in asked else "no other MX answered for a recipient"
        return Verdict(SAME, Status.UNKNOWN, f"nothing to compare: {who}")
    found = differences(results)
    evidence = (Evidence("RCPT, the same of every MX", "\n".join(describe_differences(found)) or "all the same", now),)
    wrong = {subject: codes for subject, codes in found.items() if _wrong(host, codes, prescribed.get(subject))}
    if wrong:
        return Verdict(SAME, Status.FAILED, "; ".join(describe_differences(wrong)), evidence)
    recipients = len({answer.subject for result in results for answer in result.answers if answer.subject})
    others = "; the other one is wrong" if any(host in codes for codes in found.values()) else ""
    why = f"{recipients} recipients, asked of {len(asked)} MXs{others}"
    return Verdict(SAME, Status.OK, why, evidence)


def _wrong(host: str, codes: Mapping[str, int | None], prescribed: int | None) -> bool:
    """Whether this host is the odd one: by the site's word, else by the majority; without one, all that differ are."""
    if host not in codes:
        return False
    if prescribed is not None:
        return codes[host] != prescribed
    most = Counter(codes.values()).most_common()
    clear = len(most) == 1 or most[0][1] > most[1][1]
    return not clear or codes[host] != most[0][0]


def describe_differences(found: Mapping[str, Mapping[str, int | None]]) -> list[str]:
    """Return one line for each recipient.

    Arguments:
        found: class of the reply by recipient and host.
    """
    return [
        f"{subject}: {', '.join(f'{code}xx on {host}' for host, code in sorted(codes.items()))}"
        for subject, codes in sorted(found.items())
    ]
