# SPDX-License-Identifier: Apache-2.0
"""Actions of the page: each returns what the page shows next."""

from __future__ import annotations

from labeling.session import Session
from tests.support.labeling.answers import answer_body


def test_an_answer_brings_the_next_pair_and_sending_it_again_changes_nothing(store, add_pairs, ask):
    add_pairs(2)
    first = ask("look")
    assert first["item"]["kind"] == "pair"
    assert 590 < first["item"]["left"] <= 600
    second = ask("answer", answer_body(first))
    assert second["item"]["assignment"] != first["item"]["assignment"]
    assert second["line"] == {"text": "Recorded: A better. Press u to undo.", "bad": False}
    again = ask("answer", answer_body(first))
    assert again["item"]["assignment"] == second["item"]["assignment"]
    assert [event.id for event in store.comparisons.events()] == ["page-answer-0"]


def test_a_second_answer_is_refused_in_the_readers_language_and_the_open_pair_is_shown(store, add_pairs, ask):
    add_pairs(2)
    first = ask("look")
    second = ask("answer", answer_body(first))
    refused = ask("answer", answer_body(first, number=1), headers={"accept-language": "ko"})
    assert refused["line"] == {"text": "이미 판정한 항목입니다. 바꾸려면 되돌리기를 누르세요.", "bad": True}
    assert refused["item"]["assignment"] == second["item"]["assignment"]


def test_a_draft_comes_back_with_its_item_and_goes_with_its_answer(store, add_pairs, ask):
    add_pairs(1)
    first = ask("look")
    content = {"rationale": "kinder", "verdict": "left", "nonsense": 1}
    assert ask("draft", {"assignment": first["item"]["assignment"], "content": content})["kept"]
    again = ask("look")
    assert again["item"]["draft"] == {"rationale": "kinder", "verdict": "left"}
    assert ">\nkinder</textarea>" in again["regions"]["form"]
    ask("answer", answer_body(first, rationale="kinder"))
    assert store.value("SELECT count(*) FROM drafts") == 0


def test_a_sign_of_life_holds_the_item_and_says_when_others_have_it(store, add_pairs, ask):
    add_pairs(1)
    item = ask("look")["item"]
    store.execute("UPDATE assignments SET expires_at = '2020-01-01T00:00:00.000000+00:00'")
    assert 590 < ask("beat", {"assignment": item["assignment"]})["left"] <= 600
    store.execute("UPDATE assignments SET expires_at = '2020-01-01T00:00:00.000000+00:00'")
    assert Session(store, store.accounts.add("Jun", "labeler")).next()
    lost = ask("beat", {"assignment": item["assignment"]})
    assert lost["line"]["text"].startswith("Your lease on this item ended")
    assert "item" not in lost


def test_walking_back_shows_ones_answers_newest_first_and_a_correction_stays_there(store, add_pairs, ask):
    add_pairs(3)
    first = ask("look")
    second = ask("answer", answer_body(first, "left"))
    ask("answer", answer_body(second, "tie", 1))
    newest = ask("older", {"before": ""})
    assert (newest["item"]["assignment"], newest["item"]["verdict"]) == (second["item"]["assignment"], "tie")
    oldest = ask("older", {"before": newest["item"]["assignment"]})
    assert (oldest["item"]["assignment"], oldest["item"]["left"]) == (first["item"]["assignment"], None)
    assert "item" not in ask("older", {"before": oldest["item"]["assignment"]})
    changed = ask("answer", answer_body(oldest, "right", 2, supersedes=oldest["item"]["past"]))
    assert changed["line"]["text"] == "Changed from A better to B better."
    assert changed["item"]["assignment"] == first["item"]["assignment"]
    assert sorted(comparison.verdict for comparison in store.comparisons.current()) == ["right", "tie"]
    assert ask("history")["regions"]["history-list"].count("<li>") == 2


