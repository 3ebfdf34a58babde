# SPDX-License-Identifier: Apache-2.0
"""The People page: accounts, invitation links and API tokens. Every action names the account that it changes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import gradio as gr

from data.errors import BadInput
from data.records import Account
from data.store import Store
from data.tables.accounts import ROLES
from labeling.accounts import management
from labeling.accounts.current import current_account
from labeling.accounts.presence import Presence
from labeling.texts.pages import text
from labeling.texts.translate import Refusal
from reward.page import QUIET, Look, Updates
from reward.report.view import message_html
from rlhf.pages.audit_download import ADDRESS
from rlhf.pages.components import heading, hidden, html, table
from rlhf.pages.markup import esc

COLUMNS = ("name", "role", "state", "answers")


class Target(NamedTuple):
    """The account to change, the chosen token, the name typed to confirm, and the app's address in this browser."""

    name: str
    token: str
    typed: str
    address: str


Action = Callable[[Store, Account, Target], str]
"""Change the target on behalf of a researcher; return the line to show, as HTML. Raises BadInput."""


class PeoplePage:
    """The page's components and its handlers."""

    def __init__(self, store: Store, look: Look, presence: Presence) -> None:
        self.store = store
        self.presence = presence
        heading("people")
        with gr.Row(elem_classes="fields"):
            roles = [(text(f"people.{role}"), role) for role in ROLES]
            role = gr.Radio(
                roles, value="labeler", label=text("people.invite_role"), elem_id="invite-role", min_width=200
            )
            invite = gr.Button(text("people.invite"), variant="primary", scale=0, min_width=160, elem_id="invite")
        self.status = html("people-told")
        self.table = table("people", COLUMNS, "people-table", "people.table")
        self.links = html("people-links")
        with gr.Row(elem_classes="fields"):
            free: dict[str, Any] = {"allow_custom_value": True, "min_width": 200}
            self.name = gr.Dropdown([], label=text("people.account"), elem_id="person", **free)
            self.token = gr.Dropdown([], label=text("people.token"), elem_id="person-token", **free)
            self.confirm = gr.Textbox(
                label=text("people.confirm"), max_lines=1, elem_id="person-confirm", min_width=200
            )
        self.seen = hidden()
        self.shown = [self.status, self.seen, self.table, self.links, self.name, self.token]
        self._add_actions()
        invite.click(self.invite, role, self.shown, **QUIET)
        self.name.change(self.choose, self.name, self.token, **QUIET)
        gr.on(look, self.draw, [self.name, self.seen], self.shown, **QUIET)

    def _add_actions(self) -> None:
        with gr.Row(elem_classes="line"):
            for key, action in ACTIONS.items():
                button = gr.Button(text(f"people.{key}"), scale=0, min_width=140)
                button.click(self._handler(action), [self.name, self.token, self.confirm], self.shown, **QUIET)

    def _handler(self, action: Action) -> Callable[..., Updates]:
        """Return the handler of an action's button."""

        def act(name: str | None, token: str | None, typed: str, request: gr.Request) -> Updates:
            if not name:
                return {self.status: message_html(Refusal("train.people.no_choice"))}
            try:
                line = action(self.store, current_account(), Target(name, token or "", typed, address(request)))
            except BadInput as problem:
                line = message_html(problem)
            return {self.status: line, **self.draw(name)}

        return act

    def choose(self, name: str | None) -> gr.Dropdown:
        """Offer the tokens of the account."""
        return self.tokens(name)

    def invite(self, role: str, request: gr.Request) -> Updates:
        """Show a link for a new account."""
        try:
            path = management.invite(self.store, role, by=current_account())
        except BadInput as problem:
            return {self.status: message_html(problem), **self.draw(None)}
        return {self.status: linked(text("people.invited"), address(request) + path), **self.draw(None)}

    def draw(self, name: str | None, seen: str = "") -> Updates:
        """Return names and tokens as they are now, and the table if it is another one than `seen`."""
        people = [person for person in self.store.accounts.all() if not person.simulated]
        names = [person.name for person in people]
        chosen = name if name in names else None
        rows = people_rows(self.store, self.presence, people)
        mark = str(hash(str(rows)))
        drawn: Updates = {} if mark == seen else {self.seen: mark, self.table: rows}
        return {
            **drawn,
            self.links: draw_links(self.store),
            self.name: gr.Dropdown(choices=names, value=chosen),
            self.token: self.tokens(chosen),
        }

    def tokens(self, name: str | None) -> gr.Dropdown:
        """Return the valid API tokens of the account of that name."""
        person = self.store.accounts.by_name(name) if name else None
        marks = [token.mark for token in self.store.tokens.all(person.id, "api")] if person else []
        return gr.Dropdown(choices=marks, value=marks[0] if marks else None)


