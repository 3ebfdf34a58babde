"""The frozen base model with named adapters."""
