# SPDX-License-Identifier: Apache-2.0
"""The frozen base model with named adapters."""
