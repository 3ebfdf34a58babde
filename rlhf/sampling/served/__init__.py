# SPDX-License-Identifier: Apache-2.0
"""Answers from vLLM servers: the client, the versions of adapters, the start check and the pool of servers."""
