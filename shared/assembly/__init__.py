"""Content going out: assembles whole archives, and files of single relations, from what is stored."""
