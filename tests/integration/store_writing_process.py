"""A writer in a process of its own: `python -m tests.integration.store_writing_process URL NAME COUNT FORM...`."""

import asyncio
import sys
from collections import Counter

from tests.integration.store_tools import submission, writing

WORKERS = 20
POISON_EVERY = 23  # one row of so many is one that Postgres refuses
AGAIN_EVERY = 7  # one submission of so many is sent twice


async def write(url: str, name: str, count: int, forms: list[int]) -> Counter[str]:
    """Sends `count` submissions, spread unevenly over the forms, and says what became of them."""
    outcomes: Counter[str] = Counter()
    numbers = iter(range(count))

    async def work() -> None:
        for number in numbers:
            # Half of all go to the first form: writers meet at its row.
            form_id = forms[0] if number % 2 else forms[number % len(forms)]
            one = submission(form_id, f"{name}-{number}", "a\x00" if number % POISON_EVERY == 0 else "good")
            for _ in range(2 if number % AGAIN_EVERY == 0 else 1):
                outcomes[(await writer.accept(one)).outcome] += 1

    async with writing(url, max_group=25) as writer:
        await asyncio.gather(*(work() for _ in range(WORKERS)))
    return outcomes


if __name__ == "__main__":
    print(asyncio.run(write(sys.argv[1], sys.argv[2], int(sys.argv[3]), [int(form) for form in sys.argv[4:]]))["accepted"])
