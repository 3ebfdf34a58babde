# SPDX-License-Identifier: Apache-2.0
"""The Runs page: the form that starts a run, the list of runs, and what one run is, prints and uses."""
