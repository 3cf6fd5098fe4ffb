"""Pictures, drawn from the code: the steps of a run, the rooms of the library, and the lab."""

import ast
from collections.abc import Iterator
from pathlib import Path
from xml.sax.saxutils import escape

from lab.place import BRIDGE, CLIENT, EXCHANGERS, GATEWAY, INFRA, LAN_V4, LAN_V6, MANAGEMENT, NODE, VRTS, Station
from lab.stations.infra import OUTSIDE_HOSTS
from mxlib.model.goal import Goal
from mxlib.model.record import Judgement, Level
from mxlib.model.state import Do, End, MtaState, Pool, Ports, View
from mxlib.reboot.plan import decide
from tests.unit.support.memory_mx import NEW, Fate, MemoryMx, Process

ROOT = Path(__file__).resolve().parents[2]
STORIES = {
    "The kernel is proven": (Goal(NEW.release), Fate()),
    "It is to blame: back to the old one": (Goal(NEW.release), Fate(judgements=[Judgement.BLAMED])),
    "Nobody can say whose fault it is": (Goal(NEW.release), Fate(judgements=[Judgement.INCONCLUSIVE])),
    "It does not boot: GRUB falls back": (Goal(NEW.release), Fate(boots=["fallback"])),
    "The host does not come back": (Goal(NEW.release), Fate(boots=["silent"])),
    "Out of service, to stay": (Goal(stay=True), Fate()),
    "A cold start": (Goal(NEW.release, level=Level.COLD), Fate()),
    "The guard refuses": (Goal(NEW.release), Fate(guard=False)),
}
"""What is wanted, and what the world has in store."""
COLOURS = {"serves": "#cde8cf", "out": "#f7e3b5", "held": "#f2c4bd", "silent": "#d9d9d9"}
LEGEND = {"serves": "clients are served", "out": "out of service", "held": "and its MTA is held", "silent": "no answer"}
WIDE, HIGH, ACROSS = 118, 30, 8
"""Size of a box, and how many boxes there are in a row."""


def walk(goal: Goal, fate: Fate) -> tuple[list[tuple[str, str]], End]:
    """Let the planner decide from step to step over an exchanger in memory.

    Returns:
        Each step with the state that it is decided in (a key of :data:`COLOURS`), and the end.
    """
    process = Process(MemoryMx(fate, stanzas=("ens5", "ens13")), goal, "picture")
    steps = []
    while isinstance(decision := decide(goal, process.state()), Do):
        state = process.state()
        steps.append((decision.step.value, standing(state.host, state.pool)))
        for _ in process.effects(decision.step):
            pass
    return steps, decision


def standing(host: View | None, pool: Pool) -> str:
    """What clients and mail find: a key of :data:`COLOURS`."""
    if host is None:
        return "silent"
    if host.mta is MtaState.HELD:
        return "held"
    return "serves" if host.ports is Ports.OPEN and pool in (Pool.IN, Pool.NONE) else "out"


def run_page() -> str:
    """The page of a run's states."""
    head = "# A run, step by step\n\nWhat the planner decides, from its own code. `--status` says where a run stands.\n"
    parts = [head, f"\n![The colours: {', '.join(LEGEND.values())}](legend.svg)\n"]
    for number, (name, story) in enumerate(STORIES.items()):
        steps, end = walk(*_fresh(story))
        said = f"Ends with exit code {end.outcome.value}: {end.outcome.meaning}"
        text = ", ".join(step for step, _ in steps)
        parts.append(f"\n## {name}\n\n![{text}](run-{number}.svg)\n\n{said}\n")
    return "".join(parts)


def _fresh(story: tuple[Goal, Fate]) -> tuple[Goal, Fate]:
    """A story's fate is used up by each walk through it."""
    goal, fate = story
    return goal, Fate(list(fate.boots), list(fate.judgements), fate.guard)


def rooms_page() -> str:
    """The page of the library's rooms."""
    return (
        "# The rooms of the library\n\nEach may use what stands above it: [design.md](../design.md#rooms) has the "
        "rules.\n\n"
        f"![{', '.join(name for name, _ in rooms())}](rooms.svg)\n"
    )


def rooms() -> list[tuple[str, str]]:
    """The rooms in their order, which is that of the design's page, each with the first line of its docstring."""
    block = (ROOT / "docs" / "design.md").read_text(encoding="utf-8").split("```")[1]
    names = [line.strip().partition("/")[0] for line in block.splitlines() if line.startswith("  ") and "/" in line]
    paths = {name: ROOT / "mxlib" / name / "__init__.py" for name in names}
    known = {name: path for name, path in paths.items() if path.exists()}
    return [(name, _first_line(path)) for name, path in known.items()]


