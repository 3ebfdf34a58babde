"""Sampling: decoding, the KV cache, answers of a policy, OpenAI-compatible endpoints."""
