# SPDX-License-Identifier: Apache-2.0
"""A stand-in for vLLM: its endpoints and its command, with answers of the product itself."""
