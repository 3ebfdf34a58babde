# SPDX-License-Identifier: Apache-2.0
"""Errors that a page can show have a key. Literal English is left to the command line, the API and internals."""

from __future__ import annotations

import ast
import re
from html import unescape
from pathlib import Path

import pytest

from data.errors import BadInput
from data.texts import FALLBACK, REMEDY, TEXTS, translate_line
from labeling.simulate import check_counts, fit_beta
from labeling.texts.reader import writing_in
from reward.base.adapters import read_adapter
from reward.base.text.template_options import check_syntax
from reward.placement_settings import FILE, read_placement
from reward.report.view import message_html
from rlhf.sampling.openai_endpoint import OpenAIEndpoint
from tests.support import ROOT

ERRORS = {"BadInput", "Refused", "StoreTrouble", "Busy", "Occupied", "UnusablePrompt"}
COMMANDS = {
    *("data/clock.py", "data/command_help/parser.py", "data/commands.py", "data/formats/export/tables.py"),
    *("data/formats/writing.py", "data/transfer/audit_export.py", "data/transfer/backup.py", "data/transfer/hub.py"),
    *("data/transfer/scheduled_backups.py", "labeling/accounts/commands.py", "labeling/projects/verbs.py"),
    *("rlhf/jobs/commands.py", "rlhf/run_commands.py", "rlhf/runs/commands.py", "rlhf/runs/disk_use.py"),
    *("rlhf/runs/first_start.py", "rlhf/runs/note_command.py", "rlhf/tour/command.py", "rlhf/tour/run.py"),
    *(f"rlhf/probe/{name}.py" for name in ("check", "files", "layer_checks", "process", "text_checks")),
}
"""Errors of the command line: a person reads them in a terminal."""
START = {
    *("data/sqlite/connection.py", "data/sqlite/damage.py", "data/starter/__init__.py", "data/store.py"),
    *("labeling/accounts/accounts.py", "labeling/accounts/oidc.py", "labeling/http/proxy.py", "rlhf/starter.py"),
    *("labeling/http/socket.py", "rlhf/pages/serve.py", "rlhf/pages/workers/option.py"),
}
"""Errors before the server has a page."""
REQUESTS = {
    *("data/tables/assignments.py", "data/tables/completions.py", "data/tables/pairs.py", "data/tables/rankings.py"),
    *("labeling/accounts/gate.py", "labeling/http/bodies.py", "labeling/http/models.py", "rlhf/pages/runs/notices.py"),
}
"""Errors of requests that no page sends."""
CODE = {
    *("data/tables/labeler_weights.py", "data/tables/runs.py", "reward/base/adapted_model.py", "rlhf/kinds.py"),
    *(f"rlhf/ppo/{name}.py" for name in ("actor_critic", "config", "prompt_rows", "reward_shaping", "roles", "setup")),
}
"""Errors of Python code that calls a function with wrong arguments."""
STARTS = {"bad_input": "train.", "unusable_prompt": "train.refused.", "remark": "remark."}
"""Functions of texts -> the beginning of their keys; those called `of` take whole keys."""
OWN = {"bad_input": {"file", "line", "field", "kind"}, "Translatable.of": set[str](), "remark": set[str]()}
"""Arguments that fill no blank; of other functions file, line and field."""
BLANK = re.compile(r"(?<!\{)\{(\w+)")
COPIES = {
    *("data/errors.py", "labeling/http/responses.py", "reward/report/view.py", "reward/base/distributed.py"),
    *("rlhf/jobs/client.py", "rlhf/probe/document.py"),
}
"""Copies of errors, with their texts."""


def raises_english(path: Path) -> bool:
    """Return whether a module makes an error without a key."""
    calls = [node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Call)]
    return any(isinstance(call.func, ast.Name) and call.func.id in ERRORS for call in calls)


def test_only_errors_that_no_page_shows_are_english_alone():
    files = [path for folder in ("data", "labeling", "reward", "rlhf") for path in (ROOT / folder).rglob("*.py")]
    english = {str(path.relative_to(ROOT)) for path in files if raises_english(path)}
    assert english == COMMANDS | START | REQUESTS | CODE | COPIES


def blanks(key: str) -> set[str]:
    """Return the names of the blanks of a text and of its remedy."""
    return {name for part in (key, key + REMEDY) for name in BLANK.findall(TEXTS[FALLBACK].get(part, ""))}


def missing_values(path: Path) -> set[tuple[str, str]]:
    """Return (key, blank) for each blank that a call with a literal key does not fill."""
    missing = set()
    for call in (node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Call)):
        name, given = ast.unparse(call.func), {keyword.arg for keyword in call.keywords}
        start = STARTS.get(name, "" if name.endswith(".of") else None)
        if start is None or None in given or not call.args or not isinstance(call.args[0], ast.Constant):
            continue
        own = OWN.get(name, {"file", "line", "field"})
        filled = {"field"} | given if name == "BadRow.of" else given - own
        key = f"{start}{call.args[0].value}"
        missing |= {(key, blank) for blank in blanks(key) - filled}
    return missing


def test_every_blank_of_an_error_s_text_is_filled():
    files = [path for folder in ("data", "labeling", "reward", "rlhf") for path in (ROOT / folder).rglob("*.py")]
    assert set().union(*map(missing_values, files)) == set()


def damaged_placement(folder: Path) -> None:
    (folder / FILE).write_text("{")
    read_placement(folder)


@pytest.mark.parametrize(
    ("call", "shown"),
    [
        (lambda _: OpenAIEndpoint.of("big", "m"), "'big'은(는) 엔드포인트의 주소가 아닙니다"),
        (lambda _: fit_beta([1.0, 0.0], 0.9), "이 쌍 2개에서는 일치율 0.9이(가) 나올 수 없습니다"),
        (lambda _: check_counts(0, 1), "0은(는) 너무 적습니다"),
        (lambda _: check_syntax("{% if %}"), "채팅 템플릿이 올바른 Jinja가 아닙니다: "),
        (read_adapter, "어댑터가 없습니다(adapter_config.json 없음)"),
        (damaged_placement, "배치 설정을 읽을 수 없습니다: "),
    ],
)
def test_an_error_is_korean_on_a_page_and_as_the_stored_line_of_a_run(tmp_path, call, shown):
    with pytest.raises(BadInput) as raised:
        call(tmp_path)
    with writing_in("ko"):
        assert shown in unescape(message_html(raised.value))
    assert shown in translate_line(str(raised.value), "ko")
    assert str(raised.value).isascii()
