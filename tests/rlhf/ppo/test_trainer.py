# SPDX-License-Identifier: Apache-2.0
"""The PPO trainer as a whole: it learns, stops, keeps the best, and refuses what cannot work."""

from __future__ import annotations

import json

import pytest
import torch
from peft import LoraConfig
from transformers import TrainerCallback

from data.errors import BadInput
from reward.base.frozen_base import Base
from rlhf.ppo.checkpoint import STATE, last_checkpoint
from rlhf.ppo.out_of_memory import explain_out_of_memory
from rlhf.ppo.reward_shaping import Scorer
from rlhf.ppo.rollout import choose_prompt_rows, minibatch_plan
from tests.support.ppo_parts import PROMPTS, Passes, ppo_config, ppo_trainer, share_of_letters, tiny_base

HELD_OUT = [{"prompt": f"Give {number} tips."} for number in range(6)]


@pytest.fixture
def base(tmp_path) -> Base:
    return tiny_base("llama", tmp_path)


def policy_of(base: Base) -> torch.Tensor:
    return torch.cat([matrix.detach().flatten() for matrix in base.parameters("policy")])


def rollouts(trainer) -> list[dict]:
    return [log for log in trainer.state.log_history if "rollout_seconds" in log]


# ---- learning


def test_it_learns_a_rule(base, tmp_path):
    """Small letters and blanks, of which a random model writes about a quarter."""
    options = {
        "rollout_batch_size": 128,
        "per_device_train_batch_size": 64,
        "num_ppo_epochs": 4,
        "max_new_tokens": 2,
        "learning_rate": 1e-2,
    }
    options |= {"missing_eos_penalty": 0.0, "kl_target": None, "kl_coef": 0.0, "kl_budget": 1e3, "eval_updates": 4}
    trainer = ppo_trainer(base, ppo_config(tmp_path, updates=8, **options), held_out=PROMPTS * 4)
    trainer.train()
    assert trainer.best.update == 8
    assert trainer.best.reward > 0.4  # standard deviations of the start's answers to prompts it never trained on
    assert rollouts(trainer)[-1]["reward"] > rollouts(trainer)[0]["reward"] + 0.5


def test_check_26_the_reward_has_the_references_mean_and_deviation_as_its_unit(base, tmp_path):
    trainer = ppo_trainer(
        base,
        ppo_config(tmp_path, missing_eos_penalty=0.0),
        reward=lambda p, a: [7.0 + len(text) for text in a],
        held_out=HELD_OUT,
    )
    trainer.train()
    scores = trainer.scorer.standardize(trainer.validation.reference.raw, [True] * len(HELD_OUT))
    assert scores.mean().item() == pytest.approx(0, abs=1e-5)
    assert scores.std(unbiased=False).item() == pytest.approx(1, abs=1e-5)


def test_a_missing_end_costs_its_penalty(base):
    scorer = Scorer(base, share_of_letters, missing_eos_penalty=1.5)
    assert scorer.standardize(torch.tensor([2.0, 2.0]), [True, False]).tolist() == [2.0, 0.5]


# ---- steps and sizes


@pytest.mark.parametrize(("epochs", "batch", "accumulated", "expected"), [(1, 8, 1, 1), (2, 4, 1, 4), (3, 2, 2, 6)])
def test_check_23_a_minibatch_is_an_optimizer_step(base, tmp_path, epochs, batch, accumulated, expected):
    """Bug 2 too."""
    options = {
        "num_ppo_epochs": epochs,
        "per_device_train_batch_size": batch,
        "gradient_accumulation_steps": accumulated,
    }
    trainer = ppo_trainer(base, ppo_config(tmp_path, updates=2, **options))
    passes = Passes(trainer)
    trainer.add_callback(passes)
    trainer.train()
    assert trainer.args.steps_per_update == expected  # epochs x (8 answers / minibatch)
    assert len(passes.after) == trainer.state.global_step == 2 * expected


def test_check_24_four_small_passes_give_the_gradient_of_one_large_one(tmp_path):
    """Bugs 19 and 34 too."""
    weights = []
    for batch, accumulated in ((8, 1), (2, 4)):
        base = tiny_base("llama", tmp_path)
        options = {
            "num_ppo_epochs": 1,
            "per_device_train_batch_size": batch,
            "gradient_accumulation_steps": accumulated,
            "warmup_steps": 0,
        }
        trainer = ppo_trainer(base, ppo_config(tmp_path, max_new_tokens=60, **options))
        passes = Passes(trainer)
        trainer.add_callback(passes)
        trainer.train()
        lengths = trainer._experience.mask.sum(1)
        assert lengths.min() < lengths.max()  # ragged, or a mean of means would pass as well
        weights.append(torch.cat([tensor.flatten() for tensor in passes.after[0]]))
    assert torch.allclose(*weights, atol=1e-5)


