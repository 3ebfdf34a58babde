# SPDX-License-Identifier: Apache-2.0
"""The process of a check: a request as JSON on stdin, the document as the last line of stdout."""

from __future__ import annotations

import json
import sys

from rlhf.probe.check import CheckRequest, check_model


def main() -> int:
    """Check the model of the request."""
    print(json.dumps(check_model(CheckRequest(**json.loads(sys.stdin.read())))))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
