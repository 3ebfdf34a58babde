# SPDX-License-Identifier: Apache-2.0
"""Training of reward models, from preference rows to a saved model."""
