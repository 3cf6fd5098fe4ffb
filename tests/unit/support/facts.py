"""Hosts for the tests of reading: one that runs the scripts in a local shell, one that answers what it is told."""

import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mxlib.facts.section import Section, SectionOutput
from mxlib.facts.source import Facts, Source
from mxlib.protocols.host import CommandResult

FIXTURES = Path(__file__).parents[1] / "fixtures"
NOW = datetime(2026, 11, 21, 2, 12, 0, tzinfo=UTC)


def fixture(name: str) -> str:
    return (FIXTURES / name).read_text(encoding="utf-8")


class ShellHost:
    """This machine, through a plain POSIX shell."""

    name = "localhost.lab.test"

    def read(self, script: str, *, timeout: float) -> CommandResult:
        done = subprocess.run(
            ["/bin/sh", "-c", script],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=timeout,
            check=False,
        )
        return CommandResult(script, done.returncode, done.stdout.decode(errors="replace"), NOW, 0.1)

    def act(self, script: str, *, timeout: float, ok_codes: tuple[int, ...] = (0,)) -> CommandResult:
        raise AssertionError("reading never acts")


def output(section: Section, text: str, *, code: int | None = 0, errors: str = "") -> SectionOutput:
    return SectionOutput(section.name, section.script, code, text, errors, NOW, 0.5)


def outputs(answers: Mapping[Section, str | SectionOutput]) -> dict[str, SectionOutput]:
    return {
        section.name: answer if isinstance(answer, SectionOutput) else output(section, answer)
        for section, answer in answers.items()
    }


def facts_of(answers: Mapping[Section, str | SectionOutput], host: str = "mx1001.lab.test") -> Facts:
    return Facts(host, NOW, outputs(answers))


def fact(source: Source[Any], *answers: str | SectionOutput) -> Any:
    return facts_of(dict(zip(source.sections, answers, strict=True))).get(source)
