# SPDX-License-Identifier: Apache-2.0
"""Muon and AdamW as one optimizer: state, learning rate, and one part for each weight."""

from __future__ import annotations

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from rlhf.common.muon import MuonAdamW, orthogonalises


class TestMuon:
    """Muon and AdamW behind the interface of one optimizer."""

    def take_steps(self, model, optimizer, steps, seed):
        for number in range(steps):
            torch.manual_seed(seed + number)
            ids = torch.randint(0, 50, (2, 8))
            model(input_ids=ids, labels=ids).loss.backward()
            optimizer.step()
            optimizer.zero_grad()

    def model(self):
        torch.manual_seed(0)
        shape = {
            "hidden_size": 16,
            "intermediate_size": 32,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "num_key_value_heads": 2,
        }
        return LlamaForCausalLM(LlamaConfig(vocab_size=50, tie_word_embeddings=True, **shape))

    def test_its_state_survives_saving_and_loading(self, tmp_path):
        whole = self.model()
        self.take_steps(whole, MuonAdamW(whole, 1e-2), 5, seed=1)
        half = self.model()
        optimizer = MuonAdamW(half, 1e-2)
        self.take_steps(half, optimizer, 3, seed=1)
        torch.save(optimizer.state_dict(), tmp_path / "optimizer.pt")
        again = MuonAdamW(half, 1e-2)
        again.load_state_dict(torch.load(tmp_path / "optimizer.pt", weights_only=True))
        self.take_steps(half, again, 2, seed=4)
        one, two = whole.state_dict(), half.state_dict()
        assert all(torch.equal(one[name], two[name]) for name in one)

    def test_a_scheduler_sets_the_rate_of_both_parts_before_and_after_loading(self):
        model = self.model()
        optimizer = MuonAdamW(model, 1e-2)
        for _ in range(2):
            for group in optimizer.param_groups:
                group["lr"] = 0.0
            before = {name: matrix.clone() for name, matrix in model.state_dict().items()}
            self.take_steps(model, optimizer, 1, seed=1)
            assert all(torch.equal(matrix, before[name]) for name, matrix in model.state_dict().items())
            optimizer.load_state_dict(optimizer.state_dict())

    def test_every_trained_matrix_is_in_one_part(self):
        model = self.model()
        weights = [matrix for group in MuonAdamW(model, 1e-2).param_groups for matrix in group["params"]]
        assert len(weights) == len({id(matrix) for matrix in weights}) == len(list(model.parameters()))

    @pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
    def test_a_step_of_muon_is_orthogonal_here(self, dtype):
        assert orthogonalises(torch.device("cpu"), dtype)

    @pytest.mark.parametrize("fault", ["raises", "NaN", "gradient itself"])
    def test_where_muon_fails_adamw_trains_all_weights_and_says_so(self, monkeypatch, caplog, fault):
        def step(optimizer, closure=None):
            if fault == "raises":
                raise NotImplementedError("no such kernel")
            for matrix in optimizer.param_groups[0]["params"]:
                matrix.data.sub_(float("nan") if fault == "NaN" else 3 * matrix.grad)

        monkeypatch.setattr(torch.optim.Muon, "step", step)
        model = self.model()
        before = [matrix.clone() for matrix in model.parameters()]
        self.take_steps(model, MuonAdamW(model, 1e-2), 1, seed=1)
        assert all(not torch.equal(*pair) for pair in zip(before, model.parameters(), strict=True))
        assert all(matrix.isfinite().all() for matrix in model.parameters())
        assert caplog.text.count("AdamW trains all weights") == 1
