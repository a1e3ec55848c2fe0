"""The simulated world over the kernels: exchange, scenario, sources of rows."""
