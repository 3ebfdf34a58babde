# SPDX-License-Identifier: Apache-2.0
"""The audit list: every command, route and button that changes people, projects, exclusions or files leaves a row."""

from __future__ import annotations

import argparse
import csv
import io
import json
import sys

import gradio as gr
import pytest
from starlette.testclient import TestClient

import app
from data.store import Store
from data.transfer import exporting
from data.transfer.backup import back_up
from labeling.accounts import accounts, management
from labeling.accounts.current import acting_as
from labeling.accounts.sign_in import COOKIE
from labeling.session import Answer, Session
from rlhf.pages import people
from rlhf.pages.labels import LabelsPage
from rlhf.pages.projects import ProjectsPage
from rlhf.pages.site import compose_site
from tests.command_tree import command_tree, verbs

PASSWORD = "correct horse"
COMMANDS = (
    ("account add Lea --role labeler --password-stdin", "add account"),
    ("account invite", "invite"),
    ("reward role r1 judge", "reward model role changed"),
    ("account password Lea", "new password link"),
    ("account token Lea", "new token"),
    ("account revoke Lea MARK", "revoke token"),
    ("account download Mina OUT/mina.jsonl", "export personal data"),
    ("account own-data Standard nothing", "set own-data rule"),
    ("account disable Lea", "close account"),
    ("account enable Lea", "open account"),
    ("account erase Lea", "erase"),
    ("projects add Notes", "project added"),
    ("projects change Notes --overlap 2 --guideline OUT/rules.md", "project changed"),
    ("projects give Notes Mina", "members added"),
    ("projects take Notes Mina", "members removed"),
    ("projects fill Notes --limit 1", "project filled"),
    ("projects gold Standard --as-judged-by Mina", "gold items set"),
    ("projects gold Standard --unset GOLD", "gold items unset"),
    ("labels set-aside Mina --reason slow", "set labeler aside"),
    ("labels take-in Mina", "take labeler in"),
    ("labels weigh", "weigh labelers"),
    ("import OUT/prompts.jsonl --as prompts", "import"),
    ("export OUT/events.jsonl --what events", "export"),
    ("export OUT/policy --what policy --id p1", "export"),
    ("backup OUT/home.tar", "backup"),
    ("store rebuild", "rebuild derived tables"),
    ("runs prune --keep 0", "prune runs"),
    ("runs worker-token node-a", "new worker token"),
)
OTHER_COMMANDS = """completion, account list, account tokens, audit, check, compare, curate, labels agreement, labels quality,
    policies merge, projects list, projects show, reward show, runs, sample, serve, simulate, supervise, tour, train, restore, store check,
    worker"""
"""Commands that read, that queue runs (their rows name the actor), or that other tests cover."""
ROUTES = ("/first", "/invite", "/label/erase", "/api/v1/import", "/train/data/upload")
OTHER_ROUTES = ("/login", "/logout", "/label/do/", "/label/rate", "/label/write", "/api/v1/", "/label/", "/train/")
"""Routes of sessions, of labels (append-only events), and of the page framework."""


@pytest.fixture
def judged(store, add_pairs, tmp_path) -> Store:
    """Two labelers with comparisons, a policy, and files to import."""
    add_pairs(4)
    for name in ("Mina", "Theo"):
        session = Session(store, store.accounts.add(name, "labeler"))
        for number in range(2):
            session.submit(Answer(f"{name}-answer-{number}", session.next().assignment, "left"))
    store.policies.add(name="tiny", kind="base", base="gpt2")
    store.runs.finish(store.runs.start(store.runs.enqueue("sft", {}, "rae").id, 1, 0.0, "").id, "done")
    (store.home / "runs" / "1" / "checkpoint").mkdir(parents=True)
    (tmp_path / "prompts.jsonl").write_text('{"prompt": "Say hi."}\n')
    (tmp_path / "rules.md").write_text("Prefer the kind one.")
    return store


def fake_export(_store, _id, out, **_) -> dict:
    return {"rows": 0, "omitted": {}, "files": [str(out)]}


