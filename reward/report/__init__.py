# SPDX-License-Identifier: Apache-2.0
"""Reports on reward models: accuracy, calibration, learning curves, plots."""
