"""The pages in front of the app, as plain HTML without scripts: sign in, first account, refusals."""

from __future__ import annotations

from html import escape

from labeling.accounts import NAME_LENGTH, PASSWORD_LENGTH
from labeling.texts import say

STYLE = """
:root { color-scheme: light dark; --ink: #1c2024; --soft: #5b6570; --paper: #f7f7f5; --card: #fff; --line: #d9d9d3; }
:root { --accent: #1f5fbf; --on: #fff; --bad: #a3242b; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e8e8e4; --soft: #a3abb3; --paper: #16181b; --card: #1f2226; --line: #3a3f45; }
  :root { --accent: #8ab4f8; --on: #10213a; --bad: #ff9a9a; }
}
* { box-sizing: border-box; }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; background: var(--paper); color: var(--ink); }
body { font: 16px/1.5 system-ui, "Noto Sans KR", "Noto Sans CJK KR", sans-serif; }
main { width: min(24rem, 100vw - 2rem); padding: 2rem; background: var(--card); border: 1px solid var(--line); border-radius: 10px; }
h1 { margin: 0 0 .25rem; font-size: 1.25rem; } p { margin: 0 0 1.25rem; color: var(--soft); }
label { display: block; margin: 1rem 0 .25rem; font-weight: 600; } small { color: var(--soft); } a { color: var(--accent); }
input { width: 100%; padding: .6rem .7rem; font: inherit; color: inherit; background: var(--paper); }
input { border: 1px solid var(--line); border-radius: 6px; }
button { width: 100%; margin-top: 1.5rem; padding: .7rem; font: inherit; font-weight: 600; cursor: pointer; }
button { color: var(--on); background: var(--accent); border: 0; border-radius: 6px; }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; } [role=alert] { color: var(--bad); font-weight: 600; }
"""


def sign_in_page(language: str, *, after: str = "", name: str = "", error: str = "", other: str = "") -> str:
    """The form of /login; `after` is the path to go to once signed in, `other` a link to another way."""
    fields = _hidden("next", after) + _name(language, name) + _password(language, "current-password", "")
    title, lead = say(language, "app"), say(language, "sign_in_lead") + other
    return _form(language, action="login", title=title, lead=lead, fields=fields, button="sign_in", error=error)


def first_page(language: str, token: str, *, name: str = "", error: str = "", rule: bool = True) -> str:
    """The form of /first: name and password of the first researcher; without the `rule` where the error says it."""
    hint = f"<small id=rule>{say(language, 'password_rule', n=PASSWORD_LENGTH)}</small>" if rule else ""
    fields = _hidden("token", token) + _name(language, name) + _password(language, "new-password", hint)
    return _form(
        language,
        action="first",
        title=say(language, "first_title"),
        lead=say(language, "first_lead"),
        fields=fields,
        button="first_button",
        error=error,
    )


def invite_page(language: str, token: str, *, name: str = "", known: str | None = None, error: str = "", other: str = "") -> str:
    """The form of /invite: name and password, or a new password alone for the account `known`; `other` is a link to another way."""
    hint = f"<small id=rule>{say(language, 'password_rule', n=PASSWORD_LENGTH)}</small>"
    fields = _hidden("token", token) + ("" if known else _name(language, name)) + _password(language, "new-password", hint)
    lead = escape(say(language, "again_lead", name=known)) if known else say(language, "invite_lead")
    lead += other
    button = "again_button" if known else "first_button"
    return _form(language, action="invite", title=say(language, "first_title"), lead=lead, fields=fields, button=button, error=error)


def provider_link(language: str, provider: str, query: str) -> str:
    """A link to the sign-in at a provider of that name."""
    return f"<br><a href='oidc?{escape(query)}'>{escape(say(language, 'oidc_link', name=provider))}</a>"


def yours_page(language: str, name: str, *, error: str = "") -> str:
    """What a person may have back or have erased."""
    alert = f"<p role=alert>{escape(error)}</p>" if error else ""
    label = f"<label for=name>{say(language, 'yours_confirm')}</label>"
    field = f"{label}<input id=name name=name autocomplete=off placeholder='{escape(name)}' required>"
    body = (
        f"<p>{say(language, 'yours_lead')}</p>{alert}<p><a href='mine' download>{say(language, 'yours_download')}</a></p><hr>"
        f"<form method=post action='erase'><p>{say(language, 'yours_erase_lead')}</p>{field}<button>{say(language, 'yours_erase')}</button></form>"
        f"<p><a href='./'>{say(language, 'yours_back')}</a></p>"
    )
    return _page(language, say(language, "yours"), body)


def note_page(language: str, key: str, sign_in: str, **values: object) -> str:
    """A page that says one thing and links to the `sign_in`."""
    body = f"<p role=alert>{escape(say(language, key, **values))}</p><a href='{escape(sign_in)}'>{say(language, 'sign_in')}</a>"
    return _page(language, say(language, "app"), body)


def _form(language: str, *, action: str, title: str, lead: str, fields: str, button: str, error: str) -> str:
    alert = f"<p role=alert>{escape(error)}</p>" if error else ""
    form = f"<form method=post action='{action}'>{alert}{fields}<button>{say(language, button)}</button></form>"
    return _page(language, title, f"<p>{lead}</p>{form}")


def _hidden(name: str, value: str) -> str:
    return f'<input type=hidden name={name} value="{escape(value)}">'


def _name(language: str, value: str) -> str:
    return (
        f'<label for=name>{say(language, "name")}</label><input id=name name=name value="{escape(value)}" '
        f"maxlength={NAME_LENGTH} autocomplete=username autocapitalize=none spellcheck=false required autofocus>"
    )


def _password(language: str, autocomplete: str, rule: str) -> str:
    described = "aria-describedby=rule " if rule else ""
    return (
        f"<label for=password>{say(language, 'password')}</label><input id=password name=password type=password "
        f"autocomplete={autocomplete} {described}required>{rule}"
    )


def _page(language: str, title: str, body: str) -> str:
    return (
        f"<!doctype html><html lang={language}><head><meta charset=utf-8><meta name=viewport content='width=device-width,initial-scale=1'>"
        f"<title>{say(language, 'app')}</title><link rel=icon href=data:,><style>{STYLE}</style></head>"
        f"<body><main><h1>{title}</h1>{body}</main></body></html>"
    )
