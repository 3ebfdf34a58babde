# SPDX-License-Identifier: Apache-2.0
"""A tour's lines: where it writes, each stage with progress and time left, answers before and after, plain results."""

from __future__ import annotations

import io
import re
from dataclasses import replace

import pytest

from data.clock import now
from data.errors import BadInput
from rlhf.tour.command import render_tour
from rlhf.tour.narrator import Narrator
from rlhf.tour.plain import plain_result
from rlhf.tour.run import run_tour
from rlhf.tour.stages import TourEnvironment
from tests.rlhf.tour.test_report import RECORDED
from tests.support.tiny_tour import PLAN

JARGON = re.compile(r"\b(?:gold|skill|nats|KL|rubric|reference|noisy|ceiling)\b")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def running(store, done: int, note: str):
    """Return a run that works since now; `done` of 64 passes."""
    run = store.runs.get(store.runs.enqueue("ppo", {}, "tour").id)
    return replace(run, state="running", started_at=now(), done=done, total=64, note=note)


@pytest.fixture(scope="module")
def lines(environment: TourEnvironment, tmp_path_factory) -> list[str]:
    """The lines of a whole tour."""
    stream = io.StringIO()
    run_tour(tmp_path_factory.mktemp("told") / "a home", plan=PLAN, environment=environment, stream=stream)
    return stream.getvalue().splitlines()


def test_a_tour_says_first_where_it_writes_and_how_to_watch_it(lines):
    assert lines[2].startswith("Home:           /")
    home = lines[2].split(maxsplit=1)[1]
    assert lines[3] == f"In the browser: preference-loop serve --home '{home}'"  # quoted: its name has a space


def test_each_stage_has_its_number_and_its_time(lines):
    heads = [line for line in lines if re.match(r"\d of 5  ", line)]
    assert [head.split("  ")[1] for head in heads] == [
        "Sample answers",
        "Simulated labelers compare them",
        "Train the reward model",
        "Train a policy with PPO",
        "Compare the new policy with the old one",
    ]
    assert sum(bool(re.match(r"  done in \d+ s, [\d,]+ MB of memory", line)) for line in lines) == 5


def test_answers_are_shown_as_sampled_as_preferred_and_before_and_after_training(lines):
    captions = [line.split(":")[0].strip() for line in lines if re.match(r"  [A-Z]\w+: ", line)]
    shown = ["Prompt", "Answer", "Prompt", "Preferred", "To"] + 2 * ["Prompt", "Before", "After"]
    assert captions == shown


def test_progress_names_the_update_and_the_time_left(store):
    stream = Terminal()
    narrator = Narrator(stream, ["ppo"])
    narrator.progress(running(store, 0, ""))
    narrator.progress(replace(running(store, 32, "update 4 of 8"), started_at="2026-01-01T00:00:00+00:00"))
    assert "\r\033[K  update 4 of 8 · about " in stream.getvalue()
    assert stream.getvalue().endswith(" left")


def test_a_terminal_shows_progress_on_one_line_and_a_file_gets_few_lines(store):
    terminal, file = Terminal(), io.StringIO()
    for stream in (terminal, file):
        narrator = Narrator(stream, ["ppo"])
        narrator.begin("ppo")
        for update in range(8):
            narrator.progress(running(store, 8 * update, f"update {update} of 8"))
        narrator.end(12.0, 700.0)
    assert terminal.getvalue().count("\n") == 3  # an empty line, the title and the end
    assert "update 7 of 8" in terminal.getvalue()
    assert file.getvalue() == "\n1 of 1  Train a policy with PPO\n  done in 12 s, 700 MB of memory\n"


@pytest.mark.parametrize("recorded", RECORDED)
def test_the_result_ends_in_plain_sentences_for_recorded_documents_too(recorded):
    sentences = plain_result(recorded)
    low, high = (f"{100 * end:.0f}" for end in recorded["ppo"]["win_rate_ci"])
    rate = f"{100 * recorded['ppo']['win_rate']:.0f} %"
    assert sentences[0] == f"The new policy's answers win {rate} ({low} to {high}) of the time against the old one's."
    assert not any(JARGON.search(sentence) for sentence in sentences)
    assert render_tour(recorded).endswith("\n".join(sentences))


def test_the_last_line_opens_the_home(findings):
    last = render_tour(findings.document, home=findings.home).splitlines()[-1]
    assert last == f"Open it in the browser: preference-loop serve --home {findings.home}"


def test_a_document_of_another_format_is_refused_in_one_line():
    with pytest.raises(BadInput, match="the tour's document has no 'ppo'") as refused:
        render_tour({"stages": {}, "seed": 1, "labels": 10})
    assert refused.value.remedy == "Run the tour again with this version."
