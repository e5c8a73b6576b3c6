"""Draw the catalogue of the example: magnitudes after Gutenberg and Richter with b = 1, the same each time.

python data/make_catalogue.py > data/catalogue.jsonl
"""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime, timedelta


def main() -> None:
    """Print 2,000 events."""
    draw = random.Random(1935)
    time = datetime(2024, 1, 1, tzinfo=UTC)
    for _ in range(2000):
        time += timedelta(seconds=round(draw.expovariate(1 / 14400)))
        event = {
            "time": f"{time:%Y-%m-%dT%H:%M:%SZ}",
            "latitude": round(draw.uniform(35, 42), 2),
            "longitude": round(draw.uniform(20, 30), 2),
            "magnitude": round(1.45 + draw.expovariate(1) / 2.302585, 1),
            "kind": "explosion" if draw.random() < 0.04 else "earthquake",
        }
        print(json.dumps(event, separators=(",", ":")))


if __name__ == "__main__":
    main()
