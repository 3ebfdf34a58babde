# SPDX-License-Identifier: Apache-2.0
"""Links to runs, policies, reward models and projects: every id is one, and nothing that only looks like an id."""

from __future__ import annotations

import pytest

from data.errors import BadInput
from labeling.texts.translate import Refusal
from reward.report.addresses import (
    ID,
    PAGES,
    address_of,
    chosen_by_address,
    id_link,
    link_ids,
    link_value,
    project_link,
    unknown,
)
from reward.report.view import message_html

RUN5 = "<a class=id href='#runs/run5'>run5</a>"
P3 = "<a class=id href='#policies/p3'>p3</a>"
R2 = "<a class=id href='#reward/r2'>r2</a>"


def test_an_id_is_a_link_to_the_page_of_its_kind():
    assert [id_link(id) for id in ("run5", "p3", "r2")] == [RUN5, P3, R2]


@pytest.mark.parametrize("other", ["rubric", "s4", "5", "p", "", "<b>p3</b>"])
def test_a_text_that_is_no_id_is_escaped_and_no_link(other):
    assert id_link(other) == other.replace("<", "&lt;").replace(">", "&gt;")


def test_ids_inside_a_sentence_are_links_whatever_follows_them():
    assert link_ids("run5 compares p3, r2.") == f"{RUN5} compares {P3}, {R2}."
    assert link_ids("(run5) p3와(과) r2로") == f"({RUN5}) {P3}와(과) {R2}로"


@pytest.mark.parametrize(
    "other", ["DeepSeek-r1", "models/p3", "p3/adapter", "r2.json", "run5x", "xp3", "'p3'", "#r2", "s3", "p3-large"]
)
def test_a_name_or_path_that_contains_an_id_is_no_link(other):
    assert "<a" not in link_ids(f"see {other} there")


def test_a_message_links_only_the_ids_that_it_is_given():
    assert "<a" not in message_html("p3 is excluded.")  # a labeler of this name
    assert f">{RUN5} is queued for p3.<" in message_html("run5 is queued for p3.", "run5")


def test_markup_around_an_id_stays_text():
    assert link_ids("<i>p3</i>") == "&lt;i&gt;p3&lt;/i&gt;"
    assert link_ids("<i> p3 </i>") == f"&lt;i&gt; {P3} &lt;/i&gt;"


def test_a_value_is_a_link_only_if_it_holds_ids_alone():
    assert (link_value("p3"), link_value("run5, r2"), link_value("p3,r2")) == (P3, f"{RUN5}, {R2}", f"{P3},{R2}")
    assert (link_value("the p3"), link_value(7)) == ("the p3", "7")


def test_every_address_is_relative_so_that_it_holds_under_a_root_path():
    assert {prefix: address_of(page, f"{prefix}1") for prefix, page in PAGES.items()} == {
        "run": "#runs/run1",
        "p": "#policies/p1",
        "r": "#reward/r1",
    }
    assert all(ID.fullmatch(f"{prefix}1") for prefix in PAGES)


def test_a_project_with_a_strange_name_has_one_quoted_address():
    assert project_link("a/b '<") == "<a class=id href='#projects/a%2Fb%20%27%3C'>a/b &#x27;&lt;</a>"


def test_an_event_gets_the_chosen_thing_in_place_of_its_first_input():
    assert chosen_by_address("runs", 3) == "(chosen, ...others) => [chosenOn('runs'), ...others.slice(0, 2)]"


def test_an_error_links_the_ids_in_it_but_neither_a_name_nor_the_unknown_thing_itself():
    assert f"{P3} has no parent." in message_html(Refusal("train.policies.no_parent", policy="p3"))
    assert "<a" not in message_html(Refusal("train.projects.no_account", name="p3"))
    assert "<a" not in message_html(unknown("policies", "p3"))


def test_an_error_of_a_page_keeps_its_quoted_names_without_a_link():
    assert "<a" not in message_html(BadInput("there is no project 'p3'", "Take one of Standard."))
