"""What can happen while a cookbook runs: to its process, its management host, the network, the exchanger, etcd."""

import signal
import subprocess
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from types import MappingProxyType

from lab import demo, lifecycle
from lab.campaign import cuts, services
from lab.campaign.scene import NotDoneError, Scene
from lab.faults import catalogue
from lab.faults.fault import Fault, FaultTarget
from lab.place import INFRA, NODE
from lab.shell import LabError
from lab.stations.box import Box, tied
from lab.world import worlds

LEASE_S = 70.0
"""Longer than the lease of a run (60 s), so that another may take over from a process that is stopped."""

NOTHING_CHANGED = (10, 16)
"""Exit codes of a cookbook that has changed nothing."""

Act = Callable[[Scene], object]


def _nothing(_scene: Scene) -> None:
    """Nothing: what has happened needs no end."""


@dataclass(frozen=True)
class Disturbance:
    """One thing that can happen.

    Attributes:
        name: as in ``mxlab campaign --only NAME``.
        summary: one line.
        begin: makes it happen.
        end: makes it stop; harmless where it never began.
        lasts: seconds until ``end``, at most: a random part of it, at least a third.
        excuses: what happens to mail by itself, in the ledger's words.
    """

    name: str
    summary: str
    begin: Act
    end: Act = _nothing
    lasts: float = 60.0
    excuses: tuple[str, ...] = ()


def _signal(*numbers: int) -> Act:
    return lambda scene: scene.signal(*numbers)


def _go_on(scene: Scene) -> None:
    """Let the cookbook go on, if it was not killed meanwhile."""
    with suppress(NotDoneError):
        scene.signal(signal.SIGCONT)


def _fault(name: str) -> tuple[Act, Act]:
    """A fault of the catalogue, put on and taken off; what it is put on may be off, or just booting."""

    def act(function: Callable[[FaultTarget, Fault], None]) -> Act:
        return lambda scene: function(catalogue.target(scene.place, scene.mx, scene.kernel), catalogue.find(name))

    return _begins(act(catalogue.apply)), act(catalogue.undo)


def _begins(act: Act) -> Act:
    """An act as the beginning of a disturbance: where it fails there was nothing to disturb."""

    def begin(scene: Scene) -> None:
        try:
            act(scene)
        except LabError as error:
            raise NotDoneError(str(error)) from None

    return begin


def _operator(name: str, summary: str, *words: str) -> Disturbance:
    """Another operator at work on the other management host, at the same time."""

    def begin(scene: Scene) -> None:
        argv = demo.cookbook(scene.other, "sre.mail.reboot-mx", scene.mx.fqdn, *words, "--reason", "another operator")
        child = subprocess.Popen(
            tied(argv), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            errors="replace",
        )  # fmt: skip
        scene.others.append(child)
        try:
            said, _ = child.communicate(timeout=1200)
        finally:
            child.kill()
        scene.said.append(f"{' '.join(words)}: exit code {child.returncode}\n{said}")
        scene.ended.append((f"another operator's {' '.join(words)}".rstrip(), child.returncode))
        scene.refused += [name] if child.returncode in NOTHING_CHANGED else []

    return Disturbance(name, summary, begin)


def _cut(ends: Callable[[Scene], tuple[Box, str]]) -> tuple[Act, Act]:
    """What a station sends to an address is thrown away; what comes the other way arrives."""
    return lambda scene: cuts.throw_away(*ends(scene)), lambda scene: cuts.let_through(*ends(scene))


def _on_exchanger(script: str | Callable[[Scene], str]) -> Act:
    """A script on the exchanger, or what makes one; sent from the other management host, which is never cut off."""

    def act(scene: Scene) -> None:
        words = script if isinstance(script, str) else script(scene)
        words = words.replace("@firewall@", worlds.of(scene.place.lab, scene.mx).firewall)
        done = lifecycle.ssh(scene.place, scene.mx, words, timeout=60, host=scene.other)
        if done.returncode:
            raise LabError(f"{scene.mx.name}: exit code {done.returncode}: {done.stdout.strip()[-300:]}")

    return act


# Exim's own logs, whatever their age.
_ROTATE = "logrotate --force /etc/logrotate.d/exim4-base"
# dpkg takes POSIX locks, which flock(1) does not. Where somebody has it already, and keeps it, nothing has happened.
_LOCK_DPKG = """\
nohup perl -e 'use Fcntl; open(my $f, "+<", "/var/lib/dpkg/lock-frontend") or die;
my $want = pack("s s l! l! i", F_WRLCK, 0, 0, 0, 0); fcntl($f, F_SETLKW, $want) or die; sleep 600' \
  >/dev/null 2>&1 </dev/null &
echo $! >/run/lab-dpkg.pid
for _ in 1 2 3 4 5 6 7 8 9 10; do
  grep -qE "^[0-9]+: POSIX .* $! " /proc/locks && exit 0
  sleep 1
done
kill $!; echo 'no lock'; exit 1"""
_LATE = "date -s '+10 minutes'"
# In the exchanger's own kernel, which has netem: the machine's need not. What it sends is late, and some of it is lost.
_EACH_CARD = "for card in $(ls /sys/class/net | grep -vx lo); do tc qdisc %s dev $card root %s; done"
_SLOW = _EACH_CARD % ("replace", "netem delay 300ms 100ms loss 5%")
_QUICK = f"{_EACH_CARD % ('del', '2>/dev/null')} || :"