def leaves(commands: argparse._SubParsersAction, prefix: str = "") -> set[str]:
    """Return every command, or its verbs."""
    names: set[str] = set()
    for name, parser in commands.choices.items():
        inner = list(verbs(parser))
        is_verb = inner and name != "curate"
        names |= leaves(inner[0], f"{prefix}{name} ") if is_verb else {prefix + name}
    return names


def test_every_command_is_either_audited_or_known_to_change_nothing_of_the_kind():
    known = leaves(command_tree())
    audited = {name for line, _ in COMMANDS for name in known if line.startswith(f"{name} ") or line == name}
    assert known == audited | {" ".join(name.split()) for name in OTHER_COMMANDS.split(",")}


def test_every_changing_command_adds_its_row(judged, home, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(exporting.MODEL_EXPORTERS, "policy", f"{__name__}:fake_export")
    judged.reward_models.add(name="tiny", base="gpt2", adapter="nowhere")
    missing = []
    for line, action in COMMANDS:
        monkeypatch.setattr(sys, "stdin", io.StringIO(PASSWORD + "\n"))
        lea = judged.accounts.by_name("Lea")
        tokens = judged.tokens.all(lea.id, "api") if lea else []
        gold = judged.gold.all()
        for word, value in (("OUT", tmp_path), ("MARK", tokens and tokens[0].mark), ("GOLD", gold and gold[0].pair_id)):
            line = line.replace(word, str(value))
        before = len(judged.audit.all())
        status = app.main([*line.split(), "--home", str(home)])
        acts = judged.audit.all()[: len(judged.audit.all()) - before]
        if status or action not in [act["action"] for act in acts]:
            missing.append((line, status, [act["action"] for act in acts], capsys.readouterr().err))
    assert missing == []
    acts = judged.audit.all()
    assert {(act["actor"], act["address"]) for act in acts} == {("command line", None)}
    changed = next(act for act in acts if act["action"] == "project changed")
    assert changed["detail"]["changed"] == ["guideline_version", "overlap"]
    assert changed["detail"]["guideline_version"] == 2


def test_a_restored_home_and_a_repaired_store_say_so(judged, tmp_path, capsys):
    judged.execute("INSERT INTO tallies VALUES (1, 1, 5) ON CONFLICT DO UPDATE SET answers = 5")
    back_up(judged, tmp_path / "home.tar")
    again = str(tmp_path / "again")
    assert app.main(["restore", str(tmp_path / "home.tar"), "--home", again]) == 0
    assert app.main(["store", "check", "--repair", "--home", again]) == 0
    restored = Store(again)
    assert [act["action"] for act in restored.audit.all()] == ["repair store", "restore"]
    restored.close()


def test_every_posting_route_is_either_audited_or_known_to_change_nothing_of_the_kind(store):
    site = compose_site(store)
    paths = {path for method, path in site.app.own_routes if method == "POST"}
    paths |= {route.path for route in site.app.app.routes if "POST" in (getattr(route, "methods", None) or ())}
    assert {path for path in paths if not path.startswith((*ROUTES, *OTHER_ROUTES))} == set()


def test_routes_record_the_actor_and_the_address(store, judged):
    client = TestClient(compose_site(judged), follow_redirects=False)

    def post(path: str, **form: str) -> str:
        """Post a form; return the newest act as one line."""
        assert client.post(path, data=form).status_code < 400
        return newest()

    def newest() -> str:
        act = judged.audit.all()[0]
        return f"{act['name']} from {act['address']}: {act['action']}"

    first = accounts.issue_first_link(judged).partition("token=")[2]
    assert post("/first", token=first, name="Ada", password=PASSWORD) == "Ada from testclient: add account"
    ada = judged.accounts.by_name("Ada")
    token = management.invite(judged, "labeler", by=ada).partition("token=")[2]
    assert post("/invite", token=token, name="Lea", password=PASSWORD) == "Lea from testclient: add account"
    token = management.issue_password_link(judged, "Lea", by=ada).partition("token=")[2]
    assert post("/invite", token=token, password=PASSWORD + "!") == "Lea from testclient: set password"
    assert client.get("/label/mine").status_code == 200
    assert newest() == "Lea from testclient: export personal data"
    acts = [json.loads(line) for line in client.get("/label/mine").text.splitlines()]
    assert [act["address"] for act in acts if act["kind"] == "act"] == ["testclient"] * 4
    assert post("/label/erase", name="Lea").endswith("from None: erase")
    lea = judged.audit.all()[0]["actor"]
    assert {act["address"] for act in judged.audit.all() if act["actor"] == lea} == {None}

    client.cookies = {COOKIE: judged.tokens.issue("session", ada.id, 600)}
    bearer = {"authorization": f"Bearer {judged.tokens.issue('api', ada.id, 600)}"}
    (judged.home / "exports").mkdir()
    (judged.home / "exports" / "a.jsonl").write_text("{}")
    for method, path, action in (
        ("POST", "/train/data/upload?name=a.jsonl", "upload"),
        ("POST", "/api/v1/import?as=prompts", "import"),
        ("GET", "/api/v1/export?what=events", "export"),
        ("GET", "/train/exports/a.jsonl", "download export"),
        ("GET", "/train/audit.csv", "export"),
    ):
        answer = client.request(method, path, headers=bearer, content=b'{"prompt": "x"}' if method == "POST" else None)
        assert answer.status_code == 200, answer.text
        assert newest() == f"Ada from testclient: {action}"
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert len(rows) == len(judged.audit.all())
    assert (rows[-1]["action"], rows[-1]["address"], rows[-1]["name"]) == ("export", "testclient", "Ada")


def test_every_button_of_the_people_page_adds_its_row_with_the_address(judged):
    ada = judged.accounts.add("Ada", "researcher", password_hash="x")
    site = compose_site(judged)
    client = TestClient(site, cookies={COOKIE: judged.tokens.issue("session", ada.id, 600)})
    (mount,) = (route for route in site.app.app.routes if getattr(route, "path", "") == "/train")
    blocks = mount.app.get_blocks()
    titles = {block._id: block.value for block in blocks.blocks.values() if isinstance(block, gr.Button)}
    expected = {
        "reset_password": "new password link",
        "create_token": "new token",
        "revoke_token": "revoke token",
        "close": "close account",
        "reopen": "open account",
        "erase": "erase",
    }
    assert set(expected) == set(people.ACTIONS)
    for key, action in expected.items():
        title = people.text(f"people.{key}")
        (handler,) = (fn for fn in blocks.fns.values() if titles.get(fn.targets[0][0]) == title)
        marks = [token.mark for token in judged.tokens.all(judged.accounts.by_name("Theo").id, "api")]
        call = {"fn_index": handler._id, "session_hash": "test", "data": ["Theo", *(marks or [""])[:1], "Theo"]}
        assert client.post("/train/gradio_api/run/predict", json=call).status_code == 200
        act = judged.audit.all()[0]
        assert (act["actor"], act["address"], act["action"]) == (f"account {ada.id}", "testclient", action)


def test_every_change_of_the_other_pages_adds_its_row(judged):
    ada = judged.accounts.add("Ada", "researcher")
    with gr.Blocks() as blocks:
        projects, labels = ProjectsPage(judged, blocks.load), LabelsPage(judged, blocks.load)
    with acting_as(ada):
        projects.create("Notes")
        notes = judged.projects.by_name("Notes")
        shown = projects.show("Notes")
        given = {field: shown[field] for key, field in projects.fields.items() if key != "people"}
        given |= {projects.choice: "Notes", projects.fields["people"]: ["Theo"], projects.fields["overlap"]: 3}
        projects.change(given)
        projects.move_pairs("Notes", 1)
        projects.set_gold("Standard", "Mina")
        labels.exclude("Mina", "slow")
        labels.include("Mina", "")
        labels.compute_weights("people")
    acts = [act for act in reversed(judged.audit.all()) if act["actor"] == f"account {ada.id}"]
    assert [act["action"] for act in acts] == [
        "project added",
        "members added",
        "project changed",
        "project filled",
        "gold items set",
        "set labeler aside",
        "take labeler in",
        "weigh labelers",
    ]
    assert acts[1]["detail"] == {"project": "Notes", "accounts": [judged.accounts.by_name("Theo").id]}
    assert (acts[2]["detail"], notes.overlap) == ({"changed": ["overlap"], "project": "Notes"}, 1.0)
