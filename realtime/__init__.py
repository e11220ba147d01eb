"""realtime: live state of PBS Pro clusters.

Data flows one way, and each room is named for its word in one sentence: **source → pbs → state → stream → web**.

- `source/` where readings come from: VictoriaMetrics, or a simulated cluster; the one loop that polls.
- `pbs/` what they mean: metric samples become nodes, queues, users and a summary. Pure.
- `state/` what is true now: each entity with the revision that last changed it. Pure.
- `stream/` who hears of it: a hub, and subscribers that are a cursor each.
- `web/` how they hear it: WebSocket, SSE, long-poll and REST; thin.

Read in this order: `state/store.py` (law 1), `stream/hub.py` (law 2), `stream/subscriber.py` (law 3),
`source/poller.py` (law 4), `pbs/assemble.py` (law 5), then `app.py`, which alone knows all rooms. What a client may rely on is in
`docs/protocol.md`.
"""

__version__ = "0.1.0"
