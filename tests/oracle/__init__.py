# SPDX-License-Identifier: Apache-2.0
"""Whole PPO steps of another trainer, recorded, for ours to be compared with."""
