# SPDX-License-Identifier: Apache-2.0
"""Monkey-patches of torch, transformers and PEFT: the only place that replaces or sets what belongs to a library.

Every patch names what it relies on. The tests in tests/reward/base/patches called `test_upstream_...` fail with that
name as soon as a new version of a library changes it.
"""
