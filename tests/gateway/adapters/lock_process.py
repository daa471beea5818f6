"""A separate process that locks a state folder: says `alone` or `shared`, and then obeys lines on its input.

`share` lets others in and answers `shared`; the end of input ends the process.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from gateway.adapters.process_lock import StateLock

if __name__ == "__main__":
    lock = StateLock(Path(sys.argv[1]), pause_us=1000)
    os.write(1, b"alone\n" if lock.try_exclusive() else b"shared\n")
    for line in sys.stdin:
        if line == "share\n":
            lock.share()
            os.write(1, b"shared\n")
