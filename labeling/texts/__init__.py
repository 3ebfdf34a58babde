"""Texts of all pages: one catalogue per language (`en.json`, `ko.json`) and the lookup in `translate`."""
