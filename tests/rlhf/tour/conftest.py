# SPDX-License-Identifier: Apache-2.0
"""One finished tour that all tests of the tour read."""

from __future__ import annotations

from pathlib import Path

import pytest

from data import Store
from rlhf.tour.document import TourResult
from rlhf.tour.run import run_tour
from rlhf.tour.stages import TourEnvironment
from tests.support.tiny_model import make_tiny_model
from tests.support.tiny_tour import PLAN, TASK, here, letters


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model("llama", tmp_path_factory.mktemp("base"), context=160)


@pytest.fixture(scope="session")
def environment(base: Path) -> TourEnvironment:
    def register(store: Store) -> None:
        store.policies.add(name="start", kind="base", base=str(base))
        store.prompts.add_many({"text": f"Name {n} cats.", "source": "test", "facts": TASK} for n in range(80))

    return TourEnvironment(register, lambda prompt, completion: sum(letters({}, completion.text, True).values()), here)


@pytest.fixture(scope="session")
def findings(environment: TourEnvironment, tmp_path_factory: pytest.TempPathFactory) -> TourResult:
    return run_tour(tmp_path_factory.mktemp("tour"), seed=3, plan=PLAN, environment=environment)
