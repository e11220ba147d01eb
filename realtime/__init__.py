"""realtime: live state of PBS Pro clusters.

Data flows one way, and each room is named for its word in one sentence: **source → pbs → state → stream → web**.

- `source/` where readings come from: VictoriaMetrics, or a simulated cluster; the one loop that polls.
- `pbs/` what they mean: metric samples become nodes, queues, users and a summary. Pure.
- `state/` what is true now: each entity with the revision that last changed it. Pure.
- `stream/` who hears of it: a hub, and subscribers that are a cursor each.
- `web/` how they hear it: WebSocket, SSE, long-poll and REST; thin.
- `dashboard/` what people see: the pages and the client they stand on, in JavaScript; built into the package.

Beside the rooms:

- `cli.py` the commands; `check.py` what `realtime check` finds; `app.py` start-up and shutdown.
- `config.py`, `entrance.py` every key of the configuration; `loading.py` reads it, and says what is wrong with it.
- `process.py`, `files.py` what is asked of the operating system: an event loop, signals, an address, open files.
- `clock.py` the wall clock; `errors.py` errors by blame; `logs.py` the log; `counts.py` what is counted; `deflate.py` compression.

Read in this order: `state/store.py` (law 1), `stream/hub.py` (law 2), `stream/subscriber.py` (law 3),
`source/poller.py` (law 4), `pbs/assemble.py` (law 5), then `app.py`, which alone knows all rooms. What a client may rely on is in
`docs/protocol.md`.
"""

__version__ = "0.1.0"
