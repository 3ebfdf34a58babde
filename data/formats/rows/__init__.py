# SPDX-License-Identifier: Apache-2.0
"""Row formats. Each is one module here or in a package below; `data.formats.registry` finds it, nothing else names it.

A module declares

    NAME        the format's name for `--format`, such as "pandalm"
    NEEDS       sets of keys; a row with all keys of one set may be of this format, as in
                (frozenset({"response1", "response2"}),). Of several formats the one with the largest set wins, then
                the first by name. () is never detected.
    COLUMNS     column -> what it is read as, one or two words: {"response1": "answer"}. The look shows it.
    fits(row)   optional: whether the values are of this format as well. It gets the plain values by key.
    group_by(row) optional: the column that a row shares with those that belong to it; "" if it stands alone. Rows that
                follow one another with one value in it are one row of preferences and pairs,
                {column: value, "rows": [...]}. Its keys have to be in NEEDS as well.
    CONTENT     optional: the kind that the Data page guesses for such a file; else preferences if there is a reader of
                them and none of instructions.

and a reader for each kind of row that the format holds

    read_prompt(row)       -> PromptShape
    read_instruction(row)  -> InstructionShape     an answer to imitate
    read_preference(row)   -> PreferenceShape or PairShape     also for rows without a vote, which are pairs to label
    read_completion(row)   -> CompletionShape      without it: `prompt` or `instruction`, `response`, `model`

A reader may return a list of shapes where one row holds several: ratings of four answers, a tree of replies.
It raises `BadRow.of("row.KEY", field, **values)` for a row that it cannot read as what it says. The texts are in
`data/texts`.

`row` is a `TrackedRow`. What a reader takes by `row[key]`, `row.get(key)` or a function of `fields` and `conversation`
is counted as read; everything else is listed to the user as "not read". A column that changes what a row means
(`MEANING` in `data.formats`: system, history, tools, label, weight, score, ...) and was not read makes the row a bad
one. So a reader takes such columns and acts on them, or leaves them alone and lets the row be refused. It never takes
one to ignore it: `row.leave(key)` says that the column does not matter in this row, which then lists it as not read.
`row.what` is the kind of row that is wanted. If `row.judged` is false, the verdicts of a file do not matter, and
`read_preference` takes none: its answers wait for the labelers.

Take values by these functions, so that JSON text, Python text, bytes, "1.0" and true mean the same in every file:
`fields.read_text`, `read_optional_text`, `read_nested` (lists and objects), `read_number`, `read_flag`;
`conversation.read_prompt_with_context` (text, messages or transcript, after `system`, `tools` and `history`),
`read_answer`, `split_conversation`, `without_answer`; `messages.read_messages` (turns as `data.turns` describes them);
`preference_metadata.make_preference` (margins, scores, ties, weight),
`read_labeler`, `read_source`, `check_learned`. `row.part(value, path)` tracks a nested object, and
`row.note(remark(KEY))` counts a remark, such as a derived value. Never split a text at a place that no
mark in it names.
"""
