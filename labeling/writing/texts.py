"""What the pages for writing and reviewing answers say, in English and Korean."""

from __future__ import annotations

ENGLISH = {
    "write_title": "Write the answer",
    "write_lead": "Write the answer that you would want to get. A second person reads it; then a model learns from it.",
    "prompt": "Prompt",
    "answer": "Answer",
    "send": "Send",
    "other": "Another prompt",
    "sent_back": "Sent back to you: {reason}",
    "written": "{written} written, {accepted} accepted, {waiting} wait for a reader",
    "nothing_to_write": "Every prompt that trains has an answer. A researcher imports more prompts; then they appear here.",
    "no_writing": "No prompt waits for you: writing is for people of the Standard project, while it is open. A researcher can change that.",
    "to_review": "Review the answers of others ({n})",
    "review_title": "Review an answer",
    "review_lead": "Accept it if you would be glad to get it: it does what was asked, it is true, it is polite.",
    "accept": "Accept",
    "send_back": "Send back",
    "reason": "What should be different (for sending back)",
    "edited": "This is an answer that somebody made better while comparing.",
    "reviewed": "{reviewed} reviewed by you",
    "nothing_to_review": "No answer waits for you. What others write appears here; nobody reviews their own.",
    "to_write": "Write answers",
    "compare": "Compare answers",
    "kept": "Recorded. Thank you.",
    "not_kept": "Not recorded: {why}",
    "unfit_text": "the answer must have 1 to 20,000 characters that can be kept.",
    "unfit_reason": "say in 1 to 2,000 characters what should be different.",
    "too_late": "this answer has its review already, was taken back, or is your own. Go on with what is shown now.",
    "not_yours": "this answer is of a project that is closed or not yours. Go on with what is shown now.",
    "sent_before": "this page was sent before with another text, which is kept. Send again to record this text as a new answer beside it.",
}

KOREAN = {
    "write_title": "답변 쓰기",
    "write_lead": "받고 싶은 답변을 써 주세요. 다른 사람이 읽고 나면 모델이 배웁니다.",
    "prompt": "프롬프트",
    "answer": "답변",
    "send": "보내기",
    "other": "다른 프롬프트",
    "sent_back": "되돌아온 답변입니다: {reason}",
    "written": "{written}개 씀, {accepted}개 채택, {waiting}개 검토 대기",
    "nothing_to_write": "학습용 프롬프트에 모두 답변이 있습니다. 연구자가 프롬프트를 더 가져오면 나타납니다.",
    "no_writing": "쓸 프롬프트가 없습니다. 답변 쓰기는 Standard 프로젝트가 열려 있을 때 그 참여자만 합니다. 연구자가 바꿀 수 있습니다.",
    "to_review": "다른 사람의 답변 검토하기 ({n})",
    "review_title": "답변 검토",
    "review_lead": "받으면 기쁠 답변이면 채택하세요. 요청을 들어주고, 사실이고, 공손해야 합니다.",
    "accept": "채택",
    "send_back": "되돌려 보내기",
    "reason": "고칠 점 (되돌려 보낼 때)",
    "edited": "비교하던 사람이 더 낫게 고친 답변입니다.",
    "reviewed": "지금까지 {reviewed}개 검토함",
    "nothing_to_review": "검토할 답변이 없습니다. 다른 사람이 쓰면 나타납니다. 자기 답변은 검토하지 않습니다.",
    "to_write": "답변 쓰기",
    "compare": "답변 비교하기",
    "kept": "기록했습니다. 고맙습니다.",
    "not_kept": "기록하지 못했습니다: {why}",
    "unfit_text": "답변은 저장할 수 있는 글자로 1~20,000자여야 합니다.",
    "unfit_reason": "고칠 점을 1~2,000자로 적어 주세요.",
    "too_late": "이미 검토되었거나, 취소되었거나, 자기 답변입니다. 지금 보이는 것부터 계속하세요.",
    "not_yours": "닫혔거나 참여하지 않는 프로젝트의 답변입니다. 지금 보이는 것부터 계속하세요.",
    "sent_before": "이 화면은 이미 다른 글로 보냈고, 그 글은 남아 있습니다. 다시 보내면 이 글을 새 답변으로 따로 기록합니다.",
}

TEXTS = {"en": ENGLISH, "ko": KOREAN}


def say(language: str, key: str, **values: object) -> str:
    """The text of `key` in `language`, filled with `values`."""
    return TEXTS[language][key].format(**values)
