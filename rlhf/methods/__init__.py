# SPDX-License-Identifier: Apache-2.0
"""Methods other than PPO: sampling, SFT, DPO, rejection sampling, best of n, pre-training."""