def test_undo_after_a_skip_says_so_and_takes_the_answer_before_it_back_only_when_asked_again(store, add_pairs, ask):
    add_pairs(4)
    first = ask("look")
    second = ask("answer", answer_body(first))
    ask("skip", {"assignment": second["item"]["assignment"], "reason": "unclear"})
    for language, line in (
        (
            "en",
            "You skipped the last item, and a skip cannot be undone. Press undo again to undo the verdict before it.",
        ),
        (
            "ko",
            "마지막 항목은 건너뛰었고, 건너뛴 것은 되돌릴 수 없습니다. 그 앞의 판정을 되돌리려면 한 번 더 누르세요.",
        ),
    ):
        message = ask("undo", headers={"accept-language": language})
        assert message["line"] == {"text": line, "bad": False}
        assert message["skipped"] == second["item"]["assignment"]
        assert "item" not in message
    assert [event.verdict for event in store.comparisons.events()] == ["left"]
    taken = ask("undo", {"over": message["skipped"]})
    assert taken["item"]["assignment"] == first["item"]["assignment"]
    assert [event.verdict for event in store.comparisons.events()] == ["left", "withdrawn"]
    assert (
        ask("undo")["item"]["assignment"] == first["item"]["assignment"]
    )  # it is open: the skip before it is of no matter


def test_undo_after_an_answer_takes_it_back_at_once_whatever_was_skipped_before_or_by_others(store, add_pairs, ask):
    add_pairs(4)
    second = ask("skip", {"assignment": ask("look")["item"]["assignment"], "reason": "unclear"})
    ask("answer", answer_body(second))
    other = Session(store, store.accounts.add("Jun", "labeler"))
    other.skip(other.next().assignment, "unclear")
    assert ask("undo")["item"]["assignment"] == second["item"]["assignment"]


def test_undo_with_nothing_but_skips_behind_it_says_that_there_is_nothing(add_pairs, ask):
    add_pairs(2)
    ask("skip", {"assignment": ask("look")["item"]["assignment"], "reason": "unclear"})
    assert ask("undo")["line"] == {"text": "There is nothing to undo.", "bad": True}


def test_a_correction_that_is_refused_leaves_the_page_where_it_is(store, add_pairs, ask):
    add_pairs(2)
    first = ask("look")
    ask("answer", answer_body(first))
    past = ask("past", {"assignment": first["item"]["assignment"]})
    again = {"supersedes": past["item"]["past"]}
    refused = ask("answer", answer_body(past, "right", 1, rationale="x" * 2001, **again))
    assert refused["line"] == {"text": "The reason has 2001 characters. The limit is 2000.", "bad": True}
    assert not {"item", "regions"} & set(refused)
    changed = ask("answer", answer_body(past, "right", 1, rationale="x" * 2000, **again))
    assert changed["item"]["assignment"] == first["item"]["assignment"]
    assert [comparison.verdict for comparison in store.comparisons.current()] == ["right"]


def test_a_ranking_is_answered_by_the_places_of_the_answers_as_shown(store, ask):
    prompt = store.prompts.add("Name a bakery.", source="test")
    ids = store.completions.add_many(
        {"prompt_id": prompt.id, "model_name": str(n), "text": f"name {n}", "number": 0} for n in range(3)
    )
    store.rankings.add_task(prompt.id, ids)
    shown = ask("look")
    assert shown["item"]["kind"] == "ranking"
    done = ask(
        "rank", {"answer": {"id": "page-ranking-0", "assignment": shown["item"]["assignment"], "places": [2, 1, 1]}}
    )
    assert done["line"]["text"] == "Recorded: B=C › A. Press u to undo."
    (ranking,) = store.rankings.events()
    positions = store.assignments.get(shown["item"]["assignment"]).positions
    assert [ranking.places[id] for id in positions] == [2, 1, 1]


def test_the_time_at_work_is_kept_beside_the_answer_and_an_impossible_one_is_refused(store, add_pairs, ask):
    add_pairs(2)
    first = ask("look")
    assert "number of active seconds" in ask("answer", answer_body(first, active_seconds=-1))["line"]["text"]
    ask("answer", answer_body(first, active_seconds=12.3))
    assert (store.active_time.get("page-answer-0"), store.active_time.get("another")) == (12.3, None)
