# SPDX-License-Identifier: Apache-2.0
"""Five unlike families do every verb; the others are in the table that `make matrix` writes."""

from __future__ import annotations

import pytest
import torch

from reward.base.frozen_base import Base
from rlhf.probe.layer_checks import check_logits
from tests.matrix.families import FAMILIES
from tests.matrix.table import DOCUMENT, END, START, draw_table, write_table
from tests.matrix.verbs import VERBS, Cell, try_verbs

QUICK = ("Llama 3", "Qwen3-MoE", "Mamba2")


@pytest.mark.parametrize("title", QUICK)
def test_a_family_works_in_every_verb_or_the_check_refuses_it(tmp_path, title):
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        cells = try_verbs(tmp_path, FAMILIES[title].build(tmp_path / "model"))
    finally:
        torch.set_num_threads(threads)
    assert {verb: cell.detail for verb, cell in cells.items() if cell.state == "failed"} == {}


@pytest.mark.parametrize("title", ["Cohere2", "Granite", "Falcon-H1", "Gemma 4"])
def test_logits_that_a_family_scales_or_caps_are_the_models_own(tmp_path, title):
    assert check_logits(Base.load(FAMILIES[title].build(tmp_path / "model"))).state == "ok"


def test_the_table_names_every_family_and_verb():
    table = DOCUMENT.read_text(encoding="utf-8").split(START)[1].split(END)[0]
    titles = [line.split(" | ")[0].removeprefix("| ") for line in table.splitlines() if line.startswith("| ")]
    first = titles[titles.index("family") + 2 :][: len(FAMILIES)]
    assert first == list(FAMILIES)
    assert f"| family | {' | '.join(VERBS)} |" in table


def test_the_table_gives_the_reason_of_what_does_not_work(tmp_path):
    works = dict.fromkeys(VERBS, Cell("works"))
    rows = {"One": works, "Two": works | {"ppo": Cell("failed", "a | b")}}
    document = tmp_path / "models.md"
    document.write_text(f"before\n{START}\nold\n{END}\nafter\n")
    write_table(rows, document)
    text = document.read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "old" not in text
    assert draw_table(rows) in text
    assert "| Two | ppo | a \\| b |" in text


def test_every_family_has_a_model_of_its_own_class():
    assert len({family.model_type for family in FAMILIES.values()}) == len(FAMILIES) == 31
