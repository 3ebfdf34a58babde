# SPDX-License-Identifier: Apache-2.0
"""Checks of tokenizer, chat template, context and end tokens. Each returns a line or raises BadInput."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from transformers import BatchEncoding, PreTrainedTokenizerBase

from data.errors import BadInput
from reward.base.frozen_base import Base
from reward.base.text.encoding import Encoding
from reward.base.text.fingerprint import PROBE
from reward.base.text.template_options import check_arguments
from rlhf.probe.document import Line

USER, ANSWER = {"role": "user", "content": "Hi."}, {"role": "assistant", "content": "Hello."}
SYSTEM = {"role": "system", "content": "Be brief."}
CONVERSATIONS = {
    "a system message": [SYSTEM, USER],
    "several turns": [USER, ANSWER, USER],
    "two user messages in a row": [USER, USER],
    "a first message of the assistant": [ANSWER, USER],
}
"""Kinds of imported conversation by name; a template may refuse each of them."""
NO_ARGUMENTS: Mapping[str, Any] = {}
DATES = ("strftime_now", "date_string", "datetime")


def check_template(tokenizer: PreTrainedTokenizerBase, arguments: Mapping[str, Any] = NO_ARGUMENTS) -> Line:
    """Render a prompt with these arguments.

    Raises BadInput for a syntax error, with its line, for a template that fails, and for an argument that none reads.
    """
    template = tokenizer.chat_template
    if not template:
        return Line("template", "note", "no chat template: prompts become '### Instruction: ... ### Response:'")
    try:
        text = _rendered(tokenizer, [USER], arguments)
    except Exception as problem:  # templates are code of their own and raise whatever jinja2 does
        line = getattr(problem, "lineno", None)
        kind = "has a syntax error" if line else "cannot render one user message"
        raise BadInput(
            f"the chat template {kind}: {one_line(problem)}",
            "Correct it, or give another one with --chat-template FILE.",
            file="chat_template.jinja" if line else None,
            line=line,
        ) from problem
    check_arguments(template, arguments, "template-set")
    notes = []
    if any(name in str(template) for name in DATES):
        notes.append("it writes the date, which stays that of the registration")
    if text.rstrip().endswith("<think>"):
        notes.append("it opens <think>, so answers begin with thoughts")
    return Line("template", "note" if notes else "ok", "; ".join([f"ends in {text[-40:]!r}", *notes]))


def check_roles(tokenizer: PreTrainedTokenizerBase, arguments: Mapping[str, Any] = NO_ARGUMENTS) -> Line:
    """Report the conversations that the template refuses: such prompts are left out of runs and counted."""
    if not tokenizer.chat_template:
        return Line("roles", "note", "without a chat template, prompts of several messages are left out of runs")
    refused = []
    for name, messages in CONVERSATIONS.items():
        try:
            _rendered(tokenizer, messages, arguments)
        except Exception as problem:  # a template refuses by an error of its own
            refused.append(f"{name} ({one_line(problem, 60)})")
    if refused:
        return Line("roles", "note", f"the template refuses {'; '.join(refused)}")
    return Line("roles", "ok", f"the template takes {', '.join(CONVERSATIONS)}")


def check_tokenizer(base: Base) -> Line:
    """Report unknown tokens and lost text. Raises BadInput if text can give ids outside the embedding."""
    encoding = base.encoding
    outside = {token: id for token, id in base.tokenizer.get_vocab().items() if id >= encoding.rows}
    special = {str(token) for token in base.tokenizer.added_tokens_decoder.values() if token.special}
    written = sorted(set(outside) - special, key=outside.__getitem__)
    if written:
        raise BadInput(
            f"{len(written)} tokens such as {written[0]!r} have ids from {outside[written[0]]} on, "
            f"but the embedding has {encoding.rows} rows",
            "Put the model's own tokenizer into its folder.",
        )
    notes = [f"{len(outside)} control tokens lie outside the embedding"] if outside else []
    notes += _unknown(encoding)
    size = f"{len(base.tokenizer):,} tokens, {encoding.rows:,} rows in the embedding"
    return Line("tokenizer", "note" if notes else "ok", "; ".join([size, *notes]))


def check_context(base: Base) -> Line:
    """Report the context length, and whether the model states it."""
    source = base.encoding.context_source
    if source:
        return Line("context", "ok", f"{base.context:,} tokens ({source})")
    return Line("context", "note", f"{base.context:,} tokens assumed: the model states none")


def check_ends(base: Base) -> Line:
    """Report the tokens that end an answer."""
    names = [f"{base.tokenizer.convert_ids_to_tokens(id)!r} ({id})" for id in sorted(base.eos_ids)]
    return Line("end tokens", "ok", ", ".join(names))


def one_line(problem: Exception, most: int = 160) -> str:
    """Return the first line of an error, or the name of its class."""
    return (str(problem).strip().splitlines() or [type(problem).__name__])[0][:most]


def _rendered(tokenizer: PreTrainedTokenizerBase, messages: list[dict[str, str]], arguments: Mapping[str, Any]) -> str:
    encoded = tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False, **arguments)
    assert not isinstance(encoded, BatchEncoding), "tokenize=False asks for a text"
    return str(encoded)


def _unknown(encoding: Encoding) -> list[str]:
    """Return notes about text that the tokenizer replaces by its unknown token or loses."""
    name, ids = encoding.tokenizer.unk_token, encoding.encode_prompt("Hi.")
    if unknown := encoding.count_unknown(ids):
        return [f"{unknown} of {len(ids)} tokens of a prompt 'Hi.' are {name}"]
    if encoding.count_unknown(encoding.encode_completion(PROBE)):
        return [f"it lacks characters of other languages and writes them as {name}"]
    if encoding.decode(encoding.encode_completion(PROBE)) != PROBE:
        return ["a text does not come back from its ids as it was"]
    return []
