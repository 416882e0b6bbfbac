"""The exporter: assembles archives out of what is stored."""
