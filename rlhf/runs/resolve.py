# SPDX-License-Identifier: Apache-2.0
"""Defaults that depend on the store, such as "the newest policy": resolved once, when a run is queued.

The run's row then names the policy, reward model, rows and prompts that the run uses. So a run does the same whenever
it works, and a resumed or repeated run uses what the first one used. Importable without torch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from data.errors import BadInput
from data.ids import RUN
from data.settings import Settings
from data.store import Store
from data.views.frozen_rows import freeze_current_instructions
from reward.labels import freeze_comparisons
from reward.placement_settings import read_placement
from reward.prompt_parts import ALL, DRIVER_PART, GUARD_PART, is_in_part
from reward.settings import RewardSettings
from rlhf.clinic.examination import find_examination
from rlhf.kinds import Kind
from rlhf.models.contests import choose_contests
from rlhf.models.drivers import choose_driver, choose_guard
from rlhf.models.policy_loading import choose_policy
from rlhf.models.reward_sources import choose_reward
from rlhf.models.start_policy import choose_first_policy, choose_start
from rlhf.ppo.settings import NO_GUARD, PPOSettings

GUARD_FROM, GUARD_PROMPTS = 400, 20
"""Training comparisons, and prompts in the guard's part, from which on a reward training also makes a guard."""
Values = dict[str, Any]
"""Values by the names of the settings' fields."""
Resolver = Callable[[Store, Any, str], Values]
"""Returns the fields that depend on the store, of (store, settings, name of the account that queues the run)."""


def resolve(store: Store, kind: Kind, settings: Settings, by: str) -> Settings:
    """Return the settings with every default resolved. Raises BadInput if the store has nothing to choose from."""
    for name in kind.resolves:
        settings = settings.model_copy(update=RESOLVERS[name](store, settings, by))
    return _placed(store, settings)


def resolve_models(store: Store, kind: Kind, settings: Settings) -> Settings:
    """Return the settings with the defaults that name models or a device resolved; this writes nothing.

    Raises BadInput if the store has nothing to choose from.
    """
    for name in kind.resolves:
        if name in MODELS:
            settings = settings.model_copy(update=RESOLVERS[name](store, settings, ""))
    return _placed(store, settings)


def _placed(store: Store, settings: Settings) -> Settings:
    kept = read_placement(store.home)
    empty = [key for key in kept if getattr(settings, key, None) == ""]
    return settings.model_copy(update={key: kept[key] for key in empty})


class Default(NamedTuple):
    """The value that an empty setting resolves to now, such as p4, and the reason: newest, best, first or parent."""

    value: str
    why: str


def shown_defaults(store: Store, kind: Kind) -> dict[str, Default]:
    """Return what the empty settings that name models resolve to now, by key.

    A setting is left out if the store has nothing to choose from, or if it stays empty.
    """
    defaults = kind.settings_class()()
    shown: dict[str, Default] = {}
    for name in kind.resolves:
        if name in MODELS:
            try:
                values = RESOLVERS[name](store, defaults, "")
            except BadInput:
                continue
            for field, value in values.items():
                text = ",".join(value) if isinstance(value, tuple) else value
                why = _reason(store, name, field)
                shown |= {field.removesuffix("_"): Default(text, why)} if text not in ("", NO_GUARD) else {}
    return shown


def _reason(store: Store, resolver: str, field: str) -> str:
    if field == "reward" and (driver := choose_driver(store)):
        return driver.why
    return "first" if resolver == "first" else "parent" if field == "against" else "newest"


def _answering_policy(store: Store, settings: Any, by: str) -> Values:  # noqa: ANN401 (each kind has its own class)
    return {"from_": choose_policy(store, settings.from_).public}


def _start_policy(store: Store, settings: Any, by: str) -> Values:  # noqa: ANN401 (each kind has its own class)
    return {"from_": choose_start(store, settings.from_).public}


def _exported(store: Store, settings: Any, by: str) -> Values:  # noqa: ANN401 (each kind has its own class)
    if not settings.reward:
        return _start_policy(store, settings, by)
    return {"reward": store.reward_models.get(settings.reward).public}


