"""Written answers to prompts, and their review by other people."""
