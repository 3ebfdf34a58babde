# SPDX-License-Identifier: Apache-2.0
"""Refusals of a full fine-tuning, and a full disk."""

from __future__ import annotations

import shutil
from collections import namedtuple

import pytest

import app
from data.errors import BadInput
from data.settings import describe, parse_settings
from reward.page import setting_field
from reward.placement_settings import write_placement
from rlhf.kinds import KINDS
from rlhf.runs.launch import launch
from rlhf.settings import DPOSettings, SFTSettings
from tests.support.tuning import FULL, SETTINGS, filled, worked

KIND = pytest.mark.parametrize("kind", SETTINGS)


@pytest.fixture
def notes(tmp_path, base_folder):
    store = filled(tmp_path / "home", base_folder)
    yield store
    store.close()


def no_room(*_, **__):
    raise OSError(28, "No space left on device")


@KIND
@pytest.mark.parametrize("place", ["transformers.PreTrainedModel.save_pretrained", "torch.save"])
def test_a_full_disk_leaves_no_half_written_policy_or_checkpoint(notes, monkeypatch, kind, place):
    with monkeypatch.context() as patch:
        patch.setattr(place, no_room)
        run = worked(notes, kind, SETTINGS[kind] | {"max_steps": 2})
    assert run.state == "failed"
    assert run.error.startswith("the disk is full")
    assert notes.policies.count() == 1
    assert not (notes.home / "policies").exists()
    left = {path.name for path in (notes.home / "runs" / str(run.id)).rglob("*") if path.is_file()}
    assert left <= {"snapshot.json"}  # the name of the frozen rows


@KIND
def test_a_disk_without_room_for_the_checkpoints_is_refused_before_the_training(notes, monkeypatch, kind):
    usage = namedtuple("usage", "total used free")(10**9, 10**9, 10**5)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage)
    run = worked(notes, kind, SETTINGS[kind])
    assert run.error.startswith("finetuning=full needs 0.0 GB of disk for its checkpoints, 0.0 GB are free")
    assert notes.metrics.keys(run.id) == []


@KIND
@pytest.mark.parametrize("bits", ["8bit", "4bit"])
def test_quantised_weights_are_refused_wherever_they_are_asked_for(notes, capsys, kind, bits):
    message = f"quantize={bits} leaves weights of {bits[0]} bits, which cannot be trained"
    with pytest.raises(BadInput, match=message):
        parse_settings(KINDS[kind].settings_class(), FULL | {"quantize": bits})
    write_placement(notes.home, {"quantize": bits})
    with pytest.raises(BadInput, match=message) as refused:
        launch(notes, kind, SETTINGS[kind], by="test")
    assert refused.value.field == "quantize"
    assert notes.runs.all() == []
    command = ["train", kind, "--home", str(notes.home), "--set", "finetuning=full", "--set", "labels=import"]
    assert app.main(command[: 6 if kind == "sft" else None]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert message in line


@pytest.mark.parametrize(
    "option",
    ["rank=4", "lora_alpha=8", "lora_targets=q_proj", "first_layer=1", "dora=true", "rslora=true", "lora_dropout=0.1"],
)
def test_options_of_a_lora_are_refused_since_none_is_trained(option):
    with pytest.raises(BadInput, match=f"{option.split('=')[0]}=.* is for a LoRA"):
        parse_settings(SFTSettings, ["finetuning=full", option])


def test_the_default_learning_rate_suits_what_is_trained():
    for settings, full in ((SFTSettings, 2e-5), (DPOSettings, 1e-6)):
        rates = [parse_settings(settings, given).learning_rate for given in ([], ["finetuning=full"])]
        assert rates == [1e-3, full]
        assert parse_settings(settings, ["finetuning=full", "learning_rate=3e-4"]).learning_rate == 3e-4
        assert settings(finetuning="full").learning_rate == full


@KIND
def test_the_form_offers_the_setting_and_an_unknown_key_lists_it(kind):
    settings = KINDS[kind].settings_class()
    (setting,) = (setting for setting in describe(settings) if setting.key == "finetuning")
    field = setting_field(kind, setting, ())
    assert (field.value, [value for _, value in field.choices]) == ("lora", ["lora", "full"])
    assert "24 bytes of disk" in field.info
    with pytest.raises(BadInput, match=r"All: .*finetuning"):
        parse_settings(settings, ["full=true"])