def test_every_epoch_trains_every_answer_once_and_passes_are_of_like_length(tmp_path):
    args = ppo_config(tmp_path, num_ppo_epochs=2, per_device_train_batch_size=2, gradient_accumulation_steps=2)
    lengths = [9, 1, 8, 2, 7, 3, 6, 4]
    plan = minibatch_plan(args, 0, lengths)
    assert [len(rows) for rows in plan] == [2] * 8
    assert sorted(sum(plan[:4], [])) == sorted(sum(plan[4:], [])) == list(range(8))
    for first, second in zip(plan[::2], plan[1::2], strict=True):  # the two passes of a minibatch
        assert max(lengths[row] for row in first) < min(lengths[row] for row in second)


def test_prompts_are_answered_once_in_each_pass_over_them():
    seen = sum((choose_prompt_rows(3, update, 4, 8) for update in range(4)), [])
    assert sorted(seen[:8]) == sorted(seen[8:]) == list(range(8))
    assert seen[:8] != seen[8:]


def test_check_22_max_grad_norm_is_honoured(tmp_path):
    """Adam divides by the gradient's size plus epsilon: a gradient cut to 1e-12 is lost in epsilon 1e-5 and moves next
    to nothing."""
    moved = []
    for limit in (1e-12, 1.0):
        base = tiny_base("llama", tmp_path)
        trainer = ppo_trainer(base, ppo_config(tmp_path, max_grad_norm=limit))
        passes = Passes(trainer)
        trainer.add_callback(passes)
        before = policy_of(base)
        trainer.train()
        matrices = [p for name, p in trainer.model.named_parameters() if p.requires_grad and "policy" in name]
        moved.append((torch.cat([t.flatten() for t in passes.after[-1][: len(matrices)]]) - before).abs().max().item())
    assert moved[0] < 1e-8
    assert moved[1] > 1e-4


def test_check_21_adam_has_epsilon_1e_5_and_the_rate_falls_to_zero(base, tmp_path):
    trainer = ppo_trainer(base, ppo_config(tmp_path, updates=3, learning_rate=1e-2))
    trainer.train()
    assert trainer.optimizer.param_groups[0]["eps"] == 1e-5
    rates = [log["learning_rate"] for log in rollouts(trainer)]
    assert rates == sorted(rates, reverse=True)
    assert trainer.lr_scheduler.get_last_lr()[0] == 0


def test_check_04_trained_ids_are_the_sampled_ids(base, tmp_path):
    """Not a tokenizer's reading of their text: a random model draws cuts that no tokenizer makes."""
    trainer = ppo_trainer(base, ppo_config(tmp_path))
    trainer.train()
    data = trainer._experience
    again = [base.encode_completion(base.decode(answer)) for answer in data.answers]
    assert any(answer != other for answer, other in zip(data.answers, again, strict=True))
    assert all(len(answer) <= 8 for answer in data.answers)
    assert data.mask.sum(1).tolist() == [len(answer) for answer in data.answers]


# ---- KL


def test_check_17_the_controller_is_fed_the_kl_of_whole_answers(base, tmp_path):
    """Bug 21 too."""
    trainer = ppo_trainer(
        base, ppo_config(tmp_path, updates=3, learning_rate=3e-2, kl_coef=0.1, kl_target=0.5, kl_horizon=64.0)
    )
    trainer.train()
    coefficient = 0.1
    for log in rollouts(trainer):
        assert log["kl_coef"] == pytest.approx(coefficient)
        coefficient = max(
            0.1, coefficient * (1 + min(max(log["kl"] / 0.5 - 1, -0.2), 0.2) * 8 / 64)
        )  # 0.1 is the start
    assert trainer.ppo_state.kl_coef == pytest.approx(coefficient)


def test_check_16_the_kl_that_is_charged_is_the_kl_that_is_reported(base, tmp_path):
    """Bug 22 too."""
    trainer = ppo_trainer(
        base, ppo_config(tmp_path, updates=2, learning_rate=3e-2, kl_coef=0.1, kl_target=None, gamma=1.0, lam=1.0)
    )
    trainer.train()
    data, log = trainer._experience, rollouts(trainer)[-1]
    total = data.returns[:, 0].mean().item()  # gamma = lambda = 1: V(prompt)'s return is the whole reward
    assert total == pytest.approx(log["reward"] - 0.1 * log["kl"], rel=1e-5, abs=1e-4)


def test_a_spent_budget_ends_the_run_and_nothing_beyond_it_is_kept(base, tmp_path):
    options = {
        "updates": 8,
        "learning_rate": 5e-2,
        "kl_coef": 0.0,
        "kl_target": None,
        "kl_budget": 0.3,
        "eval_updates": 1,
    }
    trainer = ppo_trainer(base, ppo_config(tmp_path, **options), held_out=HELD_OUT)
    trainer.train()
    assert trainer.updates_done < 8
    looks = [log["step"] for log in trainer.state.log_history if "eval_reward" in log]
    assert len(looks) == len(set(looks))
    assert rollouts(trainer)[-1]["kl"] > 0.3
    assert trainer.best.kl <= 0.3


