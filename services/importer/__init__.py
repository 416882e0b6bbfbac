"""The importer: reads archives into projects in one pass, without temporary disk."""
