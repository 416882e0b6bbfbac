"""HTTP itself: bodies, forms, encodings, ranges, parameters, pages of lists. It knows no use case."""
