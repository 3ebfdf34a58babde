"""The short figures of this project; docs/benchmarks.md says how each is measured."""
