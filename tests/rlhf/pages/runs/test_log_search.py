# SPDX-License-Identifier: Apache-2.0
"""A search reads the whole log of a run; the tail is read from its end only."""

from __future__ import annotations

from rlhf.pages.runs.log_search import SHOWN, TAIL_BYTES, Hits, read_tail, search_log


def test_a_search_reads_lines_that_the_tail_no_longer_has(tmp_path):
    filler = "step\n" * (TAIL_BYTES // 5 + 1)
    (tmp_path / "log.txt").write_text(f"Loading the MODEL\n{filler}model saved\n", encoding="utf-8")
    assert "Loading the MODEL" not in read_tail(tmp_path, 10**6)
    last = TAIL_BYTES // 5 + 3
    assert search_log(tmp_path, "model") == Hits(2, [(last, "model saved"), (1, "Loading the MODEL")])
    assert search_log(tmp_path, "model the") == Hits(1, [(1, "Loading the MODEL")])


def test_every_hit_is_counted_and_the_newest_are_returned(tmp_path):
    (tmp_path / "log.txt").write_text("".join(f"loss {n}\n" for n in range(1, SHOWN + 6)), encoding="utf-8")
    hits = search_log(tmp_path, "LOSS")
    assert (hits.total, len(hits.newest)) == (SHOWN + 5, SHOWN)
    assert (hits.newest[0], hits.newest[-1]) == ((SHOWN + 5, f"loss {SHOWN + 5}"), (6, "loss 6"))


def test_a_progress_bar_and_bytes_that_are_no_text_are_lines(tmp_path):
    (tmp_path / "log.txt").write_bytes(b"10 %\r20 %\n\xff bad\n")
    assert search_log(tmp_path, "%") == Hits(2, [(2, "20 %"), (1, "10 %")])
    assert search_log(tmp_path, "bad").total == 1


def test_a_run_without_a_log_has_no_hits(tmp_path):
    assert (search_log(tmp_path, "x"), read_tail(tmp_path)) == (Hits(0, []), [])
