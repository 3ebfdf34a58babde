"""What the raters' page says, in English and Korean; the rubric's points are those of data.tables.ratings.RUBRIC_VERSION."""

from __future__ import annotations

ENGLISH = {
    "rate_title": "What is this worth to learn from?",
    "rate_lead": "A model will imitate the answers that get many points. Give 0 to 5.",
    "rate_task": "Task",
    "rate_0": "Harmful to learn from: rude, off topic, or nonsense",
    "rate_1": "Bad: does not do the task, or breaks off",
    "rate_2": "Weak: does a part of it, or gets an important thing wrong",
    "rate_3": "Usable: does the task, but curt, padded or repeating",
    "rate_4": "Good: right, complete and clear",
    "rate_5": "Exemplary: right, complete, and as kind and clear as one could wish",
    "rate_unsure": "I cannot tell",
    "rate_last": "Recorded: {score}.",
    "rate_last_unsure": "Recorded: cannot tell.",
    "rate_change": "Change it (u)",
    "rate_so_far": "{n} rated by you",
    "rate_nothing": "Every row that trains has been rated. Thank you.",
    "rate_nothing_yet": "There is no instruction row of the train split yet. A researcher imports some.",
    "no_rating": "No row waits for you: rating is for people of the Standard project, while it is open. A researcher can change that.",
    "rate_refused": "Not recorded: this page was sent before with another point. u changes the last one.",
    "rate_keys": "Keys 0 to 5 rate, s: cannot tell, u: change the last one.",
}

KOREAN = {
    "rate_title": "배울 가치가 얼마나 있습니까?",
    "rate_lead": "모델은 높은 점수를 받은 답변을 따라 배웁니다. 0점에서 5점까지 주세요.",
    "rate_task": "과제",
    "rate_0": "배우면 해로움: 무례하거나 주제를 벗어나거나 말이 되지 않음",
    "rate_1": "나쁨: 과제를 하지 않았거나 중간에 끊김",
    "rate_2": "부족함: 일부만 했거나 중요한 것이 틀림",
    "rate_3": "쓸 만함: 과제는 했지만 퉁명스럽거나 장황하거나 반복됨",
    "rate_4": "좋음: 맞고, 온전하고, 명확함",
    "rate_5": "모범적: 맞고 온전하며 더할 나위 없이 친절하고 명확함",
    "rate_unsure": "모르겠음",
    "rate_last": "기록됨: {score}점.",
    "rate_last_unsure": "기록됨: 모르겠음.",
    "rate_change": "고치기 (u)",
    "rate_so_far": "지금까지 {n}개 평가함",
    "rate_nothing": "학습에 쓰이는 모든 행이 평가되었습니다. 감사합니다.",
    "rate_nothing_yet": "아직 학습용 지시문이 없습니다. 연구자가 가져오면 나타납니다.",
    "no_rating": "평가할 행이 없습니다. 평가는 Standard 프로젝트가 열려 있을 때 그 참여자만 합니다. 연구자가 바꿀 수 있습니다.",
    "rate_refused": "기록하지 못했습니다. 이 화면은 이미 다른 점수로 보냈습니다. 마지막 것은 u 키로 고칩니다.",
    "rate_keys": "0~5: 점수, s: 모르겠음, u: 마지막 것 고치기.",
}
