# SPDX-License-Identifier: Apache-2.0
"""The page's requests: an act and what is shown next in one answer, for the one who asks, in their language."""

from __future__ import annotations

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from data.errors import Busy, StoreTrouble
from data.tables.forms import Form
from labeling.accounts.gate import Gate
from labeling.accounts.sign_in import COOKIE
from labeling.page import actions
from labeling.queue.group_commit import GroupCommit
from labeling.session import Session


@pytest.fixture
def ask(store):
    """ask(verb, body) -> the reply to Mina; `cookies` and `headers` go with it."""
    mina = store.accounts.add("Mina", "labeler")
    token = store.tokens.issue("session", mina.id, 600)
    with TestClient(
        Gate(Starlette(routes=actions.routes(store, GroupCommit(store))), store), cookies={COOKIE: token}
    ) as client:

        def send(verb, body=None, **more):
            answer = client.post(f"/label/do/{verb}", json=body or {}, **more)
            assert answer.status_code == 200, answer.text
            return answer.json()

        send.client = client
        yield send


def said(reply, verdict="left", number=0, **more):
    return {
        "answer": {"id": f"page-answer-{number}", "assignment": reply["item"]["assignment"], "verdict": verdict, **more}
    }


def test_an_answer_brings_the_next_pair_and_sending_it_again_changes_nothing(store, add_pairs, ask):
    add_pairs(2)
    first = ask("look")
    assert first["item"]["kind"] == "pair"
    assert 590 < first["item"]["left"] <= 600
    second = ask("answer", said(first))
    assert second["item"]["assignment"] != first["item"]["assignment"]
    assert second["line"] == {"text": "Recorded: A better. Press u to undo.", "bad": False}
    again = ask("answer", said(first))
    assert again["item"]["assignment"] == second["item"]["assignment"]
    assert [event.id for event in store.comparisons.events()] == ["page-answer-0"]


def test_a_second_answer_is_refused_in_the_readers_language_and_the_open_pair_is_shown(store, add_pairs, ask):
    add_pairs(2)
    first = ask("look")
    second = ask("answer", said(first))
    refused = ask("answer", said(first, number=1), headers={"accept-language": "ko"})
    assert refused["line"] == {"text": "이미 판정한 항목입니다. 바꾸려면 되돌리기를 누르세요.", "bad": True}
    assert refused["item"]["assignment"] == second["item"]["assignment"]


def test_the_header_leads_to_what_stands_under_ones_name(ask):
    assert "<a href=you>My data</a>" in ask("look")["regions"]["header"]


def test_the_language_chosen_on_the_page_goes_before_the_browsers(add_pairs, ask):
    add_pairs(1)
    assert "A better" in ask("look", headers={"accept-language": "en"})["regions"]["controls"]
    ask.client.cookies.set("language", "ko")
    assert "A가 낫다" in ask("look", headers={"accept-language": "en"})["regions"]["controls"]


def test_only_what_the_form_asks_for_is_shown(store, add_pairs, ask):
    add_pairs(1)
    store.projects.change(
        1, form=Form(scale="plain", tie=False, both_bad=False, skip=False, flag=False, rationale="off")
    )
    regions = ask("look")["regions"]
    assert regions["form"] == ""
    assert [name for name in ("left", "right") if f'id="{name}"' in regions["controls"]] == ["left", "right"]
    for absent in ("left_much", "tie", "both_bad", "skip", "flag", "edit_button", "reason", "aspects"):
        assert f'id="{absent}"' not in regions["controls"]
    store.projects.change(1, form=Form(rationale="required", aspects=("tone",), edit=True))
    reply = ask("look")
    assert all(
        part in reply["regions"]["form"] for part in ('data-aspect="tone"', "id=edit", "id=rationale", "required")
    )
    assert set(reply["item"]["texts"]) == {"left", "right"}


