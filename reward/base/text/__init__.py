# SPDX-License-Identifier: Apache-2.0
"""Text to token ids and back: chat templates, turns, limits and fingerprints."""
