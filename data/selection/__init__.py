"""Choosing rows, as maths on given vectors, texts and scores: nothing here knows a model or a store."""
