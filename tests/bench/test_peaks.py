# SPDX-License-Identifier: Apache-2.0
"""The comparison of training memory, on a tiny shape."""

from __future__ import annotations

from dataclasses import replace

from tests.bench import peaks
from tests.bench.peaks import PEERS
from tests.gpu.scales import TINY


def test_training_is_measured_above_the_weights_on_both_sides(tmp_path, monkeypatch):
    monkeypatch.setattr(peaks, "PEERS", {"ppo": PEERS["ppo"]})  # each kind takes three processes
    scale = replace(TINY, warm=0, steps=1, updates=1, epochs=1, checkpointing=True)
    found = peaks.training_peaks(tmp_path, "tiny", scale, ("float32",))
    assert set(found) == {f"{kind} float32" for kind in ("ppo",)}
    for figures in found.values():
        assert figures["ours"] > 0 < figures["trl"]
        assert figures["ratio"] == round(figures["ours"] / figures["trl"], 3)
