"""The ledger: which stored object is whose, and the collector of those that are nobody's."""
