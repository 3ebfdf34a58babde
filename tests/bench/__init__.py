# SPDX-License-Identifier: Apache-2.0
"""The short figures of this project; docs/benchmarks.md says how each is measured."""
