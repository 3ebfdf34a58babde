"""Everything the labeler's side says, in English and Korean: the server's own messages here, the pages' texts in the other `FILES`.

`say(language, key, **values)` fills one text. A `Refusal` carries its key, so that the person who reads it
gets it in the language of their browser while logs and the HTTP API keep the English line.
"""

from __future__ import annotations

from data.errors import BadInput, Busy, Refused, StoreTrouble
from labeling.texts import forms, page
from labeling.texts import rating as rating_texts
from labeling.texts import writing as writing_texts

ENGLISH = {
    "app": "Preference Loop",
    # refusals
    "unknown_verdict": "{verdict!r} is no verdict; use one of {allowed}.",
    "bad_answer_id": "The answer's id {id!r} must be 8 to 64 letters, digits or hyphens.",
    "not_yours": "This pair was not handed to you. Your current pair is shown again.",
    "already_answered": "You have judged this pair already. To change it, undo.",
    "already_skipped": "You have skipped this pair already.",
    "not_current": "Only your own latest answer to this pair can be replaced.",
    "id_taken": "This answer's id was used before for another answer.",
    "no_reason": "Say in a word why you skip this pair.",
    "reason_long": "The reason has {n} characters; the most is {most}.",
    "nothing_to_undo": "There is nothing to undo.",
    "account_off": "The account {name!r} is closed.",
    "no_account": "There is no account named {name!r}.",
    "not_kept": "This could not be kept: {why}",
    "store_busy": "{why}",
    "store_trouble": "{why}",
    "too_large": "What was sent is too long. Send less at once.",
    "kept_on": "Your answer is kept in this browser and is sent again by itself.",
    # accounts and doors
    "name": "Name",
    "password": "Password",
    "sign_in": "Sign in",
    "sign_in_wrong": "Name or password is wrong.",
    "sign_in_often": "Too many failed attempts. Try again in {s} s.",
    "sign_in_lead": "Sign in to compare answers or to train models.",
    "first_title": "Welcome",
    "first_lead": "Choose a name and a password. This account becomes the first researcher and can add others.",
    "first_button": "Create the account",
    "first_gone": "This link was used already or is too old. Start the app again for a new one, or sign in.",
    "oidc_link": "Sign in with {name}",
    "oidc_failed": "Signing in there did not work: {why}",
    "oidc_elsewhere": "this sign-in was not begun in this browser. Begin again.",
    "oidc_late": "this sign-in was not begun here, or took too long. Begin again.",
    "oidc_answer": "the provider's answer cannot be used ({kind}). Begin again.",
    "oidc_audience": "the id token is not for this app. Ask a researcher to check client_id.",
    "oidc_silent": "{name} cannot be asked ({kind}). Try again, or sign in by password.",
    "oidc_closed": "this account is closed. Ask a researcher.",
    "oidc_unknown": "nobody here goes by this identity yet. Ask a researcher for an invitation and sign in through it.",
    "invite_lead": "You were invited. Choose a name and a password.",
    "again_lead": "Choose a new password for {name}. Other sessions end.",
    "again_button": "Keep the password",
    "invite_gone": "This link was used already or is too old. Ask for a new one, or sign in.",
    "yours": "What is yours",
    "yours_lead": "Everything that stands under your name: what you were shown, what you answered, and why.",
    "yours_download": "Download it (JSON lines)",
    "yours_erase_lead": "Erasing empties your rationales and drafts, takes your name away and closes the account. "
    "Verdicts stay, without a name. There is no way back.",
    "yours_confirm": "Type your name to confirm",
    "yours_erase": "Erase what is mine",
    "yours_unconfirmed": "That is not your name. Nothing was erased.",
    "yours_erased": "Erased. Thank you for your help.",
    "yours_no_download": "The rules of the project {project!r} do not let labelers download their own data. Ask a researcher.",
    "yours_no_erase": "The rules of the project {project!r} do not let labelers erase their own data. Ask a researcher.",
    "yours_back": "Back to labeling",
    "password_rule": "At least {n} characters, and not the name.",
    "password_short": "The password has {have} characters. Choose one with at least {n}.",
    "password_name": "The password is the name. Choose another one.",
    "name_rule": "The name needs 1 to 40 characters, without spaces at the ends.",
    "name_taken": "The name {name!r} is taken.",
    "forbidden": "Your account may not open this page.",
    "foreign": "This request came from another site and was refused.",
    "not_found": "There is nothing here.",
    "unknown_host": "This server does not go by that name.",
}

