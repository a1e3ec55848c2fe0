"""The drill exchange: a venue on this machine that unmodified clients trade against over TLS.

`exchange` is the core and knows no protocol; `dialects` speak for it; `server` puts both on a port.
"""
