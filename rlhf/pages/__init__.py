"""The researcher's pages. gradio would ask other hosts for its newest version and report its use: never here."""

import os

QUIET = {
    "GRADIO_ANALYTICS_ENABLED": "False",
    "GRADIO_ANALYTICS_CACHE_FREQUENCY": "1000000000",  # counting its own events took half of the server's time
    "GRADIO_RUN_HISTORY": "False",
    "GRADIO_SHARE": "False",
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "DO_NOT_TRACK": "1",
}
# Read when gradio is imported, so before any page is.
os.environ.update(QUIET)
