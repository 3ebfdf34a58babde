"""People: who is here, who may come in, by which link or token, and what is theirs."""

from __future__ import annotations

from collections.abc import Callable

import gradio as gr

from data.errors import BadInput
from data.records import Account
from data.store import Store
from data.tables.accounts import ROLES
from labeling.accounts import management
from labeling.accounts.current import current_account
from labeling.accounts.presence import Presence
from rlhf.pages.components import QUIET, WHERE, Looks, empty, esc, heading, html, said

Deed = Callable[[Account, str, str, str, gr.Request], str]


class PeoplePage:
    """The table looks again while it is on the screen; every act names the account that it is about."""

    def __init__(self, store: Store, looks: Looks, presence: Presence) -> None:
        self.store = store
        self.presence = presence
        heading(
            "People",
            "Labelers compare answers; researchers may do all that they may, and train models. Each comes in by a link of their own.",
        )
        with gr.Row(elem_classes="fields"):
            role = gr.Radio(list(ROLES), value="labeler", label="Invite a", elem_id="invite-role", min_width=200)
            invite = gr.Button("Make a link", variant="primary", scale=0, min_width=160, elem_id="invite")
        self.told = html("people-told")
        self.table = html("people-table")
        with gr.Row(elem_classes="fields"):
            self.name = gr.Dropdown([], label="Account", allow_custom_value=True, elem_id="person", min_width=200)
            self.token = gr.Dropdown(
                [], label="API token, by its mark", allow_custom_value=True, elem_id="person-token", min_width=200
            )
            confirm = gr.Textbox(label="To erase: type the name", max_lines=1, elem_id="person-confirm", min_width=200)
        where = gr.Textbox(visible="hidden")
        self.shown = [self.told, self.table, self.name, self.token]
        given = [self.name, self.token, confirm]
        with gr.Row(elem_classes="line"):
            for title, deed in self.deeds().items():
                button = gr.Button(title, scale=0, min_width=140)
                button.click(self.doing(deed), given, self.shown, **QUIET)
        invite.click(self.invite, role, self.shown, **QUIET)
        self.name.change(self.choose, self.name, self.token, **QUIET)
        gr.on(looks, self.tick, [where, self.name], self.shown, js=WHERE, **QUIET)

    def deeds(self) -> dict[str, Deed]:
        """What can be done to the chosen account: (who does it, name, token, what was typed, request) -> the line to show."""
        return {
            "Close the account": self.close,
            "Open it again": self.reopen,
            "New password link": self.again,
            "New API token": self.new_token,
            "Revoke the token": self.revoke,
            "Erase what is theirs": self.erase,
        }

    def doing(self, deed: Deed) -> Callable:
        """The handler of a button."""

        def act(name: str | None, token: str | None, typed: str, request: gr.Request) -> list:
            by = current_account()
            if not name:
                return [said(BadInput("no account is chosen", "Choose one first.")), *[gr.skip()] * 3]
            try:
                line = deed(by, name, token or "", typed, request)
            except BadInput as problem:
                line = said(problem)
            return [line, *self.look(name)]

        return act

    def tick(self, place: str, name: str | None) -> list:
        """The table again."""
        return [gr.skip(), *self.look(name)] if place == "#people" else [gr.skip()] * 4

    def choose(self, name: str | None) -> gr.Dropdown:
        """The tokens of the account."""
        return self.tokens(name)

    def invite(self, role: str, request: gr.Request) -> list:
        """A link for a new account."""
        by = current_account()
        try:
            line = linked(
                "Give this link to one person. It works once, within a week:",
                management.invite(self.store, role, by=by),
                request,
            )
        except BadInput as problem:
            line = said(problem)
        return [line, *self.look(None)]

    def close(self, by: Account, name: str, token: str, typed: str, request: gr.Request) -> str:
        """Shut the account out."""
        return said(f"{management.close_account(self.store, name, by=by).name} is closed; what it held is free again.")

    def reopen(self, by: Account, name: str, token: str, typed: str, request: gr.Request) -> str:
        """Let it in again."""
        return said(f"{management.reopen_account(self.store, name, by=by).name} may sign in again.")

    def again(self, by: Account, name: str, token: str, typed: str, request: gr.Request) -> str:
        """A link for a new password."""
        return linked(
            f"By this link {name} chooses a new password:",
            management.issue_password_link(self.store, name, by=by),
            request,
        )

    def new_token(self, by: Account, name: str, token: str, typed: str, request: gr.Request) -> str:
        """A token, shown once."""
        made = management.issue_token(self.store, name, by=by)
        return (
            f"<p class=said>A token for {esc(name)}, good for a year and shown only now: <code>{esc(made)}</code></p>"
        )

    def revoke(self, by: Account, name: str, token: str, typed: str, request: gr.Request) -> str:
        """End the chosen token."""
        management.revoke_token(self.store, name, token, by=by)
        return said(f"The token {token} of {name} is ended.")

    def erase(self, by: Account, name: str, token: str, typed: str, request: gr.Request) -> str:
        """Erase what is the person's own, once the name was typed."""
        if typed.strip() != name:
            raise BadInput(
                "the name that was typed is not that of the chosen account", "Type it to confirm; nothing was erased."
            )
        management.erase_personal_data(self.store, people_account(self.store, name), by=by)
        return said(f"What {name} wrote is erased; the verdicts stay without a name.")

    def look(self, name: str | None) -> list:
        """Table, names and tokens as they are now."""
        everybody = [account for account in self.store.accounts.all() if not account.simulated]
        names = [account.name for account in everybody]
        chosen = name if name in names else None
        return [self.draw(everybody), gr.Dropdown(choices=names, value=chosen), self.tokens(chosen)]

    def tokens(self, name: str | None) -> gr.Dropdown:
        """The open tokens of the account of that name."""
        account = self.store.accounts.by_name(name) if name else None
        marks = [each.mark for each in self.store.tokens.all(account.id, "api")] if account else []
        return gr.Dropdown(choices=marks, value=marks[0] if marks else None)

    def draw(self, everybody: list[Account]) -> str:
        """Everybody, those who are here first."""
        if not everybody:
            return empty("Nobody yet. Make a link above.")
        answers = self.store.accounts.answer_counts()
        here = sorted(
            everybody, key=lambda account: (not self.presence.is_online(account.id), account.disabled, account.id)
        )
        rows = "".join(
            f"<tr><td>{esc(account.name)}<td>{account.role}<td>{self.state(account)}<td class=n>{answers.get(account.id, 0):,}</tr>"
            for account in here
        )
        waiting = self.store.invitations.open_count()
        links = f"<p class=soft>{waiting} link{'s' if waiting != 1 else ''} not used yet.</p>" if waiting else ""
        return f"<table class=people><thead><tr><th>Name<th>Role<th>Here<th>Answers</tr></thead><tbody>{rows}</tbody></table>{links}"

    def state(self, account: Account) -> str:
        """Closed, online, or when it was seen."""
        ago = self.presence.seconds_since(account.id)
        if account.disabled:
            return "closed"
        if self.presence.is_online(account.id):
            return "online"
        return "not since the server started" if ago is None else f"{ago / 60:.0f} min ago"


def people_account(store: Store, name: str) -> Account:
    """The account of that name. Raises BadInput where there is none."""
    account = store.accounts.by_name(name)
    if account is None:
        raise BadInput(f"there is no account {name!r}", "Choose another one.")
    return account


def linked(lead: str, path: str, request: gr.Request) -> str:
    """A line with the whole address of a one-time link, as this browser reaches the app."""
    inner = request.request
    root = inner.scope.get("root_path", "").removesuffix("/train")
    address = f"{inner.url.scheme}://{inner.url.netloc}{root}{path}"
    return f"<p class=said>{esc(lead)}<br><code>{esc(address)}</code></p>"
