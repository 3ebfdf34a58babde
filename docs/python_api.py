# SPDX-License-Identifier: Apache-2.0
"""Write docs/reference/python.md: `python -m docs.python_api`. mkdocstrings fills in signatures and docstrings.

The table of PPOConfig's settings is read from its source, since their help is no docstring.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from docs.settings import cell
from tests.support import ROOT

PAGE = ROOT / "docs" / "reference" / "python.md"
CONFIG = ROOT / "rlhf" / "ppo" / "config.py"
INTRODUCTION = """# Python API

`make reference` writes this page; signatures and docstrings come from the code.
[A reward of your own](../how-to/custom-reward.md) trains with PPO in twenty lines. The environment of `make setup`
makes these names importable:

    from data import Store
    from reward import Base, RewardModel
    from rlhf import PPOConfig, PPOTrainer

Everything else is internal and changes without notice. Torch is imported on first use only.

## PPO

::: rlhf.ppo.trainer.PPOTrainer
    options:
      members: [train, evaluate, best, samples, updates_done]

::: rlhf.ppo.setup.PPOOptions
    options:
      show_if_no_docstring: true

::: rlhf.ppo.config.PPOConfig
    options:
      members: [minibatch_size, steps_per_update, updates]
      merge_init_into_class: false

| setting | default | meaning |
| --- | --- | --- |
"""
REST = """
## Rewards and bases

::: reward.protocol.Rewarder

::: reward.model.RewardModel
    options:
      members: [load, score, score_with_deviation, save]
      merge_init_into_class: false

::: reward.base.frozen_base.Base
    options:
      members: [load, encode_prompt, encode_completion, decode, limit_context]
      merge_init_into_class: false

## The store and its exports

::: data.store.Store
    options:
      members: [close]

::: data.transfer.exporting.ExportRequest
    options:
      members: [rows]

::: data.transfer.exporting.export_rows

::: data.transfer.exporting.export_dataset

::: data.views.preferences.preference_rows
"""


def settings() -> Iterator[tuple[str, str, str]]:
    """Yield name, default and meaning of each setting that PPOConfig declares."""
    for node in ast.walk(ast.parse(CONFIG.read_text(encoding="utf-8"))):
        if isinstance(node, ast.AnnAssign) and isinstance(node.value, ast.Call) and isinstance(node.target, ast.Name):
            default, meaning = node.value.args
            yield node.target.id, ast.unparse(default).strip("'"), ast.literal_eval(meaning)


def page() -> str:
    """Return the page."""
    rows = "\n".join(f"| `{name}` | {default} | {cell(meaning)} |" for name, default, meaning in settings())
    return f"{INTRODUCTION}{rows}\n{REST}"


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
