"""Annotating requests by hand: the command line and the console do it alike."""

import os
from pathlib import Path

from trimtab import wiring
from trimtab.control.snapshot import keeps_content
from trimtab.jobs.remarks import Remarks
from trimtab.pipeline.content import ContentCapture
from trimtab.telemetry.rehydrate import Append
from trimtab.wiring.encryption import sealing_as_remembered


def remarks(home: Path, spool: Append) -> Remarks:
    """Make what annotates; the configuration is asked each time, for that is seldom."""

    async def capture(tenant_id: str) -> ContentCapture | None:
        snapshot = await wiring.control(home).snapshot()
        if not keeps_content(snapshot, tenant_id):
            return None
        seals = sealing_as_remembered(home, snapshot)
        if seals is None:
            return ContentCapture(wiring.tenant_keys(home))
        await seals.look()
        return ContentCapture(wiring.tenant_keys(home), seals.of)

    return Remarks(spool, capture, wiring.SystemClock(), os.urandom)
