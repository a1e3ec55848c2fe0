"""Pure presentation, shared by every face: no toolkit, no clock, no socket.

A snapshot goes in and text with tones comes out; a key goes in and commands come out.
"""
