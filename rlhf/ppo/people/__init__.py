# SPDX-License-Identifier: Apache-2.0
"""People as early stop: blind pairs of policy and start while PPO trains, and the rule that ends the run."""
