"""The archive codec: gzip and tar, bytes in and events out, without any I/O."""
