"""Evaluation: win rates, comparisons of policies, Elo ratings."""
