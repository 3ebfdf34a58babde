# SPDX-License-Identifier: Apache-2.0
"""A running run shows what it uses now; an ended one shows its peak, and nothing that it used before."""

from __future__ import annotations

import gradio as gr

from data.tables.process_identity import identify_process
from rlhf.pages.runs.run_list import COLUMNS, Filter, RunList
from rlhf.pages.runs.usage import memory_cell, usage_facts

USED = {"cpu_percent": 187.4, "cores": 4.0, "memory_mb": 1536.4}


def test_facts_and_cell_are_of_the_state(store):
    queued = store.runs.enqueue("ppo", {}, "rae")
    assert (usage_facts(queued, USED), memory_cell(queued, {})) == ({}, "")
    running = store.runs.start(queued.id, *identify_process())
    assert usage_facts(running, {}) == {}
    assert usage_facts(running, USED) == {"CPU now": "187 % of one of 4 cores", "Memory now": "1,536 MB"}
    assert memory_cell(running, USED) == "1.5 GB"
    on_gpu = USED | {"gpu_mb": 10240.0, "gpu_total_mb": 81920.0}
    assert usage_facts(running, on_gpu)["GPU memory now"] == "10,240 of 81,920 MB"
    assert memory_cell(running, on_gpu) == "10.0 GB"
    done = store.runs.finish(running.id, "done", report={"peak_mb": 2048.0})
    assert (usage_facts(done, USED), memory_cell(done, USED)) == ({}, "2.0 GB")


def test_the_table_is_drawn_again_when_a_run_ends_and_not_when_its_memory_moves(store):
    run = store.runs.start(store.runs.enqueue("ppo", {}, "rae").id, *identify_process())
    with gr.Blocks():
        runs = RunList(store)
    store.metrics.record_usage(run.id, USED)
    first = runs.draw(store.runs.all(), {}, "", Filter())
    place = COLUMNS.index("memory")
    assert first[runs.table]["data"][0][place] == "1.5 GB"
    store.metrics.record_usage(run.id, USED | {"memory_mb": 4096.0})
    assert runs.draw(store.runs.all(), {}, first[runs.seen], Filter()) == {}
    store.runs.finish(run.id, "done", report={"peak_mb": 6144.0})
    ended = runs.draw(store.runs.all(), {}, first[runs.seen], Filter())
    assert ended[runs.table]["data"][0][place] == "6.0 GB"
