"""The audit: does the store have what the index says, and does the index agree with itself.

It changes nothing by itself. Objects come and go while it looks, so each finding about one is made twice.
"""
