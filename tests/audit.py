"""Has any package that a server runs with a known vulnerability?

    make audit        or        python -m tests.audit

Asks PyPI (pip-audit) about each line of requirements.lock. Ends with 1 if one has. What could not be asked about is said, and is no failure: a
machine without a network must be able to check the rest.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Final, NamedTuple

LOCK: Final = Path(__file__).parents[1] / "requirements.lock"
PATIENCE_SECONDS: Final = 300


class Verdict(NamedTuple):
    """What is known of the packages."""

    asked: int
    unknown: list[str]
    vulnerable: list[str]

    def __str__(self) -> str:
        lines = [f"audit: {self.asked} packages have no known vulnerability"] if self.asked else []
        if self.unknown:
            lines.append(f"audit: NOT AUDITED, PyPI tells nothing of them here: {', '.join(self.unknown)}")
        return "\n".join([*lines, *(f"audit: VULNERABLE {each}" for each in self.vulnerable)])


def judge(report: dict[str, Any]) -> Verdict:
    """What pip-audit's report says. It takes a package that it cannot ask about for one to be skipped, and would call that success."""
    packages = report["dependencies"]
    unknown = [each["name"] for each in packages if "skip_reason" in each]
    vulnerable = [
        f"{each['name']} {each['version']}: {vulnerability['id']}, mended in {', '.join(vulnerability['fix_versions']) or 'none'}"
        for each in packages
        for vulnerability in each.get("vulns", ())
    ]
    harmless = sum("skip_reason" not in each and not each["vulns"] for each in packages)
    return Verdict(harmless, unknown, vulnerable)


def main() -> None:
    """Ask, say, and end with the verdict."""
    command = [
        sys.executable,
        "-m",
        "pip_audit",
        "--requirement",
        str(LOCK),
        "--require-hashes",
        "--disable-pip",
    ]
    ran = subprocess.run(
        [*command, "--format", "json", "--progress-spinner", "off", "--timeout", "10"],
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    try:
        verdict = judge(json.loads(ran.stdout))
    except json.JSONDecodeError:
        last = ran.stderr.strip().splitlines()[-1:]
        verdict = Verdict(0, [f"all of {LOCK.name} ({''.join(last)[:200]})"], [])
    print(verdict)
    sys.exit(bool(verdict.vulnerable))


if __name__ == "__main__":
    main()
