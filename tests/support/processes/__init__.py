# SPDX-License-Identifier: Apache-2.0
"""Programs that tests start, alone or under `accelerate launch`."""
