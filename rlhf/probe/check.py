# SPDX-License-Identifier: Apache-2.0
"""The check of a model from its files to a backward pass. The model is loaded once; nothing is written."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import transformers
from transformers import AutoConfig, PreTrainedModel, PreTrainedTokenizerBase
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING

from data.errors import BadInput
from data.settings import parse_settings
from data.transfer.hub import downloaded_folder
from reward.base.frozen_base import Base
from reward.base.loading import LOCAL, load_causal
from reward.base.locate import locate
from reward.base.placement import Placement
from reward.base.text.template_options import TemplateOptions
from reward.placement_settings import PlacementSettings
from rlhf.probe import layer_checks, text_checks
from rlhf.probe.document import Line, make_document
from rlhf.probe.files import ANOTHER, check_class, check_files
from rlhf.probe.text_checks import one_line

UPDATE = "Update transformers or take another base; a model's own Python code is never run."
REPORT = "This class of model is not supported yet. Take another base, or report it with this line."
IMPORTED = "imported"
ADAPTED = ("merging", "reward head")
"""Questions to the adapter that the question LoRA adds."""
NEEDED = ("class", "files", "weights", "template", "base", "tokenizer")
"""A refusal of one of these leaves nothing to try the others on."""


@dataclass(frozen=True, slots=True)
class CheckRequest:
    """A model to check, perhaps with another chat template or arguments of it, an adapter, and a home's placement."""

    source: str
    chat_template: str | None = None
    template_kwargs: Mapping[str, Any] = field(default_factory=dict)
    adapter: str | None = None
    placement: Mapping[str, str] = field(default_factory=dict)


def check_model(request: CheckRequest) -> dict[str, Any]:
    """Return the document of a model's check."""
    return make_document(request.source, ModelCheck(request).lines())


class ModelCheck:
    """The questions to one model, in their order. The answers before fill `causal`, `tokenizer` and `base`."""

    causal: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    base: Base

    def __init__(self, request: CheckRequest) -> None:
        self.request = request
        self.answers: dict[str, Callable[[], Line]] = {
            "class": self.check_class,
            "files": lambda: Line("files", "ok", check_files(find_folder(request.source))),
            "weights": self.load,
            "template": lambda: text_checks.check_template(self.tokenizer, request.template_kwargs),
            "roles": lambda: text_checks.check_roles(self.tokenizer, request.template_kwargs),
            "base": self.make_base,
            "tokenizer": lambda: text_checks.check_tokenizer(self.base),
            "context": lambda: text_checks.check_context(self.base),
            "end tokens": lambda: text_checks.check_ends(self.base),
            "logits": lambda: layer_checks.check_logits(self.base),
            "sampling": lambda: layer_checks.check_sampling(self.base),
            "LoRA": lambda: layer_checks.check_lora(self.base),
            "merging": lambda: layer_checks.check_merging(self.base),
            "reward head": lambda: layer_checks.check_reward_head(self.base),
            **({"adapter": self.fit_adapter} if request.adapter else {}),
        }

    def lines(self) -> Iterator[Line]:
        """Yield a line per question, until a refusal leaves nothing to try the others on."""
        refused: set[str] = set()
        for name, answer in self.answers.items():
            if name in ADAPTED and "LoRA" in refused:
                continue
            yield (line := _answer(name, answer))
            if line.state == "refused":
                refused.add(name)
                if name in NEEDED:
                    return

    def check_class(self) -> Line:
        """Check that transformers knows the class as a causal language model."""
        source = self.request.source
        path = Path(source).expanduser()
        named = check_class(path if path.is_dir() else find_folder(source))
        try:
            config = AutoConfig.from_pretrained(locate(source), **LOCAL)
        except (ValueError, KeyError) as problem:
            raise BadInput(f"transformers {transformers.__version__} does not know {named}", UPDATE) from problem
        if type(config) not in MODEL_FOR_CAUSAL_LM_MAPPING:
            raise BadInput(f"transformers has no causal language model for {named}", ANOTHER)
        return Line("class", "ok", named)

    def load(self) -> Line:
        """Load the model in the home's placement, and take the other chat template if one is given."""
        self.placement = Placement.choose(parse_settings(PlacementSettings, self.request.placement))
        self.causal, self.tokenizer = load_causal(self.request.source, self.placement)
        if self.request.chat_template is not None:
            self.tokenizer.chat_template = self.request.chat_template
        count = sum(parameter.numel() for parameter in self.causal.parameters())
        return Line("weights", "ok", f"{count:,} parameters, complete and finite")

    def make_base(self) -> Line:
        """Make the base that runs use."""
        options = TemplateOptions(template_kwargs=self.request.template_kwargs)
        self.base = Base(self.causal, self.tokenizer, locate(self.request.source), self.placement, options)
        about = self.placement.describe()
        return Line("base", "ok", f"states of width {self.base.hidden_size:,}, {about['dtype']} on {about['device']}")

    def fit_adapter(self) -> Line:
        """Load the adapter on the base."""
        assert self.request.adapter is not None, "asked only for a request with an adapter"
        self.base.add_adapter(IMPORTED, self.request.adapter)
        rank = self.base.adapter_config(IMPORTED).r
        return Line("adapter", "ok", f"{len(self.base.parameters(IMPORTED)) // 2} layers, rank {rank}")


def find_folder(source: str) -> Path:
    """Return the folder of a local or downloaded model. Raises BadInput if there is none."""
    name = locate(source)
    folder = Path(name) if Path(name).is_dir() else downloaded_folder(name)
    if folder is None:
        raise BadInput(f"there is no model {source!r}", "Give a folder, or the id of a downloaded hub model.")
    return folder


def _answer(name: str, answer: Callable[[], Line]) -> Line:
    """Return the line, or a refusal if the question raises: a class of model that no check knows raises anything."""
    try:
        return answer()
    except BadInput as problem:
        return Line.refusal(name, problem)
    except Exception as problem:  # the libraries and the model's own code raise dozens of unrelated types
        return Line(name, "refused", f"{type(problem).__name__}: {one_line(problem)}", REPORT)
