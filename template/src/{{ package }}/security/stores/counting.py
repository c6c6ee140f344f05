# Owned by the template: extend, do not edit.
"""How attempts are counted: the rules that `counters.lua` has as a script, for `SqliteStore`."""

from __future__ import annotations

from dataclasses import dataclass, field

from . import RESERVED_SECONDS, Counter, Outcome


@dataclass(slots=True)
class Tally:
    """What a store knows under the key of a counter."""

    count: int = 0
    """Failures."""
    until: int = 0
    """End of the block, where the rule has one."""
    expires: int = 0
    """When the failures are forgotten."""
    attempts: dict[str, int] = field(default_factory=dict)
    """Attempts that are being decided, and when each began."""

    def age(self, rule: Counter, now: int) -> None:
        """Forget what is over; nothing lasts longer than the rule says, whatever a clock said."""
        self.attempts = {
            attempt: began
            for attempt, began in self.attempts.items()
            if abs(now - began) < RESERVED_SECONDS
        }
        if self.expires <= now:
            self.count = self.until = 0
        if rule.block:
            self.until = min(self.until, now + rule.length(self.count))
        self.expires = min(self.expires, max(now, self.until) + rule.window)

    def wait(self, rule: Counter, now: int) -> int:
        """Return the seconds until the block ends."""
        if rule.block:
            return max(0, self.until - now)
        return self.expires - now if self.count >= rule.limit else 0

    def is_full(self, rule: Counter, attempt: str) -> bool:
        """Tell whether other attempts would reach the limit if all of them failed."""
        failures = self.count % rule.limit if rule.block else self.count
        return failures + len(self.attempts.keys() - {attempt}) >= rule.limit

    def reserve(self, attempt: str, now: int) -> None:
        """Note an attempt that is about to be decided."""
        self.attempts[attempt] = now
        self._keep(now)

    def settle(self, rule: Counter, attempt: str, outcome: Outcome, now: int) -> None:
        """Note how an attempt has ended."""
        self.attempts.pop(attempt, None)
        if outcome is Outcome.FAILED:
            self.count += 1
            if rule.block:
                if self.count % rule.limit == 0:
                    self.until = now + rule.length(self.count)
                self.expires = max(now, self.until) + rule.window
            elif self.count == 1:
                self.expires = now + rule.window
        elif rule.block and outcome is not Outcome.WITHDRAWN:
            self.count = self.until = 0
        elif outcome is Outcome.FORGIVEN:
            self.count = max(0, self.count - 1)
        self._keep(now)

    def _keep(self, now: int) -> None:
        if not self.count:
            self.expires = now + RESERVED_SECONDS if self.attempts else now
