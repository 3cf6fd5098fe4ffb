"""What several tests of aliases stand on."""

import pytest

from mxlib.aliases import read as alias_read
from mxlib.facts import aliases
from tests.unit.support.aliases import ENTRIES, NEW_ENTRIES, NEWER, STUCK, A, B
from tests.unit.support.facts import facts_of


@pytest.fixture
def world(monkeypatch):
    """Both hosts as in the incident; counts who is asked for what."""
    asked = []
    said = {A: NEWER, B: STUCK}
    lines = {A: NEW_ENTRIES, B: ENTRIES}

    def read(host, sources):
        asked.append((host.name, [source.name for source in sources]))
        if isinstance(said[host.name], Exception):
            raise said[host.name]
        text = "".join(f"{key}: {value}\n" for key, value in sorted(lines[host.name].items())) + "end\n"
        answers = {section: host.name for source in sources for section in source.sections}
        answers.update({section: text for section in answers if section.name.endswith("-entries")})
        return facts_of(answers, host.name)

    monkeypatch.setattr(alias_read, "read_facts", read)
    monkeypatch.setattr(aliases, "parse", lambda text, generator: said[text])
    return said, asked
