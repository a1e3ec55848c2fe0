"""Durable storage: the ledger and the market file. The only importer of sqlite3."""
