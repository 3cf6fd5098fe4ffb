"""A password taken out of what a console shows, however the line broke it up.

An echo is not always the text that was typed: bash goes on behind a full line with a blank and a carriage return, a
terminal may add line ends, colours put escape sequences in between, and the kernel prints when it likes. So only what
is no blank and no control character counts, and everything else may stand between two characters of the password.
"""

import re

from mxlib.adapters.secret import Secret

_MASK = b"***"
_KERNEL = rb"\[ *\d+\.\d{6}\][^\r\n]*[\r\n]"
_BETWEEN = re.compile(rb"(?:\x1b\[[0-?]*[ -/]*[@-~]|" + _KERNEL + rb"|[\x00-\x20\x7f])*")
_BEGUN = re.compile(rb"(?:\x1b(?:\[[0-?]*[ -/]*)?|\[[ 0-9.]*(?:\][^\r\n]*)?)?\Z")
"""What the next piece may make a part of :data:`_BETWEEN`."""
_NOTHING = re.compile(b"")
_BLANKS = bytes([*range(0x21), 0x7F])
_LONGEST = 8192
"""Bytes that are held back at most: several screens full of blanks between two characters are no wrapped line."""
_GIVES_AWAY = 3
"""Characters of a password in a row that are masked though the rest of it never came."""


class Redactor:
    """Takes a secret out of a stream that comes in pieces cut anywhere."""

    def __init__(self, secret: Secret | None) -> None:
        text = secret.reveal().encode() if secret is not None else b""
        self._needle = text.translate(None, _BLANKS) or text
        self._between = _BETWEEN if self._needle.translate(None, _BLANKS) else _NOTHING
        self._held = b""
        self._matched = 0

    def feed(self, piece: bytes) -> bytes:
        """Return what may be shown now; an end that might be the secret's beginning is held back."""
        if not self._needle:
            return piece
        data, shown, at = self._held + piece, bytearray(), 0
        self._held, self._matched = b"", 0
        while (start := data.find(self._needle[:1], at)) >= 0:
            shown += data[at:start]
            self._matched, end = self._match(data, start)
            if end is None and len(data) - start <= _LONGEST:
                self._held = data[start:]
                return bytes(shown)
            end = start + 1 if end is None else end
            whole = self._matched == len(self._needle)
            shown += _MASK if whole else data[start:end]
            at = end
        return bytes(shown + data[at:])

    def flush(self) -> bytes:
        """Return what was held back, at the end of the stream: masked if it is long enough to give something away."""
        held, self._held = self._held, b""
        return _MASK if self._matched >= _GIVES_AWAY and held else held

    def _match(self, data: bytes, start: int) -> tuple[int, int | None]:
        """Compare with what begins at a place.

        Returns:
            How many characters of the secret stand there, and the place behind what is decided: the whole secret, or
            the one character that begins nothing. None where the data ends before that is known.
        """
        at = start
        for matched, byte in enumerate(self._needle):
            if matched:
                at = _end(self._between, data, at)
                if _BEGUN.match(data, at):
                    return matched, None
            if data[at] != byte:
                return matched, start + 1
            at += 1
        return len(self._needle), at


def _end(pattern: "re.Pattern[bytes]", data: bytes, start: int) -> int:
    found = pattern.match(data, start)
    return found.end() if found is not None else start


def redact(text: str, secret: Secret | None) -> str:
    """Return a finished text without the secret, and without a beginning of it at the text's end."""
    redactor = Redactor(secret)
    return (redactor.feed(text.encode(errors="replace")) + redactor.flush()).decode(errors="replace")
