"""The ledger: a row for every object in the store, and the collector that deletes what nothing refers to.

Each move in the life of a stored object has one verb:

- register: the object has a key and a row, before its first byte (``objects.register``)
- write, then commit or abort: the bytes are visible in the store, whole, or not at all (``ObjectWriter``)
- record: the row says that the bytes are stored, their size and digest (``objects.record_stored``)
- refer: a row of entries, archives or jobs names the object, which keeps it
- touch: the object is kept for the grace time without a reference (``objects.touch``, ``keep_touched``)
- remove: a row that referred is deleted; the object may be unreferred then
- mark: an unreferred object is to be collected, and nothing refers to it again (``objects.mark``)
- condemn, acquit: its bytes are not those that were written, or they are again (``objects.condemn``)
- adopt: an object in the store that has no row gets one, and is marked (``objects.adopt``)
- collect: the bytes are deleted, then the row (``objects.collect``, ``Collector``)
"""
