# SPDX-License-Identifier: Apache-2.0
"""People in a whole PPO run on a tiny model: they end a run with a hacked reward, and no other one."""

from __future__ import annotations

from itertools import count

import pytest

from data.errors import BadInput
from data.run_context import Cancelled, RunContext
from data.settings import parse_settings
from data.splits import split_of
from rlhf.models.reward_sources import add_sources
from rlhf.ppo.people.panel import Panel
from rlhf.ppo.run import run
from rlhf.ppo.settings import PPOSettings
from rlhf.runs.preflight import check_people
from tests.support.data.stores import new_store
from tests.support.labeling.answer_waiting import answer_waiting
from tests.support.ppo_parts import share_of_letters
from tests.support.tiny_home import make_judged_home
from tests.support.tiny_model import make_tiny_model

SETTINGS = {
    "reward": "letters",
    "people": 20,
    "max_steps": 8,
    "batch_size": 128,
    "minibatch": 32,
    "epochs": 4,
    "learning_rate": 3e-2,
    "kl_target": 0,
    "kl_coef": 0,
    "kl_budget": 1000,
    "missing_eos_penalty": 0,
    "max_new_tokens": 2,
    "validation_prompts": 40,
    "validate_every": 1,
    "rank": 16,
}
"""The reward is the share of letters in an answer, which a random model learns in a few updates."""


def letters(text):
    return share_of_letters([""], [text])[0]


@pytest.fixture
def home(tmp_path):
    """A home with 40 validation prompts, the reward `letters`, and a labeler Mina."""
    store = make_judged_home(tmp_path / "home", make_tiny_model("llama", tmp_path / "model"))
    texts = (f"Name {number} trees." for number in count())
    while store.prompts.count("validation") < 40:
        if split_of(text := next(texts)) == "validation":
            store.prompts.add(text, source="mine")
    add_sources(store.home, ["letters=tests.support.ppo_parts:share_of_letters"])
    store.accounts.add("Mina", "labeler")
    yield store
    store.close()


def done(store, monkeypatch, score, resumes=None, *, cancelled=False, **settings):
    """Do a run while Mina answers every pair as soon as it waits; return its context and result."""
    ask = Panel.ask

    def ask_and_answer(panel, update, candidates):
        asked = ask(panel, update, candidates)
        answer_waiting(store, "Mina", score)
        return asked

    queued = store.runs.enqueue("ppo", SETTINGS | settings, "rae", resumes=resumes)
    if cancelled:
        store.runs.request_cancel(queued.id)
    context = RunContext(store, store.runs.get(queued.id))
    with monkeypatch.context() as patch:
        if score is not None:
            patch.setattr(Panel, "ask", ask_and_answer)
        return context, run(context, parse_settings(PPOSettings, context.run.settings))


def test_a_run_that_learns_what_people_dislike_ends_at_the_start(home, monkeypatch):
    context, result = done(home, monkeypatch, lambda text: -letters(text))
    assert result.report["end"].startswith("people prefer the start, ")
    assert len(result.report["reward_per_step"]) < 8
    assert result.report["checkpoint"] == 0
    assert result.report["people"]["prefer_start"]
    assert home.runs.get(context.run.id).note.split("; ")[1].startswith("people ")
    assert home.pairs.waiting_count() == 0


def test_a_run_that_learns_what_people_like_goes_on_to_its_end(home, monkeypatch):
    context, result = done(home, monkeypatch, letters)
    assert result.report["end"] == "all updates are done"
    assert result.report["people"]["win_rate"] > 0.6
    rates = home.metrics.series(context.run.id, "people_win_rate")
    assert [step for step, _ in rates] == list(range(2, 9))  # the verdicts on a policy are read at the next look


def test_without_verdicts_the_run_goes_on_and_withdraws_its_pairs(home, monkeypatch):
    context, result = done(home, monkeypatch, None, max_steps=2)
    assert result.report["end"] == "all updates are done"
    assert result.report["people"] == {"score": "0 : 0", "pairs": 0, "win_rate": None, "prefer_start": False}
    assert "people: no verdict yet, going on" in home.runs.get(context.run.id).note
    assert home.value("SELECT count(*) FROM online_pairs WHERE outdated = 0") == 0


def test_a_resumed_run_reads_the_verdicts_of_the_run_that_it_continues(home, monkeypatch):
    with pytest.raises(Cancelled):
        done(home, monkeypatch, letters, cancelled=True, max_steps=2)
    verdicts = home.value("SELECT count(*) FROM comparisons")
    assert verdicts > 0
    context, _ = done(home, monkeypatch, letters, resumes=1, max_steps=2)
    assert home.metrics.series(context.run.id, "people_verdicts") == [(2, verdicts)]


def test_people_need_validation_prompts(tmp_path):
    store = new_store(tmp_path / "empty")
    with pytest.raises(BadInput, match="there are no validation prompts") as refused:
        check_people(store, PPOSettings(people=40))
    assert refused.value.field == "people"
    check_people(store, PPOSettings())
    store.close()