def test_the_best_policy_is_kept_not_the_last(base, tmp_path):
    """The reward turns against the policy after its first update: the kept weights are those of that moment."""
    seen = []

    def fickle(prompts, answers):
        seen.append(len(answers))
        if len(answers) == len(HELD_OUT):  # looks at the held-out prompts: start, update 1, update 2, ...
            return [{0: 0.0, 1: 5.0}.get(seen.count(len(HELD_OUT)) - 1, -5.0)] * len(answers)
        return share_of_letters(prompts, answers)

    options = {"updates": 3, "eval_updates": 1, "kl_coef": 0.0, "kl_target": None, "learning_rate": 1e-2}
    trainer = ppo_trainer(base, ppo_config(tmp_path, **options), reward=fickle, held_out=HELD_OUT)
    passes = Passes(trainer)
    trainer.add_callback(passes)
    trainer.train()
    assert trainer.best.update == 1
    after_first = passes.after[trainer.args.steps_per_update - 1]
    own = [p for p in trainer.model.parameters() if p.requires_grad]
    assert all(
        torch.equal(p, kept) for p, kept in zip(own[:-2], after_first[:-2], strict=True)
    )  # the last two are the value head
    assert not all(torch.equal(p, last) for p, last in zip(own[:-2], passes.after[-1][:-2], strict=True))


