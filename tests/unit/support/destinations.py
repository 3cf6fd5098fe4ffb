"""Destinations of a queue: messages, attempts, hints and retry rules."""

from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st

from mxlib.drain.judge import Knowledge, judge
from mxlib.mta.backlog import Backlog, Heap, Hint, Lately
from mxlib.mta.event import Cause

NOW = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)


class Rules:
    """Eight hours for the first class of senders, four days for all others."""

    classes = ("wiki@lab.test",)

    def after(self, _domain, senders):
        return timedelta(hours=8) if senders == "1" else timedelta(days=4)


RULES = Rules()
REFUSED = Lately(None, NOW - timedelta(seconds=30), 1, 1, Cause.REFUSED, "defer (111): Connection refused")


def ago(**time):
    return NOW - timedelta(**time)


def heap(domain="x.test", count=5, oldest=None, newest=None, senders="-", frozen=0):
    oldest = oldest or ago(hours=1)
    return Heap(domain, senders, count, frozen, oldest if count else None, (newest or oldest) if count else None)


def hint(key, first=None, last=None, following=None, *, expired=False):
    first = first or ago(hours=1)
    following = following or NOW + timedelta(minutes=10)
    return Hint(key, first, last or ago(minutes=5), following, expired, "refused", **about(key))


def about(key):
    """What a hint called ``host IP``, ``named HOST``, ``route DOMAIN`` or ``address ADDRESS`` is about."""
    kind, name = key.split(" ")
    if kind in ("host", "named"):
        return {"ip" if kind == "host" else "host": name}
    return {"domain": name} if kind == "route" else {"address": name, "domain": name.rpartition("@")[2]}


HOST = "host 192.0.2.7"


def known(*heaps, hints=(), lately=None, hosts=None, took=None, rules=RULES):
    total = sum(one.count + one.frozen for one in heaps)
    log = Backlog(total, 0, heaps, lately or {}, hosts or {}, took or {}, NOW)
    return Knowledge(log, tuple(hints), rules)


def only(what):
    (found,) = judge(what)
    return found


DOMAINS = st.sampled_from(["x.test", "y.test"])
IPS = st.sampled_from(["192.0.2.7", "192.0.2.8", "2001:db8::7"])
WHEN = st.integers(-7 * 86400, 0).map(lambda seconds: NOW + timedelta(seconds=seconds))
RECENT = st.integers(-600, 0).map(lambda seconds: NOW + timedelta(seconds=seconds))


@st.composite
def any_heap(draw):
    count = draw(st.integers(0, 5))
    first, last = sorted([draw(WHEN), draw(WHEN)])
    return heap(draw(DOMAINS), count, first, last, draw(st.sampled_from(["-", "1"])), draw(st.integers(0, 2)))


@st.composite
def any_hint(draw):
    first, last = sorted([draw(WHEN), draw(WHEN)])
    key = draw(
        st.one_of(
            IPS.map("host {}".format), DOMAINS.map("route {}".format), DOMAINS.map("address joe@{}".format)
        )
    )
    following = NOW + timedelta(seconds=draw(st.integers(-3600, 3600)))
    return Hint(key, first, last, following, draw(st.booleans()), "text", **about(key))


LATELY = st.builds(
    Lately,
    st.none() | RECENT,
    RECENT,
    st.integers(0, 4),
    st.integers(0, 1),
    st.sampled_from(list(Cause)),
    st.just("text"),
)
KNOWLEDGE = st.builds(
    lambda heaps, hints, lately, hosts, took: known(*heaps, hints=hints, lately=lately, hosts=hosts, took=took),
    st.lists(any_heap(), max_size=4, unique_by=lambda one: (one.domain, one.senders)),
    st.lists(any_hint(), max_size=6, unique_by=lambda one: one.key),
    st.dictionaries(DOMAINS, LATELY),
    st.dictionaries(DOMAINS, st.frozensets(IPS)),
    st.dictionaries(IPS, RECENT),
)
