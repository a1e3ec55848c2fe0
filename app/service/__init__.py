"""How a face and an engine talk. A face only ever sees a `Session`."""
