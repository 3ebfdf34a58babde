"""Rating instruction rows for what they are worth to learn from: the raters' page, its texts, and simulated raters."""
