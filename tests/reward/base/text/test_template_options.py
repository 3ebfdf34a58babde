# SPDX-License-Identifier: Apache-2.0
"""Options of a template: those of a row, the check of its syntax, and which bases can be shared."""

from __future__ import annotations

import inspect
from types import SimpleNamespace

import pytest
from transformers import PreTrainedTokenizerBase

from data.errors import BadInput
from reward.base.frozen_base import Base
from reward.base.patches.template_date import frozen_date, reads_date
from reward.base.text.template_options import RESERVED, TemplateOptions, check_arguments, check_syntax
from tests.support.tiny_model import CHAT_TEMPLATE, make_tiny_model

DATED = "{{ strftime_now('%Y') }}" + CHAT_TEMPLATE


def test_a_row_without_a_date_has_the_day_of_its_creation():
    row = SimpleNamespace(versions={"chat_template": "x"}, created_at="2026-02-03T04:05:06+00:00")
    assert TemplateOptions.of(row) == TemplateOptions("x", None, "2026-02-03")
    row.versions = {"template_date": "2025-01-01", "template_kwargs": {"a": 1}}
    assert TemplateOptions.of(row) == TemplateOptions(None, {"a": 1}, "2025-01-01")


def test_arguments_that_a_template_does_not_read_are_refused():
    template = (
        "{% set a = a | default(1) %}{% for m in messages %}{% if b is defined %}{{ m.b }}{% endif %}{% endfor %}"
    )
    check_arguments(template, {"a": 1, "b": 2}, "template_set")
    check_arguments({"default": template}, {"a": 1}, "template_set")
    for chat_template in (template, None):
        with pytest.raises(BadInput, match="reads no argument 'c'"):
            check_arguments(chat_template, {"c": 1}, "template_set")


@pytest.mark.parametrize("file", [None, "chat.jinja"])
def test_a_template_that_is_no_valid_jinja_is_refused_with_its_line(file):
    with pytest.raises(BadInput, match="no valid Jinja") as refused:
        check_syntax("{{ bos_token }}\n{% for m in messages %}\n{{ m.content }", file)
    assert refused.value.line == (3 if file else None)
    assert "3" in str(refused.value)
    check_syntax("{% for m in messages %}{% generation %}{{ m.content }}{% endgeneration %}{% break %}{% endfor %}")


def test_a_base_with_such_a_template_is_refused_in_one_line(tmp_path):
    with pytest.raises(BadInput, match="line 1 of the template") as refused:
        Base.load(make_tiny_model("llama", tmp_path), chat_template="{% for %}")
    assert "\n" not in str(refused.value)


def test_a_base_serves_every_row_that_writes_the_same_ids(tmp_path):
    folder = make_tiny_model("llama", tmp_path)
    own = Base.load(folder)
    assert own.has_template(TemplateOptions())
    assert own.has_template(TemplateOptions(CHAT_TEMPLATE, {}, "1999-01-01"))  # its template writes no date
    assert not own.has_template(TemplateOptions(DATED))
    assert not own.has_template(TemplateOptions(template_kwargs={"a": 1}))
    dated = Base.load(folder, chat_template=DATED, template_date="2025-12-24")
    assert dated.has_template(TemplateOptions(DATED, None, "2025-12-24"))
    assert not dated.has_template(TemplateOptions(DATED, None, "2024-12-24"))
    assert not dated.has_template(TemplateOptions())


def test_upstream_transformers_takes_no_other_arguments_than_those_that_are_reserved():
    names = set(inspect.signature(PreTrainedTokenizerBase.apply_chat_template).parameters) - {"self", "kwargs"}
    assert names <= RESERVED, "a new argument of apply_chat_template: see reward/base/text/template_options.py"


def test_upstream_transformers_lets_templates_read_the_date_where_the_patch_sets_it(tmp_path):
    base = Base.load(make_tiny_model("llama", tmp_path), chat_template=DATED, template_date="1999-05-06")
    turns = [{"role": "user", "content": "Hi"}]
    assert base.encoding.chat.text(turns, prompt=True).startswith("1999"), "see patches/template_date.py"
    today = base.tokenizer.apply_chat_template(turns, tokenize=False)
    assert not today.startswith("1999")
    assert reads_date(DATED)
    with frozen_date(None, None):
        pass
