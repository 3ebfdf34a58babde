# SPDX-License-Identifier: Apache-2.0
"""The cached overview: it reads new events only, and computes much in the background."""

from __future__ import annotations

from labeling.quality import cached_overview
from labeling.quality.cached_overview import CachedOverview


def test_the_live_overview_reads_only_what_is_new_and_works_in_the_background_where_there_is_much(
    store, add_pairs, compare, mina, jun, monkeypatch
):
    (pair,) = add_pairs(1)
    monkeypatch.setattr(cached_overview, "REST_FACTOR", 0)
    read, whole = [], type(store.comparison_columns).comparisons
    monkeypatch.setattr(
        type(store.comparison_columns), "comparisons", lambda self, after=0: (read.append(after), whole(self, after))[1]
    )
    page = CachedOverview(store)
    assert page.read("people").overview.comparisons == 0
    compare(pair, mina, "left")
    before = page.read("people")
    assert before.overview.comparisons == 1
    assert page.read("people").mark == before.mark
    page.caches["people"].foreground_limit = 0
    compare(pair, jun, "left")
    with page.caches["people"].lock:  # the newer one waits
        old = page.read("people")
    assert old.overview.comparisons == 1
    assert old.since  # of when it is
    while (after := page.read("people")).busy:
        pass
    assert (after.overview.comparisons, after.since, read) == (2, "", [0, 0, 1])
    assert after.mark != before.mark


def test_an_imports_comparisons_count_when_it_is_done_also_for_the_live_overview(store, add_pairs, compare, mina):
    one, other = add_pairs(2)
    store.insert("imports", {"id": 1, "actor": "rae", "what": "preferences", "files": "[]", "created_at": ""})
    about = {
        "pair_id": one.id,
        "labeler_id": mina.id,
        "left_id": one.first_id,
        "right_id": one.second_id,
        "winner_id": one.first_id,
        "margin": 2,
    }
    fixed = {
        "id": "imported",
        "verdict": "left",
        "source": "import",
        "project_id": 1,
        "guideline_version": 1,
        "created_at": "",
        "import_id": 1,
    }
    store.insert("comparisons", about | fixed)
    compare(other, mina, "left")
    page = CachedOverview(store)
    assert page.read("people").overview.comparisons == 1
    store.execute("UPDATE imports SET done_at = '2026'")
    assert page.read("people").overview.comparisons == 2
