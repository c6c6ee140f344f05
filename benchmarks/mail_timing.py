"""Whether the time of an answer of /forgot or /signup tells who has an account (PPL-2, PPL-3).

    python -m benchmarks.mail_timing [--framework NAME] [--tries 2000]

Asks a running service for known and unknown addresses, in an order drawn by lot, each from an
address of its own. The test is a permutation test of the difference of the trimmed means, at 1 %;
with 2,000 tries and a spread as printed it finds, with a power of 90 %, a difference of 3.86
standard errors, which is printed, too: less than that this program cannot see.
"""

from __future__ import annotations

import argparse
import random
import secrets
import statistics
import tempfile
import time
from pathlib import Path

from tests import projects
from tests.live.service import Service, running

LEVEL, PERMUTATIONS, TRIM = 0.01, 4000, 0.05
DETECTABLE = 2.576 + 1.282
"""Standard errors: of the two-sided test at 1 %, and for a power of 90 %."""
USERS = 40
OK = 200
UNLIMITED = """
[[exception]]
setting = "throttle.pair.limit"
value = 1000000
reason = "The same addresses are asked for again and again"
owner = "security@example.com"
expires = 2100-01-01
"""


def main() -> int:
    """Measure; return 1 where a difference is seen."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--framework", default="fastapi")
    parser.add_argument("--tries", type=int, default=2000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        project = projects.render(
            projects.ROOT,
            Path(made) / "project",
            {"framework": options.framework, **projects.BY_MAIL},
        )
        project.install()
        policy = Path(made) / "policy.toml"
        own = (project.path / "policy.toml").read_text("utf-8")
        policy.write_text(own + UNLIMITED, "utf-8")
        settings = {
            "APP_SMTP_URL": "smtp://127.0.0.1:9",
            "APP_MAIL_FROM": "service@example.com",
            "APP_POLICY": str(policy),
        }
        with running(project, workers=1, variables=settings, alone=True) as service:
            known = [with_address(service) for _ in range(USERS)]
            times = {form: measured(service, form, known, options.tries) for form in FORMS}
    return max(judged(form, *pair) for form, pair in times.items())


def with_address(service: Service) -> str:
    """Create a user, and return the address."""
    user, address = service.add_user(), f"{secrets.token_hex(6)}@example.com"
    done = service.command("user", "email", user.name, address)
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)
    return address


def forgot(address: str) -> dict[str, str]:
    """Return the form of a forgotten password."""
    return {"email": address}


def sign_up(address: str) -> dict[str, str]:
    """Return the form of a sign-up, by a name that nobody has."""
    return {
        "email": address,
        "username": f"user-{secrets.token_hex(6)}",
        "password": f"{secrets.token_hex(6)} Tisch",
    }


FORMS = {"/forgot": forgot, "/signup": sign_up}


def measured(
    service: Service, form: str, known: list[str], tries: int
) -> tuple[list[float], list[float]]:
    """Return the seconds of answers for known and for unknown addresses."""
    lots = [number % 2 == 0 for number in range(tries)]
    random.SystemRandom().shuffle(lots)
    times: tuple[list[float], list[float]] = ([], [])
    for number, is_known in enumerate(lots):
        # Both are as often asked for: the throttle counts by address, too.
        address = known[number % len(known)] if is_known else f"{number % len(known)}@example.org"
        with service.client(f"198.18.{number // 250}.{number % 250 + 1}") as browser:
            browser.get("/login")
            begun = time.perf_counter()
            answer = browser.post(form, data=FORMS[form](address))
            taken = time.perf_counter() - begun
        if answer.status_code != OK:
            raise SystemExit(answer.text)
        times[not is_known].append(taken)
    return times


def trimmed(values: list[float]) -> float:
    """Return the mean without the slowest and the fastest: others use the machine, too."""
    cut = int(len(values) * TRIM)
    return statistics.fmean(sorted(values)[cut : len(values) - cut])


def judged(form: str, known: list[float], unknown: list[float]) -> int:
    """Print the figures; return 1 where the two differ."""
    seen = trimmed(known) - trimmed(unknown)
    pool, half = [*known, *unknown], len(known)
    cut = int(len(pool) * TRIM)
    spread = statistics.stdev(sorted(pool)[cut : len(pool) - cut])
    error = spread * (1 / len(known) + 1 / len(unknown)) ** 0.5
    draw = random.SystemRandom()
    larger = 0
    for _ in range(PERMUTATIONS):
        draw.shuffle(pool)
        larger += abs(trimmed(pool[:half]) - trimmed(pool[half:])) >= abs(seen)
    p = (larger + 1) / (PERMUTATIONS + 1)
    print(
        f"{form}: {len(known)} known, {len(unknown)} unknown: difference {seen * 1e6:+.0f} us,"
        f" p = {p:.3f}; spread {spread * 1e6:.0f} us, detectable {DETECTABLE * error * 1e6:.0f} us"
    )
    return int(p < LEVEL)


if __name__ == "__main__":
    raise SystemExit(main())