DISTURBANCES: Mapping[str, Disturbance] = MappingProxyType({
    one.name: one
    for one in (
        Disturbance("kill", "the cookbook is killed (SIGKILL)", _signal(signal.SIGKILL)),
        Disturbance("term", "the cookbook is asked to end (SIGTERM)", _signal(signal.SIGTERM)),
        Disturbance("interrupt", "somebody types Ctrl-C", _signal(signal.SIGINT)),
        Disturbance("hangup", "the terminal goes: SIGHUP, twice", _signal(signal.SIGHUP, signal.SIGHUP)),
        Disturbance(
            "stop", "the cookbook stands still, for longer than its lease", _signal(signal.SIGSTOP),
            _go_on, LEASE_S * 3,
        ),
        _operator("another-start", "another operator starts the same run elsewhere"),
        _operator("another-resume", "another operator resumes the run elsewhere", "--resume"),
        _operator("another-abort", "another operator aborts the run elsewhere", "--abort"),
        Disturbance("etcd-down", "etcd stands still", *_fault("etcd-down")),
        Disturbance("etcd-restored", "etcd is put back to what it was when the run began", services.restore_etcd),
        Disturbance("etcd-emptied", "etcd is built again, without pool state", services.empty_etcd, services.fill_etcd),
        Disturbance("alertmanager-down", "Alertmanager stands still", *_fault("alertmanager-down")),
        Disturbance("rapi-down", "Ganeti's remote API stands still", *_fault("rapi-down")),
        Disturbance("provider-4xx", "the big provider defers everything", *_fault("provider-4xx")),
        Disturbance("provider-down", "the big provider refuses connections", *_fault("provider-down")),
        Disturbance("provider-stall", "the big provider stalls after large bodies", *_fault("provider-stall")),
        Disturbance(
            "cut-etcd", "what the management host sends to etcd is lost",
            *_cut(lambda scene: (scene.host, str(INFRA.v4))),
        ),
        Disturbance(
            "cut-etcd-answers", "what etcd answers the management host is lost",
            *_cut(lambda scene: (scene.place.infra, cuts.address_of(scene.host))),
        ),
        Disturbance(
            "cut-exchanger", "what the management host sends to the exchanger is lost",
            *_cut(lambda scene: (scene.host, str(scene.mx.v4))),
        ),
        Disturbance(
            "cut-exchanger-answers", "what the exchanger answers the management host is lost",
            _begins(_on_exchanger(lambda scene: cuts.cut_script(cuts.address_of(scene.host)))),
            _on_exchanger(lambda scene: cuts.mend_script(cuts.address_of(scene.host))),
        ),
        Disturbance(
            "cut-ganeti", "what the management host sends to Ganeti is lost",
            *_cut(lambda scene: (scene.host, str(NODE.v4))),
        ),
        Disturbance(
            "cut-ganeti-answers", "what Ganeti answers the management host is lost",
            *_cut(lambda scene: (scene.place.node, cuts.address_of(scene.host))),
        ),
        Disturbance(
            "power-cut", "the exchanger's power is cut, and comes back", services.cut_power, services.power_on, 20.0
        ),
        Disturbance(
            "node-power-cut", "the Ganeti node's power is cut, and with it that of all exchangers",
            services.cut_node_power, services.node_on, 20.0,
        ),
        Disturbance(
            "management-power-cut", "the power of the management host is cut", services.cut_management_power,
            services.management_on, 20.0,
        ),
        Disturbance(
            "clock", "the exchanger's clock is ten minutes ahead",
            _begins(_on_exchanger(_LATE)), services.set_clock, 120.0,
        ),
        Disturbance("rotate", "the exchanger's mail log is rotated", _begins(_on_exchanger(_ROTATE))),
        Disturbance(
            "firewall-reload", "the exchanger's firewall is reloaded",
            _begins(_on_exchanger("systemctl reload @firewall@.service")),
        ),
        Disturbance(
            "slow-network", "what the exchanger sends is 0.3 s late, a twentieth is lost",
            _begins(_on_exchanger(_SLOW)), _on_exchanger(_QUICK), 120.0,
        ),
        Disturbance(
            "mta-crash", "all processes of the MTA are killed", _begins(_on_exchanger("pkill -KILL -x exim4"))
        ),
        Disturbance(
            "dpkg-lock", "dpkg is at work on the exchanger", _begins(_on_exchanger(_LOCK_DPKG)),
            _on_exchanger("kill $(cat /run/lab-dpkg.pid) 2>/dev/null; rm -f /run/lab-dpkg.pid"), 120.0,
        ),
        Disturbance("stuck-aliases", "the alias generator hangs", *_fault("stuck-aliases")),
        Disturbance(
            "cut-aliases", "the alias generator hangs after a line: other addresses are unknown",
            *_fault("cut-aliases"), excuses=("refused", "bounced"),
        ),
        Disturbance(
            "stale-hints", "Exim's hints of the big provider are past their cutoff: its mail bounces",
            *_fault("stale-hints"), excuses=("bounced",),
        ),
        Disturbance("disk-full", "no room for mail on the exchanger's disk", *_fault("disk-full")),
        Disturbance(
            "logs-full", "no room for journals on the management host", services.fill_logs, services.free_logs
        ),
    )
})  # fmt: skip
