"""Algos: order types that are worked with plain orders, one file each.

An algo is a pure step: (what it is, what its orders did, what the market shows) -> decisions. The
step asks what should be there and says what is missing, so it may be called at any time and as
often as one likes; after a restart, a lost answer or a surprise it simply looks again. `desk`
carries the decisions out and is the only part that acts; `state` folds the events.
"""
