"""Answers of hosts for the table of the whole service, and what is known of them from elsewhere."""

import base64
import dataclasses
from datetime import timedelta

from mxlib.base.verdict import Status
from mxlib.commands.last_verification import Verified
from mxlib.config.load import parse
from mxlib.facts.proven_kernels import ProvenKernel
from mxlib.facts.section import SectionOutput
from tests.unit.support import healthy
from tests.unit.support.healthy import STANDING
from tests.unit.support.site import TEN_LINES

SITE = parse(TEN_LINES, "x.yaml")
ONE, TWO = "mx1001.lab.test", "mx2001.lab.test"
KERNEL, BUILD = "6.1.0-55-cloud-amd64", "6.1.192-1"
NOW = healthy.host().when + timedelta(minutes=10)
IN = {"smtp": "yes"}
TABLE = "table\n{}code {}\n"
OPEN = TABLE.format("Error: No such file or directory\n", 1)


def said(name, text, code=0):
    return SectionOutput(name, name, code, text, "", NOW, 0.1)


def depool(record=None, table=OPEN, head=""):
    files = {"record": record.to_json(), "kept-token": f"{record.token}\n"} if record else {}
    kept = "".join(f"{name} {base64.b64encode(text.encode()).decode()}\n" for name, text in files.items())
    return said("depool", f"{kept}{head}{table}")


def answer(name=healthy.NFTABLES, proofs=(), listeners=2, **changed):
    found = healthy.host(name)
    sections = {
        "standing": said("standing", STANDING.format(kernel=KERNEL, listeners=listeners, saved="x")),
        "proven": said("proven", "".join(f"{one.to_json()}\n" for one in proofs)),
        "depool": depool(),
        **changed,
    }
    return dataclasses.replace(found, outputs={**found.outputs, **sections})


def proof(host=ONE, release=KERNEL, version=BUILD):
    return ProvenKernel(release, host, "2026-11-20T01:12:00+00:00", "20261120T005500Z-0a1b2c", version)


def last(status=Status.OK, age=600, bad=(), covered=("disk", "mta"), left_out=()):
    return Verified(status, NOW - timedelta(seconds=age), bad, covered, left_out)
