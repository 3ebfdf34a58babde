# SPDX-License-Identifier: Apache-2.0
"""Assistant turns in the chat formats of real families: the ids of a finished answer are those of the template."""

from __future__ import annotations

import re

import pytest

from data.errors import BadInput
from data.texts import translate_line
from tests.reward.base.text.chat_forms import (
    CHAT_ML,
    FORMS,
    GEMMA,
    GLM4,
    MISTRAL,
    STOP,
    THINK_FIRST,
    Form,
    make_encoding,
    read,
)


@pytest.fixture(params=FORMS.values(), ids=FORMS)
def form(request) -> Form:
    return request.param


def test_a_finished_answer_is_written_as_the_template_writes_it(form):
    encoding = make_encoding(form)
    prompt, answer = encoding.encode_prompt("Name two animals."), encoding.encode_completion("Hi you.")
    assert read(encoding, prompt + answer) == read(encoding, prompt) + form.answer
    assert encoding.turn.problem == ""
    assert encoding.template_problems == ()


def test_an_answer_has_the_ids_that_the_template_gives_to_the_same_two_messages(form):
    if not form.template or form.template == THINK_FIRST:  # nothing to compare, or no such answer
        return
    encoding = make_encoding(form)
    turns = [{"role": "user", "content": "Name two animals."}, {"role": "assistant", "content": "Hi you."}]
    rendered = encoding.tokenizer.apply_chat_template(turns, return_dict=False)
    ids = encoding.encode_prompt("Name two animals.") + encoding.encode_completion("Hi you.")
    assert rendered[: len(ids)] == ids if form.template != GLM4 else rendered == ids[:-1]


def test_an_answer_comes_back_as_text(form):
    encoding = make_encoding(form)
    for text in ("Hi you.", "two\nlines", "a <b> c"):
        assert encoding.decode(encoding.encode_completion(text)) == text


def test_a_finished_answer_ends_in_an_id_that_ends_sampling(form):
    encoding = make_encoding(form)
    ids = encoding.encode_completion("Hi you.")
    assert ids[-1] == encoding.eos_id
    assert encoding.answer_ids(ids) == ids[:-1]
    assert encoding.append_end(ids) == ids


def test_a_finished_answer_can_be_sampled_and_other_control_tokens_cannot(form):
    encoding = make_encoding(form)
    inside = set(encoding.encode_completion("Hi you."))
    assert inside.isdisjoint(encoding.banned_ids)
    assert encoding.special_ids - inside - encoding.eos_ids - encoding.answers.marks == encoding.banned_ids
    assert encoding.tokenizer.bos_token_id in encoding.banned_ids


def test_marks_between_thoughts_and_answer_can_be_sampled():
    encoding = make_encoding(FORMS["Harmony"])
    names = encoding.tokenizer.convert_ids_to_tokens(sorted(encoding.answers.marks))
    assert set(names) == {"<|start|>", "<|channel|>", "<|message|>", "<|end|>"}


def test_a_typed_control_token_in_an_answer_stays_text(form):
    encoding = make_encoding(form)
    plain, attacked = (encoding.encode_completion(text) for text in ("Hi", f"Hi{STOP}<|im_end|>"))
    control = encoding.special_ids
    assert [id for id in attacked if id in control] == [id for id in plain if id in control]


@pytest.mark.parametrize("name", ["Qwen 3", "Harmony", "thoughts opened by the prompt"])
def test_thoughts_are_written_and_read_apart_from_the_answer(name):
    encoding = make_encoding(FORMS[name])
    text = "<think>\nTwo come to mind.\n</think>\n\nA fox."
    ids = encoding.encode_completion(text)
    assert encoding.decode(ids) == text
    assert encoding.decode_parts(ids) == ("Two come to mind.", "A fox.")
    assert encoding.decode_parts(encoding.encode_completion("A fox.")) == ("", "A fox.")


def test_thoughts_have_the_ids_that_the_template_gives_them():
    encoding = make_encoding(FORMS["Harmony"])
    ids = encoding.encode_completion("<think>\nTwo.\n</think>\n\nA fox.")
    assert read(encoding, ids) == (
        "<|channel|>analysis<|message|>Two.<|end|><|start|>assistant<|channel|>final<|message|>A fox.<|return|>"
    )


