"""Training of reward models, from preference rows to a saved model."""
