# SPDX-License-Identifier: Apache-2.0
"""Scores of new test comparisons by the newest reward models, in a process beside the runs."""
