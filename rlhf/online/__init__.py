# SPDX-License-Identifier: Apache-2.0
"""Learning while people label: new comparisons move the reward model, the policy and the questions within seconds."""
