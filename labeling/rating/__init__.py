# SPDX-License-Identifier: Apache-2.0
"""Ratings of instruction rows, 0 to 5 points, by people and by simulated raters."""

NOISE = 1.0
"""The default noise of a simulated rating, in standard deviations of the rubric score."""
