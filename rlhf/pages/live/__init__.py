# SPDX-License-Identifier: Apache-2.0
"""The Live page: an online run while people label."""
