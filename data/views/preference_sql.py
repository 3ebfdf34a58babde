# SPDX-License-Identifier: Apache-2.0
"""Preference rows in SQL: comparisons, rankings and edits.

A planned repeat measures the labeler and yields no row. A gold item yields one only on request.
A ranking yields one row for every two of its answers. It has no margins, so each row counts as clearly better. All its statements together weigh as the K - 1 comparisons that would order K answers. An edit is
better than the answer that it was made from, at the least slightly; and better than the other answer too, unless
that one was preferred to the edited one: then by as much as the comparison says. An edit's statements together
weigh as one comparison. A researcher's verdict on a pair replaces the comparisons of its two answers;
rankings that hold both stay. Excluded labelers contribute nothing.
"""

from __future__ import annotations

from data.tables.retractions import not_retracted
from data.tables.verdicts import EDIT_MARGIN, RANKING_MARGIN

JOINED = """
CROSS JOIN prompts ON prompts.id = s.prompt_id
CROSS JOIN completions AS a ON a.id = s.a_id
CROSS JOIN completions AS b ON b.id = s.b_id
CROSS JOIN accounts ON accounts.id = s.labeler_id
CROSS JOIN projects ON projects.id = s.project_id
"""
CURRENT = """SELECT c.*, pairs.prompt_id, c.source != 'simulated' AND c.pair_id IN (SELECT pair_id FROM current_adjudications) AS adjudicated
    FROM counted_comparisons AS c JOIN pairs ON pairs.id = c.pair_id"""
NOT_ASIDE = "labeler_id NOT IN (SELECT labeler_id FROM labelers_aside)"
COMPARED = """
SELECT c.id AS comparison_id, c.prompt_id, c.left_id AS a_id, c.right_id AS b_id, c.winner_id, c.margin,
    c.source, c.labeler_id, c.project_id, c.guideline_version, c.created_at, 'comparison' AS kind, c.id AS said_in, 1.0 AS share
FROM wanted AS c WHERE c.verdict != 'both_bad' AND NOT c.adjudicated
"""
ADJUDICATED = """
SELECT d.id, pairs.prompt_id, d.left_id, d.right_id, d.winner_id, d.margin,
    'adjudication', d.adjudicator_id, d.project_id, d.guideline_version, d.created_at, 'adjudication', d.id, 1.0
FROM current_adjudications AS d JOIN pairs ON pairs.id = d.pair_id
WHERE d.verdict != 'both_bad' AND 'person' IN (SELECT value FROM json_each(:sources))
    AND (:gold OR NOT EXISTS (SELECT 1 FROM gold AS g WHERE g.pair_id = d.pair_id))
"""
RANKED = f"""
SELECT r.ranking_id || ':' || substr(r.a_id, 1, 8) || '-' || substr(r.b_id, 1, 8), r.prompt_id, r.a_id, r.b_id, r.winner_id,
    CASE WHEN r.winner_id IS NULL THEN 0 ELSE {RANKING_MARGIN} END,
    r.source, r.labeler_id, r.project_id, r.guideline_version, r.created_at, 'ranking', r.ranking_id, 2.0 / r.size
FROM ranked_pairs AS r WHERE r.source IN (SELECT value FROM json_each(:sources)) AND r.{NOT_ASIDE}
"""
# Sides of an edit's statements follow the ids, which are hashes, so that the better answer stands on either side.
EDITED = f"""
SELECT c.id || ':' || n.number, c.prompt_id, min(e.completion_id, n.worse_id), max(e.completion_id, n.worse_id), e.completion_id,
    CASE n.number WHEN 1 THEN {EDIT_MARGIN} ELSE max({EDIT_MARGIN}, c.margin) END,
    c.source, c.labeler_id, c.project_id, c.guideline_version, c.created_at, 'edit', c.id, 0.5
FROM edits AS e CROSS JOIN wanted AS c ON c.id = e.comparison_id -- edits are few
JOIN (SELECT comparison_id, 1 AS number, edited_id AS worse_id FROM edits
    UNION ALL
    SELECT e.comparison_id, 2, CASE WHEN e.edited_id = c.left_id THEN c.right_id ELSE c.left_id END
    FROM edits AS e JOIN comparisons AS c ON c.id = e.comparison_id WHERE c.winner_id IS NULL OR c.winner_id = e.edited_id
) AS n ON n.comparison_id = c.id AND (n.number = 1 OR NOT c.adjudicated)
"""
COLUMNS = """s.comparison_id, s.prompt_id, prompts.text AS prompt, prompts.messages, prompts.split,
    s.a_id, s.b_id, a.text AS a_text, b.text AS b_text, a.model_name AS a_model, b.model_name AS b_model, a.token_ids AS a_token_ids, b.token_ids AS b_token_ids,
    s.winner_id, s.margin, s.source, s.labeler_id, accounts.name AS labeler, projects.name AS project, s.guideline_version,
    s.kind, s.said_in, s.share"""
USABLE = f"a.text != b.text AND {not_retracted('completion', 's.a_id')} AND {not_retracted('completion', 's.b_id')}"
STATEMENTS = f"""
WITH wanted AS NOT MATERIALIZED (
    {CURRENT} WHERE c.source IN (SELECT value FROM json_each(:sources)) AND (:gold OR NOT c.gold) AND c.{NOT_ASIDE}
)
SELECT {COLUMNS}
FROM ( -- each part comes in order and they are merged, before texts come in; comparisons follow their index
    {COMPARED} UNION ALL {ADJUDICATED} UNION ALL {RANKED} UNION ALL {EDITED} ORDER BY created_at, comparison_id LIMIT -1
) AS s
{JOINED}
WHERE {USABLE}
"""
"""Every statement of the sources in the order of the events; parameters: :sources (JSON list), :gold."""
TEST_STATEMENTS = f"""
WITH wanted AS NOT MATERIALIZED (
    {CURRENT} WHERE c.source IN (SELECT value FROM json_each(:sources)) AND (:gold OR NOT c.gold) AND c.{NOT_ASIDE}
        AND c.created_at > :since
)
SELECT {COLUMNS}, x.score AS a_score, y.score AS b_score, x.completion_id IS NOT NULL AND y.completion_id IS NOT NULL AS scored
FROM ({COMPARED} UNION ALL {ADJUDICATED} AND d.created_at > :since) AS s
{JOINED}
LEFT JOIN reward_scores AS x ON x.reward_model_id = :model AND x.completion_id = s.a_id
LEFT JOIN reward_scores AS y ON y.reward_model_id = :model AND y.completion_id = s.b_id
WHERE {USABLE} AND prompts.split = 'test'
"""
"""The comparisons and adjudications of test prompts after a moment, with the scores that a reward model gave.

Parameters: :sources, :gold, :since, :model.
"""
