"""The terminal face, on Textual. It paints what `app.views` says and performs its effects."""
