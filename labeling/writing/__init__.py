"""People write answers to prompts, and review each other's."""
