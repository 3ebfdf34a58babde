# SPDX-License-Identifier: Apache-2.0
"""The check of a model before it becomes a base: everything that a run needs is tried once, on a few tokens."""
