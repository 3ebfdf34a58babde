# SPDX-License-Identifier: Apache-2.0
"""Known traps of PPO on language models, one test each: rows, sampling, masks and advantages. docs/ppo-checks.md lists
them by number."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from transformers import GenerationConfig

from reward.about import describe_base
from reward.member import Member
from reward.model import RewardModel
from rlhf.ppo import arithmetic
from rlhf.ppo.actor_critic import ActorCritic, answer_batch, answer_mask, scatter_tokens
from rlhf.ppo.rollout import ScoredRollout, TokenStats, compute_token_stats, make_experience
from rlhf.sampling.sampler import Rollout, banned_ids, draw_uniforms, generate
from tests.support.ppo_parts import PROMPTS, actor, begun, new_logps, ppo_config, starting_adapter, tiny_base

ROWS = [([5, 6, 7], [40, 41, 42, 43, 44]), ([8] * 11, [50]), ([9, 10, 11, 12, 13, 14], [60, 61, 62])]
QUESTIONS, ANSWERS = [list(x) for x in zip(*ROWS, strict=True)]


def looks_of(model: ActorCritic, size: int = 8) -> TokenStats:
    with model.base.role("policy"):
        return compute_token_stats(model, QUESTIONS, ANSWERS, size)


# ---- rows in a batch


def test_check_01_padding_a_row_changes_neither_logps_values_nor_score(base):
    """Bug 16 too."""
    model = actor(base)
    together, alone = looks_of(model), looks_of(model, size=1)
    for one, other in zip(together, alone, strict=True):
        assert torch.allclose(one, other, atol=1e-5)
    base.add_adapter("judge")
    judge = RewardModel(base, [Member("judge", torch.randn(base.hidden_size))], describe_base(base))
    scores = [judge.score_ids([q], [a])[0] for q, a in ROWS]
    assert torch.allclose(judge.score_ids(QUESTIONS, ANSWERS), torch.stack(scores), atol=1e-5)


def test_check_02_positions_count_real_tokens_on_either_side_of_padding(base):
    """Bug 18 too."""
    model = actor(base)
    found = looks_of(model).logps
    rows = [q + a for q, a in ROWS]
    with base.role("policy"), torch.no_grad():
        left = base.hidden(*base.collate(rows, side="left"))
        for row, (question, answer) in enumerate(ROWS):
            logits = (
                base.causal(torch.tensor([question + answer])).logits[0].double()
            )  # one row, no padding, the model's own positions
            logits[:, banned_ids(base)] = -torch.inf
            expected = logits.log_softmax(-1)[range(len(question) - 1, len(rows[row]) - 1), answer]
            assert torch.allclose(found[row, : len(answer)].double(), expected, atol=1e-4)
            alone = base.hidden(*base.collate([rows[row]]))[0]
            assert torch.allclose(left[row, -len(rows[row]) :], alone, atol=1e-4)


def test_check_03_pad_equal_to_eos_gives_the_same_masks_and_the_same_update(tmp_path):
    """Bug 15 too."""
    weights = []
    for pad_is_eos in (False, True):
        base = tiny_base("gpt2", tmp_path)
        if pad_is_eos:
            base.encoding.__dict__["pad_id"] = base.encoding.eos_id
        trainer = begun(base, tmp_path, max_new_tokens=120)
        data = trainer._experience
        assert data.mask.sum(1).tolist() == [len(answer) for answer in data.answers]
        assert any(answer[-1] in base.eos_ids for answer in data.answers)
        trainer.train()
        weights.append(torch.cat([matrix.flatten() for matrix in base.parameters("policy")]))
    assert torch.equal(*weights)


def test_check_03_an_answer_of_the_end_token_alone_trains_one_token(base):
    answers = [[base.encoding.eos_id], [40, 41]]
    assert answer_mask(answers).tolist() == [[True, False], [True, True]]
    assert answer_batch(base, [[5], [6, 7]], answers).actions.tolist() == [base.encoding.eos_id, 40, 41]


# ---- sampling


def test_check_05_temperature_is_the_same_in_sampling_old_new_and_reference_logps(base, tmp_path):
    """Bug 29 too."""
    trainer = begun(base, tmp_path, start=starting_adapter(base, tmp_path), temperature=0.7)
    data = trainer._experience
    with base.role("policy"):
        answers = trainer.collector.sample(data.prompts, 0)
    sampled = scatter_tokens(torch.tensor([logp for row in answers.logps for logp in row]), data.mask)
    assert answers.ids == data.answers
    assert torch.allclose(sampled, data.old_logps, atol=1e-4)
    assert torch.allclose(new_logps(trainer), data.old_logps, atol=1e-4)
    assert trainer._metrics["kl"] == pytest.approx(0, abs=1e-6)  # the reference's as well, or the KL would not be 0
    prompt, answer = data.prompts[0], data.answers[0]
    with base.role("policy"), torch.no_grad():
        logits = base.causal(torch.tensor([prompt + answer])).logits[0, len(prompt) - 1 : -1].double() / 0.7
    logits[:, banned_ids(base)] = -torch.inf
    expected = logits.log_softmax(-1)[range(len(answer)), answer]
    assert torch.allclose(data.old_logps[0, : len(answer)].double(), expected, atol=1e-4)


def test_check_06_the_models_own_generation_settings_change_no_sample(base):
    prompts, noise = [base.encode_prompt(row["prompt"]) for row in PROMPTS], draw_uniforms(0, 0, range(16), 12)
    clean = generate(base, prompts, noise, max_new_tokens=12)
    base.causal.generation_config = GenerationConfig(
        do_sample=True,
        top_k=2,
        top_p=0.1,
        temperature=0.1,
        repetition_penalty=3.0,
        min_new_tokens=12,
        no_repeat_ngram_size=1,
    )
    assert generate(base, prompts, noise, max_new_tokens=12) == clean


def test_check_07_decoding_takes_as_many_steps_as_the_longest_answer(base):
    """Bug 14 too."""
    prompts, noise, steps = [base.encode_prompt("Hi.")] * 3, np.full((3, 50), 0.5), []
    assert base.eos_ids == {0}
    noise[[0, 1, 2], [2, 8, 5]] = 0.0  # at 0 the first id is drawn, the end token: answers of 3, 9 and 6 tokens
    hook = base.causal.register_forward_hook(lambda *_: steps.append(1))
    rollout = generate(base, prompts, noise, max_new_tokens=50, banned=banned_ids(base))
    hook.remove()
    assert [len(answer) for answer in rollout.ids] == [3, 9, 6]
    assert len(steps) == 9


# ---- what is masked


def test_check_08_what_stands_behind_an_answer_changes_no_loss_and_no_gradient(base, tmp_path):
    trainer, found = begun(base, tmp_path, max_new_tokens=16), []
    trainer._experience = cut_unevenly(trainer._experience)
    for filler in (base.pad_id, 77):
        base.encoding.__dict__["pad_id"] = filler
        trainer.model.zero_grad()
        with base.role("policy"):
            loss = trainer.compute_loss(trainer.model, {"rows": list(range(8)), "window": 40})
            loss.backward()
        found.append([loss.detach(), *(p.grad.clone() for p in trainer.model.parameters() if p.grad is not None)])
    assert len(found[0]) > 2
    assert all(torch.equal(one, other) for one, other in zip(*found, strict=True))


def cut_unevenly(data):
    """The same rollout with answers cut to 1, 3, 5, ... tokens, so that most of the table is padding."""
    lengths = [min(len(answer), 1 + 2 * row) for row, answer in enumerate(data.answers)]
    answers = [answer[:length] for answer, length in zip(data.answers, lengths, strict=True)]
    width = max(lengths)
    return data._replace(
        answers=answers, mask=answer_mask(answers), **{n: getattr(data, n)[:, :width] for n in data._fields[3:]}
    )


def toy(values, kl, score, mask=(True, True, True)):
    """One answer of three tokens as `experience` sees it."""
    table = [torch.tensor([x]) for x in (kl, values, kl)]
    answers = [[40, 41, 42]]
    return ScoredRollout(
        [[5]], answers, torch.tensor([score]), TokenStats(table[0], table[1], table[0]), table[0], torch.tensor([mask])
    )


def test_check_09_the_score_stands_at_the_end_token_and_no_value_follows_it():
    # gamma 1, lambda 0.5, values 1 2 3, KL 0.1 a token at price 2: rewards -0.2, -0.2, 4 - 0.2
    # deltas: -0.2 + 2 - 1 = 0.8; -0.2 + 3 - 2 = 0.8; 3.8 + 0 - 3 = 0.8; advantages 0.8 + 0.5 (0.8 + 0.5 0.8) = 1.4,
    # 1.2, 0.8
    seen = toy([1.0, 2.0, 3.0], [0.1, 0.1, 0.1], 4.0)
    rewards = arithmetic.token_rewards(seen.scores, seen.kl, seen.mask, 2.0)
    assert torch.allclose(rewards, torch.tensor([[-0.2, -0.2, 3.8]]))
    advantages, returns = arithmetic.gae(rewards, seen.old.values, seen.mask, 1.0, 0.5)
    assert torch.allclose(advantages, torch.tensor([[1.4, 1.2, 0.8]]))
    assert torch.allclose(returns, torch.tensor([[2.4, 3.2, 3.8]]))
    padded = [torch.cat([x, torch.full((1, 2), 100.0)], 1) for x in (seen.kl, seen.old.values)]
    mask = torch.tensor([[True] * 3 + [False] * 2])
    wide, _ = arithmetic.gae(arithmetic.token_rewards(seen.scores, padded[0], mask, 2.0), padded[1], mask, 1.0, 0.5)
    assert torch.allclose(wide[:, :3], advantages)  # full or padded, the same


def test_check_10_the_value_of_an_action_is_read_in_front_of_it(base):
    model = actor(base)
    values = looks_of(model).values
    with base.role("policy"), torch.no_grad():
        for row, (question, answer) in enumerate(ROWS):
            for t in range(len(answer)):  # V of the state before action t: prompt and t tokens, nothing after
                state = base.hidden(*base.collate([question + answer[:t]]))[0, -1]
                assert values[row, t].item() == pytest.approx(model.value_head(state).item(), rel=1e-5, abs=1e-4)


def test_check_11_rubbish_in_masked_values_reaches_no_advantage(tmp_path):
    """Bug 23 too."""
    args = ppo_config(tmp_path)
    clean = toy([1.0, 2.0, 0.0], [0.1, 0.1, 0.0], 4.0, mask=(True, True, False))
    for rubbish in (100.0, 1e6, float("nan"), float("inf")):
        dirty = copy.deepcopy(clean)
        dirty.old.values[0, 2] = dirty.kl[0, 2] = rubbish
        found = []
        for seen in (clean, dirty):
            rewards = arithmetic.token_rewards(seen.scores, seen.kl, seen.mask, 0.1)
            data = make_experience(seen._replace(answers=ids([[40, 41]])), rewards, args)
            found.append(torch.cat([data.advantages, data.returns]))
        assert torch.equal(*found)


def ids(answers):
    return Rollout(answers, [[0.0] * len(answer) for answer in answers], [True] * len(answers))


def test_check_12_gaps_in_the_mask_cost_no_factor():
    whole = torch.tensor([[1.0, -2.0, 3.0]]), torch.tensor([[0.5, 0.25, -1.0]])
    gappy = [torch.tensor([[x[0, 0], 99.0, x[0, 1], 99.0, 99.0, x[0, 2]]]) for x in whole]
    real = torch.tensor([[True, False, True, False, False, True]])
    expected = arithmetic.gae(*whole, torch.ones(1, 3, dtype=torch.bool), 0.9, 0.8)
    found = arithmetic.gae(*gappy, real, 0.9, 0.8)
    for one, other in zip(found, expected, strict=True):
        assert torch.allclose(one[real], other[0])


def test_check_13_14_returns_are_taken_before_advantages_are_whitened_over_the_rollout(base, tmp_path):
    """With gamma = lambda = 1 and KL of 0 the return of every token is its answer's score, whatever the critic says."""
    options = {"gamma": 1.0, "lam": 1.0, "standardize_reward": False, "missing_eos_penalty": 0.0, "max_new_tokens": 120}
    trainer = begun(
        base, tmp_path, reward=lambda prompts, answers: [3.0 + place for place in range(len(answers))], **options
    )
    torch.nn.init.normal_(trainer.model.value_head.weight)
    with base.role("policy"):
        trainer._begin_update(0)
    data, keep = trainer._experience, trainer._experience.mask.numpy()
    assert keep.sum(1).min() < keep.sum(1).max()
    scores = np.broadcast_to(3.0 + np.arange(len(keep))[:, None], keep.shape)
    assert np.allclose(data.returns.numpy()[keep], scores[keep], atol=1e-4)
    raw = (scores - data.old_values.double().numpy())[keep]
    assert np.allclose(data.advantages.numpy()[keep], (raw - raw.mean()) / np.sqrt(raw.var() + 1e-8), atol=1e-4)
