"""The main screen with its views, and the dialogs that lie over it."""