def close(store: Store, by: Account, target: Target) -> str:
    """Disable the account."""
    return message_html(text("people.closed", name=management.close_account(store, target.name, by=by).name))


def reopen(store: Store, by: Account, target: Target) -> str:
    """Enable the account again."""
    return message_html(text("people.reopened", name=management.reopen_account(store, target.name, by=by).name))


def reset_password(store: Store, by: Account, target: Target) -> str:
    """Show a link for a new password."""
    path = management.issue_password_link(store, target.name, by=by)
    return linked(text("people.password_link", name=target.name), target.address + path)


def create_token(store: Store, by: Account, target: Target) -> str:
    """Show a new API token, once."""
    token = management.issue_token(store, target.name, by=by)
    lead = esc(text("people.token_created", name=target.name))
    return f"<p class=said>{lead}<br><code>{esc(token)}</code></p>"


def revoke_token(store: Store, by: Account, target: Target) -> str:
    """Revoke the chosen token."""
    management.revoke_token(store, target.name, target.token, by=by)
    return message_html(text("people.token_revoked", token=target.token, name=target.name))


def erase(store: Store, by: Account, target: Target) -> str:
    """Erase the account's personal data. Raise BadInput unless the name was typed."""
    if target.typed.strip() != target.name:
        raise Refusal("train.people.name_differs", typed=target.typed.strip())
    person = store.accounts.by_name(target.name)
    if person is None:
        raise Refusal("train.people.no_account", name=target.name)
    management.erase_personal_data(store, person, by=by)
    return message_html(text("people.erased", name=target.name))


ACTIONS: dict[str, Action] = {
    "close": close,
    "reopen": reopen,
    "reset_password": reset_password,
    "create_token": create_token,
    "revoke_token": revoke_token,
    "erase": erase,
}


def people_rows(store: Store, presence: Presence, people: list[Account]) -> list[list[str | int]]:
    """Return rows under COLUMNS, those who are online first."""
    answers = store.accounts.answer_counts()
    ordered = sorted(people, key=lambda person: (not presence.is_online(person.id), person.disabled, person.id))
    return [
        [person.name, text(f"people.{person.role}"), state(presence, person), answers.get(person.id, 0)]
        for person in ordered
    ]


def draw_links(store: Store) -> str:
    """Return the number of open invitations, and the link to the audit list."""
    waiting = store.invitations.open_count()
    count = f"<p class=soft>{esc(text('people.links_open', n=waiting))}</p>" if waiting else ""
    return f"{count}<p><a href='{ADDRESS}' download>{esc(text('people.audit'))}</a></p>"


def state(presence: Presence, person: Account) -> str:
    """Return if the account is closed or online, or when it was last active."""
    seconds = presence.seconds_since(person.id)
    if person.disabled:
        return text("people.state_closed")
    if presence.is_online(person.id):
        return text("people.state_online")
    return text("people.state_never") if seconds is None else text("people.state_ago", minutes=f"{seconds / 60:.0f}")


def address(request: gr.Request) -> str:
    """Return the app's address as this browser reaches it, without a slash at the end."""
    inner = request.request
    assert inner, "gradio calls handlers of a page with its request"
    root = inner.scope.get("root_path", "").removesuffix("/train")
    return f"{inner.url.scheme}://{inner.url.netloc}{root}"


def linked(lead: str, link: str) -> str:
    """Return a line with a one-time link."""
    return f"<p class=said>{esc(lead)}<br><code>{esc(link)}</code></p>"
