"""Texts of the pages in every language."""
