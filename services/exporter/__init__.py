"""The exporter: assembles archives from stored segments and blobs."""
