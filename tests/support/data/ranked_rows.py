"""One row of each public preference format, in its published shape."""

from __future__ import annotations


def talk(*said: str) -> list[dict]:
    return [
        {"role": role, "content": text} for role, text in zip(("user", "assistant") * len(said), said, strict=False)
    ]


def completion(model: str, text: str, score: float | None, honesty: str) -> dict:
    return {
        "annotations": {
            "helpfulness": {"Rating": "4", "Rationale": "Helps.", "Rationale For Rating": "r", "Type": ["1"]},
            "honesty": {"Rating": honesty, "Rationale": "Honest."},
        },
        "critique": "Fine.",
        "custom_system_prompt": "Be honest.",
        "fine-grained_score": 4.25,
        "model": model,
        "overall_score": score,
        "principle": "honesty",
        "response": text,
    }


def message(id: str, text: str, role: str, **more: object) -> dict:
    own = {"message_id": id, "parent_id": None, "text": text, "role": role, "lang": "en", "review_count": 3}
    return {**own, "review_result": True, "deleted": False, "rank": None, "model_name": None, "replies": [], **more}


def label(value: float) -> dict:
    return {"quality": {"value": value, "count": 3}, "spam": {"value": 0.0, "count": 3}}


TREE = message(
    "a",
    "Name a bird.",
    "prompter",
    replies=[
        message(
            "b",
            "Robin.",
            "assistant",
            rank=0,
            labels=label(0.9),
            replies=[
                message(
                    "d",
                    "Another?",
                    "prompter",
                    replies=[
                        message("e", "Wren.", "assistant", rank=1),
                        message("f", "Owl.", "assistant", rank=0),
                        message("g", "Spam!", "assistant", rank=2, review_result=False),
                    ],
                )
            ],
        ),
        message("c", "Cat.", "assistant", rank=1, labels=label(0.1)),
        message("h", "Gone.", "assistant", rank=2, deleted=True),
        message("i", "Finch.", "assistant"),
    ],
)
OVERALL = {"helpfulness": 3, "correctness": 4, "coherence": 4, "complexity": 2, "verbosity": 2}

