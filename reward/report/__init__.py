"""Reports on reward models: accuracy, calibration, learning curves, plots."""
