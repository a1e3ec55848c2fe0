"""The headless engine: it trades, and knows no screen and no settings file."""
