# SPDX-License-Identifier: Apache-2.0
"""The first start of a home: the starter, the user's base, and its chat template."""

from __future__ import annotations

import pytest

from data.errors import BadInput
from data.run_context import RunContext
from data.settings import parse_settings
from rlhf.common import locks
from rlhf.methods import sample
from rlhf.methods.simulate import LABELS
from rlhf.pages.next_step import FIRST_REWARD
from rlhf.probe.document import Unusable
from rlhf.runs import first_start
from rlhf.runs.first_start import FIRST_PAIRS, FIRST_PAIRS_OF_STARTER, first_sampling, prepare
from rlhf.settings import SampleSettings

TEMPLATE = "{% for m in messages %}[{{ m.role }}] {{ m.content }}\n{% endfor %}"


@pytest.fixture(autouse=True)
def checked(monkeypatch):
    """The models that were checked, each with its template. The folders of these tests hold no weights."""
    checked = []
    monkeypatch.setattr(first_start, "ensure_usable", lambda home, *model: checked.append(model))
    return checked


@pytest.fixture
def unwatched(store):
    """A store with one policy, no prompts (so that nothing is sampled), and the supervisor's lock taken."""
    store.policies.add(name="tiny", kind="base", base="elsewhere")
    with locks.acquire_lock(store.home / locks.SUPERVISOR):
        yield store


