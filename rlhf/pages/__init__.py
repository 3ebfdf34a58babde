# SPDX-License-Identifier: Apache-2.0
"""The researcher's pages. Importing them turns off gradio's own requests: its search for updates and its statistics."""

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
# gradio reads these when it is imported, before any page.
os.environ.update(QUIET)
