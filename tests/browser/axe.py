"""axe-core, which judges how accessible a page is."""

from pathlib import Path
from typing import Any, Final

from playwright.async_api import Page

import realtime

AXE: Final = Path(realtime.__file__).parent / "dashboard" / "node_modules" / "axe-core" / "axe.min.js"


async def violations(page: Page) -> list[str]:
    """What axe-core finds against WCAG 2.2 AA and good practice."""
    # As a script of the page's own it would be stopped by the Content-Security-Policy, which is right.
    await page.evaluate(AXE.read_text())
    found: dict[str, Any] = await page.evaluate("axe.run(document, { resultTypes: ['violations'] })")
    return [
        f"{each['id']}: {node['target']} {node.get('failureSummary', '')}"
        for each in found["violations"]
        for node in each["nodes"]
    ]