@pytest.fixture
def model(tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    return str(folder)


@pytest.fixture
def template(tmp_path):
    file = tmp_path / "chat.jinja"
    file.write_text(TEMPLATE, encoding="utf-8")
    return file


def kept(store) -> list[tuple[str, str | None]]:
    return [(policy.name, policy.versions.get("chat_template")) for policy in store.policies.all()]


def test_a_base_is_registered_once(unwatched, model):
    prepare(unwatched, model)
    prepare(unwatched, model)
    assert kept(unwatched) == [("tiny", None), ("model", None)]


def test_a_home_that_begins_with_a_base_gets_everyday_prompts_and_asks_them_first(store, model, monkeypatch):
    monkeypatch.setattr(first_start, "launch", lambda store, kind, settings, by: launched.append((kind, settings)))
    launched: list = []
    prepare(store, model)
    sources = {row["source"]: row["n"] for row in store.catalogue.counts("prompts")}
    assert (sources, store.instructions.count()) == ({"everyday": 60}, 0)
    assert {policy.name for policy in store.policies.all()} == {"model"}
    # 114 pairs are 110 and three in a hundred; 42 train and 15 test prompts make 57, so each gets two pairs
    assert launched == [("sample", {"prompts": 114, "per_prompt": 4, "batch_size": 32})]
    assert all(store.prompts.count(split) for split in ("train", "validation", "test"))


def test_the_first_sampling_run_makes_enough_pairs_for_the_first_reward_model(store, monkeypatch):
    launched: list = []
    monkeypatch.setattr(first_start, "launch", lambda store, kind, settings, by: launched.append(settings))
    prepare(store)
    (settings,) = launched
    assert settings["prompts"] * settings["per_prompt"] // 2 >= FIRST_PAIRS_OF_STARTER > LABELS  # simulated ones
    assert FIRST_PAIRS > FIRST_REWARD


def test_a_home_with_few_prompts_gets_at_most_four_pairs_of_each(store):
    store.prompts.add_many({"text": f"Name {number} cats.", "source": "mine"} for number in range(8))
    assert first_sampling(store) == {"prompts": 114, "per_prompt": 8, "batch_size": 32}


def test_the_first_pairs_are_stored_long_before_the_last(store, base_folder):
    store.policies.add(name="tiny", kind="base", base=str(base_folder))
    store.prompts.add_many({"text": f"Name {number} cats.", "source": "mine"} for number in range(200))
    settings = parse_settings(SampleSettings, first_sampling(store) | {"max_new_tokens": 2})
    store.runs.enqueue("sample", {}, "test")
    seen: list[int] = []

    class Watched(RunContext):
        def progress(self, done: int, total: int, note: str = "") -> None:
            seen.append(store.pairs.count())

    sample.run(Watched(store, store.runs.claim()), settings)
    assert seen[:2] == [0, 16]  # a batch of 32 answers
    assert seen[-1] == 114


def test_a_base_that_comes_into_a_home_of_the_starter_brings_everyday_prompts_once(store, model, monkeypatch):
    monkeypatch.setattr(first_start, "launch", lambda *given, **about: None)
    prepare(store)
    asked = store.prompts.count()
    prepare(store, model)
    prepare(store, model)
    assert store.prompts.count() == asked + 60


def test_a_home_with_prompts_of_its_own_gets_no_everyday_prompts(store, model, monkeypatch):
    monkeypatch.setattr(first_start, "launch", lambda *given, **about: None)
    store.prompts.add_many([{"text": "Name a cat.", "source": "mine"}])
    prepare(store, model)
    prepare(store)
    assert [prompt.text for prompt in store.prompts.all()] == ["Name a cat."]
    assert store.policies.count() == 1


def test_a_chat_template_is_stored_with_its_base(unwatched, model, template):
    prepare(unwatched, model, template)
    prepare(unwatched, model, template)
    prepare(unwatched, model)
    assert kept(unwatched) == [("tiny", None), ("model", TEMPLATE)]


def test_a_template_given_later_makes_another_policy_of_the_same_base(unwatched, model, template):
    prepare(unwatched, model)
    prepare(unwatched, model, template)
    assert kept(unwatched) == [("tiny", None), ("model", None), ("model", TEMPLATE)]


def test_a_policy_keeps_the_day_on_which_its_base_was_registered(unwatched, model):
    prepare(unwatched, model)
    policy = unwatched.policies.all()[-1]
    assert policy.versions == {"template_date": policy.created_at[:10]}


def test_other_arguments_of_the_template_make_another_policy(unwatched, model):
    for arguments in ([], ["enable_thinking=false"], ["enable_thinking=false"], ["level=2", "name=Mina"], []):
        prepare(unwatched, model, None, arguments)
    kwargs = [policy.versions.get("template_kwargs") for policy in unwatched.policies.all()]
    assert kwargs == [None, None, {"enable_thinking": False}, {"level": 2, "name": "Mina"}]


@pytest.mark.parametrize("argument", ["enable_thinking", "=1", "a b=1", "levels=[1]", "tokenize=false"])
def test_an_argument_that_is_none_is_refused(unwatched, model, argument):
    with pytest.raises(BadInput) as refused:
        prepare(unwatched, model, None, [argument])
    assert (refused.value.field, unwatched.policies.count()) == ("template-set", 1)


def test_arguments_without_a_model_are_refused(unwatched):
    with pytest.raises(BadInput, match="--base"):
        prepare(unwatched, None, None, ["a=1"])


def test_a_template_that_is_no_valid_jinja_is_refused_with_its_line(unwatched, model, tmp_path):
    file = tmp_path / "bad.jinja"
    file.write_text("{{ bos_token }}\n{% for m in messages %}\n{{ m.content }", encoding="utf-8")
    with pytest.raises(BadInput, match="no valid Jinja") as refused:
        prepare(unwatched, model, file)
    assert (refused.value.file, refused.value.line, unwatched.policies.count()) == (str(file), 3, 1)


@pytest.mark.parametrize(
    ("content", "reason"), [(None, "cannot be read"), (b" \n", "is empty"), (b"\xff", "cannot be read")]
)
def test_an_unusable_template_is_refused_and_changes_nothing(unwatched, model, tmp_path, content, reason):
    file = tmp_path / "bad.jinja"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(BadInput, match=reason) as refused:
        prepare(unwatched, model, file)
    assert refused.value.file == str(file)
    assert kept(unwatched) == [("tiny", None)]


def test_a_template_without_a_model_is_refused(unwatched, template):
    with pytest.raises(BadInput, match="--base"):
        prepare(unwatched, None, template)


@pytest.mark.parametrize("name", ["models/typo", "typo", "a/b/c", "nobody/never-downloaded"])
def test_a_name_that_is_neither_a_folder_nor_a_downloaded_model_is_refused(unwatched, name):
    with pytest.raises(BadInput, match="there is no model in") as refused:
        prepare(unwatched, name)
    assert refused.value.field == "base"
    assert [policy.name for policy in unwatched.policies.all()] == ["tiny"]


def test_the_id_of_a_downloaded_hub_model_is_accepted(unwatched, tmp_path, monkeypatch):
    revision = tmp_path / "hub" / "models--somebody--small" / "snapshots" / "abc"
    revision.mkdir(parents=True)
    (revision / "config.json").write_text("{}")
    (revision.parent.parent / "refs").mkdir()
    (revision.parent.parent / "refs" / "main").write_text("abc")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    prepare(unwatched, "somebody/small")
    assert unwatched.policies.all()[-1].base == "somebody/small"


def test_the_base_is_checked_with_its_template_before_it_is_registered(
    unwatched, model, template, checked, monkeypatch
):
    prepare(unwatched, model, template)
    assert checked == [(model, TEMPLATE, {})]
    assert kept(unwatched)[-1] == ("model", TEMPLATE)

    def refuse(home, *model):
        raise Unusable({"model": model[0], "lines": [{"state": "refused", "detail": "no", "remedy": "Take another."}]})

    monkeypatch.setattr(first_start, "ensure_usable", refuse)
    before = kept(unwatched)
    with pytest.raises(BadInput, match="cannot be a base: no"):
        prepare(unwatched, model)
    assert kept(unwatched) == before


def test_without_a_base_nothing_is_checked(unwatched, checked):
    prepare(unwatched)
    assert checked == []