def _first_policy(store: Store, settings: Any, by: str) -> Values:  # noqa: ANN401 (each kind has its own class)
    return {"from_": choose_first_policy(store, settings.from_).public}


def _reward(store: Store, settings: Any, by: str) -> Values:  # noqa: ANN401 (each kind has its own class)
    record = choose_reward(store, settings.reward)
    return {"reward": record.public if record else settings.reward}


def _base(store: Store, settings: Any, by: str) -> Values:  # noqa: ANN401 (each kind has its own class)
    policies = store.policies.all()
    newest = policies[-1].base if policies else "starter"
    return {} if settings.from_ or settings.base else {"base": newest}


def _contests(store: Store, settings: Any, by: str) -> Values:  # noqa: ANN401 (each kind has its own class)
    contests = choose_contests(store, settings)
    opponents = {opponent.public for _, opponent in contests}
    against = opponents.pop() if len(opponents) == 1 else settings.against
    return {"policies": tuple(policy.public for policy, _ in contests), "against": against}


def _examination(store: Store, settings: Any, by: str) -> Values:  # noqa: ANN401 (each kind has its own class)
    return {"embedded": f"{RUN}{find_examination(store, settings.embedded)}"}


def _comparisons(store: Store, settings: Any, by: str) -> Values:  # noqa: ANN401 (each kind has its own class)
    if settings.snapshot:
        return {}
    weights = getattr(settings, "weights", "equal")
    return {"snapshot": freeze_comparisons(store, settings.labels, weights, by).public}


def _guard_part(store: Store, settings: RewardSettings, by: str) -> Values:
    """Decide whether a training also makes a guard, and leave the guard its part of the prompts."""
    if settings.guard == "no" or (settings.guard == "auto" and not _affords_guard(store, settings)):
        return {"guard": "no"}
    return {"guard": "yes", "part": DRIVER_PART}


def _affords_guard(store: Store, settings: RewardSettings) -> bool:
    if settings.part != ALL or settings.role != "driver":
        return False
    trained = [row["prompt"] for row in store.snapshots.rows(settings.snapshot) if row["split"] == "train"]
    prompts = {prompt for prompt in set(trained) if is_in_part(prompt, GUARD_PART)}
    return len(trained) >= GUARD_FROM and len(prompts) >= GUARD_PROMPTS


def _guard(store: Store, settings: PPOSettings, by: str) -> Values:
    if settings.guard:
        return {}
    guard = choose_guard(store, choose_reward(store, settings.reward), choose_start(store, settings.from_))
    return {"guard": guard.public if guard else NO_GUARD}


def _instructions(store: Store, settings: Any, by: str) -> Values:  # noqa: ANN401 (each kind has its own class)
    empty = [name for name in ("snapshot", "a", "b") if getattr(settings, name, None) == ""]
    return dict.fromkeys(empty, freeze_current_instructions(store).public) if empty else {}


def _prompts(store: Store, settings: Any, by: str) -> Values:  # noqa: ANN401 (each kind has its own class)
    return {} if settings.last_prompt else {"last_prompt": store.prompts.last_id()}


def _rows(store: Store, settings: Any, by: str) -> Values:  # noqa: ANN401 (each kind has its own class)
    return {} if settings.last_row else {"last_row": store.instructions.last_id()}


def _ratings(store: Store, settings: Any, by: str) -> Values:  # noqa: ANN401 (each kind has its own class)
    return {} if settings.last_rating else {"last_rating": max(1, store.ratings.last_number())}  # 0 is no bound


RESOLVERS: dict[str, Resolver] = {
    "answering": _answering_policy,
    "start": _start_policy,
    "exported": _exported,
    "first": _first_policy,
    "reward": _reward,
    "base": _base,
    "contests": _contests,
    "examination": _examination,
    "comparisons": _comparisons,
    "guard part": _guard_part,
    "guard": _guard,
    "instructions": _instructions,
    "prompts": _prompts,
    "rows": _rows,
    "ratings": _ratings,
}
MODELS = ("answering", "start", "exported", "first", "reward", "guard", "base", "contests", "examination")
"""The resolvers that only read: a form shows what they choose."""
