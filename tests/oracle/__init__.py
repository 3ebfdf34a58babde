"""Whole PPO steps of another trainer, recorded, for ours to be compared with."""
