# SPDX-License-Identifier: Apache-2.0
"""The guided first round on the Loop page: five steps from pairs to the win rate of a new policy."""
