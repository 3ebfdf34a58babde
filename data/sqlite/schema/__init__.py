# SPDX-License-Identifier: Apache-2.0
"""The schema: every table, index and trigger, one file per group of tables."""
