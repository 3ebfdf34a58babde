# SPDX-License-Identifier: Apache-2.0
"""Roles of reward models: a driver trains policies, a guard watches trainings, a judge compares policies.

Importable without torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast, get_args

from data.ids import REWARD_MODEL, parse_id
from data.records import RewardModel, RewardRole
from labeling.texts.pages import bad_input

if TYPE_CHECKING:
    from data.store import Store  # with pandas, which the help of the commands does without

ROLES = get_args(RewardRole)


def change_role(store: Store, model: str, role: str, *, by: str) -> RewardModel:
    """Change the role of a reward model and return it; `by` is the actor of the audit list.

    Raises BadInput for an unknown model or role.
    """
    if role not in ROLES:
        raise bad_input("refused.reward_role", field="role", role=role, known=", ".join(ROLES))
    number = parse_id(model, REWARD_MODEL)
    with store.transaction():
        if store.reward_models.get(number).role != role:
            store.reward_models.set_role(number, cast("RewardRole", role))
            store.audit.add(by, "reward model role changed", model=f"{REWARD_MODEL}{number}", role=role)
        return store.reward_models.get(number)
