# SPDX-License-Identifier: Apache-2.0
"""The check of rollouts on a real vLLM server: `make check-vllm`."""
