# SPDX-License-Identifier: Apache-2.0
"""Text of another encoding is detected, named and read with exact lines; too little of it is left as broken UTF-8."""

from __future__ import annotations

import json

import pytest

from data.errors import BadInput
from data.formats.files.source import Source
from data.formats.files.text_encoding import BLOCK, check_encoding
from data.formats.reading import read_rows

KOREAN = "오늘 날씨가 어때요? 책을 준 미나에게 고맙다고 써 줘."
TEXTS = {
    "cp949": KOREAN,
    "cp932": "日本の首都はどこですか。本をくれた友達にお礼を書いてください。",
    "euc_jp": "日本の首都はどこですか。本をくれた友達にお礼を書いてください。",
    "gb18030": "中国的首都是哪里？给送书的朋友写一句感谢的话，并且告诉他今天的天气。",
    "big5": "台灣的首都是哪裡？給送書的朋友寫一句感謝的話，並且告訴他今天的天氣。",
    "cp1252": "Où est la bibliothèque ? Zoé a préparé une crème brûlée – “délicieuse”.",
    "cp1251": "Столица России — Москва. Какая сегодня погода?",
    "cp1253": "Η πρωτεύουσα της Ελλάδας είναι η Αθήνα. Τι καιρό κάνει σήμερα;",
    "cp1256": "عاصمة مصر هي القاهرة. كيف الطقس اليوم؟",
    "cp874": "เมืองหลวงของประเทศไทยคือกรุงเทพ วันนี้อากาศเป็นอย่างไร",
    "utf-16-le": KOREAN,
    "utf-16-be": KOREAN,
}


def read(path, content: bytes, encoding: str = "") -> tuple[list[tuple], list[str]]:
    path.write_bytes(content)
    source = Source(path, encoding=encoding)
    return [tuple(row) for row in read_rows(source)], list(source.notes)


def lines_of(*texts: str) -> str:
    return "".join(json.dumps({"prompt": text}, ensure_ascii=False) + "\n" for text in texts)


@pytest.mark.parametrize("encoding", TEXTS)
def test_tables_and_json_in_an_encoding_are_detected_and_the_encoding_is_named(tmp_path, encoding):
    text = TEXTS[encoding]
    rows, notes = read(tmp_path / "t", f'prompt,completion\n"{text}",b\n"{text}\n2",d\n'.encode(encoding))
    assert rows == [
        (2, {"prompt": text, "completion": "b"}, ""),
        (3, {"prompt": f"{text}\n2", "completion": "d"}, ""),
    ]
    assert notes == [f"encoding detected: {encoding}"]
    for written in (lines_of(text, text), json.dumps([{"prompt": text}] * 2, ensure_ascii=False)):
        rows, notes = read(tmp_path / "t", written.encode(encoding))
        assert [row[1:] for row in rows] == [({"prompt": text}, "")] * 2
        assert notes == [f"encoding detected: {encoding}"]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "utf-8-sig"])
def test_a_byte_order_mark_decides(tmp_path, encoding):
    rows, notes = read(tmp_path / "t", lines_of("a", KOREAN).encode(encoding))
    assert rows == [(1, {"prompt": "a"}, ""), (2, {"prompt": KOREAN}, "")]
    assert notes == ([] if encoding == "utf-8-sig" else [f"encoding detected: {encoding}"])


@pytest.mark.parametrize("ascii_rows", [0, 1, BLOCK // 20, BLOCK // 10])
def test_the_first_other_letters_decide_wherever_they_stand(tmp_path, ascii_rows):
    rows, notes = read(tmp_path / "t", lines_of(*["say hi"] * ascii_rows, *[KOREAN] * 3000).encode("cp949"))
    assert [row[0] for row in rows] == list(range(1, ascii_rows + 3001))
    assert {row[1]["prompt"] for row in rows[ascii_rows:]} == {KOREAN}
    assert notes == ["encoding detected: cp949"]


def test_a_named_encoding_overrules_the_detected_one(tmp_path):
    polish = lines_of("Pająk ma osiem nóg, prawda?").encode("cp1250")
    assert read(tmp_path / "t", polish)[0][0][1] != {"prompt": "Pająk ma osiem nóg, prawda?"}
    rows, notes = read(tmp_path / "t", polish, "cp1250")
    assert (rows[0][1]["prompt"], notes) == ("Pająk ma osiem nóg, prawda?", [])


def test_a_wrong_name_makes_bad_rows_or_is_refused(tmp_path):
    rows, _ = read(tmp_path / "t", lines_of("a", KOREAN).encode(), "ascii")
    assert [row[2] for row in rows] == ["", "not ascii text"]
    rows, _ = read(tmp_path / "t", lines_of("a").encode() + b'{"prompt": "\xff"}\n', "utf-8")
    assert rows[1][2] == "not UTF-8 text (byte 0xff at 13)"
    for name in ("klingon", "rot13", "base64"):
        with pytest.raises(BadInput, match="is no encoding of text"):
            check_encoding(name)


def test_broken_lines_among_utf8_stay_bad_rows(tmp_path):
    content = lines_of(*[KOREAN] * 20).encode() + lines_of(KOREAN).encode("cp949") + lines_of("a").encode()
    rows, notes = read(tmp_path / "t", content)
    assert [row[0] for row in rows if row[2]] == [21]
    assert notes == []


def test_utf8_on_one_line_stays_utf8_although_bytes_of_it_are_broken(tmp_path):
    content = json.dumps([{"prompt": KOREAN}] * 9, ensure_ascii=False).encode().replace("책".encode(), b"\xe9", 1)
    with pytest.raises(BadInput, match="not UTF-8 text"):
        read(tmp_path / "t", content)


def test_a_zero_in_utf8_does_not_make_it_utf16(tmp_path):
    rows, notes = read(tmp_path / "t", lines_of(KOREAN).encode() + b'{"prompt": "a\0b"}\n')
    assert rows[0][1] == {"prompt": KOREAN}
    assert rows[1][2].startswith("not valid JSON (Invalid control character")
    assert notes == []


def test_too_few_bytes_decide_for_nothing(tmp_path):
    rows, notes = read(tmp_path / "t", b"prompt,completion\ncaf\xe9,b\n")
    assert rows[0][2].startswith("not UTF-8 text (byte 0xe9); save the file in UTF-8, or name its encoding")
    assert notes == []


def test_undecodable_bytes_in_another_encoding_are_a_problem_of_their_row(tmp_path):
    rows, _ = read(tmp_path / "t", lines_of(KOREAN).encode("cp949") * 3 + b'{"prompt": "\xff"}\n{}\n', "cp949")
    assert [row[2] for row in rows] == ["", "", "", "not cp949 text", ""]
