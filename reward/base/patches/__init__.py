# SPDX-License-Identifier: Apache-2.0
"""Monkey-patches of torch, transformers and PEFT. No other package replaces or sets attributes of a library.

Every patch names the library detail that it relies on. The tests `test_upstream_...` in tests/reward/base/patches fail
with that name when a new version of the library changes the detail.
"""
