"""Write the price lock anew from the installed genai-prices: `make prices`, then read the diff."""

from datetime import UTC, datetime
from pathlib import Path

from trimtab.cost import genai
from trimtab.cost.lock import build_lock, encode_lock, faults

LOCK = Path(__file__).parents[1] / "src" / "trimtab" / "cost" / "prices.lock.json"


def main() -> None:
    """Replace the lock, unless something is wrong with what came out."""
    lock = build_lock(genai.source_name(), genai.rows(datetime.now(UTC).date()))
    wrong = faults(lock)
    if wrong:
        raise SystemExit("\n".join(wrong))
    LOCK.write_bytes(encode_lock(lock))
    print(f"{lock.source}: {len(lock.rows)} rows, {lock.price_version}")


if __name__ == "__main__":
    main()
