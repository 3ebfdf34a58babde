# SPDX-License-Identifier: Apache-2.0
"""Rows of every reader in their published shape. Rows of a format that groups them follow one another."""

from __future__ import annotations

from tests.support.data.chat_rows import INSTRUCTIONS, PREFERENCES
from tests.support.data.import_rows import ALPACA, CHAT, HH, TRL
from tests.support.data.ranked_rows import HELPSTEER3, OVERALL, ROWS, TREE, message, talk

ASK = "Name a bird."
BATTLE = {
    "question_id": "q",
    "model_a": "koala",
    "model_b": "vicuna",
    "winner": "model_b",
    "judge": "arena_user_7",
    "turn": 1,
    "anony": True,
    "conversation_a": talk(ASK, "Cat."),
    "conversation_b": talk(ASK, "Robin."),
    "language": "English",
    "tstamp": 1.5,
}
OWN: dict[str, list[dict]] = {
    "alpaca": [ALPACA, {"instruction": ASK, "input": "A red one.", "output": "Robin.", "text": "t", "defects": []}],
    "arena": [
        BATTLE,
        BATTLE | {"winner": "tie (bothbad)", "conversation_b": talk(ASK, "Robin.", "Another?", "Wren.")},
        {"prompt": [ASK], "response_a": ["Robin."], "response_b": ["Cat."], "winner_model_a": 1, "winner_tie": 0},
    ],
    "full": [
        {
            "prompt_id": 1,
            "prompt": ASK,
            "messages": None,
            "a_id": "a",
            "b_id": "b",
            "a_text": "Robin.",
            "b_text": "Cat.",
            "label": 0.5,
            "margin": 2,
            "source": "import",
            "split": "train",
            "weight": 1.0,
            "labeler": "labeler-1",
            "kind": "comparison",
        }
    ],
    "hh": [HH],
    "openai": [
        {
            "messages": [
                {"role": "user", "content": ASK},
                {
                    "role": "assistant",
                    "content": None,
                    "tool_calls": [
                        {"id": "c1", "type": "function", "function": {"name": "birds", "arguments": '{"red": true}'}}
                    ],
                },
                {"role": "tool", "tool_call_id": "c1", "content": "robin"},
                {"role": "assistant", "content": "Robin."},
            ],
            "tools": [{"type": "function", "function": {"name": "birds", "parameters": {}}}],
            "parallel_tool_calls": False,
        }
    ],
    "pandalm": [
        {
            "idx": 1,
            "cmp_key": "bloom-7b_llama-7b",
            "instruction": ASK,
            "input": "",
            "response1": "Robin.",
            "response2": "Cat.",
            "annotator1": 1,
            "annotator2": 2,
            "annotator3": 0,
        }
    ],
    "trl": [
        TRL,
        CHAT,
        {"prompt": ASK, "chosen": "Robin.", "rejected": "Cat.", "score_chosen": 4.0, "score_rejected": 2.0},
        {"chosen": talk(ASK, "Robin."), "rejected": talk(ASK, "Cat."), "system": "Be brief."},
    ],
    "trl-implicit": [{"chosen": "The sky is blue", "rejected": "The sky is green"}],
    "helpsteer": [
        {"prompt": ASK, "response": text, **OVERALL, **more}
        for text, more in (("Robin.", {}), ("Cat.", {}), ("Owl.", {"helpfulness": None}))
    ],
    "nectar": [
        ROWS["nectar"] | {"answers": [*ROWS["nectar"]["answers"], {"answer": "Owl.", "model": "m", "rank": None}]}
    ],
    "ultrafeedback": [
        {
            "instruction": ASK,
            "completions": [
                {name: value for name, value in part.items() if name != "overall_score"}
                for part in ROWS["ultrafeedback"]["completions"]
            ],
        }
    ],
    "helpsteer-preference": [HELPSTEER3],
    "oasst": [
        TREE,
        *(
            {**message(id, text, role, parent_id=parent, rank=rank), "message_tree_id": "a", "replies": None}
            | {"labels": rank and {"name": ["spam", "quality"], "value": [0.0, 1 / rank], "count": [3, 3]}}
            for id, text, role, parent, rank in (
                ("a", ASK, "prompter", None, None),
                ("b", "Robin.", "assistant", "a", 1),
                ("c", "Cat.", "assistant", "a", 2),
                ("d", "Wren.", "assistant", "lost", 1),
            )
        ),
    ],
    "sharegpt": [
        {
            "conversations": [
                {"from": "human", "value": ASK},
                {"from": "function_call", "value": '{"name": "birds", "arguments": {}}'},
                {"from": "observation", "value": "robin"},
                {"from": "gpt", "value": "Robin."},
            ],
            "system": "Be brief.",
            "tools": '[{"name": "birds", "parameters": {}}]',
        }
    ],
}


def published_rows() -> dict[str, list[dict]]:
    """Return the rows of each format by its name."""
    found: dict[str, list[dict]] = {}
    for form, row in (*INSTRUCTIONS.values(), *PREFERENCES.values(), *ROWS.items()):
        if "rows" not in row:  # rows that belong together come one by one
            found.setdefault(form, []).append(row)
    for form, rows in OWN.items():
        found.setdefault(form, []).extend(rows)
    return found
