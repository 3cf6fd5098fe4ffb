"""What the site takes from the code is whole, and every page has its place in the side bar."""

import dataclasses
import itertools
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml

from docs.ext import api, configuration, cookbooks, pictures
from lab.place import EXCHANGERS, INFRA, MANAGEMENT, NODE, STATIONS
from mxlib.config.load import parse
from mxlib.config.sections import Site
from mxlib.config.verify import VerifyPolicy
from mxlib.model.outcome import Outcome

ROOT = Path(__file__).resolve().parents[3]
SECTIONS = {section.path: section for section in configuration.sections()}
KEYS = [(section, key) for section in SECTIONS.values() for key in section.keys]


@pytest.mark.parametrize(("section", "key"), KEYS, ids=lambda one: vars(one).get("path", vars(one).get("name")))
def test_every_key_is_described(section: configuration.Section, key: configuration.Key) -> None:
    assert re.search(r"\w{3}", key.text), f"{section.path}.{key.name}: an entry under Attributes: in its dataclass"
    assert key.kind


def test_every_section_says_what_it_is() -> None:
    texts = {section.path: section.text for section in SECTIONS.values()}
    assert [path for path, text in texts.items() if not re.fullmatch(r"[A-Z].{8,}\.", text, re.DOTALL)] == []


def test_no_description_is_of_a_key_that_is_gone() -> None:
    assert configuration.descriptions(Site).keys() == {one.name for one in dataclasses.fields(Site)}
    assert configuration.descriptions(VerifyPolicy).keys() == {one.name for one in dataclasses.fields(VerifyPolicy)}


def test_the_reference_has_what_the_example_has() -> None:
    """The example explains every key, and is read by the code; so its paths are a list made by hand."""
    example = yaml.safe_load((ROOT / "docs" / "sre.mail.example.yaml").read_text(encoding="utf-8"))
    parse(example, "the example")
    documented = {f"{path}.{key.name}".lstrip(".") for path, section in SECTIONS.items() for key in section.keys}
    assert [path for path in paths(example) if path not in documented] == []
    assert {"verify.queue.warn", "probes.outbound[].to", "slot.lease", "aliases[].unit"} <= documented


def paths(value: object, path: str = "") -> list[str]:
    """The keys of a document, with NAME for those that a site chooses."""
    if isinstance(value, list):
        return sorted({found for one in value for found in paths(one, f"{path}[]")})
    if not isinstance(value, dict):
        return []
    found = []
    for name, inner in value.items():
        chosen = f"{path}.NAME" in SECTIONS
        here = f"{path}.NAME" if chosen else f"{path}.{name}".lstrip(".")
        if path.rpartition(".")[2] not in MAPPINGS and not chosen:
            found.append(here)
        found += paths(inner, here)
    return found


MAPPINGS = {
    one.name for section in SECTIONS.values() for one in section.keys if one.kind.startswith("mapping of names to: ")
}


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (True, "`true`"), (0, "`0`"), (345600.0, "`345600`"), (0.5, "`0.5`"), ("", "nothing"), (None, "nothing"),
        ((4, 6), "`[4, 6]`"), (Path("/etc/x"), "`/etc/x`"),
    ],
)  # fmt: skip
def test_defaults_as_yaml_has_them(value: object, shown: str) -> None:
    field = dataclasses.fields(dataclasses.make_dataclass("One", [("key", object, value)]))[0]
    assert configuration.default(field) == shown


def test_a_type_without_words_is_an_error() -> None:
    with pytest.raises(ValueError, match="complex"):
        configuration.words(complex)


def test_every_cookbook_has_its_options() -> None:
    page = cookbooks.markdown()
    assert re.findall(r"^## (.+)$", page, re.MULTILINE) == cookbooks.names()
    assert len(cookbooks.names()) == len(list((ROOT / "cookbooks/sre/mail").glob("[!_]*.py")))
    assert page.count("usage: cookbook sre.mail.") == len(cookbooks.names())
    assert "--stay-depooled" in page


def test_every_module_has_its_place() -> None:
    named = re.findall(r"^\.\. automodule:: (\S+)$", "\n".join(api.pages().values()), re.MULTILINE)
    assert len(named) == len(set(named)) == len(list((ROOT / "mxlib").rglob("*.py")))
    assert {"mxlib", "mxlib.reboot.plan", "mxlib.mta.exim.adapter"} <= set(named)


def test_every_page_stands_under_its_readers() -> None:
    """The side bar is made from the lists of the index, so what stands above the first heading is in none."""
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    head, *sections = re.split(r"^## ", index, flags=re.MULTILINE)
    readers = [section.partition("\n")[0] for section in sections]
    assert readers == ["Operators", "Planners", "Administrators", "Developers"]
    assert "\n- [" not in head
    listed = re.findall(r"^- \[(\S+)\]\((\S+)\): ", index, re.MULTILINE)
    assert all(name == target for name, target in listed)
    assert len({name for name, _ in listed}) == len(listed) == index.count("\n- ")


def told(name: str) -> tuple[list[tuple[str, str]], Outcome]:
    goal, fate = pictures.STORIES[name]
    steps, end = pictures.walk(goal, dataclasses.replace(fate, judgements=[*fate.judgements], boots=[*fate.boots]))
    return steps, end.outcome


def test_the_picture_of_a_run_is_what_the_planner_decides() -> None:
    steps, end = told("The kernel is proven")
    assert end is Outcome.DONE
    assert [step for step, _ in steps][:4] == ["guard", "slot", "claim", "silence"]
    states = [state for state, _ in itertools.groupby(state for _, state in steps)]
    assert states == ["serves", "out", "held", "out", "serves"]
    assert dict(steps)["reboot"] == "held"
    assert told("Nobody can say whose fault it is")[1] is Outcome.INCONCLUSIVE
    assert told("The host does not come back")[1] is Outcome.LEFT_OUT
    assert told("It does not boot: GRUB falls back")[1] is Outcome.FELL_BACK
    assert told("It is to blame: back to the old one")[1] is Outcome.FELL_BACK
    assert told("The guard refuses") == ([("guard", "serves")], Outcome.REFUSED)
    assert ("prepare network", "out") in told("A cold start")[0]


def test_every_room_is_in_the_picture_in_the_order_of_the_rules() -> None:
    drawn = [name for name, text in pictures.rooms() if text]
    assert sorted(drawn) == sorted(path.parent.name for path in (ROOT / "mxlib").glob("*/__init__.py"))
    assert (drawn[0], drawn[-1]) == ("base", "commands")


def test_pictures_are_well_formed() -> None:
    made = {name: text for name, text in pictures.pages().items() if name.endswith(".svg")}
    assert len(made) == len(pictures.STORIES) + 3
    assert all(ElementTree.fromstring(text).tag.endswith("svg") for text in made.values())


def test_the_picture_of_the_lab_has_every_station() -> None:
    drawn = "".join(ElementTree.fromstring(pictures.pages()["lab.svg"]).itertext())
    assert [station.name for station in STATIONS if str(station.v4) not in drawn] == []
    assert [station.name for station in (*EXCHANGERS, *MANAGEMENT, NODE, INFRA) if station.name not in drawn] == []
