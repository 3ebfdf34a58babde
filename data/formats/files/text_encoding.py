# SPDX-License-Identifier: Apache-2.0
"""Text of any encoding as UTF-8 with line feeds. Line numbers stay, since each character is converted on its own.

UTF-8 passes through unchanged. The encoding is decided by the first 64 KiB that hold more than ASCII.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedIOBase, BufferedReader, RawIOBase
from pathlib import Path

from data.errors import BadInput
from data.formats.files.opening import Meter, make_read_error, open_bytes
from data.formats.files.packing import BROKEN
from data.formats.files.source import Source
from data.texts import Translatable

BLOCK = 1 << 16
MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
"""Byte order marks, longer ones before their beginnings."""
LATIN = "cp1252"
CANDIDATES = ["cp949", "cp932", "gb18030", "big5", "euc_jp", LATIN, "cp1251", "cp1253", "cp1255", "cp1256", "cp874"]
"""Encodings that are detected: those in which Windows saves text, and EUC-JP.

cp1252 stands for every Latin script: other code pages of Latin letters read the same bytes as plausible letters.
"""
LEAST = {LATIN: 3}
"""Fewest bytes above ASCII that decide for an encoding; others need 16. Fewer leave the text as broken UTF-8."""
NOT_ASCII = re.compile(rb"[\x80-\xff]")
ASCII = re.compile(r"[\x00-\x7f]")
UNDECODABLE = re.compile("[\udc80-\udcff]")
CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f]")
CARRIAGE_RETURNS = bytes.maketrans(b"\r\n", b"\n\r")


def _mark_undecodable(error: UnicodeError) -> tuple[str, int]:
    """Put a lone surrogate in the place of bytes that an encoding does not know: no UTF-8, so their row is bad."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return "\udcff", error.end


codecs.register_error("mark-undecodable", _mark_undecodable)


class TextStream(RawIOBase):
    """Bytes in any encoding, read as UTF-8. `encoding` is empty as long as they are ASCII or UTF-8.

    `swapped` says that lines end with a carriage return. The stream then has line feeds for carriage returns and
    carriage returns for line feeds.
    """

    def __init__(self, stream: BufferedIOBase, source: Source) -> None:
        self._stream, self._source = stream, source
        self._ready = b""
        self._decode: codecs.IncrementalDecoder | None = None
        self._ended = self._decided = False
        self._broken: Exception | None = None
        head = self._block()
        self.encoding = self._find_head_encoding(head)
        if self.encoding:
            self._use(self.encoding)
        self._ready = self._convert(head)
        self.swapped = ends_lines_with_carriage_returns(self._ready)
        if self.swapped:
            source.note(Translatable.of("source.carriage_returns"))

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        """Fill the buffer with UTF-8."""
        while not self._ready and not self._ended:
            self._ready = self._convert(self._block())
        block, self._ready = self._ready[: len(buffer)], self._ready[len(buffer) :]
        buffer[: len(block)] = block.translate(CARRIAGE_RETURNS) if self.swapped else block
        return len(block)

    def _block(self) -> bytes:
        """Return the next 64 KiB, so that every reading of a file decides by the same bytes."""
        block = b""
        if self._broken:
            raise self._broken
        try:
            while len(block) < BLOCK and (more := self._stream.read1(BLOCK - len(block))):
                block += more
        except BROKEN as error:
            if not block:
                raise
            self._broken = error
        self._ended = len(block) < BLOCK and not self._broken
        return block

    def _convert(self, block: bytes) -> bytes:
        if not self._decided and not block.isascii():
            self._decided = True
            start = next(NOT_ASCII.finditer(block)).start()
            if start and len(block) == BLOCK:
                block += self._block()
            if encoding := find_encoding(block[max(0, start - 200) :][:BLOCK]):
                self._use(encoding)
        if self._decode is None:
            return block
        try:
            return self._decode.decode(block, final=self._ended).encode("utf-8", "surrogatepass")
        except UnicodeError as error:
            raise BadInput.of(
                "error.not_encoding", file=str(self._source), encoding=self.encoding, error=str(error)
            ) from None

    def _find_head_encoding(self, head: bytes) -> str:
        """Return the encoding that was named or that the first bytes show; empty if later ones must decide."""
        named = self._source.encoding
        marked = next((name for mark, name in MARKS.items() if head.startswith(mark)), "")
        encoding = named or marked or find_utf16(head)
        self._decided = bool(encoding)
        return "" if encoding and codecs.lookup(encoding).name in ("utf-8", "utf-8-sig") else encoding

    def _use(self, encoding: str) -> None:
        self._decode = codecs.getincrementaldecoder(encoding)("mark-undecodable")
        self.encoding, self._decided = encoding, True
        if not self._source.encoding:
            self._source.note(Translatable.of("source.encoding", encoding=encoding))


@contextmanager
def open_text(path: Path | Source, meter: Meter | None = None) -> Iterator[tuple[BufferedReader, TextStream]]:
    """Open a text as UTF-8: the stream to read, and the one below it that knows the encoding."""
    source = Source.of(path)
    with open_bytes(source, meter) as stream:
        try:
            text = TextStream(stream, source)
        except BROKEN as error:
            raise make_read_error(source, error) from None
        yield BufferedReader(text, BLOCK), text


def check_encoding(name: str) -> str:
    """Return the name of an encoding of text. Raises BadInput for an unknown one."""
    try:
        known = not name or codecs.lookup(name)._is_text_encoding
    except LookupError:
        known = False
    if not known:
        raise BadInput.of("error.no_encoding", field="encoding", name=name[:40])
    return name


def find_encoding(sample: bytes) -> str:
    """Return the encoding of bytes that are not ASCII; empty for UTF-8, and if too few bytes tell it."""
    sample = sample[: sample.rfind(b"\n") + 1] or sample
    text = sample.decode("utf-8", errors="surrogateescape")
    broken = len(UNDECODABLE.findall(text))
    if 2 * broken <= len(text) - len(ASCII.findall(text)):
        return ""
    from charset_normalizer import from_bytes  # only texts that are not UTF-8 need it

    best = from_bytes(sample, cp_isolation=CANDIDATES).best()
    if best is None or len(NOT_ASCII.findall(sample)) < LEAST.get(best.encoding, 16):
        return ""
    return str(best.encoding)


def find_utf16(head: bytes) -> str:
    """Return utf-16-le or utf-16-be for text without a mark, whose ASCII characters hold a zero byte each."""
    zeros = {"utf-16-be": head[0::2].count(0), "utf-16-le": head[1::2].count(0)}
    encoding = max(zeros, key=zeros.__getitem__)
    utf8 = len(UNDECODABLE.findall(head.decode("utf-8", errors="surrogateescape"))) <= 4  # the last one may be cut
    if (8 if utf8 else 64) * zeros[encoding] < len(head) or not zeros[encoding]:
        return ""
    text = head[: len(head) // 2 * 2].decode(encoding, errors="replace")
    return "" if CONTROL.search(text) else encoding


def ends_lines_with_carriage_returns(head: bytes) -> bool:
    """Return whether the first line end outside quotes is a carriage return alone."""
    quoted = False
    for match in re.finditer(rb'"|\r\n?|\n', head):
        if match[0] == b'"':
            quoted = not quoted
        elif not quoted:
            return match[0] == b"\r" and match.end() < len(head)
    return False
