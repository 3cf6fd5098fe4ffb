"""Forms of a line that no reader knows."""

from collections.abc import Callable

FORMS: dict[str, Callable[[str], list[str]]] = {
    "another beginning": lambda line: [f"?{line}"],
    "another separator": lambda line: [line.replace(" ", "\t?", 1) if " " in line else f"{line}?"],
    "a line before it": lambda line: ["brand new form of 2031", line],
}
