# SPDX-License-Identifier: Apache-2.0
"""The researcher's pages: texts never become markup, families stand together, counts are those of the store."""

from __future__ import annotations

import re

import gradio as gr

from data.store import Store
from labeling.texts.pages import format_share
from labeling.texts.reader import writing_in
from rlhf.pages import theme, train
from rlhf.pages.components import table, with_links
from rlhf.pages.export import draw_files, make_file
from rlhf.pages.loop import draw_loop, draw_step
from rlhf.pages.markup import side_by_side
from rlhf.pages.next_step import LoopCounts, NewestPolicy, Step, next_step
from rlhf.pages.runs import view as run_view
from rlhf.pages.runs.log import draw_hits, draw_log
from rlhf.pages.runs.log_search import search_log
from rlhf.pages.runs.page import RunsPage

EVIL = "<img src=x onerror=alert(1)>"


def family(store: Store) -> list:
    base = store.policies.add(name="base", kind="base", base="b")
    first = store.policies.add(name="first", kind="sft", base="b", adapter="a", parent_id=base.id)
    other = store.policies.add(name="other", kind="base", base="c")
    second = store.policies.add(name="second", kind="ppo", base="b", adapter="a", parent_id=first.id)
    return [base, first, second, other]


def test_a_models_text_is_text_wherever_it_is_shown(store):
    run = store.runs.enqueue("ppo", {"from": EVIL}, EVIL)
    store.metrics.sample(run.id, 1, {"prompt": EVIL, "policy": EVIL, "reference": EVIL, "reward": 1.0})
    (store.home / "runs" / "1").mkdir(parents=True)
    (store.home / "runs" / "1" / "log.txt").write_text(EVIL)
    drawn = [
        side_by_side(EVIL, (EVIL, EVIL), (EVIL, EVIL)),
        run_view.draw_head(run),
        run_view.draw_samples(store, run),
        draw_log(store.home / "runs" / "1"),
        draw_hits(search_log(store.home / "runs" / "1", "img"), EVIL),
        draw_step(Step(EVIL, EVIL)),
    ]
    assert all("<img" not in html and "&lt;img" in html for html in drawn)


def test_a_sample_stands_beside_the_references(store):
    run = store.runs.enqueue("ppo", {}, "rae")
    store.metrics.sample(
        run.id, 3, {"prompt": "ask", "policy": "new answer", "reference": "old answer", "reward": 1.25}
    )
    html = run_view.draw_samples(store, run)
    assert html.index("new answer") < html.index("old answer")
    assert "step 3 · reward 1.25" in html


def test_what_a_run_sampled_stands_prompt_by_prompt_two_answers_beside_each_other(store):
    run = store.runs.enqueue("sample", {}, "rae")
    for number in range(5):
        prompt = store.prompts.add(f"ask {number}", source="test")
        rows = [
            {"prompt_id": prompt.id, "model_name": name, "text": f"{name} {number}"}
            for name in ("one", "other")[: 1 + (number < 4)]
        ]
        store.completions.add_many(rows, run.id)
    html = run_view.draw_samples(store, run)
    assert [html.count(f"ask {number}") for number in range(5)] == [0, 1, 1, 1, 1]
    assert html.count("<div class=beside><div><small>one</small>") == 4
    assert "one 3</div></div><div><small>other</small><div class=told dir=auto>other 3</div></div></div>" in html
    assert html.index("one 4") < html.index("one 3")


def test_prompts_that_a_run_left_out_are_counted_with_the_reason_and_the_remedy(store):
    run = store.runs.enqueue("sample", {}, "rae")
    store.runs.claim()
    store.runs.finish(run.id, "done", report={"skipped": {"prompts, such as: too long. Shorten it.": 1200}})
    assert "Left out: 1,200 prompts, such as: too long. Shorten it." in run_view.draw_head(store.runs.get(run.id))


def test_a_comparison_says_who_wins_how_often_and_how_much_memory_it_took(store):
    report = {"policy": "p3", "against": "p2", "win_rate": 0.6525, "win_rate_ci": [0.616, 0.687], "prompts": 300}
    run = store.runs.enqueue("compare", {}, "rae")
    store.runs.claim()
    store.runs.finish(
        run.id, "done", report={"peak_mb": 1635.7, "evaluations": [report | {"judge": "rubric", "examples": []}]}
    )
    html = re.sub("<[^>]+>", "", run_view.draw_head(store.runs.get(run.id)))
    assert "The answers of p3 win 65 % (62 to 69) of the time against those of p2." in html
    assert "Memory at the peak" in html
    assert "1,636 MB" in html


def test_the_log_shows_its_newest_line_first(tmp_path):
    (tmp_path / "log.txt").write_text("one\ntwo\r three\n")
    html = draw_log(tmp_path)
    assert html.partition(">")[2].split() == ["three", "two", "one</div>"]