@pytest.mark.parametrize(("updates", "expected"), [(3, [2, 3]), (4, [2, 4])])
def test_the_last_update_is_looked_at_once_whether_or_not_its_turn_has_come(base, tmp_path, updates, expected):
    trainer = ppo_trainer(base, ppo_config(tmp_path, updates=updates, eval_updates=2), held_out=HELD_OUT)
    trainer.train()
    looks = [log["step"] // trainer.args.steps_per_update for log in trainer.state.log_history if "eval_reward" in log]
    assert looks == expected


def test_whoever_watches_decides_nothing(tmp_path):
    kept = []
    for gold in (None, lambda rows, texts, ended: [-float(len(text)) for text in texts]):
        base = tiny_base("llama", tmp_path)
        trainer = ppo_trainer(base, ppo_config(tmp_path, updates=2, eval_updates=1), held_out=HELD_OUT)
        trainer.watch = gold
        trainer.train()
        kept.append(policy_of(base))
    assert torch.equal(*kept)
    assert [log["eval_gold"] < 0 for log in trainer.state.log_history if "eval_gold" in log] == [True, True]


def test_samples_stand_beside_the_references_on_the_same_prompts(base, tmp_path):
    trainer = ppo_trainer(base, ppo_config(tmp_path, updates=2, eval_updates=2, learning_rate=0.0), held_out=HELD_OUT)
    trainer.train()
    assert [sample["prompt"] for sample in trainer.samples] == [row["prompt"] for row in HELD_OUT]
    assert all(
        sample["policy"] == sample["reference"] for sample in trainer.samples
    )  # same noise, and nothing was learned


# ---- checkpoints


def test_a_checkpoint_half_written_is_passed_over(base, tmp_path):
    trainer = ppo_trainer(base, ppo_config(tmp_path, updates=3, save_strategy="steps"))
    trainer.train()
    folder = tmp_path / "ppo"
    assert sorted(path.name for path in folder.glob("checkpoint-*")) == [
        "checkpoint-12",
        "checkpoint-8",
    ]  # two are kept
    assert last_checkpoint(folder) == folder / "checkpoint-12"
    assert json.loads((folder / "checkpoint-12" / STATE).read_text())["kl_coef"] == trainer.ppo_state.kl_coef
    (folder / "checkpoint-12" / STATE).unlink()
    assert last_checkpoint(folder) == folder / "checkpoint-8"
    assert last_checkpoint(tmp_path / "nothing") is None


def test_a_checkpoint_of_another_shape_is_refused(tmp_path):
    trainer = ppo_trainer(tiny_base("llama", tmp_path), ppo_config(tmp_path, save_strategy="steps"))
    trainer.train()
    other = ppo_trainer(
        tiny_base("llama", tmp_path), ppo_config(tmp_path), start=LoraConfig(r=2, target_modules="all-linear")
    )
    with pytest.raises(BadInput, match="another shape"):
        other.train(resume_from_checkpoint=str(tmp_path / "ppo" / "checkpoint-4"))


# ---- prompts and rewards


def test_prompts_may_be_conversations(base, tmp_path):
    rows = [{"prompt": [{"role": "user", "content": row["prompt"]}]} for row in PROMPTS]
    heard = []
    trainer = ppo_trainer(
        base, ppo_config(tmp_path), reward=lambda p, a: [heard.append(x) or 0.0 for x in p], train=rows
    )
    trainer.train()
    assert heard[0] == rows[0]["prompt"]
    assert trainer.prompts[3] == base.encode_prompt(PROMPTS[3]["prompt"])


@pytest.mark.parametrize(
    ("reward", "error"),
    [
        (lambda p, a: [float("nan")] * len(a), "nan"),
        (lambda p, a: [float("inf")] * len(a), "inf"),
        (lambda p, a: [0.0] * (len(a) - 1), "7 scores for 8 answers"),
        (lambda p, a: 1 / 0, "the reward raised ZeroDivisionError: division by zero"),
        (lambda p, a: ["good"] * len(a), "the reward raised ValueError"),
    ],
)
def test_a_reward_that_cannot_be_used_is_refused_before_a_weight_moves(base, tmp_path, reward, error):
    trainer = ppo_trainer(base, ppo_config(tmp_path), reward=reward)
    before = policy_of(base)
    with pytest.raises(BadInput, match=error):
        trainer.train()
    assert torch.equal(policy_of(base), before)


@pytest.mark.parametrize(
    ("options", "field"),
    [({"rollout_batch_size": 10}, "rollout_batch_size"), ({"gradient_checkpointing": True}, "gradient_checkpointing")],
)
def test_a_configuration_that_cannot_work_names_its_field(tmp_path, options, field):
    with pytest.raises(BadInput) as caught:
        ppo_config(tmp_path, **options)
    assert caught.value.field == field


def test_bfloat16_keeps_log_probabilities_in_float32(base, tmp_path):
    trainer = ppo_trainer(base, ppo_config(tmp_path, bf16=True))
    trainer.train()
    log = rollouts(trainer)[0]
    assert log["kl"] == 0.0  # policy and reference in the same numbers
    assert trainer._experience.old_logps.dtype == torch.float32
    assert log["clip_fraction"] <= 0.5


# ---- what cannot be trained on, before a weight moves


@pytest.mark.parametrize(
    ("marks", "error"),  # a prompt is its marks and two control tokens; the context has 256
    [
        (253, "row 1 of train_dataset has a prompt of 255 tokens, a context of 256 leaves no room for an answer"),
        (300, "is 302 tokens long"),
    ],
)
def test_a_prompt_that_fills_the_context_is_refused_before_anything_is_sampled(base, tmp_path, marks, error):
    with pytest.raises(BadInput, match=error):
        ppo_trainer(base, ppo_config(tmp_path), train=[{"prompt": "short"}, {"prompt": "!" * marks}])


@pytest.mark.parametrize(
    ("rows", "error"),
    [
        ([], "train_dataset has 0 rows for 1 process"),
        ([{"text": "Hello"}], r"row 0 of train_dataset has no 'prompt' but \['text'\]"),
    ],
)
def test_a_data_set_without_prompts_is_refused(base, tmp_path, rows, error):
    with pytest.raises(BadInput, match=error):
        ppo_trainer(base, ppo_config(tmp_path), train=rows)


def test_every_answer_has_a_token_even_where_one_is_all_it_may_have(base, tmp_path):
    """An answer of zero tokens cannot come about: the first token is always kept, be it the end."""
    trainer = ppo_trainer(base, ppo_config(tmp_path, max_new_tokens=1))
    trainer.train()
    assert trainer._experience.mask.sum(1).tolist() == [1] * 8


def gpu_is_full() -> None:
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")


@pytest.mark.parametrize("allocate", [gpu_is_full, lambda: torch.empty(2**55)], ids=["of a GPU", "of a CPU, for real"])
def test_out_of_memory_names_the_sizes_to_lower_and_leaves_the_last_checkpoint_whole(base, tmp_path, allocate):
    class InTheSecondUpdate(TrainerCallback):
        def on_step_begin(self, args, state, control, **_) -> None:
            if state.global_step == 5:
                allocate()

    trainer = ppo_trainer(base, ppo_config(tmp_path, updates=2, save_strategy="steps"))
    trainer.add_callback(InTheSecondUpdate())
    with pytest.raises(
        BadInput, match=r"Lower per_device_train_batch_size \(4\).* or lower rollout_batch_size \(8\)"
    ) as refused:
        trainer.train()
    assert refused.value.field == "per_device_train_batch_size"
    assert last_checkpoint(tmp_path / "ppo").name == "checkpoint-4"


def test_another_error_keeps_its_own_name(tmp_path):
    with pytest.raises(RuntimeError, match="shapes differ"), explain_out_of_memory(ppo_config(tmp_path)):
        raise RuntimeError("shapes differ")
