# SPDX-License-Identifier: Apache-2.0
"""Errors of runs on other machines in the language of the page that shows them."""

from __future__ import annotations

import pytest

from data.errors import BadInput
from data.texts import translate_line
from labeling.texts.pages import bad_input
from rlhf.jobs.client import RunRefused
from rlhf.jobs.job_home import Job, check_bases


def test_the_error_of_a_run_without_its_base_is_korean_on_its_page(tmp_path):
    job = Job(tmp_path, 1, "http://server", "token", {"/models/llama": "0"}, {})
    with pytest.raises(BadInput) as raised:
        check_bases(job)
    line = translate_line(str(raised.value), "ko")
    assert line.startswith("작업한 컴퓨터에 베이스 '/models/llama'이(가) 없습니다. ")
    assert "--base /models/llama=FOLDER" in line


def test_the_reason_of_a_refused_result_is_korean_inside_a_korean_line():
    reason = str(bad_input("refused.job_no_column", model="p2", name="x"))
    line = str(RunRefused.of("error.result_refused", inner=reason))
    assert line == "the server refuses the result: p2 has no column 'x'. Send another result."
    shown = "서버가 결과를 받지 않습니다: p2에 열 'x'이(가) 없습니다. 다른 결과를 보내세요."
    assert translate_line(line, "ko") == shown


@pytest.mark.parametrize(
    ("key", "values"),
    [
        ("job_version", {"server": "1.0", "own": "0.9"}),
        ("job_base_foreign", {"base": "/models/llama", "name": "/models/llama", "folder": "/scratch/llama"}),
        ("job_bundle", {"problem": "[Errno 13] Permission denied"}),
        ("job_archive", {"problem": "unexpected end of data"}),
        ("ray_answer", {"status": 401, "reason": "no token"}),
    ],
)
def test_the_stored_error_of_a_run_elsewhere_is_translated_with_its_values(key, values):
    shown = translate_line(str(bad_input(f"refused.{key}", **values)), "ko")
    assert not shown.isascii()
    assert all(str(value) in shown for value in values.values())