def test_a_draft_comes_back_with_its_item_and_goes_with_its_answer(store, add_pairs, ask):
    add_pairs(1)
    first = ask("look")
    content = {"rationale": "kinder", "verdict": "left", "nonsense": 1}
    assert ask("draft", {"assignment": first["item"]["assignment"], "content": content})["kept"]
    again = ask("look")
    assert again["item"]["draft"] == {"rationale": "kinder", "verdict": "left"}
    assert ">\nkinder</textarea>" in again["regions"]["form"]
    ask("answer", said(first, rationale="kinder"))
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
    second = ask("answer", said(first, "left"))
    ask("answer", said(second, "tie", 1))
    newest = ask("older", {"before": ""})
    assert (newest["item"]["assignment"], newest["item"]["verdict"]) == (second["item"]["assignment"], "tie")
    oldest = ask("older", {"before": newest["item"]["assignment"]})
    assert (oldest["item"]["assignment"], oldest["item"]["left"]) == (first["item"]["assignment"], None)
    assert "item" not in ask("older", {"before": oldest["item"]["assignment"]})
    changed = ask("answer", said(oldest, "right", 2, supersedes=oldest["item"]["past"]))
    assert changed["line"]["text"] == "Changed from A better to B better."
    assert changed["item"]["assignment"] == first["item"]["assignment"]
    assert sorted(each.verdict for each in store.comparisons.current()) == ["right", "tie"]
    assert ask("history")["regions"]["history-list"].count("<li>") == 2


def test_undo_after_a_skip_says_so_and_takes_the_answer_before_it_back_only_when_asked_again(store, add_pairs, ask):
    add_pairs(4)
    first = ask("look")
    second = ask("answer", said(first))
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
        told = ask("undo", headers={"accept-language": language})
        assert told["line"] == {"text": line, "bad": False}
        assert told["skipped"] == second["item"]["assignment"]
        assert "item" not in told
    assert [event.verdict for event in store.comparisons.events()] == ["left"]
    taken = ask("undo", {"over": told["skipped"]})
    assert taken["item"]["assignment"] == first["item"]["assignment"]
    assert [event.verdict for event in store.comparisons.events()] == ["left", "withdrawn"]
    assert (
        ask("undo")["item"]["assignment"] == first["item"]["assignment"]
    )  # it is open: the skip before it is of no matter


def test_undo_after_an_answer_takes_it_back_at_once_whatever_was_skipped_before_or_by_others(store, add_pairs, ask):
    add_pairs(4)
    second = ask("skip", {"assignment": ask("look")["item"]["assignment"], "reason": "unclear"})
    ask("answer", said(second))
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
    ask("answer", said(first))
    past = ask("past", {"assignment": first["item"]["assignment"]})
    again = {"supersedes": past["item"]["past"]}
    refused = ask("answer", said(past, "right", 1, rationale="x" * 2001, **again))
    assert refused["line"] == {"text": "The reason has 2001 characters. The limit is 2000.", "bad": True}
    assert not {"item", "regions"} & set(refused)
    changed = ask("answer", said(past, "right", 1, rationale="x" * 2000, **again))
    assert changed["item"]["assignment"] == first["item"]["assignment"]
    assert [each.verdict for each in store.comparisons.current()] == ["right"]


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


def test_after_the_last_pair_the_page_says_what_the_labels_did(store, add_pairs, ask):
    add_pairs(1)
    ask("answer", said(ask("look")))
    store.reward_models.add(
        name="judge", base="b", adapter="a", config={"labels": "person+import"}, report={"accuracy": 0.714}
    )
    store.reward_models.add(name="toy", base="b", adapter="a", config={"labels": "simulated"}, report={"accuracy": 0.9})
    shown = ask("look")["regions"]["screen"]
    assert "No items are left for you." in shown
    assert "Your verdicts: 1 in total, 1 today." in shown
    assert "Agreement is not known yet" in shown
    assert "orders 71 % of the test pairs as people do" in shown
    assert ask("undo")["item"]["kind"] == "pair"


def test_a_conversation_is_shown_turn_by_turn_and_both_sides_pass_one_renderer(store, ask):
    turns_ = [
        {"role": "user", "content": "Hi <b>you</b>"},
        {"role": "assistant", "content": "Yes?"},
        {"role": "user", "content": "Go on."},
    ]
    prompt = store.prompts.add("user: Hi\n\nassistant: Yes?", messages=turns_, source="test")
    ids = store.completions.add_many(
        {"prompt_id": prompt.id, "model_name": m, "text": f"**{m}**", "number": 0} for m in ("one", "two")
    )
    store.pairs.add(prompt.id, *ids)
    plain = ask("look")["regions"]["screen"]
    assert [
        plain.count(part) for part in ("class='turn user'", "class='turn assistant'", "Hi &lt;b&gt;you&lt;/b&gt;")
    ] == [2, 1, 1]
    assert "**one**" in plain
    rich = ask("look", {"view": "formatted"})["regions"]["screen"]
    assert all(f"<strong>{name}</strong>" in rich for name in ("one", "two"))
    assert "<mark>**one**</mark>" in ask("look", {"view": "differences"})["regions"]["screen"]


