"""The tour: the whole loop with simulated labelers, headless, ending in a report."""
