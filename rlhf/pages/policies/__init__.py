# SPDX-License-Identifier: Apache-2.0
"""The Policies page: the family tree, a card of each policy, its answers, and its export and merge."""
