"""The choice of the kernel that "newest" or "proven" stands for."""

from collections.abc import Iterator
from typing import Any

from mxlib.base.errors import MxlibError, StepError
from mxlib.base.parallel import at_once
from mxlib.base.text import one_line
from mxlib.base.verdict import Verdict
from mxlib.facts import grub, kernel
from mxlib.facts import proven_kernels as proven
from mxlib.facts.kernel import InstalledKernel
from mxlib.facts.proven_kernels import ProvenKernel
from mxlib.facts.source import Facts, Source, read_facts
from mxlib.model.debversion import DebianVersion
from mxlib.protocols.host import Host
from mxlib.reboot.world import RebootWorld

WORDS = ("newest", "proven")


def choose(world: RebootWorld, word: str) -> tuple[str, str]:
    """Return the kernel that a word stands for on the target.

    Arguments:
        word: one of :data:`WORDS`.

    Returns:
        Its release, and why it is this one.

    Raises:
        mxlib.base.errors.MxlibError: there is none, or it cannot be read.
    """
    sources: tuple[Source[Any], ...] = (kernel.SOURCE, grub.SOURCE, proven.SOURCE, *world.adapters.verifier.sources())
    facts = read_facts(world.target, sources)
    return _newest(world, facts) if word == "newest" else _proven(world, facts)


def _newest(world: RebootWorld, facts: Facts) -> tuple[str, str]:
    whole = _whole(facts)
    best = _latest(_of_the_flavour(world.target, facts, whole))
    others = [one for one in whole if DebianVersion(one.version) > DebianVersion(best.version)]
    newer = f"; of another flavour and newer: {', '.join(one.release for one in others)}" if others else ""
    return best.release, f"the newest kernel that is whole on {world.target.name} is {best.release}{newer}"


def _of_the_flavour(host: Host, facts: Facts, kernels: list[InstalledKernel]) -> list[InstalledKernel]:
    """Return the kernels of the flavour that runs: another one has other drivers, and is taken only by its full name.

    Raises:
        mxlib.base.errors.StepError: there is none.
    """
    runs = kernel.flavour(facts.get(kernel.SOURCE).running)
    same = [one for one in kernels if kernel.flavour(one.release) == runs]
    if not same:
        there = ", ".join(one.release for one in kernels)
        other = f"; name one of another flavour with --kernel RELEASE: {there}" if there else ""
        raise StepError(f"{host.name} has no kernel of the flavour {runs} that is whole{other}")
    return same


def _whole(facts: Facts) -> list[InstalledKernel]:
    return [one for one in facts.get(kernel.SOURCE).installed if one.whole]


def _latest(kernels: list[InstalledKernel]) -> InstalledKernel:
    return max(kernels, key=lambda one: DebianVersion(one.version))


def _proven(world: RebootWorld, facts: Facts) -> tuple[str, str]:
    """Return the newest kernel that was proven on any MX of the service, as the same build, and can boot here."""
    proofs = {(one.release, one.version): one for one in (*_from_peers(world), *facts.get(proven.SOURCE))}
    if not proofs:
        raise StepError("no kernel was proven on any MX yet: name one with --kernel RELEASE, or take the newest")
    menu = facts.get(grub.SOURCE)
    same = _of_the_flavour(world.target, facts, _whole(facts))
    fit = [one for one in same if (one.release, one.version) in proofs and menu.entry_for(one.release) is not None]
    bad = {
        one.release: found for one in fit if not (found := world.adapters.verifier.known_bad(facts, one.release)).passed
    }
    good = [one for one in fit if one.release not in bad]
    if not good:
        raise StepError(_none_fits(world.target, proofs, bad))
    best = _latest(good)
    return best.release, f"{best.release} is the newest that was proven: {_said(proofs[best.release, best.version])}"


def _none_fits(host: Host, proofs: dict[tuple[str, str], ProvenKernel], bad: dict[str, Verdict]) -> str:
    known = ", ".join(f"{release} {version}".strip() for release, version in sorted(proofs))
    why = "".join(f"; {found.why}" for found in bad.values())
    return f"none of the kernels that were proven ({known}) is whole and fit on {host.name}{why}"


def _said(proof: ProvenKernel) -> str:
    return f"on {proof.host} at {proof.when}, run {proof.run}"


def _from_peers(world: RebootWorld) -> Iterator[ProvenKernel]:
    """Yield the proofs of the other MXs; one that does not answer proves nothing."""
    yield from (proof for proofs in at_once(lambda peer: _of(world, peer), world.peers) for proof in proofs)


def _of(world: RebootWorld, peer: Host) -> tuple[ProvenKernel, ...]:
    try:
        return read_facts(peer, (proven.SOURCE,)).get(proven.SOURCE)
    except MxlibError as error:
        world.operator.line(f"what was proven on {peer.name} cannot be read: {one_line(str(error))}")
        return ()
