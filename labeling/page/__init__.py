# SPDX-License-Identifier: Apache-2.0
"""The labeler's page /label."""
