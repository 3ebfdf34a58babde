# SPDX-License-Identifier: Apache-2.0
"""The first start of a home: register the starter or the user's base, and sample the first pairs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from data import everyday, starter
from data.clock import now
from data.errors import BadInput
from data.store import Store
from data.transfer.hub import is_downloaded
from reward.base.text.template_options import check_syntax, read_arguments
from rlhf.probe.process import ensure_usable
from rlhf.runs.launch import launch
from rlhf.sampling.pairing import prompts_per_split
from rlhf.settings import SampleSettings

TEMPLATE_SET_HELP = "argument of that model's chat template, such as enable_thinking=false; may be repeated"
FIRST_PAIRS = 110
"""Pairs that the first sampling run makes at least: enough for a first reward model, some skips included."""
FIRST_PAIRS_OF_STARTER = 210
"""The same for the starter, which samples fast: a reward model from 100 labels is often not surely above a coin."""
SPARE = 1.03
"""Sampled pairs per wanted pair: a few have equal texts and are never shown."""
MOST_PAIRS = 4
"""Most pairs of one prompt in the first sampling run."""
EARLY_BATCH = 32
"""Answers of a batch in the first sampling run. The first pairs are stored after one batch, so a small one is early."""


def prepare(
    store: Store,
    base: str | None = None,
    chat_template: Path | None = None,
    template_set: Sequence[str] = (),
    *,
    by: str = "first start",
) -> None:
    """Register `base`, or the starter in a home without policies; queue the first sampling run.

    A home that has no prompts but the starter's gets everyday ones with a `base`: the starter's are about its own
    world. The run is queued only if the home has train prompts, no run and no waiting pair. A base with another
    `chat_template` or other arguments of it (`template_set`, NAME=VALUE) is another policy, so earlier answers keep
    their template. The template's date is today's from then on. Raises BadInput, and changes nothing, if the check
    refuses `base` or the template cannot be used.
    """
    base = base and resolve_base(base)
    template, arguments = read_template(chat_template, base), read_base_arguments(template_set, base)
    if base:
        ensure_usable(store.home, base, template, arguments)
    store.imports.repair()
    if not base and not store.policies.count():
        starter.register(store)
    if base and not _is_known(store, base, template, arguments):
        options = {"chat_template": template, "template_kwargs": arguments, "template_date": now()[:10]}
        versions = {name: value for name, value in options.items() if value}
        store.policies.add(name=Path(base).name, kind="base", base=base, versions=versions)
        if all(prompt.source == starter.SOURCE for prompt in store.prompts.stream()):
            everyday.add_prompts(store)
    if store.prompts.count("train") and not store.runs.all() and not store.pairs.waiting_count():
        launch(store, "sample", first_sampling(store), by=by)


def is_new(store: Store) -> bool:
    """Return whether a home holds nothing that a person put there: no prompt, policy, instruction row or import."""
    held = (store.prompts.count(), store.policies.count(), store.instructions.count(), len(store.imports.all()))
    return not any(held)


def load_starter(store: Store) -> str:
    """Load the starter into a new home, and return a line that says so; leave any other home alone and return ""."""
    if not is_new(store):
        return ""
    starter.register(store)
    base, sft = (policy.public for policy in store.policies.all())
    return (
        f"This home was empty. It now has the starter: {store.prompts.count():,} prompts, policies {base} and {sft}."
        " For your own model, use another home: preference-loop serve --base MODEL --home DIR"
    )


def load_everyday(store: Store) -> str:
    """Load everyday prompts into a new home, for a model behind an endpoint; see `load_starter`."""
    if not is_new(store):
        return ""
    everyday.add_prompts(store)
    return (
        f"This home was empty. It now has {store.prompts.count():,} everyday prompts."
        " For your own, use another home: preference-loop import FILE --as prompts --home DIR"
    )


def first_sampling(store: Store) -> dict[str, int]:
    """Return the settings of the first sampling run: one pair of each prompt, or more if there are too few prompts.

    Raises BadInput if there is no train prompt.
    """
    fast = any(policy.base == starter.SOURCE for policy in store.policies.all()[-1:])
    wanted = math.ceil((FIRST_PAIRS_OF_STARTER if fast else FIRST_PAIRS) * SPARE)
    counts = prompts_per_split(store, SampleSettings(prompts=wanted))
    usable = sum(min(count, store.prompts.count(split)) for split, count in counts.items())
    pairs = min(MOST_PAIRS, math.ceil(wanted / usable))
    return {"prompts": wanted, "per_prompt": 2 * pairs, "batch_size": EARLY_BATCH}


def read_template(file: Path | None, base: str | None) -> str | None:
    """Return the text of a chat template's file.

    Raises BadInput if it is unreadable, empty or no valid Jinja, or if no base is named.
    """
    if file is None:
        return None
    if not base:
        raise BadInput("--chat-template needs a model", "Name the model too: --base MODEL", field="chat-template")
    try:
        template = file.expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as problem:
        raise BadInput(
            f"the chat template cannot be read: {problem}", "Give a file of UTF-8 text.", file=str(file)
        ) from None
    if not template.strip():
        raise BadInput(
            "the chat template is empty",
            "Give a file with a Jinja chat template, as in a tokenizer's folder.",
            file=str(file),
        )
    check_syntax(template, str(file))
    return template


def read_base_arguments(assignments: Sequence[str], base: str | None) -> dict[str, Any]:
    """Return the arguments of a base's chat template; see `read_arguments`. Raises BadInput also if none is named."""
    if assignments and not base:
        raise BadInput("--template-set needs a model", "Name the model too: --base MODEL", field="template-set")
    return read_arguments(assignments, "template-set")


def _is_known(store: Store, base: str, template: str | None, arguments: dict[str, Any]) -> bool:
    """Return whether a bare policy has this base, and the template and arguments that are given."""
    bare = [policy for policy in store.policies.all() if policy.base == base and policy.adapter is None]
    return any(
        template in (None, policy.versions.get("chat_template"))
        and (not arguments or arguments == policy.versions.get("template_kwargs"))
        for policy in bare
    )


def resolve_base(base: str) -> str:
    """Return a folder as an absolute path, or the id of a downloaded hub model. Raises BadInput otherwise."""
    local = Path(base).expanduser()
    if not local.exists() and is_downloaded(base):
        return base
    if not (local / "config.json").is_file():
        raise BadInput(
            f"there is no model in {str(local)!r}: config.json is missing",
            "Give the folder of a causal language model saved by transformers, or the id of a downloaded hub model.",
            field="base",
        )
    return str(local.resolve())
