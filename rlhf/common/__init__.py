# SPDX-License-Identifier: Apache-2.0
"""Code that several kinds of run share: checkpoints, processes, locks, figures, HTTP."""