KOREAN = {
    "app": "Preference Loop",
    "unknown_verdict": "{verdict!r}은(는) 판정이 아닙니다. 가능한 값: {allowed}.",
    "bad_answer_id": "답의 id {id!r}은(는) 영문자, 숫자, 붙임표 8~64자여야 합니다.",
    "not_yours": "이 쌍은 배정된 것이 아닙니다. 지금 배정된 쌍을 다시 보여 드립니다.",
    "already_answered": "이미 판정한 쌍입니다. 바꾸려면 되돌리기를 누르세요.",
    "already_skipped": "이미 건너뛴 쌍입니다.",
    "not_current": "이 쌍에 대한 자신의 마지막 답만 바꿀 수 있습니다.",
    "id_taken": "이 id는 다른 답에 이미 쓰였습니다.",
    "no_reason": "건너뛰는 까닭을 한마디 적어 주세요.",
    "reason_long": "까닭이 {n}자입니다. {most}자까지 쓸 수 있습니다.",
    "nothing_to_undo": "되돌릴 것이 없습니다.",
    "account_off": "{name!r} 계정은 닫혔습니다.",
    "no_account": "{name!r} 계정이 없습니다.",
    "not_kept": "저장하지 못했습니다: {why}",
    "store_busy": "다른 프로그램이 저장소를 쓰고 있습니다. 잠시 뒤에 다시 해 보세요 ({why}).",
    "store_trouble": "서버의 저장소에 쓸 수 없습니다. 연구자에게 알려 주세요 ({why}).",
    "too_large": "보낸 내용이 너무 깁니다. 줄여서 보내세요.",
    "kept_on": "답은 이 브라우저에 보관되어 있으며 저절로 다시 보냅니다.",
    "name": "이름",
    "password": "비밀번호",
    "sign_in": "로그인",
    "sign_in_wrong": "이름이나 비밀번호가 맞지 않습니다.",
    "sign_in_often": "실패가 너무 많습니다. {s}초 뒤에 다시 해 보세요.",
    "sign_in_lead": "로그인하면 답변을 비교하거나 모델을 학습시킬 수 있습니다.",
    "first_title": "환영합니다",
    "first_lead": "이름과 비밀번호를 정하세요. 이 계정이 첫 연구자가 되어 다른 사람을 추가할 수 있습니다.",
    "first_button": "계정 만들기",
    "first_gone": "이미 쓴 링크이거나 오래된 링크입니다. 앱을 다시 시작해 새 링크를 받거나 로그인하세요.",
    "oidc_link": "{name}(으)로 로그인",
    "oidc_failed": "그쪽 로그인이 되지 않았습니다: {why}",
    "oidc_elsewhere": "이 브라우저에서 시작한 로그인이 아닙니다. 다시 시작하세요.",
    "oidc_late": "여기서 시작한 로그인이 아니거나 너무 오래 걸렸습니다. 다시 시작하세요.",
    "oidc_answer": "로그인 서버의 답을 쓸 수 없습니다({kind}). 다시 시작하세요.",
    "oidc_audience": "이 앱에 내준 신원이 아닙니다. 연구자에게 client_id를 확인해 달라고 하세요.",
    "oidc_silent": "{name}에 물어볼 수 없습니다({kind}). 다시 해 보거나 비밀번호로 로그인하세요.",
    "oidc_closed": "이 계정은 닫혔습니다. 연구자에게 물어보세요.",
    "oidc_unknown": "이 신원으로 등록된 사람이 없습니다. 연구자에게 초대를 부탁해 그 링크로 로그인하세요.",
    "invite_lead": "초대를 받으셨습니다. 이름과 비밀번호를 정하세요.",
    "again_lead": "{name} 계정의 새 비밀번호를 정하세요. 다른 곳의 로그인은 끝납니다.",
    "again_button": "비밀번호 저장",
    "invite_gone": "이미 쓴 링크이거나 오래된 링크입니다. 새 링크를 부탁하거나 로그인하세요.",
    "yours": "내 기록",
    "yours_lead": "내 이름으로 남은 모든 것: 받은 쌍, 낸 답, 그 까닭.",
    "yours_download": "내려받기 (JSON lines)",
    "yours_erase_lead": "지우면 적은 까닭과 초안이 없어지고 이름이 빠지며 계정이 닫힙니다. 판정은 이름 없이 남습니다. 되돌릴 수 없습니다.",
    "yours_confirm": "확인하려면 이름을 적으세요",
    "yours_erase": "내 기록 지우기",
    "yours_unconfirmed": "이름이 다릅니다. 아무것도 지우지 않았습니다.",
    "yours_erased": "지웠습니다. 도와주셔서 고맙습니다.",
    "yours_no_download": "{project!r} 프로젝트의 규칙으로는 라벨러가 자기 기록을 내려받을 수 없습니다. 연구자에게 물어보세요.",
    "yours_no_erase": "{project!r} 프로젝트의 규칙으로는 라벨러가 자기 기록을 지울 수 없습니다. 연구자에게 물어보세요.",
    "yours_back": "비교로 돌아가기",
    "password_rule": "{n}자 이상이어야 하고 이름과 달라야 합니다.",
    "password_short": "비밀번호가 {have}자입니다. {n}자 이상으로 정하세요.",
    "password_name": "비밀번호가 이름과 같습니다. 다른 것으로 정하세요.",
    "name_rule": "이름은 1~40자이고 앞뒤에 빈칸이 없어야 합니다.",
    "name_taken": "{name!r}은(는) 이미 쓰는 이름입니다.",
    "forbidden": "이 계정으로는 이 페이지를 열 수 없습니다.",
    "foreign": "다른 사이트에서 온 요청이라 거절했습니다.",
    "not_found": "여기에는 아무것도 없습니다.",
    "unknown_host": "이 서버의 이름이 아닙니다.",
}

