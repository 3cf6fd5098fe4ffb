#!/usr/bin/env python3
"""How long verify-mx, the planning of a roll and one look of a run take: facts, asked of real sshd.

`sudo VENV/bin/python bench/fleet.py [--hosts 100] [--times 3]`, VENV as `tests/run --venv` prints it.

Makes a network namespace of its own with one address a host on its loopback, a real sshd on each, and asks them the way
the cookbook does: Spicerack, cumin, ssh, one script. Nothing is asked of any other network, and all of it is gone
afterwards. The "hosts" share this machine's processors, so what all of them compute together is told apart.
"""

import argparse
import logging
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from lab.build import labroot
from lab.build.apt import SUITE
from lab.lifecycle import ProgressLog
from lab.place import Lab, cache
from lab.stations.box import Box
from mxlib.protocols.host import Host

if TYPE_CHECKING:
    from spicerack.remote import RemoteHosts

KEYS = ("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f")
CUMIN = """transport: clustershell
default_backend: direct
log_file: {folder}/cumin.log
clustershell: {{ssh_options: ["-F {folder}/ssh_config"], connect_timeout: 5, fanout: 64}}
"""
SSH = """Host *
    User root
    IdentityFile {folder}/key
    IdentitiesOnly yes
    BatchMode yes
    StrictHostKeyChecking yes
    UserKnownHostsFile {folder}/known_hosts
    GlobalKnownHostsFile /dev/null
    LogLevel ERROR
"""
SHARED = """    ControlMaster auto
    ControlPath {folder}/%C
    ControlPersist 10
"""


def address(number: int) -> str:
    """The address of a host, from a range for benchmarks (RFC 2544)."""
    return f"198.18.{number // 200}.{number % 200 + 1}"


def start(box: Box, folder: Path, hosts: int) -> None:
    """Give the box its addresses, and start an sshd on each."""
    for name in ("key", "host"):
        subprocess.run([*KEYS, folder / name], check=True)
    box.start()
    secret, public = (folder / "host").read_text(), (folder / "key.pub").read_text()
    box.run(["/bin/sh", "-euc", "umask 077; cat > /run/host_key"], input_text=secret)
    box.run(["/bin/sh", "-euc", "umask 077; mkdir -p /root/.ssh; cat > /root/.ssh/authorized_keys"], input_text=public)
    options = "-h /run/host_key -o UsePAM=no -o PermitRootLogin=yes -o StrictModes=no -o MaxStartups=200"
    lines = [
        f"ip addr add {address(n)}/32 dev lo; "
        f"/usr/sbin/sshd -f /dev/null {options} -o ListenAddress={address(n)} -o PidFile=/run/sshd-{n}.pid"
        for n in range(hosts)
    ]
    box.sh("\n".join(lines), timeout=120)
    kind, key, *_ = (folder / "host.pub").read_text().split()
    (folder / "known_hosts").write_text("".join(f"{address(n)} {kind} {key}\n" for n in range(hosts)))
    (folder / "config.yaml").write_text(CUMIN.format(folder=folder))
    (folder / "ssh_config").write_text(SSH.format(folder=folder))


def measure(folder: Path, hosts: int, times: int) -> None:
    """Ask one host, then all, for one check and for every check; runs inside the namespace."""
    from spicerack.remote import Remote

    from mxlib.adapters.cumin_host import CuminHost, cumin_transport
    from mxlib.base.clock import SystemClock
    from mxlib.config.known_bad import load
    from mxlib.config.verify import VerifyPolicy
    from mxlib.verify.fleet import verify_hosts
    from mxlib.verify.request import VerificationScope

    logging.disable(logging.WARNING)
    remote = Remote(str(folder / "config.yaml"), dry_run=False)

    def host(number: int) -> CuminHost:
        name = address(number)
        return CuminHost(name, cumin_transport(remote.query(f"D{{{name}}}")), SystemClock(), dry_run=False)

    print(f"{'asked':<14}{'hosts':>6}{'seconds':>10}{'a host':>9}{'this side, CPU s a host':>26}")
    plain = 0.0
    for count in (1, hosts):
        names = ",".join(address(number) for number in range(count))
        plain, spent = min(once_true(remote.query(f"D{{{names}}}")) for _ in range(times))
        print(f"{'cumin, true':<14}{count:>6}{plain:>10.2f}{plain / count:>9.3f}{spent / count:>26.3f}", flush=True)
    for label, only in (("one check", ("disk",)), ("every check", ())):
        request = VerificationScope(VerifyPolicy(), load(), only=only)
        for count in (1, hosts):
            fleet = [host(number) for number in range(count)]
            best, spent = min(once(fleet, request, verify_hosts) for _ in range(times))
            print(f"{label:<14}{count:>6}{best:>10.2f}{best / count:>9.3f}{spent / count:>26.3f}", flush=True)
        print(f"  of {count} hosts: {best / plain:.2f} of what `true` by cumin takes", flush=True)
    for count in (1, hosts):
        best, spent = min(once_planned([host(number) for number in range(count)]) for _ in range(times))
        print(f"{'a roll':<14}{count:>6}{best:>10.2f}{best / count:>9.3f}{spent / count:>26.3f}", flush=True)
    # what a run of reboot-mx asks before each of its steps, by a connection of its own and by a shared one
    for label in ("a step's look", "  shared ssh"):
        best, spent = min(once_looked(host(0)) for _ in range(2 * times))
        print(f"{label:<14}{1:>6}{best:>10.2f}{best:>9.3f}{spent:>26.3f}", flush=True)
        with (folder / "ssh_config").open("a") as settings:
            settings.write(SHARED.format(folder=folder))


