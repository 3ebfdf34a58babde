# SPDX-License-Identifier: Apache-2.0
"""Sampling: decoding, the KV cache, answers of a policy, OpenAI-compatible endpoints."""