FILES = (page, forms, rating_texts, writing_texts)
TEXTS = {
    "en": {key: text for texts in (ENGLISH, *(file.ENGLISH for file in FILES)) for key, text in texts.items()},
    "ko": {key: text for texts in (KOREAN, *(file.KOREAN for file in FILES)) for key, text in texts.items()},
}


class Refusal(Refused):
    """A refusal with a text key: `str()` gives the English line, `told(language)` the reader's own."""

    def __init__(self, key: str, **values: object) -> None:
        super().__init__(error=say("en", key, **values))
        self.key = key
        self.values = values

    def told(self, language: str) -> str:
        """The refusal in `language` ('en' or 'ko')."""
        return say(language, self.key, **self.values)


def told(problem: BadInput, language: str) -> str:
    """A refusal in the reader's language where it has a text of its own, else its English line; trouble of the store says what is lost."""
    if isinstance(problem, Refusal):
        return problem.told(language)
    if isinstance(problem, Refused):
        return str(problem)
    return say(language, "not_kept", why=why(problem, language))


def why(problem: BadInput, language: str) -> str:
    """What went wrong and its remedy; trouble of the store in the reader's language, with the line that helps whoever mends it."""
    line = f"{problem.error}. {problem.remedy}".rstrip()
    if not isinstance(problem, StoreTrouble):
        return line
    return say(language, "store_busy" if isinstance(problem, Busy) else "store_trouble", why=line)


def say(language: str, key: str, **values: object) -> str:
    """The text of `key` in `language`, filled with `values`."""
    return TEXTS[language][key].format(**values)


def language_of(accept_language: str) -> str:
    """'ko' where the browser's Accept-Language prefers Korean to English, else 'en' (RFC 9110, 12.5.4)."""
    weights = {"en": 0.0, "ko": 0.0}
    for position, part in enumerate(accept_language.split(",")):
        tag, _, parameters = part.strip().partition(";")
        primary = tag.split("-")[0].lower()
        if primary in weights:
            weights[primary] = max(weights[primary], _quality(parameters) - position / 1000)
    return "ko" if weights["ko"] > weights["en"] else "en"


def _quality(parameters: str) -> float:
    try:
        return float(parameters.strip().removeprefix("q=")) if parameters else 1.0
    except ValueError:
        return 0.0
