# SPDX-License-Identifier: Apache-2.0
"""The processes that share a run: how many there are, how they start and end, and what each of them may write."""
