"""Small protocols in our own words. Adapters implement them; nothing here imports an adapter."""
