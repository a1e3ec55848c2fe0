"""What is on the screen, one widget a file, named for what the user sees."""