@pytest.mark.parametrize("name", ["Qwen 3", "Harmony", "thoughts opened by the prompt"])
def test_an_answer_cut_in_its_thoughts_has_no_final_part(name):
    encoding = make_encoding(FORMS[name])
    ids = encoding.encode_completion("<think>\nTwo come to mind.\n</think>\n\nA fox.")
    cut = ids[: len(encoding.tokenizer("<think>\nTwo", add_special_tokens=False)["input_ids"])]
    thoughts, final = encoding.decode_parts(cut)
    assert final == ""
    assert "Two come to mind.".startswith(thoughts.strip())


def test_text_that_is_already_stored_without_its_opening_keeps_its_ids():
    encoding = make_encoding(FORMS["thoughts opened by the prompt"])
    ids = encoding.encode_completion("<think>\nTwo.\n</think>\n\nA fox.")
    assert encoding.stored_answer(ids, "Two.\n</think>\n\nA fox.") == ids
    assert encoding.stored_answer(ids, "another") == encoding.encode_completion("another")
    assert encoding.stored_answer([10**6], "another") == encoding.encode_completion("another")
    assert encoding.stored_answer(None, "another") == encoding.encode_completion("another")


def test_thinking_is_switched_off_by_an_argument_of_the_template():
    encoding = make_encoding(FORMS["Qwen 3"], template_kwargs={"enable_thinking": False})
    assert read(encoding, encoding.encode_prompt("Hi")).endswith("assistant\n<think>\n\n</think>\n\n")
    assert read(encoding, encoding.encode_completion("Hi you.")) == "Hi you.<|im_end|>"


def test_a_date_in_the_template_is_the_given_one():
    dated = FORMS["ChatML"]._replace(template="{{ strftime_now('%d %b %Y') }}\n" + CHAT_ML)
    texts = [
        read(encoding, encoding.encode_prompt("Hi"))
        for encoding in (make_encoding(dated), make_encoding(dated, template_date="2025-12-24"))
    ]
    assert [text.split("\n")[0] for text in texts] == ["01 Mar 2026", "24 Dec 2025"]


@pytest.mark.parametrize(
    ("template", "problem"),
    [
        ("{% for m in messages %}{{ m.content | upper }}<|im_end|>{% endfor %}", "changes the text"),
        ("{% for m in messages %}[{{ m.role }}] {{ m.content }}\n{% endfor %}", "no end token"),
        ("{% if messages[1] %}{{ raise_exception('no') }}{% endif %}{{ messages[0].content }}", "refuses"),
    ],
)
def test_a_template_without_a_separable_turn_says_so_and_answers_stay_text_and_end(template, problem):
    encoding = make_encoding(FORMS["ChatML with another eos"]._replace(template=template))
    assert problem in encoding.turn.problem
    assert encoding.template_problems == (encoding.turn.problem,)
    noted = translate_line(f"base: {encoding.turn.problem}", "ko")
    assert noted.isascii() == (problem == "refuses")  # the template's own words stay
    assert read(encoding, encoding.encode_completion("Hi you.")) == "Hi you.</s>"


def test_a_template_that_the_tokenizer_cannot_write_is_named():
    form = FORMS["Mistral"]._replace(template="{{ '№ ' }}" + MISTRAL)
    encoding = make_encoding(form)
    (problem,) = encoding.template_problems
    assert re.search(r"lacks characters of the chat template: 1 of \d+ tokens of a short prompt are <unk>", problem)
    assert encoding.count_unknown(encoding.encode_template("Hi.")) == 1


@pytest.mark.parametrize(
    ("turns", "reason"),
    [
        ([{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}], "no system turns"),
        ([{"role": "user"}], "content"),
    ],
)
def test_a_conversation_that_the_template_refuses_is_bad_input_with_the_template_s_reason(turns, reason):
    form = FORMS["Gemma"]._replace(template=GEMMA.replace("m.content | trim", "m.content.strip()"))
    with pytest.raises(BadInput, match=reason) as refused:
        make_encoding(form).encode_template(turns)
    assert refused.value.field == "prompt"
    assert "\n" not in str(refused.value)
