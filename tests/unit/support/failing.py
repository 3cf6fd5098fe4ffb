"""For each check what makes it FAILED: answers of a host with one fault, and words of the sentence that names it."""

import json
import re

from mxlib.mta.exim import names as exim
from tests.unit.support.facts import fixture
from tests.unit.support.healthy import FERM, NO_TABLES, host, replaced, with_hole, with_unit

HUNG = (
    "\nId=gen.service\nLoadState=loaded\nActiveState=activating\nSubState=start\nUnitFileState=static\nResult=success\n"
)
LOOPS = HUNG.replace("SubState=start", "SubState=auto-restart").replace("Result=success", "Result=exit-code")
NO_NFT = '{"nftables": [{"metainfo": {"version": "1.0.6"}}]}\n'


def recent(count, line, *, ids=True):
    def change(text):
        stamp = re.search(r"zone .*\n", text)[0]
        key = "1xUaVg-0000{:02d}-2b " if ids else ""
        events = "".join(f"2026-11-21 04:40:00 {key.format(number)}{line}\n" for number in range(count))
        return f"{stamp}arrived 5\ndelivered 3\ncompleted 3\nwrong {count}\n{events}end\n"

    return change


def counted(arrived, completed):
    def change(text):
        stamp = re.search(r"zone .*\n", text)[0]
        return f"{stamp}arrived {arrived}\ndelivered 1\ncompleted {completed}\nwrong 0\nend\n"

    return change


def waiting(count, hours):
    """Messages received that long ago, which the recorded rule gives up after four days."""

    def change(text):
        now = int(re.search(r"now (\d+)", text)[1])
        seconds, digits = now - hours * 3600, ""
        for _ in range(6):
            seconds, digit = divmod(seconds, 62)
            digits = exim.BASE62[digit] + digits
        lines = "".join(f"{digits}-00{number:04d}-2b -- a@b.test slow.test\n" for number in range(count))
        return f"{lines}now {now}\nend\n"

    return change


STALLED = (
    "== u@provider.test R=r T=t defer (110): Connection timed out H=a [192.0.2.4]: "
    "SMTP timeout after end of data (266176 bytes written)"
)

BDAT_IN, BDAT_OUT = (fixture(f"exim/bdat-{way}.txt").splitlines()[number][skip:]
                     for way, number, skip in (("incoming", 1, 20), ("outgoing", 0, 37)))  # fmt: skip


def with_fault(text):
    """The rules with the lab's fault in front: a drop of answers that come from port 25."""
    rules = json.loads(text)["nftables"]
    return json.dumps({"nftables": rules + json.loads(fixture("host/fault-nft-j-list-ruleset.json"))["nftables"][1:]})