def test_the_guideline_is_formatted_and_its_version_named(store, add_pairs, ask):
    add_pairs(1)
    store.projects.change(1, guideline="Be **kind** <script>x</script>, see [this](https://guide.test/).")
    shown = ask("look")
    assert "Guideline, version 2" in shown["regions"]["panels"]
    text = ask("guide", {"assignment": shown["item"]["assignment"]})["regions"]["guide-text"]
    assert "<strong>kind</strong> &lt;script&gt;" in text
    assert '<a href="https://guide.test/"' in text


def test_the_time_at_work_is_kept_beside_the_answer_and_an_impossible_one_is_refused(store, add_pairs, ask):
    add_pairs(2)
    first = ask("look")
    assert "number of active seconds" in ask("answer", said(first, active_seconds=-1))["line"]["text"]
    ask("answer", said(first, active_seconds=12.3))
    assert (store.active_time.get("page-answer-0"), store.active_time.get("another")) == (12.3, None)


@pytest.mark.parametrize(
    ("problem", "status", "wait", "told"),
    [
        (StoreTrouble, 507, None, "서버의 저장소에 쓸 수 없습니다. 연구자에게 알려 주세요 ({})."),
        (Busy, 503, "2", "다른 프로그램이 저장소를 쓰고 있습니다. 잠시 뒤에 다시 해 보세요 ({})."),
    ],
)
def test_what_the_store_could_not_keep_has_its_status_and_a_line_in_the_readers_language(
    add_pairs, ask, monkeypatch, problem, status, wait, told
):
    add_pairs(1)
    first = ask("look")

    def fails(session, answer):
        raise problem("feedback.db: database or disk is full", "Free some space.")

    monkeypatch.setattr(Session, "submit", fails)
    reply = ask.client.post("/label/do/answer", json=said(first), headers={"accept-language": "ko"})
    assert (reply.status_code, reply.headers.get("retry-after")) == (status, wait)
    told = told.format("feedback.db: database or disk is full. Free some space.")
    assert reply.json() == {"line": {"text": f"저장하지 못했습니다: {told}", "bad": True}}


def test_nonsense_is_refused_with_one_line_and_changes_nothing(store, add_pairs, ask):
    add_pairs(1)
    assert ask("answer", {"answer": "left"})["line"]["bad"]
    assert ask("answer", {"answer": {"id": "page-answer-0", "assignment": 7, "verdict": ["left"]}})["line"]["bad"]
    assert ask("rank", {"answer": {"id": "page-answer-0", "assignment": "x", "places": 3}})["line"]["bad"]
    assert ask("skip", {"assignment": None, "reason": 4})["line"]["bad"]
    bodies = (b"{", b"[" * 100_000, b"[]", b" " * 300_000)
    sent = [
        ask.client.post("/label/do/look", content=body, headers={"content-type": "application/json"}) for body in bodies
    ]
    assert [(answer.status_code, answer.json()["error"]) for answer in sent[:3]] == [
        (400, "the body is not JSON"),
        (400, "the body is not JSON"),
        (400, "the body is list, not an object"),
    ]
    assert sent[3].status_code == 413
    assert store.comparisons.events() == []


def test_a_body_that_a_form_of_another_site_could_send_is_refused_whatever_is_in_it(store, add_pairs, ask):
    add_pairs(1)
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
        for body in (b"{}", b""):
            assert ask.client.post("/label/do/look", content=body, headers={"content-type": kind}).status_code == 415
    assert store.value("SELECT count(*) FROM assignments") == 0


@pytest.mark.parametrize(
    "content", ['{"aspects": {"a": NaN}}', '{"places": [1e999]}', '{"places": [-Infinity]}', '{"rationale": %s}']
)
def test_a_draft_that_could_not_be_read_back_is_refused_and_the_one_before_stays(add_pairs, ask, content):
    add_pairs(1)
    item = ask("look")["item"]["assignment"]
    ask("draft", {"assignment": item, "content": {"rationale": "begun"}})
    content = content.replace("%s", "[" * 5000 + "]" * 5000)
    answer = ask.client.post("/label/do/draft", content=f'{{"assignment": "{item}", "content": {content}}}')
    assert answer.status_code in (200, 400)
    assert "error" in answer.json() or answer.json()["line"]["bad"]
    assert ask("look")["item"]["draft"] == {"rationale": "begun"}


def test_a_fault_of_the_server_is_not_blamed_on_the_body(ask, monkeypatch):
    def fails(session):
        raise ValueError("a fault")

    monkeypatch.setattr(Session, "next", fails)
    with pytest.raises(ValueError, match="a fault"):
        ask("look")
