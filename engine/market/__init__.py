"""What we know of the market: views over the kernel's arrays, bars, sanity."""
