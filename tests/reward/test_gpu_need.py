# SPDX-License-Identifier: Apache-2.0
"""The need of a run on each GPU, against arithmetic on this page; and the page that shows it."""

from __future__ import annotations

import pytest

from docs import planning
from reward.gpu_need import GIGABYTE, SERVED, cheapest_fit, need_per_gpu, strategies
from reward.memory_estimate import Phase, Workload
from reward.model_shape import ModelShape

LAYER, LAYERS, REST = 10**9, 10, 2 * 10**9
SHAPE = ModelShape(LAYERS, 1024, 4096, 1024, 512, 1000, 0, LAYERS * LAYER + REST, LAYERS * LAYER, 10**6)
TRAINING = Phase("training", 16, 64, logits="none")
READING = Phase("reading", 16, 64, logits="none")
DECODING = Phase("decoding", 16, 64, 64, logits="none")
STATES = (4 + 12) * 16 * 10**6 / 1e9
"""GB of one trained adapter of rank 16: float32 weights, and what AdamW keeps."""
ACTIVATIONS = 2 * 64 * (6 * 1024 + 3 * 1024 + 2 * 512 + 4 * 4096) * LAYERS / 1e9
"""GB that a row of 64 tokens keeps for the backward pass."""


def work(*phases):
    return Workload(phases, adapters=1, trained=1)


def test_by_ddp_a_gpu_holds_all_weights_and_its_share_of_the_rows():
    weights = 2 * (LAYERS * LAYER + REST) / 1e9
    for gpus in (1, 8):
        need = need_per_gpu(SHAPE, work(TRAINING), gpus=gpus)
        assert need == pytest.approx(weights + STATES + 16 / gpus * ACTIVATIONS, abs=4 / GIGABYTE)


def test_a_sharded_base_takes_its_part_and_two_layers_unless_the_run_decodes():
    many = work(Phase("training", 16 * 1024, 64, logits="none"))
    held = 2 * (LAYERS * LAYER / 8 + 2 * LAYER + REST) / 1e9
    need = need_per_gpu(SHAPE, many, gpus=8, strategy="sharded")
    assert need == pytest.approx(held + STATES + 2 * 1024 * ACTIVATIONS, abs=4 / GIGABYTE)
    read = held + STATES + 2 * 2 * 64 * (4 * 1024 + 3 * 4096) / 1e9
    assert need_per_gpu(SHAPE, work(READING), gpus=8, strategy="sharded") == pytest.approx(read, abs=4 / GIGABYTE)
    whole = 2 * (LAYERS * LAYER / 8 + LAYERS * LAYER + REST) / 1e9 + STATES
    decoding = need_per_gpu(SHAPE, work(TRAINING, READING, DECODING), gpus=8, strategy="sharded")
    assert decoding == pytest.approx(whole + 2 * 2 * 64 * (4 * 1024 + 3 * 4096) / 1e9, abs=0.1)
    served = need_per_gpu(SHAPE, work(TRAINING, READING, DECODING), gpus=8, strategy=SERVED)
    assert served == pytest.approx(need_per_gpu(SHAPE, work(TRAINING, READING), gpus=8, strategy="sharded"), abs=0.01)


def test_only_a_run_that_decodes_has_its_rollouts_served():
    assert strategies(work(TRAINING, READING)) == ("ddp", "sharded")
    assert strategies(work(TRAINING, DECODING)) == ("ddp", "sharded", SERVED)


@pytest.mark.parametrize("kind", planning.TITLES)
def test_a_70b_base_fits_eight_gpus_of_80_gb_sharded(kind):
    assert "sharded" in planning.cell(kind, planning.SHAPES["70B"], 8, 80)


def test_ddp_goes_before_a_sharded_base_and_one_gpu_shards_nothing():
    rows = work(Phase("training", 16 * 1024, 64, logits="none"))
    ddp, sharded = (need_per_gpu(SHAPE, rows, gpus=8, strategy=strategy) for strategy in ("ddp", "sharded"))
    assert sharded < ddp
    found = [cheapest_fit(SHAPE, rows, gpus=8, gigabytes=size) for size in (ddp + 1, sharded + 1, sharded - 1)]
    assert [fit and fit.strategy for fit in found] == ["ddp", "sharded", None]
    assert cheapest_fit(SHAPE, rows, gpus=1, gigabytes=sharded + 1) is None


@pytest.mark.parametrize(("name", "billions"), [("0.6B", 0.596), ("8B", 8.19), ("32B", 32.76), ("70B", 70.55)])
def test_the_shapes_have_the_published_numbers_of_weights(name, billions):
    assert planning.SHAPES[name].weights / 1e9 == pytest.approx(billions, rel=2e-3)


def test_full_ppo_of_a_70b_model_takes_the_318_gb_a_gpu_of_its_states_and_a_sampler_s_share():
    """Actor and critic 16 bytes, reference and reward 2: 36 bytes of 70.6e9 weights on 8 GPUs; the sampler 2 more."""
    assert planning.states(planning.SHAPES["70B"], (2, 2), 8) == "317"
    assert planning.states(planning.SHAPES["70B"], planning.OTHERS["OpenRLHF, full"]["ppo"], 8) == "335"


def test_the_page_is_written_from_the_code():
    assert planning.PAGE.read_text(encoding="utf-8") == planning.page(), "run: python -m docs.planning"
