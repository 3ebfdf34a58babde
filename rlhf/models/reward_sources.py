# SPDX-License-Identifier: Apache-2.0
"""Reward sources: Python functions and HTTP endpoints that give rewards, by name from the home's list.

Only the command line adds entries (`--reward-source NAME=...`); pages and settings only name them. A function is
`module:function` or `FILE.py:function`: it receives prompts (texts, or messages) and completions (texts), and returns a
number for each. An endpoint receives the same by POST as JSON, {"prompts": [...], "completions": [...]}, and answers
{"rewards": [...]}. Its key comes from an environment variable.
"""

from __future__ import annotations

import importlib.util
import os
import re
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from data.errors import BadInput
from data.ids import REWARD_MODEL, parse_id
from data.records import RewardModel
from labeling.texts.pages import bad_input
from rlhf.common.http_json import NotJson, RequestFailed, post_json
from rlhf.common.named_specs import read_specs, update_specs
from rlhf.models.drivers import choose_driver

if TYPE_CHECKING:
    from data.store import Store  # with pandas, which the help of the commands does without

FILE = "reward-sources.json"
FIELD = "reward-source"
EXAMPLE = '{"rewards": [0.5, ...]}'
"""An answer of a server of rewards."""
KEY = "PREFERENCE_LOOP_REWARD_KEY"
SOURCE_HELP = (
    "a reward for PPO, stored in the home: module:function, FILE.py:function or https://...; "
    "NAME= removes it; may be repeated"
)
_NAME = re.compile(r"(?!r\d+$|none$)[A-Za-z][\w-]*")
_FUNCTION = re.compile(r".+:[^\W\d]\w*")

Prompts = Sequence[str | list[dict[str, str]]]


def add_sources(home: Path, given: Sequence[str]) -> None:
    """Add entries NAME=SPEC to the home's list; NAME= removes one. Raises BadInput and adds none if one is wrong."""
    if not given:
        return
    update_specs(home / FILE, dict(_entry(text) for text in given))


def read_sources(home: Path) -> dict[str, str]:
    """Return the home's list, from names to specifications."""
    return read_specs(home / FILE)


def reward_record(store: Store, name: str) -> RewardModel | None:
    """Return the reward model of that name (r3); None for a reward source. Raises BadInput if it is neither."""
    if name.removeprefix(REWARD_MODEL).isdigit():
        return store.reward_models.get(parse_id(name, REWARD_MODEL))
    check_source(store.home, name)
    return None


def choose_reward(store: Store, wanted: str) -> RewardModel | None:
    """Return the reward model `wanted` ("r3"), the default driver if empty, None for a reward source.

    Raises BadInput if there is no such reward.
    """
    if wanted:
        return reward_record(store, wanted)
    driver = choose_driver(store)
    if driver is None:
        models = store.reward_models.all()
        raise bad_input("need.driver" if models else "need.reward_model", field="reward", model=f"r{len(models)}")
    return driver.model


def load_source(home: Path, name: str) -> Callable[[Prompts, Sequence[str]], Sequence[float]]:
    """Return the function or endpoint of that name. Raises BadInput if it is unknown or cannot be imported."""
    spec = check_source(home, name)
    return RewardEndpoint(spec, key=os.environ.get(KEY, "")).score if _is_url(spec) else _function(name, spec)


def check_source(home: Path, name: str) -> str:
    """Return the specification of a name. Raises BadInput, with the known names, for an unknown one."""
    listed = read_sources(home)
    if name not in listed:
        key = "refused.reward_name" if listed else "need.reward_source"
        raise bad_input(key, name=name, known=", ".join(listed), field="reward")
    return listed[name]


class RewardEndpoint:
    """A reward from a server. Requests are repeated after `pauses` (seconds) while it is busy or unreachable."""

    def __init__(
        self, url: str, *, key: str = "", timeout: float = 120.0, pauses: Sequence[float] = (1.0, 5.0)
    ) -> None:
        self.url, self.key, self.timeout, self.pauses = url, key, timeout, pauses

    def score(self, prompts: Prompts, completions: Sequence[str]) -> list[float]:
        """Return one number for each pair. Raises BadInput if the server is unreachable, refuses, or gives none."""
        body = {"prompts": list(prompts), "completions": list(completions)}
        try:
            rewards = post_json(self.url, body, key=self.key, timeout=self.timeout, pauses=self.pauses)["rewards"]
            return [float(reward) for reward in rewards]
        except NotJson:
            raise bad_input("refused.reward_not_json", field="reward", url=self.url, example=EXAMPLE) from None
        except RequestFailed as problem:
            raise bad_input("refused.reward_server", field="reward", url=self.url, problem=str(problem)) from None
        except (ValueError, TypeError, KeyError) as problem:
            raise bad_input(
                "refused.reward_answer", field="reward", url=self.url, problem=str(problem), example=EXAMPLE
            ) from problem


def _entry(text: str) -> tuple[str, str]:
    name, sign, spec = (part.strip() for part in text.partition("="))
    if not sign or not _NAME.fullmatch(name):
        raise bad_input("refused.reward_entry", field=FIELD, spec=text)
    return name, _checked(spec) if spec else ""


def _checked(spec: str) -> str:
    """Check a specification and return it, with a file's path made absolute."""
    if _is_url(spec):
        return spec
    if not _FUNCTION.fullmatch(spec):
        raise bad_input("refused.reward_place", field=FIELD, spec=spec)
    place, _, function = spec.rpartition(":")
    if not place.endswith(".py"):
        return spec
    file = Path(place).expanduser().resolve()
    if not file.is_file():
        raise bad_input("refused.reward_file", file=str(file), field=FIELD)
    return f"{file}:{function}"


def _is_url(spec: str) -> bool:
    return spec.startswith(("http://", "https://"))


def _function(name: str, spec: str) -> Callable[..., Any]:
    """Import a function. Raises BadInput if that fails."""
    place, _, function = spec.rpartition(":")
    try:
        return getattr(_module(place), function)
    except Exception as problem:  # a user's module may raise anything
        raise bad_input(
            "refused.reward_import",
            field="reward",
            name=name,
            spec=spec,
            error=type(problem).__name__,
            problem=str(problem),
        ) from problem


def _module(place: str) -> ModuleType:
    if not place.endswith(".py"):
        return import_module(place)
    spec = importlib.util.spec_from_file_location(Path(place).stem, place)
    if spec is None or spec.loader is None:
        raise ImportError(f"{place} cannot be loaded")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def missing_members(price: float) -> BadInput:
    """Return the error of an uncertainty penalty on a reward without members."""
    return bad_input("need.ensemble", price=price, field="uncertainty")