FAILING = {
    "depool-claimed-by-rules": ("depool", host(depool=lambda text: "file yes\nunit enabled\n" + text), "closed|partly"),
    "mta-held": ("mta", host(mta_unit=replaced("LoadState=loaded", "LoadState=masked")), "is held"),
    "mta-gone": ("mta", host(mta_processes="end\n"), "no process"),
    "mta-deaf": (
        "mta",
        host(sockets_listening=lambda text: "".join(x for x in text.splitlines(True) if "[::]:25 " not in x)),
        "port 25 over IPv6",
    ),
    "mta-not-at-boot": ("mta", host(mta_unit=lambda text: re.sub("WantedBy=.*", "WantedBy=", text)), "at boot"),
    "mta-unit-dead": ("mta", host(mta_unit=replaced("ActiveState=active", "ActiveState=inactive")), "inactive"),
    "queue-long": ("queue", host(queue_count="2000\n"), "2000 messages, too many"),
    "queue-critical": ("queue", host(queue_count="4000\n"), "critical"),
    "queue-old": ("queue", host(queue_ages="spooled 1000\nold 1000\nfirst 1xUaVg-00006Y-1v\n"), "1000 older"),
    "queue-grows": ("queue-trend", host(maillog_recent=counted(900, 400)), "grew by 500"),
    "queue-bounces": ("bounce-deadline", host(queue_headers=waiting(100, hours=95)), "100 bounce within 2 h"),
    "log-after-data": ("log", host(maillog_recent=recent(5, STALLED)), "after end of data, to provider.test"),
    "log-destination": (
        "log",
        host(maillog_recent=recent(100, "== u@x.test R=r T=t defer (111): Connection refused")),
        "connection refused, to x.test",
    ),
    "log-chunks-in": ("log", host(maillog_recent=recent(5, BDAT_IN, ids=False)), "refused here, from provider.test"),
    "log-chunks-out": ("log", host(maillog_recent=recent(5, BDAT_OUT)), "refused, to a.test, .* neither kernel"),
    "log-local": ("log", host(maillog_recent=recent(5, "== u T=mail_spool defer (28): No space left")), "local"),
    "units-failed": (
        "units",
        host(unit_states=with_unit("spamd.service", ActiveState="failed", Result="exit-code")),
        "spamd.service is failed",
    ),
    "units-inactive": (
        "units",
        host(unit_states=with_unit("nftables.service", ActiveState="inactive")),
        "nftables.service is inactive",
    ),
    "units-hung": (
        "units",
        host(unit_states=lambda text: text + HUNG + "InactiveExitTimestampMonotonic=1000000\n"),
        "gen.service has been starting",
    ),
    "units-waits-for-its-restart": (
        "units",
        host(unit_states=lambda text: text + LOOPS + "InactiveExitTimestampMonotonic=2452000000\n"),
        r"gen.service has failed \(exit-code\) and waits for its restart",
    ),
    "units-crash-loop": (
        "units",
        host(
            unit_failures="gen.service failed=1795234781000000 started=1795234786000000\n"
            "again gen.service restarts=57 now=1795234799 failed=1795234771000000,1795234781000000\nend\n"
        ),
        "gen.service fails again and again: restarted 57 times, it last failed 18 s ago",
    ),
    "units-cleared": (
        "units",
        host(unit_failures="ifup@ens5.service failed=1795234781000000 started=\nend\n"),
        "ifup@ens5.service failed at",
    ),
    "units-cleared-by-another": (
        "units",
        host(unit_failures="ifup@ens5.service failed=1795234781000000 started=\ncleared other.service\nend\n"),
        "ifup@ens5.service failed at",
    ),
    "firewall-not-loaded": ("firewall", host(firewall_nft=NO_NFT), "no packet filter"),
    "firewall-ferm-not-loaded": ("firewall", host(FERM, firewall_tables=NO_TABLES), "no packet filter"),
    "firewall-half-loaded": (
        "firewall",
        host(FERM, firewall_tables=lambda text: re.sub("tool ip6tables-legacy.*?(?=tool)", "", text, flags=re.DOTALL)),
        "for IPv6",
    ),
    "firewall-without-established": (
        "firewall",
        host(FERM, firewall_tables=replaced("-A INPUT -m state --state RELATED,ESTABLISHED -j ACCEPT\n", "")),
        "does not accept established",
    ),
    "firewall-drop-before-established": (
        "firewall",
        host(FERM, firewall_tables=replaced("-A INPUT -m state", "-A INPUT -p tcp -j DROP\n-A INPUT -m state")),
        "may drop answers",
    ),
    "firewall-drop-of-answers": ("firewall", host(firewall_nft=lambda text: with_fault(text)), "may drop answers"),
    "firewall-closed-port": ("firewall", host(firewall_nft=replaced("25, 465, 587", "465, 587")), "accepts port 25"),
    "temporary-hole-open": ("temporary-hole", with_hole(FERM), "open for 2001:db8:51::10 until 05:20:00 UTC"),
    "temporary-hole-without-timer": ("temporary-hole", with_hole(FERM, timer="inactive"), "its timer is gone"),
    "temporary-hole-gone": ("temporary-hole", with_hole(FERM, rule=""), "gone before its time"),
    "temporary-hole-stray": ("temporary-hole", with_hole(FERM, timer=None), "no record of it"),
    "conntrack-full": (
        "conntrack",
        host(conntrack=lambda text: re.sub("count .*", "count 6000", text)),
        "6000 of 6144",
    ),
    "network-no-address": ("network", host(addresses=replaced('"192.0.2.11"', '"169.254.0.1"')), "no IPv4 address"),
    "network-no-route": ("network", host(routes_v6="[]"), "no IPv6 default route"),
    "network-down": ("network", host(addresses=replaced('"UP","LOWER_UP"', '"UP"')), "which is down"),
    "disk-full": ("disk", host(disk=lambda text: re.sub(r"(?m)^(/var/s\S+ \S+ +\d+) +\d+", r"\1 0", text)), "0 % free"),
    "disk-inodes": ("disk", host(disk=lambda text: re.sub(r"(?m)\d+$", "5", text)), "0 % of the inodes"),
    "clock-behind": ("clock", host(clock="now 1795234000.5\n"), "behind"),
    "puppet-disabled": (
        "puppet",
        host(puppet=replaced("enabled\n", 'disabled {"disabled_message":"kernel work"}\n')),
        "disabled: kernel work",
    ),
    "puppet-old": ("puppet", host(puppet=lambda text: re.sub("age .*", "age 7201", text)), "last ran 2 h"),
    "puppet-failures": ("puppet", host(puppet=lambda text: text + "failed 3\n"), "3 failures"),
    "puppet-absent": ("puppet", host(puppet="absent\n"), "no Puppet"),
    "relay-open": ("relay", host(relay=replaced("550 relay not permitted", "250 Accepted")), "would relay"),
    "boot-one-time": ("boot", host(grub_environment=lambda text: text + "next_entry=other\n"), "one-time boot"),
    "boot-nothing-saved": ("boot", host(grub_environment="x=y\n"), "grub-set-default"),
    "boot-saved-is-gone": ("boot", host(grub_environment="saved_entry=1>9\n"), "not in the menu"),
    "boot-saved-is-recovery": ("boot", host(grub_environment="saved_entry=1>1\n"), "does not boot the normal system"),
    "kernel-lacks-initrd": (
        "kernel",
        host(kernel=lambda text: re.sub("file /boot/initrd.*\n", "", text)),
        "lacks initrd",
    ),
}  # fmt: skip
