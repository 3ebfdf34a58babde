# SPDX-License-Identifier: Apache-2.0
"""The control tokens of the families, and what several families share."""

from __future__ import annotations

from tests.matrix import templates

CHATML = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
CHATML_ENDS = {"eos": "<|im_end|>", "pad": "<|endoftext|>", "ends": ("<|im_end|>", "<|endoftext|>")}
THINKING = {"template": templates.CHATML_THINKING, "plain": ("<think>", "</think>"), **CHATML_ENDS}
GEMMA = {"kind": "gemma", "bos": "<bos>", "eos": "<eos>", "pad": "<pad>", "adds_bos": True}
GEMMA_TOKENS = ("<pad>", "<eos>", "<bos>", "<start_of_turn>", "<end_of_turn>")
GEMMA_ENDS = {"ends": ("<eos>", "<end_of_turn>")}
HEADERS = (
    "<|begin_of_text|>",
    "<|end_of_text|>",
    "<|start_header_id|>",
    "<|end_header_id|>",
    "<|eom_id|>",
    "<|eot_id|>",
)
HEADERS4 = ("<|begin_of_text|>", "<|end_of_text|>", "<|header_start|>", "<|header_end|>", "<|eom|>", "<|eot|>")
PHI3 = ("<s>", "</s>", "<|endoftext|>", "<|assistant|>", "<|system|>", "<|end|>", "<|user|>")
COHERE = (
    "<PAD>",
    "<BOS_TOKEN>",
    "<EOS_TOKEN>",
    "<|START_OF_TURN_TOKEN|>",
    "<|END_OF_TURN_TOKEN|>",
    "<|USER_TOKEN|>",
    "<|CHATBOT_TOKEN|>",
    "<|SYSTEM_TOKEN|>",
    "<|START_RESPONSE|>",
    "<|END_RESPONSE|>",
)
GLM = ("<|endoftext|>", "[gMASK]", "<sop>", "<|system|>", "<|user|>", "<|assistant|>", "<|observation|>")
EXAONE = ("[PAD]", "[BOS]", "[|endofturn|]", "[|system|]", "[|user|]", "[|assistant|]")
HARMONY = (
    "<|startoftext|>",
    "<|endoftext|>",
    "<|return|>",
    "<|call|>",
    "<|start|>",
    "<|channel|>",
    "<|message|>",
    "<|end|>",
)
JAMBA = ("<|pad|>", "<|startoftext|>", "<|endoftext|>", "<|bom|>", "<|eom|>", "<|system|>", "<|user|>", "<|assistant|>")
DEEPSEEK = ("<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>", "<｜▁pad▁｜>", "<｜User｜>", "<｜Assistant｜>")
GRANITE = ("<|end_of_text|>", "<|start_of_role|>", "<|end_of_role|>")
LLAMA3 = {"bos": HEADERS[0], "adds_bos": True}
END_OF_TEXT = {"specials": ("<|endoftext|>",), "eos": "<|endoftext|>"}
PLAIN = {"specials": ("<s>", "</s>", "<pad>"), "bos": "<s>", "eos": "</s>", "pad": "<pad>"}
