"""The real server as a process, under faults: of its source, of itself, of its readers, and of the network between them.

- `numbered.py` a source whose every state is known beforehand: scrape n says exactly what scrape n says.
- `oracle.py` hears what every reader holds, at every cursor, and knows whether it was ever true.
- `crowd.py` readers that come back, as docs/protocol.md tells them to.
- `outage.py` what readers are owed while their source fails.
- `daemon.py` the server's process: started, killed, suspended, and looked at from outside.
- `line.py` a line between readers and server, or server and source, on which bytes are held, delayed, cut and lost.
- `rude.py` readers that misbehave: they read nothing, or vanish, or say what nobody should.
- `measures.py` how late readers hear meanwhile, and how much memory the server takes.
- `faults.py` what can befall all of these, drawn from a seed; `test_random_faults.py` and `soak.py` both draw from it.

`docs/resilience.md` has every fault with its outcome.
"""
