# SPDX-License-Identifier: Apache-2.0
"""The tables of a store: `store.X` is `data/tables/X.py`. A table class owns its SQL."""
