# SPDX-License-Identifier: Apache-2.0
"""Written answers to prompts, and their review by other people."""
