# SPDX-License-Identifier: Apache-2.0
"""JSON values of a stream without the whole file in memory: the elements of an array, or values in sequence."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from io import BufferedIOBase
from pathlib import Path

from data.errors import BadInput
from data.formats.files.opening import make_read_error
from data.formats.files.packing import BROKEN
from data.formats.files.source import Source
from data.json_text import DECODER, TOO_DEEP, NotStrict, describe_json_error
from data.texts import Translatable

LONGEST = 16 << 20  # characters or bytes of one row; a longer one is a broken file
TOO_LONG = Translatable.of("row.too_long", size=LONGEST >> 20)
CHUNK = 1 << 16
LENIENT = json.JSONDecoder()
"""Finds the end of a value that has a problem."""
SPACE = re.compile(r"[ \t\r\n]*")


def read_json_values(stream: BufferedIOBase, path: Path | Source) -> Iterator[tuple[int, object, str]]:
    """Yield (line it begins on, value, problem) for each element of a JSON array, or for each of several values.

    A value with a problem, such as a doubled key, is None.

    Raises BadInput with the line at which the text stops being JSON.
    """
    window = _Window(stream, path)
    if window.next_character() == "[":
        yield from _elements(window)
    else:
        while window.next_character():
            yield window.value()


def _elements(window: _Window) -> Iterator[tuple[int, object, str]]:
    window.skip()
    if window.next_character() == "]":
        window.skip()
    else:
        while True:
            yield window.value()
            separator = window.next_character()
            if separator not in (",", "]"):
                raise window.wrong(Translatable.of("json.expected", separator=separator) if separator else "")
            window.skip()
            if separator == "]":
                break
    if extra := window.next_character():
        raise window.wrong(Translatable.of("json.extra", extra=extra))


def _scan(text: str, position: int) -> tuple[object, int, str]:
    """Return the value at a position, its end, and its problem. Raises ValueError for text that is no JSON."""
    try:
        return *DECODER.raw_decode(text, position), ""
    except NotStrict as problem:
        return None, LENIENT.raw_decode(text, position)[1], problem.reason


class _Window:
    """The part of the text in memory: characters from `position` on are unread."""

    def __init__(self, stream: BufferedIOBase, path: Path | Source) -> None:
        self.stream, self.path = stream, path
        self.decode = codecs.getincrementaldecoder("utf-8-sig")().decode
        self.text, self.position, self.ended = "", 0, False
        self.line, self.counted = 1, 0  # line ends are counted up to here

    def next_character(self) -> str:
        """Return the next character that is not white space; empty at the end of the file."""
        skipped = 0
        while True:
            if space := SPACE.match(self.text, self.position):
                skipped += space.end() - self.position
                self.position = space.end()
            if skipped > LONGEST:
                raise self.wrong(Translatable.of("json.space", size=LONGEST >> 20))
            if self.position < len(self.text) or self.ended:
                return self.text[self.position : self.position + 1]
            self._more(CHUNK)

    def skip(self) -> None:
        """Advance past one character."""
        self.position += 1

    def value(self) -> tuple[int, object, str]:
        """Return the line of the next character, the value that begins there, and its problem."""
        self.next_character()
        size = CHUNK
        while True:
            try:
                value, end, problem = _scan(self.text, self.position)
            except RecursionError:
                raise self.wrong(TOO_DEEP) from None
            except json.JSONDecodeError as error:
                if self.ended or len(self.text) > LONGEST:
                    raise self._undecodable(error) from None
            except ValueError as error:
                raise self.wrong(describe_json_error(error)) from None
            else:
                # A number that ends where the window ends may go on beyond it.
                if end < len(self.text) or self.ended:
                    line = self._line_at(self.position)
                    self.position = end
                    return line, value, problem
            self._more(size)
            size *= 2

    def wrong(self, reason: str, position: int | None = None) -> BadInput:
        """Return the error for this position; without a reason, that the file ends too early."""
        line = self._line_at(self.position if position is None else position)
        if not reason:
            return BadInput.of("error.json_cut", file=str(self.path), line=line)
        return BadInput.of("error.json_invalid", file=str(self.path), line=line, reason=reason)

    def _undecodable(self, error: json.JSONDecodeError) -> BadInput:
        cut = error.pos >= len(self.text.rstrip()) or error.msg.startswith("Unterminated string")
        if self.ended and cut:
            return self.wrong("")
        if not self.ended and cut:
            return self.wrong(Translatable.of("json.long", size=LONGEST >> 20))
        return self.wrong(describe_json_error(error), error.pos)

    def _line_at(self, position: int) -> int:
        self.line += self.text.count("\n", self.counted, position)
        self.counted = position
        return self.line

    def _more(self, size: int) -> None:
        """Drop the text before the position and read on."""
        self._line_at(self.position)
        try:
            raw = self.stream.read(size)
            self.ended = not raw
            more = self.decode(raw, final=self.ended)
        except UnicodeDecodeError as error:
            raise self.wrong(Translatable.of("json.byte", byte=error.object[error.start])) from None
        except BROKEN as error:
            raise make_read_error(self.path, error, self.line) from None
        self.text, self.position = self.text[self.position :] + more, 0
        self.counted = 0
