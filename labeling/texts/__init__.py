# SPDX-License-Identifier: Apache-2.0
"""Texts of all pages: one catalogue per language (`en.json`, `ko.json`) and the lookup in `translate`."""
