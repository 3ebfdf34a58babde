"""What the raters' page says, in English and Korean; the rubric's points are those of data.ratings.RUBRIC_VERSION."""

from __future__ import annotations

ENGLISH = {
    "title": "What is this worth to learn from?",
    "lead": "A model will imitate the answers that get many points. Give 0 to 5.",
    "task": "Task",
    "answer": "Answer",
    "0": "Harmful to learn from: rude, off topic, or nonsense",
    "1": "Bad: does not do the task, or breaks off",
    "2": "Weak: does a part of it, or gets an important thing wrong",
    "3": "Usable: does the task, but curt, padded or repeating",
    "4": "Good: right, complete and clear",
    "5": "Exemplary: right, complete, and as kind and clear as one could wish",
    "unsure": "I cannot tell",
    "last": "Recorded: {score}.",
    "last_unsure": "Recorded: cannot tell.",
    "change": "Change it (u)",
    "so_far": "{n} rated by you",
    "nothing": "Every row that trains has been rated. Thank you.",
    "nothing_yet": "There is no instruction row of the train split yet. A researcher imports some.",
    "compare": "Compare answers instead",
    "keys": "Keys 0 to 5 rate, s: cannot tell, u: change the last one.",
}

KOREAN = {
    "title": "배울 가치가 얼마나 있습니까?",
    "lead": "모델은 높은 점수를 받은 답변을 따라 배웁니다. 0점에서 5점까지 주세요.",
    "task": "과제",
    "answer": "답변",
    "0": "배우면 해로움: 무례하거나 주제를 벗어나거나 말이 되지 않음",
    "1": "나쁨: 과제를 하지 않았거나 중간에 끊김",
    "2": "부족함: 일부만 했거나 중요한 것이 틀림",
    "3": "쓸 만함: 과제는 했지만 퉁명스럽거나 장황하거나 반복됨",
    "4": "좋음: 맞고, 온전하고, 명확함",
    "5": "모범적: 맞고 온전하며 더할 나위 없이 친절하고 명확함",
    "unsure": "모르겠음",
    "last": "기록됨: {score}점.",
    "last_unsure": "기록됨: 모르겠음.",
    "change": "고치기 (u)",
    "so_far": "지금까지 {n}개 평가함",
    "nothing": "학습에 쓰이는 모든 행이 평가되었습니다. 감사합니다.",
    "nothing_yet": "아직 학습용 지시문이 없습니다. 연구자가 가져오면 나타납니다.",
    "compare": "답변 비교하러 가기",
    "keys": "0~5: 점수, s: 모르겠음, u: 마지막 것 고치기.",
}

TEXTS = {"en": ENGLISH, "ko": KOREAN}


def say(language: str, key: str, **values: object) -> str:
    """The text of `key` in `language`, filled with `values`."""
    return TEXTS[language][key].format(**values)
