# SPDX-License-Identifier: Apache-2.0
"""Public preference formats in which answers are rated, ranked or judged, often several of them in one row.

Each module declares one format as `data.formats.rows` describes. `grading` holds the one rule that turns ratings and
ranks into graded comparisons.
"""