def once_true(hosts: "RemoteHosts") -> tuple[float, float]:
    """The same for nothing at all: what the way to the hosts takes by itself."""
    begin, used = time.monotonic(), cpu()
    list(hosts.run_sync("true", is_safe=True, print_output=False, print_progress_bars=False))
    return time.monotonic() - begin, cpu() - used


def once_looked(host: Host) -> tuple[float, float]:
    """The same for asking where one host stands; what it answers is not judged, as it has no systemd and no MTA."""
    from mxlib.facts.section import read_sections
    from mxlib.mta.find import find
    from mxlib.mta.standing import source

    begin, used = time.monotonic(), cpu()
    read_sections(host, source(find("exim")).sections)
    return time.monotonic() - begin, cpu() - used


def once_planned(fleet: Sequence[Host]) -> tuple[float, float]:
    """The same for one look of `sre.mail.roll-kernel` at every host, and the decision that follows."""
    from mxlib.commands.roll_fleet import asked_of
    from mxlib.config.known_bad import load
    from mxlib.config.pool import MxSection
    from mxlib.config.verify import VerifyPolicy
    from mxlib.facts.source import Facts, read_facts
    from mxlib.roll.plan import decide
    from mxlib.roll.state import RollGoal, RollState
    from mxlib.roll.survey import Asked, survey

    asked = Asked("6.1.0-56-cloud-amd64", VerifyPolicy(), load())
    begin, used = time.monotonic(), cpu()
    answers = asked_of({one.name: one for one in fleet}, lambda host: read_facts(host, asked.sources))
    silent = [name for name, answer in answers.items() if not isinstance(answer, Facts)]
    if silent:
        raise SystemExit(f"no answer from {len(silent)} hosts: {silent[:5]}")
    seen = tuple(survey(asked, one, MxSection(), {}) for one in answers.values() if isinstance(one, Facts))
    decide(RollGoal(asked.kernel), RollState(seen, frozenset(answers)))
    return time.monotonic() - begin, cpu() - used


def once(fleet: Sequence[object], request: object, verify: object) -> tuple[float, float]:
    """Seconds on the wall and of this side's processor time for one verification; every host must have answered."""
    begin, used = time.monotonic(), cpu()
    reports = verify(fleet, request)  # type: ignore[operator]
    took = time.monotonic() - begin
    silent = [report.host for report in reports if report.facts is None]
    if silent:
        raise SystemExit(f"no answer from {len(silent)} hosts: {silent[:5]}: {reports[0].verdicts[0].why}")
    return took, cpu() - used


def cpu() -> float:
    """Processor time of this process and of the ssh clients it has waited for."""
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def main() -> None:
    """Make the fleet, measure in its namespace, take it away."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--hosts", type=int, default=100, help="how many sshd")
    parser.add_argument("--times", type=int, default=3, help="measure that often, tell the best")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    wanted = parser.parse_args()
    if wanted.measure:
        measure(wanted.measure, wanted.hosts, wanted.times)
        return
    if os.geteuid() != 0:
        parser.error("root is needed: for a network namespace of its own")
    lab = Lab(f"bench{os.getpid()}")
    box = Box(lab, "fleet", labroot.build(cache(), ProgressLog(), SUITE))
    folder = Path(tempfile.mkdtemp(prefix="mx-bench."))
    try:
        start(box, folder, wanted.hosts)
        inside = ["nsenter", f"--net=/proc/{box.pid}/ns/net", sys.executable, __file__, "--measure", str(folder)]
        subprocess.run([*inside, "--hosts", str(wanted.hosts), "--times", str(wanted.times)], check=True)
    finally:
        box.stop()
        shutil.rmtree(folder)
        shutil.rmtree(lab.state, ignore_errors=True)


if __name__ == "__main__":
    main()
