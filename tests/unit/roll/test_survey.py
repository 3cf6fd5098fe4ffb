"""How a host stands towards the kernel of a roll, from what real hosts answered."""

import base64
import dataclasses
import json

import pytest
import yaml

from mxlib.config.known_bad import parse_entries
from mxlib.config.pool import MxSection
from mxlib.facts.section import SectionOutput
from mxlib.facts.source import Facts
from mxlib.model.record import Kernel, Prior, Record
from mxlib.roll.state import Stand
from mxlib.roll.survey import RUN_SUFFIX, Asked, known_bad_entry, newest, silent, survey
from mxlib.verify.request import with_watched
from tests.unit.support import healthy
from tests.unit.support.healthy import STANDING

RUNS, OTHER = "6.1.0-55-cloud-amd64", "6.1.0-56-cloud-amd64"
ENTRY = (
    "gnulinux-advanced-5eb0a9d1-3a4c-4f0c-9c53-0d2b6f1e7a11>gnulinux-{0}-advanced-5eb0a9d1-3a4c-4f0c-9c53-0d2b6f1e7a11"
)
PLACE = MxSection("one", 10)


def facts(kernel=RUNS, listeners=2, saved=None, **changed) -> Facts:
    found = healthy.host(
        healthy.NFTABLES, kernel=lambda text: text.replace(f"running {RUNS}", f"running {kernel}"), **changed
    )
    text = STANDING.format(kernel=kernel, listeners=listeners, saved=saved or ENTRY.format(kernel))
    said = SectionOutput("standing", "standing", 0, text, "", found.when, 0.1)
    return dataclasses.replace(found, outputs={**found.outputs, "standing": said})


def asked(kernel=OTHER, entries=()) -> Asked:
    return Asked(kernel, with_watched(healthy.POLICY, entries), tuple(entries))


def claimed(run: str, *, stay: bool = False):
    prior = Prior({}, "", False)
    record = Record(run, "op@cumin1001", "why", "2026-11-21T01:00:00+00:00", 3, Kernel(OTHER, "e"), Kernel(RUNS, "f"),
                    "b", prior, (1, 2), stay=stay)  # fmt: skip
    packed = base64.b64encode(record.to_json().encode()).decode()
    token = base64.b64encode(b"3\n").decode()
    return lambda text: f"record {packed}\nkept-token {token}\n{text}"


def seen(found=None, want=None, pool=None):
    return survey(want or asked(), found or facts(), PLACE, {"smtp": "yes"} if pool is None else pool, 600.0)


def test_in_service_with_another_kernel_it_is_to_do() -> None:
    one = seen()
    assert (one.stand, one.why, one.unwell, one.kernel) == (Stand.TODO, "", "", RUNS)


def test_running_it_in_service_it_is_there() -> None:
    one = seen(want=asked(RUNS))
    assert (one.stand, one.unwell) == (Stand.THERE, "")
    by_hand = seen(facts(saved=ENTRY.format(OTHER)), asked(RUNS))
    assert (by_hand.stand, "booted it by hand" in by_hand.why) == (Stand.THERE, True)


def test_an_older_build_of_the_same_kernel_is_not_there() -> None:
    found = facts(kernel=RUNS)
    text = found.outputs["kernel"].output.replace("Debian 6.1.192-1 ", "Debian 6.1.191-1 ")
    older = {**found.outputs, "kernel": dataclasses.replace(found.outputs["kernel"], output=text)}
    one = seen(dataclasses.replace(found, outputs=older), asked(RUNS))
    assert one.stand is Stand.SKIPPED
    assert "build 6.1.192-1 of the same kernel is not booted yet" in one.why


def test_an_image_of_another_build_on_the_disk_is_not_there_either() -> None:
    found = facts(kernel=RUNS)
    said = found.outputs["standing"]
    replaced = dataclasses.replace(said, output=said.output.replace("processes", "image replaced\nprocesses"))
    one = seen(dataclasses.replace(found, outputs={**found.outputs, "standing": replaced}), asked(RUNS))
    assert (one.stand, "another build of the same kernel" in one.why) == (Stand.SKIPPED, True)


@pytest.mark.parametrize(
    ("found", "pool", "stand", "why"),
    [
        (facts(depool=claimed(f"20261121T010000Z-abc{RUN_SUFFIX}")), None, Stand.LEFTOVER, "taken out by run 2026"),
        (facts(depool=claimed("20261121T010000Z-abc")), None, Stand.FOREIGN, "op@cumin1001"),
        (facts(depool=claimed(f"x{RUN_SUFFIX}", stay=True)), None, Stand.FOREIGN, "taken out by run x"),
        (facts(listeners=0), None, Stand.FOREIGN, "does not serve"),
        (None, {"smtp": "yes", "submission": "no"}, Stand.FOREIGN, "out of the pool (submission=no)"),
        (None, {"smtp": "inactive"}, Stand.FOREIGN, "out of the pool"),
        (facts(depool="nonsense"), None, Stand.UNKNOWN, "state of the ports"),
    ],
)
def test_out_of_service(found, pool, stand, why) -> None:
    one = seen(found, pool=pool)
    assert (one.stand, why in one.why) == (stand, True), one.why
    assert one.target == (OTHER if stand is Stand.LEFTOVER else "")


