# SPDX-License-Identifier: Apache-2.0
"""Ways to make a policy other than PPO: sampling, SFT, DPO, rejection sampling, best of n, pre-training."""
