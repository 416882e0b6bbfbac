"""Segments: runs of raw deflate blocks that stand alone at rest and concatenate into one gzip member.

A segment ends on a byte boundary, by a full flush or a stored block (RFC 1951), and is never final;
its raw length and CRC-32 are known, so that an archive is put together without inflating anything.
"""