CLOSED = """\
file yes
unit enabled
table
table inet mx_depool {
	chain input {
		type filter hook input priority -300; policy accept;
		tcp dport 25 tcp flags syn / fin,syn,rst,ack counter packets 7 bytes 420 reject with tcp reset
	}
}
code 0
"""


@pytest.mark.parametrize(("ports", "said"), [((25,), "closed"), ((25, 587), "partly")])
def test_the_ports_are_closed_where_all_are_that_the_site_names(ports: tuple[int, ...], said: str) -> None:
    one = seen(facts(depool=CLOSED), dataclasses.replace(asked(), ports=ports))
    assert (one.stand, one.why) == (Stand.FOREIGN, f"its mail ports are {said}, and no run says why")


def test_a_silent_host_is_a_leftover_only_where_a_roll_has_it_out() -> None:
    one = silent("mx1", PLACE, "no session", f"20261121T010000Z-abc{RUN_SUFFIX}", 600.0)
    assert (one.stand, one.serves, one.expected_s) == (Stand.LEFTOVER, False, 600.0)
    for run in ("", "20261121T010000Z-abc"):
        assert silent("mx1", PLACE, "no session", run).stand is Stand.UNKNOWN


@pytest.mark.parametrize(
    ("kernel", "changed", "why"),
    [
        ("6.1.0-99-cloud-amd64", {}, "is not installed"),
        (OTHER, {"kernel": None}, "lacks initrd"),
        (OTHER, {"grub_config": "nothing"}, "has no entry"),
    ],
)
def test_what_cannot_be_booted_is_skipped(kernel, changed, why) -> None:
    found = facts()
    if "kernel" in changed:
        text = found.outputs["kernel"].output.replace(f"file /boot/initrd.img-{OTHER}\n", "")
        found = dataclasses.replace(
            found, outputs={**found.outputs, "kernel": dataclasses.replace(found.outputs["kernel"], output=text)}
        )
    if "grub_config" in changed:
        broken = dataclasses.replace(
            found.outputs["grub-config"],
            output=found.outputs["grub-config"].output.replace(f"gnulinux-{OTHER}-", "gnulinux-other-"),
        )
        found = dataclasses.replace(found, outputs={**found.outputs, "grub-config": broken})
    one = seen(found, asked(kernel))
    assert (one.stand, why in one.why) == (Stand.SKIPPED, True), one.why


def entry(abi: str, action: str = "refuse") -> str:
    about = f'id: bad, affects: {{abi: "{abi}"}}, action: {action}'
    return f'[{{{about}, reason: "https://example.org", reviewed: 2026-11-21}}]'


def test_a_known_bad_kernel_is_skipped_and_one_to_try_is_not() -> None:
    refused = parse_entries(yaml.safe_load(entry("6.1.0-56")), "x")
    assert "known to be bad: bad" in seen(want=asked(entries=refused)).why
    trial = parse_entries(yaml.safe_load(entry("6.1.0-56", "trial")), "x")
    assert seen(want=asked(entries=trial)).stand is Stand.TODO


def test_a_roll_away_from_a_known_bad_kernel_is_not_blocked_by_it() -> None:
    bad = parse_entries(yaml.safe_load(entry("6.1.0-55")), "x")
    one = seen(want=asked(entries=bad))
    assert (one.stand, one.unwell) == (Stand.TODO, "")
    assert "known to be bad" in one.kernel_bad


def test_a_host_that_is_not_well_says_why() -> None:
    one = seen(facts(firewall_nft="", firewall_tables=""))
    assert one.unwell.startswith("firewall UNKNOWN") or one.unwell.startswith("firewall FAILED")


def test_a_way_back_names_the_newer_kernel() -> None:
    back = facts(kernel=OTHER)
    assert seen(back, asked(RUNS)).newer == OTHER
    assert seen().newer == ""


def test_the_entry_for_the_known_bad_list_is_one() -> None:
    text = known_bad_entry(
        OTHER, RUNS, "https://phabricator.wikimedia.org/T1", 'large "mail" stalls\nhere', "2026-11-21"
    )
    (found,) = parse_entries(yaml.safe_load(text), "made")
    assert (found.abi, found.symptom) == (OTHER, "large 'mail' stalls here")


def test_newest_is_by_version_not_by_name() -> None:
    from mxlib.facts.kernel import SOURCE

    assert newest([facts().get(SOURCE)]) == OTHER
    generic = facts(kernel="6.1.0-54-amd64").get(SOURCE)
    assert newest([generic]) == ""
    assert newest([]) == ""


def test_records_are_read_as_data() -> None:
    assert json.loads(base64.b64decode(claimed("x")("").split()[1]))["run"] == "x"
