# SPDX-License-Identifier: Apache-2.0
"""What both sides of the PPO figures share: a random Llama of 7M parameters, its words, prompts, and a step that waits for its turn."""

from __future__ import annotations

import json
import os
import random
import resource
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from torch.utils.flop_counter import FlopCounterMode, sdpa_backward_flop_count, sdpa_flop_count
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast, TrainerCallback

PAD, END, ASK = "<pad>", "<end>", "<ask>"
WORDS = 2048
SHORTEST, LONGEST, ANSWER = 8, 32, 64
EPISODES, EPOCHS, RANK = 64, 4, 16


@dataclass(frozen=True)
class Case:
    """One row of the table, as its process is told it: `who` is ours or theirs, `layers` all or top, `setting` default or tuned, `critic` ours."""

    who: str
    bf16: bool = False
    layers: str = "all"
    setting: str = "tuned"
    critic: str = "joint"

    @property
    def name(self) -> str:
        """As the table shows it."""
        about = (
            f"adapters in {'every layer' if self.layers == 'all' else 'the top half'}"
            if self.who == "ours"
            else self.setting
        )
        critic = "" if self.critic == "joint" else f", critic={self.critic}"
        return f"{self.who}, {about}{critic}, {'bf16' if self.bf16 else 'fp32'}"


def save_base(folder: Path, layers: int = 8, hidden: int = 256, words: int = WORDS, spread: float = 0.02) -> Path:
    """The model and a tokenizer whose every id is a word; a prompt's last token asks for the answer. `spread`: deviation of the weights."""
    all_words = [PAD, END, ASK, *(f"w{number}" for number in range(3, words))]
    tokens = Tokenizer(models.WordLevel({word: number for number, word in enumerate(all_words)}, unk_token=PAD))
    tokens.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=tokens, pad_token=PAD, eos_token=END, additional_special_tokens=[ASK]
    )
    tokenizer.chat_template = "{% for message in messages %}{{ message['content'] }}{% endfor %} " + ASK
    torch.manual_seed(0)
    shape = LlamaConfig(
        vocab_size=words,
        hidden_size=hidden,
        intermediate_size=hidden * 11 // 4,
        num_hidden_layers=layers,
        num_attention_heads=4,
        max_position_embeddings=128,
        tie_word_embeddings=True,
        pad_token_id=0,
        eos_token_id=1,
        bos_token_id=None,
        initializer_range=spread,
    )
    LlamaForCausalLM(shape).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def prompts(seed: int, count: int = 1024, words: int = WORDS) -> list[str]:
    """Random words; with the token that asks, 8 to 32 of them."""
    rng = random.Random(seed)
    return [
        " ".join(f"w{rng.randrange(3, words)}" for _ in range(rng.randint(SHORTEST, LONGEST) - 1)) for _ in range(count)
    ]


def resident_mb() -> float:
    """Memory this process holds now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def peak_mb() -> float:
    """The most memory this process ever held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


def flop_counter() -> FlopCounterMode:
    """torch's counter, which leaves attention on a CPU out, told to count it as it does elsewhere."""
    aten = torch.ops.aten

    def forward(query, key, value, *_, **__):
        return sdpa_flop_count(query, key, value)

    def backward(grad, query, key, value, *_, **__):
        return sdpa_backward_flop_count(grad, query, key, value)

    known = {
        aten._scaled_dot_product_flash_attention_for_cpu: forward,
        aten._scaled_dot_product_flash_attention_for_cpu_backward: backward,
    }
    return FlopCounterMode(display=False, custom_mapping=known)


class Turns(TrainerCallback):
    """Before each update wait for a line on stdin: `go`, or `count` to count its operations; after it print what it took.

    `per_update` optimizer steps, as the trainer counts them, make an update. `tokens` is set by whoever knows the answers' lengths.
    """

    def __init__(self, per_update: int) -> None:
        self.per_update, self.tokens = per_update, 0
        self._out, sys.stdout = sys.stdout, sys.stderr  # libraries print, too

    def on_train_begin(self, *_, **__) -> None:
        self._say({"ready": True})
        self._wait()

    def on_step_end(self, args, state, control, **_) -> None:
        if state.global_step % self.per_update:
            return
        seconds = time.perf_counter() - self._began
        line = {
            "seconds": seconds,
            "cpu_seconds": time.process_time() - self._cpu_began,
            "tokens": self.tokens,
            "peak_mb": peak_mb(),
        }
        if self._counter is not None:
            self._counter.__exit__(None, None, None)
            line["flops"] = self._counter.get_total_flops()
        self._say(line)
        self._wait()

    def _say(self, line: dict) -> None:
        print(json.dumps(line), file=self._out, flush=True)

    def _wait(self) -> None:
        order = sys.stdin.readline().strip()
        if order not in ("go", "count"):
            os._exit(0)  # enough was measured; nothing is to be saved
        self._counter = flop_counter().__enter__() if order == "count" else None
        self._began, self._cpu_began = time.perf_counter(), time.process_time()
