# SPDX-License-Identifier: Apache-2.0
"""HTML of the pages in front of the app, without scripts: sign-in, first account, invitation, personal data."""

from __future__ import annotations

from html import escape

from labeling.accounts.accounts import NAME_LENGTH, PASSWORD_LENGTH
from labeling.http.page_layout import render_page
from labeling.texts.translate import say


def sign_in_page(language: str, *, after: str = "", name: str = "", error: str = "", other: str = "") -> str:
    """Return the form of /login. `after` is the path to open once signed in, `other` a link to another way."""
    fields = _hidden("next", after) + _name(language, name) + _password(language, "current-password", "")
    title, lead = say(language, "app"), say(language, "sign_in_lead") + other
    return _form(language, action="login", title=title, lead=lead, fields=fields, button="sign_in", error=error)


def first_page(language: str, token: str, *, name: str = "", error: str = "", rule: bool = True) -> str:
    """Return the form of /first: name and password of the first researcher.

    Without `rule` the error states the rule of the password.
    """
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


def invite_page(
    language: str, token: str, *, name: str = "", account_name: str | None = None, error: str = "", other: str = ""
) -> str:
    """Return the form of /invite: name and password, or only a new password for the account `account_name`.

    `other` is a link to another way.
    """
    hint = f"<small id=rule>{say(language, 'password_rule', n=PASSWORD_LENGTH)}</small>"
    fields = (
        _hidden("token", token)
        + ("" if account_name else _name(language, name))
        + _password(language, "new-password", hint)
    )
    lead = escape(say(language, "again_lead", name=account_name)) if account_name else say(language, "invite_lead")
    lead += other
    button = "again_button" if account_name else "first_button"
    return _form(
        language,
        action="invite",
        title=say(language, "first_title"),
        lead=lead,
        fields=fields,
        button=button,
        error=error,
    )


def provider_link(language: str, provider: str, query: str) -> str:
    """Return a link to the sign-in at the provider of that name."""
    return f"<br><a href='oidc?{escape(query)}'>{escape(say(language, 'oidc_link', name=provider))}</a>"


def my_data_page(language: str, name: str, *, error: str = "") -> str:
    """Return the page on which a person downloads or erases their data."""
    alert = f"<p role=alert>{escape(error)}</p>" if error else ""
    label = f"<label for=name>{say(language, 'yours_confirm')}</label>"
    field = f"{label}<input id=name name=name autocomplete=off placeholder='{escape(name)}' required>"
    body = (
        f"<p>{say(language, 'yours_lead')}</p>{alert}"
        f"<p><a href='mine' download>{say(language, 'yours_download')}</a></p><hr>"
        f"<form method=post action='erase'><p>{say(language, 'yours_erase_lead')}</p>{field}"
        f"<button>{say(language, 'yours_erase')}</button></form>"
        f"<p><a href='./'>{say(language, 'yours_back')}</a></p>"
    )
    return render_page(language, say(language, "yours"), body)


def _form(language: str, *, action: str, title: str, lead: str, fields: str, button: str, error: str) -> str:
    alert = f"<p role=alert>{escape(error)}</p>" if error else ""
    form = f"<form method=post action='{action}'>{alert}{fields}<button>{say(language, button)}</button></form>"
    return render_page(language, title, f"<p>{lead}</p>{form}")


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