def test_the_pages_are_listed_in_one_place():
    head = theme.head(["loop", "garden"])
    assert "html[data-page=loop] #page-loop, html[data-page=garden] #page-garden { display: flex !important; }" in head
    assert 'const PAGES = ["loop", "garden"];' in head
    others = [name for name in train.PAGES if f"data-page={name}" in head or f'"{name}"' in head]
    assert others == ["loop"]


def test_another_run_like_this_is_offered_where_a_form_can_start_it(store):
    store.accounts.add("rae", "researcher")
    with gr.Blocks():
        page = RunsPage(store, gr.Button().click)
    sampled, elsewhere = (
        store.runs.enqueue("sample", {"prompts": 7}, "rae"),
        store.runs.enqueue("endpoint", {"model": "m"}, "rae"),
    )
    assert [page.draw(run.public)[page.again].visible for run in (sampled, elsewhere)] == [True, False]
    assert page.copy_settings("run1")[page.forms["sample"].fields["prompts"]]["value"] == 7
    (line,) = page.copy_settings("run2").values()
    assert "preference-loop sample --endpoint URL --model NAME" in line


def test_the_runs_page_shows_the_run_of_its_address_and_one_line_for_an_unknown_one(store):
    with gr.Blocks():
        page = RunsPage(store, gr.Button().click)
    runs = [store.runs.enqueue("sample", {}, "rae") for _ in range(2)]
    assert [f">{run.public}</a> ·" in page.refresh(run.public, "", "")[page.head] for run in runs] == [True, True]
    assert ">run2</a> ·" in page.refresh("", "", "")[page.head]  # the newest
    unknown = page.refresh("run9", "", "")
    assert "There is no run run9. Choose one in the table." in unknown[page.head]
    assert (unknown[page.charted], unknown[page.cancel].visible) == ("", False)


def test_further_runs_of_an_address_are_for_the_charts_and_the_first_one_is_on_the_screen(store):
    with gr.Blocks():
        page = RunsPage(store, gr.Button().click)
    for _ in range(9):
        store.metrics.log(store.runs.enqueue("sft", {}, "rae").id, 1, {"loss": 1.0})
    drawn = page.refresh("run2,run1,run2", "", "")
    assert ">run2</a> ·" in drawn[page.head]
    assert drawn[page.charted].startswith("run2,run1 1 1 ")
    marks = drawn[page.seen], drawn[page.list.seen], drawn[page.note.seen], drawn[page.log.seen], ""
    assert page.refresh("run2,run1", *marks) == gr.skip()
    store.metrics.log(1, 2, {"loss": 0.5})
    assert page.refresh("run2,run1", *marks)[page.charted].startswith("run2,run1 1 2 ")
    every = ",".join(f"run{number}" for number in range(1, 10))
    assert "9 runs are too many for one chart. Choose at most 8." in page.refresh(every, "", "")[page.head]


def test_an_unknown_run_is_named_in_korean_to_a_korean_reader(store):
    with gr.Blocks():
        page = RunsPage(store, gr.Button().click)
    store.runs.enqueue("sample", {}, "rae")
    with writing_in("ko"):
        shown = page.refresh("run9", "", "")
    assert "run9 실행이 없습니다. 표에서 고르세요." in shown[page.head]
    assert shown[page.list.table]["data"][0][2:4] == ["샘플링", "대기 중"]


def test_a_table_shows_ids_as_links_and_keeps_them_plain_for_copying():
    value = with_links(("policy", "name"), [["p3", EVIL]], ("policy",))
    assert value["data"] == [["p3", EVIL]]
    assert value["metadata"]["display_value"] == [["<a class=id href='#policies/p3'>p3</a>", EVIL]]
    with gr.Blocks():  # its button has a handler
        shown = table("arena", ("policy", "name"), "some-table", "arena.table", linked=("policy",))
    assert shown.datatype == ["html", "str"]  # the browser writes the name as text


def test_a_rate_without_an_interval_is_a_bare_rate():
    assert (format_share(0.5, None), format_share(None, None)) == ("50 %", "–")


def test_the_ring_shows_its_counts_and_marks_where_the_next_step_starts():
    html = draw_loop(LoopCounts(prompts=1234, waiting=5), Step("Compare", "why", link="../label/"))
    assert "<b>1,234</b>" in html
    assert html.count("class='station due'") == 1
    assert html.index("station due") < html.index("Pairs")


def test_the_loop_leads_to_the_newest_models_and_to_the_run_at_work():
    newest = NewestPolicy("p7", "p1", 0)
    counts = LoopCounts(
        prompts=1, policies=2, newest=newest, reward_models=2, newest_driver="r2", driver="r2", active="run5"
    )
    step = next_step(counts)
    assert step.link == "#runs/run5"
    assert "<a class=id href='#runs/run5'>run5</a>" in draw_step(step)
    html = draw_loop(counts, step)
    assert ["href='#reward/r2'" in html, "href='#policies/p7'" in html] == [True, True]


def test_an_export_with_nothing_to_write_says_what_to_do_and_leaves_no_file(store):
    assert "no comparisons" in make_file(store, "preferences", "trl", "person", by="account 7")
    assert "No file yet" in draw_files(store.home / "exports")
