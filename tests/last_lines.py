"""Says at the very end of a test run, where it is seen, what was not tested and why."""

import atexit

NOT_TESTED: list[str] = []


@atexit.register
def say_what_was_not_tested() -> None:
    """Prints a line for each reason; registered first, it runs after all others at exit."""
    for reason in NOT_TESTED:
        print(f"NOT TESTED: {reason}", flush=True)
