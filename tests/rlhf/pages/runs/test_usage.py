# SPDX-License-Identifier: Apache-2.0
"""A running run shows what it uses now; an ended one shows its peak, and nothing that it used before."""

from __future__ import annotations

import gradio as gr

from data.tables.process_identity import identify_process
from rlhf.pages.runs.listing import Filter
from rlhf.pages.runs.run_list import RunList
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


def test_the_table_is_drawn_again_when_the_memory_moved_by_a_tenth_of_a_gigabyte(store):
    run = store.runs.start(store.runs.enqueue("ppo", {}, "rae").id, *identify_process())
    with gr.Blocks():
        runs = RunList(store)
    marks = []
    for megabytes in (1024.0, 1030.0, 1200.0):
        store.metrics.record_usage(run.id, USED | {"memory_mb": megabytes})
        drawn = runs.draw(store.runs.all(), {}, marks[-1] if marks else "", Filter())
        marks.append(drawn.get(runs.seen, marks[-1] if marks else ""))
    assert (marks[0] == marks[1], marks[1] == marks[2]) == (True, False)
