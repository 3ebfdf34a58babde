# SPDX-License-Identifier: Apache-2.0
"""The screen: its texts, its form and its language."""

from __future__ import annotations

from data.tables.forms import Form
from tests.support.labeling.answers import answer_body


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


def test_after_the_last_pair_the_page_says_what_the_labels_did(store, add_pairs, ask):
    add_pairs(1)
    ask("answer", answer_body(ask("look")))
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


def test_a_model_s_thoughts_are_folded_above_its_answer(store, ask):
    prompt = store.prompts.add("Name two animals.", source="test")
    texts = "<think>\nA <b>fox</b>?\n</think>\n\nA lamb.", "An unclosed <think> stays."
    ids = store.completions.add_many(
        {"prompt_id": prompt.id, "model_name": str(n), "text": text, "number": 0} for n, text in enumerate(texts)
    )
    store.pairs.add(prompt.id, *ids)
    for view in ("text", "formatted", "differences"):
        shown = ask("look", {"view": view})["regions"]["screen"]
        assert shown.count("<details class=thoughts") == 1
        assert "A &lt;b&gt;fox&lt;/b&gt;?</div></details>" in shown
        assert "unclosed" in shown


def test_the_guideline_is_formatted_and_its_version_named(store, add_pairs, ask):
    add_pairs(1)
    store.projects.change(1, guideline="Be **kind** <script>x</script>, see [this](https://guide.test/).")
    shown = ask("look")
    assert "Guideline, version 2" in shown["regions"]["panels"]
    text = ask("guide", {"assignment": shown["item"]["assignment"]})["regions"]["guide-text"]
    assert "<strong>kind</strong> &lt;script&gt;" in text
    assert '<a href="https://guide.test/"' in text


def test_invented_words_are_explained_below_the_starters_prompts_alone(store, add_pairs, ask):
    add_pairs(1)
    assert "invented" not in ask("look")["regions"]["screen"]
    store.execute("UPDATE prompts SET source = 'starter'")
    screen = ask("look")["regions"]["screen"]
    assert "Words such as “wallhat” are invented" in screen
    assert screen.index("id=prompt") < screen.index("id=invented") < screen.index("id=answers")
    korean = ask("look", headers={"accept-language": "ko"})["regions"]["screen"]
    assert "지어낸 말입니다" in korean
