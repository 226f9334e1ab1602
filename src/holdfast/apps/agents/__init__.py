"""Named agents on nodes that call each other, whatever breaks in between."""
