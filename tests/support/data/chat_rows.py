# SPDX-License-Identifier: Apache-2.0
"""Small rows in the published shape of each format of fine-tuning files, chats and annotation tools.

Each asks for a colour. "Blue." is the answer to imitate, or the better one; "Go away." is the worse one.
"""

from __future__ import annotations

ASK, GOOD, WORSE = "Name a colour.", "Blue.", "Go away."
USER, BLUE, BAD = (
    {"role": role, "content": text} for role, text in (("user", ASK), ("assistant", GOOD), ("assistant", WORSE))
)
HUMAN, GPT = {"from": "human", "value": ASK}, {"from": "gpt", "value": GOOD}
TASK = {"prompt": ASK, "answer1": GOOD, "answer2": WORSE}
PAIRWISE = {"value": {"selected": "left"}, "from_name": "cmp", "to_name": "a1,a2", "type": "pairwise"}
ANNOTATION = {"id": 5, "completed_by": 7, "was_cancelled": False, "result": [PAIRWISE]}
MIN = {
    "cmp": "left",
    "id": 1,
    "annotator": 7,
    "annotation_id": 5,
    "created_at": "2026-01-01T00:00:00Z",
    "lead_time": 3.1,
}
RESPONSE = {"value": "response_a", "user_id": "7", "status": "submitted"}
RECORD = {"id": "1", "status": "completed", "_server_id": "s"}
FIELDS = {"prompt": ASK, "response_a": GOOD, "response_b": WORSE}
OPTIONS = {"options": [{"id": 1, "text": GOOD}, {"id": 2, "text": WORSE}], "accept": [1], "answer": "accept"}
INSTRUCTIONS = {
    "openai": ("openai", {"messages": [USER, {**BLUE, "weight": 1}], "parallel_tool_calls": False}),
    "openai with parts": ("openai", {"messages": [{"role": "User", "content": [{"type": "text", "text": ASK}]}, BLUE]}),
    "ms-swift messages": ("ms-swift", {"messages": [USER, BLUE], "label": True}),
    "ms-swift query": ("ms-swift", {"query": ASK, "response": GOOD, "history": []}),
    "ms-swift exchanges": ("chat-log", {"conversation": [{"human": ASK, "assistant": GOOD}]}),
    "llama-factory alpaca": ("alpaca", {"instruction": ASK, "input": "", "output": GOOD, "system": "", "history": []}),
    "llama-factory sharegpt": ("sharegpt", {"conversations": [HUMAN, GPT], "system": "", "tools": "[]"}),
    "llama-factory kto": ("llama-factory", {"instruction": ASK, "input": "", "output": GOOD, "kto_tag": True}),
    "llama-factory kto chat": ("llama-factory", {"conversations": [HUMAN, GPT], "kto_tag": True}),
    "llama-factory kto messages": ("llama-factory", {"messages": [USER, BLUE], "kto_tag": "true"}),
    "unsloth chatml": ("sharegpt", {"conversations": [USER, BLUE]}),
    "axolotl segments": ("axolotl", {"segments": [{"label": False, "text": ASK}, {"label": True, "text": GOOD}]}),
    "axolotl segments with marks": (
        "axolotl",
        {
            "segments": [
                {"label": False, "text": f"<|im_start|>user\n{ASK}<|im_end|>\n<|im_start|>assistant\n"},
                {"label": True, "text": f"{GOOD}<|im_end|>\n"},
            ]
        },
    ),
    "axolotl training": ("sharegpt", {"conversations": [HUMAN, {**GPT, "training": True}]}),
    "kto": ("kto", {"prompt": ASK, "completion": GOOD, "label": True}),
    "kto of questions": ("question-answer", {"question": ASK, "completion": GOOD, "label": True, "system": ""}),
    "lmsys-chat-1m": (
        "chat-log",
        {"conversation_id": "c", "model": "m", "conversation": [USER, BLUE], "turn": 1, "language": "English"},
    ),
    "ultrachat": ("chat-log", {"id": "0", "data": [ASK, GOOD]}),
    "transcript": ("chat-log", {"transcript": f"\n\nHuman: {ASK}\n\nAssistant: {GOOD}"}),
    "openorca": ("question-answer", {"id": "niv.1", "system_prompt": "", "question": ASK, "response": GOOD}),
    "question and answer": ("question-answer", {"question": ASK, "answer": GOOD}),
    "input and output": ("question-answer", {"input": ASK, "output": GOOD}),
    "prompt and response": ("trl", {"prompt": ASK, "response": GOOD}),
    "dolly": ("alpaca", {"instruction": ASK, "context": "", "response": GOOD, "category": "open_qa"}),
    "self-instruct": ("alpaca", {"instruction": ASK, "instances": [{"input": "", "output": GOOD}]}),
    "text with marks": (
        "text",
        {"text": f"<|im_start|>user\n{ASK}<|im_end|>\n<|im_start|>assistant\n{GOOD}<|im_end|>\n"},
    ),
}
"""Name -> (the format that is detected, a row that holds one demonstration)."""
PREFERENCES = {
    "openai-dpo": (
        "openai-dpo",
        {
            "input": {"messages": [USER], "tools": [], "parallel_tool_calls": True},
            "preferred_output": [BLUE],
            "non_preferred_output": [BAD],
        },
    ),
    "ms-swift": ("ms-swift", {"messages": [USER, BLUE], "rejected_response": WORSE}),
    "ms-swift messages": ("ms-swift", {"messages": [USER, BLUE], "rejected_messages": [USER, BAD]}),
    "ms-swift query": ("ms-swift", {"query": ASK, "response": GOOD, "rejected_response": WORSE}),
    "llama-factory alpaca": ("alpaca", {"instruction": ASK, "input": "", "chosen": GOOD, "rejected": WORSE}),
    "llama-factory sharegpt": (
        "sharegpt",
        {"conversations": [HUMAN], "chosen": GPT, "rejected": {"from": "gpt", "value": WORSE}},
    ),
    "axolotl messages": ("axolotl", {"messages": [USER], "chosen": BLUE, "rejected": BAD}),
    "intel orca": ("question-answer", {"system": "", "question": ASK, "chosen": GOOD, "rejected": WORSE}),
    "distilabel": (
        "distilabel",
        {
            "system": "",
            "input": ASK,
            "chosen": GOOD,
            "rejected": WORSE,
            "generations": [WORSE, GOOD],
            "generation_models": ["m1", "m2"],
            "rating": [2.0, 9.0],
            "status": "unchanged",
            "chosen_score": 9.0,
        },
    ),
    "distilabel generations": (
        "distilabel",
        {"instruction": ASK, "generations": [GOOD, WORSE], "generation_models": ["m1", "m2"], "ratings": [5, "1"]},
    ),
    "label studio": ("label-studio", {"id": 1, "annotations": [ANNOTATION], "data": TASK, "predictions": []}),
    "label studio min": ("label-studio", {**TASK, **MIN}),
    "argilla": ("argilla", {**RECORD, "fields": FIELDS, "responses": {"preference": [RESPONSE]}, "metadata": {}}),
    "argilla ranking": (
        "argilla",
        {
            **RECORD,
            "fields": FIELDS,
            "responses": {"preference": [{"value": ["response_a", "response_b"], "user_id": "7"}]},
        },
    ),
    "argilla flat": (
        "argilla",
        {
            **RECORD,
            **FIELDS,
            "preference.responses": ["response_a"],
            "preference.responses.users": ["7"],
            "preference.responses.status": ["submitted"],
            "preference.suggestion": "response_b",
            "preference.suggestion.score": 0.3,
        },
    ),
    "prodigy": ("prodigy", {"text": ASK, **OPTIONS, "_annotator_id": "7", "_input_hash": 3}),
}
"""Name -> (the format that is detected, a row in which the answer "Blue." wins)."""
