# SPDX-License-Identifier: Apache-2.0
"""The rows of a ranking are one ranking again, and imported rankings obey the rules of every import."""

from __future__ import annotations

import json

import pytest
from sqlite_utils.utils import sqlite3

from data.formats.ranking_rows import FLATTENED, TIED
from data.formats.shapes import PromptShape
from data.maintenance.check import check_home
from data.transfer.checked_rows import ImportFile
from data.transfer.exporting import ExportRequest, export_rows
from data.transfer.import_survey import MOST_LABELERS
from data.transfer.importing import import_file
from data.transfer.previewing import preview
from data.views.event_stream import stream_events
from data.views.preferences import preference_rows
from data.views.rebuild_derived import rebuild
from labeling.session import Session
from tests.support.data.import_rows import preference, write
from tests.support.data.rankings import add_ranking, rankings_of
from tests.support.data.stores import new_store

ANSWERS = [(text, "p1") for text in ("a fox", "a lamp", "no")]
ORDER = (1, 2, 3)


@pytest.fixture
def rows(tmp_path):
    """rows(places, ...) -> the rows of an export with a ranking by a labeler (mina) and by others."""
    stores = []

    def make(*places, form="trl", labelers=(("mina", "person"), ("jun", "person"), ("sim", "simulated"))):
        stores.append(new_store(tmp_path / f"first-{len(stores)}"))
        for order, labeler in zip(places, labelers, strict=False):
            answers = [(f"{text}{n}" if n else text, "p1") for n, (text, _) in enumerate(ANSWERS * 4)]
            add_ranking(stores[-1], PromptShape("Name one."), answers[: len(order)], order, *labeler)
        out = tmp_path / f"out-{len(stores)}.jsonl"
        export_rows(stores[-1], out, ExportRequest("preferences", form, labels="all", names=True))
        return [json.loads(line) for line in out.read_text().splitlines()]

    yield make
    for store in stores:
        store.close()


def test_a_ranking_comes_in_with_its_labeler_and_no_labeler_gets_its_task(store, file, rows):
    report = import_file(store, write(file, rows(ORDER)), "preferences")
    assert (report["read"], report["added"], report["next"].partition(":")[0]) == (1, 1, "1 ranking added")
    assert report["notes"] == {}
    [ranking] = store.rankings.current()
    assert (ranking.source, ranking.unchanged, ranking.assignment_id) == ("import", False, None)
    assert store.accounts.get(ranking.labeler_id).name == "file:given.jsonl (mina)"
    task = store.rankings.task(ranking.task_id)
    assert (task.purpose, task.shown) == ("import", False)
    for labeler in ("Ada", "sim-1"):
        account = store.accounts.add(labeler, "labeler", simulated=labeler == "sim-1")
        assert Session(store, account, rankings=True).next() is None
    assert store.projects.counts(1) | {"answers": 1} == dict.fromkeys(store.projects.counts(1), 0) | {
        "answers": 1,
        "labelers": 1,
    }


def test_a_simulated_ranking_stays_simulated_and_has_its_assignment(store, file, rows):
    import_file(store, write(file, rows((2, 1, 1), labelers=[("sim", "simulated")])), "preferences")
    [ranking] = store.rankings.current(source="simulated")
    assert store.accounts.get(ranking.labeler_id).simulated
    assert store.assignments.get(ranking.assignment_id).done
    assert {row.source for row in preference_rows(store, source="simulated")} == {"simulated"}
    assert check_home(store.home) == []


def test_the_report_says_when_ties_have_no_rows(store, file, rows):
    assert import_file(store, write(file, rows((1, 2, 2))), "preferences")["notes"] == {TIED: 1}
    assert sorted(store.rankings.current()[0].places.values()) == [1, 2, 2]


def without(number):
    return lambda rows: rows[:number] + rows[number + 1 :]


def changed(number, **values):
    return lambda rows: [row | values if place == number else row for place, row in enumerate(rows)]


def ten(rows):
    """Every order of ten answers, as a ranking of ten would be."""
    answers = [str(number) for number in range(10)]
    pairs = [(better, worse) for place, better in enumerate(answers) for worse in answers[place + 1 :]]
    about = {key: value for key, value in rows[0].items() if key not in ("chosen", "rejected")}
    return [about | {"weight": 0.2, "chosen": better, "rejected": worse} for better, worse in pairs]


@pytest.mark.parametrize(
    "spoil",
    [
        without(0),
        changed(0, chosen="no", rejected="a fox"),
        changed(0, labeler="jun"),
        changed(0, source="simulated"),
        changed(0, prompt="Name two."),
        changed(0, weight=0.5),
        changed(0, margin=3),
        changed(0, chosen_model="p2"),
        changed(0, said_in="other"),
        changed(1, said_in=None),
        lambda rows: [*rows, rows[0] | {"note": "again"}],
        ten,
    ],
    ids=["a row lacks", "circle", "labeler", "source", "prompt", "weight", "margin", "model", "ranking", "no ranking"]
    + ["twice", "ten"],
)
def test_rows_that_are_no_whole_ranking_are_comparisons_and_counted(store, file, rows, spoil):
    given = spoil(sorted(rows(ORDER), key=lambda row: (row["chosen"], row["rejected"] != "no")))
    report = import_file(store, write(file, given), "preferences")
    assert (report["added"], store.comparisons.count(), store.rankings.count()) == (len(given), len(given), 0)
    assert report["notes"][FLATTENED] == len(given)


def test_a_row_of_a_tie_that_lacks_is_missed_where_the_format_has_such_rows(store, file, rows):
    given = rows((1, 2, 2), form="full")
    assert len(given) == 3
    report = import_file(store, write(file, [row for row in given if row["label"] != 0.5]), "preferences")
    assert (report["notes"], store.rankings.count()) == ({FLATTENED: 2}, 0)


