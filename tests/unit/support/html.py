"""What a page is made of, for tests."""

import re
from html.parser import HTMLParser


class Addresses(HTMLParser):
    """Whatever a page would load or run."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [tag] if tag in ("script", "link", "img", "iframe", "object", "embed") else []
        self.found += [f"{name}={value}" for name, value in attrs if name in ("src", "srcset") or name.startswith("on")]


def loaded(page: str) -> list[str]:
    """Whatever a page would load or run."""
    parser = Addresses()
    parser.feed(page)
    return parser.found


def words(page: str) -> str:
    """What a reader sees, folded parts included."""
    return " ".join(re.sub(r"<[^>]+>", " ", re.sub(r"<style>.*?</style>", "", page, flags=re.DOTALL)).split())
