# Owned by the template: extend, do not edit.
"""How many guesses a password withstands, in bounded time (ASVS 6.2.4; zxcvbn).

zxcvbn's own entry reads the whole password anew for each combination of letters that its digits and
symbols may stand for, and so each repeated part: a password made for it takes minutes. Here words
are looked for from each place on, letter by letter, and only as long as a word begins like that.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator
from typing import Any

from zxcvbn import matching, scoring

_MEASURED = 72
"""Characters that are looked at; more cost time and change nothing."""
_REPEATS = (re.compile(r"(.+)\1+", re.DOTALL), re.compile(r"(.+?)\1+", re.DOTALL))
_SHORTEST = re.compile(r"(.+?)\1*", re.DOTALL)
_LISTS: tuple[dict[str, int], ...] = tuple(matching.RANKED_DICTIONARIES.values())
"""Words by how common they are."""
_WORDS = sorted({word for ranked in _LISTS for word in ranked})
_LETTERS = {
    symbol: [letter for letter, symbols in matching.L33T_TABLE.items() if symbol in symbols]
    for symbol in {symbol for symbols in matching.L33T_TABLE.values() for symbol in symbols}
}
"""What a symbol may stand for besides itself."""

Match = dict[str, Any]


def guesses_log10(password: str, user: str) -> float:
    """Return the power of ten of guesses that find the password, for who knows the user's name."""
    return float(_judge(password[:_MEASURED], user.lower())["guesses_log10"])


def _judge(text: str, user: str) -> Match:
    backwards, last = text[::-1], len(text) - 1
    matches: list[Any] = [
        *_words(text, user),
        *(
            {
                **match,
                "i": last - match["j"],
                "j": last - match["i"],
                "token": match["token"][::-1],
                "reversed": True,
            }
            for match in _words(backwards, user)
            if not match["l33t"]
        ),
        *matching.spatial_match(text),
        *_repeats(text, user),
        *matching.sequence_match(text),
        *matching.regex_match(text),
        *matching.date_match(text),
    ]
    # Typed as more than it needs.
    judge: Any = scoring.most_guessable_match_sequence
    result: Match = judge(text, matches)
    return result


def _words(text: str, user: str) -> Iterator[Match]:
    """Find words, also those written with digits and symbols in the place of letters."""
    for start in range(len(text)):
        begun: list[tuple[str, dict[str, str]]] = [("", {})]
        # Each by itself: some letters are two in lower case, and places would move.
        for end, char in enumerate(map(str.lower, text[start:]), start + 1):
            longer = []
            for prefix, sub in begun:
                longer.append((prefix + char, sub))
                longer += [(prefix + to, {**sub, char: to}) for to in _LETTERS.get(char, ())]
            begun = []
            best: dict[bool, Match] = {}
            for word, sub in longer:
                place = bisect_left(_WORDS, word)
                known = place < len(_WORDS) and _WORDS[place].startswith(word)
                if not (known or user.startswith(word)):
                    continue
                begun.append((word, sub))
                rank, instead = _rank(word, user), bool(sub)
                if not rank or (instead and end == start + 1):
                    continue
                if instead in best and best[instead]["rank"] <= rank:
                    continue
                best[instead] = {
                    "pattern": "dictionary",
                    "i": start,
                    "j": end - 1,
                    "token": text[start:end],
                    "matched_word": word,
                    "rank": rank,
                    "reversed": False,
                    "l33t": instead,
                    "sub": sub,
                }
            yield from best.values()
            if not begun:
                break


def _rank(word: str, user: str) -> int:
    """Return the place of a word among the most common ones, 0 if it is none."""
    if word == user:
        return 1
    return min((ranked[word] for ranked in _LISTS if word in ranked), default=0)


def _repeats(text: str, user: str) -> Iterator[Match]:
    """Find what is written several times over: it costs as many guesses as once, times the number.

    Both the longest and the shortest repeats at each place.
    """
    seen = set()
    for pattern in _REPEATS:
        for found in pattern.finditer(text):
            if found.span() in seen:
                continue
            seen.add(found.span())
            whole = found.group()
            shortest = _SHORTEST.fullmatch(whole)
            base = shortest[1] if shortest else whole
            judged = _judge(base, user)
            yield {
                "pattern": "repeat",
                "i": found.start(),
                "j": found.end() - 1,
                "token": whole,
                "base_token": base,
                "base_guesses": judged["guesses"],
                "base_matches": judged["sequence"],
                "repeat_count": len(whole) / len(base),
            }
