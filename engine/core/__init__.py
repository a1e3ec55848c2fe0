"""Order in time: clock, ids, inbox, tasks, watchdog. The engine's heartbeat, without its mind."""
