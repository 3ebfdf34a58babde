# SPDX-License-Identifier: Apache-2.0
"""Parts of the tests of runs on other machines: a server, a worker, and a training without torch."""
