# SPDX-License-Identifier: Apache-2.0
"""PPO measured against TRL 1.12 on one shared task: speed, memory and learning curves."""
