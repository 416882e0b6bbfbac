"""The importer: takes an archive apart in one pass, without temporary disk."""
