# SPDX-License-Identifier: Apache-2.0
"""`preference-loop labels` from the command line to the store."""

from __future__ import annotations

import json

import app


def test_the_command_tells_the_figures_as_json(store, add_pairs, compare, mina, jun, capsys):
    for pair in add_pairs(2):
        compare(pair, mina, "left")
        compare(pair, jun, "left")

    def command(*words):
        return app.main(["labels", *words, "--home", str(store.home)])

    assert command("agreement", "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["rate"], document["pairs"], document["between"][0]["labelers"]) == (1.0, 2, ["mina", "jun"])
    assert command("quality", "--json") == 0
    assert json.loads(capsys.readouterr().out)["labelers"][0]["agreement"]["of"] == 2
    for words in (
        ["agreement"],
        ["quality"],
        ["weigh"],
        ["set-aside", "jun", "--reason", "asleep"],
        ["take-in", "jun"],
    ):
        assert command(*words) == 0
    assert "100% (34% to 100%) of 2 pairs" in capsys.readouterr().out
    assert command("set-aside", "nobody", "--reason", "x") == 2


def test_without_a_pair_of_two_people_agreement_says_which_labels_count(store, add_pairs, compare, mina, capsys):
    (pair,) = add_pairs(1)
    compare(pair, mina, "left")
    assert app.main(["labels", "agreement", "--home", str(store.home)]) == 0
    assert "two of these labelers yet; --of chooses people" in capsys.readouterr().out