def _first_line(path: Path) -> str:
    return (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").partition("\n")[0]


def lab_page() -> str:
    """The page of the lab's stations."""
    return (
        "# The lab\n\nThe stations of the lab and their addresses, from `lab/place.py`. What is real in each: "
        "[lab.md](../lab.md#what-is-in-it).\n\n"
        f"![{', '.join(name for name, _, _ in _stations())}, on one bridge](lab.svg)\n"
    )


def _stations() -> list[tuple[str, list[str], list[str]]]:
    """Each station with the lines about it, and with what is inside it."""
    hosts = sorted({name for name, _, _ in OUTSIDE_HOSTS})
    return [
        ("world", [f"gateway {GATEWAY.v4}", "mail servers, senders, ledger"], hosts),
        (NODE.name, [f"{NODE.v4}", "Ganeti, wire observer"], [_line(mx, f", {mx.dc}") for mx in EXCHANGERS]),
        *((host.name, [f"{host.v4}", f"Spicerack, {host.dc}"], []) for host in MANAGEMENT),
        (INFRA.name, [f"{INFRA.v4}", "dnsmasq, etcd, Alertmanager"], [_line(CLIENT, ""), _line(VRTS, "")]),
    ]


def _line(station: Station, more: str) -> str:
    return f"{station.name} {station.v4}{more}"


def pages() -> dict[str, str]:
    """The pages and their pictures, by name."""
    found = {"run.md": run_page(), "rooms.md": rooms_page(), "legend.svg": _legend(), "rooms.svg": _rooms()}
    found |= {"lab.md": lab_page(), "lab.svg": _lab()}
    for number, story in enumerate(STORIES.values()):
        found[f"run-{number}.svg"] = _steps(walk(*_fresh(story))[0])
    return found


def _steps(steps: list[tuple[str, str]]) -> str:
    rows = -(-len(steps) // ACROSS)
    boxes = [_box(i % ACROSS, i // ACROSS, step, COLOURS[state]) for i, (step, state) in enumerate(steps)]
    return _svg(min(len(steps), ACROSS) * (WIDE + 14) + 2, rows * (HIGH + 12) + 2, [*boxes, *_arrows(len(steps))])


def _arrows(count: int) -> Iterator[str]:
    """From each box to the one on its right; a row goes on at the beginning of the next."""
    for i in range(count - 1):
        if (i + 1) % ACROSS:
            x, y = (i % ACROSS) * (WIDE + 14) + WIDE + 2, (i // ACROSS) * (HIGH + 12) + HIGH / 2
            yield f'<path d="M{x} {y}h8m-4 -4l5 4l-5 4" fill="none" stroke="#555"/>'


def _box(column: int, row: int, text: str, colour: str) -> str:
    x, y = column * (WIDE + 14) + 1, row * (HIGH + 12) + 1
    return (
        f'<rect x="{x}" y="{y}" width="{WIDE}" height="{HIGH}" rx="4" fill="{colour}" stroke="#555"/>'
        f'<text x="{x + WIDE / 2}" y="{y + 20}" text-anchor="middle">{escape(text)}</text>'
    )


def _legend() -> str:
    boxes = [
        f'<rect x="{i * 190 + 1}" y="1" width="22" height="18" fill="{COLOURS[state]}" stroke="#555"/>'
        f'<text x="{i * 190 + 30}" y="15">{text}</text>'
        for i, (state, text) in enumerate(LEGEND.items())
    ]
    return _svg(760, 20, boxes)


def _rooms() -> str:
    lines = [
        f'<rect x="1" y="{i * 28 + 1}" width="130" height="24" rx="4" fill="#dbe7f5" stroke="#555"/>'
        f'<text x="66" y="{i * 28 + 17}" text-anchor="middle">{escape(name)}</text>'
        f'<text x="142" y="{i * 28 + 17}">{escape(text)}</text>'
        for i, (name, text) in enumerate(rooms())
    ]
    return _svg(1060, len(lines) * 28, lines)


def _lab() -> str:
    """The stations side by side on their bridge; what is inside a station is in boxes below its name."""
    stations, width, gap, top = _stations(), 206, 14, 64
    deepest = max(len(inside) for _, _, inside in stations)
    height = 70 + 30 * deepest
    whole = len(stations) * (width + gap) - gap
    parts = [
        f'<rect x="1" y="1" width="{whole}" height="30" rx="4" fill="#dbe7f5" stroke="#555"/>',
        f'<text x="12" y="21">bridge {BRIDGE} in {NODE.name}: {LAN_V4}, {LAN_V6}; nothing is routed out of it</text>',
    ]
    for place, (name, lines, inside) in enumerate(stations):
        x = place * (width + gap) + 1
        parts.append(f'<path d="M{x + width / 2} 31v{top - 31}" stroke="#555"/>')
        parts.append(f'<rect x="{x}" y="{top}" width="{width}" height="{height}" rx="4" fill="#f4f4f4" stroke="#555"/>')
        parts.append(f'<text x="{x + 10}" y="{top + 20}" font-weight="bold">{escape(name)}</text>')
        parts += [f'<text x="{x + 10}" y="{top + 38 + 17 * i}">{escape(line)}</text>' for i, line in enumerate(lines)]
        for i, line in enumerate(inside):
            y = top + 66 + 30 * i
            box = f'<rect x="{x + 8}" y="{y}" width="{width - 16}" height="24" rx="4"'
            parts.append(f'{box} fill="#cde8cf" stroke="#555"/>')
            parts.append(f'<text x="{x + 16}" y="{y + 17}">{escape(line)}</text>')
    return _svg(len(stations) * (width + gap), top + height + 2, parts)


def _svg(width: float, height: float, parts: list[str]) -> str:
    """A picture that is as readable on a dark page."""
    box = f"-8 -8 {width + 16} {height + 16}"
    ground = f'<rect x="-8" y="-8" width="{width + 16}" height="{height + 16}" fill="white"/>'
    font = 'font-family="sans-serif" font-size="13" fill="#222"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{box}" width="{width + 16}" {font}>'
    return f"{head}{ground}{''.join(parts)}</svg>\n"
