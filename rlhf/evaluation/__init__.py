# SPDX-License-Identifier: Apache-2.0
"""Evaluation: win rates, comparisons of policies, Elo ratings."""