ROWS: dict[str, dict] = {
    "ultrafeedback": {
        "source": "evol_instruct",
        "instruction": "Name a bird.",
        "models": ["m1", "m2", "m3", "m4"],
        "completions": [
            completion("m1", "Robin.", 8.0, "5"),
            completion("m2", "Cat.", 2.0, "N/A"),
            completion("m3", "Wren.", 8.0, "3"),
            completion("m4", "Bat.", None, "2"),
        ],
        "correct_answers": ["None"],
        "incorrect_answers": ["None"],
    },
    "nectar": {
        "prompt": "\n\nHuman: Hi\n\nAssistant: Hello.\n\nHuman: Name a bird.\n\nAssistant: ",
        "answers": [
            {"answer": "Robin.", "model": "gpt-4", "rank": 1.0},
            {"answer": "Wren.", "model": "llama-2-7b-chat", "rank": 2.0},
            {"answer": "Cat.", "model": "mistral", "rank": 3.0},
        ],
        "turns": 2,
        "num_responses": 3,
        "source": ["lmsys-chat-1m"],
        "good_natured": True,
    },
    "ranking": {"query": "Name a bird.", "responses": ["Robin.", "Cat.", "Wren."], "scores": [0.7, -1.5, 0.7]},
    "oasst": {"message_tree_id": "a", "tree_state": "ready_for_export", "prompt": TREE},
    "helpsteer": {"prompt": "Name a bird.", "rows": [{"prompt": "Name a bird.", "response": "Robin.", **OVERALL}]},
    "helpsteer-preference": {
        "split": "train",
        "prompt": "Hi\n<extra_id_1>Assistant\nHello.\n<extra_id_1>User\nName a bird.",
        "response_1": "Robin.",
        "response_2": "Cat.",
        "preference_strength": -3,
        "preference_statement": "@Response 1 is much better than @Response 2",
        "preference_elaboration": "It names a bird.",
        "three_most_similar_preferences": [{"statement": "s", "elaboration": "e", "strength": -3}],
        "all_preferences_unprocessed": [{"statement": "s", "elaboration": "e", "strength": -3}],
    },
    "shp": {
        "post_id": "qt3nxl",
        "domain": "askculinary_train",
        "upvote_ratio": 0.98,
        "history": "What's the best bird?",
        "c_root_id_A": "h1",
        "c_root_id_B": "h2",
        "created_at_utc_A": 1636822112,
        "created_at_utc_B": 1636822110,
        "score_A": 340,
        "score_B": 166,
        "human_ref_A": "A robin.",
        "human_ref_B": "A wren.",
        "labels": 1,
        "seconds_difference": 2.0,
        "score_ratio": 2.048,
    },
    "webgpt": {
        "question": {"dataset": "eli5", "id": "x", "full_text": "What is a bird?"},
        "quotes_0": {"title": ["Bird (en.wikipedia.org)"], "extract": ["Birds are animals."]},
        "answer_0": "An animal [1].",
        "tokens_0": {"prefix": [1], "completion": [2]},
        "score_0": -0.5,
        "quotes_1": {"title": [], "extract": []},
        "answer_1": "A feathered animal.",
        "tokens_1": {"prefix": [1], "completion": [3]},
        "score_1": 0.5,
    },
    "summarize-from-feedback": {
        "info": {
            "id": "t3",
            "post": "I saw a bird.",
            "title": "Bird",
            "subreddit": "pics",
            "site": None,
            "article": None,
        },
        "summaries": [
            {"text": " Saw one.", "policy": "sup4_ppo_rm4", "note": ""},
            {"text": " Bird seen.", "policy": "ref", "note": ""},
        ],
        "choice": 1,
        "worker": "ikNmucwunMnYJCQpnq6ZYb57OW7NiD",
        "batch": "batch9",
        "split": "train",
        "extra": {"confidence": 8},
    },
    "pku-saferlhf": {
        "prompt": "How do I catch a bird?",
        "response_0": "With a net.",
        "response_1": "Ask a ranger.",
        "prompt_source": "GPT",
        "response_0_source": "Alpaca-7B",
        "response_1_source": "Alpaca2-7B",
        "is_response_0_safe": False,
        "is_response_1_safe": True,
        "response_0_harm_category": {"Animal Abuse": True},
        "response_0_severity_level": 1,
        "better_response_id": 0,
        "safer_response_id": 1,
        "response_0_sha256": "0",
    },
    "llmbar": {"input": "Name a bird.", "output_1": "Robin.", "output_2": "Cat.", "label": "2"},
    "alpaca-eval": {
        "instruction": "Name a bird.",
        "output_1": "Robin.",
        "generator_1": "text_davinci_003",
        "dataset": "koala",
        "output_2": "Cat.",
        "generator_2": "gpt4",
        "annotator": "alpaca_eval_gpt4",
        "preference": 1.0,
        "price_per_example": 0.015,
        "raw_completion": "{}",
    },
    "mt-bench": {
        "question_id": 81,
        "model_a": "alpaca-13b",
        "model_b": "gpt-3.5-turbo",
        "winner": "model_b",
        "judge": "author_2",
        "conversation_a": talk("Name a bird.", "Cat.", "Another?", "Dog."),
        "conversation_b": talk("Name a bird.", "Robin.", "Another?", "Wren."),
        "turn": 1,
    },
    "qa-feedback": {
        "question": "What is a robin?",
        "passages": [["Robin", "Robin\n\nA robin is a bird.", "It is red."], ["Wren", "A wren is small."]],
        "gold": "A bird.",
        "prediction 1": "A bird.",
        "prediction 2": "A cat.",
        "prediction 3": "Red.",
        "feedback": {"errors": [], "missing-info": [], "corrected-prediction": "A red bird."},
        "preference": [1, 0, 2],
    },
    "reward-bench": {
        "id": "0",
        "prompt": "Name a bird.",
        "chosen": ["Robin.", "Wren."],
        "rejected": ["Cat.", "Dog."],
        "num_correct": 2,
        "num_incorrect": 2,
        "total_completions": 4,
        "models": ["human", "m2", "m3", "m4"],
        "subset": "Ties",
        "additional_metadata": None,
    },
}
HELPSTEER3 = {
    "domain": "general",
    "language": "english",
    "context": talk("Hi", "Hello.", "Name a bird."),
    "response1": "Cat.",
    "response2": "Robin.",
    "overall_preference": 2,
    "individual_preference": [{"score": 2, "reasoning": "r", "feedback1": "f", "feedback2": "f"}],
}
