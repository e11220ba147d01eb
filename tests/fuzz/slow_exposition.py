"""The Prometheus text format, read a character at a time, each body by itself: too slow to use, and plain enough to believe."""

import string
from typing import Final, NamedTuple

NAME: Final = string.ascii_letters + "_"
DIGITS: Final = string.digits
BLANKS: Final = " \t"


class Malformed(Exception):  # noqa: N818 — as the one that it stands beside
    """This is not the format."""


class Series(NamedTuple):
    """What a line says."""

    name: str
    labels: tuple[tuple[str, str], ...]
    value: float
    at: int


def read(body: bytes, at: int) -> list[tuple[str, Series]]:
    """What each line says, under its text before the value. Raises Malformed."""
    return [
        _Line(line.rstrip(b"\r").decode("latin-1")).read(at)
        for line in body.split(b"\n")
        if line.strip() and not line.startswith(b"#")
    ]


class _Line:
    """One line; each byte is a character, until a label's value is known whole."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.place = 0

    def read(self, at: int) -> tuple[str, Series]:
        name = self._word(NAME + ":")
        end = self.place
        labels: dict[str, str] = {}
        self._blanks()
        if self._next() == "{":
            labels = self._labels()
            end = self.place
            self._blanks()
        if self.place == end:
            raise Malformed
        value = _value(self._until_blank())
        self._blanks()
        stamp = self._until_blank()
        self._blanks()
        if self._next():
            raise Malformed
        return self.text[:end], Series(
            name, tuple(sorted(labels.items())), value, _stamp(stamp) if stamp else at
        )

    def _next(self) -> str:
        return self.text[self.place : self.place + 1]

    def _blanks(self) -> None:
        while self._next() and self._next() in BLANKS:
            self.place += 1

    def _word(self, letters: str) -> str:
        start = self.place
        while self._next() and self._next() in letters + (DIGITS if self.place > start else ""):
            self.place += 1
        if self.place == start:
            raise Malformed
        return self.text[start : self.place]

    def _until_blank(self) -> str:
        start = self.place
        while self._next() and self._next() not in BLANKS:
            self.place += 1
        return self.text[start : self.place]

    def _labels(self) -> dict[str, str]:
        labels = {}
        self.place += 1
        self._blanks()
        while self._next() != "}":
            name = self._word(NAME)
            self._blanks()
            self._expect("=")
            self._blanks()
            labels[name] = self._quoted()
            self._blanks()
            if self._next() != "}":
                self._expect(",")
                self._blanks()
        self.place += 1
        return labels

    def _expect(self, letter: str) -> None:
        if self._next() != letter:
            raise Malformed
        self.place += 1

    def _quoted(self) -> str:
        self._expect('"')
        said = ""
        while self._next() != '"':
            letter = self._next()
            if not letter:
                raise Malformed
            self.place += 1
            if letter == "\\":
                escaped = self._next()
                if not escaped:
                    raise Malformed
                self.place += 1
                said += {"n": "\n", "\\": "\\", '"': '"'}.get(escaped, "\\" + escaped)
            else:
                said += letter
        self.place += 1
        return said.encode("latin-1").decode("utf-8", "replace")


def _value(text: str) -> float:
    unsigned = text[1:] if text[:1] in ("+", "-") else text
    if unsigned.lower() in ("inf", "infinity", "nan"):
        return float(text)
    mantissa, letter, exponent = unsigned.lower().partition("e")
    whole, _, part = mantissa.partition(".")
    power = exponent[1:] if exponent[:1] in ("+", "-") else exponent
    if not _all_digits(whole + part) or (letter and not _all_digits(power)):
        raise Malformed
    return float(text)


def _stamp(text: str) -> int:
    digits = text.removeprefix("-")
    if not _all_digits(digits) or len(digits) > 18:
        raise Malformed
    return int(text)


def _all_digits(text: str) -> bool:
    return text != "" and all(letter in DIGITS for letter in text)