def test_the_same_rankings_come_in_once(store, file, rows):
    given = rows(ORDER, (3, 3, 1), (2, 1, 1))
    for added in (3, 0):
        report = import_file(store, write(file, given), "preferences")
        assert (report["added"], report["duplicate"]) == (added, 3 - added)
    assert preview([ImportFile.at(file)], "preferences", store=store).duplicate == 3
    assert store.rankings.count() == 3


def test_rows_that_came_in_as_comparisons_are_no_ranking_later(store, file, rows):
    given = rows(ORDER)
    apart = [row for pair in zip(given, map(preference, range(3)), strict=True) for row in pair]
    assert import_file(store, write(file, apart), "preferences")["notes"] == {FLATTENED: 3}
    assert import_file(store, write(file, given), "preferences")["added"] == 0


def test_an_import_into_the_home_of_the_rankings_adds_nothing(store, file):
    add_ranking(store, PromptShape("Name one."), ANSWERS, ORDER, "mina")
    before = rankings_of(store)
    export_rows(store, file, ExportRequest("preferences", "hh"))
    assert import_file(store, file, "preferences")["duplicate"] == 1
    assert rankings_of(store) == before
    assert store.value("SELECT count(*) FROM ranking_tasks") == 1


def test_labelers_who_share_an_account_keep_their_rankings_of_one_task(store, file, rows):
    crowd = [preference(number) | {"labeler": str(number)} for number in range(MOST_LABELERS + 1)]
    import_file(store, write(file, [*crowd, *rows(ORDER, (3, 2, 1))]), "preferences")
    first, second = store.rankings.current()
    assert (first.labeler_id, first.task_id) == (second.labeler_id, second.task_id)
    assert first.places != second.places


def test_the_preview_counts_rankings(file, rows):
    seen = preview([ImportFile.at(write(file, [preference(1), *rows(ORDER, (1, 1, 2))]))], "preferences")
    assert (seen.good, seen.bad, seen.comparisons, seen.rankings, seen.labelers) == (6, 0, 1, 2, 2)
    assert sorted(seen.shown[1]["places"]) == [1, 2, 3]


def test_a_ranking_counts_only_once_its_import_is_done_and_is_never_deleted(store, file, rows, monkeypatch):
    seen = []

    def look(id):
        views = ("current_rankings", "ranked_pairs")
        seen.append([store.value(f"SELECT count(*) FROM {view}") for view in views])
        seen.append([len(store.rankings.events()), len(list(stream_events(store)))])
        seen.append([len(store.comparison_columns.rankings()), store.value("SELECT count(*) FROM rankings")])
        end(id)

    end = store.imports.end
    monkeypatch.setattr(store.imports, "end", look)
    import_file(store, write(file, rows(ORDER)), "preferences")
    assert seen == [[0, 0], [0, 0], [0, 1]]
    kinds = [event["event"] for event in stream_events(store)]
    assert kinds == ["prompt", "completion", "completion", "completion", "ranking"]
    assert len(store.comparison_columns.rankings()) == 3
    for table in ("rankings", "ranking_places", "ranking_answers", "ranking_tasks"):
        with pytest.raises(sqlite3.IntegrityError, match="written once"):
            store.execute(f"DELETE FROM {table}")


@pytest.mark.parametrize("table", ["rankings", "ranking_places", "ranking_tasks", "comparisons"])
def test_an_import_that_breaks_off_leaves_no_ranking(store, file, rows, table):
    ids = add_ranking(store, PromptShape("Here."), ANSWERS, ORDER, "ada")
    given = [*rows(ORDER, (1, 1, 2), (2, 1, 3)), preference(1)]
    write(file, given)
    store.execute(
        f"CREATE TRIGGER full BEFORE INSERT ON {table} WHEN (SELECT count(*) FROM {table}) >= {4 if 'places' in table else 1}"
        " BEGIN SELECT RAISE(ABORT, 'no more room'); END"
    )
    if table == "comparisons":
        import_file(store, write(file.with_name("other.jsonl"), [preference(2)]), "preferences")
    before = [store.rows(f"SELECT * FROM {name} ORDER BY 1") for name in ("tallies", "ranking_tasks", "prompts")]
    with pytest.raises(sqlite3.IntegrityError, match="no more room"):
        import_file(store, file, "preferences")
    assert [ranking.id for ranking in store.rankings.events()] == [ids]
    after = [store.rows(f"SELECT * FROM {name} ORDER BY 1") for name in ("tallies", "ranking_tasks", "prompts")]
    assert after == before
    store.execute("DROP TRIGGER full")
    assert check_home(store.home) == []
    assert import_file(store, file, "preferences")["added"] == 4
    assert check_home(store.home) == []
    tasks = store.rows("SELECT * FROM ranking_tasks")
    rebuild(store)
    assert store.rows("SELECT * FROM ranking_tasks") == tasks


def test_an_export_leaves_out_a_ranking_that_the_format_holds_only_in_part(store, file):
    spaces = [*ANSWERS, ("  ", "p1")]
    add_ranking(store, PromptShape("Name one."), spaces, (1, 2, 3, 4), "mina")
    add_ranking(store, PromptShape("Name two."), ANSWERS, ORDER, "mina")
    done = export_rows(store, file, ExportRequest("preferences", "hh"))
    assert done["rows"] == 3
    assert done["omitted"] == {
        "an answer of spaces cannot end a transcript": 3,
        "the format cannot hold another answer of its ranking or edit": 3,
    }
